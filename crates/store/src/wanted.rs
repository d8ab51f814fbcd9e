//! What Zoom wants of one stream, as its webhooks add up. Pure.
//!
//! [`Wanted`] is a join-semilattice: each webhook is a small `Wanted`, and [`Wanted::join`] of any number of them, in
//! any order and any of them any number of times, gives the same. What follows from it, above all whether the stream
//! should run, is derived and never stored.

use std::{collections::BTreeSet, time::Duration};

use rtms_wire::{
    codes::{product::Product, stop_reason::StopReason},
    ids::{AccountId, InstanceId},
    signature::HandshakeSignature,
    time::UnixMillis,
};
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

/// What Zoom wants of one stream, as far as its webhooks have come.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wanted {
    /// The newest start that says when it happened.
    pub start: Option<Start>,
    /// Starts that do not say when they happened, each at its first arrival, one per set of URLs: the old forms.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub undated_starts: Vec<Start>,
    /// The newest stop.
    pub stop: Option<Stop>,
    /// The newest interruption.
    pub interruption: Option<Interruption>,
    /// The newest interruption that named places to connect to: a later one without them is about the same place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub moved: Option<Interruption>,
    /// Everything that its webhooks named as what is streamed; a stop without stream id comes through these.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub instances: BTreeSet<InstanceKey>,
    /// The newest start of which somebody here wants that Zoom is asked to end it; no webhook says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) closing: Option<UnixMillis>,
}

/// How far the times of one event may lie apart that Zoom sends under two names. Seen apart by a millisecond; a failover to
/// the same server takes longer than this.
const TWINS_WITHIN: Duration = Duration::from_secs(2);

/// A start of a stream.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Start {
    /// When, on Zoom's clock; if the webhook does not say, when it was received, on ours.
    pub at: UnixMillis,
    /// Where to connect, in Zoom's order, checked.
    pub server_urls: Vec<String>,
    /// The code of the data centre, a hint for placement.
    pub region: Option<SmolStr>,
    /// The app whose secret signed the webhook.
    pub app: SmolStr,
    /// The product, by the event's name.
    pub product: Option<Product>,
    /// What is streamed; handshakes need it.
    pub instance: Option<InstanceId>,
    /// The account.
    pub account_id: Option<AccountId>,
    /// The meeting's number.
    pub meeting_id: Option<SmolStr>,
    /// Who triggered it.
    pub operator_id: Option<SmolStr>,
    /// Whether the operator is the original host. Records of older versions lack it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub is_original_host: Option<bool>,
    /// The host.
    pub host_id: Option<SmolStr>,
    /// The developer's own session id, Video SDK only.
    pub session_key: Option<SmolStr>,
    /// A handshake signature made by Zoom, for when no credentials match.
    pub signature: Option<HandshakeSignature>,
    /// The event's name as it was sent. Records of older versions lack it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event: Option<SmolStr>,
}

/// The newest stop of a stream.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Stop {
    /// When, on Zoom's clock; if the webhook does not say, when it was received, on ours.
    pub at: UnixMillis,
    /// Zoom's reason, if it gave one.
    pub reason: Option<StopReason>,
    /// When a stop last withdrew consent, this one or one before it. Records of older versions lack it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    revoked_at: Option<UnixMillis>,
    /// The event's name as it was sent. Records of older versions lack it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    event: Option<SmolStr>,
}

/// An interruption: Zoom's side of the connection broke.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Interruption {
    /// When, on Zoom's clock; if the webhook does not say, when it was received, on ours.
    pub at: UnixMillis,
    /// New places to connect to, checked; mostly empty.
    pub server_urls: Vec<String>,
    /// The event's name as it was sent. Records of older versions lack it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event: Option<SmolStr>,
}

/// What a stop without stream id goes by: an app's view of one meeting, webinar, session, engagement or call.
///
/// The field that carried the value is left out, since Zoom's documents disagree on it within one product.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct InstanceKey {
    /// The app whose secret signed the webhook: another app's stream of the same meeting goes on.
    pub app: SmolStr,
    /// The product, by the event's name.
    pub product: Option<Product>,
    /// The id, byte for byte.
    pub value: SmolStr,
}

