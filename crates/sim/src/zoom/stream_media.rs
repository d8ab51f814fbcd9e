//! The media of a stream: what flows on its connections, what a client misses that left, what is lost and may come
//! back.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use rtms_wire::{codes::stop_reason::StopReason, media::medium::Medium, time::UnixMillis};

use crate::{
    connection::ConnectionId,
    judge::tally::Missed,
    media::{due::Due, flow::Media, studio::Studio},
    sent::What,
    zoom::connections::Connections,
};

/// The media of one stream.
#[derive(Debug)]
pub(super) struct StreamMedia {
    studio: Studio,
    /// How much sound is kept for a client that is not there.
    backlog: Duration,
    /// Whether the client wants the sound from before it came.
    pub(super) backlog_wanted: bool,
    /// Sound up to here was sent, or given up.
    audio_sent_ms: Option<u64>,
    /// Whose camera was chosen.
    pub(super) selected: Option<usize>,
    /// Until when each lost medium may come back, and why the stream ends if it does not.
    windows: BTreeMap<Medium, (UnixMillis, StopReason)>,
    /// Media connections that the client ended itself, as far as it is not back.
    absent: Vec<Absent>,
    is_paused: bool,
    /// When the stream was resumed the last time, or began anew.
    resumed_at: Option<UnixMillis>,
    /// Media that is lost, and until when.
    gaps: Vec<(Medium, UnixMillis)>,
    /// Media that is sent twice, and until when.
    repeats: Vec<(Medium, UnixMillis)>,
}

/// A media connection that the client ended. It is kept playing, and nothing of it is sent.
#[derive(Debug)]
struct Absent {
    media: Media,
    /// What was not opened again since.
    without: BTreeSet<Medium>,
    /// When each packet of sound was said, in milliseconds since the start: what Zoom keeps of it is still sent to a
    /// client that comes back.
    sound: Vec<u64>,
}

/// A packet that is due on a connection.
pub(super) struct Packet {
    pub(super) connection: ConnectionId,
    pub(super) due: Due,
    pub(super) is_repeated: bool,
}

impl StreamMedia {
    pub(super) fn new(studio: Studio, backlog: Duration) -> Self {
        Self {
            studio,
            backlog,
            backlog_wanted: true,
            audio_sent_ms: None,
            selected: None,
            windows: BTreeMap::new(),
            absent: Vec::new(),
            is_paused: false,
            resumed_at: None,
            gaps: Vec::new(),
            repeats: Vec::new(),
        }
    }

    /// Begins another stream of the same meeting. Nothing is kept from before it.
    pub(super) fn restart(&mut self, now: UnixMillis) {
        (self.backlog_wanted, self.audio_sent_ms, self.selected) = (true, None, None);
        (self.is_paused, self.resumed_at) = (false, Some(now));
    }

    /// Stops taking media down.
    pub(super) fn pause(&mut self) {
        self.is_paused = true;
    }

    /// Whether media is not taken down now.
    pub(super) fn is_paused(&self) -> bool {
        self.is_paused
    }

    /// Goes on taking media down.
    pub(super) fn resume(&mut self, now: UnixMillis) {
        (self.is_paused, self.resumed_at) = (false, Some(now));
    }

    /// Loses this medium until then.
    pub(super) fn lose(&mut self, medium: Medium, until: UnixMillis) {
        self.gaps.push((medium, until));
    }

    /// Sends this medium twice until then.
    pub(super) fn repeat(&mut self, medium: Medium, until: UnixMillis) {
        self.repeats.push((medium, until));
    }

    /// Lets media flow on the connections that wait for message 7. Returns whether each of them is for one person's
    /// video.
    pub(super) fn start(&mut self, connections: &mut Connections, now: UnixMillis, missed: &mut Missed) -> Vec<bool> {
        let now_ms = self.since_start(now);
        let audio_from_ms = self.audio_from_ms(now_ms);
        let mut back = BTreeSet::new();
        let mut started = Vec::new();
        for media in connections.media_that_wait() {
            media.start(&self.studio, now_ms, audio_from_ms);
            started.push(media.is_individual_video());
            back.extend(media.carries.iter());
        }
        self.windows.retain(|medium, _| !back.contains(medium));
        self.is_back(&back, audio_from_ms, missed);
        started
    }

