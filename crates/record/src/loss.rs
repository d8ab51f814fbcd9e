//! What was lost of a stream: the one sum of its ledger and its counts that everybody tells.
//!
//! Lost is what Zoom had for us, or would have had, and what is not kept: time that is `interrupted` or `dropped`, a medium
//! that was wanted and refused, and a start that was missed. Silence, pauses and what is off by somebody's choice are not.

use std::collections::BTreeMap;

use rtms_wire::{SmolStr, media::medium::Medium};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::ledger::{
    report::{LedgerReport, MediumReport},
    word::{Cause, OffWhy, Queue, Span, What},
};

/// How long a stream may take to be joined. What is `before_start` for longer was missed; all of it is lost then.
pub const NORMAL_START_MS: u64 = 5_000;

/// How much of a medium all cuts that were mended may take before they are a loss, in milliseconds.
///
/// A cut is dated by the last sign of life, so that some milliseconds are not covered where nothing is missing.
pub const MENDED_MS: u64 = 100;

/// Why something was lost. The words are the same in the store, the log, the metrics and `rtms recording check`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LossCause {
    /// Zoom had no way to us: a word of the ledger. [`Cause::Unknown`] is [`LossCause::Unknown`] here.
    Cut(Cause),
    /// The stream was joined late.
    JoinedLate,
    /// The app may not have the medium.
    NotGranted,
    /// Zoom could not give the medium.
    Unavailable,
    /// The queue before the recorder was full.
    Queue,
    /// Files could not be opened or written.
    Disk,
    /// It could not be read.
    Unreadable,
    /// A cause of a newer version, or nobody knows.
    Unknown,
}

impl LossCause {
    /// Every cause, in the order in which they are told.
    pub fn all() -> impl Iterator<Item = Self> {
        let others = [Self::JoinedLate, Self::NotGranted, Self::Unavailable, Self::Queue, Self::Disk, Self::Unreadable];
        let cuts = Cause::ALL.into_iter().filter(|cause| *cause != Cause::Unknown).map(Self::Cut);
        cuts.chain(others).chain([Self::Unknown])
    }

    /// The word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Cut(cause) => cause.as_str(),
            Self::JoinedLate => "joined_late",
            Self::NotGranted => "not_granted",
            Self::Unavailable => "unavailable",
            Self::Queue => "queue",
            Self::Disk => "disk",
            Self::Unreadable => "unreadable",
            Self::Unknown => "unknown",
        }
    }

    /// The cause that a word names.
    pub fn of_word(word: &str) -> Self {
        Self::all().find(|cause| cause.as_str() == word).unwrap_or(Self::Unknown)
    }

    /// The same for people.
    pub fn told(self) -> &'static str {
        match self {
            Self::Cut(cause) => match cause {
                Cause::ZoomSignaling => "signaling was lost",
                Cause::MediaConnection => "a media connection was lost",
                Cause::Failover => "Zoom moved the stream",
                Cause::Frozen => "a connection went silent",
                Cause::Refused => "refused by Zoom",
                Cause::Restart => "the program died",
                Cause::Takeover => "the program was restarted",
                Cause::WindowMissed => "too late for Zoom's window",
                Cause::Unreached => "not reached before it ended",
                Cause::Unknown => "cause not known",
            },
            Self::JoinedLate => "joined late",
            Self::NotGranted => "not granted by Zoom",
            Self::Unavailable => "not available from Zoom",
            Self::Queue => "the queue was full",
            Self::Disk => "disk",
            Self::Unreadable => "unreadable",
            Self::Unknown => "cause not known",
        }
    }
}

impl From<Cause> for LossCause {
    fn from(cause: Cause) -> Self {
        if cause == Cause::Unknown { Self::Unknown } else { Self::Cut(cause) }
    }
}

impl Serialize for LossCause {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for LossCause {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self::of_word(&SmolStr::deserialize(deserializer)?))
    }
}

impl std::fmt::Display for LossCause {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Messages of a medium that came and are not kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LostPackets {
    /// The number lost by the queue before the recorder.
    pub queue: u64,
    /// The number refused by the disk.
    pub disk: u64,
    /// The number that could not be read.
    pub unreadable: u64,
}

/// A part of a loss: one medium, one cause.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LostPart {
    /// The medium.
    pub medium: Medium,
    /// The cause.
    pub cause: LossCause,
    /// Milliseconds of the medium's time.
    pub ms: u64,
    /// Messages, where they were counted.
    pub packets: u64,
}

