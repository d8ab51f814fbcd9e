//! The simulator on real sockets: [`Simulator`] runs one [`Zoom`] in real time and knows nothing of the protocol itself.
//!
//! ```
//! use std::time::Duration;
//! use rtms_sim::{meeting::MeetingOptions, serve::{Simulator, SimulatorConfig}};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let config = SimulatorConfig {
//!     meeting: MeetingOptions { duration: Duration::from_millis(200), ..MeetingOptions::default() },
//!     ..SimulatorConfig::default()
//! };
//! let simulator = Simulator::start(config).await?;
//! println!("{}", String::from_utf8_lossy(simulator.start_webhook()));
//! simulator.finished().await;
//! assert_eq!(simulator.counts().joins, 0);
//! # Ok(())
//! # }
//! ```

mod authority;
mod connection;
mod door;
pub mod intake;
mod line;
pub mod load;
mod lobby;
mod post;
mod pump;
pub mod replay;
mod tls;
mod upgrade;

use std::{
    hash::{BuildHasher, Hasher},
    io::Write,
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use rtms_wire::{
    Uri,
    codes::{product::Product, stop_reason::StopReason},
    ids::{InstanceId, StreamId},
    media::medium::MediaTypes,
    time::UnixMillis,
};
use tokio::{
    sync::{mpsc, watch},
    task::AbortHandle,
    time::Instant,
};

use self::{
    connection::FromConnection,
    door::{Door, Places},
    pump::{Guests, Pump, Record, Story},
    tls::Tls,
};
use crate::{
    config::{self, App, Timing, WebhookOptions, ZoomConfig},
    fault::{Incident, Temper},
    findings::finding::Findings,
    judge::report::StreamReport,
    meeting::{options::MeetingOptions, story::Meeting},
    scenario::definition::Scenario,
    seed::Seed,
    sent::{Sent, SentCounts},
    webhook::{
        delivery::Deliveries,
        post::{Purpose, WebhookPost},
    },
    zoom::{machine::Zoom, output::Output},
};

pub use self::{authority::AuthorityError, tls::TlsError};

/// Everything that [`Simulator::start`] is told.
#[derive(Clone, Debug)]
pub struct SimulatorConfig {
    /// Where signaling is served; port 0 takes a free one. Loopback unless somebody asks for more.
    pub listen: SocketAddr,
    /// Where media is served; the same as `listen` puts both on one port, none takes a free one at the same address.
    pub media_listen: Option<SocketAddr>,
    /// How many servers there are, at least one. All but the first take free ports; a stream goes there when its server fails.
    pub servers: usize,
    /// The host names of the servers in URLs, in turns; their address if there are none. Clients have to be able to resolve them.
    pub hosts: Vec<String>,
    /// Whether everything is served with TLS, by a certificate whose authority [`Simulator::ca_pem`] tells.
    pub tls: bool,
    /// The folder that keeps the authority over runs, as `ca.pem` and `ca-key.pem`; made where it is not there. None makes an authority
    /// for this run alone.
    pub ca_dir: Option<PathBuf>,
    /// Where the authority's certificate is written, as PEM, before anybody is told of a stream; without TLS nowhere.
    pub ca_out: Option<PathBuf>,
    /// Where webhooks are posted (`http` only); none means that nobody is told and the caller reads [`Simulator::start_webhook`].
    pub webhook_url: Option<Uri>,
    /// Who is told of webhooks that are posted nowhere, other than the first, at their time.
    pub unposted: Option<mpsc::UnboundedSender<WebhookPost>>,
    /// What is posted beside the stream's webhooks, and how fast time runs between posts; nothing without a URL.
    pub webhooks: WebhookOptions,
    /// Which product streams.
    pub product: Product,
    /// What happens in the meeting.
    pub meeting: MeetingOptions,
    /// The app that the stream is for.
    pub app: App,
    /// What the app was granted; none means what the product grants by default.
    pub granted: Option<MediaTypes>,
    /// How long things take.
    pub timing: Timing,
    /// What goes wrong when.
    pub incidents: Vec<Incident>,
    /// How Zoom behaves throughout.
    pub temper: Temper,
    /// When, since the start, the client's process is gone because its operator kills it.
    pub client_away: Option<std::ops::Range<Duration>>,
    /// By what the stream is judged at its end beside the protocol; [`SimulatorConfig::play`] sets what makes it come about.
    pub scenario: Option<Arc<Scenario>>,
    /// Bounds on what clients can make the simulator hold.
    pub limits: Limits,
    /// How long the simulator stays after the end, to see whether somebody comes again.
    pub linger: Duration,
    /// Whether [`Simulator::sent`] is kept, payloads and all. Costs the memory of everything that is sent.
    pub keep_sent: bool,
}

impl Default for SimulatorConfig {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            media_listen: None,
            servers: 1,
            hosts: Vec::new(),
            tls: false,
            ca_dir: None,
            ca_out: None,
            webhook_url: None,
            unposted: None,
            webhooks: WebhookOptions::default(),
            product: Product::Meeting,
            meeting: MeetingOptions::default(),
            app: App::default(),
            granted: None,
            timing: Timing::default(),
            incidents: Vec::new(),
            temper: Temper::default(),
            client_away: None,
            scenario: None,
            limits: Limits::default(),
            linger: Duration::ZERO,
            keep_sent: true,
        }
    }
}

