//! A wire log on real sockets: [`Replaying`] plays one [`Replay`] in real time, faster, or as fast as the client reads.

mod client;

use std::{
    collections::BTreeMap,
    fs::File,
    io::BufReader,
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
    str::FromStr,
    time::Duration,
};

use bytes::Bytes;
use rtms_sim::{
    config::App,
    replay::{
        Absence, Act, Played, Replay, Step,
        wire_log::{Contents, Lines, WireLogError},
    },
    webhook::{WebhookAnswer, WebhookPost},
    zoom::{Admission, ConnectionId, Endpoint},
};
use rtms_wire::{Uri, wire_log::WireLogLine};
use tokio::{
    sync::{mpsc, oneshot, watch},
    task::{AbortHandle, JoinError, JoinHandle, JoinSet},
    time::{Instant, sleep_until, timeout},
};
use tokio_websockets::Message;

use crate::{
    abort_on_drop::AbortOnDrop,
    clock::Clock,
    door::{Addresses, Door, DoorEntry},
    from_connection::FromConnection,
    limits::Limits,
    post,
    replay::client::Outgoing,
    socket::Destination,
    start_error::StartError,
    tls::Tls,
};

/// Frames that wait for one client. Whoever reads slowly makes the wire log wait, and no memory fills.
const QUEUE: usize = 64;

/// How long a client may not read at all before its connection is cut.
const READ_WITHIN: Duration = Duration::from_secs(30);

/// How long the word may take that all was read. It only keeps the order between signaling and media.
const ORDER_WITHIN: Duration = Duration::from_secs(5);

/// How long clients may take to leave after the end.
const LEAVE_WITHIN: Duration = Duration::from_secs(3);

/// The longest that a line is waited for, whatever time it has: no stream lasts as long, and no clock ends before.
const LONGEST_WAIT: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// Everything that [`Replaying::start`] is told.
#[derive(Clone, Debug)]
pub struct ReplayConfig {
    /// The wire log.
    pub wire_log: PathBuf,
    /// How fast it is played.
    pub speed: Speed,
    /// Whose handshakes are granted, and who signs the webhooks.
    pub app: App,
    /// Where signaling is served; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Where media is served; none takes a free port at the same address.
    pub media_listen: Option<SocketAddr>,
    /// The server's name in URLs; its address if there is none.
    pub host: Option<String>,
    /// Whether everything is served with TLS.
    pub tls: bool,
    /// The folder that keeps the authority over runs; none makes one for this run alone.
    pub ca_dir: Option<PathBuf>,
    /// Where the authority's certificate is written, as PEM.
    pub ca_out: Option<PathBuf>,
    /// Where the webhooks are posted (`http` only); none means that nobody is told.
    pub webhook_url: Option<Uri>,
    /// PEM files with certificate authorities to trust for `webhook_url`, beside the system's.
    pub webhook_ca: Vec<PathBuf>,
}

impl ReplayConfig {
    /// Plays this as it was, on free ports of loopback, for the test app.
    pub fn new(wire_log: impl Into<PathBuf>) -> Self {
        Self {
            wire_log: wire_log.into(),
            speed: Speed::Times(1.0),
            app: App::default(),
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            media_listen: None,
            host: None,
            tls: false,
            ca_dir: None,
            ca_out: None,
            webhook_url: None,
            webhook_ca: Vec::new(),
        }
    }
}

/// How fast a wire log is played.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Speed {
    /// This many times as fast as it was.
    Times(f64),
    /// As fast as the client reads.
    Max,
}

impl FromStr for Speed {
    type Err = NotASpeed;

    fn from_str(text: &str) -> Result<Self, NotASpeed> {
        if text == "max" {
            return Ok(Self::Max);
        }
        let times = text.parse().ok().filter(|times| (0.001..=1_000_000.0).contains(times));
        times.map(Self::Times).ok_or_else(|| NotASpeed(text.to_owned()))
    }
}

/// Text that is no speed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("\"{0}\" is no speed; use a number such as 0.5 or 10, or max")]
pub struct NotASpeed(String);

