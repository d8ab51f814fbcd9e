//! What a bounded queue has to know of the things in it: what to drop first, of which time that is, and their size.

use rtms_wire::{media::medium::Medium, time::UnixMillis};

/// What something takes in a queue beside its payload, in bytes: a rough figure for the enum and its allocations.
pub const OVERHEAD_BYTES: usize = 256;

/// The classes, in the order in which a full queue drops them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    /// Notes of messages that mean nothing or were read in part. There may be one for each message.
    Remark,
    /// Pictures of cameras.
    Video,
    /// Pictures of shared screens.
    Deskshare,
    /// Packets of sound.
    Audio,
    /// Transcript, chat and events.
    Words,
    /// What happens to the stream itself.
    State,
}

impl Class {
    /// All classes.
    pub const ALL: [Self; 6] = [Self::Remark, Self::Video, Self::Deskshare, Self::Audio, Self::Words, Self::State];
}

/// What a queue has to know of a thing in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Load {
    /// When it is dropped.
    pub class: Class,
    /// Which medium's time it is about, and when. None where there is no such time: then its loss is counted only.
    pub time: Option<(Medium, UnixMillis)>,
    /// Its size in memory, in bytes.
    pub bytes: usize,
}

impl Load {
    /// Returns the load of something without a time and without a payload.
    pub fn of_class(class: Class) -> Self {
        Self { class, time: None, bytes: OVERHEAD_BYTES }
    }

    /// Returns the load of something with a payload of this size that is about this time of a medium.
    pub fn of_medium(class: Class, medium: Medium, at: Option<UnixMillis>, payload_bytes: usize) -> Self {
        Self { class, time: at.map(|at| (medium, at)), bytes: payload_bytes + OVERHEAD_BYTES }
    }
}
