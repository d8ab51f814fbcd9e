//! The people of a meeting.

use rtms_wire::{
    codes::{language::TranscriptLanguage, media::MediaResolution},
    ids::UserId,
};

use crate::source::speech::Voice;

/// Somebody in the meeting.
#[derive(Clone, Debug)]
pub struct Participant {
    /// Zoom's number for them in this meeting.
    pub user_id: UserId,
    /// The display name.
    pub name: String,
    /// What they speak.
    pub language: TranscriptLanguage,
    /// How they sound.
    pub voice: Voice,
    /// When they come; zero for those who were there before the stream.
    pub joins_ms: u64,
    /// When they go; the meeting's end for those who stay.
    pub leaves_ms: u64,
    /// When their camera is on, as (from, to), by time.
    pub camera: Vec<(u64, u64)>,
    /// The largest picture that the camera sends from a moment on, by time; none is as good as any.
    pub camera_sizes: Vec<(u64, MediaResolution)>,
}

impl Participant {
    /// Whether they are there at that moment.
    pub fn is_present(&self, at_ms: u64) -> bool {
        (self.joins_ms..self.leaves_ms).contains(&at_ms)
    }

    /// Whether they are there all the time from one moment to another.
    pub(crate) fn is_present_all(&self, from_ms: u64, to_ms: u64) -> bool {
        self.joins_ms <= from_ms && to_ms < self.leaves_ms
    }

    /// The largest picture that their camera sends at that moment; none if it sends what is asked for.
    pub fn camera_size(&self, at_ms: u64) -> Option<MediaResolution> {
        self.camera_sizes.iter().take_while(|(from, _)| *from <= at_ms).last().map(|(_, size)| *size)
    }

    /// Whether their camera is on at that moment.
    pub fn camera_is_on(&self, at_ms: u64) -> bool {
        self.camera.iter().any(|(from, to)| (*from..*to).contains(&at_ms))
    }
}