impl SimulatorConfig {
    /// Has this scenario played, on as many servers as it takes, and the stream judged by what it expects. What the scenario says of
    /// meeting, grant, timing and trouble takes the place of what was set; its `[network]` is left out, because the sockets have one.
    pub fn play(&mut self, scenario: Scenario) {
        self.servers = self.servers.max(1 + usize::from(scenario.standby));
        self.product = scenario.meeting.product;
        self.meeting = MeetingOptions { sources: self.meeting.sources.clone(), ..scenario.meeting_options() };
        self.granted = Some(scenario.granted());
        self.timing = scenario.timing();
        self.incidents.clone_from(&scenario.incidents);
        self.temper = Temper { strict: self.temper.strict | scenario.temper.strict, ..scenario.temper.clone() };
        self.client_away = scenario.client_away();
        let WebhookOptions { deliver_twice, forged_starts, .. } = scenario.webhook_options();
        self.webhooks.deliver_twice |= deliver_twice;
        self.webhooks.forged_starts |= forged_starts;
        self.scenario = Some(Arc::new(scenario));
    }
}

/// Bounds on what clients can make the simulator hold.
#[derive(Clone, Debug)]
pub struct Limits {
    /// WebSockets at a time for each stream; a rightful client has six at most. Who finds no room waits for it as long as an upgrade
    /// may take.
    pub connections: usize,
    /// TCP connections at a time that have not asked for a WebSocket yet; with more the oldest is closed. As many as there may be
    /// WebSockets are let wait in any case.
    pub without_upgrade: usize,
    /// Bytes of one message from a client; the longest rightful one is about a kilobyte.
    pub message_bytes: usize,
    /// From a TCP connection to the end of its WebSocket upgrade.
    pub upgrade_within: Duration,
    /// Bytes that wait for a client that reads slowly; with more it is cut off. A minute of 48 kHz stereo from three people fits.
    pub waiting_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 64,
            // Many more than come at once, and few enough for a system that lets a process have a thousand files.
            without_upgrade: 256,
            message_bytes: 1 << 20,
            upgrade_within: Duration::from_secs(10),
            waiting_bytes: 64 << 20,
        }
    }
}

