//! Zoom's voice over HTTP: the bodies of its webhooks, the headers that sign them, and when it tries again.

use std::{collections::BTreeMap, time::Duration};

use bytes::Bytes;
use rtms_wire::{
    codes::{product::Product, stop_reason::StopReason},
    ids::{InstanceId, StreamId},
    signature::webhook_signature,
    time::UnixMillis,
};
use serde_json::{Map, Value, json};

use crate::{config::App, seed::Seed};

/// Which webhook a delivery is of; the same for every attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WebhookId(pub u64);

/// One attempt at delivering a webhook: to be posted as it stands.
#[derive(Clone, Debug)]
pub struct WebhookPost {
    /// Which webhook.
    pub id: WebhookId,
    /// Its event name, such as `meeting.rtms_started`.
    pub event: String,
    /// 1 for the first attempt.
    pub attempt: u32,
    /// The exact body.
    pub body: Bytes,
    /// The headers, signature included, without those that belong to HTTP itself.
    pub headers: Vec<(&'static str, String)>,
}

/// What became of an attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WebhookAnswer {
    /// The receiver answered with this status within Zoom's three seconds.
    Status(u16),
    /// No answer: refused, reset, or not in time. The text says which, for people.
    Failed(String),
}

impl WebhookAnswer {
    /// Zoom takes any 2xx.
    pub fn is_accepted(&self) -> bool {
        matches!(self, Self::Status(200..=299))
    }

    /// Zoom tries again after 5xx and after no answer, never after 3xx and 4xx. Basis: documented.
    pub fn is_retried(&self) -> bool {
        matches!(self, Self::Failed(_) | Self::Status(500..))
    }
}

/// How long Zoom waits for an answer. Basis: documented.
pub const ANSWER_WITHIN: Duration = Duration::from_secs(3);

/// Pauses before the second, third and fourth attempt; then Zoom gives up. Basis: documented.
pub const RETRY_AFTER: [Duration; 3] =
    [Duration::from_secs(5 * 60), Duration::from_secs(20 * 60), Duration::from_secs(60 * 60)];

/// Who and what a stream is, made up from the seed and the time of its start.
#[derive(Clone, Debug)]
pub(crate) struct Identity {
    pub(crate) instance: InstanceId,
    pub(crate) stream: StreamId,
    account_id: String,
    operator_id: String,
    meeting_number: String,
    session_key: String,
}

impl Identity {
    pub(crate) fn new(product: Product, seed: &Seed, start: UnixMillis) -> Self {
        // The time goes in so that one seed played twice is the same meeting but not the same stream.
        let mut chance = seed.fork("identity", start.0);
        let field = instance_field(product);
        let value = match product {
            Product::Meeting | Product::Webinar | Product::Session => padded_base64(&mut chance),
            // Unpadded, and digits beyond what a double can hold: both were seen.
            Product::ContactCenter => base64_text(&mut chance, 22),
            Product::Phone => format!("7{:018}", chance.below(1_000_000_000_000_000_000)),
        };
        Self {
            instance: InstanceId::new(field, value),
            stream: StreamId::new(chance.hex(32)),
            account_id: base64_text(&mut chance, 22).replace(['+', '/'], "x"),
            operator_id: base64_text(&mut chance, 22).replace(['+', '/'], "x"),
            meeting_number: format!("8{:010}", chance.below(10_000_000_000)),
            session_key: format!("sim-session-{}", chance.below(1_000_000)),
        }
    }
}

/// The id field that Zoom's schema has for a product's webhooks.
fn instance_field(product: Product) -> rtms_wire::ids::InstanceIdField {
    use rtms_wire::ids::InstanceIdField as Field;
    match product {
        Product::Meeting => Field::MeetingUuid,
        Product::Webinar => Field::WebinarUuid,
        Product::Session => Field::SessionId,
        Product::ContactCenter => Field::EngagementId,
        Product::Phone => Field::CallId,
    }
}

fn base64_text(chance: &mut Seed, length: usize) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    (0..length).filter_map(|_| chance.pick(ALPHABET)).copied().map(char::from).collect()
}

/// Sixteen bytes as base64 that hold `/` and `+`, because ids do and clients trip over them.
fn padded_base64(chance: &mut Seed) -> String {
    let last = chance.pick(&['A', 'Q', 'g', 'w']).copied().unwrap_or('A');
    format!("{}/{}+{}{last}==", base64_text(chance, 6), base64_text(chance, 9), base64_text(chance, 4))
}

/// Zoom's name for what starts and stops on a product.
fn event_name(product: Product, what: &str) -> String {
    match product {
        Product::Meeting | Product::Webinar | Product::Session | Product::Phone => format!("{product}.rtms_{what}"),
        Product::ContactCenter => format!("{product}.voice_rtms_{what}"),
    }
}

/// What a webhook tells.
#[derive(Clone, Copy, Debug)]
pub(crate) enum News<'a> {
    /// A stream starts; signaling is at this URL.
    Started { signaling_url: &'a str },
    /// Signaling broke and the stream waits.
    Interrupted,
    /// The stream is over.
    Stopped { reason: StopReason },
}

/// The webhooks of one stream: makes them, remembers which are not delivered yet.
#[derive(Debug)]
pub(crate) struct Webhooks {
    product: Product,
    app: App,
    chance: Seed,
    last_id: u64,
    open: BTreeMap<WebhookId, Undelivered>,
}