/// What a worker has to bring about: be connected to one of these URLs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wish<'a> {
    /// When it was made: the newest of start and interruption. A later value is a new wish.
    pub at: UnixMillis,
    /// Where to connect, in Zoom's order.
    pub server_urls: &'a [String],
    /// The start that it rests on. Another `at` than before is a failover.
    pub start: &'a Start,
    /// The interruption since that start, if there is one. Another `at` than before asks for a reconnect.
    pub interruption: Option<&'a Interruption>,
}

impl Wanted {
    /// Different URLs of undated starts that are remembered. Zoom dates its starts, so this is for mock senders.
    const MAX_UNDATED: usize = 16;
    /// Instances that are remembered. A stream has one; two when a product's documents disagree.
    const MAX_INSTANCES: usize = 16;

    /// Adds what `other` knows.
    pub fn join(&mut self, other: Self) {
        keep_newer(&mut self.start, other.start, |new, old| new.rank() > old.rank());
        self.stop = self.stop.take().into_iter().chain(other.stop).reduce(Stop::join);
        // A record of an older version has no `moved`.
        for moved in [self.interruption.clone(), other.interruption.clone(), other.moved] {
            keep_newer(&mut self.moved, moved.filter(Interruption::names_servers), |new, old| new > old);
        }
        keep_newer(&mut self.interruption, other.interruption, |new, old| new > old);
        for start in other.undated_starts {
            self.join_undated(start);
        }
        self.instances.extend(other.instances);
        while self.instances.len() > Self::MAX_INSTANCES {
            self.instances.pop_last();
        }
        self.closing = self.closing.max(other.closing);
    }

    /// That Zoom is to be asked to end what the newest start began.
    pub(crate) fn close(&mut self) {
        self.closing = self.closing.max(self.newest_start().map(|start| start.at));
    }

    /// Whether Zoom is to be asked to end what the newest start began.
    pub fn is_closing(&self) -> bool {
        self.closing.is_some() && self.closing >= self.newest_start().map(|start| start.at)
    }

    /// The start that counts.
    ///
    /// An undated start that goes where the dated one goes is the same start, reported by a poorer sender.
    pub fn newest_start(&self) -> Option<&Start> {
        let dated_urls = self.start.as_ref().map(|start| &start.server_urls);
        let undated = self.undated_starts.iter().filter(|start| Some(&start.server_urls) != dated_urls);
        self.start.iter().chain(undated).max_by(|one, other| one.rank().cmp(&other.rank()))
    }

    /// What has to be brought about; none when the stream should not run.
    pub fn wish(&self) -> Option<Wish<'_>> {
        let start = self.newest_start()?;
        if self.stop.as_ref().is_some_and(|stop| stop.at >= start.at) {
            return None;
        }
        let interruption = self.interruption.as_ref().filter(|interruption| interruption.at > start.at);
        let named = self.moved.iter().chain(interruption).filter(|it| it.at > start.at && it.names_servers());
        let new_urls = named.max_by_key(|it| it.at).map(|it| &it.server_urls);
        Some(Wish {
            at: interruption.map_or(start.at, |interruption| interruption.at),
            server_urls: new_urls.unwrap_or(&start.server_urls),
            start,
            interruption,
        })
    }

    /// Whether the stream should run: its newest start is newer than its newest stop.
    pub fn is_running(&self) -> bool {
        self.wish().is_some()
    }

    /// Whether consent was withdrawn since the newest start: what is held of the stream has to go.
    pub fn is_revoked(&self) -> bool {
        let revoked_at = self.stop.as_ref().and_then(Stop::revoked_at);
        revoked_at.is_some_and(|at| self.newest_start().is_none_or(|start| at >= start.at))
    }

    /// Keeps the first arrival per set of URLs, since a repeat comes later and would pass for a new start.
    fn join_undated(&mut self, start: Start) {
        match self.undated_starts.binary_search_by(|known| known.server_urls.cmp(&start.server_urls)) {
            Ok(found) => {
                if let Some(known) = self.undated_starts.get_mut(found).filter(|known| start.rank() < known.rank()) {
                    *known = start;
                }
            }
            Err(place) => {
                self.undated_starts.insert(place, start);
                if self.undated_starts.len() > Self::MAX_UNDATED {
                    let oldest = self.undated_starts.iter().map(|start| start.at).min();
                    self.undated_starts.retain(|start| Some(start.at) != oldest);
                }
            }
        }
    }
}

