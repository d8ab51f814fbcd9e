//! Thousands of streams that cost little: every stream is told the same sound, from WebSocket frames that are made once
//! and written to all, so that the client is what is measured.
//!
//! Handshakes, signatures and keep-alives are checked as ever. There is nothing else: no other media, no events but the
//! first, no windows for coming back (one may at any time), and webhooks are posted once.

mod frame;
mod pipe;
mod sound;
mod stream;

use std::{
    collections::BTreeMap,
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use rtms_sim::{
    config::{App, Timing},
    load::{LoadEvent, LoadSettings},
    seed::Seed,
    webhook::WebhookPost,
    zoom::{ConnectionId, Endpoint},
};
use rtms_wire::{
    Uri,
    codes::{product::Product, stop_reason::StopReason},
};
use tokio::{
    io::Interest,
    net::{TcpListener, TcpStream},
    sync::{Notify, watch},
    task::JoinSet,
    time::{sleep, sleep_until, timeout},
};

use crate::{
    abort_on_drop::AbortOnDrop,
    clock::Clock,
    door::{self, Addresses, Door, Serves},
    load::{
        frame::Said,
        pipe::{Pipe, Written},
        sound::Sound,
        stream::Stream,
    },
    post,
    run_number::run_number,
    start_error::StartError,
    upgrade,
};

/// The streams are sent to in turns within a packet's time, so that not everything comes at once.
const TURNS: u32 = 10;

/// Webhooks that are posted at a time.
const POSTS_AT_ONCE: usize = 64;

/// How often it is looked whether somebody is to be asked for a sign of life.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// How long clients may take for their upgrade, and for closing in the end.
const PATIENCE: Duration = Duration::from_secs(5);

/// A packet that is later than this was delayed.
const DELAYED_AFTER: Duration = Duration::from_millis(20);

/// Kinds of findings that are kept.
const MAX_FINDINGS: usize = 100;

/// What [`LoadServer::start`] is told.
#[derive(Clone, Debug)]
pub struct LoadConfig {
    /// Where signaling is served; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Where media is served; the same as `listen` puts both on one port, none takes a free one at the same address.
    pub media_listen: Option<SocketAddr>,
    /// How many streams.
    pub streams: usize,
    /// Packets a second to each of them. Each holds 20 ms of sound, so 50 are as fast as it is said.
    pub rate: u32,
    /// How long sound is sent.
    pub duration: Duration,
    /// Where webhooks are posted (`http` only); none means that nothing is posted and the caller reads
    /// [`LoadServer::start_webhooks`].
    pub webhook_url: Option<Uri>,
    /// PEM files with certificate authorities to trust for `webhook_url`, beside the system's.
    pub webhook_ca: Vec<PathBuf>,
    /// Which product streams.
    pub product: Product,
    /// The app that the streams are for.
    pub app: App,
    /// The streams' ids follow from it, from the time, and from what no other run has.
    pub seed: u64,
    /// The time between two keep-alive requests on a connection.
    pub keep_alive: Duration,
}

impl Default for LoadConfig {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            media_listen: None,
            streams: 1,
            rate: 50,
            duration: Duration::from_secs(20),
            webhook_url: None,
            webhook_ca: Vec::new(),
            product: Product::Meeting,
            app: App::default(),
            seed: 1,
            keep_alive: Timing::default().keep_alive,
        }
    }
}

/// What happened so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LoadCounts {
    /// Successful signaling handshakes.
    pub joins: u64,
    /// Successful data handshakes.
    pub media_connections: u64,
    /// Media connections that became ready for sound; a second message 7 for the same one does not count.
    pub ready: u64,
    /// From the start to the first and to the latest of them.
    pub ready_after: Option<(Duration, Duration)>,
    /// Packets that were due to somebody.
    pub offered: u64,
    /// Packets that the system took at once. What remains of `offered` waited for a client, or was lost.
    pub sent: u64,
    /// Packets that had to wait because the client had not read those before; they are sent as soon as it does.
    pub held_back: u64,
    /// Packets at which a client was given up because too much waited for it.
    pub lost: u64,
    /// Packets that were offered 20 ms or more after their time: the simulator was too slow.
    pub delayed: u64,
    /// The longest such delay, however short. Packets that are due together are sent together.
    pub behind: Duration,
    /// The number of keep-alive requests.
    pub keep_alives: u64,
    /// Connections that ended before the end of their stream, whoever ended them.
    pub ended_early: u64,
    /// Webhooks that were answered with 2xx.
    pub webhooks_accepted: u64,
    /// Webhooks that were not.
    pub webhooks_failed: u64,
}

