//! The webhook door: size, raw bytes, signature, freshness, only then JSON; stored durably; then answered.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{
    Json, Router,
    body::Body,
    extract::{Path, Request, State},
    http::{HeaderMap, StatusCode, Version, header},
    response::{IntoResponse, Response},
    routing::post,
};
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::body::Body as _;
use rtms_slots::{Slot, Slots};
use rtms_store::{
    entry::NewEntry,
    receipts::{NotedOn, Step},
    store::Store,
};
use rtms_wire::{
    time::UnixMillis,
    webhook::{
        Webhook, WebhookBody,
        url_validation::UrlValidationAnswer,
        verify::{Delivery, NotFromZoom, SIGNATURE_HEADER, TIMESTAMP_HEADER, Verified},
    },
    wire_log::without_unused_secrets,
};
use tokio::{
    sync::{Semaphore, SemaphorePermit},
    time::Instant,
};
use tracing::{error, info, warn};

use crate::{
    apps::{Apps, secret_tokens, secrets::App},
    clock,
    door::{
        diagnosis::{self, Diagnosis},
        misdirected::Misdirected,
        repeats::WebhookRepeats,
    },
    lock::locked,
    telemetry::{Metrics, WebhookResult},
    trouble::Trouble,
};

/// The bytes that each body may take without asking. Zoom's have a few hundred.
const SMALL_BODY_BYTES: usize = 16 << 10;

/// Requests at a time: over HTTP/2 a connection may have many. With what each body may take, a quarter of a gigabyte.
const MAX_REQUESTS: usize = 16 << 10;

/// The bytes that all bodies together may take beyond that; at least the longest single body.
const LARGE_BODIES_BYTES: usize = 64 << 20;

/// The state of the webhook routes.
pub(crate) struct Door {
    pub(crate) apps: Apps,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) diagnosis: Diagnosis,
    pub(crate) tolerance: Duration,
    pub(crate) max_body_bytes: usize,
    pub(crate) read_within: Duration,
    pub(crate) body_memory: BodyMemory,
    pub(crate) repeats: Arc<WebhookRepeats>,
    pub(crate) misdirected: Misdirected,
    /// Of storing webhooks.
    pub(crate) trouble: Mutex<Trouble>,
}

/// Limits of the memory for bodies that are not verified yet, so that strangers cannot fill it.
pub(crate) struct BodyMemory {
    /// Requests at a time; on a connection by HTTP/2 there may be many.
    requests: Slots,
    /// Bytes beyond what each may have.
    bytes: Semaphore,
}

/// A body, and its share of [`BodyMemory`] until it is dropped.
struct Received<'a> {
    body: Bytes,
    _request: Slot,
    _bytes: Option<SemaphorePermit<'a>>,
}

impl BodyMemory {
    /// Allows bodies up to this length.
    pub(crate) fn new(max_body_bytes: usize) -> Self {
        let bytes = LARGE_BODIES_BYTES.max(max_body_bytes).min(Semaphore::MAX_PERMITS);
        Self { requests: Slots::new(MAX_REQUESTS), bytes: Semaphore::new(bytes) }
    }
}

/// A rejected request. The sender gets the status and nothing else: it may be anybody.
struct Refusal {
    result: WebhookResult,
    status: StatusCode,
}

impl Refusal {
    const fn new(result: WebhookResult, status: StatusCode) -> Self {
        Self { result, status }
    }
}

/// Returns the routes of the door: webhooks, tokens for them, and `others`.
pub(crate) fn router(door: Arc<Door>, others: Router) -> Router {
    Router::new()
        .route("/webhook", post(receive))
        .route("/webhook/{app}", post(receive_for))
        .route("/webhook/{app}/token", post(token))
        .merge(others.with_state(()))
        .fallback(not_found)
        .method_not_allowed_fallback(method_not_allowed)
        .with_state(door)
}

/// `POST /webhook`: for any app; the secret that matches says which.
async fn receive(State(door): State<Arc<Door>>, request: Request) -> Response {
    door.answer(request, None).await
}

/// `POST /webhook/{app}`: for one app.
async fn receive_for(State(door): State<Arc<Door>>, Path(app): Path<String>, request: Request) -> Response {
    if door.apps.now().iter().any(|known| known.name == app) {
        door.answer(request, Some(&app)).await
    } else {
        door.misdirected(&request, StatusCode::NOT_FOUND)
    }
}

/// A path that nothing is served at.
async fn not_found(State(door): State<Arc<Door>>, request: Request) -> Response {
    door.misdirected(&request, StatusCode::NOT_FOUND)
}

