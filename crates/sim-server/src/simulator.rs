//! One stream, or several, on real sockets.

use std::{
    io::Write,
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use bytes::Bytes;
use rtms_sim::{
    config::{self, WebhookOptions, ZoomConfig},
    findings::Findings,
    judge::StreamReport,
    meeting::Meeting,
    seed::Seed,
    sent::{Sent, SentCounts},
    webhook::{Deliveries, Purpose, WebhookPost},
    zoom::{Output, Zoom},
};
use rtms_wire::{
    codes::stop_reason::StopReason,
    ids::{InstanceId, StreamId},
    time::UnixMillis,
};
use tokio::sync::{mpsc, watch};

use crate::{
    abort_on_drop::AbortOnDrop,
    clock::Clock,
    config::SimulatorConfig,
    door::{self, Addresses, Door},
    from_connection::FromConnection,
    observed::{Observed, lock},
    post,
    pump::{Clients, PlayedScenario, Pump, Record},
    run_number::run_number,
    start_error::StartError,
    tls::Tls,
};

/// A running stream. Dropping it ends it at once, without a word to clients; the servers are gone with the last of
/// their streams.
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
    seen: Arc<Mutex<Observed>>,
    stop: mpsc::Sender<StopReason>,
    finished: watch::Receiver<bool>,
    /// Aborts the pump, and with it all connections, when the simulator is dropped.
    _pump: AbortOnDrop,
}

impl Simulator {
    /// Listens, starts the meeting and posts its webhook, in a task of the current runtime.
    ///
    /// # Errors
    /// [`StartError`] when the address is taken or the webhook URL cannot be used; nothing runs then.
    pub async fn start(config: SimulatorConfig) -> Result<Self, StartError> {
        Self::start_recording(config, None).await
    }

    /// Starts as [`Simulator::start`] does, and writes everything that is sent to `record`, a JSON object a line.
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

    /// Starts this many meetings, at least one, on the same servers: each has its own seed, which follows from the
    /// first one's, its own ids, its own path in the URLs, and its own webhooks. What goes wrong goes wrong in each of
    /// them.
    ///
    /// # Errors
    /// As [`Simulator::start_recording`].
    pub async fn start_many(
        config: SimulatorConfig,
        meetings: usize,
        record: Option<Box<dyn Write + Send>>,
    ) -> Result<Vec<Self>, StartError> {
        let meetings = meetings.max(1);
        let target = config.webhook_url.clone().map(|url| post::Target::new(url, &config.webhook_ca)).transpose()?;
        let tls = match config.tls {
            true => Some(Tls::new(config.listen.ip(), &config.hosts, config.ca_dir.as_deref())?),
            false => None,
        };
        let door = Door::bind(Addresses {
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
            let played = config.scenario.clone().map(|scenario| PlayedScenario::new(scenario, zoom.start()));
            let pump = Pump {
                zoom,
                clock,
                played,
                limits: config.limits.clone(),
                keep_sent: config.keep_sent,
                linger: config.linger,
                record: record.clone(),
                target: target.clone(),
                unposted: config.unposted.clone(),
                events_in,
                seen: Arc::default(),
                _door: Arc::clone(&opened),
                clients: Clients::default(),
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

    /// Returns the address where the first server listens for signaling.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns the address where the first server listens for media.
    pub fn media_address(&self) -> SocketAddr {
        self.media_address
    }

    /// Returns the certificate of the authority that clients have to trust, as PEM; none without TLS.
    pub fn ca_pem(&self) -> Option<&str> {
        self.ca_pem.as_deref()
    }

    /// Returns the URL of signaling, as in the webhook.
    pub fn signaling_url(&self) -> &str {
        &self.signaling_url
    }

    /// Returns the body of the start webhook, byte for byte.
    pub fn start_webhook(&self) -> &Bytes {
        &self.start_webhook.body
    }

    /// Returns the headers of the start webhook's first attempt.
    pub fn start_webhook_headers(&self) -> &[(&'static str, String)] {
        &self.start_webhook.headers
    }

    /// Returns the meeting, past and future.
    pub fn meeting(&self) -> &Arc<Meeting> {
        &self.meeting
    }

    /// Returns time zero of the meeting.
    pub fn start_time(&self) -> UnixMillis {
        self.start
    }

    /// Returns the id of what is streamed.
    pub fn instance(&self) -> &InstanceId {
        &self.instance
    }

    /// Returns the id of the stream.
    pub fn stream(&self) -> &StreamId {
        &self.stream
    }

    /// Returns everything that was sent so far, in order; empty unless `keep_sent` is on.
    pub fn sent(&self) -> Vec<Sent> {
        lock(&self.seen).sent.clone()
    }

    /// Returns how much was sent so far.
    pub fn counts(&self) -> SentCounts {
        lock(&self.seen).counts
    }

    /// Returns the findings so far.
    pub fn findings(&self) -> Findings {
        lock(&self.seen).findings.clone()
    }

    /// Returns what was posted so far, attempt by attempt; empty without a URL.
    pub fn deliveries(&self) -> Deliveries {
        lock(&self.seen).deliveries.clone()
    }

    /// Returns the report on the stream; none before [`Simulator::finished`].
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
