//! Inputs for a recording that is not open. The first ones are kept for the files to come; of the rest, the loss is
//! recorded.

use std::collections::BTreeMap;

use rtms_record::{
    Bookkeeper, Dropped, Input, Loss, RecordingAbout,
    input::Content,
    ledger::{LedgerReport, Queue, SpanChange},
    loss::LostPackets,
};
use rtms_wire::{media::medium::Medium, time::UnixMillis};

use crate::live::ledger_input;

/// The bytes of payload that are kept while files cannot be opened: some seconds of pictures, or minutes of sound.
const MAX_HELD_BYTES: usize = 16 << 20;

/// The number of inputs that are kept, with or without payload.
const MAX_HELD: usize = 65_536;

/// The ledger of a stream without files, and the number of messages that were lost.
pub(crate) struct LedgerOnly {
    book: Bookkeeper,
    lost: BTreeMap<Medium, LostPackets>,
}

impl LedgerOnly {
    pub(crate) fn new(about: &RecordingAbout, now: UnixMillis) -> Self {
        Self { book: Bookkeeper::new(about.started_at, about.product, now), lost: BTreeMap::new() }
    }

    pub(crate) fn take(&mut self, input: &Input, now: UnixMillis) {
        match input {
            Input::Dropped(Dropped { medium, queue, count, .. }) => {
                let lost = self.lost.entry(*medium).or_default();
                match queue {
                    Queue::Disk => lost.disk += count,
                    Queue::Events | Queue::Unreadable | Queue::Unknown => lost.queue += count,
                }
            }
            Input::Unreadable { medium, .. } => self.lost.entry(*medium).or_default().unreadable += 1,
            Input::Granted(..)
            | Input::Audio(_)
            | Input::Video(_)
            | Input::Deskshare(_)
            | Input::Transcript(_)
            | Input::Chat(_)
            | Input::Event(_)
            | Input::Note(_)
            | Input::Word(_)
            | Input::Change(..)
            | Input::Raw(_)
            | Input::Repeats { .. }
            | Input::Clock { .. } => {}
        }
        self.book.take(input, now);
    }

    pub(crate) fn take_span_changes(&mut self, now: UnixMillis) -> Vec<SpanChange> {
        self.book.take_span_changes(now)
    }

    /// Returns the changes since they were taken last, and the last span of each medium, closed.
    pub(crate) fn last_span_changes(&mut self, now: UnixMillis) -> Vec<SpanChange> {
        let mut spans = self.take_span_changes(now);
        spans.extend(ledger_input::closing(&self.book.ledger().report()));
        spans
    }

    /// Returns the ledger as it stands, and the loss by it.
    pub(crate) fn account(&self) -> (LedgerReport, Loss) {
        let report = self.book.ledger().report();
        let loss = Loss::of(&report, |medium| self.lost.get(&medium).copied().unwrap_or_default());
        (report, loss)
    }
}

/// An input with the moment of its arrival, on our clock.
pub(crate) type Timed = (Input, UnixMillis);

/// The inputs that wait for a recording to be opened.
pub(crate) struct WaitingRoom {
    /// The ledger as if all of them were lost, which holds if the recording is never opened.
    ledger: LedgerOnly,
    held: Vec<Timed>,
    held_bytes: usize,
    /// Media of which no more is kept, so that the loss is one piece.
    dropped: BTreeMap<Medium, Dropped>,
}

impl WaitingRoom {
    pub(crate) fn new(about: &RecordingAbout, now: UnixMillis) -> Self {
        Self { ledger: LedgerOnly::new(about, now), held: Vec::new(), held_bytes: 0, dropped: BTreeMap::new() }
    }

    /// Takes an input that counts only if the recording is never opened.
    pub(crate) fn take_for_ledger(&mut self, input: &Input, now: UnixMillis) {
        self.ledger.take(input, now);
    }