/// A path that is served by other methods.
async fn method_not_allowed(State(door): State<Arc<Door>>, request: Request) -> Response {
    door.misdirected(&request, StatusCode::METHOD_NOT_ALLOWED)
}

/// `POST /webhook/{app}/token`: a token for an app whose webhooks must carry one.
async fn token(State(door): State<Arc<Door>>, Path(app): Path<String>, request: Request) -> Response {
    let apps = door.apps.now();
    let auth = apps.iter().find(|known| known.name == app).and_then(|app| app.auth.as_ref());
    match auth.map(|auth| auth.issue(request.headers(), clock::unix_millis())) {
        Some(Some(token)) => ([(header::CACHE_CONTROL, "no-store")], Json(token)).into_response(),
        Some(None) => StatusCode::UNAUTHORIZED.into_response(),
        None => door.misdirected(&request, StatusCode::NOT_FOUND),
    }
}

impl Door {
    async fn answer(&self, request: Request, only: Option<&str>) -> Response {
        let begun = Instant::now();
        let (result, response) = match self.receive(request, only).await {
            Ok(taken) => taken,
            Err(refusal) => (refusal.result, refusal.status.into_response()),
        };
        self.metrics.webhook(result);
        if matches!(result, WebhookResult::Stored | WebhookResult::Validated | WebhookResult::NotStored) {
            self.metrics.answered(begun.elapsed());
        }
        response
    }

    async fn receive(&self, request: Request, only: Option<&str>) -> Result<(WebhookResult, Response), Refusal> {
        let (parts, body) = request.into_parts();
        // Over HTTP/2 a client that is still sending may not read an early rejection.
        let is_heard = parts.version != Version::HTTP_2;
        if is_heard && body.size_hint().lower() > self.max_body_bytes as u64 {
            return Err(Refusal::new(WebhookResult::TooLarge, StatusCode::PAYLOAD_TOO_LARGE));
        }
        let received = tokio::time::timeout(self.read_within, self.read(body))
            .await
            .map_err(|_| Refusal::new(WebhookResult::TooSlow, StatusCode::REQUEST_TIMEOUT))??;
        let body = &received.body;
        let (received_at, complete_at) = (clock::unix_millis(), clock::unix_micros());

        let apps = self.apps.now();
        let (app, verified) = self.verify(&apps, only, &parts.headers, body)?;
        let verified_at = clock::unix_micros();
        let webhook = Webhook::decode(verified.body()).map_err(|why| {
            warn!(%why, app = %app.name, "refused a signed request whose body is no webhook");
            Refusal::new(WebhookResult::Unreadable, StatusCode::BAD_REQUEST)
        })?;
        let answer = answer_to(&verified, &webhook)?;

        if self.repeats.is_new(body, &webhook.sent_as) {
            info!(event = %webhook.sent_as, app = %app.name, "webhook received");
        }
        let entry = NewEntry { received_at, app: app.name.clone(), body: without_unused_secrets(body) };
        let id = self.store.append(entry).await.map_err(|why| {
            // 503 makes Zoom send it again. A full disk fails each of them.
            if locked(&self.trouble).begins(Instant::now()) {
                error!(%why, "cannot store a webhook, answering 503 until storage works again: Zoom sends it again");
            }
            Refusal::new(WebhookResult::NotStored, StatusCode::SERVICE_UNAVAILABLE)
        })?;
        locked(&self.trouble).ends(Instant::now());
        self.metrics.webhook_stored_at(received_at);
        if answer.0 == WebhookResult::Validated {
            self.metrics.validated_at(&app.name, received_at);
        }
        let stored = clock::unix_micros();
        let steps = [(Step::Received, complete_at), (Step::Verified, verified_at), (Step::Stored, stored)];
        // What comes after this is hyper's: one write to the kernel.
        for (step, at) in steps.into_iter().chain([(Step::Answered, clock::unix_micros())]) {
            self.store.note_step(NotedOn::from(id), step, at);
        }
        Ok(answer)
    }

    /// Answers a request that no route accepts.
    fn misdirected(&self, request: &Request, status: StatusCode) -> Response {
        self.misdirected.take(request.method(), request.uri(), request.headers(), status, &self.apps.now());
        status.into_response()
    }

