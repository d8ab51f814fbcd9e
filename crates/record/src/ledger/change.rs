//! What a ledger is told of beside data: what changed, of which media, and when by whose clock.

use rtms_wire::{
    SmolStr,
    ids::{RtmsSessionId, UserId},
    media::medium::Medium,
    time::UnixMillis,
};

use crate::ledger::word::{Cause, OffWhy};

/// A time, and whose clock it is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// Zoom wrote it.
    Zoom(UnixMillis),
    /// We read it from our clock.
    Ours(UnixMillis),
}

/// Which media a change is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// All of them: signaling is gone, or everything.
    Stream,
    /// One of them.
    Medium(Medium),
}

/// What changed, beside data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// The medium flows, for the first time or again. It ends `before_start`, `interrupted` and `off`.
    Opened(Medium),
    /// Nothing can come. Told at the time of the last sign of life, not when it was noticed. Another cause while it
    /// lasts takes over from its time on; [`Cause::Failover`] from the first sign of the interruption on, if nothing
    /// but signs ([`Cause::is_sign`]) was told of it so far.
    Interrupted(Scope, Cause),
    /// An interruption is over without anything being opened anew, as when Zoom says that the stream is active again.
    Back(Scope),
    /// The medium will not come, until it is opened. The text is cut off at
    /// [`What::MAX_DETAIL_BYTES`](crate::ledger::What::MAX_DETAIL_BYTES).
    Off(Medium, OffWhy, Option<SmolStr>),
    /// The whole stream was paused.
    StreamPaused,
    /// The stream goes on.
    StreamResumed,
    /// A session began or goes on.
    SessionRuns(RtmsSessionId),
    /// A session was paused. Time is `paused` while sessions are known and all are.
    SessionPaused(RtmsSessionId),
    /// A session is over.
    SessionStopped(RtmsSessionId),
    /// Somebody's camera ([`Medium::Video`]) or screen ([`Medium::Deskshare`]) is on.
    Shown(Medium, UserId),
    /// It is off; everybody's if nobody is named.
    Hidden(Medium, Option<UserId>),
    /// Zoom ended the stream: the ledger ends here, or where the last data does if that is later.
    Stopped,
}

impl Scope {
    pub(super) fn has(self, medium: Medium) -> bool {
        match self {
            Self::Stream => true,
            Self::Medium(one) => one == medium,
        }
    }
}