/// Streams under load. Dropping it ends everything at once.
#[derive(Debug)]
pub struct LoadServer {
    address: SocketAddr,
    media_address: SocketAddr,
    start_webhooks: Vec<Bytes>,
    shared: Arc<Shared>,
    finished: watch::Receiver<bool>,
    _tasks: Vec<AbortOnDrop>,
}

struct Shared {
    streams: Vec<Stream>,
    clock: Clock,
    rate: u32,
    /// The connections that are sent the sound, by turn.
    turns: Vec<Mutex<Vec<Arc<Pipe>>>>,
    totals: Totals,
    findings: Mutex<BTreeMap<String, u64>>,
    ready_after: Mutex<Option<(Duration, Duration)>>,
    /// WebSockets so far, which are numbered by it.
    accepted: AtomicU64,
    open: AtomicUsize,
    is_ending: watch::Sender<bool>,
    stop: Notify,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").field("streams", &self.streams.len()).finish_non_exhaustive()
    }
}

#[derive(Debug, Default)]
struct Totals {
    joins: AtomicU64,
    media_connections: AtomicU64,
    ready: AtomicU64,
    offered: AtomicU64,
    sent: AtomicU64,
    held_back: AtomicU64,
    lost: AtomicU64,
    delayed: AtomicU64,
    behind_us: AtomicU64,
    keep_alives: AtomicU64,
    ended_early: AtomicU64,
    webhooks_accepted: AtomicU64,
    webhooks_failed: AtomicU64,
}

impl LoadServer {
    /// Listens, starts the streams and posts their webhooks, in tasks of the current runtime.
    ///
    /// # Errors
    /// [`StartError`] when an address is taken or the webhook URL cannot be used; nothing runs then.
    pub async fn start(config: LoadConfig) -> Result<Self, StartError> {
        let target = config.webhook_url.clone().map(|url| post::Target::new(url, &config.webhook_ca)).transpose()?;
        let places =
            Addresses { signaling: config.listen, media: config.media_listen, servers: 1, hosts: &[], tls: false };
        let door = Door::bind(places).await?;
        let Some(server) = door.servers.first().cloned() else { unreachable!("there is a server at least") };
        let clock = Clock::start();
        let now = clock.now();
        let settings = LoadSettings {
            product: config.product,
            app: config.app,
            keep_alive: config.keep_alive,
            keep_alive_misses: Timing::default().keep_alive_misses,
            media_params: Sound::params(),
        };
        let this_run = run_number();
        let streams = (0..config.streams.max(1)).map(|number| {
            let seed = Seed::new(config.seed ^ this_run).fork("another stream", number as u64).number();
            Stream::new(&settings, seed, server.signaling_url(Some(number)), server.media_url(Some(number)), now)
        });
        let shared = Arc::new(Shared {
            streams: streams.collect(),
            clock,
            rate: config.rate.max(1),
            turns: (0..TURNS).map(|_| Mutex::default()).collect(),
            totals: Totals::default(),
            findings: Mutex::default(),
            ready_after: Mutex::default(),
            accepted: AtomicU64::new(0),
            open: AtomicUsize::new(0),
            is_ending: watch::channel(false).0,
            stop: Notify::new(),
        });
        let posts: Vec<_> = shared.streams.iter().filter_map(|stream| stream.start_webhook(now)).collect();
        let start_webhooks = posts.iter().map(|post| post.body.clone()).collect();
        let (finish, finished) = watch::channel(false);
        let listening = door.into_listeners().map(|(listener, serves)| accept(listener, serves, Arc::clone(&shared)));
        let mut tasks: Vec<_> = listening.map(|task| AbortOnDrop(tokio::spawn(task).abort_handle())).collect();
        let run = run(Arc::clone(&shared), config.duration, target, posts, finish);
        tasks.push(AbortOnDrop(tokio::spawn(run).abort_handle()));
        Ok(Self {
            address: server.signaling,
            media_address: server.media,
            start_webhooks,
            shared,
            finished,
            _tasks: tasks,
        })
    }

