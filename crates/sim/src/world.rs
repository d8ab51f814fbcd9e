//! A world in memory: one [`Zoom`], one client, a network between them, and a clock that jumps from one event to the
//! next.
//!
//! An hour of meeting takes milliseconds, and the same seed gives the same bytes. The client is anything that
//! implements [`Client`]: the world knows nothing of how it is made.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use bytes::Bytes;
use rtms_wire::time::UnixMillis;

use crate::{
    config::{Server, ZoomConfig},
    connection::{ConnectionId, Ending, Endpoint},
    seed::Seed,
    sent::Sent,
    webhook::{
        answer::{ANSWER_WITHIN, WebhookAnswer},
        post::{WebhookId, WebhookPost},
    },
    zoom::{
        input::Input,
        machine::Zoom,
        output::{Admission, Output},
    },
};

/// A client to be tried against Zoom, in the world's time and on the world's network.
pub trait Client {
    /// Takes an event.
    fn handle(&mut self, event: ToClient, now: UnixMillis);

    /// Returns the next action; asked until there is none.
    fn poll(&mut self) -> Option<FromClient>;

    /// When [`ToClient::Time`] is due at the latest.
    fn next_deadline(&self) -> Option<UnixMillis>;

    /// Whether it answers a close frame and lets the connection go, as WebSocket libraries do by themselves.
    fn answers_close(&self, _link: Link) -> bool {
        true
    }
}

/// One attempt of the client's to connect, and the connection it becomes. The client chooses numbers and never uses one
/// twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Link(pub u64);

/// What happens to a client.
#[derive(Clone, Debug)]
pub enum ToClient {
    /// A webhook was posted to it; it is to answer by [`FromClient::Answer`].
    Webhook(WebhookPost),
    /// The WebSocket upgrade succeeded.
    Opened(Link),
    /// The WebSocket upgrade failed, for this reason.
    Refused(Link, String),
    /// A message came.
    Message(Link, Bytes),
    /// The other side closed in order, by itself or in answer to [`FromClient::Close`].
    Closed(Link),
    /// The connection was cut.
    Cut(Link),
    /// Nothing but time passed.
    Time,
}

/// What a client does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FromClient {
    /// Answers a webhook with this status.
    Answer(WebhookId, u16),
    /// Connects.
    Dial(Link, String),
    /// Sends a message.
    Send(Link, String),
    /// Closes in order, or gives up an attempt. What is on its way still comes, and then [`ToClient::Closed`].
    Close(Link),
    /// Goes away without a word, as a killed process does.
    Cut(Link),
}

/// How long things take on the way, one way.
#[derive(Clone, Debug)]
pub struct Network {
    /// The shortest.
    pub at_least: Duration,
    /// The longest. Each connection keeps its order.
    pub at_most: Duration,
}

impl Default for Network {
    fn default() -> Self {
        Self { at_least: Duration::from_millis(1), at_most: Duration::from_millis(30) }
    }
}

/// One step of the world, for whoever looks on.
#[derive(Clone, Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "a step is looked at and dropped; a box per packet costs more than the move"
)]
pub enum Step {
    /// This reached the client.
    Arrived(ToClient),
    /// The client did this.
    Did(FromClient),
    /// Zoom sent this; the network carries it now.
    Sent(Sent),
}

/// The world.
#[derive(Debug)]
pub struct World {
    zoom: Zoom,
    servers: Vec<Server>,
    network: Network,
    chance: Seed,
    now: UnixMillis,
    /// What is on its way, by the time of its arrival and the order in which it was sent.
    on_the_way: BTreeMap<(UnixMillis, u64), Parcel>,
    sent_parcels: u64,
    /// When the last parcel on a connection arrives, each way: later ones do not overtake it.
    last_arrival: BTreeMap<(Link, Way), UnixMillis>,
    /// Connections that neither side has ended.
    open: BTreeSet<Link>,
    /// Those that the client has closed in order, until Zoom knows: what it sends before still comes.
    leaving: BTreeSet<Link>,
    /// Upgrades that get no answer.
    ignored: BTreeSet<Link>,
    /// Attempts at webhooks that wait for their answers, and those that Zoom waits for no more.
    awaited: BTreeMap<WebhookId, u32>,
    given_up: BTreeMap<WebhookId, u32>,
}

