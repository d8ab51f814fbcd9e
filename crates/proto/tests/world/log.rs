//! What is known of a run from the client's side, and what must hold of it whatever the run is about.

use std::collections::BTreeMap;

use bytes::Bytes;
use rtms_proto::{
    event::{Ending, Event},
    role::Role,
};
use rtms_sim::world::Link;
use rtms_wire::{
    codes::{message_type::MessageType, state::StreamState},
    media::medium::Medium,
    message::{Message, media_data::MediaData},
    time::UnixMillis,
};

/// One packet, picture or line, by what tells it from all others.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Piece {
    pub(crate) medium: Medium,
    /// Whose: the user or channel.
    pub(crate) owner: String,
    /// Zoom's time of it.
    pub(crate) timestamp: u64,
    /// What it carries.
    pub(crate) content: Bytes,
}

/// A connection that was asked for.
#[derive(Clone, Debug)]
pub(crate) struct Dialed {
    pub(crate) at: UnixMillis,
    pub(crate) link: Link,
    pub(crate) role: Role,
    pub(crate) url: String,
}

/// Everything that the client did and learned.
#[derive(Debug, Default)]
pub(crate) struct Log {
    /// What the machine told, but for media.
    pub(crate) events: Vec<(UnixMillis, Event)>,
    /// Media that the machine told, in order.
    pub(crate) delivered: Vec<(UnixMillis, Piece)>,
    /// Media that came on connections, told or not, in order.
    pub(crate) arrived: Vec<(UnixMillis, Piece)>,
    /// How often each connection carried a piece.
    carried: BTreeMap<Piece, BTreeMap<Link, usize>>,
    /// Connections that were asked for.
    pub(crate) dialed: Vec<Dialed>,
    /// Messages that were sent.
    pub(crate) said: Vec<(UnixMillis, Link, MessageType)>,
    /// How runs of the machine ended; more than one only after a later start or a restart.
    pub(crate) endings: Vec<(UnixMillis, Ending)>,
    /// When the machine was started: more than once only after a restart or an ending.
    pub(crate) joins: Vec<UnixMillis>,
    /// When it was known that the stream is over, by webhook or state 4.
    pub(crate) stop_known_at: Option<UnixMillis>,
    /// When we asked for the end.
    pub(crate) closing_at: Option<UnixMillis>,
    /// When the process was killed and started again.
    pub(crate) kills: Vec<UnixMillis>,
    /// Those of them at which the store knew of no end: what had been heard of one is forgotten.
    pub(crate) forgetful_kills: Vec<UnixMillis>,
    pub(crate) restarts: Vec<UnixMillis>,
    /// What must not happen, and did.
    pub(crate) violations: Vec<String>,
    open: BTreeMap<Link, Role>,
    terminated: bool,
}

impl Log {
    pub(crate) fn killed(&mut self, now: UnixMillis, has_open_wish: bool) {
        self.kills.push(now);
        self.open.clear();
        if has_open_wish {
            self.forgetful_kills.push(now);
            self.stop_known_at = None;
            self.terminated = false;
        }
    }

    pub(crate) fn restarted(&mut self, now: UnixMillis) {
        self.restarts.push(now);
    }

    pub(crate) fn joined(&mut self, now: UnixMillis) {
        self.joins.push(now);
    }

    pub(crate) fn closing(&mut self, now: UnixMillis) {
        self.closing_at.get_or_insert(now);
    }

    pub(crate) fn odd_webhook(&mut self, now: UnixMillis, why: &str) {
        self.wrong(now, format!("a webhook came, but {why}"));
    }

    pub(crate) fn stop_known(&mut self, now: UnixMillis) {
        self.stop_known_at.get_or_insert(now);
    }

    /// A newer start came after a stop.
    pub(crate) fn runs_again(&mut self, _now: UnixMillis) {
        self.stop_known_at = None;
        self.terminated = false;
    }

    pub(crate) fn dialed(&mut self, at: UnixMillis, link: Link, role: Role, url: &str) {
        if let Some(known) = self.stop_known_at {
            self.wrong(at, format!("{role} is dialed, and the end is known since {known}"));
        }
        if role == Role::Signaling && self.open.values().any(|open| *open == Role::Signaling) {
            self.wrong(at, "a second signaling connection is dialed".to_owned());
        }
        self.open.insert(link, role);
        self.dialed.push(Dialed { at, link, role, url: url.to_owned() });
    }

    pub(crate) fn said(&mut self, at: UnixMillis, link: Link, msg_type: MessageType) {
        // Whoever reads on until the connection closes still lives.
        if self.terminated && msg_type != MessageType::KeepAliveResp {
            self.wrong(at, format!("message {msg_type} is sent after state 4"));
        }
        if !self.open.contains_key(&link) {
            self.wrong(at, format!("message {msg_type} is sent on a connection that is gone"));
        }
        self.said.push((at, link, msg_type));
    }

