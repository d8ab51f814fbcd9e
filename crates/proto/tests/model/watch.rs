//! What must hold after every step, by what goes over the client's connections and what its machine tells.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    time::Duration,
};

use rtms_proto::{
    event::{Ending, Event},
    role::Role,
};
use rtms_sim::{
    webhook::WebhookPost,
    world::{FromClient, Link, ToClient},
};
use rtms_wire::{
    codes::{product::Product, state::StreamState, status_code::StatusCode},
    media::medium::{MediaTypes, Medium},
    message::Message,
    time::UnixMillis,
};

use crate::{
    books::Books,
    world::{Gateway, log::Log},
};

/// Zoom's windows, as the document has them.
const SIGNALING_WINDOW: Duration = Duration::from_secs(60);
const MEDIA_WINDOW: Duration = Duration::from_secs(65);

/// What a deadline may be missed by: rounding.
const ROUNDING: Duration = Duration::from_millis(50);

/// What a window may be closed too early by: a doubt was open for so long before the loss.
const DOUBT: Duration = Duration::from_secs(2);

/// The longest wait between two tries, jitter included, and a bit.
const LONGEST_WAIT: Duration = Duration::from_millis(7_500);

/// How long an attempt may take before it is given up.
const ATTEMPT: Duration = Duration::from_secs(10);

/// The last try of a window is left with this; nothing is tried after it.
const LAST_TRY: Duration = Duration::from_secs(4);

/// Attempts at one thing in a minute that are no storm.
const MOST_DIALS: usize = 30;

/// A connection from the client's side.
#[derive(Clone, Debug)]
struct Known {
    role: Role,
    dialed: UnixMillis,
    /// Whether its handshake succeeded.
    stands: bool,
    /// Whether events were subscribed to on it.
    subscribed: bool,
}

/// Something that is wanted back.
#[derive(Clone, Copy, Debug)]
struct Down {
    since: UnixMillis,
    /// When the last attempt ended, or when none was possible until.
    idle_since: UnixMillis,
    /// The first connect of a process: how old the window is only Zoom knows.
    first: bool,
}

/// The watch.
pub(crate) struct Watch {
    pub(crate) books: Books,
    pub(crate) faults: Vec<String>,
    /// Media messages that reached the client on each connection.
    pub(crate) reached: BTreeMap<Link, usize>,
    /// In which life of the machine a connection was.
    pub(crate) life_of: BTreeMap<Link, usize>,
    /// Attempts that failed, and when.
    pub(crate) failures: Vec<(UnixMillis, Role)>,
    /// When connections that stood were lost or left.
    pub(crate) losses: Vec<(UnixMillis, Role)>,
    /// When each connection was lost or left, or was killed with the process.
    pub(crate) ended: BTreeMap<Link, UnixMillis>,
    wanted: MediaTypes,
    /// Whether there is anything to subscribe to.
    subscribes: bool,
    known: BTreeMap<Link, Known>,
    /// Media connections that stood and were left while the stream went on, until Zoom has closed them too.
    left: BTreeSet<Link>,
    /// Keep-alive requests and data handshakes that are to be answered at once.
    asked: Vec<(Link, UnixMillis)>,
    unready: Vec<(Link, UnixMillis)>,
    /// Where the newest message came, if it was media.
    newest_media: Option<Link>,
    signaling: Option<Down>,
    media: BTreeMap<Medium, Down>,
    unavailable: BTreeSet<Medium>,
    over: Option<&'static str>,
    newest_start: u64,
    /// When a start was read that was newer than those before.
    pub(crate) starts_read: Vec<UnixMillis>,
    server_at: u64,
    server: Option<String>,
    closing: bool,
    dials: BTreeMap<Role, VecDeque<UnixMillis>>,
    events_seen: usize,
    delivered_seen: usize,
    joins_seen: usize,
    endings_seen: usize,
    written: UnixMillis,
}

