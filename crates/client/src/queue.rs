//! The bounded queue between something that never waits and something that may be slow: between a stream's sockets and
//! the taker of its events, or between a stream and one of its subscribers.
//!
//! When it is full, the oldest of the lowest [`Class`] goes first: notes of messages that mean nothing or were read in
//! part, then video, deskshare, audio, words; what happens to the stream itself goes only when nothing else is left.
//! Each loss is counted, and of media the missing time is reported where it would have come.

use std::{
    collections::VecDeque,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use rtms_proto::{
    event::Event,
    load::{Class, Load},
};
use rtms_wire::{media::medium::Medium, time::UnixMillis};
use tokio::sync::Notify;

/// Free places that a queue keeps once a burst is over.
const KEPT_PLACES: usize = 64;

/// How many events were dropped for lack of room, by kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Dropped {
    /// Pictures of cameras.
    pub video: u64,
    /// Pictures of shared screens.
    pub deskshare: u64,
    /// Packets of sound.
    pub audio: u64,
    /// The fields that are not named here.
    pub other: u64,
}

impl Dropped {
    /// All of them.
    pub fn total(&self) -> u64 {
        self.video + self.deskshare + self.audio + self.other
    }

    fn count(&mut self, class: Class) {
        let count = match class {
            Class::Video => &mut self.video,
            Class::Deskshare => &mut self.deskshare,
            Class::Audio => &mut self.audio,
            Class::Remark | Class::Words | Class::State => &mut self.other,
        };
        *count += 1;
    }
}

impl std::ops::Add for Dropped {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            video: self.video + other.video,
            deskshare: self.deskshare + other.deskshare,
            audio: self.audio + other.audio,
            other: self.other + other.other,
        }
    }
}

/// Neighbours in a medium that were dropped for lack of room: between them nothing of the medium is delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lost {
    /// Of which medium.
    pub medium: Medium,
    /// The earliest of their timestamps, as Zoom gave them.
    pub first: UnixMillis,
    /// The latest time.
    pub last: UnixMillis,
    /// The number of them.
    pub count: u64,
}

/// What comes out of the queue.
#[derive(Clone, Debug, PartialEq)]
pub enum News<T> {
    /// Something that went in.
    Event(T),
    /// In the place of what was dropped.
    Lost(Lost),
}

/// What can go into a queue.
pub trait Queued {
    /// Returns what the queue has to know of it. It must not change.
    fn load(&self) -> Load;
}

impl Queued for Event {
    fn load(&self) -> Load {
        Self::load(self)
    }
}

struct Entry<T> {
    /// Gives the order between the classes.
    number: u64,
    event: T,
    bytes: usize,
}

struct State<T> {
    /// One queue per class.
    queues: [VecDeque<Entry<T>>; Class::ALL.len()],
    next_number: u64,
    bytes: usize,
    dropped: Dropped,
    /// What was dropped and not told yet, at most one of each medium. It comes out before anything else, so nothing of
    /// its medium is delivered between the first and the last of it.
    lost: Vec<Lost>,
    /// The receiver waits until something comes.
    is_awaited: bool,
    /// Nothing more goes in.
    closed: bool,
    /// Nothing more comes out.
    abandoned: bool,
}

impl<T> State<T> {
    /// Takes the oldest event of a class out.
    fn pop(&mut self, class: usize) -> Option<T> {
        let queue = self.queues.get_mut(class)?;
        let Entry { event, bytes, .. } = queue.pop_front()?;
        self.bytes -= bytes;
        give_back(queue);
        Some(event)
    }

    /// Takes the next event or loss out.
    fn next_news(&mut self) -> Result<News<T>, Empty> {
        if let Some(lost) = self.lost.pop() {
            return Ok(News::Lost(lost));
        }
        let first = (0..Class::ALL.len()).filter_map(|at| Some((self.queues[at].front()?.number, at))).min();
        let (_, at) = first.ok_or(Empty { closed: self.closed })?;
        self.pop(at).map(News::Event).ok_or(Empty { closed: self.closed })
    }

    /// Takes everything out, in order.
    fn take_all(&mut self) -> Vec<News<T>> {
        let mut all: Vec<_> = self.lost.drain(..).map(News::Lost).collect();
        let mut entries = Vec::with_capacity(self.queues.iter().map(VecDeque::len).sum());
        for queue in &mut self.queues {
            entries.extend(queue.drain(..));
            give_back(queue);
        }
        // Each class is in order, so this merges them.
        entries.sort_by_key(|entry| entry.number);
        all.extend(entries.into_iter().map(|entry| News::Event(entry.event)));
        self.bytes = 0;
        all
    }

