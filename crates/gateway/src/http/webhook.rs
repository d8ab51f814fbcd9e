//! The webhook door: size, raw bytes, signature, freshness, only then JSON; stored durably; then answered.

use std::{sync::Arc, time::Duration};

use axum::{
    Json,
    body::Body,
    extract::{Request, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use rtms_store::{
    entry::NewEntry,
    receipts::{NotedOn, Step},
    store::Store,
};
use rtms_wire::{
    secret::SecretToken,
    webhook::{
        Webhook, WebhookBody,
        url_validation::UrlValidationAnswer,
        verify::{Delivery, NotFromZoom, SIGNATURE_HEADER, TIMESTAMP_HEADER, Verified},
    },
};
use tracing::{error, info, warn};

use crate::{clock, config::secrets::App, http::Shared, telemetry::WebhookResult};

/// What the door needs.
pub(crate) struct Door {
    pub(crate) apps: Arc<[App]>,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) tolerance: Duration,
    pub(crate) max_body_bytes: usize,
    pub(crate) read_within: Duration,
}

/// `POST /webhook`.
pub(crate) async fn receive(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let (result, response) = shared.door.receive(request).await;
    shared.metrics.webhook(result);
    response
}

impl Door {
    async fn receive(&self, request: Request) -> (WebhookResult, Response) {
        let (parts, body) = request.into_parts();
        if !is_json(&parts.headers) {
            return refused(WebhookResult::WrongType, StatusCode::UNSUPPORTED_MEDIA_TYPE);
        }
        let body = match tokio::time::timeout(self.read_within, self.read(body)).await {
            Ok(Ok(body)) => body,
            Ok(Err(refusal)) => return refusal,
            Err(_) => return refused(WebhookResult::TooSlow, StatusCode::REQUEST_TIMEOUT),
        };
        let received = clock::unix_micros();

        let delivery = Delivery {
            timestamp: header(&parts.headers, TIMESTAMP_HEADER),
            signature: header(&parts.headers, SIGNATURE_HEADER),
            body: &body,
        };
        let secrets = self.apps.iter().flat_map(|app| &app.secret_tokens);
        let verified = match delivery.verify(secrets, clock::unix_millis(), self.tolerance) {
            Ok(verified) => verified,
            Err(why) => {
                // The sender learns nothing of it: it may be anybody.
                warn!(%why, "refused a webhook that is not Zoom's");
                let stale = matches!(why, NotFromZoom::Stale { .. });
                let result = if stale { WebhookResult::Stale } else { WebhookResult::BadSignature };
                return refused(result, StatusCode::UNAUTHORIZED);
            }
        };
        let verified_at = clock::unix_micros();
        let webhook = match Webhook::decode(verified.body()) {
            Ok(webhook) => webhook,
            Err(why) => {
                warn!(%why, "refused a signed body that is no webhook");
                return refused(WebhookResult::Unreadable, StatusCode::BAD_REQUEST);
            }
        };
        let answer = match answer(&verified, &webhook) {
            Ok(answer) => answer,
            Err(refusal) => return refusal,
        };

        let app = self.app_of(verified.secret_position()).name.clone();
        info!(event = %webhook.event, %app, "webhook");
        let entry = NewEntry { received_at: clock::unix_millis(), app, body: body.clone() };
        match self.store.append(entry).await {
            Ok(id) => {
                let on = || NotedOn::from(id);
                self.store.note_step(on(), Step::Received, received);
                self.store.note_step(on(), Step::Verified, verified_at);
                self.store.note_step(on(), Step::Stored, clock::unix_micros());
                answer
            }
            Err(why) => {
                // 503 makes Zoom send it again.
                error!(%why, "a webhook could not be stored");
                refused(WebhookResult::NotStored, StatusCode::SERVICE_UNAVAILABLE)
            }
        }
    }

    async fn read(&self, body: Body) -> Result<Bytes, (WebhookResult, Response)> {
        match Limited::new(body, self.max_body_bytes).collect().await {
            Ok(collected) => Ok(collected.to_bytes()),
            Err(error) if error.is::<LengthLimitError>() => {
                Err(refused(WebhookResult::TooLarge, StatusCode::PAYLOAD_TOO_LARGE))
            }
            Err(_) => Err(refused(WebhookResult::Unreadable, StatusCode::BAD_REQUEST)),
        }
    }

    /// The app that the secret at this place among all secrets belongs to.
    fn app_of(&self, position: usize) -> &App {
        let owners = self.apps.iter().flat_map(|app| app.secret_tokens.iter().map(move |_: &SecretToken| app));
        #[expect(clippy::expect_used, reason = "the position was counted over the same secrets")]
        owners.into_iter().nth(position).expect("a verified secret belongs to an app")
    }
}

/// What a stored webhook is answered.
fn answer(verified: &Verified<'_>, webhook: &Webhook) -> Result<(WebhookResult, Response), (WebhookResult, Response)> {
    let WebhookBody::UrlValidation { plain_token } = &webhook.body else {
        return Ok((WebhookResult::Stored, StatusCode::OK.into_response()));
    };
    match UrlValidationAnswer::new(verified, plain_token) {
        Ok(answer) => Ok((WebhookResult::Validated, Json(answer).into_response())),
        Err(why) => {
            warn!(%why, "refused a URL validation");
            Err(refused(WebhookResult::Unreadable, StatusCode::BAD_REQUEST))
        }
    }
}

fn refused(result: WebhookResult, status: StatusCode) -> (WebhookResult, Response) {
    (result, status.into_response())
}

fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

/// Whether the content type is JSON or absent. Parameters are not looked at: Zoom's own example misspells one.
fn is_json(headers: &HeaderMap) -> bool {
    let Some(value) = headers.get(header::CONTENT_TYPE) else { return true };
    let essence = value.to_str().unwrap_or_default().split(';').next().unwrap_or_default().trim();
    essence.eq_ignore_ascii_case("application/json")
}