    pub(crate) fn left(&mut self, _now: UnixMillis, link: Link) {
        self.open.remove(&link);
    }

    pub(crate) fn left_behind(&mut self, now: UnixMillis, link: Link) {
        self.open.remove(&link);
        self.wrong(now, format!("the machine ended and left connection {} open", link.0));
    }

    pub(crate) fn gone(&mut self, link: Link) {
        self.open.remove(&link);
    }

    pub(crate) fn heard(&mut self, now: UnixMillis, link: Link, message: &Message) {
        match message {
            Message::StreamStateUpdate(update) if update.state == StreamState::Terminated => {
                self.terminated = true;
                self.stop_known(now);
            }
            _ => {}
        }
        if let Some(piece) = piece_of(message) {
            *self.carried.entry(piece.clone()).or_default().entry(link).or_default() += 1;
            self.arrived.push((now, piece));
        }
    }

    pub(crate) fn event(&mut self, now: UnixMillis, event: Event) {
        let piece = match &event {
            Event::Audio(data) => media(Medium::Audio, data),
            Event::Video(data) => media(Medium::Video, data),
            Event::Deskshare(data) => media(Medium::Deskshare, data),
            Event::Transcript(line) => {
                piece_of(&Message::MediaDataTranscript(line.clone())).expect("a line of transcript")
            }
            Event::Chat(chat) => piece_of(&Message::MediaDataChat(chat.clone())).expect("a line of chat"),
            Event::Ended(ending) => {
                self.endings.push((now, ending.clone()));
                return self.events.push((now, event));
            }
            _ => return self.events.push((now, event)),
        };
        self.delivered.push((now, piece));
    }

    /// Adds what must not happen to what did.
    pub(crate) fn wrong(&mut self, now: UnixMillis, what: String) {
        self.violations.push(format!("{now}: {what}"));
    }

    /// What must not be and is, at the end of a run. Media that came must have been told, each as often as
    /// one connection carried it and no more.
    pub(crate) fn faults(&self) -> Vec<String> {
        let mut faults = self.violations.clone();
        let mut told = BTreeMap::<_, usize>::new();
        for (at, piece) in &self.delivered {
            let times = told.entry(piece).or_default();
            *times += 1;
            let may_be = self.carried.get(piece).and_then(|links| links.values().max()).copied().unwrap_or(0);
            if *times > may_be && self.kills.is_empty() {
                let Piece { medium, owner, timestamp, .. } = piece;
                faults.push(format!("{at}: {medium} of {owner} at {timestamp} was told {times} times"));
            }
        }
        let missing: Vec<_> = self.arrived.iter().filter(|(_, piece)| !told.contains_key(piece)).collect();
        if let Some((at, piece)) = missing.first() {
            faults.push(format!(
                "{at}: {} of {} at {} came and was not told, the first of {}",
                piece.medium,
                piece.owner,
                piece.timestamp,
                missing.len()
            ));
        }
        faults
    }
}

fn media(medium: Medium, data: &MediaData) -> Piece {
    let owner = data.user_id.as_ref().map(ToString::to_string);
    let owner = owner.or_else(|| data.channel_id.as_ref().map(ToString::to_string)).unwrap_or_default();
    Piece { medium, owner, timestamp: data.timestamp.0, content: data.data.clone() }
}

/// The piece of media that a message is, if it is one.
pub(crate) fn piece_of(message: &Message) -> Option<Piece> {
    let text = |medium, owner: Option<String>, timestamp: Option<UnixMillis>, content: String| {
        let timestamp = timestamp.unwrap_or_default().0;
        Some(Piece { medium, owner: owner.unwrap_or_default(), timestamp, content: content.into() })
    };
    match message {
        Message::MediaDataAudio(data) => Some(media(Medium::Audio, data)),
        Message::MediaDataVideo(data) => Some(media(Medium::Video, data)),
        Message::MediaDataShare(data) => Some(media(Medium::Deskshare, data)),
        Message::MediaDataTranscript(line) => {
            let owner = line.user_id.as_ref().map(ToString::to_string);
            let owner = owner.or_else(|| line.channel_id.as_ref().map(ToString::to_string));
            text(Medium::Transcript, owner, line.start_time, message.encode())
        }
        Message::MediaDataChat(chat) => {
            text(Medium::Chat, chat.user_id.as_ref().map(ToString::to_string), chat.timestamp, message.encode())
        }
        _ => None,
    }
}
