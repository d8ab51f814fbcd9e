//! What became of a webhook, as users get it.

use rtms_store::{
    class::Class,
    receipts::{Receipt, Step, UnixMicros},
};
use serde::{Deserialize, Serialize};

/// How many receipts are shown unless told otherwise.
pub const DEFAULT_LIMIT: usize = 100;

/// How many receipts may be asked for at a time: a few megabytes.
pub const MAX_LIMIT: usize = 10_000;

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

fn micros_between(from: UnixMicros, to: UnixMicros) -> i64 {
    let signed = |micros: u64| i64::try_from(micros).unwrap_or(i64::MAX);
    signed(to.0).saturating_sub(signed(from.0))
}