impl Stop {
    /// A stop as one webhook tells of it.
    pub fn new(at: UnixMillis, reason: Option<StopReason>) -> Self {
        let stop = Self { at, reason, revoked_at: None, event: None };
        Self { revoked_at: stop.revoked_at(), ..stop }
    }

    /// Under the name that the webhook has for it.
    #[must_use]
    pub fn sent_as(self, event: &SmolStr) -> Self {
        Self { event: Some(event.clone()), ..self }
    }

    /// Whether both are one stop that was sent under two names.
    pub(crate) fn is_twin_of(&self, other: &Self) -> bool {
        are_twins((&self.event, self.at), (&other.event, other.at))
    }

    /// When consent was last withdrawn.
    fn revoked_at(&self) -> Option<UnixMillis> {
        let by_this = (self.reason == Some(StopReason::StreamRevoked)).then_some(self.at);
        by_this.max(self.revoked_at)
    }

    /// What both say.
    pub(crate) fn join(self, other: Self) -> Self {
        let revoked_at = self.revoked_at().max(other.revoked_at());
        let rank = |stop: &Self| (stop.at, stop.reason, stop.event.clone());
        let newest = if rank(&other) > rank(&self) { other } else { self };
        Self { revoked_at, ..newest }
    }
}

impl Interruption {
    /// Whether it says where to connect.
    fn names_servers(&self) -> bool {
        !self.server_urls.is_empty()
    }

    /// Whether both are one interruption that was sent under two names.
    pub fn is_twin_of(&self, other: &Self) -> bool {
        self.server_urls == other.server_urls && are_twins((&self.event, self.at), (&other.event, other.at))
    }
}

impl Start {
    /// Whether both are of the same app's view of one meeting, webinar, session, engagement or call.
    pub fn is_of_the_same_meeting(&self, other: &Self) -> bool {
        let value = |start: &Self| start.instance.as_ref().map(|instance| instance.value.clone());
        self.app == other.app && self.product == other.product && self.instance.is_some() && value(self) == value(other)
    }

    /// Time first; the rest only breaks ties, so that the order of arrival never does.
    fn rank(&self) -> impl Ord + '_ {
        let ids = (&self.meeting_id, &self.operator_id, self.is_original_host, &self.host_id, &self.session_key);
        let signature = self.signature.as_ref().map(HandshakeSignature::as_str);
        let who = (&self.app, self.product, &self.instance, &self.account_id);
        (self.at, &self.server_urls, &self.region, who, ids, signature, &self.event)
    }

    /// Whether both are one start that was sent under two names: to the same servers, at almost the same time.
    ///
    /// A newer start under the same name is a failover, also one to the same server.
    pub fn is_twin_of(&self, other: &Self) -> bool {
        let urls = |start: &Self| start.server_urls.iter().cloned().collect::<BTreeSet<_>>();
        are_twins((&self.event, self.at), (&other.event, other.at)) && urls(self) == urls(other)
    }
}

/// Whether two webhooks of one kind can be one event that Zoom sends under each of its names, as
/// `phone.call_rtms_started` and `phone.rtms_started`.
fn are_twins(one: (&Option<SmolStr>, UnixMillis), other: (&Option<SmolStr>, UnixMillis)) -> bool {
    let (Some(name), Some(other_name)) = (one.0, other.0) else { return false };
    name != other_name && one.1.since(other.1).max(other.1.since(one.1)) <= TWINS_WITHIN
}

fn keep_newer<T>(known: &mut Option<T>, new: Option<T>, is_newer: impl Fn(&T, &T) -> bool) {
    if let Some(new) = new
        && known.as_ref().is_none_or(|known| is_newer(&new, known))
    {
        *known = Some(new);
    }
}
