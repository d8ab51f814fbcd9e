//! What time it is, for commands that show how long something lasts or that ask for what is newer than a given age.

use std::time::SystemTime;

use anyhow::Context;
use rtms_wire::time::UnixMillis;

/// Returns the time of this machine.
///
/// # Errors
/// Its clock is before 1970.
pub(crate) fn now() -> anyhow::Result<UnixMillis> {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    Ok(UnixMillis::since_epoch(now.context("this machine's clock is before 1970")?))
}
