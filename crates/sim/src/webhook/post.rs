//! One attempt at delivering a webhook, as it is posted.

use bytes::Bytes;

use crate::webhook::{forgery::Forgery, probe::Probe};

/// Which webhook a delivery is of; the same for every attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WebhookId(pub u64);

/// Why something is posted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Purpose {
    /// Something happened.
    Event,
    /// The same once more, at once: Zoom's internal code -10. It is never tried again itself.
    Again,
    /// Zoom checks whether the receiver still has the secret.
    Validation,
    /// A stranger checks whether the receiver signs for anybody.
    Probe(Probe),
    /// A stranger wants the receiver to connect.
    Forged(Forgery),
}

/// One attempt at delivering a webhook: to be posted as it stands.
#[derive(Clone, Debug)]
pub struct WebhookPost {
    /// The webhook that it is an attempt of.
    pub id: WebhookId,
    /// Its event name, such as `meeting.rtms_started`.
    pub event: String,
    /// Why it is posted.
    pub purpose: Purpose,
    /// 1 for the first attempt.
    pub attempt: u32,
    /// The exact body.
    pub body: Bytes,
    /// The headers, signature included, without those that belong to HTTP itself.
    pub headers: Vec<(&'static str, String)>,
}

impl WebhookPost {
    /// Whether the answer is to be given as [`WebhookAnswer::Body`](crate::webhook::WebhookAnswer::Body).
    pub fn wants_body(&self) -> bool {
        match self.purpose {
            Purpose::Event | Purpose::Again | Purpose::Forged(_) => false,
            Purpose::Validation | Purpose::Probe(_) => true,
        }
    }
}
