//! The server: built from its settings, run, and stopped in order.

use std::{
    io,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, atomic::AtomicBool},
    time::Duration,
};

use futures_util::future::join_all;
use rtms_client::connect::TcpConnector;
use rtms_http::{client::HttpClient, error::TlsSetupError};
use rtms_record::Options;
use rtms_sink::delivery::Delivery;
use rtms_store::{engine::Engine, error::StoreError, lease::OwnerId, store::Store};
use rtms_wire::webhook::server_url::UrlRefused;
use tokio::{
    net::TcpListener,
    time::{Instant, sleep},
};
use tracing::info;

use crate::{
    api::{
        health::{self, Health},
        router,
        state::{ApiState, no_choice},
    },
    apps::{Apps, secrets::App},
    clock::{self, SteadyClock},
    config::{Config, error::ConfigError},
    disk::Disk,
    dispatcher::Dispatcher,
    door::{
        diagnosis::Diagnosis,
        webhook::{self, BodyMemory, Door},
    },
    housekeeping,
    intake::{IntakeUnusable, Intakes},
    listener::{
        accept,
        api_listeners::ApiListeners,
        passed::PassedSockets,
        serve,
        share::ConnectionLimits,
        tls::{DoorTls, DoorTlsError},
    },
    live::{
        new_streams::{NewStreams, Requester},
        recording::RecordingSetup,
        registry::LiveStreams,
        repeats::RepeatGate,
        revoked::Revocations,
        stream_task::StreamDeps,
        wire_log::WireLogs,
    },
    parts::{Part, Parts},
    sinks,
    stop::{Deadline, StopShare, Stopped},
    telemetry::Metrics,
    worker::Worker,
};

/// The time between two checks of a successor whether the data folder is free. Zoom's window runs meanwhile.
const LOOK_FOR_LOCK_EVERY: Duration = Duration::from_millis(50);

/// The folder of the recordings below the data folder.
pub const RECORDINGS: &str = "recordings";

/// A running server.
pub struct Server {
    address: SocketAddr,
    api_address: Option<SocketAddr>,
    metrics: Arc<Metrics>,
    health: Arc<Health>,
    store: Arc<dyn Store>,
    sinks: Arc<Vec<Delivery>>,
    parts: Parts,
    deadline: Deadline,
    stop_within: Duration,
}

