//! Requests at the door that no route accepts, in the log: a few a minute, each with the path that would be right.

use std::{sync::Mutex, time::Duration};

use axum::http::{HeaderMap, Method, StatusCode, Uri};
use rtms_wire::{
    time::{UnixMillis, millis},
    webhook::verify::SIGNATURE_HEADER,
};
use tracing::{info, warn};

use crate::{apps::secrets::App, clock, lock::locked};

/// The least time between two lines of one kind. A wrong path in Zoom's settings is seen within minutes; a scanner of
/// addresses does not fill the log.
const EVERY: Duration = Duration::from_secs(20);

/// The beginning of the paths where webhooks are accepted.
const WEBHOOK: &str = "/webhook";

/// Paths that the API has and the door has not.
const OF_THE_API: [&str; 2] = ["/v1", "/metrics"];

/// Logs misdirected requests, and counts those between two lines.
#[derive(Debug, Default)]
pub(crate) struct Misdirected {
    /// Requests that may be webhooks of Zoom's. The others must not keep them out of the log.
    likely_zoom: Mutex<Gate>,
    others: Mutex<Gate>,
}

/// When a line was last logged, and how many were not since.
#[derive(Debug, Default)]
struct Gate {
    last: Option<UnixMillis>,
    suppressed: u64,
}

impl Misdirected {
    /// Logs a request that is answered with this status, now and then.
    pub(crate) fn take(&self, method: &Method, uri: &Uri, headers: &HeaderMap, status: StatusCode, apps: &[App]) {
        let path = uri.path();
        let is_likely_zoom = headers.contains_key(SIGNATURE_HEADER) || is_below(path, WEBHOOK);
        let gate = if is_likely_zoom { &self.likely_zoom } else { &self.others };
        let Some(suppressed) = locked(gate).open(clock::unix_millis()) else { return };
        // The query stays out of the log: people put secrets there.
        let (status, fault, right) = (status.as_u16(), fault(method, path, apps), right_paths(apps));
        if is_likely_zoom {
            warn!(%method, path, status, suppressed, "request refused: {fault}; Zoom should post to {right}");
        } else {
            info!(%method, path, status, suppressed, "request refused: {fault}; Zoom should post to {right}");
        }
    }
}

impl Gate {
    /// Returns how many lines were suppressed since the last one, if another may be logged now.
    fn open(&mut self, now: UnixMillis) -> Option<u64> {
        if self.last.is_some_and(|last| now.0.abs_diff(last.0) < millis(EVERY)) {
            self.suppressed += 1;
            return None;
        }
        self.last = Some(now);
        Some(std::mem::take(&mut self.suppressed))
    }
}

/// Returns why no route accepts a request.
fn fault(method: &Method, path: &str, apps: &[App]) -> &'static str {
    let mut parts = path.trim_start_matches('/').split('/');
    match (parts.next(), parts.next(), parts.next(), parts.next()) {
        (Some("webhook"), None, None, None) if method != Method::POST => "webhooks come by POST",
        (Some("webhook"), Some(name), None, None) => match apps.iter().any(|app| app.name == name) {
            true if method != Method::POST => "webhooks come by POST",
            true => "nothing is served at this path",
            false => "no app has the name in the path",
        },
        (Some("webhook"), Some(_), Some("token"), None) if method == Method::POST => {
            "no app of this name issues tokens, which takes an [app.auth] of the kind \"token\""
        }
        _ if OF_THE_API.iter().any(|of_the_api| is_below(path, of_the_api)) => {
            "streams, receipts and metrics are served at the address and the socket of [api]"
        }
        _ => "nothing is served at this path by this method",
    }
}

/// Returns where webhooks are accepted, in words.
fn right_paths(apps: &[App]) -> String {
    /// Names that are listed; whoever has more knows them.
    const MAX_NAMES: usize = 8;
    let names: Vec<_> = apps.iter().take(MAX_NAMES).map(|app| app.name.as_str()).collect();
    let more = if apps.len() > MAX_NAMES { ", …" } else { "" };
    format!("{WEBHOOK} or {WEBHOOK}/NAME, where NAME is an app: {}{more}", names.join(", "))
}

/// Whether a path is this one or lies below it.
fn is_below(path: &str, top: &str) -> bool {
    path.strip_prefix(top).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use rtms_wire::secret::{ClientSecret, SecretToken};

    use super::*;

    #[test]
    fn a_few_lines_a_minute_are_logged_and_the_rest_is_counted() {
        let mut gate = Gate::default();
        let logged: Vec<_> = (0..3000).filter_map(|tick| gate.open(UnixMillis(1_000_000 + tick * 20))).collect();
        assert_eq!(logged, [0, 999, 999]);
    }

    #[test]
    fn each_fault_is_named_with_the_right_path() {
        let apps = ["meetings", "calls"].map(|name| {
            let secret = ClientSecret::new("secret").expect("a secret");
            App::new(name, vec![SecretToken::new(name).expect("a secret")], "id", secret)
        });
        for (method, path, why) in [
            (Method::POST, "/webhook/zoom", "no app has the name in the path"),
            (Method::POST, "/webhook/zoom/", "nothing is served at this path by this method"),
            (Method::GET, "/webhook", "webhooks come by POST"),
            (Method::PUT, "/webhook/calls", "webhooks come by POST"),
            (Method::POST, "/webhook/calls/token", "no app of this name issues tokens"),
            (Method::GET, "/v1/streams", "streams, receipts and metrics are served at"),
            (Method::GET, "/metrics", "streams, receipts and metrics are served at"),
            (Method::POST, "/", "nothing is served at this path by this method"),
            (Method::POST, "/webhooks", "nothing is served at this path by this method"),
        ] {
            assert!(fault(&method, path, &apps).starts_with(why), "{method} {path}: {}", fault(&method, path, &apps));
        }
        assert_eq!(right_paths(&apps), "/webhook or /webhook/NAME, where NAME is an app: meetings, calls");
    }
}
