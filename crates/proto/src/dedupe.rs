//! What came twice: around a reconnection Zoom's old and new connection may both carry the same media.
//!
//! A repeat comes by another connection than the first, and all of it is the same: medium, participant or channel,
//! timestamp and content. What has the same owner and timestamp and other content is something else: people without ids
//! who speak at once, a sender that stamps several packets at a time, a clock that was put back. What one connection
//! carries twice is delivered twice; only a line of a known person, which says the same at the same moment, is not.
//!
//! What is remembered is a fingerprint for each packet, and they are compared only while those of another connection are
//! among them. Old timestamps are no sign of repetition: the sound of an interruption is sent after it.

use std::{
    collections::{BTreeMap, VecDeque},
    hash::{DefaultHasher, Hash, Hasher},
};

use rtms_wire::{
    ids::{ChannelId, UserId},
    media::medium::Medium,
    message::media_data::MediaData,
};

use crate::output::ConnectionId;

/// Packets of a medium that are remembered, 16 bytes each: over a minute of one speaker, or of pictures two.
pub const MAX_PACKETS: usize = 4_096;

/// Lines of text that are remembered: more than a minute of any meeting.
pub const MAX_LINES: usize = 1_024;

/// What was delivered, as far back as the bounds allow.
#[derive(Debug, Default)]
pub(crate) struct Duplicates {
    media: BTreeMap<Medium, Remembered>,
    untold: BTreeMap<Medium, u64>,
}

/// Fingerprints of one medium, in the order of arrival.
#[derive(Debug, Default)]
struct Remembered {
    fingerprints: VecDeque<(u64, ConnectionId)>,
    /// How many of them came by each connection.
    by_connection: BTreeMap<ConnectionId, usize>,
}

impl Duplicates {
    /// Whether sound or a picture is new; if it is, it is remembered, and otherwise counted.
    pub(crate) fn is_new(&mut self, medium: Medium, data: &MediaData, connection: ConnectionId) -> bool {
        // Without a time, equal packets may be two: silence is like silence.
        if data.timestamp.0 == 0 {
            return true;
        }
        let print = fingerprint(&(&data.user_id, &data.channel_id, data.timestamp, &data.data));
        self.take(medium, print, connection, false, MAX_PACKETS)
    }

    /// Whether a line is new, by all that stands in it; if it is, it is remembered, and otherwise counted.
    pub(crate) fn is_new_line(
        &mut self,
        medium: Medium,
        line: &impl std::fmt::Debug,
        speaker: (Option<&UserId>, Option<&ChannelId>),
        connection: ConnectionId,
    ) -> bool {
        let is_known = speaker.0.is_some_and(UserId::is_person) || speaker.1.is_some();
        self.take(medium, fingerprint(&format!("{line:?}")), connection, is_known, MAX_LINES)
    }

    /// How many were removed of this medium since this was last asked, if any.
    pub(crate) fn removed(&mut self, medium: Medium) -> Option<u64> {
        if self.untold.is_empty() { None } else { self.untold.remove(&medium) }
    }

    fn take(
        &mut self,
        medium: Medium,
        print: u64,
        connection: ConnectionId,
        also_of_the_same: bool,
        max: usize,
    ) -> bool {
        let known = self.media.entry(medium).or_default();
        if known.has(print, connection, also_of_the_same) {
            *self.untold.entry(medium).or_default() += 1;
            return false;
        }
        known.remember(print, connection, max);
        true
    }
}

impl Remembered {
    fn has(&self, print: u64, connection: ConnectionId, also_of_the_same: bool) -> bool {
        let counts = |by: ConnectionId| also_of_the_same || by != connection;
        self.by_connection.keys().any(|by| counts(*by))
            && self.fingerprints.iter().any(|(known, by)| *known == print && counts(*by))
    }

    fn remember(&mut self, print: u64, connection: ConnectionId, max: usize) {
        self.fingerprints.push_back((print, connection));
        *self.by_connection.entry(connection).or_default() += 1;
        if self.fingerprints.len() > max
            && let Some((_, by)) = self.fingerprints.pop_front()
            && let Some(count) = self.by_connection.get_mut(&by)
        {
            *count -= 1;
            if *count == 0 {
                self.by_connection.remove(&by);
            }
        }
    }
}

fn fingerprint(of: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    of.hash(&mut hasher);
    hasher.finish()
}