    fn lose(&mut self, Load { class, time, bytes: _ }: Load) {
        self.dropped.count(class);
        let Some((medium, at)) = time else { return };
        match self.lost.iter_mut().find(|lost| lost.medium == medium) {
            Some(lost) => {
                lost.first = lost.first.min(at);
                lost.last = lost.last.max(at);
                lost.count += 1;
            }
            None => self.lost.push(Lost { medium, first: at, last: at, count: 1 }),
        }
    }
}

/// Gives back what a burst took, or each stream would hold on to its worst moment.
fn give_back<T>(queue: &mut VecDeque<T>) {
    if queue.capacity() > KEPT_PLACES.max(queue.len() * 4) {
        queue.shrink_to(KEPT_PLACES.max(queue.len() * 2));
    }
}

struct Shared<T> {
    state: Mutex<State<T>>,
    limit_bytes: usize,
    arrived: Notify,
}

impl<T> Shared<T> {
    fn state(&self) -> MutexGuard<'_, State<T>> {
        // A panic elsewhere leaves the queue whole: every change to it is complete before the lock is released.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The queue of a stream's events, at the end of its sockets.
pub type EventSender = QueueSender<Event>;

/// The queue of a stream's events, at the end of their taker.
pub type EventReceiver = QueueReceiver<Event>;

/// Makes a queue of at most `limit_bytes`.
pub fn queue<T: Queued>(limit_bytes: usize) -> (QueueSender<T>, QueueReceiver<T>) {
    let state = State {
        queues: Default::default(),
        next_number: 0,
        bytes: 0,
        dropped: Dropped::default(),
        lost: Vec::new(),
        is_awaited: false,
        closed: false,
        abandoned: false,
    };
    let shared = Arc::new(Shared { state: Mutex::new(state), limit_bytes, arrived: Notify::new() });
    (QueueSender { shared: shared.clone() }, QueueReceiver { shared })
}

/// Where events go in. Dropping it ends the queue once it is empty.
pub struct QueueSender<T> {
    shared: Arc<Shared<T>>,
}

impl<T: Queued> QueueSender<T> {
    /// Puts an event in, making room if there is none. Returns false if the receiver is gone, so that nothing comes out.
    pub fn push(&self, event: T) -> bool {
        self.push_from(event, 0)
    }

    /// The same for an event from a message of this length. It may hold much beside its payload: fields that nobody knows,
    /// or names.
    pub(crate) fn push_from(&self, event: T, message_bytes: usize) -> bool {
        let mut state = self.shared.state();
        if state.abandoned {
            return false;
        }
        let number = state.next_number;
        state.next_number += 1;
        let load = event.load();
        // A message has its payload in base64, which is longer by a third. Half of the message is more than the payload only
        // if most of it is something else.
        let bytes = load.bytes.max(message_bytes / 2);
        state.bytes += bytes;
        state.queues[load.class as usize].push_back(Entry { number, event, bytes });
        while state.bytes > self.shared.limit_bytes {
            // The newest event is the last to go, so a single one beyond the limit still passes.
            let alone = state.queues.iter().map(VecDeque::len).sum::<usize>() == 1;
            let Some(full) = state.queues.iter().position(|queue| !queue.is_empty()).filter(|_| !alone) else { break };
            let Some(dropped) = state.pop(full) else { break };
            state.lose(dropped.load());
        }
        let is_awaited = std::mem::take(&mut state.is_awaited);
        drop(state);
        if is_awaited {
            self.shared.arrived.notify_one();
        }
        true
    }
}

impl<T> fmt::Debug for QueueSender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("QueueSender").field("limit_bytes", &self.shared.limit_bytes).finish_non_exhaustive()
    }
}

impl<T> fmt::Debug for QueueReceiver<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("QueueReceiver").field("dropped", &self.dropped()).finish_non_exhaustive()
    }
}

impl<T> Drop for QueueSender<T> {
    fn drop(&mut self) {
        self.shared.state().closed = true;
        self.shared.arrived.notify_one();
    }
}

/// Where events come out, in the order in which they went in.
pub struct QueueReceiver<T> {
    shared: Arc<Shared<T>>,
}

impl<T> Drop for QueueReceiver<T> {
    fn drop(&mut self) {
        let mut state = self.shared.state();
        state.abandoned = true;
        // What nobody will take is not kept.
        state.queues.iter_mut().for_each(|queue| *queue = VecDeque::new());
        state.bytes = 0;
    }
}

