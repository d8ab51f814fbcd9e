//! The two HMACs: one proves to Zoom that a handshake is ours, the other proves to us that a webhook is Zoom's.

use aws_lc_rs::{constant_time, hmac};
use data_encoding::HEXLOWER;

use crate::{
    ids::{InstanceId, StreamId},
    secret::{ClientSecret, SecretToken},
};

/// The signature of messages 1 and 3: hex(HMAC-SHA256(client secret, `client_id,instance_id,stream_id`)).
///
/// It has no nonce and no time, so one value serves for the whole life of a stream. Basis: documented,
/// docs/protocol.md#signature.
#[derive(Clone, PartialEq, Eq)]
pub struct HandshakeSignature(Box<str>);

impl HandshakeSignature {
    /// Signs for one stream.
    pub fn sign(client_id: &str, secret: &ClientSecret, instance: &InstanceId, stream: &StreamId) -> Self {
        let text = [client_id, ",", &instance.value, ",", stream.as_str()].concat();
        Self(HEXLOWER.encode(hmac_sha256(secret.expose(), &[text.as_bytes()]).as_ref()).into())
    }

    /// Takes a signature that Zoom made for us and put into the webhook.
    pub fn from_webhook(signature: &str) -> Self {
        Self(signature.into())
    }

    /// The 64 lower-case hex digits, to be put into a message and nowhere else.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Compares with what a peer sent, in constant time.
    pub fn matches(&self, received: &str) -> bool {
        constant_time::verify_slices_are_equal(self.0.as_bytes(), received.as_bytes()).is_ok()
    }
}

impl std::fmt::Debug for HandshakeSignature {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("HandshakeSignature(…)")
    }
}

/// The value of `x-zm-signature` for a body: `v0=` + hex(HMAC-SHA256(secret token, `v0:{timestamp}:{body}`)).
///
/// `timestamp` is the header `x-zm-request-timestamp` as it stands there; `body` is the raw bytes. Basis: documented.
pub fn webhook_signature(secret: &SecretToken, timestamp: &str, body: &[u8]) -> String {
    format!("v0={}", HEXLOWER.encode(webhook_hmac(secret.expose(), timestamp, body).as_ref()))
}

/// Whether `received` is the webhook signature of `body`, compared in constant time.
pub fn webhook_signature_matches(secret: &SecretToken, timestamp: &str, body: &[u8], received: &str) -> bool {
    let expected = webhook_signature(secret, timestamp, body);
    constant_time::verify_slices_are_equal(expected.as_bytes(), received.as_bytes()).is_ok()
}

/// `encryptedToken` of the URL validation: hex(HMAC-SHA256(secret token, plain token)).
///
/// The caller makes sure that the token cannot be a webhook's base string: see [`crate::webhook::url_validation`].
pub(crate) fn encrypted_token(secret: &SecretToken, plain_token: &str) -> String {
    HEXLOWER.encode(hmac_sha256(secret.expose(), &[plain_token.as_bytes()]).as_ref())
}

fn webhook_hmac(secret: &[u8], timestamp: &str, body: &[u8]) -> hmac::Tag {
    hmac_sha256(secret, &[b"v0:", timestamp.as_bytes(), b":", body])
}

fn hmac_sha256(key: &[u8], parts: &[&[u8]]) -> hmac::Tag {
    let mut context = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, key));
    for part in parts {
        context.update(part);
    }
    context.sign()
}

impl serde::Serialize for HandshakeSignature {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> serde::Deserialize<'de> for HandshakeSignature {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(|text| Self(text.into()))
    }
}
