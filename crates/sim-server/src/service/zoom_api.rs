//! Zoom's own REST calls for RTMS: a stream of a meeting is started, paused, resumed and stopped.
//!
//! Basis: paths, methods, `action` and `settings` are documented for meetings; for other products the paths and methods
//! are, and the body is taken to be the same. Of the error codes, 2308, 2310 and 3000 are documented for this call, the
//! others are those of Zoom's REST in general; which of them comes when is reconstructed.

use std::sync::Arc;

use hyper::{Method, StatusCode};
use percent_encoding::percent_decode_str;
use rtms_sim::zoom::Control;
use rtms_wire::codes::{product::Product, stop_reason::StopReason};
use serde::Deserialize;
use serde_json::json;

use crate::service::{
    exchange::{Answer, Asked},
    jwt,
    meetings::{Meeting, Refused},
    scope::scope,
    shared::Shared,
};

/// The body of a call.
#[derive(Debug, Deserialize)]
struct Body {
    action: Action,
    #[serde(default)]
    settings: Settings,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Action {
    Start,
    Stop,
    Pause,
    Resume,
}

/// What else a call says. Whose stream it is makes no difference: everybody in a meeting may start one.
#[derive(Debug, Default, Deserialize)]
struct Settings {
    client_id: Option<String>,
    #[serde(default, rename = "participant_user_id")]
    _participant_user_id: Option<String>,
}

/// Why a call is refused, as Zoom says it.
#[derive(Debug)]
struct Refusal {
    status: u16,
    code: i64,
    message: String,
}

impl Refusal {
    fn new(status: StatusCode, code: i64, message: impl Into<String>) -> Self {
        Self { status: status.as_u16(), code, message: message.into() }
    }