impl<T> QueueReceiver<T> {
    /// The next event; none when the stream is over and everything was taken. What was dropped before it is passed over:
    /// [`Self::next_news`] tells of it, [`Self::dropped`] counts it.
    pub async fn next(&mut self) -> Option<T> {
        loop {
            match self.next_news().await? {
                News::Event(event) => return Some(event),
                News::Lost(_) => {}
            }
        }
    }

    /// The next event or loss; none when the stream is over and everything was taken.
    pub async fn next_news(&mut self) -> Option<News<T>> {
        loop {
            let found = {
                let mut state = self.shared.state();
                let found = state.next_news();
                state.is_awaited = matches!(found, Err(Empty { closed: false }));
                found
            };
            match found {
                Ok(news) => return Some(news),
                Err(Empty { closed: true }) => return None,
                // A push between the look and the wait leaves its permit, so the wait returns at once.
                Err(Empty { closed: false }) => self.shared.arrived.notified().await,
            }
        }
    }

    /// The next event if there is one now, as [`Self::next`].
    ///
    /// # Errors
    /// [`Empty`], which says whether another can come.
    pub fn try_next(&mut self) -> Result<T, Empty> {
        loop {
            match self.try_next_news()? {
                News::Event(event) => return Ok(event),
                News::Lost(_) => {}
            }
        }
    }

    /// The next event or loss if there is one now.
    ///
    /// # Errors
    /// [`Empty`], which says whether another can come.
    pub fn try_next_news(&mut self) -> Result<News<T>, Empty> {
        self.shared.state().next_news()
    }

    /// All events and losses that are there now, in order.
    pub fn take_all(&mut self) -> Vec<News<T>> {
        self.shared.state().take_all()
    }

    /// Whether there is nothing now, not even a loss to tell of.
    pub fn is_empty(&self) -> bool {
        let state = self.shared.state();
        state.lost.is_empty() && state.queues.iter().all(VecDeque::is_empty)
    }

    /// What was dropped so far.
    pub fn dropped(&self) -> Dropped {
        self.shared.state().dropped
    }
}

/// Nothing is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Empty {
    /// Whether nothing can come any more.
    pub closed: bool,
}

#[cfg(test)]
mod tests {
    use rtms_proto::{event::Odd, load::OVERHEAD_BYTES};
    use rtms_wire::{
        flaws::{Flaws, RawMessage},
        message::{media_data::MediaData, text_data::MediaDataTranscript},
        time::UnixMillis,
    };

    use super::*;

    #[test]
    fn a_full_queue_drops_video_then_deskshare_then_audio_and_words_last() {
        let room_for_four = 4 * (OVERHEAD_BYTES + 100);
        let (sender, mut receiver) = queue(room_for_four);
        for event in [line(1), Event::Audio(data(2)), Event::Deskshare(data(3)), Event::Video(data(4))] {
            sender.push(event);
        }

        sender.push(line(5));
        assert_eq!(receiver.dropped(), Dropped { video: 1, ..Dropped::default() });
        sender.push(line(6));
        assert_eq!(receiver.dropped(), Dropped { video: 1, deskshare: 1, ..Dropped::default() });
        sender.push(line(7));
        assert_eq!(receiver.dropped(), Dropped { video: 1, deskshare: 1, audio: 1, other: 0 });
        sender.push(line(8));
        assert_eq!(receiver.dropped(), Dropped { video: 1, deskshare: 1, audio: 1, other: 1 });

        let left: Vec<_> = std::iter::from_fn(|| receiver.try_next().ok()).collect();
        assert_eq!(left, [line(5), line(6), line(7), line(8)]);
    }

    #[test]
    fn what_was_dropped_is_told_as_runs_before_what_comes_after_it() {
        let (sender, mut receiver) = queue(2 * (OVERHEAD_BYTES + 100));
        for timestamp in [20, 10, 30, 40, 50] {
            sender.push(Event::Audio(data(timestamp)));
        }
        assert_eq!(receiver.try_next_news(), Ok(lost(Medium::Audio, 10, 30, 3)));
        assert_eq!(receiver.try_next_news(), Ok(News::Event(Event::Audio(data(40)))));

        for timestamp in [60, 70] {
            sender.push(Event::Audio(data(timestamp)));
        }
        assert_eq!(receiver.try_next_news(), Ok(lost(Medium::Audio, 50, 50, 1)), "40 was delivered between");
        assert_eq!(receiver.try_next_news(), Ok(News::Event(Event::Audio(data(60)))));
        assert_eq!(receiver.try_next_news(), Ok(News::Event(Event::Audio(data(70)))));
        assert_eq!(receiver.try_next_news(), Err(Empty { closed: false }));
    }

