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

mod connection;
pub mod intake;
mod post;

use std::{
    collections::BTreeMap,
    io::Write,
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
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
    net::TcpListener,
    sync::{mpsc, watch},
    task::{AbortHandle, JoinSet},
    time::Instant,
};

use crate::{
    config::{self, App, Timing, WebhookOptions, ZoomConfig},
    findings::Findings,
    meeting::{Meeting, MeetingOptions},
    sent::{Sent, SentCounts, What},
    webhook::{Deliveries, Purpose, WebhookAnswer, WebhookPost},
    zoom::{ConnectionId, Ending, Input, Output, Zoom},
};

use connection::{FromConnection, Outgoing};

/// Everything that [`Simulator::start`] is told.
#[derive(Clone, Debug)]
pub struct SimulatorConfig {
    /// Where signaling and media are served; port 0 takes a free one. Loopback unless somebody asks for more.
    pub listen: SocketAddr,
    /// Where webhooks are posted (`http` only); none means that nobody is told and the caller reads [`Simulator::start_webhook`].
    pub webhook_url: Option<Uri>,
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
    /// Bounds on what clients can make the simulator hold.
    pub limits: Limits,
    /// Whether [`Simulator::sent`] is kept, payloads and all. Costs the memory of everything that is sent.
    pub keep_sent: bool,
}

impl Default for SimulatorConfig {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            webhook_url: None,
            webhooks: WebhookOptions::default(),
            product: Product::Meeting,
            meeting: MeetingOptions::default(),
            app: App::default(),
            granted: None,
            timing: Timing::default(),
            limits: Limits::default(),
            keep_sent: true,
        }
    }
}

/// Bounds on what clients can make the simulator hold.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Connections at a time; a rightful client has six at most.
    pub connections: usize,
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
}

/// A running simulator. Dropping it ends everything at once, without a word to clients.
#[derive(Debug)]
pub struct Simulator {
    address: SocketAddr,
    signaling_url: String,
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
        let target = config.webhook_url.clone().map(post::Target::new).transpose()?;
        let address = config.listen;
        let listener = TcpListener::bind(address).await.map_err(|source| StartError::Listen { address, source })?;
        let address = listener.local_addr().map_err(|source| StartError::Listen { address, source })?;
        let signaling_url = format!("ws://{address}{}", connection::SIGNALING_PATH);
        let clock = Clock::start();
        let mut zoom = Zoom::new(
            ZoomConfig {
                product: config.product,
                meeting: config.meeting,
                app: config.app,
                granted: config.granted.unwrap_or_else(|| config::granted_by_default(config.product)),
                signaling_url: signaling_url.clone(),
                media_url: format!("ws://{address}{}", connection::MEDIA_PATH),
                timing: config.timing,
                // Nobody can answer what is not posted.
                webhooks: if target.is_some() { config.webhooks } else { WebhookOptions::default() },
            },
            clock.now(),
        );
        // The machine promises that nothing comes before the start webhook but validations.
        let mut first_posts = Vec::new();
        let start_webhook = loop {
            match zoom.poll_output() {
                Some(Output::Webhook(post)) => {
                    first_posts.push(post.clone());
                    if post.purpose == Purpose::Event {
                        break post;
                    }
                }
                Some(Output::Send { .. } | Output::Close { .. }) => {}
                None => unreachable!("a stream starts with its webhook"),
            }
        };

        let seen = Arc::new(Mutex::new(Seen::default()));
        let (stop, stopped) = mpsc::channel(1);
        let (finish, finished) = watch::channel(false);
        let (meeting, start) = (Arc::clone(zoom.meeting()), zoom.start());
        let (instance, stream) = (zoom.instance().clone(), zoom.stream().clone());
        let (events_in, events) = mpsc::channel(1_024);
        let pump = Pump {
            zoom,
            clock,
            listener,
            limits: config.limits,
            keep_sent: config.keep_sent,
            record,
            target,
            events_in,
            outboxes: BTreeMap::new(),
            tasks: JoinSet::new(),
            last_connection: 0,
            seen: Arc::clone(&seen),
        };
        let task = tokio::spawn(pump.run(first_posts, events, stopped, finish));
        let _pump = AbortOnDrop(task.abort_handle());
        Ok(Self {
            address,
            signaling_url,
            start_webhook,
            meeting,
            start,
            instance,
            stream,
            seen,
            stop,
            finished,
            _pump,
        })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
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

