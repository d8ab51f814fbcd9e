//! Where clients come in: the listeners of all servers, TLS, the upgrade, and the way to the stream that a path names.

use std::{
    collections::BTreeMap,
    fmt::Debug,
    net::{IpAddr, SocketAddr},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use rtms_sim::zoom::{Admission, Endpoint};
use rtms_slots::{Slot, Slots};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot},
    task::JoinSet,
    time::timeout,
};
use tokio_rustls::TlsAcceptor;

use crate::{
    abort_on_drop::AbortOnDrop,
    from_connection::FromConnection,
    limits::Limits,
    socket::{Destination, Io, UpgradedSocket},
    start_error::StartError,
    upgrade,
};

/// Where signaling is served.
const SIGNALING_PATH: &str = "/signaling";

/// Below here media is served, a path for each key of message 2. The paths are one server: message 3 says what is
/// wanted.
const MEDIA_PATH: &str = "/media";

/// How long somebody who is sent away may take to notice.
const REFUSE_WITHIN: Duration = Duration::from_secs(1);

/// One of Zoom's servers: where it listens, and its URLs without what names a stream.
#[derive(Clone, Debug)]
pub(crate) struct Server {
    pub(crate) signaling: SocketAddr,
    pub(crate) media: SocketAddr,
    scheme: &'static str,
    host: String,
}

impl Server {
    /// The URL of signaling for this stream; none means that there is one stream only.
    pub(crate) fn signaling_url(&self, stream: Option<usize>) -> String {
        self.url(self.signaling.port(), SIGNALING_PATH, stream)
    }

    /// The URL below which the stream's media is.
    pub(crate) fn media_url(&self, stream: Option<usize>) -> String {
        self.url(self.media.port(), MEDIA_PATH, stream)
    }

    fn url(&self, port: u16, path: &str, stream: Option<usize>) -> String {
        let stream = stream.map(|stream| format!("/{stream}")).unwrap_or_default();
        format!("{}://{}:{port}{path}{stream}", self.scheme, self.host)
    }
}

/// Listeners that do not accept yet.
#[derive(Debug)]
pub(crate) struct Door {
    pub(crate) servers: Vec<Server>,
    listeners: Vec<(TcpListener, usize, Serves)>,
}

/// What is served on a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Serves {
    Signaling,
    Media,
    Both,
}

/// Where [`Door::bind`] listens.
#[derive(Debug)]
pub(crate) struct Addresses<'a> {
    /// Signaling of the first server.
    pub(crate) signaling: SocketAddr,
    /// Its media; none takes a port from the system.
    pub(crate) media: Option<SocketAddr>,
    /// How many servers. All but the first take ports from the system.
    pub(crate) servers: usize,
    /// Their names in URLs, in turns; the address if there are none.
    pub(crate) hosts: &'a [String],
    /// Whether their URLs are `wss`.
    pub(crate) tls: bool,
}

impl Door {
    pub(crate) async fn bind(places: Addresses<'_>) -> Result<Self, StartError> {
        let mut door = Self { servers: Vec::new(), listeners: Vec::new() };
        let any_port = |address: SocketAddr| SocketAddr::new(address.ip(), 0);
        for index in 0..places.servers.max(1) {
            let (signaling, media) = if index == 0 {
                (places.signaling, places.media.unwrap_or_else(|| any_port(places.signaling)))
            } else {
                (any_port(places.signaling), any_port(places.media.unwrap_or(places.signaling)))
            };
            let is_one_port = signaling == media && signaling.port() != 0;
            let serves = if is_one_port { Serves::Both } else { Serves::Signaling };
            let signaling = door.listen(signaling, index, serves).await?;
            let media = if is_one_port { signaling } else { door.listen(media, index, Serves::Media).await? };
            let host = places.hosts.iter().cycle().nth(index).cloned().unwrap_or_else(|| in_url(signaling.ip()));
            let scheme = if places.tls { "wss" } else { "ws" };
            door.servers.push(Server { signaling, media, scheme, host });
        }
        Ok(door)
    }

    async fn listen(&mut self, address: SocketAddr, server: usize, serves: Serves) -> Result<SocketAddr, StartError> {
        let failed = |source| StartError::Listen { address, source };
        let listener = TcpListener::bind(address).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        self.listeners.push((listener, server, serves));
        Ok(address)
    }

