//! The simulator as a service: meetings are made while it runs, several at once, and streams are started, paused and
//! stopped by Zoom's own REST calls.
//!
//! One address has both sides. Zoom's is its OAuth (`/oauth/token`) and its calls for RTMS (`/v2/…`,
//! `service/zoom_api.rs`). The service's own (`/v1/…`, `service/control.rs`) makes meetings, looks at them, and waits
//! for what becomes of them, so that a test needs no sleep. Signaling and media have their addresses as ever, one pair
//! for all meetings.

mod config;
mod control;
mod exchange;
mod http;
mod jwt;
mod meetings;
mod problem;
mod router;
mod scope;
mod shared;
mod shown;
mod wanted;
mod zoom_api;

use std::{net::SocketAddr, sync::Arc, time::Duration};

use tokio::{net::TcpListener, sync::Semaphore};

pub use self::config::ServiceConfig;
use crate::{
    abort_on_drop::AbortOnDrop,
    oauth::{TOKEN_PATH, Tokens},
    playing::Stage,
    service::{meetings::Meetings, shared::Shared},
    start_error::StartError,
};

/// How long a token of the service is valid, as at Zoom.
const TOKEN_LIFE: Duration = Duration::from_secs(3_600);

/// A running service. Dropping it ends everything at once, without a word to clients.
#[derive(Debug)]
pub struct Service {
    address: SocketAddr,
    shared: Arc<Shared>,
    _serving: AbortOnDrop,
}

impl Service {
    /// Listens on all its addresses. No meeting is there yet.
    ///
    /// # Errors
    /// [`StartError`] when an address is taken, there is no certificate, or the webhook URL cannot be posted to.
    pub async fn start(config: ServiceConfig) -> Result<Self, StartError> {
        let failed = |source| StartError::Listen { address: config.control, source };
        let listener = TcpListener::bind(config.control).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let stage = Stage::open(&config.meetings, config.most_meetings, true).await?;
        let tokens =
            Tokens::new(config.meetings.app.clone(), config.account_id.clone(), TOKEN_LIFE, config.scopes.clone());
        // A client that waits for something of a meeting holds a connection meanwhile.
        let room = config.most_meetings.saturating_mul(4).clamp(64, Semaphore::MAX_PERMITS);
        let scopes = config.scopes.clone();
        let shared = Arc::new(Shared { tokens, scopes, meetings: Meetings::new(stage, config)? });
        let serving = tokio::spawn(http::serve(listener, room, Arc::clone(&shared)));
        Ok(Self { address, shared, _serving: AbortOnDrop(serving.abort_handle()) })
    }

    /// Returns the address of Zoom's REST and of the service's own control.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns the URL below which the service's own control is, without a slash at its end.
    pub fn control_url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Returns the URL that stands for `https://zoom.us/oauth/token`.
    pub fn token_url(&self) -> String {
        format!("http://{}{TOKEN_PATH}", self.address)
    }

    /// Returns the URL that stands for `https://api.zoom.us/v2`.
    pub fn api_url(&self) -> String {
        format!("http://{}/v2", self.address)
    }

    /// Returns the address where the first server listens for signaling.
    pub fn signaling_address(&self) -> SocketAddr {
        self.shared.meetings.stage().door.first().signaling
    }

    /// Returns the address where the first server listens for media.
    pub fn media_address(&self) -> SocketAddr {
        self.shared.meetings.stage().door.first().media
    }

    /// Returns the certificate of the authority that clients have to trust, as PEM; none without TLS.
    pub fn ca_pem(&self) -> Option<&str> {
        self.shared.meetings.stage().ca_pem.as_deref()
    }

    /// Ends every meeting in order, and waits until the last one is finished. No meeting starts any more.
    pub async fn stop(&self) {
        self.shared.meetings.end_all().await;
    }
}