    /// Reads a body, as far as there is memory for it.
    async fn read(&self, mut body: Body) -> Result<Received<'_>, Refusal> {
        // Zoom retries a webhook with this answer.
        let busy = || Refusal::new(WebhookResult::Busy, StatusCode::SERVICE_UNAVAILABLE);
        let too_large = || Refusal::new(WebhookResult::TooLarge, StatusCode::PAYLOAD_TOO_LARGE);
        let mut request = self.body_memory.requests.take();
        let (mut whole, mut bytes) = (BytesMut::new(), None::<SemaphorePermit<'_>>);
        loop {
            let frame = tokio::select! {
                biased;
                frame = body.frame() => frame,
                () = request.evicted() => return Err(busy()),
            };
            let Some(frame) = frame else { break };
            let frame = frame.map_err(|_| Refusal::new(WebhookResult::BrokenOff, StatusCode::BAD_REQUEST))?;
            let Ok(data) = frame.into_data() else { continue };
            let length = whole.len() + data.len();
            if length > self.max_body_bytes {
                return Err(too_large());
            }
            let taken = bytes.as_ref().map_or(0, SemaphorePermit::num_permits);
            let more = length.saturating_sub(SMALL_BODY_BYTES + taken);
            if more > 0 {
                let more = u32::try_from(more).map_err(|_| too_large())?;
                let more = self.body_memory.bytes.try_acquire_many(more).map_err(|_| busy())?;
                match &mut bytes {
                    Some(bytes) => bytes.merge(more),
                    None => bytes = Some(more),
                }
            }
            whole.extend_from_slice(&data);
        }
        Ok(Received { body: whole.freeze(), _request: request, _bytes: bytes })
    }

    /// Finds the app that the request is for, by the secret that it is signed with and by what else the app demands.
    fn verify<'a>(
        &self,
        apps: &'a [App],
        only: Option<&str>,
        headers: &'a HeaderMap,
        body: &'a [u8],
    ) -> Result<(&'a App, Verified<'a>), Refusal> {
        let now = clock::unix_millis();
        let text = |name: &str| headers.get(name)?.to_str().ok();
        let delivery = Delivery { timestamp: text(TIMESTAMP_HEADER), signature: text(SIGNATURE_HEADER), body };
        let tokens = secret_tokens(apps, only);
        let verified = delivery.verify(tokens.iter().map(|(_, token)| *token), now, self.tolerance);
        let verified = verified.map_err(|why| self.not_from_zoom(why, &delivery, apps, only, headers, now))?;

        let position = tokens.get(verified.secret_position()).map(|(position, _)| *position);
        let app = position.and_then(|position| apps.get(position));
        let app = app.ok_or(Refusal::new(WebhookResult::BadSignature, StatusCode::UNAUTHORIZED))?;
        if app.auth.as_ref().is_some_and(|auth| !auth.admits(headers, now)) {
            warn!(app = %app.name, "refused a signed webhook that lacks the authentication demanded by [app.auth]");
            return Err(Refusal::new(WebhookResult::BadAuth, StatusCode::UNAUTHORIZED));
        }
        Ok((app, verified))
    }

    fn not_from_zoom(
        &self,
        why: NotFromZoom,
        delivery: &Delivery<'_>,
        apps: &[App],
        only: Option<&str>,
        headers: &HeaderMap,
        now: UnixMillis,
    ) -> Refusal {
        if matches!(why, NotFromZoom::Stale { .. }) {
            // A client that recorded one can send it again a thousand times a second.
            if self.diagnosis.is_due(now) {
                warn!(%why, "refused a signed webhook: the clock of this machine is wrong, or an old webhook was sent again");
            }
            return Refusal::new(WebhookResult::Stale, StatusCode::UNAUTHORIZED);
        }
        let authorization = headers.get(header::AUTHORIZATION).map(|value| value.as_bytes());
        if let Some(suspect) = self.diagnosis.of(delivery, apps, only, authorization, now) {
            self.metrics.suspected(suspect);
            warn!(%why, suspect = suspect.as_str(), advice = diagnosis::advice(suspect), "refused a webhook that is not Zoom's");
        }
        Refusal::new(WebhookResult::BadSignature, StatusCode::UNAUTHORIZED)
    }
}

/// Returns the answer to a stored webhook.
fn answer_to(verified: &Verified<'_>, webhook: &Webhook) -> Result<(WebhookResult, Response), Refusal> {
    let WebhookBody::UrlValidation { plain_token } = &webhook.body else {
        return Ok((WebhookResult::Stored, StatusCode::OK.into_response()));
    };
    let answer = UrlValidationAnswer::new(verified, plain_token).map_err(|why| {
        warn!(%why, "refused a URL validation");
        Refusal::new(WebhookResult::Unreadable, StatusCode::BAD_REQUEST)
    })?;
    Ok((WebhookResult::Validated, Json(answer).into_response()))
}