/// Why the server cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The settings are wrong.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The data folder cannot be made.
    #[error("cannot create the data folder {path}: {source}", path = path.display())]
    DataDir {
        /// The folder.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The store cannot be opened.
    #[error("cannot open the store: {0}")]
    Store(#[from] StoreError),
    /// TLS cannot be set up.
    #[error(transparent)]
    Tls(#[from] TlsSetupError),
    /// The door's certificate cannot be used.
    #[error(transparent)]
    DoorTls(#[from] DoorTlsError),
    /// An app's event WebSocket cannot be used.
    #[error(transparent)]
    Intake(#[from] IntakeUnusable),
    /// Zoom's REST API is configured at an address to which the client secret may not be sent.
    #[error("{setting}: {url} is not connected to: {source}")]
    ZoomApi {
        /// The setting.
        setting: &'static str,
        /// The URL.
        url: String,
        /// The fault.
        source: UrlRefused,
    },
    /// The folder for wire logs cannot be made.
    #[error("cannot create the folder for wire logs {path}: {source}; choose another with --capture", path = path.display())]
    Capture {
        /// The folder.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// A socket from the service manager cannot be used.
    #[error("cannot listen on the socket from systemd: {0}")]
    Passed(#[source] io::Error),
    /// A sink of the settings cannot be started.
    #[error("cannot start a sink: {0}")]
    Sink(#[source] io::Error),
    /// The address cannot be listened on.
    #[error("cannot listen on {address}: {source}; choose another with --listen")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why not.
        source: io::Error,
    },
}

impl Server {
    /// Opens the store in the data folder and starts. The envelopes go to `sinks` beside those that the settings name.
    ///
    /// # Errors
    /// [`StartError`], which names what to change.
    pub async fn start(config: Config, apps: Apps, sinks: Vec<Delivery>) -> Result<Self, StartError> {
        Self::take_over(config, apps, sinks, PassedSockets::default(), Duration::ZERO).await
    }

    /// The same when another process may still have the data folder: waits for as long as this until it has left. Sockets
    /// that were passed to the process are listened on in place of the addresses in the settings.
    ///
    /// It is not asked to leave: the operator who starts the successor does that.
    ///
    /// # Errors
    /// [`StartError`], which names what to change; [`StoreError::Locked`] if the other one has not left by then.
    pub async fn take_over(
        config: Config,
        apps: Apps,
        sinks: Vec<Delivery>,
        passed: PassedSockets,
        within: Duration,
    ) -> Result<Self, StartError> {
        let data_dir = &config.server.data_dir;
        rtms_private::make_folders(data_dir)
            .map_err(|source| StartError::DataDir { path: data_dir.clone(), source })?;
        let store = open_when_free(config.store.engine, data_dir, within).await?;
        Self::start_parts(config, apps, sinks, passed, store)
    }

    /// Starts on a store of the caller's.
    ///
    /// # Errors
    /// [`StartError`], which names what to change.
    pub async fn start_on(
        config: Config,
        apps: Apps,
        sinks: Vec<Delivery>,
        store: Arc<dyn Store>,
    ) -> Result<Self, StartError> {
        Self::start_parts(config, apps, sinks, PassedSockets::default(), store)
    }

    /// Starts all parts. It is no async function, because the compiler makes the code of such a one where it is awaited: in
    /// the program and in each test, and not once, here.
    fn start_parts(
        config: Config,
        apps: Apps,
        sinks: Vec<Delivery>,
        passed: PassedSockets,
        store: Arc<dyn Store>,
    ) -> Result<Self, StartError> {
        // No other process has this name, nor has a later run of this one.
        let owner = OwnerId::new(uuid::Uuid::now_v7().to_string());
        let mut sinks = sinks;
        sinks.extend(sinks::start(&config.sink, &store, &owner).map_err(StartError::Sink)?);
        let sinks = Arc::new(sinks);
        let metrics = Arc::<Metrics>::default();
        metrics.watch_sinks(sinks.clone());
        metrics.know_apps(apps.now().iter().map(|app| app.name.as_str()));
        let disk = Arc::new(Disk::new(&config.server.data_dir, config.disk));
        let deadline = Deadline::default();
        let tls = config.server.tls_files().map_err(ConfigError::from)?;
        let tls = tls.map(|(certificate, key)| DoorTls::load(certificate, key)).transpose()?;
        let acceptor = tls.as_ref().map(DoorTls::acceptor).transpose()?;
        let (listener, address) = open_door(passed.door, config.server.listen)?;
        let api = ApiListeners::open(config.api.listen, passed.api, &config.server.data_dir);
        let (api_address, api_socket) = (api.address(), api.socket_text());

        let policy = config.zoom.policy();
        let connector = TcpConnector::new(policy.clone(), &config.zoom.extra_ca)?;
        let http = HttpClient::new(&config.zoom.extra_ca)?;
        let intakes = Intakes::of(&apps, &policy, &connector, &http, &store, &metrics, config.webhook.max_body_bytes)?;
        let new_streams = config.zoom.request_again.then(|| NewStreams::new(store.clone()));
        let endpoints = config.zoom.endpoints();
        if new_streams.is_some() {
            for (setting, url) in [("zoom.api_url", &endpoints.api_url), ("zoom.token_url", &endpoints.token_url)] {
                let refused = |source| StartError::ZoomApi { setting, url: url.clone(), source };
                policy.check_http(url).map_err(refused)?;
            }
        }
        let wanted = config.media.stream_config()?;
        let recordings = config.server.data_dir.join(RECORDINGS);
        let wire_logs = config.server.capture.clone().map(|path| {
            WireLogs::new(path.clone(), recordings.clone(), metrics.clone())
                .map_err(|source| StartError::Capture { path, source })
        });
        let wire_logs = wire_logs.transpose()?.map(Arc::new);
        let no_choice = no_choice(&wanted);
        let live = Arc::new(LiveStreams::new(owner.clone()));
        let deps = Arc::new(StreamDeps {
            store: store.clone(),
            connector: Arc::new(connector),
            config: wanted,
            live: live.clone(),
            wire_logs: wire_logs.clone(),
            queue_bytes: config.media.queue_bytes,
            recording: config.recording.enabled.then(|| RecordingSetup {
                root: recordings.clone(),
                options: Options { wait_for_disk: config.recording.wait_for_disk, ..Options::default() },
                sync_every: config.recording.sync_every,
                deadline: deadline.clone(),
                disk: disk.clone(),
            }),
            ledger_every: config.recording.sync_every,
            revocations: Revocations {
                root: recordings.clone(),
                wire_logs,
                sinks: sinks.clone(),
                metrics: metrics.clone(),
            },
            sinks: sinks.clone(),
            new_streams: new_streams.clone(),
            metrics: metrics.clone(),
            repeats: RepeatGate::default(),
            deadline: deadline.clone(),
        });
        let health = Arc::new(Health { store: store.clone(), disk: disk.clone(), stopping: AtomicBool::new(false) });
        let door = Door {
            apps: apps.clone(),
            store: store.clone(),
            metrics: metrics.clone(),
            diagnosis: Diagnosis::default(),
            tolerance: config.webhook.tolerance,
            max_body_bytes: config.webhook.max_body_bytes,
            read_within: config.webhook.read_within,
            body_memory: BodyMemory::new(config.webhook.max_body_bytes),
            repeats: Arc::default(),
            misdirected: Default::default(),
            trouble: Mutex::default(),
        };
        let door = webhook::router(Arc::new(door), health::router(health.clone()));
        let steady = SteadyClock::start();
        let state = ApiState { store: store.clone(), steady, live, recordings, metrics: metrics.clone(), no_choice };
        let api_router = router::router(Arc::new(state), health.clone());
        let dispatcher =
            Dispatcher { store: store.clone(), policy, metrics: metrics.clone(), recent: Default::default() };
        let streams = &config.streams;
        let worker =
            Worker::new(deps, apps.clone(), owner.clone(), steady, streams.lease_term, streams.lease_renew_every);
        let connections = ConnectionLimits::of(config.webhook.max_connections);
        let limits = |connections| serve::Limits { connections, header_within: config.webhook.read_within };
        let (door_limits, api_limits) = (limits(connections.door), limits(connections.api));

        let mut parts = Parts::default();
        parts.start(Part::Worker, |stop| worker.run(stop));
        parts.start(Part::Dispatcher, |stop| dispatcher.run(stop));
        parts
            .start_serving(Part::Door, |active, stop| serve::door(listener, acceptor, door, door_limits, active, stop));
        parts.start_serving(Part::Api, |active, stop| serve::api(api, api_router, api_limits, active, stop));
        parts.start(Part::Intake, |stop| intakes.run(stop));
        if new_streams.is_some() {
            let requester = Requester::new(store.clone(), owner, apps.clone(), http, endpoints, metrics.clone());
            parts.start(Part::Requester, |stop| requester.run(stop));
        }
        parts.start(Part::Housekeeping, |stop| {
            housekeeping::run(store.clone(), config.store.keep, disk, metrics.clone(), stop)
        });
        let scheme = if tls.is_some() { "https" } else { "http" };
        if let Some(tls) = tls {
            parts.start(Part::Certificate, |stop| tls.watch(stop));
        }
        let known = apps.now();
        parts.start(Part::Secrets, |stop| apps.watch(stop));
        log_settings(&config, &known);
        let api_text = api_address.map_or_else(|| "off".to_owned(), |address| address.to_string());
        let (data_dir, webhook) = (config.server.data_dir.display(), format!("{scheme}://{address}/webhook"));
        info!(%address, api = %api_text, socket = %api_socket, %data_dir, webhook, "listening");
        Ok(Self {
            address,
            api_address,
            metrics,
            health,
            store,
            sinks,
            parts,
            deadline,
            stop_within: config.server.stop_within,
        })
    }

    /// Returns the address of the webhook door.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns the address of the API, if it has one beside its socket.
    pub fn api_address(&self) -> Option<SocketAddr> {
        self.api_address
    }

    /// Returns the metrics.
    pub fn metrics(&self) -> Arc<Metrics> {
        self.metrics.clone()
    }

    /// Returns the store.
    pub fn store(&self) -> Arc<dyn Store> {
        self.store.clone()
    }

    /// Stops in order: the streams handed over with their files closed, no new webhooks, the sinks emptied, the store
    /// closed. So a webhook that comes while streams are handed over is stored, and a successor acts on it at once; if
    /// it found no server, Zoom would send it again after minutes, when the window of its stream has closed.
    ///
    /// Returns within `server.stop_within`, whatever hangs: each part has a share of the time, and what could not be
    /// finished is logged with what is lost. Its threads may hang on, so the caller should leave without waiting for
    /// them.
    pub async fn stop(mut self) -> Stopped {
        self.deadline.begin(self.stop_within);
        info!("stopping, at most for {}", clock::readable(self.stop_within));
        self.health.stopping.store(true, std::sync::atomic::Ordering::Relaxed);
        self.parts.stop(&self.deadline, StopShare::Turn).await;
        self.parts.stop(&self.deadline, StopShare::Worker).await;
        let empty_all = |durable| {
            let sinks = self.sinks.iter().filter(move |sink| sink.is_durable() == durable);
            join_all(sinks.map(|sink| empty(&self.deadline, sink)))
        };
        // Neither needs the other, and a sink that hangs must not keep the store from a successor.
        let door_and_store = async {
            self.parts.stop(&self.deadline, StopShare::Requests).await;
            self.parts.stop(&self.deadline, StopShare::Dispatcher).await;
            // What waits for these is in the store, or on its way there.
            empty_all(true).await;
            if self.deadline.within(StopShare::Store, self.store.close()).await.is_none() {
                let lost = "nothing that was acknowledged; the next process reads the log of the store";
                self.deadline.leave("store", None, "the disk", lost);
            }
        };
        tokio::join!(door_and_store, empty_all(false));
        let stopped = self.deadline.stopped();
        info!(unfinished = stopped.unfinished, "stopped");
        stopped
    }
}

/// Logs the settings that decide whose webhooks are accepted, and where they may send us.
fn log_settings(config: &Config, apps: &[App]) {
    let apps: Vec<_> = apps.iter().map(App::described).collect();
    info!(apps = apps.join("; "), "accepting the webhooks of these apps");
    info!(allowed_hosts = config.zoom.allowed_hosts.join(", "), "connecting to Zoom's servers under these names");
    if config.zoom.allow_loopback {
        info!("development mode: webhooks may also name servers on this machine, without TLS");
    }
}

/// Listens on the socket that was passed, or else on the address.
fn open_door(
    passed: Option<std::net::TcpListener>,
    address: SocketAddr,
) -> Result<(TcpListener, SocketAddr), StartError> {
    let Some(passed) = passed else {
        let failed = |source| StartError::Listen { address, source };
        let listener = accept::tcp(address).map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        return Ok((listener, address));
    };
    let listener = accept::passed(passed).map_err(StartError::Passed)?;
    let address = listener.local_addr().map_err(StartError::Passed)?;
    info!(%address, "webhooks come on the socket from systemd, and server.listen is ignored");
    Ok((listener, address))
}

/// Delivers what waits for a sink, as long as its share of the time lasts.
async fn empty(deadline: &Deadline, sink: &Delivery) {
    if deadline.within(StopShare::Sinks, sink.finish()).await.is_none() {
        let lost = format!("{} envelopes", sink.counts().unstored());
        let waiting_for = if sink.is_durable() { "the store" } else { "its reader" };
        deadline.leave(&format!("sink {}", sink.name()), None, waiting_for, &lost);
    }
    let stored = sink.counts().stored;
    if stored > 0 {
        info!(sink = sink.name(), stored, "undelivered envelopes are in the store, the next process delivers them");
    }
}

/// Opens the store, and waits for as long as this for another process to leave it.
async fn open_when_free(engine: Engine, data_dir: &Path, within: Duration) -> Result<Arc<dyn Store>, StoreError> {
    let begun = Instant::now();
    let mut is_reported = false;
    loop {
        // A disk that does not answer must not keep the signal to stop from being heard.
        let folder = data_dir.to_owned();
        let opened = tokio::task::spawn_blocking(move || engine.open(&folder)).await;
        match opened.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic())) {
            Err(StoreError::Locked { path }) if begun.elapsed() < within => {
                if !std::mem::replace(&mut is_reported, true) {
                    let lock = path.display();
                    let within = clock::readable(within);
                    info!(%lock, "another process has the data folder, waiting for it at most for {within}");
                }
                sleep(LOOK_FOR_LOCK_EVERY.min(within)).await;
            }
            opened => {
                if is_reported && opened.is_ok() {
                    info!("the other process left the data folder after {}", clock::readable(begun.elapsed()));
                }
                return opened;
            }
        }
    }
}
