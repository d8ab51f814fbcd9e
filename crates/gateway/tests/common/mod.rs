//! What the tests share: a gateway in this process, requests as bytes on a socket, and waiting for a thing itself.
#![allow(dead_code, reason = "each test file uses its own part of it")]

pub(crate) mod doctored;
pub(crate) mod fast;
pub(crate) mod gate;
pub(crate) mod http;
pub(crate) mod player;
pub(crate) mod recording;
pub(crate) mod told;

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use rtms_gateway::{
    apps::{Apps, secrets::App},
    config::{Config, listen::ApiListen},
    server::{RECORDINGS, Server},
};
use rtms_record::{Manifest, layout};
use rtms_sim::{config::App as SimApp, meeting::MeetingOptions};
use rtms_sim_server::{Simulator, SimulatorConfig};
use rtms_sink::delivery::Delivery;
use rtms_store::{
    receipts::{Receipt, ReceiptFilter},
    store::Store,
    stream_record::{Ended, StreamRecord},
};
use rtms_wire::ids::StreamId;
use tokio::time::{Instant, sleep};

/// How long a test waits for something that comes at once on a machine that is not busy.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// Looks again and again until there is something, and panics with `what` when there is nothing for too long.
pub(crate) async fn until<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(Instant::now() < deadline, "waited in vain until {what}");
        sleep(Duration::from_millis(10)).await;
    }
}

/// The default settings on a free port of loopback, with a folder for the data.
pub(crate) fn config(data_dir: &Path) -> Config {
    let mut config = Config::load(None).unwrap();
    config.server.listen = SocketAddr::from(([127, 0, 0, 1], 0));
    config.api.listen = ApiListen::At(config.server.listen);
    config.server.data_dir = data_dir.to_owned();
    config.zoom.allow_loopback = true;
    config
}

/// The simulator's app, as the gateway knows it.
pub(crate) fn app() -> App {
    let sim = SimApp::default();
    App::new("sim", vec![sim.secret_token], sim.client_id, sim.client_secret)
}

/// A meeting that is announced to nobody: tests post its webhook themselves.
pub(crate) async fn meeting(seed: u64, duration: Duration) -> Simulator {
    Simulator::start(simulator(seed, duration)).await.unwrap()
}

/// The settings of such a meeting.
pub(crate) fn simulator(seed: u64, duration: Duration) -> SimulatorConfig {
    SimulatorConfig {
        meeting: MeetingOptions { seed, participants: 3, duration, ..MeetingOptions::default() },
        ..SimulatorConfig::default()
    }
}

/// A running gateway.
pub(crate) struct Gateway {
    server: Server,
    data_dir: PathBuf,
}

impl Gateway {
    /// Starts with the default settings for tests and the store on disk.
    pub(crate) async fn start(data_dir: &Path) -> Self {
        Self::start_with(config(data_dir)).await
    }

    pub(crate) async fn start_with(config: Config) -> Self {
        let data_dir = config.server.data_dir.clone();
        Self { server: Server::start(config, Apps::fixed(vec![app()]), Vec::new()).await.unwrap(), data_dir }
    }

    /// Starts with sinks of the test's.
    pub(crate) async fn start_telling(config: Config, sinks: Vec<Delivery>) -> Self {
        let data_dir = config.server.data_dir.clone();
        Self { server: Server::start(config, Apps::fixed(vec![app()]), sinks).await.unwrap(), data_dir }
    }

    /// Starts on a store of the test's, with apps of its own.
    pub(crate) async fn start_on(config: Config, apps: Vec<App>, store: Arc<dyn Store>) -> Self {
        let data_dir = config.server.data_dir.clone();
        Self { server: Server::start_on(config, Apps::fixed(apps), Vec::new(), store).await.unwrap(), data_dir }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.server.address()
    }

    pub(crate) fn api_address(&self) -> SocketAddr {
        self.server.api_address().expect("the API has an address")
    }

    pub(crate) fn webhook_url(&self) -> String {
        format!("http://{}/webhook", self.address())
    }

    pub(crate) fn server(&self) -> &Server {
        &self.server
    }

    pub(crate) fn store(&self) -> Arc<dyn Store> {
        self.server.store()
    }

    /// Posts a body, signed by the simulator's app now; gives the status.
    pub(crate) async fn post(&self, body: &[u8]) -> u16 {
        http::exchange(self.address(), &http::signed_now(&SimApp::default().secret_token, body)).await.status
    }

    /// The receipts, oldest first, once there are so many and all are settled.
    pub(crate) async fn settled_receipts(&self, count: usize) -> Vec<Receipt> {
        let store = self.store();
        until("all webhooks are settled", async || {
            let filter = ReceiptFilter { limit: 1000, ..ReceiptFilter::default() };
            let mut receipts = store.receipts(filter).await.unwrap();
            receipts.sort_by_key(|receipt| receipt.id);
            (receipts.len() == count && receipts.iter().all(|receipt| receipt.class.is_some())).then_some(receipts)
        })
        .await
    }

    /// The record of a stream, if there is one.
    pub(crate) async fn record_of(&self, stream: &StreamId) -> Option<StreamRecord> {
        self.store().get(stream).await.unwrap()
    }

    /// Waits until the stream is over and its files are closed.
    pub(crate) async fn ended(&self, stream: &StreamId) -> Ended {
        until("the stream has ended", async || self.record_of(stream).await?.ended).await
    }

    /// The folder of a stream's recording.
    pub(crate) fn folder_of(&self, stream: &StreamId) -> PathBuf {
        layout::folder(&self.data_dir.join(RECORDINGS), stream)
    }

    pub(crate) fn manifest_of(&self, stream: &StreamId) -> Manifest {
        Manifest::read(&self.folder_of(stream)).unwrap().expect("a recording")
    }

    pub(crate) async fn stop(self) {
        self.server.stop().await;
    }

    /// Stops it; gives how many parts were left unfinished.
    pub(crate) async fn stop_counting(self) -> usize {
        self.server.stop().await.unfinished
    }
}
