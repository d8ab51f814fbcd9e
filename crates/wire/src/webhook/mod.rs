//! Webhooks: verified first, read later. A file per kind of event.
//!
//! The order is in the types: [`verify::Delivery`] is what anybody may send, [`verify::Verified`] is Zoom's.

pub mod account;
pub mod event_name;
mod fields;
pub mod rtms;
pub mod server_url;
pub mod url_validation;
pub mod verify;

use std::time::Duration;

use serde_json::value::RawValue;
use smol_str::SmolStr;

use crate::{
    codes::product::Product,
    ids::{AccountId, InstanceId, InstanceIdField, StreamId},
    mend,
    time::UnixMillis,
    webhook::{
        account::{ConcurrencyLimited, ConcurrencyNearLimit},
        event_name::EventName,
        fields::Fields,
        rtms::{RtmsInterrupted, RtmsStarted, RtmsStopped},
    },
};

/// A webhook in its normalised form, whichever of the known shapes it came in. Basis: docs/protocol.md#webhooks.
#[derive(Clone, Debug, PartialEq)]
pub struct Webhook {
    /// The canonical name of the event.
    pub event: EventName,
    /// The name as it was sent: some events have two, which are equals.
    pub sent_as: SmolStr,
    /// When it happened, on Zoom's clock; absent in old forms, and if it is no [time](UnixMillis::read).
    pub event_ts: Option<UnixMillis>,
    /// The account, since April 2026.
    pub account_id: Option<AccountId>,
    /// What is streamed.
    pub instance: Option<InstanceId>,
    /// Which stream; absent in some stops.
    pub stream_id: Option<StreamId>,
    /// Who and what else, where it is said.
    pub details: Details,
    /// What the event says beyond that.
    pub body: WebhookBody,
}

/// What any event may add, depending on product and age of the form. Basis: documented, but for `host_id`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Details {
    /// The meeting's number.
    pub meeting_id: Option<String>,
    /// Who triggered it.
    pub operator_id: Option<String>,
    /// The host, in the nested form only.
    pub host_id: Option<String>,
    /// The developer's own session id, Video SDK only.
    pub session_key: Option<String>,
}

/// What an event says.
#[derive(Clone, Debug, PartialEq)]
pub enum WebhookBody {
    /// `*.rtms_started`: connect.
    RtmsStarted(RtmsStarted),
    /// `*.rtms_stopped`: it is over.
    RtmsStopped(RtmsStopped),
    /// `*.rtms_interrupted`: connect again.
    RtmsInterrupted(RtmsInterrupted),
    /// `rtms.concurrency_near_limit`.
    ConcurrencyNearLimit(ConcurrencyNearLimit),
    /// `rtms.concurrency_limited`.
    ConcurrencyLimited(ConcurrencyLimited),
    /// `rtms.start_failed`; the payload is unpublished, the raw body holds it.
    StartFailed,
    /// `rtms.request_status`; the payload is unpublished, the raw body holds it.
    RequestStatus,
    /// `endpoint.url_validation` with its plain token, unchecked: see [`url_validation`].
    UrlValidation {
        /// `payload.plainToken`, empty if it is missing.
        plain_token: String,
    },
    /// An event that this version does not know.
    Other,
}