    fn instant(&self, at: UnixMillis) -> Instant {
        self.zero + at.since(self.zero_unix)
    }
}

/// What waits to be written to one client.
#[derive(Debug)]
struct Outbox {
    queue: mpsc::UnboundedSender<Outgoing>,
    /// The bound of the queue is on bytes, so that is what is counted.
    waiting_bytes: Arc<AtomicUsize>,
    task: AbortHandle,
}

/// Carries inputs to the machine and outputs away from it.
struct Pump {
    zoom: Zoom,
    clock: Clock,
    listener: TcpListener,
    limits: Limits,
    keep_sent: bool,
    record: Option<Box<dyn Write + Send>>,
    target: Option<post::Target>,
    events_in: mpsc::Sender<FromConnection>,
    outboxes: BTreeMap<ConnectionId, Outbox>,
    tasks: JoinSet<()>,
    last_connection: u64,
    seen: Arc<Mutex<Seen>>,
}

impl Pump {
    async fn run(
        mut self,
        first_posts: Vec<WebhookPost>,
        mut events: mpsc::Receiver<FromConnection>,
        mut stopped: mpsc::Receiver<StopReason>,
        finish: watch::Sender<bool>,
    ) {
        for post in first_posts {
            self.post(post);
        }
        loop {
            self.carry_out();
            if self.zoom.is_finished() {
                break;
            }
            let deadline = self.zoom.next_deadline().map(|at| self.clock.instant(at));
            let room = self.tasks.len() < self.limits.connections;
            let input = tokio::select! {
                biased;
                Some(reason) = stopped.recv() => Input::Stop { reason },
                Some(event) = events.recv() => match self.arrived(event) {
                    Some(input) => input,
                    None => continue,
                },
                accepted = self.listener.accept(), if room => {
                    match accepted {
                        Ok((stream, peer)) => self.open(stream, peer),
                        Err(error) => {
                            tracing::warn!(%error, "a connection could not be accepted");
                            // Out of file descriptors, most likely; without a pause this would spin.
                            tokio::time::sleep(Duration::from_millis(20)).await;
                        }
                    }
                    continue;
                }
                Some(_) = self.tasks.join_next(), if !self.tasks.is_empty() => continue,
                () = wait_until(deadline) => Input::Time,
            };
            self.zoom.handle(input, self.clock.now());
        }
        self.say_goodbye().await;
        self.carry_out();
        if let Some(record) = &mut self.record
            && let Err(error) = record.flush()
        {
            tracing::warn!(%error, "the record of what was sent could not be finished");
        }
        finish.send_replace(true);
    }

    fn open(&mut self, stream: tokio::net::TcpStream, peer: SocketAddr) {
        self.last_connection += 1;
        let connection = ConnectionId(self.last_connection);
        tracing::debug!(connection = connection.0, %peer, "connection accepted");
        let (queue, outgoing) = mpsc::unbounded_channel();
        let waiting_bytes = Arc::new(AtomicUsize::new(0));
        let task = self.tasks.spawn(connection::run(
            connection,
            stream,
            self.limits.clone(),
            outgoing,
            Arc::clone(&waiting_bytes),
            self.events_in.clone(),
        ));
        self.outboxes.insert(connection, Outbox { queue, waiting_bytes, task });
    }