    /// Returns from where sound is sent on a media connection that becomes ready now.
    fn audio_from_ms(&self, now_ms: u64) -> u64 {
        let backlog_ms = u64::try_from(self.backlog.as_millis()).unwrap_or(u64::MAX);
        let oldest_ms = now_ms.saturating_sub(backlog_ms);
        match self.audio_sent_ms {
            // Sound of an interruption is always kept. Basis: documented.
            Some(sent_ms) => sent_ms.max(oldest_ms),
            None if self.backlog_wanted => oldest_ms,
            None => now_ms,
        }
        // What was said while the stream was paused was not taken down.
        .max(self.resumed_at.map_or(0, |at| self.since_start(at)))
    }

    /// Returns everything that is due on the connections by now.
    pub(super) fn due(&mut self, connections: &mut Connections, now_ms: u64, now: UnixMillis) -> Vec<Packet> {
        let mut all = Vec::new();
        for (connection, media) in connections.media_that_flow() {
            let due = media.due(&mut self.studio, now_ms, self.selected);
            all.extend(due.into_iter().map(|due| Packet { connection, due, is_repeated: false }));
            self.audio_sent_ms = self.audio_sent_ms.max(media.audio_sent_ms());
        }
        self.gaps.retain(|(_, until)| *until > now);
        self.repeats.retain(|(_, until)| *until > now);
        // What happens while the stream is paused is not taken down.
        all.retain(|packet| !self.is_paused && !is_in(&self.gaps, packet.due.1.medium()));
        for packet in &mut all {
            packet.is_repeated = is_in(&self.repeats, packet.due.1.medium());
        }
        all
    }

    /// Keeps a media connection playing that the client has ended itself, for the account of what it misses.
    pub(super) fn goes_without(&mut self, media: Media) {
        if media.is_ready() {
            let without = media.carries.iter().collect();
            self.absent.push(Absent { media, without, sound: Vec::new() });
        }
    }

    /// Returns when something would be sent that is missed.
    pub(super) fn next_missed_at(&self) -> Option<UnixMillis> {
        let next_ms = self.absent.iter().filter_map(|absent| absent.media.next_ms()).min()?;
        Some(self.studio.start + Duration::from_millis(next_ms))
    }

    /// Counts everything that would have been sent by now.
    pub(super) fn miss(&mut self, now_ms: u64, missed: &mut Missed) {
        for Absent { media, without, sound } in &mut self.absent {
            for (_, what) in media.due(&mut self.studio, now_ms, self.selected) {
                let Some(medium) = what.medium().filter(|medium| without.contains(medium)) else { continue };
                // What Zoom itself does not take down or loses is nobody's to miss.
                if self.is_paused || is_in(&self.gaps, Some(medium)) {
                    continue;
                }
                if let What::Audio(payload) = what {
                    sound.push(payload.timestamp.0.saturating_sub(self.studio.start.0));
                } else {
                    missed.count(medium);
                }
            }
        }
    }

    /// Takes notice that these media flow again, sound from `audio_from_ms` on.
    fn is_back(&mut self, back: &BTreeSet<Medium>, audio_from_ms: u64, missed: &mut Missed) {
        self.absent.retain_mut(|absent| {
            absent.without.retain(|medium| !back.contains(medium));
            if back.contains(&Medium::Audio) {
                missed.audio += absent.sound.drain(..).filter(|said_ms| *said_ms < audio_from_ms).count() as u64;
            }
            !absent.without.is_empty()
        });
    }

    /// Counts what will not be sent any more, because the stream is over.
    pub(super) fn miss_for_good(&mut self, missed: &mut Missed) {
        for absent in std::mem::take(&mut self.absent) {
            missed.audio += absent.sound.len() as u64;
        }
    }

    /// Lets a medium come back until then; a window that is open already stays as it is. `reason` is why the stream
    /// ends if it does not.
    pub(super) fn open_window(&mut self, medium: Medium, until: UnixMillis, reason: StopReason) {
        self.windows.entry(medium).or_insert((until, reason));
    }

    /// Lets a medium come back until then, in place of a window that is open already.
    pub(super) fn replace_window(&mut self, medium: Medium, until: UnixMillis, reason: StopReason) {
        self.windows.insert(medium, (until, reason));
    }

    /// Waits for no medium any more.
    pub(super) fn close_windows(&mut self) {
        self.windows.clear();
    }

    /// Returns the media that may come back, each with the end of its window and why the stream ends then.
    pub(super) fn windows(&self) -> impl Iterator<Item = (Medium, UnixMillis, StopReason)> {
        self.windows.iter().map(|(medium, (until, reason))| (*medium, *until, *reason))
    }

    fn since_start(&self, at: UnixMillis) -> u64 {
        at.0.saturating_sub(self.studio.start.0)
    }
}

fn is_in(times: &[(Medium, UnixMillis)], medium: Option<Medium>) -> bool {
    times.iter().any(|(it, _)| Some(*it) == medium)
}