/// Why the simulator cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The address cannot be listened on.
    #[error("cannot listen on {address}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
    /// The webhook URL is none that can be posted to.
    #[error("cannot post webhooks to {url}: {why}")]
    WebhookUrl {
        /// The URL.
        url: Uri,
        /// What is wrong with it.
        why: &'static str,
    },
    /// There is no certificate.
    #[error("cannot serve TLS")]
    Tls(#[from] TlsError),
    /// The authority's certificate cannot be written.
    #[error("cannot write the certificate of the authority to {}", path.display())]
    CaOut {
        /// Where to.
        path: PathBuf,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
}

/// A running stream. Dropping it ends it at once, without a word to clients; the servers are gone with the last of their streams.
#[derive(Debug)]
pub struct Simulator {
    address: SocketAddr,
    media_address: SocketAddr,
    signaling_url: String,
    ca_pem: Option<Arc<str>>,
    start_webhook: WebhookPost,
    meeting: Arc<Meeting>,
    start: UnixMillis,
    instance: InstanceId,
    stream: StreamId,
    seen: Arc<Mutex<Seen>>,
    stop: mpsc::Sender<StopReason>,
    finished: watch::Receiver<bool>,
    /// Aborts the pump, and with it all connections, when the simulator is dropped.
    _pump: AbortOnDrop,
}

#[derive(Debug)]
struct AbortOnDrop(AbortHandle);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// What the pump leaves for the owner to look at.
#[derive(Debug, Default)]
struct Seen {
    sent: Vec<Sent>,
    counts: SentCounts,
    findings: Findings,
    deliveries: Deliveries,
    report: Option<StreamReport>,
}

impl Simulator {
    /// Listens, starts the meeting and posts its webhook, in a task of the current runtime.
    ///
    /// # Errors
    /// [`StartError`] when the address is taken or the webhook URL cannot be used; nothing runs then.
    pub async fn start(config: SimulatorConfig) -> Result<Self, StartError> {
        Self::start_recording(config, None).await
    }

    /// The same, and writes everything that is sent to `record`, a JSON object a line.
    ///
    /// # Errors
    /// As [`Simulator::start`]. A record that cannot be written is given up with a warning.
    pub async fn start_recording(
        config: SimulatorConfig,
        record: Option<Box<dyn Write + Send>>,
    ) -> Result<Self, StartError> {
        let mut streams = Self::start_many(config, 1, record).await?;
        let Some(only) = streams.pop() else { unreachable!("as many start as are asked for, and one at least") };
        Ok(only)
    }

    /// Starts this many meetings, at least one, on the same servers: each has its own seed, which follows from the first one's, its
    /// own ids, its own path in the URLs, and its own webhooks. What goes wrong goes wrong in each of them.
    ///
    /// # Errors
    /// As [`Simulator::start_recording`].
    pub async fn start_many(
        config: SimulatorConfig,
        meetings: usize,
        record: Option<Box<dyn Write + Send>>,
    ) -> Result<Vec<Self>, StartError> {
        let meetings = meetings.max(1);
        let target = config.webhook_url.clone().map(post::Target::new).transpose()?;
        let tls = match config.tls {
            true => Some(Tls::new(config.listen.ip(), &config.hosts, config.ca_dir.as_deref())?),
            false => None,
        };
        let door = Door::bind(Places {
            signaling: config.listen,
            media: config.media_listen,
            servers: config.servers,
            hosts: &config.hosts,
            tls: config.tls,
        })
        .await?;
        if let (Some(tls), Some(path)) = (&tls, &config.ca_out) {
            std::fs::write(path, &tls.ca_pem).map_err(|source| StartError::CaOut { path: path.clone(), source })?;
        }
        let (ca_pem, acceptor) = tls.map(|tls| (Arc::from(tls.ca_pem), tls.acceptor)).unzip();
        let servers = door.servers.clone();
        let (ways, arrivals): (Vec<_>, Vec<_>) = (0..meetings).map(|_| mpsc::channel(1_024)).unzip();
        let opened = Arc::new(door.open(ways.clone(), acceptor, &config.limits));
        let record: Option<Record> = record.map(|record| Arc::new(Mutex::new(record)));
        let streams = ways.into_iter().zip(arrivals).enumerate().map(|(index, (events_in, events))| {
            let number = (meetings > 1).then_some(index);
            let zoom_config = zoom_config(&config, &servers, number, target.is_some());
            let clock = Clock::start();
            let zoom = Zoom::new(zoom_config, clock.now());
            let story = config.scenario.clone().map(|scenario| Story::new(scenario, zoom.start()));
            let pump = Pump {
                zoom,
                clock,
                story,
                limits: config.limits.clone(),
                keep_sent: config.keep_sent,
                linger: config.linger,
                record: record.clone(),
                target: target.clone(),
                unposted: config.unposted.clone(),
                events_in,
                seen: Arc::default(),
                _door: Arc::clone(&opened),
                guests: Guests::default(),
            };
            Self::run(pump, events, &servers, number, ca_pem.clone())
        });
        Ok(streams.collect())
    }

    fn run(
        mut pump: Pump,
        events: mpsc::Receiver<FromConnection>,
        servers: &[door::Server],
        number: Option<usize>,
        ca_pem: Option<Arc<str>>,
    ) -> Self {
        let Some(server) = servers.first() else { unreachable!("there is a server at least") };
        // The machine promises that nothing comes before the start webhook but validations.
        let mut first_posts = Vec::new();
        let start_webhook = loop {
            match pump.zoom.poll_output() {
                Some(Output::Webhook(post)) => {
                    first_posts.push(post.clone());
                    if post.purpose == Purpose::Event {
                        break post;
                    }
                }
                Some(_) => {}
                None => unreachable!("a stream starts with its webhook"),
            }
        };
        let seen = Arc::clone(&pump.seen);
        let (stop, stopped) = mpsc::channel(1);
        let (finish, finished) = watch::channel(false);
        let (meeting, start) = (Arc::clone(pump.zoom.meeting()), pump.zoom.start());
        let (instance, stream) = (pump.zoom.instance().clone(), pump.zoom.stream().clone());
        let task = tokio::spawn(pump.run(first_posts, events, stopped, finish));
        Self {
            address: server.signaling,
            media_address: server.media,
            signaling_url: server.signaling_url(number),
            ca_pem,
            start_webhook,
            meeting,
            start,
            instance,
            stream,
            seen,
            stop,
            finished,
            _pump: AbortOnDrop(task.abort_handle()),
        }
    }

    /// Where the first server listens for signaling.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where the first server listens for media.
    pub fn media_address(&self) -> SocketAddr {
        self.media_address
    }

    /// The certificate of the authority that clients have to trust, as PEM; none without TLS.
    pub fn ca_pem(&self) -> Option<&str> {
        self.ca_pem.as_deref()
    }

    /// Where signaling is; the same that the webhook says.
    pub fn signaling_url(&self) -> &str {
        &self.signaling_url
    }

    /// The body of the start webhook, byte for byte.
    pub fn start_webhook(&self) -> &Bytes {
        &self.start_webhook.body
    }

    /// The headers of the start webhook's first attempt.
    pub fn start_webhook_headers(&self) -> &[(&'static str, String)] {
        &self.start_webhook.headers
    }

    /// What is true in the meeting, past and future.
    pub fn meeting(&self) -> &Arc<Meeting> {
        &self.meeting
    }

    /// Time zero of the meeting.
    pub fn start_time(&self) -> UnixMillis {
        self.start
    }

    /// What is streamed.
    pub fn instance(&self) -> &InstanceId {
        &self.instance
    }

    /// The stream.
    pub fn stream(&self) -> &StreamId {
        &self.stream
    }

    /// Everything that was sent so far, in order; empty unless `keep_sent` is on.
    pub fn sent(&self) -> Vec<Sent> {
        lock(&self.seen).sent.clone()
    }

    /// How much was sent so far.
    pub fn counts(&self) -> SentCounts {
        lock(&self.seen).counts
    }

    /// What clients did wrong so far.
    pub fn findings(&self) -> Findings {
        lock(&self.seen).findings.clone()
    }

    /// What was posted so far, attempt by attempt; empty without a URL.
    pub fn deliveries(&self) -> Deliveries {
        lock(&self.seen).deliveries.clone()
    }

    /// How the stream went and what clients did wrong; none before [`Simulator::finished`].
    pub fn report(&self) -> Option<StreamReport> {
        lock(&self.seen).report.clone()
    }

    /// Ends the stream for this reason, as if somebody in the meeting had. [`Simulator::finished`] follows.
    pub async fn stop(&self, reason: StopReason) {
        // It fails only when the pump has ended, which is what was wanted.
        let _ = self.stop.send(reason).await;
    }

    /// Waits until the stream is over, every connection is closed, and the last webhook was answered or given up.
    pub async fn finished(&self) {
        let mut finished = self.finished.clone();
        // An error means that the pump is gone, which is as finished as can be.
        let _ = finished.wait_for(|finished| *finished).await;
    }
}

/// What the machine of one stream is told. `number` is the stream's among others.
fn zoom_config(
    config: &SimulatorConfig,
    servers: &[door::Server],
    number: Option<usize>,
    is_posted: bool,
) -> ZoomConfig {
    let mut urls = servers.iter().map(|server| config::Server {
        signaling_url: server.signaling_url(number),
        media_url: server.media_url(number),
    });
    let Some(first) = urls.next() else { unreachable!("there is a server at least") };
    let mut meeting = config.meeting.clone();
    if let Some(number) = number.and_then(|number| u64::try_from(number).ok()).filter(|number| *number > 0) {
        meeting.seed = Seed::new(meeting.seed).fork("another meeting", number).number();
    }
    ZoomConfig {
        product: config.product,
        meeting,
        app: config.app.clone(),
        granted: config.granted.unwrap_or_else(|| config::granted_by_default(config.product)),
        signaling_url: first.signaling_url,
        media_url: first.media_url,
        standby: urls.collect(),
        incidents: config.incidents.clone(),
        temper: config.temper.clone(),
        client_away: config.client_away.clone(),
        timing: config.timing.clone(),
        // Nobody can answer what is not posted.
        webhooks: if is_posted { config.webhooks.clone() } else { WebhookOptions::default() },
        webhooks_are_posted: is_posted,
        run: run_number(),
    }
}

/// A number that no other run has.
fn run_number() -> u64 {
    // The keys of the standard library's hasher are random, and no secret hangs on these.
    std::hash::RandomState::new().build_hasher().finish()
}

/// The only place that asks for the time.
#[derive(Clone, Copy, Debug)]
struct Clock {
    zero: Instant,
    zero_unix: UnixMillis,
}

impl Clock {
    #[expect(clippy::disallowed_methods, reason = "here the virtual clock of the machine is tied to the real one")]
    fn start() -> Self {
        let since_epoch = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        Self { zero: Instant::now(), zero_unix: UnixMillis(0) + since_epoch }
    }

    /// Unix time that never goes back, whatever happens to the wall clock.
    fn now(&self) -> UnixMillis {
        self.zero_unix + self.zero.elapsed()
    }

    fn instant_now(&self) -> Instant {
        self.zero + self.zero.elapsed()
    }

    fn instant(&self, at: UnixMillis) -> Instant {
        self.zero + at.since(self.zero_unix)
    }
}

fn lock(seen: &Mutex<Seen>) -> MutexGuard<'_, Seen> {
    // What is behind the lock is whole after every statement, so a panic elsewhere does not spoil it.
    seen.lock().unwrap_or_else(PoisonError::into_inner)
}