/// All that was lost of a stream, by medium and cause.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Loss {
    /// In the order of media and causes; each has milliseconds or packets.
    pub parts: Vec<LostPart>,
}

impl Loss {
    /// Sums a ledger, and the messages that were counted as lost.
    pub fn of(ledger: &LedgerReport, packets: impl Fn(Medium) -> LostPackets) -> Self {
        let mut parts = Vec::new();
        for (medium, report) in &ledger.media {
            let mut sums: BTreeMap<LossCause, (u64, u64)> = BTreeMap::new();
            let late = is_late(report);
            let is_mended = mended_ms(report) < MENDED_MS;
            for (place, span) in report.spans.iter().enumerate() {
                if is_mended && is_mended_cut(report, place) {
                    continue;
                }
                if let Some(cause) = cause_of(&span.what, late) {
                    sums.entry(cause).or_default().0 += span.ms();
                }
            }
            let LostPackets { queue, disk, unreadable } = packets(*medium);
            for (cause, count) in
                [(LossCause::Queue, queue), (LossCause::Disk, disk), (LossCause::Unreadable, unreadable)]
            {
                sums.entry(cause).or_default().1 += count;
            }
            let lost = sums.into_iter().filter(|(_, (ms, packets))| *ms > 0 || *packets > 0);
            parts.extend(lost.map(|(cause, (ms, packets))| LostPart { medium: *medium, cause, ms, packets }));
        }
        Self { parts }
    }

    /// What is being lost at the end of a ledger, by medium: it goes on if the ledger does.
    pub fn lasting(ledger: &LedgerReport) -> Vec<(Medium, LossCause)> {
        let last = |(medium, report): (&Medium, &MediumReport)| {
            let cause = cause_of(&report.spans.last()?.what, is_late(report))?;
            Some((*medium, cause))
        };
        ledger.media.iter().filter_map(last).collect()
    }

    /// What is lost beyond what was lost before: for counters, which an earlier run of the same stream has moved already.
    pub fn beyond(&self, before: &Self) -> Self {
        let new = self.parts.iter().map(|part| {
            let counted = before.parts.iter().filter(|it| it.medium == part.medium && it.cause == part.cause);
            counted.fold(*part, |left, it| LostPart {
                ms: left.ms.saturating_sub(it.ms),
                packets: left.packets.saturating_sub(it.packets),
                ..left
            })
        });
        Self { parts: new.filter(|part| part.ms > 0 || part.packets > 0).collect() }
    }

    /// Whether nothing was lost.
    pub fn is_none(&self) -> bool {
        self.parts.is_empty()
    }
}

/// What was lost, for people: `11.2 s of audio lost (disk), 3 messages of chat lost (unreadable)`.
impl std::fmt::Display for Loss {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.parts.is_empty() {
            return f.write_str("nothing lost");
        }
        for (place, part) in self.parts.iter().enumerate() {
            let LostPart { medium, cause, ms, packets } = part;
            let comma = if place > 0 { ", " } else { "" };
            let messages = if *packets == 1 { "message" } else { "messages" };
            let cause = cause.told();
            match (*ms, *packets) {
                (0, packets) => write!(f, "{comma}{packets} {messages} of {medium} lost ({cause})")?,
                (ms, 0) => write!(f, "{comma}{} s of {medium} lost ({cause})", seconds(ms))?,
                (ms, packets) => {
                    write!(f, "{comma}{} s of {medium} lost ({cause}, {packets} {messages})", seconds(ms))?;
                }
            }
        }
        Ok(())
    }
}

/// Seconds with a digit behind the point; what is shorter has its milliseconds, so that no loss becomes none.
pub fn seconds(ms: u64) -> String {
    if ms < 100 { format!("0.{ms:03}") } else { format!("{}.{}", ms / 1000, ms % 1000 / 100) }
}

/// Whether the start was missed.
fn is_late(report: &MediumReport) -> bool {
    report.total_ms("before_start") > NORMAL_START_MS
}