impl Watch {
    pub(crate) fn new(start: UnixMillis, wanted: MediaTypes, product: Product) -> Self {
        Self {
            books: Books::new(start, wanted),
            faults: Vec::new(),
            reached: BTreeMap::new(),
            life_of: BTreeMap::new(),
            failures: Vec::new(),
            losses: Vec::new(),
            ended: BTreeMap::new(),
            wanted,
            // What subscribes to Phone's events is not published.
            subscribes: product != Product::Phone,
            known: BTreeMap::new(),
            left: BTreeSet::new(),
            asked: Vec::new(),
            unready: Vec::new(),
            newest_media: None,
            signaling: None,
            media: BTreeMap::new(),
            unavailable: BTreeSet::new(),
            over: None,
            newest_start: 0,
            starts_read: Vec::new(),
            server_at: 0,
            server: None,
            closing: false,
            dials: BTreeMap::new(),
            events_seen: 0,
            delivered_seen: 0,
            joins_seen: 0,
            endings_seen: 0,
            written: start,
        }
    }

    fn wrong(&mut self, now: UnixMillis, what: impl std::fmt::Display) {
        if self.faults.len() < 20 {
            self.faults.push(format!("{now}: {what}"));
        }
    }

    pub(crate) fn killed(&mut self, has_open_wish: bool, now: UnixMillis) {
        self.ended.extend(std::mem::take(&mut self.known).into_keys().map(|link| (link, now)));
        self.left.clear();
        self.asked.clear();
        self.unready.clear();
        self.signaling = None;
        self.media.clear();
        self.unavailable.clear();
        // Of an end, what the store knows stays. What was only read is forgotten with the process.
        if has_open_wish {
            self.over = None;
        }
        self.closing = false;
    }

    /// Time has come to this: what was to be done at once before it, was.
    pub(crate) fn time(&mut self, now: UnixMillis) {
        if self.asked.first().is_some_and(|(_, at)| *at < now) {
            for (link, at) in std::mem::take(&mut self.asked) {
                if self.known.contains_key(&link) {
                    self.wrong(now, format!("the keep-alive request of {at} on connection {} has no answer", link.0));
                }
            }
        }
        if self.unready.first().is_some_and(|(_, at)| *at < now) {
            for (link, at) in std::mem::take(&mut self.unready) {
                if self.known.contains_key(&link) && self.signaling.is_none() && self.over.is_none() && !self.closing {
                    self.wrong(
                        now,
                        format!("connection {} is not reported ready, or events not subscribed to, since {at}", link.0),
                    );
                }
            }
        }
    }

    /// Something reaches the machine.
    pub(crate) fn heard(&mut self, event: &ToClient, runs: bool, now: UnixMillis) {
        self.newest_media = None;
        match event {
            ToClient::Webhook(post) => self.read(post, runs, now),
            ToClient::Refused(link, _) | ToClient::Closed(link) | ToClient::Cut(link) => {
                self.left.remove(link);
                self.gone(*link, now);
            }
            ToClient::Message(link, payload) => {
                let is_known = self.known.contains_key(link);
                match msg_type(payload) {
                    // Media reach it also on what it has left.
                    Some(14..=18) if (is_known || self.left.contains(link)) && !is_nonsense(payload) => {
                        self.newest_media = Some(*link);
                        *self.reached.entry(*link).or_default() += 1;
                    }
                    _ if !is_known => {}
                    Some(12) => self.asked.push((*link, now)),
                    Some(2 | 4 | 8) => {
                        if let Ok(message) = Message::decode(payload) {
                            self.understood(*link, &message, now);
                        }
                    }
                    _ => {}
                }
            }
            ToClient::Opened(_) | ToClient::Time => {}
        }
    }

    /// The machine's time was over when this came: it did not reach the application.
    pub(crate) fn too_late(&mut self, link: Link) {
        if self.newest_media.take() == Some(link)
            && let Some(reached) = self.reached.get_mut(&link)
        {
            *reached -= 1;
        }
    }

