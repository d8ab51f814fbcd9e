//! What changes in a meeting, when.

/// Something that those who subscribed are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Happening {
    /// When it happens, in milliseconds since the stream started.
    pub at_ms: u64,
    /// What changes.
    pub what: Change,
}

/// What changes in a meeting. Numbers are indices into [`Meeting::participants`](crate::meeting::Meeting::participants)
/// where nothing else is said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Change {
    /// Somebody comes.
    Join(usize),
    /// Somebody switches the camera on.
    CameraOn(usize),
    /// Somebody else speaks now.
    ActiveSpeaker(usize),
    /// Somebody starts to share.
    SharingStart(usize),
    /// Nobody shares any more.
    SharingStop(usize),
    /// The chat group changes: an index into [`Meeting::group_changes`](crate::meeting::Meeting::group_changes).
    ChatGroup(usize),
    /// The call goes on: an index into [`Meeting::call`](crate::meeting::Meeting::call).
    Call(usize),
    /// Somebody switches the camera off.
    CameraOff(usize),
    /// Somebody goes.
    Leave(usize),
}
