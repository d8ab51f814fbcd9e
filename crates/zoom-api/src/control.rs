//! A call that controls a stream: its path and body.
//!
//! Basis: `action` and `settings.client_id` are documented for meetings, `pause` and `resume` named in a changelog; the body for
//! Video SDK and Contact Center is not published, so theirs is that of meetings.

use hyper::Method;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use rtms_wire::codes::product::Product;
use serde_json::{Value, json};

/// What escapes in a path segment: all but what RFC 3986 never reserves.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// What is done to a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Starts a stream.
    Start,
    /// Ends it.
    Stop,
    /// Halts its media.
    Pause,
    /// Goes on with its media.
    Resume,
}

impl Action {
    /// Returns the word of Zoom.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Stop => "stop",
            Self::Pause => "pause",
            Self::Resume => "resume",
        }
    }
}

/// A call that controls the stream of one meeting, session, engagement or call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Control {
    /// The product.
    pub product: Product,
    /// The meeting number, or the id of the session, engagement or call; a meeting's UUID is accepted, too.
    pub id: String,
    /// What is done.
    pub action: Action,
    /// The client id of the app that receives the stream; not sent for phone calls.
    pub client_id: String,
    /// The user whose stream is started, if it is not the host's.
    pub participant_user_id: Option<String>,
}

impl Control {
    /// Returns the method. Contact Center has another one.
    pub fn method(&self) -> Method {
        match self.product {
            Product::ContactCenter => Method::PUT,
            Product::Meeting | Product::Webinar | Product::Session | Product::Phone => Method::PATCH,
        }
    }

    /// Returns the path below `/v2`.
    pub fn path(&self) -> String {
        let id = path_segment(&self.id);
        match self.product {
            Product::Meeting | Product::Webinar => format!("/live_meetings/{id}/rtms_app/status"),
            Product::Session => format!("/videosdk/sessions/{id}/rtms_app/status"),
            Product::ContactCenter => format!("/contact_center/{id}/rtms_app/status"),
            Product::Phone => format!("/phone/calls/{id}/rtms_app/status"),
        }
    }

    /// Returns the body.
    pub fn body(&self) -> Value {
        let action = self.action.as_str();
        if self.product == Product::Phone {
            return json!({ "action": action });
        }
        let mut settings = json!({ "client_id": self.client_id });
        if let Some(user) = &self.participant_user_id {
            settings["participant_user_id"] = user.as_str().into();
        }
        json!({ "action": action, "settings": settings })
    }

    /// Returns the scopes that the app needs for it; none where none is published.
    pub fn scope(&self) -> Option<&'static str> {
        match self.product {
            Product::Meeting | Product::Webinar => Some("meeting:update:participant_rtms_app_status"),
            Product::ContactCenter => Some("contact_center:update:engagement_rtms_app_status"),
            Product::Phone => Some("phone:write:rtms_session"),
            Product::Session => None,
        }
    }
}

/// An id as a segment of a path. One that begins with a slash or holds two in a row is escaped twice. Basis: documented.
fn path_segment(id: &str) -> String {
    let once = utf8_percent_encode(id, SEGMENT).to_string();
    let is_twice = id.starts_with('/') || id.contains("//");
    if is_twice { utf8_percent_encode(&once, SEGMENT).to_string() } else { once }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn control(product: Product, id: &str) -> Control {
        let client_id = "client".to_owned();
        Control { product, id: id.into(), action: Action::Pause, client_id, participant_user_id: None }
    }

    #[test]
    fn each_product_has_its_call() {
        let calls = [
            (Product::Meeting, "PATCH /live_meetings/84920175563/rtms_app/status"),
            (Product::Webinar, "PATCH /live_meetings/84920175563/rtms_app/status"),
            (Product::Session, "PATCH /videosdk/sessions/84920175563/rtms_app/status"),
            (Product::ContactCenter, "PUT /contact_center/84920175563/rtms_app/status"),
            (Product::Phone, "PATCH /phone/calls/84920175563/rtms_app/status"),
        ];
        for (product, call) in calls {
            let control = control(product, "84920175563");
            assert_eq!(format!("{} {}", control.method(), control.path()), call);
        }
        assert_eq!(
            control(Product::Meeting, "1").body(),
            json!({ "action": "pause", "settings": { "client_id": "client" } })
        );
        assert_eq!(control(Product::Phone, "1").body(), json!({ "action": "pause" }));
        let of_user = Control { participant_user_id: Some("u".into()), ..control(Product::Webinar, "1") };
        assert_eq!(of_user.body()["settings"]["participant_user_id"], "u");
    }

    #[test]
    fn an_id_is_one_segment_of_the_path() {
        assert_eq!(path_segment("gPkqeuK3m0UGeK+QdgAHQ=="), "gPkqeuK3m0UGeK%2BQdgAHQ%3D%3D");
        assert_eq!(path_segment("/a//b="), "%252Fa%252F%252Fb%253D");
        assert_eq!(path_segment("a/b="), "a%2Fb%3D");
        assert_eq!(path_segment("../x?y#z"), "..%2Fx%3Fy%23z");
    }
}