    fn read(&mut self, post: &WebhookPost, runs: bool, now: UnixMillis) {
        let Ok(body) = serde_json::from_slice::<serde_json::Value>(&post.body) else { return };
        let at = body["event_ts"].as_u64().unwrap_or_default();
        let object = &body["payload"];
        let url = object["server_urls"].as_str().or_else(|| object["object"]["server_urls"].as_str());
        // A start counts for more than an interruption of the same millisecond.
        let is_newer = at > self.server_at || (at == self.server_at && post.event.ends_with("rtms_started"));
        if let Some(url) = url.filter(|_| is_newer) {
            self.server_at = at;
            self.server = Some(url.to_owned());
        }
        if post.event.ends_with("rtms_stopped") {
            self.over = Some("the stop webhook was read");
        } else if post.event.ends_with("rtms_started") && at > self.newest_start {
            self.newest_start = at;
            self.starts_read.push(now);
            if runs && !self.closing && self.over != Some("the stop webhook was read") {
                self.over = None;
                // A window of its own.
                self.signaling = Some(Down { since: now, idle_since: now, first: false });
                let down = Down { since: now, idle_since: now, first: false };
                self.media = self.wanted.iter().map(|medium| (medium, down)).collect();
            }
        }
    }

    fn understood(&mut self, link: Link, message: &Message, now: UnixMillis) {
        let Some(known) = self.known.get_mut(&link) else { return };
        match message {
            Message::SignalingHandShakeResp(response) if response.status_code == StatusCode::Ok => {
                known.stands = true;
                let was = self.signaling.take();
                // Every medium is dialed anew. What is down already keeps its window.
                let since = was.filter(|down| !down.first).map_or(now, |down| down.since);
                for medium in self.wanted.iter() {
                    let down = self.media.entry(medium).or_insert(Down { since, idle_since: now, first: false });
                    down.idle_since = now;
                }
            }
            Message::DataHandShakeResp(response) if response.status_code == StatusCode::Ok => {
                known.stands = true;
                self.unready.push((link, now));
            }
            Message::StreamStateUpdate(update) => match update.state {
                StreamState::Terminating if self.over.is_none() => self.over = Some("state 3 was read"),
                StreamState::Terminated if self.over != Some("the stop webhook was read") => {
                    self.over = Some("state 4 was read");
                }
                _ => {}
            },
            _ => {}
        }
    }

    fn gone(&mut self, link: Link, now: UnixMillis) {
        let Some(known) = self.known.remove(&link) else { return };
        self.ended.insert(link, now);
        if known.stands {
            self.losses.push((now, known.role));
        } else {
            self.failures.push((now, known.role));
        }
        match known.role {
            Role::Signaling if known.stands => {
                self.signaling.get_or_insert(Down { since: now, idle_since: now, first: false });
                for medium in self.wanted.iter() {
                    self.media.entry(medium).or_insert(Down { since: now, idle_since: now, first: false });
                }
            }
            Role::Signaling => {
                if let Some(down) = &mut self.signaling {
                    down.idle_since = now;
                }
            }
            Role::Media(types) => {
                let wanted = self.wanted;
                for medium in types.iter().filter(|medium| wanted.contains(*medium)) {
                    let down = self.media.entry(medium).or_insert(Down { since: now, idle_since: now, first: false });
                    down.idle_since = now;
                }
            }
        }
    }