/// Whether this span is a cut after which, and before which, all was well. The spans beside it are no cuts.
fn is_mended_cut(report: &MediumReport, place: usize) -> bool {
    let is_well = |span: Option<&Span>| span.is_some_and(|span| span.what == What::Received || span.what.is_idle());
    let at = |place: usize| report.spans.get(place);
    let is_cut = at(place).is_some_and(|span| matches!(span.what, What::Interrupted { .. }));
    is_cut && is_well(place.checked_sub(1).and_then(at)) && is_well(at(place + 1))
}

/// How much of a medium cuts took that were mended.
fn mended_ms(report: &MediumReport) -> u64 {
    let spans = report.spans.iter().enumerate().filter(|(place, _)| is_mended_cut(report, *place));
    spans.map(|(_, span)| span.ms()).sum()
}

fn cause_of(what: &What, late: bool) -> Option<LossCause> {
    match what {
        What::Interrupted { by } => Some((*by).into()),
        What::Dropped { by } => Some(match by {
            Queue::Events => LossCause::Queue,
            Queue::Disk => LossCause::Disk,
            Queue::Unreadable => LossCause::Unreadable,
            Queue::Unknown => LossCause::Unknown,
        }),
        What::Off { why: OffWhy::NotGranted, .. } => Some(LossCause::NotGranted),
        What::Off { why: OffWhy::Unavailable, .. } => Some(LossCause::Unavailable),
        What::BeforeStart if late => Some(LossCause::JoinedLate),
        What::Off {
            why: OffWhy::NotWanted | OffWhy::NotOffered | OffWhy::CameraOff | OffWhy::NobodyShares | OffWhy::Unknown,
            ..
        }
        | What::BeforeStart
        | What::Received
        | What::Silent
        | What::Paused { .. }
        | What::Unrecorded => None,
    }
}

#[cfg(test)]
mod tests {
    use rtms_wire::{media::medium::Medium, time::UnixMillis};

    use super::{Loss, LossCause, LostPackets, LostPart, MENDED_MS, NORMAL_START_MS, seconds};
    use crate::ledger::{
        report::{LedgerReport, MediumReport},
        word::{Cause, OffWhy, PausedBy, Queue, Span, What},
    };

    fn ledger(medium: Medium, spans: &[(u64, What)]) -> LedgerReport {
        let mut at = 0;
        let spans: Vec<_> = spans
            .iter()
            .map(|(ms, what)| {
                let from = UnixMillis(at);
                at += ms;
                Span { from, to: UnixMillis(at), what: what.clone() }
            })
            .collect();
        let media = [(medium, MediumReport { coarsened_ms: 0, spans })].into();
        LedgerReport { from: UnixMillis(0), to: UnixMillis(at), clock_ahead_ms: 0, media }
    }

    fn told(medium: Medium, spans: &[(u64, What)]) -> Vec<(LossCause, u64)> {
        let loss = Loss::of(&ledger(medium, spans), |_| LostPackets::default());
        loss.parts.iter().map(|part| (part.cause, part.ms)).collect()
    }

    #[test]
    fn what_was_meant_to_be_so_is_no_loss() {
        let off = |why| What::Off { why, detail: None };
        let spans = [
            (NORMAL_START_MS, What::BeforeStart),
            (7_000, What::Received),
            (9_000, What::Silent),
            (9_000, What::Paused { by: PausedBy::Stream }),
            (9_000, off(OffWhy::CameraOff)),
            (9_000, off(OffWhy::NotWanted)),
            (9_000, off(OffWhy::NotOffered)),
            (9_000, What::Unrecorded),
        ];
        assert_eq!(told(Medium::Video, &spans), []);
        assert_eq!(Loss::default().to_string(), "nothing lost");
    }

    #[test]
    fn a_start_that_took_too_long_is_lost_as_a_whole_and_spans_of_one_cause_are_one_sum() {
        let cut = What::Interrupted { by: Cause::Frozen };
        let spans = [
            (NORMAL_START_MS + 1, What::BeforeStart),
            (100, What::Received),
            (130, cut.clone()),
            (100, What::Received),
            (41, cut),
            (5, What::Dropped { by: Queue::Disk }),
            (6, What::Off { why: OffWhy::NotGranted, detail: None }),
        ];
        let expected = [
            (LossCause::Cut(Cause::Frozen), 171),
            (LossCause::JoinedLate, NORMAL_START_MS + 1),
            (LossCause::NotGranted, 6),
            (LossCause::Disk, 5),
        ];
        assert_eq!(told(Medium::Audio, &spans), expected);
    }

