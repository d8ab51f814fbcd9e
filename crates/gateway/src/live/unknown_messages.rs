//! Unknown and broken messages, logged without filling the log: the first few of a kind one by one, then sums.
//!
//! A faulty peer may send fifty a second. The metrics count all of them; unreadable messages of a medium are in the
//! recording's manifest and ledger besides.

use std::{collections::BTreeMap, time::Duration};

use rtms_proto::event::Odd;
use rtms_wire::{codes::message_type::MessageType, message::OtherMessage};
use tokio::time::Instant;
use tracing::{debug, warn};

/// The number of messages of a kind that are logged one by one, per stream.
const FEW: u64 = 5;

/// The time between two sums of further messages.
const SUM_EVERY: Duration = Duration::from_secs(60);

/// Logs one stream's unknown messages, and counts them by kind, in the few fixed words of [`Odd::kind`].
#[derive(Debug, Default)]
pub(crate) struct UnknownMessageLog(BTreeMap<&'static str, Tally>);

/// The messages of one kind.
#[derive(Debug, Default)]
struct Tally {
    reported: u64,
    suppressed: u64,
    /// When the first was suppressed.
    since: Option<Instant>,
}

/// The line to be logged now.
#[derive(Debug, PartialEq, Eq)]
enum Report {
    Single,
    Sum(u64),
    Nothing,
}

impl UnknownMessageLog {
    /// Logs a message, or counts it for a later sum.
    pub(crate) fn take(&mut self, odd: &Odd, now: Instant) {
        match odd {
            Odd::UnknownMessage(OtherMessage { msg_type, .. }) if is_reserved(*msg_type) => {
                debug!(%msg_type, "ignored a message whose fields Zoom has not published");
                return;
            }
            // `Undecodable` follows it and is logged.
            Odd::Raw(raw) if raw.flaws.is_empty() => return,
            Odd::UnknownMessage(_)
            | Odd::Raw(_)
            | Odd::SkippedUrl { .. }
            | Odd::OtherVersion { .. }
            | Odd::Undecodable { .. } => {}
        }
        match self.0.entry(odd.kind()).or_default().take(now) {
            Report::Single => report(odd),
            Report::Sum(count) => report_sum(odd.kind(), count),
            Report::Nothing => {}
        }
    }

    /// Logs the sums that are left at the end of the stream.
    pub(crate) fn finish(self) {
        for (kind, tally) in self.0 {
            if tally.suppressed > 0 {
                report_sum(kind, tally.suppressed);
            }
        }
    }
}

impl Tally {
    fn take(&mut self, now: Instant) -> Report {
        if self.reported < FEW {
            self.reported += 1;
            return Report::Single;
        }
        self.suppressed += 1;
        if now.saturating_duration_since(*self.since.get_or_insert(now)) < SUM_EVERY {
            return Report::Nothing;
        }
        self.since = None;
        Report::Sum(std::mem::take(&mut self.suppressed))
    }
}

fn report(odd: &Odd) {
    match odd {
        Odd::UnknownMessage(OtherMessage { msg_type, .. }) => warn!(%msg_type, "message of an unknown type"),
        Odd::SkippedUrl { key, url } => {
            warn!(key, url, "skipped a media server of Zoom whose transport is not WebSocket");
        }
        Odd::OtherVersion { role, version } => {
            warn!(%role, version, "Zoom answers in another version of the protocol; the stream goes on in version 1");
        }
        Odd::Raw(raw) => {
            let (medium, flaws) = (raw.medium.map(tracing::field::display), raw.flaws);
            warn!(medium, %flaws, "a part of a message cannot be read, the rest was used");
        }
        Odd::Undecodable { medium, kind, why } => {
            warn!(medium = medium.map(tracing::field::display), kind, why, "cannot read a message");
        }
    }
}

fn report_sum(kind: &str, count: u64) {
    warn!(kind, count, "more unknown or broken messages of this kind");
}

/// Whether Zoom has named this message without publishing its form. Such a message is ignored.
fn is_reserved(msg_type: MessageType) -> bool {
    [
        MessageType::MetaDataAudio,
        MessageType::MetaDataVideo,
        MessageType::MetaDataShare,
        MessageType::MetaDataTranscript,
        MessageType::MetaDataChat,
    ]
    .contains(&msg_type)
}

#[cfg(test)]
mod tests {
    use super::{FEW, Instant, Report, SUM_EVERY, Tally};

    #[test]
    fn the_first_few_are_logged_and_the_rest_once_a_minute() {
        let (mut tally, start) = (Tally::default(), Instant::now());
        for _ in 0..FEW {
            assert_eq!(tally.take(start), Report::Single);
        }
        for _ in 0..4_999 {
            assert_eq!(tally.take(start), Report::Nothing);
        }
        assert_eq!(tally.take(start + SUM_EVERY), Report::Sum(5_000));
        assert_eq!(tally.take(start + SUM_EVERY), Report::Nothing);
        assert_eq!(tally.suppressed, 1, "the next sum, or the end, has it");
        assert_eq!(tally.take(start + 2 * SUM_EVERY), Report::Sum(2));
    }
}
