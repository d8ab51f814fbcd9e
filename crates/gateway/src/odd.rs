//! Messages that mean nothing here, in the log without filling it: the first few of a kind one by one, then sums.
//!
//! A peer that sends nonsense sends it fifty times a second. All of it is counted in the metrics; what cannot be read of a
//! medium is in the recording's manifest and ledger besides.

use std::time::Duration;

use rtms_proto::event::Odd;
use rtms_wire::{codes::message_type::MessageType, message::OtherMessage};
use tokio::time::Instant;
use tracing::{debug, warn};

/// Messages of a kind that are told one by one, per stream.
const FEW: u64 = 5;

/// How often further ones are summed up, while they come.
const SUM_EVERY: Duration = Duration::from_secs(60);

/// What was told of one stream's odd messages.
#[derive(Debug, Default)]
pub(crate) struct OddLog {
    unknown: Tally,
    unreadable: Tally,
    flawed: Tally,
}

/// One kind.
#[derive(Debug, Default)]
struct Tally {
    told: u64,
    untold: u64,
    /// When the first was not told.
    since: Option<Instant>,
}

/// What is to be said now.
#[derive(Debug, PartialEq, Eq)]
enum Telling {
    This,
    Sum(u64),
    Nothing,
}

impl OddLog {
    /// Tells of one, or keeps it for a sum.
    pub(crate) fn take(&mut self, odd: &Odd, now: Instant) {
        match odd {
            Odd::UnknownMessage(OtherMessage { msg_type, .. }) if is_reserved(*msg_type) => {
                debug!(%msg_type, "a message whose form Zoom has not published");
            }
            Odd::UnknownMessage(OtherMessage { msg_type, .. }) => match self.unknown.take(now) {
                Telling::This => warn!(%msg_type, "a message that means nothing here"),
                Telling::Sum(count) => tell_unknown(count),
                Telling::Nothing => {}
            },
            Odd::SkippedUrl { key, url } => {
                warn!(key, url, "Zoom names a media server of a transport other than WebSocket; it is skipped");
            }
            Odd::OtherVersion { role, version } => {
                warn!(%role, version, "Zoom answers in another version of the protocol; the stream goes on in version 1");
            }
            // `Undecodable` follows it and is logged.
            Odd::Raw(raw) if raw.flaws.is_empty() => {}
            Odd::Raw(raw) => match self.flawed.take(now) {
                Telling::This => {
                    let (medium, flaws) = (raw.medium.map(tracing::field::display), raw.flaws);
                    warn!(medium, %flaws, "a part of a message is broken; the rest was read");
                }
                Telling::Sum(count) => tell_flawed(count),
                Telling::Nothing => {}
            },
            Odd::Undecodable { medium, kind, why } => match self.unreadable.take(now) {
                Telling::This => {
                    warn!(medium = medium.map(tracing::field::display), kind, why, "a message that cannot be read");
                }
                Telling::Sum(count) => tell_unreadable(count),
                Telling::Nothing => {}
            },
        }
    }

    /// Tells what is left at the end of the stream.
    pub(crate) fn finish(self) {
        if self.unknown.untold > 0 {
            tell_unknown(self.unknown.untold);
        }
        if self.unreadable.untold > 0 {
            tell_unreadable(self.unreadable.untold);
        }
        if self.flawed.untold > 0 {
            tell_flawed(self.flawed.untold);
        }
    }
}

impl Tally {
    fn take(&mut self, now: Instant) -> Telling {
        if self.told < FEW {
            self.told += 1;
            return Telling::This;
        }
        self.untold += 1;
        if now.saturating_duration_since(*self.since.get_or_insert(now)) < SUM_EVERY {
            return Telling::Nothing;
        }
        self.since = None;
        Telling::Sum(std::mem::take(&mut self.untold))
    }
}

fn tell_unknown(count: u64) {
    warn!(count, "more messages that mean nothing here");
}

fn tell_unreadable(count: u64) {
    warn!(count, "more messages that cannot be read");
}

fn tell_flawed(count: u64) {
    warn!(count, "more messages with a broken part; the rest was read");
}

/// Numbers that Zoom has given names and no published form: to be passed over.
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
    use super::{FEW, Instant, SUM_EVERY, Tally, Telling};

    #[test]
    fn the_first_few_are_told_and_the_rest_once_a_minute() {
        let (mut tally, start) = (Tally::default(), Instant::now());
        for _ in 0..FEW {
            assert_eq!(tally.take(start), Telling::This);
        }
        for _ in 0..4_999 {
            assert_eq!(tally.take(start), Telling::Nothing);
        }
        assert_eq!(tally.take(start + SUM_EVERY), Telling::Sum(5_000));
        assert_eq!(tally.take(start + SUM_EVERY), Telling::Nothing);
        assert_eq!(tally.untold, 1, "the next sum, or the end, has it");
        assert_eq!(tally.take(start + 2 * SUM_EVERY), Telling::Sum(2));
    }
}
