//! The `rtms serve` that runs on the data folder, asked through its socket: whether it is ready, and what it counts.

use std::{collections::BTreeMap, path::Path};

use crate::api_client::{Server, find, get};

/// What its door has counted, by `metric{label}`.
#[derive(Debug)]
pub(super) struct Counts(BTreeMap<String, u64>);

/// The counters that tell what became of a request.
const COUNTERS: [&str; 2] = ["rtms_webhooks_total", "rtms_signature_suspects_total"];

/// Whether a server answers on the folder, and is ready; its own words if it is not. None if none answers.
pub(super) async fn readiness(folder: &Path) -> Option<Result<(), String>> {
    let server = Server::On(folder.to_owned());
    find(&server, "/healthz").await.ok()?;
    Some(get(&server, "/readyz").await.map(drop).map_err(|error| error.to_string()))
}

impl Counts {
    /// Reads them; none if no server answers on the folder.
    pub(super) async fn read(folder: &Path) -> Option<Self> {
        let text = get(&Server::On(folder.to_owned()), "/metrics").await.ok()?;
        Some(Self::parse(&String::from_utf8_lossy(&text)))
    }

    fn parse(text: &str) -> Self {
        let counts =
            text.lines().filter(|line| COUNTERS.iter().any(|name| line.starts_with(name))).filter_map(|line| {
                let (series, value) = line.rsplit_once(' ')?;
                let word = series.split('"').nth(1)?;
                let name = if series.starts_with(COUNTERS[0]) { word.to_owned() } else { format!("suspect {word}") };
                Some((name, value.parse().ok()?))
            });
        Self(counts.collect())
    }

    /// Whether a counter has risen since an earlier look.
    pub(super) fn rose(&self, earlier: &Self, name: &str) -> bool {
        self.0.get(name) > earlier.0.get(name)
    }

    /// Whether any request came to the door since an earlier look.
    pub(super) fn any_came(&self, earlier: &Self) -> bool {
        self.0.keys().any(|name| !name.starts_with("suspect ") && self.rose(earlier, name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_rose_between_two_looks_is_told() {
        let text = |bad, newline| {
            Counts::parse(&format!(
                "# TYPE rtms_webhooks counter\nrtms_webhooks_total{{result=\"bad_signature\"}} {bad}\n\
                 rtms_webhooks_total{{result=\"stored\"}} 7\nrtms_signature_suspects_total{{suspect=\"newline\"}} {newline}\n# EOF\n"
            ))
        };
        let (before, after) = (text(1, 0), text(2, 1));

        assert!(
            after.rose(&before, "bad_signature") && after.rose(&before, "suspect newline") && after.any_came(&before)
        );
        assert!(!after.rose(&before, "stored") && !before.any_came(&before) && !text(1, 1).any_came(&before));
    }
}