/// Why a wire log cannot be played.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// The file cannot be opened.
    #[error("cannot open {}: {source}", path.display())]
    Open {
        /// The path of the file.
        path: PathBuf,
        /// The error of the operating system.
        source: std::io::Error,
    },
    /// Something in it is wrong.
    #[error("{}, {source}", path.display())]
    WireLog {
        /// The path of the file.
        path: PathBuf,
        /// What is wrong.
        source: WireLogError,
    },
    /// There is no server to play it on.
    #[error(transparent)]
    Start(#[from] StartError),
    /// Nobody takes the webhook that says where the stream is.
    #[error("the start webhook was not accepted by {url}: {why}")]
    NotAccepted {
        /// Where it was posted.
        url: Uri,
        /// What came in place of a 2xx.
        why: String,
    },
    /// The task that plays broke.
    #[error("the replay broke: {0}")]
    Broke(#[from] JoinError),
}

/// How a replay ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    /// How far it came, in milliseconds of the wire log.
    pub at_ms: u64,
    /// Why it ended there.
    pub ending: ReplayEnding,
    /// How much was played.
    pub played: Played,
    /// What became of the stop webhook; none without a URL.
    pub stop_webhook: Option<WebhookAnswer>,
}

/// Why a replay ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReplayEnding {
    /// All of the wire log was played.
    Played,
    /// The client was missing.
    Absent(Absence),
    /// By [`Replaying::stop`].
    Stopped,
}

/// A wire log that is being played. Dropping it ends that at once.
#[derive(Debug)]
pub struct Replaying {
    signaling_url: String,
    start_webhook: Bytes,
    contents: Contents,
    progress_ms: watch::Receiver<u64>,
    stop: mpsc::Sender<()>,
    task: JoinHandle<Result<Summary, ReplayError>>,
    _abort: AbortOnDrop,
}

impl Replaying {
    /// Reads the wire log through, listens, posts the start webhook if there is a URL, and plays in a task of the
    /// current runtime.
    ///
    /// # Errors
    /// [`ReplayError`] if the wire log or an address cannot be used; nothing runs then.
    pub async fn start(config: ReplayConfig) -> Result<Self, ReplayError> {
        let contents = read(&config.wire_log)?;
        let target = config.webhook_url.clone().map(|url| post::Target::new(url, &config.webhook_ca)).transpose()?;
        let hosts: Vec<_> = config.host.clone().into_iter().collect();
        let tls = match config.tls {
            true => {
                let kept_in = config.ca_dir.as_deref();
                Some(Tls::new(config.listen.ip(), &hosts, kept_in).map_err(StartError::Tls)?)
            }
            false => None,
        };
        let places = Addresses {
            signaling: config.listen,
            media: config.media_listen,
            servers: 1,
            hosts: &hosts,
            tls: config.tls,
        };
        let door = Door::bind(places).await?;
        if let (Some(tls), Some(path)) = (&tls, &config.ca_out) {
            let cannot = |source| StartError::CaOut { path: path.clone(), source };
            std::fs::write(path, &tls.ca_pem).map_err(cannot)?;
        }
        let Some(server) = door.servers.first().cloned() else { unreachable!("there is a server at least") };
        let (signaling_url, media_url) = (server.signaling_url(None), server.media_url(None));
        let limits = Limits::default();
        let (events_in, events) = mpsc::channel(1_024);
        let door = door.open(tls.map(|tls| tls.acceptor), &limits, 1, false);
        let entry = door.enter(0, events_in.clone());

        let clock = Clock::start();
        let replay = Replay::new(contents.clone(), config.app, &media_url, clock.now());
        let start = replay.start_webhook(&signaling_url, clock.now());
        let start_webhook = start.body.clone();
        let (progress, progress_ms) = watch::channel(0);
        let (stop, stopped) = mpsc::channel(1);
        let conductor = Conductor {
            replay,
            wire_log: config.wire_log,
            clock,
            speed: config.speed,
            anchor: (clock.instant_now(), 0),
            limits,
            target,
            events_in,
            events,
            clients: BTreeMap::new(),
            tasks: JoinSet::new(),
            last_id: 0,
            last_endpoint: None,
            at_ms: 0,
            progress,
            _entry: entry,
        };
        let task = tokio::spawn(conductor.run(start, stopped));
        let abort = AbortOnDrop(task.abort_handle());
        Ok(Self { signaling_url, start_webhook, contents, progress_ms, stop, task, _abort: abort })
    }

