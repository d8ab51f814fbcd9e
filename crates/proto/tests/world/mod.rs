//! Our client in the simulator's world: a gateway in small, made of the parts that the real one is made of.
//!
//! Webhooks are verified, decoded and folded as `gateway` folds them; what is wanted of the stream then runs, is told of
//! failovers and interruptions, or stops. [`run`] plays a whole stream against Zoom in virtual time; [`log`] is what is
//! known of it afterwards.

#![allow(dead_code, reason = "each test file uses its own part")]
#![allow(clippy::wildcard_enum_match_arm, reason = "a harness picks what it needs and passes over the rest")]

pub(crate) mod log;
pub(crate) mod run;
pub(crate) mod story;

use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};

use rtms_proto::{
    config::StreamConfig,
    credentials::Credentials,
    event::Event,
    input::Input,
    join_options::JoinOptions,
    output::{ConnectionId, Output},
    signaling::StreamStart,
    stream::Stream,
    time::Moment,
};
use rtms_sim::{
    config::App,
    webhook::{Purpose, WebhookPost},
    world::{Client, FromClient, Link, ToClient},
};
use rtms_store::{folding::FoldInput, wanted::Wanted};
use rtms_wire::{
    codes::product::Product,
    ids::{InstanceId, InstanceIdField, StreamId, UserId},
    media::medium::Medium,
    message::Message,
    signature::HandshakeSignature,
    time::UnixMillis,
    webhook::{
        Webhook, WebhookBody,
        verify::{Delivery, SIGNATURE_HEADER, TIMESTAMP_HEADER},
    },
};
use smol_str::SmolStr;

use self::log::Log;

/// What the client is told to be and to do.
#[derive(Clone, Debug, Default)]
pub(crate) struct Options {
    /// What is wanted of the stream.
    pub(crate) config: StreamConfig,
    /// The seed of its waits.
    pub(crate) seed: u64,
    /// What is done to it, since the start of the stream.
    pub(crate) deeds: Vec<(Duration, Deed)>,
}

/// What is done to a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Deed {
    /// Its process is killed: connections are cut, and all is forgotten but what the store holds.
    Kill,
    /// It is started again.
    Restart,
    /// It closes the stream.
    Close,
    /// It leaves the stream to somebody else.
    Abandon,
    /// It wants this camera.
    Want(UserId),
    /// It does not want this camera any more.
    NotWant(UserId),
}

/// The client.
#[derive(Debug)]
pub(crate) struct Gateway {
    options: Options,
    app: App,
    /// What is left to be done to it, by time.
    deeds: VecDeque<(UnixMillis, Deed)>,
    /// Whether its process lives.
    is_alive: bool,
    /// What the store holds: survives the process.
    stream_id: Option<StreamId>,
    wanted: Wanted,
    /// The wish that an ended run was for; only a newer one runs again.
    done_to: Option<UnixMillis>,
    /// The same of streams that another one came after.
    others: BTreeMap<StreamId, (Wanted, Option<UnixMillis>)>,
    /// When the last webhook that asks for a connection arrived, and whether somebody was connected on it.
    asked_at: Option<(UnixMillis, bool)>,
    running: Option<Running>,
    next_link: u64,
    did: VecDeque<FromClient>,
    /// What is known afterwards.
    pub(crate) log: Log,
}

/// A stream that runs.
#[derive(Debug)]
struct Running {
    stream: Stream,
    start_at: UnixMillis,
    interrupted_at: Option<UnixMillis>,
    wish_at: UnixMillis,
    is_stopped: bool,
    links: BTreeMap<ConnectionId, Link>,
    /// Those that were left, until Zoom has closed them too.
    left: BTreeMap<ConnectionId, Link>,
}

impl Gateway {
    /// A client of this app, in a world that starts at `start`.
    pub(crate) fn new(app: App, options: Options, start: UnixMillis) -> Self {
        let mut deeds: Vec<_> = options.deeds.iter().map(|(at, deed)| (start + *at, deed.clone())).collect();
        deeds.sort_by_key(|(at, _)| *at);
        Self {
            options,
            app,
            deeds: deeds.into(),
            is_alive: true,
            stream_id: None,
            wanted: Wanted::default(),
            done_to: None,
            others: BTreeMap::new(),
            asked_at: None,
            running: None,
            next_link: 0,
            did: VecDeque::new(),
            log: Log::default(),
        }
    }