    #[test]
    fn mended_cuts_that_are_short_together_are_no_loss_and_one_that_was_not_mended_is() {
        let cut = || What::Interrupted { by: Cause::MediaConnection };
        let around = |middle: u64| [(9, What::Received), (middle, cut()), (9, What::Silent)];
        assert_eq!(told(Medium::Audio, &around(MENDED_MS - 1)), []);
        let lost = [(LossCause::Cut(Cause::MediaConnection), MENDED_MS)];
        assert_eq!(told(Medium::Audio, &around(MENDED_MS)), lost);
        let twice = [around(60), around(40)].concat();
        assert_eq!(told(Medium::Audio, &twice), lost);
        assert_eq!(
            told(Medium::Audio, &[(9, What::Received), (7, cut())]),
            [(LossCause::Cut(Cause::MediaConnection), 7)]
        );
        assert_eq!(
            told(Medium::Audio, &[(7, cut()), (9, What::Received)]),
            [(LossCause::Cut(Cause::MediaConnection), 7)]
        );
        let two_causes =
            [(9, What::Received), (7, cut()), (8, What::Interrupted { by: Cause::Frozen }), (9, What::Silent)];
        assert_eq!(
            told(Medium::Audio, &two_causes),
            [(LossCause::Cut(Cause::MediaConnection), 7), (LossCause::Cut(Cause::Frozen), 8)]
        );
    }

    #[test]
    fn only_what_is_new_is_beyond_what_was_lost_before() {
        let part = |medium, cause, ms, packets| LostPart { medium, cause, ms, packets };
        let before = Loss {
            parts: vec![
                part(Medium::Audio, LossCause::Disk, 500, 9),
                part(Medium::Video, LossCause::Cut(Cause::Refused), 70, 0),
                part(Medium::Chat, LossCause::Cut(Cause::Refused), 90, 0),
            ],
        };
        let now = Loss {
            parts: vec![
                part(Medium::Audio, LossCause::Disk, 500, 12),
                part(Medium::Audio, LossCause::Cut(Cause::Refused), 40, 0),
                part(Medium::Video, LossCause::Cut(Cause::Refused), 60, 0),
                part(Medium::Chat, LossCause::Cut(Cause::Refused), 95, 0),
            ],
        };
        let new = [
            part(Medium::Audio, LossCause::Disk, 0, 3),
            part(Medium::Audio, LossCause::Cut(Cause::Refused), 40, 0),
            part(Medium::Chat, LossCause::Cut(Cause::Refused), 5, 0),
        ];
        assert_eq!(now.beyond(&before).parts, new);
        assert_eq!(now.beyond(&Loss::default()), now);
        assert!(now.beyond(&now).is_none());
    }

    #[test]
    fn messages_are_told_with_their_time_and_without() {
        let ledger = ledger(Medium::Audio, &[(9_000, What::Received), (11_260, What::Dropped { by: Queue::Disk })]);
        let loss = Loss::of(&ledger, |_| LostPackets { queue: 0, disk: 563, unreadable: 1 });
        assert_eq!(loss.to_string(), "11.2 s of audio lost (disk, 563 messages), 1 message of audio lost (unreadable)");
    }

    #[test]
    fn every_word_is_the_one_in_json_and_names_its_cause() {
        for cause in LossCause::all() {
            assert_eq!(serde_json::to_string(&cause).expect("written"), format!("\"{cause}\""));
            assert_eq!(LossCause::of_word(cause.as_str()), cause);
            assert_eq!(serde_json::from_str::<LossCause>(&format!("\"{cause}\"")).expect("read"), cause);
        }
        assert_eq!(LossCause::of_word("comet"), LossCause::Unknown);
    }

    #[test]
    fn a_short_loss_is_not_told_as_none() {
        assert_eq!([0, 1, 99, 100, 11_260].map(seconds), ["0.000", "0.001", "0.099", "0.1", "11.2"]);
    }
}