    /// The client does something.
    pub(crate) fn did(&mut self, done: &FromClient, log: &Log, now: UnixMillis) {
        match done {
            FromClient::Dial(link, url) => {
                let role = log.dialed.iter().rev().find(|dialed| dialed.link == *link).map(|dialed| dialed.role);
                self.dialed(*link, role.unwrap_or(Role::Signaling), url, log, now);
            }
            FromClient::Send(link, text) => match msg_type(text.as_bytes()) {
                Some(13) => {
                    if let Some(position) = self.asked.iter().position(|(asked, _)| asked == link) {
                        self.asked.remove(position);
                    } else {
                        self.wrong(
                            now,
                            format!("a keep-alive answer on connection {} that nobody asked for, or too late", link.0),
                        );
                    }
                }
                Some(5) => {
                    if let Some(known) = self.known.get_mut(link) {
                        known.subscribed = true;
                    }
                }
                Some(7) => {
                    let subscribed = self.known.get(link).is_some_and(|known| known.subscribed);
                    // The subscription follows the first of them.
                    if subscribed || !self.subscribes {
                        self.unready.clear();
                    } else {
                        self.unready.truncate(1);
                    }
                }
                Some(21) => self.closing = true,
                _ => {}
            },
            FromClient::Close(link) | FromClient::Cut(link) => {
                if self.known.get(link).is_some_and(|known| known.stands && known.role != Role::Signaling) {
                    self.left.insert(*link);
                }
                self.gone(*link, now);
            }
            FromClient::Answer(..) => {}
        }
        if let FromClient::Send(link, text) = done
            && msg_type(text.as_bytes()) == Some(5)
            && self.known.contains_key(link)
        {
            self.unready.clear();
        }
    }

    fn dialed(&mut self, link: Link, role: Role, url: &str, log: &Log, now: UnixMillis) {
        if let Some(why) = self.over {
            self.wrong(now, format!("{role} is dialed, and {why}"));
        }
        let other = self.known.values().any(|known| match (known.role, role) {
            (Role::Signaling, Role::Signaling) => true,
            (Role::Media(one), Role::Media(two)) => two.iter().any(|medium| one.contains(medium)),
            _ => false,
        });
        if other {
            self.wrong(now, format!("{role} is dialed a second time while the first connection is there"));
        }
        if role == Role::Signaling && self.server.as_deref().is_some_and(|server| server != url) {
            self.wrong(now, format!("signaling is dialed at {url}, and the newest start names {:?}", self.server));
        }
        let dials = self.dials.entry(role).or_default();
        dials.push_back(now);
        while dials.front().is_some_and(|at| *at + Duration::from_secs(60) < now) {
            dials.pop_front();
        }
        if dials.len() > MOST_DIALS {
            self.wrong(now, format!("{role} is dialed more than {MOST_DIALS} times in a minute"));
        }
        self.life_of.insert(link, log.joins.len());
        self.known.insert(link, Known { role, dialed: now, stands: false, subscribed: false });
    }

    /// What the machine told since this was asked before.
    pub(crate) fn told(&mut self, gateway: &Gateway, now: UnixMillis) {
        let log = &gateway.log;
        if log.joins.len() > self.joins_seen {
            self.joins_seen = log.joins.len();
            self.signaling = Some(Down { since: now, idle_since: now, first: true });
            self.media.clear();
            self.unavailable.clear();
            self.closing = false;
            if self.joins_seen > 1 {
                self.books.restarted();
            }
        }
        for (_, event) in log.events.get(self.events_seen..).unwrap_or_default() {
            self.books.told(event, now);
            match event {
                Event::MediaOpen { media, .. } => {
                    for medium in media.iter() {
                        self.media.remove(&medium);
                        self.unavailable.remove(&medium);
                    }
                }
                Event::MediumUnavailable { medium, error } => {
                    if error.is_retryable()
                        && let Some(down) = self.media.get(medium)
                        && now.since(down.since) + DOUBT < MEDIA_WINDOW
                    {
                        let after = now.since(down.since);
                        self.faults.push(format!("{now}: {medium} is given up after {after:?}: {error}"));
                    }
                    self.media.remove(medium);
                    self.unavailable.insert(*medium);
                }
                _ => {}
            }
        }
        self.events_seen = log.events.len();
        for (_, piece) in log.delivered.get(self.delivered_seen..).unwrap_or_default() {
            self.books.delivered(piece, now);
        }
        self.delivered_seen = log.delivered.len();
        for (_, ending) in log.endings.get(self.endings_seen..).unwrap_or_default() {
            if let Ending::Failed(error) = ending
                && error.is_retryable()
                && let Some(down) = self.signaling.filter(|down| !down.first)
                && now.since(down.since) + DOUBT < SIGNALING_WINDOW
            {
                let after = now.since(down.since);
                self.faults.push(format!("{now}: the stream is given up after {after:?}: {error}"));
            }
        }
        self.endings_seen = log.endings.len();
    }

