//! Translates the events of a stream into changes of its ledger. Pure: time is an argument.
//!
//! A change has Zoom's time where Zoom gives one, and otherwise ours, taken when the event happened. Received data and
//! a medium that opens reach the ledger by themselves.

use std::{collections::BTreeSet, time::Duration};

use rtms_client::queue::Lost;
use rtms_proto::{
    error::StreamError,
    event::{Ending, Event, Interruption, Odd},
    role::Role,
};
use rtms_record::{
    Dropped, Input,
    ledger::{Cause, Change, LedgerReport, MediumReport, OffWhy, Queue, Scope, SpanChange, What, When},
};
use rtms_sink::envelope::LedgerSpan;
use rtms_wire::{
    SmolStr,
    codes::{
        product::Product,
        state::{SessionState, StreamState},
        status_code::StatusCode,
        stop_reason::StopReason,
    },
    media::medium::{MediaTypes, Medium},
    time::{UnixMillis, millis},
};
use serde::Serialize;

/// A time that Zoom wrote, and when we read it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ClockPair {
    pub(crate) zoom: UnixMillis,
    pub(crate) ours: UnixMillis,
}

/// The translator of one stream, with the state that it keeps from one event to the next.
#[derive(Debug, Default)]
pub(crate) struct LedgerInput {
    /// Media whose connection is gone and that have not been opened again.
    lost: BTreeSet<Medium>,
    /// When Zoom ended the stream, by its message on signaling.
    ended_at: Option<UnixMillis>,
    /// Why signaling was lost, and media with it.
    signaling_lost_by: Option<Cause>,
    /// Media that the product does not have, as far as is published.
    unpublished: BTreeSet<Medium>,
    /// Whether the settings name media of their own choice.
    insists: bool,
}

/// Returns the changes known before the first event of a stream that began at `started_at`.
pub(crate) fn opening(
    wanted: MediaTypes,
    product: Product,
    clocks: Option<ClockPair>,
    started_at: UnixMillis,
) -> Vec<Input> {
    // A webhook that comes late, by a slow way or Zoom's retry, is not a clock that is behind.
    let clock = clocks.filter(|clocks| clocks.zoom > clocks.ours);
    let clock = clock.map(|ClockPair { zoom, ours }| Input::Clock { zoom, ours });
    let unwanted = Medium::ALL.into_iter().filter_map(|medium| match () {
        () if !wanted.contains(medium) => Some((medium, OffWhy::NotWanted)),
        () if !product.has(medium) => Some((medium, OffWhy::NotOffered)),
        () => None,
    });
    // As if it were our time, though it is Zoom's: it was written too long ago to compare the clocks by it.
    let since = When::Ours(started_at);
    let off = unwanted.map(|(medium, why)| Input::Change(Change::Off(medium, why, None), since));
    clock.into_iter().chain(off).collect()
}

/// Returns the change by which all time since the beginning of a stream is lost by this cause.
pub(crate) fn lost_from_the_start(cause: Cause) -> Input {
    // Our clock has no earlier time, and the ledger begins where the stream does.
    Input::Change(Change::Interrupted(Scope::Stream, cause), When::Ours(UnixMillis(0)))
}

/// Translates a loss of the queue before the recorder.
pub(crate) fn lost(lost: Lost) -> Input {
    let Lost { medium, first, last, count } = lost;
    Input::Dropped(Dropped { medium, queue: Queue::Events, first, last, count })
}

impl LedgerInput {
    /// Creates the translator for a stream of this product, of which these media are wanted.
    ///
    /// A list that names every medium is the default of the settings.
    pub(crate) fn new(product: Product, wanted: MediaTypes) -> Self {
        let unpublished = Medium::ALL.into_iter().filter(|medium| !product.has(*medium)).collect();
        let insists = Medium::ALL.into_iter().any(|medium| !wanted.contains(medium));
        Self { unpublished, insists, ..Self::default() }
    }

    /// Whether an unavailable medium is one that Zoom does not offer and the settings do not insist on.
    pub(crate) fn is_not_offered(&self, medium: Medium, error: &StreamError) -> bool {
        let is_absent = matches!(error, StreamError::LeftOut { role: Role::Signaling });
        self.unpublished.contains(&medium) || is_absent && !self.insists
    }

