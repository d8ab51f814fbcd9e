//! The server: built from its settings, run, and stopped in order.

use std::{
    io,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::{Arc, atomic::AtomicBool},
    time::Duration,
};

use futures_util::future::join_all;
use rtms_client::{connect::TcpConnector, error::TlsSetupError};
use rtms_record::Options;
use rtms_sink::delivery::Delivery;
use rtms_store::{engine::Engine, error::StoreError, lease::OwnerId, store::Store};
use rtms_wire::{
    time::{UnixMillis, millis},
    webhook::server_url::ServerUrlPolicy,
};
use tokio::{
    task::JoinHandle,
    time::{Instant, MissedTickBehavior, interval, sleep},
};
use tracing::{debug, info, warn};

use crate::{
    api::{
        health::{self, Health},
        router,
        state::{ApiState, no_choice},
    },
    apps::Apps,
    clock,
    config::{Config, error::ConfigError},
    dispatcher::Dispatcher,
    door::{
        diagnosis::Diagnosis,
        webhook::{self, BodyMemory, Door},
    },
    intake::{IntakeUnusable, Intakes},
    listener::{
        accept,
        active_requests::ActiveRequests,
        api_listeners::ApiListeners,
        serve::{self, Routers},
        share::ConnectionLimits,
        tls::{DoorTls, DoorTlsError},
    },
    live::{
        recording::RecordingSetup, registry::LiveStreams, repeats::RepeatGate, revoked::Revocations,
        stream_task::StreamDeps, wire_log::WireLogs,
    },
    sinks,
    stop::{self, Deadline, StopSender, StopShare, Stopped},
    telemetry::Metrics,
    worker::Worker,
};

/// The time between two removals of old entries.
const PRUNE_EVERY: Duration = Duration::from_secs(3600);

/// The time between two tries of a store that failed.
const PROVE_EVERY: Duration = Duration::from_secs(1);

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
    active_requests: ActiveRequests,
    store: Arc<dyn Store>,
    sinks: Arc<Vec<Delivery>>,
    parts: Parts,
    deadline: Deadline,
    stop_within: Duration,
}

/// The parts that run, in the order in which they are stopped.
struct Parts {
    worker: (StopSender, JoinHandle<()>),
    http: (StopSender, JoinHandle<()>),
    intake: (StopSender, JoinHandle<()>),
    dispatcher: (StopSender, JoinHandle<()>),
    secrets: (StopSender, JoinHandle<()>),
    certificate: (StopSender, JoinHandle<()>),
    pruner: JoinHandle<()>,
    prover: JoinHandle<()>,
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
    /// The folder for wire logs cannot be made.
    #[error("cannot create the folder for wire logs {path}: {source}; choose another with --capture", path = path.display())]
    Capture {
        /// The folder.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
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
        Self::take_over(config, apps, sinks, Duration::ZERO).await
    }

