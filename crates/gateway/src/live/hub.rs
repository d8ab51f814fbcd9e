//! The hub: everything that a stream brings, words and media, to all who subscribed to it.
//!
//! Each subscriber has a bounded queue of its own. One that is slow or stuck delays nobody: what it misses is dropped from
//! its queue alone, by the policy that it chose, counted, and told to it in the place of what is missing. Payloads are
//! shared, never copied. A word has its number and is in the journal before it comes here.

use std::{
    io::{self, Write},
    sync::{Mutex, MutexGuard, PoisonError},
};

use rtms_client::queue::{QueueReceiver, QueueSender, Queued, queue};
use rtms_proto::load::{Class, Load, OVERHEAD_BYTES};
use rtms_record::{Input, journal::entry::Word};
use rtms_wire::{media::medium::Medium, time::UnixMillis};
use serde::Serialize;

/// What a subscriber takes from: items in their order, and its losses.
pub(crate) type Subscription = QueueReceiver<Item>;

/// Something that a stream brought, and when, on our clock.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Item {
    pub(crate) input: Input,
    pub(crate) at: UnixMillis,
}

/// What an item is about, for filters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Topic {
    /// Entries of the journal that a file of the recording shows, too.
    Words,
    /// Entries that only the journal has: unlisted notes, and changes of the ledger, which comes from here.
    JournalOnly,
    /// Packets of sound, and their form.
    Audio,
    /// Pictures of cameras, and their form.
    Video,
    /// Pictures of shared screens, and their form.
    Deskshare,
    /// What only recording and ledger take: changes, losses, clocks, messages as they came.
    Books,
}

/// The topics that a subscriber wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Filter(u8);

/// What happens when a subscriber is slower than its stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Policy {
    /// The oldest of the lowest class is dropped: pictures of cameras, then of screens, then sound, and words last.
    DropByClass {
        /// What may wait, in bytes.
        limit_bytes: usize,
    },
}

/// The hub of one stream.
#[derive(Debug, Default)]
pub(crate) struct Hub {
    subscribers: Mutex<Vec<Subscriber>>,
}

#[derive(Debug)]
struct Subscriber {
    filter: Filter,
    queue: QueueSender<Item>,
}

impl Filter {
    /// The filter of some topics.
    pub(crate) const fn of(topics: &[Topic]) -> Self {
        let (mut bits, mut at) = (0, 0);
        while at < topics.len() {
            bits |= 1 << topics[at] as u8;
            at += 1;
        }
        Self(bits)
    }

    fn wants(self, topic: Topic) -> bool {
        self.0 & 1 << topic as u8 != 0
    }
}

impl Hub {
    /// Begins to give a subscriber what comes from now on. Dropping the subscription ends it.
    pub(crate) fn subscribe(&self, filter: Filter, policy: Policy) -> Subscription {
        let Policy::DropByClass { limit_bytes } = policy;
        let (sender, subscription) = queue(limit_bytes);
        self.subscribers().push(Subscriber { filter, queue: sender });
        subscription
    }

    /// Gives an item to all who want it. Never waits.
    pub(crate) fn publish(&self, item: Item) {
        let mut subscribers = self.subscribers();
        let topic = item.topic();
        let wants = |(_, subscriber): &(usize, &Subscriber)| subscriber.filter.wants(topic);
        let mut wanting = subscribers.iter().enumerate().filter(wants).peekable();
        let mut left = Vec::new();
        while let Some((position, subscriber)) = wanting.next() {
            if wanting.peek().is_none() {
                left.extend((!subscriber.queue.push(item)).then_some(position));
                break;
            }
            left.extend((!subscriber.queue.push(item.clone())).then_some(position));
        }
        for position in left.into_iter().rev() {
            subscribers.remove(position);
        }
    }