/// How long the answer to a close frame is waited for.
const CLOSE_WITHIN: Duration = Duration::from_secs(5);

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Way {
    ToZoom,
    ToClient,
}

#[derive(Clone, Debug)]
enum Parcel {
    ToClient(ToClient),
    Dial {
        link: Link,
        url: String,
    },
    ToZoom(Input),
    Answer(WebhookId, u16),
    /// Zoom's patience with an attempt ends.
    Patience(WebhookId),
}

impl World {
    /// Starts the stream at `start`. Trouble, meeting and network follow from the config and the seed.
    pub fn new(config: ZoomConfig, network: Network, seed: &Seed, start: UnixMillis) -> Self {
        let first = Server { signaling_url: config.signaling_url.clone(), media_url: config.media_url.clone() };
        let servers = [first].into_iter().chain(config.standby.iter().cloned()).collect();
        Self {
            zoom: Zoom::new(config, start),
            servers,
            network,
            chance: seed.fork("network", 0),
            now: start,
            on_the_way: BTreeMap::new(),
            sent_parcels: 0,
            last_arrival: BTreeMap::new(),
            open: BTreeSet::new(),
            leaving: BTreeSet::new(),
            ignored: BTreeSet::new(),
            awaited: BTreeMap::new(),
            given_up: BTreeMap::new(),
        }
    }

    /// Returns the time.
    pub fn now(&self) -> UnixMillis {
        self.now
    }

    /// Returns Zoom.
    pub fn zoom(&self) -> &Zoom {
        &self.zoom
    }

    /// Returns the connections that neither side has ended.
    pub fn open(&self) -> &BTreeSet<Link> {
        &self.open
    }

    /// Runs the next event, and everything that follows from it at once. Returns false if nothing is left to happen.
    pub fn step(&mut self, client: &mut dyn Client, look: &mut dyn FnMut(UnixMillis, Step)) -> bool {
        self.carry_out(look);
        self.listen(client, look);
        let arrival = self.on_the_way.first_key_value().map(|((at, _), _)| *at);
        // A client that is over is not woken; neither is a Zoom that waits for nobody.
        let zoom = self.zoom.next_deadline();
        let wake = client.next_deadline();
        let Some(next) = [arrival, zoom, wake].into_iter().flatten().min() else { return false };
        self.now = self.now.max(next);
        if arrival.is_some_and(|at| at <= self.now) {
            if let Some((_, parcel)) = self.on_the_way.pop_first() {
                self.deliver(parcel, client, look);
            }
        } else if zoom.is_some_and(|at| at <= self.now) {
            self.zoom.handle(Input::Time, self.now);
        } else {
            client.handle(ToClient::Time, self.now);
        }
        self.carry_out(look);
        self.listen(client, look);
        true
    }

    /// Steps until Zoom is finished and for `after` beyond it, or until nothing happens any more, or `until`.
    ///
    /// Returns whether Zoom finished.
    pub fn run(
        &mut self,
        client: &mut dyn Client,
        after: Duration,
        until: UnixMillis,
        look: &mut dyn FnMut(UnixMillis, Step),
    ) -> bool {
        let mut finished = None;
        while self.now < until && self.step(client, look) {
            if finished.is_none() && self.zoom.is_finished() {
                finished = Some(self.now);
            }
            if finished.is_some_and(|at| self.now >= at + after) {
                break;
            }
        }
        finished.is_some() || self.zoom.is_finished()
    }