    /// The same when another process may still have the data folder: waits so long until it has left.
    ///
    /// It is not asked to leave: the operator who starts the successor does that.
    ///
    /// # Errors
    /// [`StartError`], which names what to change; [`StoreError::Locked`] if the other one has not left by then.
    pub async fn take_over(
        config: Config,
        apps: Apps,
        sinks: Vec<Delivery>,
        within: Duration,
    ) -> Result<Self, StartError> {
        let data_dir = &config.server.data_dir;
        rtms_private::make_folders(data_dir)
            .map_err(|source| StartError::DataDir { path: data_dir.clone(), source })?;
        let store = open_when_free(config.store.engine, data_dir, within).await?;
        Self::start_on(config, apps, sinks, store).await
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
        // No other process has this name, nor has a later run of this one.
        let owner = OwnerId::new(uuid::Uuid::now_v7().to_string());
        let mut sinks = sinks;
        sinks.extend(sinks::start(&config.sink, &store, &owner).map_err(StartError::Sink)?);
        let sinks = Arc::new(sinks);
        let metrics = Arc::<Metrics>::default();
        metrics.watch_sinks(sinks.clone());
        let deadline = Deadline::default();
        let address = config.server.listen;
        let tls = match (&config.server.tls_certificate, &config.server.tls_key) {
            (Some(certificate), Some(key)) => Some(DoorTls::load(certificate, key)?),
            (None, None) => None,
            (Some(_), None) | (None, Some(_)) => {
                let why = "name both tls_certificate and tls_key, or neither".into();
                return Err(ConfigError::Unusable { setting: "server.tls_certificate", why }.into());
            }
        };
        let acceptor = tls.as_ref().map(DoorTls::acceptor).transpose()?;
        let listener = accept::tcp(address).map_err(|source| StartError::Listen { address, source })?;
        let address = listener.local_addr().map_err(|source| StartError::Listen { address, source })?;
        let api = ApiListeners::open(config.api.listen, &config.server.data_dir);
        let (api_address, api_socket) = (api.address(), api.socket_text());

        let policy = ServerUrlPolicy {
            allowed_suffixes: config.zoom.allowed_hosts.iter().map(|host| host.to_ascii_lowercase()).collect(),
            allow_loopback: config.zoom.allow_loopback,
        };
        let connector = TcpConnector::new(policy.clone(), &config.zoom.extra_ca)?;
        let intakes = Intakes::of(&apps, &policy, &connector, &store, &metrics, config.webhook.max_body_bytes)?;
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
            }),
            ledger_every: config.recording.sync_every,
            revocations: Revocations {
                root: recordings.clone(),
                wire_logs,
                sinks: sinks.clone(),
                metrics: metrics.clone(),
            },
            sinks: sinks.clone(),
            metrics: metrics.clone(),
            repeats: RepeatGate::default(),
            deadline: deadline.clone(),
        });
        let (worker_stop, stopped) = stop::channel();
        let streams = &config.streams;
        let worker = Worker::new(deps, apps.clone(), owner, streams.lease_term, streams.lease_renew_every);
        let worker = tokio::spawn(worker.run(stopped));

        let (dispatcher_stop, stopped) = stop::channel();
        let dispatcher =
            Dispatcher { store: store.clone(), policy, metrics: metrics.clone(), recent: Default::default() };
        let dispatcher = tokio::spawn(dispatcher.run(stopped));

        let health = Arc::new(Health { store: store.clone(), stopping: AtomicBool::new(false) });
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
        };
        let state = ApiState { store: store.clone(), live, recordings, metrics: metrics.clone(), no_choice };
        let routers = Routers {
            door: webhook::router(Arc::new(door)).merge(health::router(health.clone())),
            api: router::router(Arc::new(state), health.clone()),
        };
        let active_requests = ActiveRequests::default();
        let limits = serve::Limits {
            connections: ConnectionLimits::of(config.webhook.max_connections),
            header_within: config.webhook.read_within,
        };
        let (http_stop, stopped) = stop::channel();
        let http = tokio::spawn(serve::run(listener, acceptor, api, routers, active_requests.clone(), limits, stopped));

        let (intake_stop, stopped) = stop::channel();
        let intake = tokio::spawn(intakes.run(stopped));

        let pruner = tokio::spawn(prune(store.clone(), config.store.keep));
        let prover = tokio::spawn(prove(store.clone()));
        let (certificate_stop, stopped) = stop::channel();
        let certificate = tokio::spawn(async move {
            if let Some(tls) = tls {
                tls.watch(stopped).await;
            }
        });
        let (secrets_stop, stopped) = stop::channel();
        let secrets = tokio::spawn(apps.watch(stopped));
        let api_text = api_address.map_or_else(|| "off".to_owned(), |address| address.to_string());
        info!(%address, api = %api_text, socket = %api_socket, data_dir = %config.server.data_dir.display(), "listening");
        Ok(Self {
            address,
            api_address,
            metrics,
            health,
            active_requests,
            store,
            sinks,
            parts: Parts {
                http: (http_stop, http),
                intake: (intake_stop, intake),
                dispatcher: (dispatcher_stop, dispatcher),
                worker: (worker_stop, worker),
                secrets: (secrets_stop, secrets),
                certificate: (certificate_stop, certificate),
                pruner,
                prover,
            },
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
    pub async fn stop(self) -> Stopped {
        self.deadline.begin(self.stop_within);
        info!(within = ?self.stop_within, "stopping");
        self.health.stopping.store(true, std::sync::atomic::Ordering::Relaxed);
        self.parts.pruner.abort();
        self.parts.prover.abort();
        let Parts { http, intake, dispatcher, worker, secrets, certificate, .. } = self.parts;
        let end = |part, share, running| end(&self.deadline, part, share, running);
        end("streams", StopShare::Worker, worker).await;
        let empty_all = |durable| {
            let sinks = self.sinks.iter().filter(move |sink| sink.is_durable() == durable);
            join_all(sinks.map(|sink| empty(&self.deadline, sink)))
        };
        // Neither needs the other, and a sink that hangs must not keep the store from a successor.
        let door_and_store = async {
            tokio::join!(
                end_requests(&self.deadline, &self.active_requests, http),
                end("event WebSockets", StopShare::Requests, intake),
                end("secrets", StopShare::Requests, secrets),
                end("certificate", StopShare::Requests, certificate),
            );
            end("inbox", StopShare::Dispatcher, dispatcher).await;
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

/// Stops a part, and waits for its end as long as its share of the time lasts.
async fn end(deadline: &Deadline, part: &str, share: StopShare, running: (StopSender, JoinHandle<()>)) {
    if !is_ended(deadline, part, share, running).await {
        deadline.leave(part, None, "the store or the network", "what it had begun");
    }
}

/// The same for door and API. Peers that do not send or read may be left: nothing was begun for them.
async fn end_requests(deadline: &Deadline, active: &ActiveRequests, running: (StopSender, JoinHandle<()>)) {
    let part = "requests";
    if !is_ended(deadline, part, StopShare::Requests, running).await && active.any() {
        deadline.leave(part, None, "the store", "nothing that was acknowledged");
    }
}

async fn is_ended(
    deadline: &Deadline,
    part: &str,
    share: StopShare,
    (stop, task): (StopSender, JoinHandle<()>),
) -> bool {
    stop.send_replace(true);
    let abort = task.abort_handle();
    match deadline.within(share, task).await {
        Some(Ok(())) => true,
        // A part that panicked has stopped too.
        Some(Err(error)) => {
            warn!(part, %error, "a part of the server broke");
            true
        }
        None => {
            abort.abort();
            false
        }
    }
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
        info!(sink = sink.name(), stored, "envelopes wait in the store, the next process delivers them");
    }
}

/// Opens the store, and waits so long for another process to leave it.
async fn open_when_free(engine: Engine, data_dir: &Path, within: Duration) -> Result<Arc<dyn Store>, StoreError> {
    let begun = Instant::now();
    let mut is_told = false;
    loop {
        // A disk that does not answer must not keep the signal to stop from being heard.
        let folder = data_dir.to_owned();
        let opened = tokio::task::spawn_blocking(move || engine.open(&folder)).await;
        match opened.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic())) {
            Err(StoreError::Locked { path }) if begun.elapsed() < within => {
                if !std::mem::replace(&mut is_told, true) {
                    let lock = path.display();
                    info!(%lock, ?within, "another process has the data folder, waiting for it to leave");
                }
                sleep(LOOK_FOR_LOCK_EVERY.min(within)).await;
            }
            opened => {
                if is_told && opened.is_ok() {
                    info!(waited = ?begun.elapsed(), "the other process has left");
                }
                return opened;
            }
        }
    }
}

/// Has a store that failed prove itself again. It does so with the next thing to write, and a balancer sends nothing to
/// a server that is not ready.
async fn prove(store: Arc<dyn Store>) {
    let mut every = interval(PROVE_EVERY);
    every.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        every.tick().await;
        if store.stats().is_failing {
            // Nothing is older than the epoch: it writes and changes nothing. Its failure shows in the same figure.
            let _ = store.prune(UnixMillis(0)).await;
        }
    }
}

async fn prune(store: Arc<dyn Store>, keep: Duration) {
    let mut every = interval(PRUNE_EVERY);
    every.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        every.tick().await;
        let now = clock::unix_millis();
        let older_than = UnixMillis(now.0.saturating_sub(millis(keep)));
        match store.prune(older_than).await {
            Ok(pruned) => debug!(?pruned, "pruned the store"),
            Err(error) => warn!(%error, "the store could not be pruned"),
        }
    }
}
