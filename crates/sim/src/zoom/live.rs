//! Connections: those that stand, those whose server hangs, those that the client ended itself.

use std::collections::BTreeSet;

use bytes::Bytes;
use rtms_wire::{media::medium::Medium, time::UnixMillis};

use crate::{keep_alive::KeepAlive, media::flow::Media, sent::Sent, signaling::Signaling, zoom::output::Output};

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

#[derive(Debug)]
pub(super) enum Role {
    SignalingNew,
    Signaling(Signaling),
    MediaNew,
    Media(Box<Media>),
}

impl Connection {
    pub(super) fn new(role: Role, now: UnixMillis) -> Self {
        Self { opened: now, role, keep_alive: None, is_void: false, mute_until: None, cut_at: None, sent_at: now }
    }
}

/// What waits on a connection whose server hangs, in order.
#[derive(Debug, Default)]
pub(super) struct Frozen {
    pub(super) until: UnixMillis,
    /// What the server has not read.
    pub(super) unread: Vec<Bytes>,
    /// What it has not said, with the record of it. The last may be its goodbye; the connection is the stream's no more then.
    pub(super) unsaid: Vec<(Output, Option<Sent>)>,
}

/// A media connection that the client ended. It is kept playing, and nothing of it is sent.
#[derive(Debug)]
pub(super) struct Absent {
    pub(super) media: Media,
    /// What was not opened again since.
    pub(super) without: BTreeSet<Medium>,
    /// When each packet of sound was said, in milliseconds since the start: what Zoom keeps of it is still sent to a client that
    /// comes back.
    pub(super) sound: Vec<u64>,
}