    /// The machine that runs, if one does.
    pub(crate) fn stream(&self) -> Option<&Stream> {
        self.running.as_ref().map(|running| &running.stream)
    }

    /// Whether its process is to be killed now: the world has to cut its connections then, and [`Self::killed`] follows.
    pub(crate) fn is_to_be_killed(&self, now: UnixMillis) -> bool {
        matches!(self.deeds.front(), Some((at, Deed::Kill)) if *at <= now)
    }

    /// Whether the store holds a wish that is not done. Whoever starts on such a store dials, whatever was heard before.
    pub(crate) fn has_open_wish(&self) -> bool {
        self.wanted.wish().is_some_and(|wish| self.done_to.is_none_or(|done_to| wish.start.at > done_to))
    }

    /// Its process was killed. All is forgotten but what the store holds.
    pub(crate) fn killed(&mut self, now: UnixMillis) {
        if self.is_to_be_killed(now) {
            self.deeds.pop_front();
        }
        self.is_alive = false;
        self.running = None;
        self.did.clear();
        self.log.killed(now, self.has_open_wish());
    }

    /// The store loses how the stream ended.
    pub(crate) fn forget_the_end(&mut self) {
        self.done_to = None;
    }

    /// Its process starts again.
    pub(crate) fn restart(&mut self, now: UnixMillis) {
        self.is_alive = true;
        self.log.restarted(now);
        self.compare(now);
    }

    /// Gives the running stream an input, and does what follows.
    pub(crate) fn tell(&mut self, input: Input, now: UnixMillis) {
        if let Some(running) = &mut self.running {
            running.stream.handle(input, moment(now));
        }
        self.carry_out(now);
    }

    fn do_what_is_due(&mut self, now: UnixMillis) {
        while let Some((at, deed)) = self.deeds.front().cloned()
            && at <= now
            && deed != Deed::Kill
        {
            self.deeds.pop_front();
            match deed {
                Deed::Kill => {}
                Deed::Restart => self.restart(now),
                Deed::Close => {
                    self.log.closing(now);
                    self.tell(Input::Close, now);
                }
                Deed::Abandon => self.tell(Input::Abandon, now),
                Deed::Want(user_id) => {
                    self.tell(Input::SubscribeVideo { user_id, subscribe: true, timestamp: now }, now);
                }
                Deed::NotWant(user_id) => {
                    self.tell(Input::SubscribeVideo { user_id, subscribe: false, timestamp: now }, now);
                }
            }
        }
    }

    /// As the gateway's door, dispatcher and folding do it.
    fn webhook(&mut self, post: &WebhookPost, now: UnixMillis) {
        let header = |name: &str| {
            post.headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
        };
        let delivery =
            Delivery { timestamp: header(TIMESTAMP_HEADER), signature: header(SIGNATURE_HEADER), body: &post.body };
        // A time that a simulator jumps over is no sign of a replay.
        let verified = delivery.verify([&self.app.secret_token], now, Duration::from_secs(600));
        let status = match verified {
            Ok(_) => 200,
            Err(_) => 401,
        };
        self.did.push_back(FromClient::Answer(post.id, status));
        let Ok(webhook) = Webhook::decode(&post.body) else {
            return self.log.odd_webhook(now, "it cannot be decoded");
        };
        if status != 200 && matches!(post.purpose, Purpose::Forged(_)) {
            return;
        }
        if status != 200 {
            return self.log.odd_webhook(now, "it is not from Zoom");
        }
        let urls = match &webhook.body {
            WebhookBody::RtmsStarted(started) => started.server_urls.clone(),
            WebhookBody::RtmsInterrupted(interrupted) => interrupted.server_urls.clone(),
            _ => Vec::new(),
        };
        let Some(input) = FoldInput::from_webhook(&webhook, urls) else { return };
        let Some(stream_id) = input.stream_id.clone() else {
            return self.log.odd_webhook(now, "it names no stream");
        };
        let app = SmolStr::new_static("app");
        if self.stream_id.as_ref() != Some(&stream_id) {
            if self.running.is_some() {
                let (wanted, done_to) = self.others.entry(stream_id).or_default();
                wanted.join(input.wanted(now, &app));
                let start_at = wanted.wish().map(|wish| wish.start.at);
                if start_at.is_some_and(|at| done_to.is_none_or(|done_to| at > done_to)) {
                    self.log.odd_webhook(now, "another stream would run beside the one that runs");
                }
                return;
            }
            self.turn_to(stream_id);
        }
        let before = self.wanted.wish().map(|wish| wish.at);
        self.wanted.join(input.wanted(now, &app));
        let after = self.wanted.wish().map(|wish| wish.at);
        if after.is_some() && after != before {
            self.asked_at = Some((now, false));
        }
        if after.is_none() && self.wanted.stop.is_some() {
            self.log.stop_known(now);
        } else if after.is_some() && before.is_none() {
            self.log.runs_again(now);
        }
        self.compare(now);
    }