    fn arrived(&mut self, event: FromConnection) -> Option<Input> {
        match event {
            FromConnection::Opened { connection, endpoint } => Some(Input::Connected { connection, endpoint }),
            FromConnection::Said { connection, payload } => Some(Input::Received { connection, payload }),
            FromConnection::Ended { connection, ending } => {
                self.outboxes.remove(&connection);
                ending.map(|ending| Input::Closed { connection, ending })
            }
            FromConnection::WebhookAnswered { webhook, answer } => Some(Input::WebhookAnswered { webhook, answer }),
            FromConnection::WebhookAnsweredLate { webhook, attempt, status } => {
                Some(Input::WebhookAnsweredLate { webhook, attempt, status })
            }
        }
    }

    fn carry_out(&mut self) {
        while let Some(output) = self.zoom.poll_output() {
            match output {
                Output::Send { connection, text } => self.send(connection, text),
                Output::Close { connection, code } => {
                    if let Some(outbox) = self.outboxes.get(&connection) {
                        // It fails only when the connection has ended already.
                        let _ = outbox.queue.send(Outgoing::Close(code));
                    }
                }
                Output::Webhook(post) => self.post(post),
            }
        }
        let mut seen = lock(&self.seen);
        while let Some(sent) = self.zoom.poll_sent() {
            // What is only printed was not sent.
            if self.target.is_some() || !matches!(sent.what, What::Webhook { .. }) {
                seen.counts.count(&sent.what);
            }
            if let Some(record) = &mut self.record
                && let Err(error) = write_line(record, &sent)
            {
                tracing::warn!(%error, "the record of what was sent is given up");
                self.record = None;
            }
            if self.keep_sent {
                seen.sent.push(sent);
            }
        }
        if seen.findings.iter().count() != self.zoom.findings().iter().count()
            || seen.findings.dropped() != self.zoom.findings().dropped()
        {
            seen.findings = self.zoom.findings().clone();
        }
        if self.target.is_some() && seen.deliveries.changes() != self.zoom.deliveries().changes() {
            seen.deliveries = self.zoom.deliveries().clone();
        }
    }

    fn send(&mut self, connection: ConnectionId, text: String) {
        let Some(outbox) = self.outboxes.get(&connection) else { return };
        let waiting_bytes = outbox.waiting_bytes.fetch_add(text.len(), Ordering::Relaxed) + text.len();
        if waiting_bytes > self.limits.waiting_bytes {
            outbox.task.abort();
            self.outboxes.remove(&connection);
            let ending = Ending::TooSlow { waiting_bytes };
            self.zoom.handle(Input::Closed { connection, ending }, self.clock.now());
        } else {
            // It fails only when the connection has ended already.
            let _ = outbox.queue.send(Outgoing::Text(text));
        }
    }

    fn post(&mut self, post: WebhookPost) {
        let events = self.events_in.clone();
        match self.target.clone() {
            Some(target) => {
                tokio::spawn(post::post(target, post, events));
            }
            None => {
                let webhook = post.id;
                tokio::spawn(async move {
                    // Nobody is to be told, so nobody can fail to answer. It fails only when the pump has ended.
                    let answer = WebhookAnswer::Status(200);
                    let _ = events.send(FromConnection::WebhookAnswered { webhook, answer }).await;
                });
            }
        }
    }

    /// Gives the connections a moment for their close frames.
    async fn say_goodbye(&mut self) {
        let all = async { while self.tasks.join_next().await.is_some() {} };
        if tokio::time::timeout(connection::CLOSE_WITHIN * 2, all).await.is_err() {
            tracing::debug!("some connections did not close in time");
        }
    }
}

async fn wait_until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}

fn write_line(record: &mut dyn Write, sent: &Sent) -> std::io::Result<()> {
    serde_json::to_writer(&mut *record, sent)?;
    record.write_all(b"\n")
}

fn lock(seen: &Mutex<Seen>) -> MutexGuard<'_, Seen> {
    // What is behind the lock is whole after every statement, so a panic elsewhere does not spoil it.
    seen.lock().unwrap_or_else(PoisonError::into_inner)
}