    /// Where signaling is; the same that the webhook says.
    pub fn signaling_url(&self) -> &str {
        &self.signaling_url
    }

    /// The body of the start webhook, byte for byte.
    pub fn start_webhook(&self) -> &Bytes {
        &self.start_webhook
    }

    /// What is in the wire log.
    pub fn contents(&self) -> &Contents {
        &self.contents
    }

    /// How far it has come, in milliseconds of the wire log.
    pub fn progress_ms(&self) -> u64 {
        *self.progress_ms.borrow()
    }

    /// Ends it in order: the stop webhook, then the connections.
    pub fn stop(&self) {
        // A second wish adds nothing, and it fails only when all is over.
        let _ = self.stop.try_send(());
    }

    /// Waits until it is over.
    ///
    /// # Errors
    /// [`ReplayError`] if the start webhook was not accepted, or the file has changed and cannot be read any more.
    pub async fn finished(&mut self) -> Result<Summary, ReplayError> {
        (&mut self.task).await?
    }
}

fn read(path: &PathBuf) -> Result<Contents, ReplayError> {
    Contents::read(open(path)?).map_err(|source| ReplayError::WireLog { path: path.clone(), source })
}

fn open(path: &PathBuf) -> Result<BufReader<File>, ReplayError> {
    let file = File::open(path).map_err(|source| ReplayError::Open { path: path.clone(), source })?;
    Ok(BufReader::with_capacity(256 << 10, file))
}

/// A client's connection.
#[derive(Debug)]
struct Seat {
    endpoint: Endpoint,
    queue: mpsc::Sender<Outgoing>,
    task: AbortHandle,
}

/// Carries the lines of the wire log to the machine, and what they ask for to the clients.
struct Conductor {
    replay: Replay,
    wire_log: PathBuf,
    clock: Clock,
    speed: Speed,
    /// This time of the wire log was at this moment.
    anchor: (Instant, u64),
    limits: Limits,
    target: Option<post::Target>,
    events_in: mpsc::Sender<FromConnection>,
    events: mpsc::Receiver<FromConnection>,
    clients: BTreeMap<ConnectionId, Seat>,
    tasks: JoinSet<()>,
    last_id: u64,
    /// Where the last frame went.
    last_endpoint: Option<Endpoint>,
    at_ms: u64,
    progress: watch::Sender<u64>,
    _entry: DoorEntry,
}

impl Conductor {
    async fn run(mut self, start: WebhookPost, mut stopped: mpsc::Receiver<()>) -> Result<Summary, ReplayError> {
        let ending = tokio::select! {
            biased;
            ending = self.play_all(start) => ending?,
            Some(()) = stopped.recv() => ReplayEnding::Stopped,
        };
        self.settle(Endpoint::Media).await;
        self.settle(Endpoint::Signaling).await;
        let stop_webhook = match (self.target.clone(), ending) {
            (None, _) | (_, ReplayEnding::Absent(Absence::NobodyCame)) => None,
            (Some(target), ReplayEnding::Played | ReplayEnding::Absent(Absence::Left) | ReplayEnding::Stopped) => {
                let stop = self.replay.stop_webhook(self.clock.now());
                Some(self.attending(async move { post::post_once(&target, stop).await }).await)
            }
        };
        self.drain().await;
        Ok(Summary { at_ms: self.at_ms, ending, played: self.replay.played().clone(), stop_webhook })
    }

    async fn play_all(&mut self, start: WebhookPost) -> Result<ReplayEnding, ReplayError> {
        if let Some(target) = self.target.clone() {
            let url = target.url().clone();
            let answer = self.attending(async move { post::post_once(&target, start).await }).await;
            if !answer.is_accepted() {
                return Err(ReplayError::NotAccepted { url, why: why_not(&answer) });
            }
        }
        let path = self.wire_log.clone();
        let bad = |source| ReplayError::WireLog { path: path.clone(), source };
        // A line takes microseconds to read from a file that was just read through; a thread for it would cost more.
        let (_, mut lines) = Lines::open(open(&path)?).map_err(bad)?;
        self.anchor = (self.clock.instant_now(), 0);
        while let Some(line) = lines.next().map_err(bad)? {
            self.until_due(line.ms).await;
            if let Some(absence) = self.play(&line).await {
                return Ok(ReplayEnding::Absent(absence));
            }
            self.at_ms = self.at_ms.max(line.ms);
            self.progress.send_replace(self.at_ms);
        }
        Ok(ReplayEnding::Played)
    }