    fn subscribers(&self) -> MutexGuard<'_, Vec<Subscriber>> {
        self.subscribers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Item {
    fn topic(&self) -> Topic {
        match &self.input {
            Input::Word(entry) => match &entry.word {
                Word::Transcript { .. } | Word::Chat(_) | Word::Event(_) | Word::Note(_) => Topic::Words,
                Word::Unlisted(_) | Word::Span(_) => Topic::JournalOnly,
            },
            Input::Audio(_) => Topic::Audio,
            Input::Video(_) => Topic::Video,
            Input::Deskshare(_) => Topic::Deskshare,
            Input::Granted(medium, _) => match medium {
                Medium::Audio => Topic::Audio,
                Medium::Video => Topic::Video,
                Medium::Deskshare => Topic::Deskshare,
                Medium::Transcript | Medium::Chat => Topic::Books,
            },
            // Words come with a number.
            Input::Transcript(_) | Input::Chat(_) | Input::Event(_) | Input::Note(_) => Topic::Books,
            Input::Change(..)
            | Input::Dropped(_)
            | Input::Unreadable { .. }
            | Input::Raw(_)
            | Input::Repeats { .. }
            | Input::Clock { .. } => Topic::Books,
        }
    }
}

impl Queued for Item {
    fn load(&self) -> Load {
        let class = match &self.input {
            Input::Video(_) => Class::Video,
            Input::Deskshare(_) => Class::Deskshare,
            Input::Audio(_) => Class::Audio,
            Input::Word(entry) => match &entry.word {
                // There may be an unlisted note for each message.
                Word::Transcript { .. } | Word::Chat(_) | Word::Event(_) | Word::Unlisted(_) => Class::Words,
                Word::Note(_) | Word::Span(_) => Class::State,
            },
            Input::Transcript(_) | Input::Chat(_) | Input::Event(_) | Input::Note(_) => Class::Words,
            Input::Raw(raw) if raw.bytes.is_empty() => Class::Remark,
            Input::Raw(_) => Class::Words,
            Input::Granted(..)
            | Input::Change(..)
            | Input::Dropped(_)
            | Input::Unreadable { .. }
            | Input::Repeats { .. }
            | Input::Clock { .. } => Class::State,
        };
        let content = self.input.content();
        let time = content.and_then(|content| Some((content.medium, content.at?)));
        let payload = content.map_or(0, |content| content.bytes);
        let beside = match &self.input {
            // Fields that nobody knows may be most of it.
            Input::Audio(data) | Input::Video(data) | Input::Deskshare(data) if data.extra.is_empty() => 0,
            Input::Audio(data) | Input::Video(data) | Input::Deskshare(data) => json_bytes(&data.extra),
            Input::Word(entry) => json_bytes(&**entry),
            Input::Raw(raw) => raw.bytes.len(),
            Input::Transcript(_)
            | Input::Chat(_)
            | Input::Event(_)
            | Input::Note(_)
            | Input::Granted(..)
            | Input::Change(..)
            | Input::Dropped(_)
            | Input::Unreadable { .. }
            | Input::Repeats { .. }
            | Input::Clock { .. } => 0,
        };
        Load { class, time, bytes: OVERHEAD_BYTES + payload + beside }
    }
}

/// Returns the length of something as JSON.
pub(crate) fn json_bytes(value: &impl Serialize) -> usize {
    struct Count(usize);

    impl Write for Count {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0 += bytes.len();
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    let mut count = Count(0);
    // Nothing here fails to be JSON.
    serde_json::to_writer(&mut count, value).map_or(usize::MAX / 2, |()| count.0)
}

#[cfg(test)]
#[expect(clippy::wildcard_enum_match_arm, reason = "in a test, a panic is the answer")]
mod tests {
    use std::{sync::Arc, time::Duration};

    use rtms_client::queue::{Dropped, News};
    use rtms_record::{Note, Options, RecordingAbout, check::check, journal::entry::Entry};
    use rtms_wire::{
        Bytes,
        codes::product::Product,
        extra::Extra,
        ids::{InstanceId, InstanceIdField},
        message::media_data::MediaData,
        sequence::Numbering,
    };
    use tokio::time::{Instant, sleep};

    use super::*;
    use crate::{
        clock,
        config::DiskLimits,
        disk::Disk,
        live::{
            books::Books,
            journal::{StreamJournal, Syncing},
            recording::{End, Recording, RecordingSetup},
            tenure::{self, TenureSender, Term},
            words,
        },
        stop::Deadline,
        telemetry::Metrics,
    };

    /// 20 ms of sound each, and a picture with every fifth.
    const PACKETS: u64 = 3_000;
    const PAYLOAD_BYTES: usize = 640;
    const ALL: Filter = Filter(u8::MAX);
    const LIMIT_BYTES: usize = 100 * (PAYLOAD_BYTES + OVERHEAD_BYTES);

    fn packet(number: u64, began: UnixMillis) -> MediaData {
        let data = Bytes::from(vec![(number % 251) as u8; PAYLOAD_BYTES]);
        MediaData { timestamp: UnixMillis(began.0 + 20 * number), data, ..MediaData::default() }
    }

    /// The items that a subscriber took, by number, and the losses that were reported to it.
    #[derive(Debug, Default)]
    struct Taken {
        sound: Vec<u64>,
        pictures: Vec<u64>,
        words: Vec<u64>,
        lost_sound: u64,
        lost_pictures: u64,
    }

    impl Taken {
        fn take(&mut self, news: News<Item>, began: UnixMillis) {
            let number = |data: &MediaData| (data.timestamp.0 - began.0) / 20;
            match news {
                News::Event(item) => match item.input {
                    Input::Audio(data) => self.sound.push(number(&data)),
                    Input::Video(data) => self.pictures.push(number(&data)),
                    Input::Word(entry) => self.words.push(entry.number.count),
                    other => panic!("{other:?}"),
                },
                News::Lost(lost) if lost.medium == Medium::Audio => self.lost_sound += lost.count,
                News::Lost(lost) => self.lost_pictures += lost.count,
            }
        }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_slow_and_a_stuck_subscriber_delay_nobody_and_are_told_what_they_missed() {
        let root = tempfile::tempdir().unwrap();
        let began = clock::unix_millis();
        let hub = Hub::default();
        let wanted = Filter::of(&[Topic::Audio, Topic::Video, Topic::Words]);
        let policy = Policy::DropByClass { limit_bytes: LIMIT_BYTES };
        let (mut fast, mut slow) = (hub.subscribe(wanted, policy), hub.subscribe(wanted, policy));
        let mut stuck = hub.subscribe(wanted, policy);
        let (mut books, journal, _tenure) = recorded(&hub, root.path(), began);
        let slow_one = tokio::spawn(async move {
            let mut taken = Taken::default();
            while let Some(news) = slow.next_news().await {
                taken.take(news, began);
                sleep(Duration::from_millis(2)).await;
            }
            (taken, slow)
        });

        let (mut taken, mut numbers) = (Taken::default(), Numbering::new(7));
        for number in 0..PACKETS {
            hub.publish(Item { input: Input::Audio(packet(number, began)), at: began });
            if number % 5 == 0 {
                hub.publish(Item { input: Input::Video(packet(number, began)), at: began });
            }
            if number % 100 == 0 {
                let note = Note { at: began, kind: "note".into(), fields: Extra::new() };
                let entry = Arc::new(Entry { number: numbers.give(), at: began, word: Word::Note(note) });
                hub.publish(Item { input: Input::Word(entry), at: began });
            }
            // The fast one has every item before the next comes: nobody else holds it up.
            while let Ok(news) = fast.try_next_news() {
                taken.take(news, began);
            }
            if number % 50 == 0 {
                books.turn().await;
            }
        }
        let pictures = PACKETS / 5;
        assert_eq!(taken.sound, (0..PACKETS).collect::<Vec<_>>());
        assert_eq!(taken.pictures, (0..pictures).map(|number| number * 5).collect::<Vec<_>>());
        assert_eq!(taken.words, (1..=PACKETS / 100).collect::<Vec<_>>());
        assert_eq!((taken.lost_sound, taken.lost_pictures, fast.dropped()), (0, 0, Dropped::default()));

        let dropped = stuck.dropped();
        assert!(dropped.video > 0 && dropped.audio > 0, "{dropped:?}");
        let mut of_stuck = Taken::default();
        while let Ok(news) = stuck.try_next_news() {
            of_stuck.take(news, began);
        }
        let waited = of_stuck.sound.len() + of_stuck.pictures.len();
        assert!(waited * PAYLOAD_BYTES <= LIMIT_BYTES, "{waited}");
        drop(hub);
        let (of_slow, slow) = slow_one.await.unwrap();
        for (who, of, dropped) in [("slow", of_slow, slow.dropped()), ("stuck", of_stuck, dropped)] {
            assert!(of.sound.is_sorted() && of.pictures.is_sorted(), "{who}");
            assert!(dropped.total() > 0, "{who}");
            assert_eq!(of.sound.len() as u64 + of.lost_sound, PACKETS, "{who}");
            assert_eq!(of.pictures.len() as u64 + of.lost_pictures, pictures, "{who}");
            assert_eq!((of.lost_sound, of.lost_pictures), (dropped.audio, dropped.video), "{who}");
            assert_eq!(of.words, (1..=PACKETS / 100).collect::<Vec<_>>(), "{who}: words go last");
        }

        let end = End {
            why: "over".into(),
            stop_reason: None,
            note: words::note(began, "ended", serde_json::json!({})),
            last_words: journal.into_last_words(),
            if_blank: None,
            last: None,
        };
        let (account, _) = books.finish(end).await;
        let folder = rtms_record::layout::newest_folder(root.path(), &"s".into());
        let manifest = rtms_record::Manifest::read(&folder).unwrap().unwrap();
        let received = |medium: Medium| (manifest.media[&medium].packets, manifest.media[&medium].lost_queue);
        assert_eq!((received(Medium::Audio), received(Medium::Video)), ((PACKETS, 0), (pictures, 0)));
        assert_eq!(account.packets, PACKETS + pictures);
        assert!(check(&folder).is_fine(), "{:?}", check(&folder));
    }

    #[tokio::test]
    async fn who_left_costs_nothing_and_who_comes_late_has_what_comes_from_then_on() {
        let hub = Hub::default();
        let policy = Policy::DropByClass { limit_bytes: LIMIT_BYTES };
        let publish =
            |number| hub.publish(Item { input: Input::Audio(packet(number, UnixMillis(0))), at: UnixMillis(0) });
        let first = hub.subscribe(ALL, policy);
        publish(1);
        drop(first);
        publish(2);
        assert_eq!(hub.subscribers().len(), 0);

        let mut words = hub.subscribe(Filter::of(&[Topic::Words]), policy);
        let mut late = hub.subscribe(Filter::of(&[Topic::Audio]), policy);
        publish(3);
        assert!(words.try_next().is_err(), "it wants words alone");
        assert!(matches!(late.try_next().unwrap().input, Input::Audio(data) if data.timestamp == UnixMillis(60)));
        assert!(late.try_next().is_err());
    }

    #[test]
    fn payloads_are_shared() {
        let hub = Hub::default();
        let policy = Policy::DropByClass { limit_bytes: LIMIT_BYTES };
        let mut subscriptions = [hub.subscribe(ALL, policy), hub.subscribe(ALL, policy)];
        let data = packet(1, UnixMillis(0));
        let payload = data.data.as_ptr();
        hub.publish(Item { input: Input::Audio(data), at: UnixMillis(0) });
        for subscription in &mut subscriptions {
            assert!(
                matches!(subscription.try_next().unwrap().input, Input::Audio(data) if data.data.as_ptr() == payload)
            );
        }
    }

    /// A stream's recording, its journal, which has nothing, and what keeps their tenure.
    fn recorded(hub: &Hub, root: &std::path::Path, began: UnixMillis) -> (Books, StreamJournal, TenureSender) {
        let term = Term::new(Duration::from_secs(3600), Duration::from_secs(1));
        let (sender, tenure) = tenure::begin(7, term, Instant::now());
        let about = RecordingAbout::new(
            "s".into(),
            Product::Meeting,
            InstanceId::new(InstanceIdField::MeetingUuid, "m"),
            began,
        );
        let setup = RecordingSetup {
            root: root.to_owned(),
            options: Options::default(),
            sync_every: Duration::from_secs(1),
            deadline: Deadline::default(),
            disk: Arc::new(Disk::new(root, DiskLimits { warn_below_bytes: 0, full_below_bytes: 0 })),
        };
        let metrics = Arc::new(Metrics::default());
        // Words of the test are in no journal.
        let filter = Filter::of(&[Topic::Audio, Topic::Video, Topic::Books]);
        let subscription = hub.subscribe(filter, Policy::DropByClass { limit_bytes: 64 << 20 });
        let syncing = Syncing { wait_for_disk: false, every: Duration::from_secs(1) };
        let journal = StreamJournal::recorded("s".into(), syncing, metrics.clone(), tenure.clone());
        let recording = Recording::open(setup, about, false, metrics, tenure, subscription);
        (Books::Recorded(Box::new(recording)), journal, sender)
    }
}