#[derive(Debug)]
struct Undelivered {
    event: String,
    body: Bytes,
    attempts: u32,
    /// None while an attempt is under way.
    again_at: Option<UnixMillis>,
}

impl Webhooks {
    pub(crate) fn new(product: Product, app: App, seed: &Seed) -> Self {
        Self { product, app, chance: seed.fork("webhooks", 0), last_id: 0, open: BTreeMap::new() }
    }

    /// A new webhook and its first attempt. The body has the flat, documented form.
    pub(crate) fn announce(&mut self, news: News<'_>, identity: &Identity, now: UnixMillis) -> WebhookPost {
        let (what, event_payload) = match news {
            News::Started { signaling_url } => ("started", self.started(identity, signaling_url)),
            News::Interrupted => ("interrupted", self.common(identity)),
            News::Stopped { reason } => {
                let mut payload = self.common(identity);
                payload.insert("stop_reason".into(), reason.code().into());
                ("stopped", payload)
            }
        };
        let event = event_name(self.product, what);
        let body = json!({ "event": event, "event_ts": now.0, "payload": event_payload });
        self.last_id += 1;
        let id = WebhookId(self.last_id);
        self.open.insert(id, Undelivered { event, body: body.to_string().into(), attempts: 0, again_at: Some(now) });
        // It was inserted in the line above and is due now.
        self.due(now).unwrap_or_else(|| unreachable!("a new webhook is due at once"))
    }

    /// The next attempt whose time has come. The signature is made anew: whether Zoom does so is not documented.
    pub(crate) fn due(&mut self, now: UnixMillis) -> Option<WebhookPost> {
        let (id, undelivered) = self.open.iter_mut().find(|(_, it)| it.again_at.is_some_and(|at| at <= now))?;
        undelivered.again_at = None;
        undelivered.attempts += 1;
        let timestamp = now.as_secs().to_string();
        let signature = webhook_signature(&self.app.secret_token, &timestamp, &undelivered.body);
        let request_id = self.chance.hex(32);
        let headers = vec![
            ("content-type", "application/json; charset=utf-8".to_owned()),
            ("user-agent", "Zoom Marketplace/1.0a".to_owned()),
            ("accept-encoding", "gzip".to_owned()),
            ("clientid", self.app.client_id.clone()),
            ("x-zm-request-id", request_id),
            ("x-zm-request-timestamp", timestamp),
            ("x-zm-signature", signature),
            ("x-zm-trackingid", format!("sim_{}", self.chance.hex(20))),
        ];
        Some(WebhookPost {
            id: *id,
            event: undelivered.event.clone(),
            attempt: undelivered.attempts,
            body: undelivered.body.clone(),
            headers,
        })
    }

    /// Takes what became of an attempt; gives the event name if the receiver did badly.
    pub(crate) fn answered(&mut self, id: WebhookId, answer: &WebhookAnswer, now: UnixMillis) -> Option<String> {
        let undelivered = self.open.get_mut(&id)?;
        let event = undelivered.event.clone();
        let pause =
            usize::try_from(undelivered.attempts).ok().and_then(|attempts| RETRY_AFTER.get(attempts.saturating_sub(1)));
        match pause {
            Some(pause) if answer.is_retried() => undelivered.again_at = Some(now + *pause),
            Some(_) | None => {
                self.open.remove(&id);
            }
        }
        (!answer.is_accepted()).then_some(event)
    }

    pub(crate) fn next_at(&self) -> Option<UnixMillis> {
        self.open.values().filter_map(|undelivered| undelivered.again_at).min()
    }

    /// Whether an attempt is under way whose answer is not known.
    pub(crate) fn is_waiting(&self) -> bool {
        self.open.values().any(|undelivered| undelivered.again_at.is_none())
    }

    fn common(&self, identity: &Identity) -> Map<String, Value> {
        let mut payload = Map::new();
        payload.insert(identity.instance.field.as_str().into(), identity.instance.value.as_str().into());
        if self.product == Product::Session {
            payload.insert("session_key".into(), identity.session_key.as_str().into());
        }
        payload.insert("rtms_stream_id".into(), identity.stream.as_str().into());
        payload
    }

    fn started(&self, identity: &Identity, signaling_url: &str) -> Map<String, Value> {
        let mut payload = self.common(identity);
        payload.insert("server_urls".into(), signaling_url.into());
        match self.product {
            Product::Meeting => {
                payload.insert("account_id".into(), identity.account_id.as_str().into());
                payload.insert("meeting_id".into(), identity.meeting_number.as_str().into());
                payload.insert("operator_id".into(), identity.operator_id.as_str().into());
                payload.insert("is_original_host".into(), true.into());
            }
            Product::Webinar => {
                payload.insert("account_id".into(), identity.account_id.as_str().into());
                payload.insert("webinar_id".into(), identity.meeting_number.as_str().into());
                payload.insert("operator_id".into(), identity.operator_id.as_str().into());
                payload.insert("is_original_host".into(), true.into());
            }
            Product::Session => {
                payload.insert("account_id".into(), identity.account_id.as_str().into());
            }
            // Nothing more is documented.
            Product::ContactCenter | Product::Phone => {}
        }
        payload
    }
}