    fn answer(self) -> Answer {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        Answer::json(status, &json!({ "code": self.code, "message": self.message }))
    }
}

/// Answers a call. `path` is what comes after `/v2`.
pub(super) async fn answer(shared: &Shared, asked: &Asked, path: &[&str]) -> Answer {
    let call = match path {
        ["live_meetings", id, "rtms_app", "status"] => Some((Product::Meeting, Method::PATCH, *id)),
        ["videosdk", "sessions", id, "rtms_app", "status"] => Some((Product::Session, Method::PATCH, *id)),
        ["contact_center", id, "rtms_app", "status"] => Some((Product::ContactCenter, Method::PUT, *id)),
        ["phone", "calls", id, "rtms_app", "status"] => Some((Product::Phone, Method::PATCH, *id)),
        _ => None,
    };
    let Some((product, method, id)) = call else {
        let message = format!("The simulator does not play {}; a / inside of an id has to be %2F.", asked.path);
        return Refusal::new(StatusCode::NOT_FOUND, 404, message).answer();
    };
    if asked.method != method {
        let message = format!("Request method '{}' is not supported, {method} is.", asked.method);
        return Refusal::new(StatusCode::METHOD_NOT_ALLOWED, 405, message).answer();
    }
    match change(shared, asked, product, id).await {
        Ok(()) => Answer::no_content(),
        Err(refusal) => refusal.answer(),
    }
}

async fn change(shared: &Shared, asked: &Asked, product: Product, id: &str) -> Result<(), Refusal> {
    authorize(shared, asked, product)?;
    let action = read(shared, asked, product)?;
    let meeting = find(shared, product, id)?;
    if let Some(refusal) = meeting.next_refusal() {
        return Err(Refusal { status: refusal.status, code: refusal.code, message: refusal.message });
    }
    let control = match action {
        Action::Start => Control::Start,
        Action::Pause => Control::Pause,
        Action::Resume => Control::Resume,
        Action::Stop => Control::Stop { reason: stop_reason(meeting.product) },
    };
    meeting.control(control).await.map_err(|refused| match refused {
        Refused::NotNow(why) => {
            Refusal::new(StatusCode::BAD_REQUEST, 2310, format!("Failed to perform RTMS app operation: {why}."))
        }
        Refused::TooManyStreams { .. } => Refusal::new(StatusCode::TOO_MANY_REQUESTS, 429, format!("{refused}.")),
    })
}

/// Why a stream stops that a call stops: 25 has the Contact Center's API in its name, and of the others 2, "stopped by
/// the app's user", is the one that fits. Basis: reconstructed.
fn stop_reason(product: Product) -> StopReason {
    match product {
        Product::ContactCenter => StopReason::ManualApiTriggered,
        Product::Meeting | Product::Webinar | Product::Session | Product::Phone => StopReason::UserTriggered,
    }
}

fn authorize(shared: &Shared, asked: &Asked, product: Product) -> Result<(), Refusal> {
    let invalid = |why: &str| Refusal::new(StatusCode::UNAUTHORIZED, 124, format!("Invalid access token{why}."));
    let bearer = asked.authorization.as_deref().and_then(|it| it.split_once(' '));
    let token = match bearer {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => token.trim(),
        Some(_) | None => return Err(invalid(", there is no bearer token")),
    };
    let Some(scope) = scope(product) else {
        let app = &shared.meetings.usual().app;
        return jwt::check(app, token, shared.meetings.now()).map_err(|why| invalid(&format!(": {why}")));
    };
    if !shared.tokens.is_valid(token) {
        return Err(invalid(""));
    }
    if !shared.scopes.iter().any(|granted| granted.strip_suffix(":admin").unwrap_or(granted) == scope) {
        let message = format!("Invalid access token, does not contain scopes:[{scope}, {scope}:admin].");
        return Err(Refusal::new(StatusCode::FORBIDDEN, 4711, message));
    }
    Ok(())
}

fn read(shared: &Shared, asked: &Asked, product: Product) -> Result<Action, Refusal> {
    let invalid = |why: String| Refusal::new(StatusCode::BAD_REQUEST, 300, format!("Validation Failed: {why}."));
    let body: Body = serde_json::from_slice(&asked.body).map_err(|error| invalid(error.to_string()))?;
    let ours = &shared.meetings.usual().app.client_id;
    match body.settings.client_id {
        Some(client_id) if client_id == *ours => Ok(body.action),
        Some(_) => Err(invalid("settings.client_id is not that of the app".to_owned())),
        // Only of meetings it is known to be needed.
        None if product == Product::Meeting => Err(invalid("settings.client_id is missing".to_owned())),
        None => Ok(body.action),
    }
}

/// The meeting that a call is about. Webinars have the path of meetings.
fn find(shared: &Shared, product: Product, segment: &str) -> Result<Arc<Meeting>, Refusal> {
    let once = decoded(segment);
    let twice = decoded(&once);
    let mut why = String::new();
    for meeting in shared.meetings.all() {
        let is_of_the_path = match meeting.product {
            Product::Meeting | Product::Webinar => product == Product::Meeting,
            Product::Session | Product::ContactCenter | Product::Phone => product == meeting.product,
        };
        if !is_of_the_path || meeting.playing.is_finished() {
            continue;
        }
        let id = &meeting.playing.instance.value;
        let is_number = meeting.playing.meeting_number.as_ref() == Some(&once);
        let is_encoded_too_little = once == *id && is_encoded_twice(id);
        if is_number || twice == *id && !is_encoded_too_little {
            return Ok(meeting);
        }
        if is_encoded_too_little {
            why = ", but one whose id begins with / or holds // and so has to be encoded twice".to_owned();
        }
    }
    let message = format!("Meeting does not exist: {once}{why}.");
    Err(Refusal::new(StatusCode::NOT_FOUND, 3001, message))
}

/// Whether an id has to be percent-encoded twice in a path. Basis: documented, for the UUIDs of meetings.
fn is_encoded_twice(id: &str) -> bool {
    id.starts_with('/') || id.contains("//")
}

fn decoded(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}