    pub(crate) fn take(&mut self, input: Input, now: UnixMillis) {
        let Some(Content { medium, at, bytes }) = input.content() else {
            self.ledger.take(&input, now);
            if self.held.len() < MAX_HELD {
                self.held.push((input, now));
            }
            return;
        };
        let at = at.unwrap_or(now);
        let lost = Dropped { medium, queue: Queue::Disk, first: at, last: at, count: 1 };
        self.ledger.take(&Input::Dropped(lost), now);
        let has_room = self.held.len() < MAX_HELD && self.held_bytes + bytes <= MAX_HELD_BYTES;
        match self.dropped.get_mut(&medium) {
            Some(run) => {
                run.first = run.first.min(at);
                run.last = run.last.max(at);
                run.count += 1;
            }
            None if has_room => {
                self.held_bytes += bytes;
                self.held.push((input, now));
            }
            None => {
                self.dropped.insert(medium, lost);
            }
        }
    }

    /// Returns the inputs for the files, in order, once these are open.
    pub(crate) fn leave(self, now: UnixMillis) -> Vec<Timed> {
        let mut inputs = self.held;
        inputs.extend(self.dropped.into_values().map(|run| (Input::Dropped(run), now)));
        inputs
    }

    pub(crate) fn take_span_changes(&mut self, now: UnixMillis) -> Vec<SpanChange> {
        self.ledger.take_span_changes(now)
    }

    /// As [`LedgerOnly::last_span_changes`].
    pub(crate) fn last_span_changes(&mut self, now: UnixMillis) -> Vec<SpanChange> {
        self.ledger.last_span_changes(now)
    }

    /// Returns ledger and loss of a stream whose recording was never opened.
    pub(crate) fn account(&self) -> (LedgerReport, Loss) {
        self.ledger.account()
    }
}

#[cfg(test)]
mod tests {
    use rtms_record::ledger::{Change, When};
    use rtms_wire::{
        Bytes,
        codes::product::Product,
        ids::{InstanceId, InstanceIdField},
        message::media_data::MediaData,
    };

    use super::*;

    const START: UnixMillis = UnixMillis(1_795_420_800_000);

    fn room() -> WaitingRoom {
        let about = RecordingAbout::new(
            "s".into(),
            Product::Meeting,
            InstanceId::new(InstanceIdField::MeetingUuid, "m"),
            START,
        );
        WaitingRoom::new(&about, START)
    }

    fn sound(number: u64, bytes: usize) -> Input {
        let timestamp = UnixMillis(START.0 + 20 * number);
        Input::Audio(MediaData { timestamp, data: Bytes::from(vec![1; bytes]), ..MediaData::default() })
    }

    #[test]
    fn the_first_is_kept_and_of_the_rest_it_is_known_what_it_was() {
        let mut room = room();
        for number in 0..20 {
            room.take(sound(number, 1 << 20), START);
        }
        room.take(Input::Change(Change::Stopped, When::Ours(START)), START);
        let (_, loss) = room.account();
        assert_eq!(loss.parts.iter().map(|part| part.packets).sum::<u64>(), 20, "as long as it is not open");

        let inputs = room.leave(START);
        let kept = inputs.iter().filter(|(input, _)| matches!(input, Input::Audio(_))).count();
        assert_eq!(kept, 16);
        let (first, last) = (UnixMillis(START.0 + 320), UnixMillis(START.0 + 380));
        let run = Dropped { medium: Medium::Audio, queue: Queue::Disk, first, last, count: 4 };
        assert_eq!(inputs.last(), Some(&(Input::Dropped(run), START)));
        assert!(inputs.iter().any(|(input, _)| matches!(input, Input::Change(..))), "what is no message is kept");
    }

    #[test]
    fn what_was_lost_of_a_medium_is_one_piece() {
        let mut room = room();
        room.take(sound(0, MAX_HELD_BYTES), START);
        room.take(sound(1, 640), START);
        room.take(sound(2, 0), START);

        let runs: Vec<_> = room.leave(START).into_iter().skip(1).collect();
        assert!(matches!(runs.as_slice(), [(Input::Dropped(Dropped { count: 2, .. }), _)]), "{runs:?}");
    }
}