    /// Returns the changes by an event, beside the data that it may carry.
    pub(crate) fn changes(&mut self, event: &Event, now: UnixMillis) -> Vec<Input> {
        match event {
            Event::MediaOpen { media, .. } => {
                for medium in media.iter() {
                    self.lost.remove(&medium);
                }
                // The grant opens it.
                Vec::new()
            }
            Event::MediumUnavailable { medium, error } => {
                let change = if self.is_not_offered(*medium, error) {
                    Change::Off(*medium, OffWhy::NotOffered, Some(SmolStr::new(error.to_string())))
                } else if error.is_retryable() {
                    Change::Interrupted(Scope::Medium(*medium), Cause::WindowMissed)
                } else {
                    Change::Off(*medium, off_why(error), Some(SmolStr::new(error.to_string())))
                };
                vec![Input::Change(change, When::Ours(now))]
            }
            Event::Interrupted { role, cause, unheard, .. } => {
                let since = When::Ours(before(now, *unheard));
                let cause = self.cause(*role, *cause);
                if *role == Role::Signaling {
                    self.signaling_lost_by = Some(cause);
                }
                let scopes = match role {
                    Role::Signaling => {
                        self.lost.extend(Medium::ALL);
                        vec![Scope::Stream]
                    }
                    Role::Media(media) => {
                        self.lost.extend(media.iter());
                        media.iter().map(Scope::Medium).collect()
                    }
                };
                scopes.into_iter().map(|scope| Input::Change(Change::Interrupted(scope, cause), since)).collect()
            }
            Event::StreamState { state, reason, timestamp } => self.stream_state(*state, *reason, *timestamp, now),
            Event::SessionState { session, state, timestamp, .. } => {
                // A session without a name is one all the same.
                let session = session.clone().unwrap_or_else(|| "".into());
                let change = match state {
                    SessionState::Started | SessionState::Resumed => Change::SessionRuns(session),
                    SessionState::Paused => Change::SessionPaused(session),
                    SessionState::Stopped => Change::SessionStopped(session),
                    SessionState::Inactive | SessionState::Initialize | SessionState::Unknown(_) => return Vec::new(),
                };
                vec![Input::Change(change, when(*timestamp, now))]
            }
            Event::Odd(Odd::Undecodable { medium: Some(medium), .. }) => {
                vec![Input::Unreadable { medium: *medium, at: now }]
            }
            Event::DuplicatesRemoved { medium, count } => vec![Input::Repeats { medium: *medium, count: *count }],
            Event::SignalingOpen
            | Event::GrantDiffers { .. }
            | Event::Audio(_)
            | Event::Video(_)
            | Event::Deskshare(_)
            | Event::Transcript(_)
            | Event::Chat(_)
            | Event::Update(_)
            | Event::VideoAsked { .. }
            | Event::VideoVoid { .. }
            | Event::VideoSubscription { .. }
            | Event::Reconnecting
            | Event::AttemptFailed { .. }
            | Event::Odd(
                Odd::Undecodable { medium: None, .. }
                | Odd::UnknownMessage(_)
                | Odd::Raw(_)
                | Odd::SkippedUrl { .. }
                | Odd::OtherVersion { .. },
            )
            | Event::Ended(_) => Vec::new(),
        }
    }

    /// Returns the change by an end. `stopped_at` is the time of the stop webhook, if that is how it became known.
    pub(crate) fn ending(&self, ending: &Ending, stopped_at: Option<UnixMillis>, now: UnixMillis) -> Option<Input> {
        match ending {
            Ending::Stopped { .. } => Some(Input::Change(Change::Stopped, when(stopped_at.or(self.ended_at), now))),
            Ending::Closed { .. } => Some(Input::Change(Change::Stopped, When::Ours(now))),
            // The next owner accounts for the time between.
            Ending::Abandoned => None,
            Ending::Failed(error) => {
                let gone = match error {
                    StreamError::Refused { status: StatusCode::InvalidRtmsStreamId, .. } => true,
                    StreamError::Refused { .. }
                    | StreamError::Misbehaved { .. }
                    | StreamError::Unreachable { .. }
                    | StreamError::TimedOut { .. }
                    | StreamError::Lost { .. }
                    | StreamError::LeftOut { .. }
                    | StreamError::Encrypted { .. }
                    | StreamError::OtherTransport { .. }
                    | StreamError::NothingGranted => error.is_retryable(),
                };
                let cause = if gone { Cause::WindowMissed } else { Cause::Refused };
                Some(Input::Change(Change::Interrupted(Scope::Stream, cause), When::Ours(now)))
            }
        }
    }

