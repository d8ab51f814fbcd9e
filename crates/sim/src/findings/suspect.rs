//! Why the signature of a handshake is wrong: the usual mistakes, each tried, alone and together.

use std::fmt;

use aws_lc_rs::{constant_time, digest, hmac};
use rtms_wire::{
    base64,
    ids::{InstanceId, StreamId},
};
use serde::Serialize;

use crate::config::App;

/// A mistake that would explain a signature. Its text fits after "as if ".
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Suspect {
    /// The key is the secret token, which signs webhooks.
    SecretToken,
    /// Client id and client secret have changed places.
    IdAndSecretSwapped,
    /// No key at all: the hash of the text.
    NoKey,
    /// SHA-1 or SHA-512 in place of SHA-256.
    AnotherHash,
    /// The three parts in another order.
    Order,
    /// The parts without anything between them.
    NoCommas,
    /// Something else than a bare comma between the parts.
    OtherSeparator,
    /// The id of what is streamed was URL-encoded.
    UrlEncodedId,
    /// Another id of the webhook in place of the one that names what is streamed.
    OtherId,
    /// The id of what is streamed is left out.
    InstanceMissing,
    /// The stream id is left out.
    StreamMissing,
    /// The client id is left out.
    ClientIdMissing,
    /// A newline at the end of the text.
    TrailingNewline,
    /// Upper-case digits.
    UpperCase,
    /// Base64 in place of hexadecimal digits.
    Base64,
    /// `v0=` before the digits, as webhooks have it.
    WebhookPrefix,
}

impl fmt::Display for Suspect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::SecretToken => "the key were the secret token in place of the client secret",
            Self::IdAndSecretSwapped => "client id and client secret had changed places",
            Self::NoKey => "the text were hashed without a key",
            Self::AnotherHash => "the hash were not SHA-256",
            Self::Order => "the three parts stood in another order",
            Self::NoCommas => "there were no commas between the parts",
            Self::OtherSeparator => "there were something else than a bare comma between the parts",
            Self::UrlEncodedId => "the id were URL-encoded",
            Self::OtherId => "it were made with another id of the webhook",
            Self::InstanceMissing => "the id of what is streamed were missing",
            Self::StreamMissing => "the stream id were missing",
            Self::ClientIdMissing => "the client id were missing",
            Self::TrailingNewline => "the text ended with a newline",
            Self::UpperCase => "the digits were written in upper case",
            Self::Base64 => "it were written as base64 in place of hexadecimal digits",
            Self::WebhookPrefix => "it had the prefix `v0=` of webhooks",
        })
    }
}

/// Finds the mistakes that together make the signature that came; nothing if no combination does.
pub(crate) fn suspects(
    received: &str,
    app: &App,
    instance: &InstanceId,
    stream: &StreamId,
    other_ids: &[&str],
) -> Vec<Suspect> {
    /// Longer than any writing of any of the hashes; whatever is longer is not looked at.
    const MOST: usize = 256;
    if received.len() > MOST {
        return Vec::new();
    }
    let id = app.client_id.as_str();
    let secret = String::from_utf8_lossy(app.client_secret.expose());
    let right = (app.client_secret.expose(), id, &[][..]);
    let token = (app.secret_token.expose(), id, &[Suspect::SecretToken][..]);
    let swapped = (id.as_bytes(), secret.as_ref(), &[Suspect::IdAndSecretSwapped][..]);
    let mut found: Option<Vec<Suspect>> = None;
    for (key, first, why_key) in [right, token, swapped] {
        for (text, why_text) in texts(first, instance, stream.as_str(), other_ids) {
            for (hash, why_hash) in hashes(key, text.as_bytes()) {
                for (written, why_written) in writings(&hash) {
                    let same = constant_time::verify_slices_are_equal(written.as_bytes(), received.as_bytes()).is_ok();
                    let why = || [why_key, &why_text, why_hash, why_written].concat();
                    // The fewest mistakes explain best.
                    if same && found.as_ref().is_none_or(|best| why().len() < best.len()) {
                        found = Some(why());
                    }
                }
            }
        }
    }
    found.unwrap_or_default()
}

/// The text that is signed, rightly and wrongly.
fn texts(client: &str, instance: &InstanceId, stream: &str, other_ids: &[&str]) -> Vec<(String, Vec<Suspect>)> {
    let id: &str = &instance.value;
    let right = format!("{client},{id},{stream}");
    let encoded = url_encoded(id);
    let mut all = vec![
        (format!("{client},{stream},{id}"), vec![Suspect::Order]),
        (format!("{id},{client},{stream}"), vec![Suspect::Order]),
        (format!("{id},{stream},{client}"), vec![Suspect::Order]),
        (format!("{stream},{client},{id}"), vec![Suspect::Order]),
        (format!("{stream},{id},{client}"), vec![Suspect::Order]),
        (format!("{client}{id}{stream}"), vec![Suspect::NoCommas]),
        (format!("{client},{encoded},{stream}"), vec![Suspect::UrlEncodedId]),
        (format!("{client},{},{stream}", url_encoded(&encoded)), vec![Suspect::UrlEncodedId]),
        (format!("{client},{stream}"), vec![Suspect::InstanceMissing]),
        (format!("{client},{id}"), vec![Suspect::StreamMissing]),
        (format!("{id},{stream}"), vec![Suspect::ClientIdMissing]),
        (format!("{right}\n"), vec![Suspect::TrailingNewline]),
        (format!("{right}\r\n"), vec![Suspect::TrailingNewline]),
    ];
    for separator in [":", ", ", "|", ".", "&", "-", "_", "\n", " ", ";"] {
        all.push(([client, id, stream].join(separator), vec![Suspect::OtherSeparator]));
    }
    all.extend(other_ids.iter().map(|other| (format!("{client},{other},{stream}"), vec![Suspect::OtherId])));
    all.push((right, Vec::new()));
    all
}

