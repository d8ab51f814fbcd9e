//! `GET /v1/receipts`: what became of the webhooks, a JSON object a line. `GET /v1/receipts/{entry}/body`: what came.

use std::{
    str::FromStr,
    sync::Arc,
    time::{Duration, SystemTime},
};

use axum::{
    Router,
    extract::{Path, Query, State},
    http::{HeaderName, StatusCode, header},
    response::IntoResponse,
    routing::get,
};
use humantime_serde::re::humantime;
use rtms_store::{
    class::Class,
    entry::EntryId,
    error::StoreError,
    receipts::{Receipt, ReceiptFilter, Step, UnixMicros},
};
use rtms_wire::{ids::StreamId, time::UnixMillis};
use serde::{Deserialize, Serialize};
use tracing::warn;

use crate::listener::serve::Shared;

/// How many receipts are shown unless told otherwise.
pub const DEFAULT_LIMIT: usize = 100;

/// How many receipts may be asked for at a time: a few megabytes.
pub const MAX_LIMIT: usize = 10_000;

/// The content type of JSON lines.
const NDJSON: &str = "application/x-ndjson";

/// Answers are about meetings of people, so nobody in between keeps them or guesses what they are.
const PRIVATE: [(HeaderName, &str); 2] =
    [(header::CACHE_CONTROL, "no-store"), (header::X_CONTENT_TYPE_OPTIONS, "nosniff")];

pub(crate) fn routes() -> Router<Arc<Shared>> {
    Router::new().route("/v1/receipts", get(list)).route("/v1/receipts/{entry}/body", get(body))
}

/// A receipt as users get it: a line of `rtms receipts --json` and of `GET /v1/receipts`. Fields are only ever added.
///
/// Steps are in **microseconds** after the webhook's last byte had come, and absent if they were not done or not noted.
/// They are negative only if the clock was set back in between.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReceiptLine {
    /// The number of the entry; rises with each webhook.
    pub entry: u64,
    /// When its last byte came, in Unix milliseconds.
    pub received_at: u64,
    /// The app whose secret signed it.
    pub app: String,
    /// The event's name as it was sent; null until it is settled, and if the body has none.
    pub event: Option<String>,
    /// The stream that it names; null until it is settled, and if it names none.
    pub rtms_stream_id: Option<String>,
    /// What it turned out to be; null until it is settled.
    pub class: Option<String>,
    /// Why, for people; null until it is settled.
    pub reason: Option<String>,
    /// When it was settled, in Unix milliseconds; null until then.
    pub settled_at: Option<u64>,
    /// The length of its body.
    pub body_bytes: u64,
    /// Its signature was found to be Zoom's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verified_us: Option<i64>,
    /// It was durable.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stored_us: Option<i64>,
    /// The answer was handed to the kernel.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub answered_us: Option<i64>,
    /// It was folded into its stream's record.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub folded_us: Option<i64>,
    /// A worker claimed the stream.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub claimed_us: Option<i64>,
    /// The signaling handshake was done.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connected_us: Option<i64>,
    /// The first media frame was handed out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_media_us: Option<i64>,
}

impl From<&Receipt> for ReceiptLine {
    fn from(receipt: &Receipt) -> Self {
        let received = receipt.steps.at(Step::Received).unwrap_or_else(|| receipt.received_at.into());
        let after = |step| receipt.steps.at(step).map(|at| micros_between(received, at));
        Self {
            entry: receipt.id.0,
            received_at: receipt.received_at.0,
            app: receipt.app.to_string(),
            event: receipt.event.as_ref().map(ToString::to_string),
            rtms_stream_id: receipt.stream_id.as_ref().map(ToString::to_string),
            class: receipt.class.map(Class::as_str).map(str::to_owned),
            reason: receipt.reason.clone(),
            settled_at: receipt.settled_at.map(|at| at.0),
            body_bytes: receipt.body_bytes,
            verified_us: after(Step::Verified),
            stored_us: after(Step::Stored),
            answered_us: after(Step::Answered),
            folded_us: after(Step::Folded),
            claimed_us: after(Step::Claimed),
            connected_us: after(Step::Connected),
            first_media_us: after(Step::FirstMedia),
        }
    }
}