    /// Where it listens for signaling.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where it listens for media.
    pub fn media_address(&self) -> SocketAddr {
        self.media_address
    }

    /// The bodies of the start webhooks, byte for byte, one for each stream.
    pub fn start_webhooks(&self) -> &[Bytes] {
        &self.start_webhooks
    }

    /// What happened so far.
    pub fn counts(&self) -> LoadCounts {
        let totals = &self.shared.totals;
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        LoadCounts {
            joins: read(&totals.joins),
            media_connections: read(&totals.media_connections),
            ready: read(&totals.ready),
            ready_after: *lock(&self.shared.ready_after),
            offered: read(&totals.offered),
            sent: read(&totals.sent),
            held_back: read(&totals.held_back),
            lost: read(&totals.lost),
            delayed: read(&totals.delayed),
            behind: Duration::from_micros(read(&totals.behind_us)),
            keep_alives: read(&totals.keep_alives),
            ended_early: read(&totals.ended_early),
            webhooks_accepted: read(&totals.webhooks_accepted),
            webhooks_failed: read(&totals.webhooks_failed),
        }
    }

    /// What clients did wrong so far, in words that fit after "the client …", and how often; the first hundred kinds.
    pub fn findings(&self) -> BTreeMap<String, u64> {
        lock(&self.shared.findings).clone()
    }

    /// Ends all streams before their time. [`LoadServer::finished`] follows.
    pub fn stop(&self) {
        self.shared.stop.notify_one();
    }

    /// Waits until all streams are over and the last webhook was answered or given up.
    pub async fn finished(&self) {
        let mut finished = self.finished.clone();
        // An error means that the task is gone, which is as finished as can be.
        let _ = finished.wait_for(|finished| *finished).await;
    }
}

async fn run(
    shared: Arc<Shared>,
    duration: Duration,
    target: Option<post::Target>,
    starts: Vec<WebhookPost>,
    finish: watch::Sender<bool>,
) {
    // Dropped with this task, and that ends them.
    let mut tasks = JoinSet::new();
    tasks.spawn(keep_alive(Arc::clone(&shared)));
    if let Some(target) = target.clone() {
        tasks.spawn(announce(Arc::clone(&shared), target, starts));
    }
    let reason = tokio::select! {
        () = play(&shared, duration) => StopReason::MeetingEnded,
        () = shared.stop.notified() => StopReason::HostTriggered,
    };
    tasks.shutdown().await;

    shared.is_ending.send_replace(true);
    for stream in &shared.streams {
        stream.begin_end(reason, shared.clock.now());
    }
    // What was sent is to be read before the end is known.
    sleep(Timing::default().farewell).await;
    for stream in &shared.streams {
        stream.end(reason, shared.clock.now());
    }
    let all_closed = async {
        while shared.open.load(Ordering::Relaxed) > 0 {
            sleep(DELAYED_AFTER).await;
        }
    };
    // Who does not answer the close frame is left.
    let _ = timeout(PATIENCE, all_closed).await;
    if let Some(target) = target {
        let now = shared.clock.now();
        let stops = shared.streams.iter().filter_map(|stream| stream.stop_webhook(reason, now)).collect();
        announce(Arc::clone(&shared), target, stops).await;
    }
    finish.send_replace(true);
}

/// Posts webhooks, once each.
async fn announce(shared: Arc<Shared>, target: post::Target, posts: Vec<WebhookPost>) {
    let answers = futures_util::stream::iter(posts).map(|post| post::post_once(&target, post));
    let mut answers = std::pin::pin!(answers.buffer_unordered(POSTS_AT_ONCE));
    while let Some(answer) = answers.next().await {
        let totals = &shared.totals;
        let counter = if answer.is_accepted() { &totals.webhooks_accepted } else { &totals.webhooks_failed };
        counter.fetch_add(1, Ordering::Relaxed);
    }
}

