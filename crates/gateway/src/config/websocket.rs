//! `[app.websocket]`: the subscription by which Zoom sends an app's webhooks over a WebSocket that we open.

use std::time::Duration;

use rtms_zoom_api::{credentials::Grant, token::TOKEN_URL};
use serde::Deserialize;

/// Zoom's address for event WebSockets. Basis: vendor code, docs/protocol.md#event-websocket.
const ZOOM: &str = "wss://ws.zoom.us/ws";

/// The pause between two heartbeats, as in Zoom's sample.
const HEARTBEAT: Duration = Duration::from_secs(30);

/// A shorter pause would be a flood, and none at all cannot be timed.
const SHORTEST_HEARTBEAT: Duration = Duration::from_millis(50);

/// `[app.websocket]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WebSocketConfig {
    /// The subscription's id, which ends its endpoint URL.
    pub subscription_id: String,
    /// The endpoint without its query.
    #[serde(default = "zoom")]
    pub url: String,
    /// The address for access tokens.
    #[serde(default = "zoom_tokens")]
    pub token_url: String,
    /// The grant by which access tokens are requested.
    #[serde(default)]
    pub grant: Grant,
    /// The account, which `account_credentials` must name.
    #[serde(default)]
    pub account_id: Option<String>,
    /// The pause between two heartbeats. After one without any message from Zoom the connection counts as lost.
    #[serde(default = "heartbeat", with = "humantime_serde")]
    pub heartbeat_every: Duration,
}

/// Why the settings of a WebSocket cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WebSocketUnusable {
    /// Without it Zoom does not know what to send.
    #[error("subscription_id is empty: copy it from the endpoint URL of the event subscription")]
    NoSubscription,
    /// `grant` and `account_id` go together.
    #[error("account_id belongs to grant = \"account_credentials\", and is needed there")]
    Account,
    /// A URL has a query, whose parts have settings of their own.
    #[error("{0} must have no query: what comes after `?subscriptionId=` is the subscription_id")]
    Query(&'static str),
    /// Too short a pause.
    #[error("heartbeat_every is too short")]
    Heartbeat,
}

impl WebSocketUnusable {
    /// Returns the setting that it is about.
    pub(crate) fn setting(&self) -> &'static str {
        match self {
            Self::NoSubscription => "subscription_id",
            Self::Account => "account_id",
            Self::Query(setting) => setting,
            Self::Heartbeat => "heartbeat_every",
        }
    }
}

impl WebSocketConfig {
    /// A subscription at Zoom, asked for as a General app does.
    pub fn new(subscription_id: impl Into<String>) -> Self {
        Self {
            subscription_id: subscription_id.into(),
            url: zoom(),
            token_url: zoom_tokens(),
            grant: Grant::default(),
            account_id: None,
            heartbeat_every: heartbeat(),
        }
    }

    pub(crate) fn check(&self) -> Result<(), WebSocketUnusable> {
        if self.subscription_id.trim().is_empty() {
            return Err(WebSocketUnusable::NoSubscription);
        }
        if (self.grant == Grant::AccountCredentials) != self.account_id.is_some() {
            return Err(WebSocketUnusable::Account);
        }
        for (setting, url) in [("url", &self.url), ("token_url", &self.token_url)] {
            if url.contains('?') {
                return Err(WebSocketUnusable::Query(setting));
            }
        }
        if self.heartbeat_every < SHORTEST_HEARTBEAT {
            return Err(WebSocketUnusable::Heartbeat);
        }
        Ok(())
    }
}

fn zoom() -> String {
    ZOOM.into()
}

fn zoom_tokens() -> String {
    TOKEN_URL.into()
}

const fn heartbeat() -> Duration {
    HEARTBEAT
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_work_is_said_before_anything_is_dialed() {
        let right = WebSocketConfig::new("subscription");
        let account = Some("account".to_owned());

        assert_eq!(right.check(), Ok(()));
        let empty = WebSocketConfig { subscription_id: " ".into(), ..right.clone() };
        assert_eq!(empty.check(), Err(WebSocketUnusable::NoSubscription));
        let copied_whole = WebSocketConfig { url: "wss://ws.zoom.us/ws?subscriptionId=x".into(), ..right.clone() };
        assert_eq!(copied_whole.check(), Err(WebSocketUnusable::Query("url")));
        let without = WebSocketConfig { grant: Grant::AccountCredentials, ..right.clone() };
        assert_eq!(without.check(), Err(WebSocketUnusable::Account));
        let with = WebSocketConfig { account_id: account.clone(), ..without };
        assert_eq!(with.check(), Ok(()));
        let needless = WebSocketConfig { account_id: account, ..right.clone() };
        assert_eq!(needless.check(), Err(WebSocketUnusable::Account));
        assert_eq!(
            WebSocketConfig { heartbeat_every: Duration::ZERO, ..right }.check(),
            Err(WebSocketUnusable::Heartbeat)
        );
    }
}
