//! `rtms simulate --event-websocket`: the webhooks, pushed on an event WebSocket to whoever opened it.
//!
//! The simulator posts its webhooks as ever, to a receiver here that passes each body on.

use std::{convert::Infallible, io, net::Ipv4Addr, sync::Arc, time::Duration};

use anyhow::Context;
use http_body_util::{BodyExt, Empty};
use hyper::{
    Request, Response,
    body::{Bytes, Incoming},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use rtms_sim::config::App;
use rtms_sim_server::intake::{EventServer, EventServerConfig};
use rtms_wire::Uri;
use tokio::{
    net::TcpListener,
    time::{sleep, timeout},
};

use crate::logging::note;

/// How often it is looked whether somebody has come, or gone.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// How long the last event may take on its way.
const CLOSE_WITHIN: Duration = Duration::from_secs(5);

/// Zoom's event WebSocket, and the receiver in front of it.
pub(super) struct EventWebSocket {
    events: Arc<EventServer>,
    config: EventServerConfig,
    receiver: Uri,
}

impl EventWebSocket {
    pub(super) async fn start(app: App) -> anyhow::Result<Self> {
        let config = EventServerConfig { app, ..EventServerConfig::default() };
        let events = Arc::new(EventServer::start(config.clone()).await.context("cannot serve an event WebSocket")?);
        let receiver = receive_for(events.clone()).await.context("cannot receive webhooks for the event WebSocket")?;
        Ok(Self { events, config, receiver })
    }

    /// Where the simulator is to post its webhooks.
    pub(super) fn webhook_url(&self) -> Uri {
        self.receiver.clone()
    }

    /// What a gateway's configuration needs; the client secret is named by a file, as there.
    pub(super) fn toml(&self) -> String {
        let EventServerConfig { app, subscription_id, .. } = &self.config;
        let (client_id, url, token_url) = (quoted(&app.client_id), self.events.url(), self.events.token_url());
        let subscription_id = quoted(subscription_id);
        format!(
            "# For `rtms serve --dev --config THIS-FILE`. The file named below holds the simulator's client secret.
[[app]]
name = \"sim\"
client_id = {client_id}
client_secret_file = \"sim-client-secret\"

[app.websocket]
subscription_id = {subscription_id}
url = \"{url}\"
token_url = \"{token_url}\"
"
        )
    }

    /// Waits until somebody has a token and has connected.
    pub(super) async fn opened(&self) {
        while self.events.counts().connections == 0 {
            sleep(LOOK_EVERY).await;
        }
    }

    /// Ends the connection behind the last event.
    pub(super) async fn close(&self) {
        // It stands until everything before the word to end it is written.
        let ended = async {
            while self.events.cut() {
                sleep(LOOK_EVERY).await;
            }
        };
        // Who does not read is left.
        let _ = timeout(CLOSE_WITHIN, ended).await;
    }

    /// A line about what clients did.
    pub(super) fn report(&self) -> String {
        let counts = self.events.counts();
        format!(
            "event WebSocket: {} tokens, {} refused; {} connections, {} refused; {} heartbeats",
            counts.tokens, counts.tokens_refused, counts.connections, counts.refused, counts.heartbeats
        )
    }
}

/// A basic string of TOML. JSON's escapes are all TOML's, too.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// Takes webhooks on a free port of loopback and pushes their bodies, until the program ends.
async fn receive_for(events: Arc<EventServer>) -> io::Result<Uri> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let address = listener.local_addr()?;
    tokio::spawn(async move {
        loop {
            let Ok((stream, _)) = listener.accept().await else {
                // Out of file descriptors, most likely; without a pause this would spin.
                sleep(LOOK_EVERY).await;
                continue;
            };
            let events = events.clone();
            let service = service_fn(move |request| pass_on(request, events.clone()));
            tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
        }
    });
    Uri::builder().scheme("http").authority(address.to_string()).path_and_query("/").build().map_err(io::Error::other)
}

async fn pass_on(request: Request<Incoming>, events: Arc<EventServer>) -> Result<Response<Empty<Bytes>>, Infallible> {
    // The simulator sent it, so it is short and whole.
    if let Ok(body) = request.into_body().collect().await
        && !events.push(&body.to_bytes())
    {
        note!("nobody is connected: the event is lost, as it would be at Zoom");
    }
    Ok(Response::new(Empty::new()))
}