    /// Takes up the records of another stream, when none runs. The gateway has all at once; here one at a time is enough.
    fn turn_to(&mut self, stream_id: StreamId) {
        let (wanted, done_to) = self.others.remove(&stream_id).unwrap_or_default();
        let before = (std::mem::replace(&mut self.wanted, wanted), std::mem::replace(&mut self.done_to, done_to));
        if let Some(known) = self.stream_id.replace(stream_id) {
            self.others.insert(known, before);
        }
    }

    /// What the gateway's worker does: compares what is wanted with what is, and acts.
    fn compare(&mut self, now: UnixMillis) {
        if !self.is_alive {
            return;
        }
        let wanted = self.wanted.clone();
        match (wanted.wish(), &mut self.running) {
            (Some(wish), Some(running)) => {
                let interrupted_at = wish.interruption.map(|interruption| interruption.at);
                let server_urls = wish.server_urls.to_vec();
                let input = if wish.start.at != running.start_at {
                    Some(Input::Restarted { server_urls })
                } else if interrupted_at != running.interrupted_at {
                    Some(Input::Interrupted { server_urls })
                } else {
                    None
                };
                (running.start_at, running.interrupted_at) = (wish.start.at, interrupted_at);
                running.wish_at = running.wish_at.max(wish.at);
                if let Some(input) = input {
                    self.tell(input, now);
                }
            }
            (None, Some(running)) => {
                if !std::mem::replace(&mut running.is_stopped, true) {
                    let reason = wanted.stop.as_ref().and_then(|stop| stop.reason);
                    self.tell(Input::Stopped(reason), now);
                }
            }
            (Some(wish), None) => {
                if self.has_open_wish() {
                    self.join(&wish, now);
                }
            }
            (None, None) => {}
        }
    }

    fn join(&mut self, wish: &rtms_store::wanted::Wish<'_>, now: UnixMillis) {
        let (Some(stream_id), Some(instance), Some(product)) =
            (self.stream_id.clone(), wish.start.instance.clone(), wish.start.product)
        else {
            return self.log.odd_webhook(now, "a start that does not say what is streamed");
        };
        let sign = |instance: &InstanceId| {
            HandshakeSignature::sign(&self.app.client_id, &self.app.client_secret, instance, &stream_id)
        };
        let signature = sign(&instance);
        let other_field = match (product, instance.field) {
            (Product::Webinar, InstanceIdField::WebinarUuid) => Some(InstanceIdField::MeetingUuid),
            (Product::Webinar, InstanceIdField::MeetingUuid) => Some(InstanceIdField::WebinarUuid),
            (_, _) => None,
        };
        let alternatives = other_field
            .map(|field| InstanceId { field, ..instance.clone() })
            .map(|instance| Credentials { instance, signature: signature.clone() });
        let age = match self.asked_at {
            Some((at, false)) => now.since(at),
            Some((_, true)) | None => Duration::ZERO,
        };
        let options = JoinOptions { age, seed: self.options.seed, alternatives: alternatives.into_iter().collect() };
        let start = StreamStart { stream_id, instance, product, signature, server_urls: wish.server_urls.to_vec() };
        let stream = Stream::with_options(options, start, self.options.config.clone(), moment(now));
        self.log.joined(now);
        self.running = Some(Running {
            stream: stream.expect("what is wanted is what Zoom grants"),
            start_at: wish.start.at,
            interrupted_at: wish.interruption.map(|interruption| interruption.at),
            wish_at: wish.at,
            is_stopped: false,
            links: BTreeMap::new(),
            left: BTreeMap::new(),
        });
        self.carry_out(now);
    }

