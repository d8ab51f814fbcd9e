//! A URL validation as Zoom sends it, and what its answer proves.
//!
//! The answer holds an HMAC of the token under the secret token. So a right one proves that the request came to a program that
//! knows our secret; and since rtms answers signed requests only, that headers and body came as they were sent. Nothing is
//! stored but a receipt of the validation, as for one of Zoom's.

use std::time::{Duration, Instant};

use anyhow::Context;
use bytes::Bytes;
use hyper::{
    Request, Response, StatusCode,
    header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, USER_AGENT},
};
use rtms_http::{
    client::{HttpClient, Limits, PeerTls},
    error::HttpError,
};
use rtms_wire::{
    Uri,
    secret::SecretToken,
    signature::webhook_signature,
    time::UnixMillis,
    webhook::{
        url_validation::UrlValidationAnswer,
        verify::{DEFAULT_TOLERANCE, Delivery, SIGNATURE_HEADER, TIMESTAMP_HEADER},
    },
};
use serde::Deserialize;

use crate::clock::now;

/// Rules of a firewall may know it.
const ZOOMS_USER_AGENT: &str = "Zoom Marketplace/1.0a";

/// How the body is written.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Body {
    /// As Zoom writes it.
    Compact,
    /// Legal JSON that nobody who parses it would write again: with spaces, escapes and letters beyond ASCII.
    Odd,
}

/// What a request carries to prove that it is Zoom's.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Proof {
    Signed,
    Nothing,
}

/// A validation that was answered.
pub(super) struct Tried {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) took: Duration,
    pub(super) tls: Option<PeerTls>,
    body: Bytes,
    token: String,
    /// The answer of rtms, byte for byte.
    expected: UrlValidationAnswer,
}

/// What an answer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Judgement {
    Right,
    /// The right one, written otherwise than rtms writes it.
    Rewritten,
    /// The answer to an earlier question.
    Old,
    /// An HMAC under another secret.
    OtherSecret,
    /// Success without an answer.
    NoAnswer,
    Refused(StatusCode),
}

#[derive(Deserialize)]
struct Answer {
    #[serde(rename = "plainToken")]
    plain_token: String,
    #[serde(rename = "encryptedToken")]
    encrypted_token: String,
}

impl Tried {
    /// Judges it, knowing an earlier one.
    pub(super) fn judge(&self, earlier: Option<&Self>) -> Judgement {
        if !self.status.is_success() {
            return Judgement::Refused(self.status);
        }
        let Ok(Answer { plain_token, encrypted_token }) = serde_json::from_slice(&self.body) else {
            return Judgement::NoAnswer;
        };
        if plain_token != self.token {
            let is_old = earlier.is_some_and(|earlier| earlier.token == plain_token);
            return if is_old { Judgement::Old } else { Judgement::NoAnswer };
        }
        if encrypted_token != self.expected.encrypted_token {
            return Judgement::OtherSecret;
        }
        let exact = serde_json::to_vec(&self.expected).is_ok_and(|exact| exact == self.body);
        if exact { Judgement::Right } else { Judgement::Rewritten }
    }
}

/// Sends a validation.
pub(super) async fn validate(
    client: &HttpClient,
    url: &Uri,
    secret: &SecretToken,
    proof: Proof,
    body: Body,
    more: &[(HeaderName, HeaderValue)],
) -> anyhow::Result<Result<Tried, HttpError>> {
    let at = now()?;
    let token = format!("rtmsdoctor{:x}", unique());
    let body = match body {
        Body::Compact => {
            format!(r#"{{"payload":{{"plainToken":"{token}"}},"event_ts":{},"event":"endpoint.url_validation"}}"#, at.0)
        }
        Body::Odd => format!(
            "{{\"payload\" : {{\"plainToken\":\"{token}\", \"note\":\"a\\/b \\u00e9 ü 會\"}},\t\"event_ts\":{} , \
             \"event\":\"endpoint.url_validation\"}}",
            at.0
        ),
    };
    let timestamp = at.as_secs().to_string();
    let signature = webhook_signature(secret, &timestamp, body.as_bytes());
    let expected = expected(secret, &timestamp, &signature, body.as_bytes(), at, &token)?;
    let mut request = Request::post(url.clone())
        .header(CONTENT_TYPE, "application/json; charset=utf-8")
        .header(USER_AGENT, ZOOMS_USER_AGENT)
        .header("x-zm-trackingid", "rtms-doctor");
    if proof == Proof::Signed {
        request = request.header(TIMESTAMP_HEADER, &timestamp).header(SIGNATURE_HEADER, &signature);
    }
    for (name, value) in more {
        request = request.header(name, value);
    }
    let request = request.body(Bytes::from(body))?;
    let begun = Instant::now();
    let answered = client.send(request, Limits::default()).await;
    let took = begun.elapsed();
    Ok(answered.map(|answer| {
        let (parts, body) = answer.into_parts();
        let tls = parts.extensions.get::<PeerTls>().cloned();
        Tried { status: parts.status, headers: parts.headers, took, tls, body, token, expected }
    }))
}

/// Sends a GET request to another path of the same host.
pub(super) async fn get(client: &HttpClient, url: &Uri, path: &str) -> Option<Response<Bytes>> {
    let request = Request::get(sibling(url, path)?).body(Bytes::new()).ok()?;
    let limits = Limits { max_body_bytes: 4 << 20, ..Limits::default() };
    client.send(request, limits).await.ok()
}

/// The same host with another path.
pub(super) fn sibling(url: &Uri, path: &str) -> Option<Uri> {
    let mut parts = url.clone().into_parts();
    parts.path_and_query = Some(path.parse().ok()?);
    Uri::from_parts(parts).ok()
}

/// Makes the answer of rtms with its own code, which wants a verified request.
fn expected(
    secret: &SecretToken,
    timestamp: &str,
    signature: &str,
    body: &[u8],
    at: UnixMillis,
    token: &str,
) -> anyhow::Result<UrlValidationAnswer> {
    let delivery = Delivery { timestamp: Some(timestamp), signature: Some(signature), body };
    let verified = delivery.verify([secret], at, DEFAULT_TOLERANCE).context("our own signature does not verify")?;
    UrlValidationAnswer::new(&verified, token).context("our own token is not answered")
}

/// A number that no other try has.
fn unique() -> u128 {
    let since = std::time::SystemTime::now().duration_since(std::time::SystemTime::UNIX_EPOCH);
    since.map_or(0, |since| since.as_nanos()) ^ (u128::from(std::process::id()) << 64)
}