impl ReceiptLine {
    /// The receipts as JSON, each with a newline after it.
    ///
    /// # Errors
    /// None in practice: there is nothing in it that JSON cannot say.
    pub fn json_lines<'a>(receipts: impl IntoIterator<Item = &'a Receipt>) -> serde_json::Result<Vec<u8>> {
        let mut lines = Vec::new();
        for receipt in receipts {
            serde_json::to_writer(&mut lines, &Self::from(receipt))?;
            lines.push(b'\n');
        }
        Ok(lines)
    }
}

/// From when on: so long ago (`1h`, `2days`), or a point in time (`2026-12-24T18:00:00Z`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub enum Since {
    /// So long before now.
    Ago(Duration),
    /// At this time.
    At(UnixMillis),
}

impl Since {
    /// The time that it means now.
    pub fn before(self, now: UnixMillis) -> UnixMillis {
        match self {
            Self::Ago(ago) => UnixMillis(now.0.saturating_sub(millis(ago))),
            Self::At(at) => at,
        }
    }
}

impl FromStr for Since {
    type Err = NoSince;

    fn from_str(text: &str) -> Result<Self, NoSince> {
        if let Ok(ago) = humantime::parse_duration(text) {
            return Ok(Self::Ago(ago));
        }
        let at = humantime::parse_rfc3339(text).map_err(|_| NoSince)?;
        Ok(Self::At(UnixMillis(millis(at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default()))))
    }
}

impl TryFrom<String> for Since {
    type Error = NoSince;

    fn try_from(text: String) -> Result<Self, NoSince> {
        text.parse()
    }
}

/// The text says no time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("neither a duration such as 1h or 2days nor a time such as 2026-12-24T18:00:00Z")]
pub struct NoSince;

/// What is asked for.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    stream: Option<StreamId>,
    since: Option<Since>,
    limit: Option<usize>,
}

async fn list(State(shared): State<Arc<Shared>>, Query(wanted): Query<Wanted>) -> impl IntoResponse {
    let limit = wanted.limit.unwrap_or(DEFAULT_LIMIT);
    if !(1..=MAX_LIMIT).contains(&limit) {
        return Err((StatusCode::BAD_REQUEST, format!("the limit is from 1 to {MAX_LIMIT}\n")));
    }
    let since = wanted.since.map(|since| since.before(crate::clock::unix_millis()));
    let filter = ReceiptFilter { stream_id: wanted.stream, since, limit };
    let receipts = shared.health.store.receipts(filter).await.map_err(|error| failed(&error))?;
    let lines = ReceiptLine::json_lines(&receipts).map_err(|error| failed(&error))?;
    Ok((PRIVATE, [(header::CONTENT_TYPE, NDJSON)], lines))
}

async fn body(State(shared): State<Arc<Shared>>, Path(entry): Path<u64>) -> impl IntoResponse {
    match shared.health.store.receipt_body(EntryId(entry)).await {
        Ok(Some(body)) => Ok((PRIVATE, [(header::CONTENT_TYPE, "application/octet-stream")], body)),
        Ok(None) => {
            let why = StoreError::NoSuchEntry(EntryId(entry));
            Err((StatusCode::NOT_FOUND, format!("{why}; it may have been pruned\n")))
        }
        Err(error) => Err(failed(&error)),
    }
}

fn failed(error: &dyn std::error::Error) -> (StatusCode, String) {
    warn!(%error, "receipts could not be read");
    (StatusCode::SERVICE_UNAVAILABLE, format!("receipts could not be read: {error}\n"))
}

fn micros_between(from: UnixMicros, to: UnixMicros) -> i64 {
    let signed = |micros: u64| i64::try_from(micros).unwrap_or(i64::MAX);
    signed(to.0).saturating_sub(signed(from.0))
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn since_is_a_duration_back_or_a_point_in_time() {
        let now = UnixMillis(10_000_000);

        let back = |text: &str| text.parse::<Since>().map(|since| since.before(now).0);

        assert_eq!(back("1h"), Ok(6_400_000));
        assert_eq!(back("1000years"), Ok(0));
        assert_eq!(back("1970-01-01T00:00:07.5Z"), Ok(7_500));
        for text in ["", "soon", "1", "-1h", "2026-12-24", "1960-01-01T00:00:00Z"] {
            assert_eq!(back(text), Err(NoSince), "{text}");
        }
    }
}
