//! The connections of a stream: those that stand, and what waits on those whose server hangs.

use std::{collections::BTreeMap, time::Duration};

use bytes::Bytes;
use rtms_wire::{message::keep_alive::KeepAliveResp, time::UnixMillis};

use crate::{
    connection::{ConnectionId, Endpoint},
    fault::Target,
    keep_alive::KeepAlive,
    media::flow::Media,
    sent::Sent,
    signaling::Signaling,
    zoom::output::Output,
};

/// A connection that stands.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) opened: UnixMillis,
    pub(super) role: Role,
    /// None until the handshake succeeds.
    pub(super) keep_alive: Option<KeepAlive>,
    /// Whether everything on it is lost, both ways.
    pub(super) is_void: bool,
    /// Until when no keep-alive request is sent.
    pub(super) mute_until: Option<UnixMillis>,
    /// When it is cut, because its server is not the stream's any more.
    pub(super) cut_at: Option<UnixMillis>,
    /// When something was sent on it last.
    pub(super) sent_at: UnixMillis,
}

/// What a connection is for.
#[derive(Debug)]
pub(super) enum Role {
    /// Signaling, before its handshake has succeeded.
    SignalingNew,
    /// Signaling.
    Signaling(Signaling),
    /// Media, before the handshake has succeeded.
    MediaNew,
    /// Media.
    Media(Box<Media>),
}

/// What waits on a connection whose server hangs, in order.
#[derive(Debug, Default)]
pub(super) struct Frozen {
    until: UnixMillis,
    /// Messages that the server has not read.
    pub(super) unread: Vec<Bytes>,
    /// Outputs that the server has not sent, with their records. The last may be the close; the connection is the
    /// stream's no more then.
    pub(super) unsent: Vec<(Output, Option<Sent>)>,
}

/// All connections of a stream.
#[derive(Debug, Default)]
pub(super) struct Connections {
    open: BTreeMap<ConnectionId, Connection>,
    /// Those whose server hangs. One that was closed meanwhile is not among the open ones any more.
    frozen: BTreeMap<ConnectionId, Frozen>,
}

impl Connections {
    /// Messages that a hanging server keeps for later; those of a client that sends more are dropped.
    const MAX_UNREAD: usize = 1_024;

    /// Adds a connection whose upgrade has just succeeded.
    pub(super) fn add(&mut self, id: ConnectionId, endpoint: Endpoint, now: UnixMillis) {
        let role = match endpoint {
            Endpoint::Signaling => Role::SignalingNew,
            Endpoint::Media => Role::MediaNew,
        };
        let connection = Connection {
            opened: now,
            role,
            keep_alive: None,
            is_void: false,
            mute_until: None,
            cut_at: None,
            sent_at: now,
        };
        self.open.insert(id, connection);
    }

    pub(super) fn get(&self, id: ConnectionId) -> Option<&Connection> {
        self.open.get(&id)
    }

    pub(super) fn get_mut(&mut self, id: ConnectionId) -> Option<&mut Connection> {
        self.open.get_mut(&id)
    }

    /// Returns what a connection is for, if it stands.
    pub(super) fn role(&self, id: ConnectionId) -> Option<&Role> {
        self.open.get(&id).map(|known| &known.role)
    }

    /// Removes a connection; what waits on it stays.
    pub(super) fn remove(&mut self, id: ConnectionId) -> Option<Connection> {
        self.open.remove(&id)
    }

    /// Drops what waits on a connection. Returns whether its server hung.
    pub(super) fn drop_waiting(&mut self, id: ConnectionId) -> bool {
        self.frozen.remove(&id).is_some()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.open.is_empty()
    }

    pub(super) fn ids(&self) -> Vec<ConnectionId> {
        self.open.keys().copied().collect()
    }

