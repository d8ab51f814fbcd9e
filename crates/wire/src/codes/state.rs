//! `RTMS_STREAM_STATE` and `RTMS_SESSION_STATE`: where a stream and its sessions stand.

use crate::codes::open_enum::open_enum;

open_enum! {
    /// `state` of messages 8 and 20. Basis: documented.
    StreamState {
        Inactive = 0, "INACTIVE";
        Active = 1, "ACTIVE";
        Interrupted = 2, "INTERRUPTED";
        Terminating = 3, "TERMINATING";
        Terminated = 4, "TERMINATED";
        Paused = 5, "PAUSED";
        Resumed = 6, "RESUMED";
    }
}

open_enum! {
    /// `state` of messages 9 and 11. Basis: documented.
    SessionState {
        Inactive = 0, "INACTIVE";
        Initialize = 1, "INITIALIZE";
        Started = 2, "STARTED";
        Paused = 3, "PAUSED";
        Resumed = 4, "RESUMED";
        Stopped = 5, "STOPPED";
    }
}