    async fn until_due(&mut self, ms: u64) {
        let Speed::Times(times) = self.speed else { return };
        let (moment, zero_ms) = self.anchor;
        let due = moment + lasts(Duration::from_millis(ms.saturating_sub(zero_ms)), times);
        if self.clock.instant_now() < due {
            self.attending(sleep_until(due)).await;
        }
    }

    /// Plays one line, when the client has come far enough. The time that this takes is none in the wire log.
    async fn play(&mut self, line: &WireLogLine<'_>) -> Option<Absence> {
        loop {
            match self.replay.play(line, self.clock.now()) {
                Step::Do(acts) => {
                    for act in acts {
                        self.carry_out(act).await;
                    }
                    return None;
                }
                Step::Wait(until) => {
                    let until = self.clock.instant(until);
                    tokio::select! {
                        biased;
                        Some(event) = self.events.recv() => self.arrived(event),
                        () = sleep_until(until) => {}
                    }
                    self.anchor = (self.clock.instant_now(), line.ms);
                }
                Step::Over(absence) => return Some(absence),
            }
        }
    }

    /// Does what an event asks for at once, while some work is awaited.
    async fn attending<T>(&mut self, work: impl Future<Output = T>) -> T {
        tokio::pin!(work);
        loop {
            tokio::select! {
                biased;
                Some(event) = self.events.recv() => self.arrived(event),
                done = &mut work => return done,
            }
        }
    }

    fn arrived(&mut self, event: FromConnection) {
        match event {
            FromConnection::UpgradeAsked { answer, .. } => {
                // It fails only when they have gone again.
                let _ = answer.send(Admission::Welcome);
            }
            FromConnection::Upgraded { destination: Destination { endpoint, .. }, socket } => {
                self.last_id += 1;
                let connection = ConnectionId(self.last_id);
                let (queue, outgoing) = mpsc::channel(QUEUE);
                let serving = client::run(connection, socket, self.limits.clone(), outgoing, self.events_in.clone());
                let task = self.tasks.spawn(serving);
                self.clients.insert(connection, Seat { endpoint, queue, task });
                self.replay.connected(connection, endpoint);
            }
            FromConnection::Received { connection, payload } => {
                for act in self.replay.received(connection, &payload, self.clock.now()) {
                    self.answer(act);
                }
            }
            FromConnection::Ended { connection, .. } => self.forget(connection),
            // Nobody here sends these.
            FromConnection::LeftOpen { .. }
            | FromConnection::WebhookAnswered { .. }
            | FromConnection::WebhookAnsweredLate { .. } => {}
        }
        while self.tasks.try_join_next().is_some() {}
    }

    /// An answer to a handshake: nothing was said on the connection before, so there is room.
    fn answer(&mut self, act: Act) {
        let Some((connection, outgoing)) = written(act) else { return };
        if let Some(seat) = self.clients.get(&connection) {
            // It fails only when the connection has ended already.
            let _ = seat.queue.try_send(outgoing);
        }
    }

    async fn carry_out(&mut self, act: Act) {
        let (Act::Send { connection, .. } | Act::Close { connection, .. } | Act::Cut { connection }) = act;
        let Some(endpoint) = self.clients.get(&connection).map(|seat| seat.endpoint) else { return };
        // What was said on media before a word on signaling is to be read before it, and the other way round: they are
        // different sockets, and at high speed an end would overtake what came before it.
        if let Some(last) = self.last_endpoint.replace(endpoint).filter(|last| *last != endpoint) {
            self.settle(last).await;
        }
        match written(act) {
            Some((_, outgoing)) => self.say(connection, outgoing).await,
            None => self.forget(connection),
        }
    }

    /// Queues it as soon as there is room.
    async fn say(&mut self, connection: ConnectionId, outgoing: Outgoing) {
        let Some(queue) = self.clients.get(&connection).map(|seat| seat.queue.clone()) else { return };
        let room = timeout(READ_WITHIN, queue.reserve_owned());
        match self.attending(room).await {
            Ok(Ok(room)) => {
                room.send(outgoing);
            }
            // It has ended, which is told by an event.
            Ok(Err(_)) => {}
            Err(_) => {
                tracing::warn!(connection = connection.0, "a client does not read, its connection is cut");
                self.forget(connection);
            }
        }
    }