/// Sends the sound of `duration` to whoever is ready. Whoever's time has come more than once gets all that is due in
/// one go, so that the simulator catches up when it was held up itself.
async fn play(shared: &Shared, duration: Duration) {
    let sound = Sound::new();
    let zero = shared.clock.zero;
    let period_ns = 1_000_000_000 / u64::from(shared.rate);
    // The last of them is told in every turn, also in those that come after the end.
    let packets = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX) / period_ns;
    // A packet is complete when its time is over.
    let due = |packet: u64, turn: u64| {
        zero + Duration::from_nanos((packet + 1) * period_ns + turn * period_ns / u64::from(TURNS))
    };
    let mut turns: Vec<_> = (0..).zip(&shared.turns).map(|(turn, pipes)| (turn, 0, pipes)).collect();
    // Most turns get what the turn before got.
    let mut ready = (0..0, Bytes::new());
    while turns.iter().any(|(_, next, _)| *next < packets) {
        for (turn, next, pipes) in turns.iter_mut().filter(|(_, next, _)| *next < packets) {
            let at = due(*next, *turn);
            if at > shared.clock.instant_now() {
                sleep_until(at).await;
            } else {
                // Behind time or not, others have to live as well.
                tokio::task::yield_now().await;
            }
            let first = *next;
            let now = shared.clock.instant_now();
            while *next < packets && due(*next, *turn) <= now {
                *next += 1;
            }
            if ready.0 != (first..*next) {
                let frames: Vec<_> = (first..*next).map(|packet| sound.frame(packet, shared.clock.zero_unix)).collect();
                ready = (first..*next, frames.concat().into());
            }
            shared.send(&ready.1, *next - first, &mut lock(pipes), at.elapsed());
        }
    }
    sleep_until(zero + duration).await;
}

/// Sends keep-alive requests.
async fn keep_alive(shared: Arc<Shared>) {
    loop {
        sleep(LOOK_EVERY).await;
        let now = shared.clock.now();
        for stream in &shared.streams {
            let (asked, given_up) = stream.keep_alive(now);
            shared.totals.keep_alives.fetch_add(asked, Ordering::Relaxed);
            for _ in 0..given_up {
                shared.find("left keep-alive requests unanswered, and was cut off".to_owned());
            }
        }
    }
}

async fn accept(listener: TcpListener, serves: Serves, shared: Arc<Shared>) {
    let mut tasks = JoinSet::new();
    loop {
        match listener.accept().await {
            Ok((socket, _)) => {
                tasks.spawn(serve(Arc::clone(&shared), socket, serves));
            }
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                // Out of file descriptors, most likely; without a pause this would spin.
                sleep(DELAYED_AFTER).await;
            }
        }
        while tasks.try_join_next().is_some() {}
    }
}

/// Serves one connection from its first byte to its last.
async fn serve(shared: Arc<Shared>, mut socket: TcpStream, serves: Serves) {
    // A failure costs latency only.
    let _ = socket.set_nodelay(true);
    let upgraded = timeout(PATIENCE, async {
        let Some(request) = upgrade::read(&mut socket).await? else {
            upgrade::refuse(&mut socket, 400).await?;
            return Ok(None);
        };
        let route = door::route(&request.path, serves, true);
        match route.and_then(|(number, endpoint)| Some((shared.streams.get(number)?, number, endpoint))) {
            Some(found) => upgrade::grant(&mut socket, &request).await.map(|()| Some(found)),
            None => upgrade::refuse(&mut socket, 404).await.map(|()| None),
        }
    });
    let (stream, number, endpoint) = match upgraded.await {
        Ok(Ok(Some(found))) => found,
        Ok(Ok(None)) | Err(_) => return,
        Ok(Err(error)) => return tracing::debug!(%error, "a connection was no WebSocket"),
    };
    shared.open.fetch_add(1, Ordering::Relaxed);
    let id = ConnectionId(shared.accepted.fetch_add(1, Ordering::Relaxed) + 1);
    let pipe = Arc::new(Pipe::new(id, socket));
    shared.converse(stream, number, endpoint, &pipe).await;
    pipe.end();
    if stream.closed(&pipe) && !*shared.is_ending.borrow() {
        shared.totals.ended_early.fetch_add(1, Ordering::Relaxed);
    }
    shared.open.fetch_sub(1, Ordering::Relaxed);
}