    #[test]
    fn what_happens_to_the_stream_outlives_words() {
        let (sender, mut receiver) = queue(OVERHEAD_BYTES + 100);
        sender.push(Event::Reconnecting);
        sender.push(line(2));
        sender.push(Event::SignalingOpen);

        let left: Vec<_> = std::iter::from_fn(|| receiver.try_next_news().ok()).collect();
        assert_eq!(left, [lost(Medium::Transcript, 2, 2, 1), News::Event(Event::SignalingOpen)]);
    }

    #[test]
    fn notes_of_messages_that_were_read_in_part_cost_no_medium_its_place() {
        let note = |bytes: &'static [u8]| {
            let raw = RawMessage::new(Some(Medium::Audio), Flaws::default(), bytes);
            Event::Odd(Odd::Raw(raw))
        };
        let (sender, mut receiver) = queue(3 * (OVERHEAD_BYTES + 100));
        let kept = [note(b"{"), Event::Audio(data(1)), line(2)];
        for event in kept.clone() {
            sender.push(event);
            for _ in 0..50 {
                sender.push(note(b""));
            }
        }

        let left: Vec<_> = std::iter::from_fn(|| receiver.try_next().ok()).collect();
        assert!(kept.iter().all(|event| left.contains(event)), "{left:?}");
        let notes = left.len() - kept.len();
        assert_eq!(receiver.dropped(), Dropped { other: 150 - notes as u64, ..Dropped::default() });
    }

    #[test]
    fn what_a_message_has_beside_its_payload_counts_and_a_payload_in_base64_counts_once() {
        let room = 10 * (OVERHEAD_BYTES + 100);
        let (sender, receiver) = queue(room);
        for timestamp in 0..10 {
            sender.push_from(Event::Audio(data(timestamp)), 100 * 4 / 3 + 150);
        }
        assert_eq!(receiver.dropped(), Dropped::default());

        // Most of it are fields that nobody knows.
        for _ in 0..1000 {
            sender.push_from(Event::SignalingOpen, room / 2);
        }

        let state = receiver.shared.state();
        assert!(state.bytes <= room && state.queues.iter().map(VecDeque::len).sum::<usize>() < 10);
        assert_eq!((state.dropped.audio, state.dropped.other > 990), (10, true));
    }

    #[test]
    fn a_burst_leaves_no_memory_behind() {
        let (sender, mut receiver) = queue(usize::MAX);
        for timestamp in 0..100_000 {
            sender.push(Event::Audio(data(timestamp)));
        }

        // It need not become empty: somebody who is slow for long is never done.
        while receiver.shared.state().queues[3].len() > 10 {
            assert!(receiver.try_next().is_ok());
        }

        assert!(receiver.shared.state().queues[3].capacity() <= 4 * KEPT_PLACES);
    }

    #[test]
    fn events_come_out_in_the_order_in_which_they_went_in() {
        let (sender, mut receiver) = queue(1 << 20);
        let events = [Event::Video(data(1)), line(2), Event::Audio(data(3)), Event::Video(data(4)), line(5)];
        for event in events.clone() {
            sender.push(event);
        }

        let got: Vec<_> = std::iter::from_fn(|| receiver.try_next().ok()).collect();

        assert_eq!(got, events);
        assert_eq!(receiver.try_next(), Err(Empty { closed: false }));
        drop(sender);
        assert_eq!(receiver.try_next(), Err(Empty { closed: true }));
    }

    #[test]
    fn an_event_larger_than_the_queue_passes_when_it_is_alone() {
        let (sender, mut receiver) = queue(10);

        sender.push(Event::Audio(data(1)));

        assert_eq!(receiver.try_next(), Ok(Event::Audio(data(1))));
        assert_eq!(receiver.dropped(), Dropped::default());
    }

    fn lost(medium: Medium, first: u64, last: u64, count: u64) -> News<Event> {
        News::Lost(Lost { medium, first: UnixMillis(first), last: UnixMillis(last), count })
    }

    fn data(timestamp: u64) -> MediaData {
        MediaData { data: vec![0; 100].into(), timestamp: UnixMillis(timestamp), ..MediaData::default() }
    }

    fn line(timestamp: u64) -> Event {
        let timestamp = Some(UnixMillis(timestamp));
        Event::Transcript(MediaDataTranscript { data: "x".repeat(100), timestamp, ..MediaDataTranscript::default() })
    }
}