    /// Returns the media connections that are the stream's; those to a server that failed are not.
    pub(super) fn media(&self) -> impl Iterator<Item = (ConnectionId, &Media)> {
        self.open.iter().filter_map(|(id, known)| match &known.role {
            Role::Media(media) if known.cut_at.is_none() => Some((*id, media.as_ref())),
            Role::Media(_) | Role::SignalingNew | Role::Signaling(_) | Role::MediaNew => None,
        })
    }

    /// Returns their numbers.
    pub(super) fn media_ids(&self) -> Vec<ConnectionId> {
        self.media().map(|(id, _)| id).collect()
    }

    /// Returns all media connections, those to a server that failed too, but not those whose server hangs.
    pub(super) fn media_that_flow(&mut self) -> impl Iterator<Item = (ConnectionId, &mut Media)> {
        let Self { open, frozen } = self;
        open.iter_mut().filter(|(id, _)| !frozen.contains_key(id)).filter_map(|(id, known)| match &mut known.role {
            Role::Media(media) => Some((*id, media.as_mut())),
            Role::SignalingNew | Role::Signaling(_) | Role::MediaNew => None,
        })
    }

    /// Returns the media connections that wait for message 7.
    pub(super) fn media_that_wait(&mut self) -> impl Iterator<Item = &mut Media> {
        self.open.values_mut().filter_map(|known| match &mut known.role {
            Role::Media(media) if !media.is_ready() => Some(media.as_mut()),
            Role::Media(_) | Role::SignalingNew | Role::Signaling(_) | Role::MediaNew => None,
        })
    }

    /// Whether a media connection waits for its handshake.
    pub(super) fn has_new_media(&self) -> bool {
        self.open.values().any(|known| matches!(known.role, Role::MediaNew))
    }

    /// Returns the connections of a target, those to a server that failed left out.
    pub(super) fn of(&self, target: Target) -> Vec<ConnectionId> {
        let is_meant = |known: &Connection| match (target, &known.role) {
            _ if known.cut_at.is_some() => false,
            (Target::Everything, _) | (Target::Signaling, Role::Signaling(_)) | (Target::Media, Role::Media(_)) => true,
            (Target::Medium(medium), Role::Media(media)) => media.carries.contains(medium),
            (Target::Signaling | Target::Media | Target::Medium(_), _) => false,
        };
        self.open.iter().filter(|(_, known)| is_meant(known)).map(|(id, _)| *id).collect()
    }

    /// Changes each connection of a target.
    pub(super) fn change(&mut self, target: Target, mut change: impl FnMut(&mut Connection)) {
        for id in self.of(target) {
            if let Some(known) = self.open.get_mut(&id) {
                change(known);
            }
        }
    }

    /// Whether everything on a connection is lost, both ways.
    pub(super) fn is_void(&self, id: ConnectionId) -> bool {
        self.open.get(&id).is_some_and(|known| known.is_void)
    }

    /// Whether a connection stands and what is sent on it arrives on both sides.
    pub(super) fn is_sound(&self, id: ConnectionId) -> bool {
        let known = self.open.get(&id);
        known.is_some_and(|known| !known.is_void && known.cut_at.is_none()) && !self.is_frozen(id)
    }

    /// Whether the server of a connection hangs.
    pub(super) fn is_frozen(&self, id: ConnectionId) -> bool {
        self.frozen.contains_key(&id)
    }

    /// Whether any server hangs.
    pub(super) fn is_any_frozen(&self) -> bool {
        !self.frozen.is_empty()
    }

    /// Lets the server of a target's connections hang.
    pub(super) fn freeze(&mut self, target: Target, until: UnixMillis) {
        for id in self.of(target) {
            self.frozen.entry(id).or_default().until = until;
        }
    }

    /// Keeps a message for a server that hangs. Returns it if the server does not.
    pub(super) fn hold_unread(&mut self, id: ConnectionId, payload: Bytes) -> Option<Bytes> {
        match self.frozen.get_mut(&id) {
            Some(frozen) => {
                if frozen.unread.len() < Self::MAX_UNREAD {
                    frozen.unread.push(payload);
                }
                None
            }
            None => Some(payload),
        }
    }