    /// What the driver does.
    fn carry_out(&mut self, now: UnixMillis) {
        let Some(running) = &mut self.running else { return };
        while let Some(output) = running.stream.poll_output() {
            match output {
                Output::Connect { connection, role, url } => {
                    let link = Link(self.next_link);
                    self.next_link += 1;
                    running.links.insert(connection, link);
                    self.log.dialed(now, link, role, &url);
                    self.did.push_back(FromClient::Dial(link, url));
                }
                Output::Send { connection, message } => {
                    if let Some(link) = running.links.get(&connection) {
                        self.log.said(now, *link, message.msg_type());
                        self.did.push_back(FromClient::Send(*link, message.encode()));
                    }
                }
                Output::Disconnect(connection) => {
                    if let Some(link) = running.links.remove(&connection) {
                        self.log.left(now, link);
                        running.left.insert(connection, link);
                        self.did.push_back(FromClient::Close(link));
                    }
                }
                Output::Event(event) => {
                    if event == Event::SignalingOpen
                        && let Some((_, was_connected)) = &mut self.asked_at
                    {
                        *was_connected = true;
                    }
                    self.log.event(now, event);
                }
            }
        }
        if running.stream.is_ended() {
            self.done_to = Some(running.wish_at);
            for link in std::mem::take(&mut running.links).into_values() {
                // A driver that goes takes its sockets with it; the machine ought to have closed them.
                self.log.left_behind(now, link);
                self.did.push_back(FromClient::Close(link));
            }
            self.running = None;
            self.compare(now);
        }
    }

    fn connection(&self, link: Link) -> Option<ConnectionId> {
        let running = self.running.as_ref()?;
        running.links.iter().chain(&running.left).find(|(_, it)| **it == link).map(|(connection, _)| *connection)
    }

    fn gone(&mut self, link: Link) -> Option<ConnectionId> {
        self.log.gone(link);
        let connection = self.connection(link)?;
        if let Some(running) = &mut self.running {
            running.links.remove(&connection);
            running.left.remove(&connection);
        }
        Some(connection)
    }
}

impl Client for Gateway {
    fn handle(&mut self, event: ToClient, now: UnixMillis) {
        self.do_what_is_due(now);
        if !self.is_alive {
            return;
        }
        match event {
            ToClient::Webhook(post) => self.webhook(&post, now),
            ToClient::Opened(link) => {
                if let Some(connection) = self.connection(link) {
                    self.tell(Input::Connected(connection), now);
                }
            }
            ToClient::Refused(link, why) => {
                if let Some(connection) = self.gone(link) {
                    self.tell(Input::ConnectFailed(connection, why), now);
                }
            }
            ToClient::Message(link, payload) => {
                let Some(connection) = self.connection(link) else { return };
                match Message::decode(&payload) {
                    Ok(message) => {
                        // Of a connection that was left only media count.
                        let is_left = self.running.as_ref().is_some_and(|it| it.left.contains_key(&connection));
                        if !is_left || Medium::of_message(message.msg_type()).is_some() {
                            self.log.heard(now, link, &message);
                        }
                        self.tell(Input::Received(connection, message), now);
                    }
                    Err(error) => self.tell(Input::Undecodable(connection, error), now),
                }
            }
            ToClient::Closed(link) => {
                if let Some(connection) = self.gone(link) {
                    self.tell(Input::Lost(connection, "closed".to_owned()), now);
                }
            }
            ToClient::Cut(link) => {
                if let Some(connection) = self.gone(link) {
                    self.tell(Input::Lost(connection, "cut".to_owned()), now);
                }
            }
            ToClient::Time => self.tell(Input::TimePassed, now),
        }
    }

    fn poll(&mut self) -> Option<FromClient> {
        self.did.pop_front()
    }

    fn next_deadline(&self) -> Option<UnixMillis> {
        let stream = self.running.as_ref().and_then(|running| running.stream.next_deadline()).map(millis);
        let deed = self.deeds.front().map(|(at, _)| *at);
        stream.into_iter().chain(deed).min()
    }
}

/// Zoom's time as the machine's.
pub(crate) fn moment(now: UnixMillis) -> Moment {
    Moment(Duration::from_millis(now.0))
}

/// The first millisecond at which that moment is over.
fn millis(moment: Moment) -> UnixMillis {
    UnixMillis(u64::try_from(moment.0.as_nanos().div_ceil(1_000_000)).expect("a time of this age"))
}
