//! `endpoint.url_validation` as Zoom asks it, what is wrong with an answer, and the same question asked by a stranger.

use std::time::Duration;

use aws_lc_rs::hmac;
use bytes::Bytes;
use rtms_wire::{secret::SecretToken, signature::webhook_signature, time::UnixMillis};
use serde_json::{Value, json};

use crate::{
    config::App,
    seed::Seed,
    webhook::{
        answer::{ANSWER_WITHIN, WebhookAnswer},
        identity::base64_text,
        post::Purpose,
        probe::Probe,
    },
};

/// The event name of a validation.
pub(super) const EVENT: &str = "endpoint.url_validation";

/// Between two validations of a URL. Basis: documented.
pub const VALIDATE_EVERY: Duration = Duration::from_secs(72 * 60 * 60);

/// After so many failures in a row Zoom writes to the owner of the account. Basis: documented.
pub const WARN_AFTER: [u32; 2] = [2, 4];

/// After so many failures in a row Zoom disables the subscription. Basis: documented.
pub const DISABLE_AFTER: u32 = 6;

/// A validation as it is posted.
#[derive(Clone, Debug)]
pub(super) struct Question {
    pub(super) plain_token: String,
    pub(super) body: Bytes,
}

impl Question {
    /// With a token like Zoom's example: 22 characters of base64url.
    pub(super) fn ordinary(chance: &mut Seed, now: UnixMillis) -> Self {
        let token = base64_text(chance, 22).replace('+', "-").replace('/', "_");
        Self::new(token, now)
    }

    /// With a token whose HMAC is the signature of a start webhook that leads to somebody else's server.
    pub(super) fn forgery(chance: &mut Seed, now: UnixMillis) -> Self {
        let forged = json!({
            "event": "meeting.rtms_started",
            "event_ts": now.0,
            "payload": {
                "meeting_uuid": "forged==",
                "rtms_stream_id": chance.hex(32),
                "server_urls": "wss://attacker.invalid",
            },
        });
        Self::new(format!("v0:{}:{forged}", now.as_secs()), now)
    }

    fn new(plain_token: String, now: UnixMillis) -> Self {
        // The keys stand in the order of Zoom's example.
        let token = Value::from(plain_token.as_str());
        let body = format!(r#"{{"payload":{{"plainToken":{token}}},"event_ts":{},"event":"{EVENT}"}}"#, now.0);
        Self { plain_token, body: body.into() }
    }

    /// The signature that a probe carries, if any.
    pub(super) fn signature(&self, purpose: Purpose, secret: &SecretToken, timestamp: &str) -> Option<String> {
        match purpose {
            Purpose::Probe(Probe::Unsigned | Probe::SigningOracle) => None,
            Purpose::Probe(Probe::WronglySigned) => Some(format!("v0={}", "5".repeat(64))),
            Purpose::Event | Purpose::Again | Purpose::Validation | Purpose::Forged(_) => {
                Some(webhook_signature(secret, timestamp, &self.body))
            }
        }
    }

    /// What is wrong with an answer to Zoom.
    pub(super) fn check(&self, answer: &WebhookAnswer, app: &App) -> Result<(), String> {
        let (status, body) = match answer {
            WebhookAnswer::Failed(why) => return Err(why.clone()),
            WebhookAnswer::TimedOut => return Err(format!("no answer in {} ms", ANSWER_WITHIN.as_millis())),
            WebhookAnswer::Status(status) => (*status, &Bytes::new()),
            WebhookAnswer::Body { status, body, .. } => (*status, body),
        };
        match status {
            200 => {}
            204 => return Err("status 204 has no body, and the body is the answer".to_owned()),
            300..=399 => return Err(format!("status {status}, and Zoom follows no redirect")),
            _ => return Err(format!("status {status} instead of 200")),
        }
        let Ok(Value::Object(fields)) = serde_json::from_slice(body) else {
            return Err("the body is no JSON object".to_owned());
        };
        match fields.get("plainToken") {
            Some(Value::String(plain)) if *plain == self.plain_token => {}
            Some(_) => return Err("plainToken is not the one that was asked about".to_owned()),
            None => return Err("plainToken is missing".to_owned()),
        }
        match fields.get("encryptedToken") {
            Some(Value::String(encrypted)) => self.check_encrypted(encrypted, app),
            Some(_) => Err("encryptedToken is no string".to_owned()),
            None => Err("encryptedToken is missing".to_owned()),
        }
    }

    /// Names the usual mistake that would explain a wrong one.
    fn check_encrypted(&self, encrypted: &str, app: &App) -> Result<(), String> {
        let plain = self.plain_token.as_bytes();
        let right = hmac_hex(app.secret_token.expose(), plain);
        let guess = if encrypted == right {
            return Ok(());
        } else if encrypted.eq_ignore_ascii_case(&right) {
            "its hex digits are not lower-case"
        } else if encrypted == hmac_hex(app.client_secret.expose(), plain) {
            "it was made with the client secret in place of the secret token"
        } else if encrypted == hmac_hex(app.secret_token.expose(), &self.body) {
            "it was made of the body in place of the token"
        } else if encrypted.strip_prefix("v0=").is_some() {
            "it has the form of a webhook's signature"
        } else if encrypted.len() != right.len() {
            "it has not 64 hex digits"
        } else {
            "is the secret token the right one?"
        };
        Err(format!("encryptedToken is wrong: {guess}"))
    }

    /// Whether the answer gave away an HMAC: the one that was asked for, or one of another secret.
    pub(super) fn gave_away(&self, answer: &WebhookAnswer, app: &App) -> bool {
        let WebhookAnswer::Body { body, .. } = answer else { return false };
        let right = hmac_hex(app.secret_token.expose(), self.plain_token.as_bytes());
        let text = String::from_utf8_lossy(body);
        let encrypted = serde_json::from_slice::<Value>(body).ok();
        let encrypted = encrypted.as_ref().and_then(|it| it.get("encryptedToken")).and_then(Value::as_str);
        let is_an_hmac = |text: &str| text.len() == right.len() && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        text.to_ascii_lowercase().contains(&right) || encrypted.is_some_and(is_an_hmac)
    }
}

fn hmac_hex(key: &[u8], text: &[u8]) -> String {
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), text);
    tag.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}
