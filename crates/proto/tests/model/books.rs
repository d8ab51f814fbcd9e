//! The ledger of a run, kept from what the machine told as the gateway keeps it.

use std::{collections::BTreeSet, time::Duration};

use rtms_proto::{
    event::{Ending, Event, Interruption},
    role::Role,
};
use rtms_record::ledger::{Cause, Change, Ledger, OffWhy, Scope, What, When};
use rtms_wire::{
    codes::{
        event_type::EventType,
        product::Product,
        state::{SessionState, StreamState},
    },
    media::medium::{MediaTypes, Medium},
    time::UnixMillis,
};

use crate::world::log::Piece;

/// The books.
pub(crate) struct Books {
    pub(crate) ledger: Ledger,
    lost: BTreeSet<Medium>,
    packet_ms: u64,
}

impl Books {
    pub(crate) fn new(start: UnixMillis, wanted: MediaTypes) -> Self {
        let mut ledger = Ledger::new(start, start);
        for medium in Medium::ALL.into_iter().filter(|medium| !wanted.contains(*medium)) {
            ledger.tell(Change::Off(medium, OffWhy::NotWanted, None), When::Ours(start), start);
        }
        Self { ledger, lost: BTreeSet::new(), packet_ms: 20 }
    }

    /// The process was gone until now.
    pub(crate) fn restarted(&mut self) {
        self.ledger.gap(Cause::Restart, None);
    }

    pub(crate) fn delivered(&mut self, piece: &Piece, now: UnixMillis) {
        let ms = match piece.medium {
            Medium::Audio => self.packet_ms,
            Medium::Video | Medium::Deskshare => 40,
            Medium::Transcript | Medium::Chat => 1,
        };
        self.ledger.received(piece.medium, UnixMillis(piece.timestamp), ms, now);
    }

    pub(crate) fn told(&mut self, event: &Event, now: UnixMillis) {
        let ours = When::Ours(now);
        let zoom = |at: Option<UnixMillis>| at.map_or(ours, When::Zoom);
        match event {
            Event::MediaOpen { media, granted } => {
                if let Some(audio) = &granted.audio {
                    self.packet_ms = u64::from(audio.format().send_rate);
                }
                for medium in media.iter() {
                    self.lost.remove(&medium);
                    self.ledger.tell(Change::Opened(medium), ours, now);
                }
            }
            Event::MediumUnavailable { medium, error } => {
                let change = if error.is_retryable() {
                    Change::Interrupted(Scope::Medium(*medium), Cause::WindowMissed)
                } else {
                    Change::Off(*medium, OffWhy::Unavailable, None)
                };
                self.ledger.tell(change, ours, now);
            }
            Event::Interrupted { role, cause, unheard, .. } => self.interrupted(*role, *cause, *unheard, now),
            Event::StreamState { state, timestamp, .. } => match state {
                StreamState::Active => {
                    for medium in Medium::ALL.into_iter().filter(|medium| !self.lost.contains(medium)) {
                        self.ledger.tell(Change::Back(Scope::Medium(medium)), zoom(*timestamp), now);
                    }
                }
                StreamState::Interrupted => {
                    let change = Change::Interrupted(Scope::Stream, Cause::MediaConnection);
                    self.ledger.tell(change, zoom(*timestamp), now);
                }
                StreamState::Paused => self.ledger.tell(Change::StreamPaused, zoom(*timestamp), now),
                StreamState::Resumed => self.ledger.tell(Change::StreamResumed, zoom(*timestamp), now),
                StreamState::Inactive
                | StreamState::Terminating
                | StreamState::Terminated
                | StreamState::Unknown(_) => {}
            },
            Event::SessionState { session, state, timestamp, .. } => {
                let session = session.clone().unwrap_or_else(|| "".into());
                let change = match state {
                    SessionState::Started | SessionState::Resumed => Change::SessionRuns(session),
                    SessionState::Paused => Change::SessionPaused(session),
                    SessionState::Stopped => Change::SessionStopped(session),
                    SessionState::Inactive | SessionState::Initialize | SessionState::Unknown(_) => return,
                };
                self.ledger.tell(change, zoom(*timestamp), now);
            }
            Event::Update(update) => {
                let at = zoom(update.time());
                let people = update.people().into_iter().map(|person| person.user_id);
                let Some(kind) = update.meeting(Product::Meeting) else { return };
                match kind {
                    EventType::ParticipantVideoOn => {
                        people.for_each(|who| self.ledger.tell(Change::Shown(Medium::Video, who), at, now));
                    }
                    EventType::ParticipantVideoOff | EventType::ParticipantLeave => {
                        people.for_each(|who| self.ledger.tell(Change::Hidden(Medium::Video, Some(who)), at, now));
                    }
                    EventType::SharingStart => {
                        people.for_each(|who| self.ledger.tell(Change::Shown(Medium::Deskshare, who), at, now));
                    }
                    EventType::SharingStop => self.ledger.tell(Change::Hidden(Medium::Deskshare, None), at, now),
                    _ => {}
                }
            }
            Event::Ended(ending) => match ending {
                Ending::Stopped { .. } | Ending::Closed { .. } => self.ledger.tell(Change::Stopped, ours, now),
                Ending::Abandoned => {}
                Ending::Failed(_) => {
                    self.ledger.tell(Change::Interrupted(Scope::Stream, Cause::WindowMissed), ours, now);
                }
            },
            _ => {}
        }
    }

    fn interrupted(&mut self, role: Role, cause: Interruption, unheard: Duration, now: UnixMillis) {
        let unheard = u64::try_from(unheard.as_millis()).unwrap_or(u64::MAX);
        let since = When::Ours(UnixMillis(now.0.saturating_sub(unheard)));
        let cause = match (cause, role) {
            (Interruption::Failover, _) => Cause::Failover,
            (Interruption::Frozen, _) => Cause::Frozen,
            (Interruption::SignalingLost, _) | (_, Role::Signaling) => Cause::ZoomSignaling,
            (Interruption::ConnectionLost | Interruption::ToldByZoom, Role::Media(_)) => Cause::MediaConnection,
        };
        let scopes: Vec<_> = match role {
            Role::Signaling => {
                self.lost.extend(Medium::ALL);
                vec![Scope::Stream]
            }
            Role::Media(media) => {
                self.lost.extend(media.iter());
                media.iter().map(Scope::Medium).collect()
            }
        };
        for scope in scopes {
            self.ledger.tell(Change::Interrupted(scope, cause), since, now);
        }
    }

    /// What the ledger says of a moment of a medium; none outside of it.
    pub(crate) fn says(&self, report: &rtms_record::ledger::LedgerReport, medium: Medium, at: u64) -> Option<What> {
        let spans = &report.media.get(&medium)?.spans;
        let index = spans.partition_point(|span| span.to.0 <= at);
        spans.get(index).filter(|span| span.from.0 <= at).map(|span| span.what.clone())
    }
}
