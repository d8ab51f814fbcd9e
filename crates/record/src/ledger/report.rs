//! How a ledger stands, as it is written down, and the news of it.

use std::collections::BTreeMap;

use rtms_wire::{media::medium::Medium, time::UnixMillis};
use serde::{Deserialize, Serialize};

use crate::ledger::word::{Span, What};

/// How a ledger stands: a part of the manifest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LedgerReport {
    /// `event_ts` of `rtms_started`.
    pub from: UnixMillis,
    /// The end of the stream; while it runs, how far this tells.
    pub to: UnixMillis,
    /// How many milliseconds our clock was taken to be ahead of Zoom's, delay included; negative if behind.
    pub clock_ahead_ms: i64,
    /// Each medium's time.
    pub media: BTreeMap<Medium, MediumReport>,
}

/// One medium's time.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MediumReport {
    /// How much time has another word than it had, because there were more than
    /// [`MAX_SPANS`](crate::ledger::MAX_SPANS).
    #[serde(default, skip_serializing_if = "is_zero")]
    pub coarsened_ms: u64,
    /// They tile the time from [`LedgerReport::from`] to [`LedgerReport::to`].
    pub spans: Vec<Span>,
}

/// News of the ledger: a line of `ledger.jsonl`, and something to publish.
///
/// Lines told in order, each covering what the earlier ones said of its time, give the ledger.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SpanChange {
    /// The medium whose time it is.
    pub medium: Medium,
    /// The span as it is now.
    #[serde(flatten)]
    pub span: Span,
    /// Whether it goes on. If not it is closed, which late data may still change.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub open: bool,
}

impl LedgerReport {
    /// Why it is none: the first hole, overlap or empty span. None if the spans tile.
    pub fn flaw(&self) -> Option<String> {
        self.media.iter().find_map(|(medium, report)| {
            let mut reached = self.from;
            for span in &report.spans {
                let (from, to) = (span.from, span.to);
                if from != reached {
                    let what = if from > reached { "hole" } else { "overlap" };
                    return Some(format!("{medium}: {what} between {reached} and {from}"));
                }
                if to <= from {
                    return Some(format!("{medium}: the span at {from} is empty"));
                }
                reached = to;
            }
            (reached != self.to).then(|| format!("{medium}: ends at {reached} instead of {}", self.to))
        })
    }
}

impl MediumReport {
    /// How many milliseconds have this word of [`What::WORDS`].
    pub fn total_ms(&self, word: &str) -> u64 {
        self.spans.iter().filter(|span| span.what.word() == word).map(Span::ms).sum()
    }

    pub(super) fn last_state(&self) -> Option<&What> {
        self.spans.iter().rev().map(|span| &span.what).find(|what| !what.is_data())
    }
}

fn is_zero(value: &u64) -> bool {
    *value == 0
}