    /// Keeps an output of a server that hangs. Returns it if the server does not.
    pub(super) fn hold_unsent(
        &mut self,
        id: ConnectionId,
        output: Output,
        sent: Option<Sent>,
    ) -> Option<(Output, Option<Sent>)> {
        match self.frozen.get_mut(&id) {
            Some(frozen) => {
                frozen.unsent.push((output, sent));
                None
            }
            None => Some((output, sent)),
        }
    }

    /// Ends the hanging of servers whose time is over. Returns what waited for them.
    pub(super) fn thaw(&mut self, now: UnixMillis) -> Vec<(ConnectionId, Frozen)> {
        let thawed: Vec<_> = self.frozen.extract_if(.., |_, frozen| frozen.until <= now).collect();
        for (id, _) in &thawed {
            if let Some(keep_alive) = self.open.get_mut(id).and_then(|known| known.keep_alive.as_mut()) {
                keep_alive.skip(now);
                keep_alive.excuse(now);
            }
        }
        thawed
    }

    /// Has all connections cut at that moment, because their server has failed.
    pub(super) fn cut_all_at(&mut self, at: UnixMillis) {
        for known in self.open.values_mut() {
            known.cut_at = Some(at);
        }
    }

    /// Returns the connections that are due to be cut.
    pub(super) fn due_cuts(&self, now: UnixMillis) -> Vec<ConnectionId> {
        self.open.iter().filter(|(_, known)| known.cut_at.is_some_and(|at| at <= now)).map(|(id, _)| *id).collect()
    }

    /// Returns the connections whose handshake is overdue.
    pub(super) fn overdue_handshakes(&self, within: Duration, now: UnixMillis) -> Vec<ConnectionId> {
        self.open
            .iter()
            .filter(|(id, known)| known.keep_alive.is_none() && !self.frozen.contains_key(id))
            .filter(|(_, known)| now >= known.opened + within)
            .map(|(id, _)| *id)
            .collect()
    }

    /// Returns the keep-alives of other connections that have an open request that this answer repeats.
    pub(super) fn others_that_await(
        &mut self,
        id: ConnectionId,
        answer: &KeepAliveResp,
    ) -> impl Iterator<Item = &mut KeepAlive> {
        let others = self.open.iter_mut().filter(move |(other, _)| **other != id);
        others.filter_map(|(_, known)| known.keep_alive.as_mut()).filter(move |it| it.awaits(answer))
    }

    /// Returns the keep-alives of the connections on which nothing is lost or held back.
    pub(super) fn sound_keep_alives(&self) -> impl Iterator<Item = (ConnectionId, &KeepAlive)> {
        let sound = self.open.iter().filter(|(id, _)| self.is_sound(**id));
        sound.filter_map(|(id, known)| Some((*id, known.keep_alive.as_ref()?)))
    }

    /// Returns when something is due on a connection: a handshake's end, a keep-alive request, a cut, the end of a
    /// server's hanging. If `media_from` is given, media flows, and is due in the milliseconds of a stream that started
    /// then.
    pub(super) fn next_at(&self, handshake_within: Duration, media_from: Option<UnixMillis>) -> Option<UnixMillis> {
        let waiting = |(id, known): (&ConnectionId, &Connection)| match (&known.keep_alive, &known.role, media_from) {
            _ if self.frozen.contains_key(id) => None,
            (None, _, _) => Some(known.opened + handshake_within),
            (Some(keep_alive), Role::Media(media), Some(start)) => {
                let media = media.next_ms().map(|ms| start + Duration::from_millis(ms));
                media.into_iter().chain([keep_alive.next_at()]).min()
            }
            (Some(keep_alive), _, _) => Some(keep_alive.next_at()),
        };
        let cuts = self.open.values().filter_map(|known| known.cut_at);
        let thaws = self.frozen.values().map(|frozen| frozen.until);
        self.open.iter().filter_map(waiting).chain(cuts).chain(thaws).min()
    }
}