    /// The listeners, and what each serves, for who lets people in by himself.
    pub(crate) fn into_listeners(self) -> impl Iterator<Item = (TcpListener, Serves)> {
        self.listeners.into_iter().map(|(listener, _, serves)| (listener, serves))
    }

    /// Accepts connections until the last [`OpenDoor`] is dropped. `most_streams` is how many streams there may be at
    /// once; paths name the stream unless `is_numbered` is false.
    pub(crate) fn open(
        self,
        tls: Option<TlsAcceptor>,
        limits: &Limits,
        most_streams: usize,
        is_numbered: bool,
    ) -> Arc<OpenDoor> {
        let connections = limits.connections.min(Semaphore::MAX_PERMITS);
        let routes = Arc::new(Routes {
            streams: Mutex::default(),
            is_numbered,
            connections,
            tls,
            upgrade_within: limits.upgrade_within,
            lobby: Slots::new(limits.without_upgrade.max(connections.saturating_mul(most_streams))),
            is_full: AtomicBool::new(false),
        });
        let listening = self.listeners.into_iter().map(|(listener, server, serves)| {
            let task = tokio::spawn(accept(listener, server, serves, Arc::clone(&routes)));
            AbortOnDrop(task.abort_handle())
        });
        Arc::new(OpenDoor { servers: self.servers, _listening: listening.collect(), routes })
    }
}

/// A door that lets clients in. Dropping it closes it.
#[derive(Debug)]
pub(crate) struct OpenDoor {
    pub(crate) servers: Vec<Server>,
    routes: Arc<Routes>,
    _listening: Vec<AbortOnDrop>,
}

impl OpenDoor {
    /// Lets clients of this stream in, whose connections report to `events`, until the entry is dropped.
    pub(crate) fn enter(self: &Arc<Self>, number: usize, events: mpsc::Sender<FromConnection>) -> DoorEntry {
        let room = Arc::new(Semaphore::new(self.routes.connections));
        self.routes.streams().insert(number, Route { events, room });
        DoorEntry { door: Arc::clone(self), number }
    }

    /// The first server.
    pub(crate) fn first(&self) -> &Server {
        let Some(server) = self.servers.first() else { unreachable!("there is a server at least") };
        server
    }

    /// What paths name this stream by; nothing if there is one stream only.
    pub(crate) fn in_paths(&self, number: usize) -> Option<usize> {
        self.routes.is_numbered.then_some(number)
    }
}

/// The entry of one stream in the list of those whose clients are let in. Dropping it takes the stream off.
#[derive(Debug)]
pub(crate) struct DoorEntry {
    door: Arc<OpenDoor>,
    number: usize,
}

impl Drop for DoorEntry {
    fn drop(&mut self) {
        self.door.routes.streams().remove(&self.number);
    }
}

/// An IPv6 address stands in brackets in a URL.
fn in_url(address: IpAddr) -> String {
    match address {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => format!("[{address}]"),
    }
}

/// The way to one stream.
#[derive(Clone, Debug)]
struct Route {
    events: mpsc::Sender<FromConnection>,
    /// What WebSockets the stream may have.
    room: Arc<Semaphore>,
}

/// From a connection to the stream that it is for.
struct Routes {
    /// By the number in their paths.
    streams: Mutex<BTreeMap<usize, Route>>,
    /// Whether paths name the stream.
    is_numbered: bool,
    /// The number of WebSockets that a stream may have.
    connections: usize,
    tls: Option<TlsAcceptor>,
    upgrade_within: Duration,
    /// Where connections are until they have asked for a WebSocket.
    lobby: Slots,
    /// Whether it was full when the last connection came; logged when that begins.
    is_full: AtomicBool,
}

impl Debug for Routes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Routes").field("streams", &self.streams().len()).finish_non_exhaustive()
    }
}

async fn accept(listener: TcpListener, server: usize, serves: Serves, routes: Arc<Routes>) {
    let mut tasks = JoinSet::new();
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => {
                tracing::debug!(%peer, "connection accepted");
                let place = routes.lobby.take();
                if place.has_evicted() && !routes.is_full.load(Ordering::Relaxed) {
                    tracing::warn!("too many connections have not asked for a WebSocket yet; the oldest are closed");
                }
                routes.is_full.store(place.has_evicted(), Ordering::Relaxed);
                let routes = Arc::clone(&routes);
                tasks.spawn(async move { routes.receive(stream, server, serves, place).await });
            }
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                // Out of file descriptors, most likely; without a pause this would spin.
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
        while tasks.try_join_next().is_some() {}
    }
}