/// A signed body that is not a webhook: answered 400.
#[derive(Debug, thiserror::Error)]
pub enum WebhookUnreadable {
    /// The bytes are not one complete JSON object.
    #[error("the body is not a JSON object")]
    NotJson(#[source] serde_json::Error),
    /// `event` is missing or not text.
    #[error("the body has no event name")]
    NoEvent,
}

impl Webhook {
    /// Reads a body. Call it on what [`verify::Verified`] holds, or on what was stored after that.
    ///
    /// # Errors
    /// [`WebhookUnreadable`] for what is not JSON or has no event name. Everything else is a webhook: what is missing
    /// or odd in it shows as an absent field.
    pub fn decode(body: &[u8]) -> Result<Self, WebhookUnreadable> {
        // A bad string anywhere must not cost the stream. What is right stays byte for byte.
        let (mended, _) = mend::json(body);
        let text = std::str::from_utf8(&mended)
            .map_err(|error| WebhookUnreadable::NotJson(serde::de::Error::custom(error)))?;
        let envelope = fields::Envelope::read(text).map_err(WebhookUnreadable::NotJson)?;
        let event = envelope.event.and_then(fields::text).ok_or(WebhookUnreadable::NoEvent)?;
        let sent_as = SmolStr::new(event);
        let event = EventName::canonical(&sent_as);
        let fields = Fields::new(envelope.payload.map(RawValue::get).unwrap_or_default());

        let event_ts = envelope.event_ts.and_then(fields::time).or_else(|| fields::time(fields.raw("event_ts")?));
        let webhook_body = match event.kind() {
            event_name::Kind::Started => WebhookBody::RtmsStarted(RtmsStarted::from_fields(&fields)),
            event_name::Kind::Stopped => WebhookBody::RtmsStopped(RtmsStopped::from_fields(&fields)),
            event_name::Kind::Interrupted => WebhookBody::RtmsInterrupted(RtmsInterrupted::from_fields(&fields)),
            event_name::Kind::ConcurrencyNearLimit => {
                WebhookBody::ConcurrencyNearLimit(ConcurrencyNearLimit::from_fields(&fields))
            }
            event_name::Kind::ConcurrencyLimited => {
                WebhookBody::ConcurrencyLimited(ConcurrencyLimited::from_fields(&fields))
            }
            event_name::Kind::StartFailed => WebhookBody::StartFailed,
            event_name::Kind::RequestStatus => WebhookBody::RequestStatus,
            event_name::Kind::UrlValidation => {
                let plain_token = fields.raw("plainToken").and_then(fields::text).unwrap_or_default();
                WebhookBody::UrlValidation { plain_token }
            }
            event_name::Kind::Other => WebhookBody::Other,
        };
        Ok(Self {
            instance: instance(event.product(), &fields),
            stream_id: fields.text("rtms_stream_id").or_else(|| fields.text("stream_id")).map(StreamId::new),
            account_id: fields.text("account_id").map(AccountId::new),
            event_ts,
            details: Details {
                meeting_id: fields.text("meeting_id"),
                operator_id: fields.text("operator_id"),
                host_id: fields.text("host_id"),
                session_key: fields.text("session_key"),
            },
            body: webhook_body,
            event,
            sent_as,
        })
    }

    /// Without its time if that cannot be meant: more than five minutes ahead of our clock, by which the webhook was fresh.
    /// What has no time goes by its arrival.
    #[must_use]
    pub fn with_believable_time(self, received_at: UnixMillis) -> Self {
        const MAX_AHEAD: Duration = Duration::from_secs(300);
        let event_ts = self.event_ts.filter(|at| *at <= received_at + MAX_AHEAD);
        Self { event_ts, ..self }
    }

    /// The product: the event's, or for account events that of the id they name.
    pub fn product(&self) -> Option<Product> {
        let by_id = match self.event.kind() {
            event_name::Kind::ConcurrencyLimited => self.instance.as_ref().map(|instance| instance.field.product()),
            event_name::Kind::Started
            | event_name::Kind::Stopped
            | event_name::Kind::Interrupted
            | event_name::Kind::ConcurrencyNearLimit
            | event_name::Kind::StartFailed
            | event_name::Kind::RequestStatus
            | event_name::Kind::UrlValidation
            | event_name::Kind::Other => None,
        };
        self.event.product().or(by_id)
    }
}

/// Finds the id: the product's own fields first, then any, since older samples put one product's id on another's event.
fn instance(product: Option<Product>, fields: &Fields<'_>) -> Option<InstanceId> {
    let own: &[InstanceIdField] = match product {
        Some(Product::Meeting) => &[InstanceIdField::MeetingUuid],
        Some(Product::Webinar) => &[InstanceIdField::WebinarUuid, InstanceIdField::MeetingUuid],
        Some(Product::Session) => &[InstanceIdField::SessionId],
        Some(Product::ContactCenter) => &[InstanceIdField::EngagementId, InstanceIdField::SessionId],
        Some(Product::Phone) => &[InstanceIdField::CallId],
        None => &[],
    };
    own.iter().copied().chain(InstanceIdField::ALL).find_map(|field| {
        let value = fields.text(field.as_str()).or_else(|| fields.nested("id_field")?.text(field.as_str()));
        value.filter(|value| !value.is_empty()).map(|value| InstanceId::new(field, value))
    })
}