fn hashes(key: &[u8], text: &[u8]) -> Vec<(Vec<u8>, &'static [Suspect])> {
    let keyed = |algorithm| hmac::sign(&hmac::Key::new(algorithm, key), text).as_ref().to_vec();
    vec![
        (keyed(hmac::HMAC_SHA256), &[]),
        (keyed(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY), &[Suspect::AnotherHash]),
        (keyed(hmac::HMAC_SHA512), &[Suspect::AnotherHash]),
        (digest::digest(&digest::SHA256, text).as_ref().to_vec(), &[Suspect::NoKey]),
    ]
}

fn writings(hash: &[u8]) -> [(String, &'static [Suspect]); 7] {
    let digits: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
    let base64 = base64::encode(hash);
    let for_urls = base64.replace('+', "-").replace('/', "_");
    [
        (digits.to_uppercase(), &[Suspect::UpperCase]),
        (format!("v0={digits}"), &[Suspect::WebhookPrefix]),
        (base64.trim_end_matches('=').to_owned(), &[Suspect::Base64]),
        (base64, &[Suspect::Base64]),
        (for_urls.trim_end_matches('=').to_owned(), &[Suspect::Base64]),
        (for_urls, &[Suspect::Base64]),
        (digits, &[]),
    ]
}

fn url_encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use rtms_wire::{ids::InstanceIdField, signature::HandshakeSignature};

    use super::*;

    fn sign(key: &str, text: &str) -> Vec<u8> {
        hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key.as_bytes()), text.as_bytes()).as_ref().to_vec()
    }

    fn digits(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    fn of(received: &str) -> Vec<Suspect> {
        let instance = InstanceId::new(InstanceIdField::MeetingUuid, "/a+b==");
        suspects(received, &App::default(), &instance, &StreamId::new("stream"), &["81234"])
    }

    #[test]
    fn each_usual_suspect_is_named() {
        let (id, secret, token) = (App::TEST_CLIENT_ID, App::TEST_CLIENT_SECRET, App::TEST_SECRET_TOKEN);
        let right = format!("{id},/a+b==,stream");
        let cases = [
            (digits(&sign(token, &right)), vec![Suspect::SecretToken]),
            (digits(&sign(id, &format!("{secret},/a+b==,stream"))), vec![Suspect::IdAndSecretSwapped]),
            (digits(digest::digest(&digest::SHA256, right.as_bytes()).as_ref()), vec![Suspect::NoKey]),
            (digits(&sign(secret, &format!("{id},stream,/a+b=="))), vec![Suspect::Order]),
            (digits(&sign(secret, &format!("/a+b==,stream,{id}"))), vec![Suspect::Order]),
            (digits(&sign(secret, &format!("{id}/a+b==stream"))), vec![Suspect::NoCommas]),
            (digits(&sign(secret, &format!("{id}:/a+b==:stream"))), vec![Suspect::OtherSeparator]),
            (digits(&sign(secret, &format!("{id},%2Fa%2Bb%3D%3D,stream"))), vec![Suspect::UrlEncodedId]),
            (digits(&sign(secret, &format!("{id},81234,stream"))), vec![Suspect::OtherId]),
            (digits(&sign(secret, &format!("{id},/a+b=="))), vec![Suspect::StreamMissing]),
            (digits(&sign(secret, &format!("{id},stream"))), vec![Suspect::InstanceMissing]),
            (digits(&sign(secret, "/a+b==,stream")), vec![Suspect::ClientIdMissing]),
            (digits(&sign(secret, &format!("{right}\n"))), vec![Suspect::TrailingNewline]),
            (digits(&sign(secret, &right)).to_uppercase(), vec![Suspect::UpperCase]),
            (base64::encode(&sign(secret, &right)), vec![Suspect::Base64]),
            (format!("v0={}", digits(&sign(secret, &right))), vec![Suspect::WebhookPrefix]),
            (base64::encode(&sign(token, &right)), vec![Suspect::SecretToken, Suspect::Base64]),
            (digits(&sign("nobody's", &right)), vec![]),
            ("x".repeat(10_000), vec![]),
        ];
        for (received, suspects) in cases {
            assert_eq!(of(&received), suspects);
        }
    }

    #[test]
    fn the_right_signature_has_nothing_against_it() {
        let (instance, stream) = (InstanceId::new(InstanceIdField::MeetingUuid, "/a+b=="), StreamId::new("stream"));
        let app = App::default();
        let right = HandshakeSignature::sign(&app.client_id, &app.client_secret, &instance, &stream);

        assert_eq!(of(right.as_str()), []);
    }
}