    /// Returns the change by an end if no medium was ever opened: all of the time was lost, from the beginning.
    pub(crate) fn never_connected(ending: &Ending) -> Option<Input> {
        let cause = match ending {
            Ending::Failed(error) if !error.is_retryable() => Cause::Refused,
            Ending::Failed(_) => Cause::WindowMissed,
            Ending::Stopped { .. } => Cause::Unreached,
            Ending::Closed { .. } | Ending::Abandoned => return None,
        };
        Some(lost_from_the_start(cause))
    }

    fn stream_state(
        &mut self,
        state: StreamState,
        reason: Option<StopReason>,
        timestamp: Option<UnixMillis>,
        now: UnixMillis,
    ) -> Vec<Input> {
        let at = when(timestamp, now);
        match state {
            StreamState::Active => {
                // A medium whose connection is gone is not back before that is.
                let back = Medium::ALL.into_iter().filter(|medium| !self.lost.contains(medium));
                back.map(|medium| Input::Change(Change::Back(Scope::Medium(medium)), at)).collect()
            }
            StreamState::Interrupted => {
                let cause = match reason {
                    Some(StopReason::DataConnectionInterrupted | StopReason::DataConnectionClosedAbnormally) => {
                        Cause::MediaConnection
                    }
                    Some(_) | None => Cause::ZoomSignaling,
                };
                vec![Input::Change(Change::Interrupted(Scope::Stream, cause), at)]
            }
            StreamState::Paused => vec![Input::Change(Change::StreamPaused, at)],
            StreamState::Resumed => vec![Input::Change(Change::StreamResumed, at)],
            StreamState::Terminated => {
                self.ended_at = timestamp;
                // Connections may stay for a while, but time is over: it is recorded at once, or the ledger runs on
                // with our clock.
                vec![Input::Change(Change::Stopped, at)]
            }
            StreamState::Inactive | StreamState::Terminating | StreamState::Unknown(_) => Vec::new(),
        }
    }

    fn cause(&self, role: Role, cause: Interruption) -> Cause {
        match (cause, role) {
            (Interruption::Failover, _) => Cause::Failover,
            (Interruption::Frozen, _) => Cause::Frozen,
            (Interruption::SignalingLost, _) => self.signaling_lost_by.unwrap_or(Cause::ZoomSignaling),
            (Interruption::ConnectionLost | Interruption::ToldByZoom, Role::Signaling) => Cause::ZoomSignaling,
            (Interruption::ConnectionLost | Interruption::ToldByZoom, Role::Media(_)) => Cause::MediaConnection,
        }
    }
}

/// Returns a changed span in the form that sinks get.
pub(crate) fn span(change: SpanChange) -> LedgerSpan {
    let SpanChange { medium, span, open } = change;
    let (by, why, detail) = match &span.what {
        What::Received | What::Silent | What::BeforeStart | What::Unrecorded => (None, None, None),
        What::Paused { by } => (word(by), None, None),
        What::Interrupted { by } => (word(by), None, None),
        What::Dropped { by } => (word(by), None, None),
        What::Off { why, detail } => (None, word(why), detail.clone()),
    };
    let is = SmolStr::new_static(span.what.word());
    LedgerSpan { medium, from: span.from, to: span.to, is, by, why, detail, open }
}

/// Returns the last span of each medium, closed, because its end is not published yet.
pub(crate) fn closing(report: &LedgerReport) -> Vec<SpanChange> {
    let last = |(medium, report): (&Medium, &MediumReport)| {
        let span = report.spans.last()?.clone();
        Some(SpanChange { medium: *medium, span, open: false })
    };
    report.media.iter().filter_map(last).collect()
}

/// Returns the word that stands for a value in JSON.
fn word(value: &impl Serialize) -> Option<SmolStr> {
    serde_json::to_value(value).ok()?.as_str().map(SmolStr::new)
}

fn when(zoom: Option<UnixMillis>, now: UnixMillis) -> When {
    zoom.map_or(When::Ours(now), When::Zoom)
}

fn before(now: UnixMillis, ago: Duration) -> UnixMillis {
    UnixMillis(now.0.saturating_sub(millis(ago)))
}