impl Routes {
    fn streams(&self) -> MutexGuard<'_, BTreeMap<usize, Route>> {
        // What is behind the lock is whole after every statement, so a panic elsewhere does not spoil it.
        self.streams.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn receive(&self, stream: TcpStream, server: usize, serves: Serves, mut place: Slot) {
        // A failure costs latency only.
        let _ = stream.set_nodelay(true);
        let asked = timeout(self.upgrade_within, async {
            let mut io: Box<dyn Io> = match &self.tls {
                Some(tls) => Box::new(tls.accept(stream).await?),
                None => Box::new(stream),
            };
            let request = upgrade::read(&mut io).await?;
            Ok::<_, std::io::Error>((io, request))
        });
        let asked = tokio::select! {
            biased;
            asked = asked => asked,
            () = place.evicted() => return tracing::debug!("a connection made room for another"),
        };
        let (mut io, request) = match asked {
            Ok(Ok((io, Some(request)))) => (io, request),
            Ok(Ok((io, None))) => return send_away(io, 400).await,
            Ok(Err(error)) => return tracing::debug!(%error, "a connection was no WebSocket"),
            Err(_) => return tracing::debug!("a connection asked for no WebSocket in time"),
        };
        let route = route(&request.path, serves, self.is_numbered);
        let route = route.and_then(|(number, endpoint)| Some((self.streams().get(&number)?.clone(), endpoint)));
        let Some((Route { events: stream, room }, endpoint)) = route else {
            tracing::warn!(path = request.path, "somebody asked for a path that is not there");
            return send_away(io, 404).await;
        };
        let Some(room) = self.room(room, place).await else { return send_away(io, 503).await };
        let destination = Destination { endpoint, server };
        let (answer, answered) = oneshot::channel();
        // Either fails only when the stream is over and everything of it is gone.
        let is_there = stream.send(FromConnection::UpgradeAsked { destination, answer }).await.is_ok();
        let admission = if is_there { answered.await.unwrap_or(Admission::Cut) } else { Admission::Status(404) };
        match admission {
            Admission::Welcome => {
                if upgrade::grant(&mut io, &request).await.is_ok() {
                    let _ = stream
                        .send(FromConnection::Upgraded { destination, socket: UpgradedSocket { io, room } })
                        .await;
                }
            }
            Admission::Status(status) => send_away(io, status).await,
            Admission::Silence => {
                // Until the client loses patience.
                let mut ignored = [0; 64];
                while tokio::io::AsyncReadExt::read(&mut io, &mut ignored).await.is_ok_and(|read| read > 0) {}
            }
            Admission::Cut => {}
        }
    }

    /// Waits for room for a WebSocket; none if there is none in time, or somebody else needs the place in the lobby.
    async fn room(&self, room: Arc<Semaphore>, mut place: Slot) -> Option<OwnedSemaphorePermit> {
        if let Ok(room) = Arc::clone(&room).try_acquire_owned() {
            return Some(room);
        }
        tracing::warn!("all WebSockets that the stream may have are there; one more waits until another one ends");
        tokio::select! {
            biased;
            // The semaphore is never closed.
            room = timeout(self.upgrade_within, room.acquire_owned()) => room.ok()?.ok(),
            () = place.evicted() => None,
        }
    }
}

/// Which stream a path is for, and which kind of connection; none if there is no such path on this port.
pub(crate) fn route(path: &str, serves: Serves, is_numbered: bool) -> Option<(usize, Endpoint)> {
    let below = |base| match path.strip_prefix(base)? {
        "" => Some(""),
        rest => rest.strip_prefix('/'),
    };
    let signaling = below(SIGNALING_PATH).filter(|_| serves != Serves::Media).map(|rest| (rest, Endpoint::Signaling));
    let media = below(MEDIA_PATH).filter(|_| serves != Serves::Signaling).map(|rest| (rest, Endpoint::Media));
    let (rest, endpoint) = signaling.or(media)?;
    let (stream, rest) = if is_numbered {
        let (number, rest) = rest.split_once('/').unwrap_or((rest, ""));
        (number.parse().ok()?, rest)
    } else {
        (0, rest)
    };
    (endpoint == Endpoint::Media || rest.is_empty()).then_some((stream, endpoint))
}

async fn send_away(mut io: Box<dyn Io>, status: u16) {
    // The client may be gone already.
    let _ = timeout(REFUSE_WITHIN, upgrade::refuse(&mut io, status)).await;
}