    /// Cuts every connection of the client's at once, as when its process is killed. What is on its way to it is lost.
    pub fn kill(&mut self) {
        let stays = |parcel: &Parcel| match parcel {
            Parcel::ToZoom(_) | Parcel::Answer(..) | Parcel::Patience(_) => true,
            Parcel::ToClient(event) => matches!(event, ToClient::Webhook(_)),
            Parcel::Dial { .. } => false,
        };
        self.on_the_way.retain(|_, parcel| stays(parcel));
        self.ignored.clear();
        self.leaving.clear();
        for link in std::mem::take(&mut self.open) {
            let input = Input::Closed { connection: connection(link), ending: Ending::Cut };
            self.send(link, Way::ToZoom, Parcel::ToZoom(input));
        }
    }

    fn deliver(&mut self, parcel: Parcel, client: &mut dyn Client, look: &mut dyn FnMut(UnixMillis, Step)) {
        match parcel {
            Parcel::ToZoom(input) => {
                let left = if let Input::Closed { connection, .. } = &input { Some(Link(connection.0)) } else { None };
                self.zoom.handle(input, self.now);
                if let Some(link) = left.filter(|link| self.leaving.contains(link)) {
                    self.send(link, Way::ToClient, Parcel::ToClient(ToClient::Closed(link)));
                    self.leaving.remove(&link);
                }
            }
            Parcel::ToClient(event) => {
                let ends = if let ToClient::Refused(link, _) | ToClient::Closed(link) | ToClient::Cut(link) = &event {
                    self.open.remove(link)
                } else {
                    false
                };
                if let ToClient::Closed(link) = &event
                    && ends
                    && !client.answers_close(*link)
                {
                    let input = Input::LeftOpen { connection: connection(*link) };
                    self.put(self.now + CLOSE_WITHIN, Parcel::ToZoom(input));
                }
                look(self.now, Step::Arrived(event.clone()));
                client.handle(event, self.now);
            }
            Parcel::Answer(webhook, status) => {
                self.on_the_way.retain(|_, parcel| !matches!(parcel, Parcel::Patience(it) if *it == webhook));
                let input = match (self.awaited.remove(&webhook), self.given_up.remove(&webhook)) {
                    (None, Some(attempt)) => Input::WebhookAnsweredLate { webhook, attempt, status },
                    _ => Input::WebhookAnswered { webhook, answer: WebhookAnswer::Status(status) },
                };
                self.zoom.handle(input, self.now);
            }
            Parcel::Patience(webhook) => {
                if let Some(attempt) = self.awaited.remove(&webhook) {
                    self.given_up.insert(webhook, attempt);
                    let answer = WebhookAnswer::TimedOut;
                    self.zoom.handle(Input::WebhookAnswered { webhook, answer }, self.now);
                }
            }
            Parcel::Dial { link, url } => self.dialed(link, &url),
        }
    }

    fn dialed(&mut self, link: Link, url: &str) {
        let refuse = |why: String| Parcel::ToClient(ToClient::Refused(link, why));
        let found = self.servers.iter().enumerate().find_map(|(index, server)| {
            if url == server.signaling_url {
                Some((index, Endpoint::Signaling))
            } else if url.strip_prefix(&server.media_url).is_some_and(|rest| rest.is_empty() || rest.starts_with('/')) {
                Some((index, Endpoint::Media))
            } else {
                None
            }
        });
        let answer = match found {
            None => refuse(format!("no such host: {url}")),
            Some((server, endpoint)) => match self.zoom.admit(endpoint, server, self.now) {
                Admission::Welcome => {
                    self.zoom.handle(Input::Connected { connection: connection(link), endpoint }, self.now);
                    Parcel::ToClient(ToClient::Opened(link))
                }
                Admission::Status(status) => refuse(format!("HTTP status {status}")),
                Admission::Cut => refuse("connection reset".to_owned()),
                Admission::Silence => {
                    self.ignored.insert(link);
                    return;
                }
            },
        };
        self.send(link, Way::ToClient, answer);
    }

