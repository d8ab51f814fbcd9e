//! Arguments that several subcommands have: a stream, a person, how long to wait.

use std::time::Duration;

use rtms_wire::ids::{StreamId, UserId};

/// The longest wait: whoever waits longer has forgotten it.
const LONGEST_WAIT: Duration = Duration::from_secs(3600);

/// An id as it was typed; an empty one names nothing.
#[derive(Clone, Debug)]
pub(super) struct StreamIdArg(pub(super) StreamId);

impl std::str::FromStr for StreamIdArg {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.is_empty() { Err("a stream has an id") } else { Ok(Self(text.into())) }
    }
}

/// Zoom numbers people.
pub(super) fn participant(text: &str) -> Result<UserId, &'static str> {
    let user_id = UserId::new(text);
    if user_id.as_u64().is_some() { Ok(user_id) } else { Err("a person is a number, as in `rtms streams show ID`") }
}

/// How long to wait: a duration, or a number of seconds.
pub(super) fn wait(text: &str) -> Result<Duration, String> {
    let wait = match text.parse() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => humantime::parse_duration(text).map_err(|error| error.to_string())?,
    };
    if wait <= LONGEST_WAIT { Ok(wait) } else { Err("wait for an hour at most".to_owned()) }
}