    /// Waits until clients have read everything that was said on these connections.
    async fn settle(&mut self, endpoint: Endpoint) {
        let connections = self.clients.iter().filter(|(_, seat)| seat.endpoint == endpoint);
        let connections: Vec<_> = connections.map(|(connection, _)| *connection).collect();
        let mut reading = Vec::new();
        for connection in connections {
            let (read, is_read) = oneshot::channel();
            self.say(connection, Outgoing::WhenRead(read)).await;
            reading.push(is_read);
        }
        let all = async {
            for is_read in reading {
                // An error means that the connection is gone.
                let _ = is_read.await;
            }
        };
        if self.attending(timeout(ORDER_WITHIN, all)).await.is_err() {
            tracing::debug!("a client does not answer a ping in time");
        }
    }

    fn forget(&mut self, connection: ConnectionId) {
        if let Some(seat) = self.clients.remove(&connection) {
            seat.task.abort();
            self.replay.closed(connection, self.clock.now());
        }
    }

    /// Waits a moment for clients to leave by themselves, then closes the rest.
    async fn drain(&mut self) {
        let leave_by = self.clock.instant_now() + LEAVE_WITHIN;
        let is_told = self.target.is_some();
        while is_told && !self.clients.is_empty() && self.clock.instant_now() < leave_by {
            tokio::select! {
                Some(event) = self.events.recv() => self.arrived(event),
                () = sleep_until(leave_by) => {}
            }
        }
        for connection in self.clients.keys().copied().collect::<Vec<_>>() {
            self.answer(Act::Close { connection, code: 1000 });
        }
        let leave_by = self.clock.instant_now() + LEAVE_WITHIN;
        while !self.clients.is_empty() && self.clock.instant_now() < leave_by {
            tokio::select! {
                Some(event) = self.events.recv() => self.arrived(event),
                () = sleep_until(leave_by) => {}
            }
        }
    }
}

/// What is to be written for it; nothing for a cut.
fn written(act: Act) -> Option<(ConnectionId, Outgoing)> {
    match act {
        Act::Send { connection, is_text: true, payload } => {
            // What the log has as text is text.
            let text = String::from_utf8_lossy(&payload).into_owned();
            Some((connection, Outgoing::Send(Message::text(text))))
        }
        Act::Send { connection, is_text: false, payload } => {
            Some((connection, Outgoing::Send(Message::binary(payload))))
        }
        Act::Close { connection, code } => Some((connection, Outgoing::Close(code))),
        Act::Cut { .. } => None,
    }
}

/// How long this time of the wire log lasts, so many times as fast.
fn lasts(time: Duration, times: f64) -> Duration {
    Duration::try_from_secs_f64(time.as_secs_f64() / times).map_or(LONGEST_WAIT, |time| time.min(LONGEST_WAIT))
}

fn why_not(answer: &WebhookAnswer) -> String {
    match answer {
        WebhookAnswer::Status(status) | WebhookAnswer::Body { status, .. } => format!("it answered {status}"),
        WebhookAnswer::TimedOut => "no answer in 3 s".to_owned(),
        WebhookAnswer::Failed(why) => why.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_speed_is_a_factor_or_max() {
        assert_eq!("max".parse(), Ok(Speed::Max));
        assert_eq!("0.5".parse(), Ok(Speed::Times(0.5)));
        for wrong in ["0", "-1", "fast", "NaN", "inf", ""] {
            assert_eq!(wrong.parse::<Speed>(), Err(NotASpeed(wrong.to_owned())));
        }
    }

    #[test]
    fn a_time_that_nobody_can_mean_is_waited_for_all_the_same() {
        assert_eq!(lasts(Duration::from_secs(10), 4.0), Duration::from_millis(2_500));
        assert_eq!(lasts(Duration::from_secs(10), 0.001), Duration::from_secs(10_000));
        assert_eq!(lasts(Duration::from_millis(u64::MAX), 0.001), LONGEST_WAIT);
    }
}