/// Returns why a medium that was refused for good is off.
fn off_why(error: &StreamError) -> OffWhy {
    match error {
        StreamError::Refused {
            status:
                StatusCode::MediaTypeAudioNotSupport
                | StatusCode::MediaTypeVideoNotSupport
                | StatusCode::MediaTypeDeskshareNotSupport
                | StatusCode::MediaTypeTranscriptNotSupport
                | StatusCode::MediaTypeChatNotSupport,
            ..
        }
        | StreamError::LeftOut { .. } => OffWhy::NotGranted,
        StreamError::Refused { .. }
        | StreamError::Misbehaved { .. }
        | StreamError::Unreachable { .. }
        | StreamError::TimedOut { .. }
        | StreamError::Lost { .. }
        | StreamError::Encrypted { .. }
        | StreamError::OtherTransport { .. }
        | StreamError::NothingGranted => OffWhy::Unavailable,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixMillis = UnixMillis(1_795_420_810_000);

    #[test]
    fn a_loss_began_with_the_last_sign_of_life_and_its_media_have_its_cause() {
        let media = MediaTypes::of([Medium::Audio, Medium::Chat]);
        let lost = |role, cause| {
            let event = Event::Interrupted { role, cause, unheard: Duration::from_secs(4), why: String::new() };
            LedgerInput::default().changes(&event, NOW)
        };
        let at = When::Ours(UnixMillis(NOW.0 - 4_000));
        let interrupted = |scope, cause| Input::Change(Change::Interrupted(scope, cause), at);

        assert_eq!(
            lost(Role::Media(media), Interruption::ConnectionLost),
            [Medium::Audio, Medium::Chat].map(|medium| interrupted(Scope::Medium(medium), Cause::MediaConnection))
        );
        assert_eq!(lost(Role::Signaling, Interruption::ToldByZoom), [interrupted(Scope::Stream, Cause::ZoomSignaling)]);
        assert_eq!(lost(Role::Signaling, Interruption::Failover), [interrupted(Scope::Stream, Cause::Failover)]);
        assert_eq!(lost(Role::Signaling, Interruption::Frozen), [interrupted(Scope::Stream, Cause::Frozen)]);
    }

    #[test]
    fn what_cannot_be_read_is_told_of_its_medium_and_what_came_twice_is_counted() {
        let changes = |event| LedgerInput::default().changes(&event, NOW);
        let medium = Medium::Audio;
        let odd = |medium| changes(Event::Odd(Odd::Undecodable { medium, kind: "not_json", why: "no JSON".into() }));
        assert_eq!(odd(Some(medium)), [Input::Unreadable { medium, at: NOW }]);
        assert_eq!(odd(None), []);
        assert_eq!(changes(Event::DuplicatesRemoved { medium, count: 7 }), [Input::Repeats { medium, count: 7 }]);
    }

    #[test]
    fn active_brings_back_only_what_stands() {
        let mut input = LedgerInput::default();
        let role = Role::Media(MediaTypes::of([Medium::Video]));
        let unheard = Duration::ZERO;
        let gone = Event::Interrupted { role, cause: Interruption::ConnectionLost, unheard, why: String::new() };
        input.changes(&gone, NOW);
        let active = Event::StreamState { state: StreamState::Active, reason: None, timestamp: Some(NOW) };

        let back = input.changes(&active, NOW);

        let stands = [Medium::Audio, Medium::Deskshare, Medium::Transcript, Medium::Chat];
        let expected = stands.map(|medium| Input::Change(Change::Back(Scope::Medium(medium)), When::Zoom(NOW)));
        assert!(expected.iter().all(|change| back.contains(change)) && back.len() == 4, "{back:?}");
    }

    #[test]
    fn the_end_is_where_the_webhook_puts_it_or_state_4() {
        let mut input = LedgerInput::default();
        let terminated = UnixMillis(NOW.0 - 70);
        let state = StreamState::Terminated;
        let at_once = input.changes(&Event::StreamState { state, reason: None, timestamp: Some(terminated) }, NOW);
        let stopped = Ending::Stopped { reason: None };
        let end = |at| Some(Input::Change(Change::Stopped, at));

        assert_eq!(at_once, [Input::Change(Change::Stopped, When::Zoom(terminated))]);
        assert_eq!(input.ending(&stopped, None, NOW), end(When::Zoom(terminated)));
        assert_eq!(input.ending(&stopped, Some(UnixMillis(5)), NOW), end(When::Zoom(UnixMillis(5))));
        assert_eq!(LedgerInput::default().ending(&stopped, None, NOW), end(When::Ours(NOW)));
        assert_eq!(input.ending(&Ending::Abandoned, None, NOW), None);
    }

    #[test]
    fn a_medium_that_cannot_be_had_says_whether_it_was_refused_or_too_late() {
        let role = Role::Media(MediaTypes::of([Medium::Video]));
        let medium = Medium::Video;
        let reported = |error: StreamError| {
            let event = Event::MediumUnavailable { medium, error };
            match LedgerInput::default().changes(&event, NOW).pop() {
                Some(Input::Change(change, _)) => change,
                other => panic!("{other:?}"),
            }
        };
        let refused = |status| StreamError::Refused { role, status, reason: String::new() };

        let change = reported(refused(StatusCode::MediaTypeVideoNotSupport));
        assert!(matches!(change, Change::Off(_, OffWhy::NotGranted, Some(_))), "{change:?}");
        let change = reported(StreamError::Misbehaved { role, what: "hung up" });
        assert!(matches!(change, Change::Off(_, OffWhy::Unavailable, Some(_))), "{change:?}");
        let change = reported(StreamError::TimedOut { role });
        assert_eq!(change, Change::Interrupted(Scope::Medium(medium), Cause::WindowMissed));
    }

    #[test]
    fn a_medium_that_is_not_offered_is_missed_only_by_settings_that_name_it() {
        let few = MediaTypes::of([Medium::Audio, Medium::Video]);
        let not_offered = |product, wanted, medium, error| {
            let event = Event::MediumUnavailable { medium, error };
            let change = LedgerInput::new(product, wanted).changes(&event, NOW).pop();
            matches!(change, Some(Input::Change(Change::Off(_, OffWhy::NotOffered, Some(_)), _)))
        };
        let absent = || StreamError::LeftOut { role: Role::Signaling };
        let role = Role::Media(MediaTypes::ALL);
        let status = StatusCode::MediaTypeVideoNotSupport;
        let refused = || StreamError::Refused { role, status, reason: String::new() };
        assert!(not_offered(Product::Meeting, MediaTypes::ALL, Medium::Video, absent()));
        assert!(!not_offered(Product::Meeting, few, Medium::Video, absent()));
        assert!(!not_offered(Product::Webinar, MediaTypes::ALL, Medium::Video, refused()));
        assert!(!not_offered(Product::Meeting, MediaTypes::ALL, Medium::Video, StreamError::LeftOut { role }));
        assert!(!not_offered(Product::Phone, few, Medium::Audio, refused()));
        for product in [Product::Phone, Product::ContactCenter, Product::Session] {
            assert!(not_offered(product, few, Medium::Video, refused()), "{product}");
            assert!(not_offered(product, few, Medium::Video, StreamError::TimedOut { role }), "{product}");
        }
    }

    #[test]
    fn what_the_product_does_not_have_is_off_from_the_start() {
        let off = |product| {
            let changes = opening(MediaTypes::of([Medium::Audio, Medium::Video]), product, None, NOW);
            let change = |input| {
                let Input::Change(Change::Off(medium, why, None), _) = input else { panic!("{input:?}") };
                (medium, why)
            };
            changes.into_iter().map(change).collect::<Vec<_>>()
        };
        let unwanted = [Medium::Deskshare, Medium::Transcript, Medium::Chat].map(|medium| (medium, OffWhy::NotWanted));
        assert_eq!(off(Product::Webinar), unwanted);
        assert_eq!(off(Product::Phone), [&[(Medium::Video, OffWhy::NotOffered)], &unwanted[..]].concat());
    }

    #[test]
    fn a_stream_that_zoom_stops_before_it_is_reached_has_missed_no_window() {
        let cause = |ending| match LedgerInput::never_connected(&ending) {
            Some(Input::Change(Change::Interrupted(Scope::Stream, cause), _)) => Some(cause),
            _ => None,
        };
        assert_eq!(cause(Ending::Stopped { reason: None }), Some(Cause::Unreached));
        assert_eq!(cause(Ending::Failed(StreamError::TimedOut { role: Role::Signaling })), Some(Cause::WindowMissed));
    }
}