    /// Everything that follows at once was done.
    pub(crate) fn done(&mut self, gateway: &Gateway, now: UnixMillis) {
        // As far as a recorder would have written it down.
        if now.since(self.written) >= Duration::from_secs(1) {
            self.written = now;
            self.books.ledger.advance(now);
        }
        if gateway.stream().is_none() {
            self.left.clear();
            if let Some(link) = self.known.keys().next().copied() {
                self.known.clear();
                self.wrong(now, format!("the stream is over for us, and connection {} is left open", link.0));
            }
            self.signaling = None;
            self.media.clear();
            return;
        }
        if self.over.is_some() || self.closing {
            return;
        }
        let slow = self.known.values().find(|known| !known.stands && known.dialed + ATTEMPT + ROUNDING < now);
        if let Some(known) = slow {
            let (role, dialed) = (known.role, known.dialed);
            self.known.retain(|_, known| known.stands);
            self.wrong(now, format!("an attempt at {role} goes on since {dialed}"));
        }
        let tries = |known: &BTreeMap<Link, Known>, wanted: &dyn Fn(Role) -> bool| {
            known.values().any(|known| !known.stands && wanted(known.role))
        };
        if let Some(down) = self.signaling {
            if down.since + SIGNALING_WINDOW + ROUNDING < now {
                self.signaling = None;
                self.wrong(now, format!("signaling is away since {}, and not given up", down.since));
            } else if !tries(&self.known, &|role| role == Role::Signaling)
                && down.idle_since + LONGEST_WAIT < now
                && down.since + (SIGNALING_WINDOW - LAST_TRY) > now
                && !down.first
            {
                self.signaling = None;
                self.wrong(now, format!("signaling is away since {}, not tried since {}", down.since, down.idle_since));
            }
            return;
        }
        for (medium, down) in self.media.clone() {
            if self.unavailable.contains(&medium) {
                continue;
            }
            let tried = tries(&self.known, &|role| matches!(role, Role::Media(types) if types.contains(medium)));
            if down.since + MEDIA_WINDOW + ROUNDING < now {
                self.media.remove(&medium);
                self.wrong(now, format!("{medium} is away since {}, and not given up", down.since));
            } else if !tried && down.idle_since + LONGEST_WAIT < now && down.since + (MEDIA_WINDOW - LAST_TRY) > now {
                self.media.remove(&medium);
                self.wrong(now, format!("{medium} is away since {}, not tried since {}", down.since, down.idle_since));
            }
        }
    }
}

/// The number of a message, without reading the rest.
pub(crate) fn msg_type(payload: &[u8]) -> Option<u32> {
    const KEY: &[u8] = b"\"msg_type\":";
    let digits = match payload.strip_prefix(b"{\"msg_type\":") {
        Some(digits) => digits,
        // Another order of the fields.
        None if payload.len() < 2_000 => {
            let position = payload.windows(KEY.len()).position(|window| window == KEY)?;
            payload.get(position + KEY.len()..)?
        }
        None => return None,
    };
    let end = digits.iter().position(|byte| !byte.is_ascii_digit())?;
    std::str::from_utf8(digits.get(..end)?).ok()?.parse().ok()
}

/// Whether it is media that an incident made up.
fn is_nonsense(payload: &[u8]) -> bool {
    payload.starts_with(b"{\"msg_type\":14,\"content\":{\"user_id\":1,\"data\":")
}