    /// Carries out Zoom's outputs.
    fn carry_out(&mut self, look: &mut dyn FnMut(UnixMillis, Step)) {
        while let Some(sent) = self.zoom.poll_sent() {
            look(self.now, Step::Sent(sent));
        }
        while let Some(output) = self.zoom.poll_output() {
            match output {
                Output::Send { connection, text } => {
                    let link = Link(connection.0);
                    self.send(link, Way::ToClient, Parcel::ToClient(ToClient::Message(link, text.into())));
                }
                Output::SendBinary { connection, payload } => {
                    let link = Link(connection.0);
                    self.send(link, Way::ToClient, Parcel::ToClient(ToClient::Message(link, payload)));
                }
                Output::Close { connection, .. } => {
                    let link = Link(connection.0);
                    self.send(link, Way::ToClient, Parcel::ToClient(ToClient::Closed(link)));
                }
                Output::Cut { connection } => {
                    let link = Link(connection.0);
                    self.send(link, Way::ToClient, Parcel::ToClient(ToClient::Cut(link)));
                }
                Output::Webhook(post) => {
                    self.awaited.insert(post.id, post.attempt);
                    self.put(self.now + ANSWER_WITHIN, Parcel::Patience(post.id));
                    let at = self.now + self.delay();
                    self.put(at, Parcel::ToClient(ToClient::Webhook(post)));
                }
            }
        }
    }

    /// Carries out the client's actions.
    fn listen(&mut self, client: &mut dyn Client, look: &mut dyn FnMut(UnixMillis, Step)) {
        while let Some(done) = client.poll() {
            look(self.now, Step::Did(done.clone()));
            match done {
                FromClient::Answer(webhook, status) => {
                    let at = self.now + self.delay();
                    self.put(at, Parcel::Answer(webhook, status));
                }
                FromClient::Dial(link, url) => {
                    self.open.insert(link);
                    self.send(link, Way::ToZoom, Parcel::Dial { link, url });
                }
                FromClient::Send(link, text) => {
                    let input = Input::Received { connection: connection(link), payload: text.into() };
                    self.send(link, Way::ToZoom, Parcel::ToZoom(input));
                }
                FromClient::Close(link) => self.left(link, Ending::CloseFrame),
                FromClient::Cut(link) => self.left(link, Ending::Cut),
            }
        }
    }

    fn left(&mut self, link: Link, ending: Ending) {
        if self.open.remove(&link) {
            // Who closes in order reads on until Zoom has closed as well; who is gone hears nothing.
            let reads_on = ending == Ending::CloseFrame;
            self.on_the_way.retain(|_, parcel| {
                let Parcel::ToClient(event) = parcel else { return true };
                link_of(event) != Some(link) || (reads_on && matches!(event, ToClient::Message(..)))
            });
            self.ignored.remove(&link);
            if reads_on {
                self.leaving.insert(link);
            }
            let input = Input::Closed { connection: connection(link), ending };
            self.send(link, Way::ToZoom, Parcel::ToZoom(input));
        }
    }

    /// Puts something on its way along a connection that is still open from the client's side.
    fn send(&mut self, link: Link, way: Way, parcel: Parcel) {
        if way == Way::ToClient && !self.open.contains(&link) && !self.leaving.contains(&link) {
            return;
        }
        let soonest = self.now + self.delay();
        let last = self.last_arrival.entry((link, way)).or_insert(soonest);
        *last = soonest.max(*last);
        let at = *last;
        self.put(at, parcel);
    }

    fn put(&mut self, at: UnixMillis, parcel: Parcel) {
        self.sent_parcels += 1;
        self.on_the_way.insert((at, self.sent_parcels), parcel);
    }

    fn delay(&mut self) -> Duration {
        let millis = |duration: Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        Duration::from_millis(self.chance.between(millis(self.network.at_least), millis(self.network.at_most)))
    }
}

fn connection(link: Link) -> ConnectionId {
    ConnectionId(link.0)
}

fn link_of(event: &ToClient) -> Option<Link> {
    match event {
        ToClient::Opened(link)
        | ToClient::Refused(link, _)
        | ToClient::Message(link, _)
        | ToClient::Closed(link)
        | ToClient::Cut(link) => Some(*link),
        ToClient::Webhook(_) | ToClient::Time => None,
    }
}
