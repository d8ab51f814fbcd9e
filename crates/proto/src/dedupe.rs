//! What came twice: around a reconnection Zoom's old and new connection may both carry the same media.
//!
//! Sound and pictures are known by medium, participant or channel, and timestamp. What is remembered is runs of equal
//! steps, so a minute of speech at 20 ms is one entry, and a packet that follows the last one costs a lookup and two
//! comparisons. Pictures count as repeated only if another connection brought the first: whether one message is one whole
//! picture is not documented, and two parts of one would share the timestamp. Lines of transcript and chat are known by
//! all that stands in them, so that a correction of a line is another line.
//!
//! Old timestamps are no sign of repetition: the sound of an interruption is sent after it.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    hash::{DefaultHasher, Hash, Hasher},
};

use rtms_wire::{
    ids::{ChannelId, UserId},
    media::medium::Medium,
    message::media_data::MediaData,
};

use crate::output::ConnectionId;

/// Speakers and senders of pictures that are remembered; who was not heard for longest goes first.
pub const MAX_TRACKS: usize = 128;

/// Runs that are remembered of each: a minute of speech with a pause after every word, or of pictures a quarter of that.
pub const MAX_RUNS: usize = 256;

/// Lines of text that are remembered: more than a minute of any meeting.
pub const MAX_LINES: usize = 1_024;

/// How many of the last runs a packet may go on with: what is live and what is caught up come side by side.
const OPEN_RUNS: usize = 4;

/// The longest step of a run: Zoom's longest packet of sound is a second, and so is a picture of a slow share.
const MAX_STEP: u64 = 1_000;

/// What was delivered, as far back as the bounds allow.
#[derive(Debug, Default)]
pub(crate) struct Duplicates {
    tracks: BTreeMap<TrackId, Track>,
    clock: u64,
    lines: VecDeque<u64>,
    known_lines: BTreeSet<u64>,
    untold: BTreeMap<Medium, u64>,
}

type TrackId = (Medium, Option<UserId>, Option<ChannelId>);

#[derive(Debug, Default)]
struct Track {
    runs: VecDeque<Run>,
    newest: u64,
    used: u64,
}

/// Timestamps `first`, `first + step`, … `last`, all from one connection.
#[derive(Debug)]
struct Run {
    first: u64,
    last: u64,
    step: u64,
    connection: ConnectionId,
}

impl Duplicates {
    /// Whether sound or a picture is new; if it is, it is remembered, and otherwise counted.
    pub(crate) fn is_new(&mut self, medium: Medium, data: &MediaData, connection: ConnectionId) -> bool {
        let id = (medium, data.user_id.clone(), data.channel_id.clone());
        self.clock += 1;
        let timestamp = data.timestamp.0;
        let is_new = match self.tracks.get_mut(&id) {
            Some(track) => {
                track.used = self.clock;
                track.take(timestamp, connection, medium == Medium::Audio)
            }
            None => {
                self.make_room();
                let mut track = Track { used: self.clock, ..Track::default() };
                track.remember(timestamp, connection);
                self.tracks.insert(id, track);
                true
            }
        };
        if !is_new {
            self.count(medium);
        }
        is_new
    }

    /// Whether a line is new, by all that stands in it; if it is, it is remembered, and otherwise counted.
    pub(crate) fn is_new_line(&mut self, medium: Medium, line: &impl std::fmt::Debug) -> bool {
        let mut hasher = DefaultHasher::new();
        (medium, format!("{line:?}")).hash(&mut hasher);
        let hash = hasher.finish();
        if !self.known_lines.insert(hash) {
            self.count(medium);
            return false;
        }
        self.lines.push_back(hash);
        if self.lines.len() > MAX_LINES
            && let Some(oldest) = self.lines.pop_front()
        {
            self.known_lines.remove(&oldest);
        }
        true
    }

    /// How many were removed of this medium since this was last asked, if any.
    pub(crate) fn removed(&mut self, medium: Medium) -> Option<u64> {
        if self.untold.is_empty() { None } else { self.untold.remove(&medium) }
    }

    fn count(&mut self, medium: Medium) {
        *self.untold.entry(medium).or_default() += 1;
    }

    fn make_room(&mut self) {
        if self.tracks.len() < MAX_TRACKS {
            return;
        }
        if let Some(id) = self.tracks.iter().min_by_key(|(_, track)| track.used).map(|(id, _)| id.clone()) {
            self.tracks.remove(&id);
        }
    }
}

impl Track {
    fn take(&mut self, timestamp: u64, connection: ConnectionId, also_of_the_same_connection: bool) -> bool {
        let came = |run: &Run| (also_of_the_same_connection || run.connection != connection) && run.has(timestamp);
        if timestamp <= self.newest && self.runs.iter().rev().any(came) {
            return false;
        }
        self.remember(timestamp, connection);
        true
    }

    fn remember(&mut self, timestamp: u64, connection: ConnectionId) {
        self.newest = self.newest.max(timestamp);
        if self.runs.iter_mut().rev().take(OPEN_RUNS).any(|run| run.connection == connection && run.go_on(timestamp)) {
            return;
        }
        if self.runs.len() >= MAX_RUNS {
            self.runs.pop_front();
        }
        self.runs.push_back(Run { first: timestamp, last: timestamp, step: 0, connection });
    }
}

impl Run {
    fn has(&self, timestamp: u64) -> bool {
        let inside = (self.first..=self.last).contains(&timestamp);
        inside && (timestamp - self.first).checked_rem(self.step).unwrap_or_default() == 0
    }

    /// Takes a timestamp in if it is the next one.
    fn go_on(&mut self, timestamp: u64) -> bool {
        let Some(step) = timestamp.checked_sub(self.last).filter(|step| (1..=MAX_STEP).contains(step)) else {
            // The same again, from the same connection: a part of the same picture.
            return timestamp == self.last;
        };
        let fits = self.step == 0 || self.step == step;
        if fits {
            self.step = step;
            self.last = timestamp;
        }
        fits
    }
}
