//! Limits of open connections, so that a flood of them leaves descriptors for the store, the recordings and Zoom.

use tracing::{info, warn};

/// Connections at a time to each of the API's listeners. They are apart from the door's, so that a flood of webhooks
/// does not close the API.
const API_CONNECTIONS: usize = 256;

/// A limit below this is too low for a door on the internet: a flood of idle connections is larger.
const FEW: usize = 1024;

/// The log line for a limit that cuts the settings.
const FEWER: &str = "the limit of open files leaves room for fewer connections than the settings: the rest is kept for streams \
                     and recordings; raise it (`ulimit -n`, LimitNOFILE=), or lower webhook.max_connections";

/// The most connections at a time to each listener.
///
/// The door takes at most a half of the files that the process may open, and each of the API's two listeners a
/// sixteenth. Three eighths stay for everything else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ConnectionLimits {
    /// Connections at the door.
    pub(crate) door: usize,
    /// Connections at each of the API's listeners.
    pub(crate) api: usize,
}

impl ConnectionLimits {
    /// Returns the limits of this process, with a door that may have `wanted` connections by its settings.
    pub(crate) fn of(wanted: usize) -> Self {
        let limit = open_files();
        let limits = Self::under(limit, wanted);
        if let Some(limit) = limit
            && limits.door < wanted
        {
            let connections = limits.door;
            if connections < FEW {
                warn!(webhook.max_connections = wanted, open_files = limit, connections, "{FEWER}");
            } else {
                info!(webhook.max_connections = wanted, open_files = limit, connections, "{FEWER}");
            }
        }
        limits
    }

    fn under(limit: Option<usize>, wanted: usize) -> Self {
        let limit = limit.unwrap_or(usize::MAX);
        Self { door: wanted.min(limit / 2).max(1), api: API_CONNECTIONS.min(limit / 16).max(1) }
    }
}

/// The files that this process may have open at a time; none if there is no limit.
fn open_files() -> Option<usize> {
    #[cfg(unix)]
    {
        let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).current?;
        Some(usize::try_from(limit).unwrap_or(usize::MAX))
    }
    #[cfg(not(unix))]
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rest_of_the_program_keeps_three_eighths_of_the_descriptors() {
        assert_eq!(ConnectionLimits::under(None, 16_384), ConnectionLimits { door: 16_384, api: API_CONNECTIONS });
        assert_eq!(
            ConnectionLimits::under(Some(1 << 20), 16_384),
            ConnectionLimits { door: 16_384, api: API_CONNECTIONS }
        );
        for limit in [64, 256, 1024, 20_000] {
            let ConnectionLimits { door, api } = ConnectionLimits::under(Some(limit), 16_384);
            assert!(limit - door - 2 * api >= limit * 3 / 8, "{limit}: {door} {api}");
        }
        assert_eq!(ConnectionLimits::under(Some(1024), 100).door, 100, "what the settings allow is not raised");
        assert_eq!(ConnectionLimits::under(Some(0), 100), ConnectionLimits { door: 1, api: 1 });
    }
}
