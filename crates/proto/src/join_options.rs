//! The options of one join: the age of its window, the seed of its waits, other names of the stream.

use std::time::Duration;

use crate::credentials::Credentials;

/// The options of one join: what differs from one to the next, in contrast to the configuration.
#[derive(Clone, Debug, Default)]
pub struct JoinOptions {
    /// How long ago Zoom's window for us opened: at the start webhook, or, when we take over, at the loss of the
    /// connection before ours. Zero where that is not known. Zoom waits 60 s; a join that seems too late is tried for
    /// ten seconds all the same.
    pub age: Duration,
    /// What the waits between tries are drawn from, together with the stream's id: the same seed repeats the same run.
    pub seed: u64,
    /// Other names of the same thing, each with the signature over it: a webinar may be known by `webinar_uuid` or by
    /// `meeting_uuid`. Each is tried once when Zoom does not know the stream by the name of the start, or refuses the
    /// signature (status 2 and 3).
    pub alternatives: Vec<Credentials>,
}