impl Shared {
    /// Sends packets to these connections, and forgets those that are gone.
    fn send(&self, frames: &Bytes, packets: u64, pipes: &mut Vec<Arc<Pipe>>, behind: Duration) {
        let (mut offered, mut sent, mut held_back, mut lost) = (0, 0, 0, 0);
        pipes.retain(|pipe| {
            offered += packets;
            match pipe.send(frames) {
                Written::Whole => sent += packets,
                Written::Later => held_back += packets,
                Written::TooSlow(waiting_bytes) => {
                    lost += packets;
                    tracing::debug!(waiting_bytes, "a client is cut off");
                    self.find("read too slowly, and was cut off".to_owned());
                    return false;
                }
                Written::Gone => {
                    offered -= packets;
                    return false;
                }
            }
            true
        });
        let totals = &self.totals;
        totals.offered.fetch_add(offered, Ordering::Relaxed);
        totals.sent.fetch_add(sent, Ordering::Relaxed);
        totals.held_back.fetch_add(held_back, Ordering::Relaxed);
        totals.lost.fetch_add(lost, Ordering::Relaxed);
        if offered > 0 {
            totals.behind_us.fetch_max(u64::try_from(behind.as_micros()).unwrap_or(u64::MAX), Ordering::Relaxed);
            if behind >= DELAYED_AFTER {
                totals.delayed.fetch_add(offered, Ordering::Relaxed);
            }
        }
    }

    /// Listens to a client until it is gone or the pipe is over.
    async fn converse(&self, stream: &Stream, number: usize, endpoint: Endpoint, pipe: &Arc<Pipe>) {
        let mut buffer = BytesMut::new();
        while !pipe.is_over() {
            let interest = if pipe.flush() { Interest::READABLE } else { Interest::READABLE | Interest::WRITABLE };
            tokio::select! {
                ready = pipe.socket.ready(interest) => if ready.is_err() {
                    return;
                },
                () = pipe.changed() => continue,
            }
            buffer.reserve(1_024);
            match pipe.socket.try_read_buf(&mut buffer) {
                Ok(0) => return,
                Ok(_) => {}
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => continue,
                Err(_) => return,
            }
            loop {
                match frame::take(&mut buffer) {
                    Ok(None) => break,
                    Ok(Some(Said::Message(payload))) => self.hear(stream, number, endpoint, pipe, &payload),
                    Ok(Some(Said::Ping(payload))) => {
                        pipe.send(&frame::pong(&payload));
                    }
                    Ok(Some(Said::Pong)) => {}
                    Ok(Some(Said::Close)) => {
                        pipe.send(&frame::close());
                        pipe.flush();
                        return;
                    }
                    Err(frame::Malformed) => {
                        return self.find("sent something that is no WebSocket frame".to_owned());
                    }
                }
            }
            if buffer.is_empty() {
                // Most clients say nothing for seconds, and there are thousands of them.
                buffer = BytesMut::new();
            }
        }
    }

    fn hear(&self, stream: &Stream, number: usize, endpoint: Endpoint, pipe: &Arc<Pipe>, payload: &[u8]) {
        let now = self.clock.now();
        match stream.received(pipe, endpoint, payload, now) {
            LoadEvent::Nothing => {}
            LoadEvent::Mistake(mistake) => self.find(mistake),
            LoadEvent::Joined => {
                self.totals.joins.fetch_add(1, Ordering::Relaxed);
            }
            LoadEvent::MediaConnected => {
                self.totals.media_connections.fetch_add(1, Ordering::Relaxed);
            }
            LoadEvent::Ready(media) => {
                let Some(media) = stream.pipe(media) else { return };
                let Some(turn) = self.turns.get(number % self.turns.len().max(1)) else { return };
                let mut turn = lock(turn);
                if turn.iter().any(|known| Arc::ptr_eq(known, &media)) {
                    return;
                }
                turn.push(media);
                self.totals.ready.fetch_add(1, Ordering::Relaxed);
                let after = now.since(self.clock.zero_unix);
                let mut ready_after = lock(&self.ready_after);
                *ready_after = Some((ready_after.map_or(after, |(first, _)| first), after));
            }
        }
    }

    fn find(&self, mistake: String) {
        let mut findings = lock(&self.findings);
        if findings.len() < MAX_FINDINGS || findings.contains_key(&mistake) {
            *findings.entry(mistake).or_insert(0) += 1;
        }
    }
}

fn lock<T>(behind: &Mutex<T>) -> MutexGuard<'_, T> {
    // What is behind these locks is whole after every statement, so a panic elsewhere does not spoil it.
    behind.lock().unwrap_or_else(PoisonError::into_inner)
}
