//! The streams that run in this process: their state, as the API shows it, and the requests that can be sent to them.
//!
//! A stream is in here as long as its task lives, so there are as many as the worker runs. The task shows each event to
//! `LiveStream::take`; packets only move counters, and everything else that is kept has a bound.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use rtms_client::handle::StreamHandle;
use rtms_proto::{
    event::{Event, Interruption},
    role::Role,
    signaling::StreamStart,
};
use rtms_store::{lease::OwnerId, stream_record::CameraWish};
use rtms_wire::{
    SmolStr,
    codes::{
        event_type::EventType,
        product::Product,
        state::{SessionState, StreamState},
    },
    ids::{InstanceId, RtmsSessionId, StreamId, UserId},
    media::{
        medium::{MediaTypes, Medium},
        params::MediaParams,
    },
    message::event_update::{EventBody, Participant},
    time::UnixMillis,
};

use crate::{clock, lock::locked};
use rtms_api::{
    standing::StreamStanding,
    stream::{CameraLine, ConnectionLine, InterruptionLine, MediumLine, StreamDetail, StreamLine},
    video::{VideoLine, VideoStanding},
};

/// Sessions of a stream that are remembered: about one per user of the app.
const MAX_SESSIONS: usize = 256;

/// People of a stream that are remembered: Zoom's largest meetings have a thousand.
const MAX_PEOPLE: usize = 1000;

/// The streams of this process.
pub(crate) struct LiveStreams {
    owner: OwnerId,
    streams: Mutex<BTreeMap<StreamId, Arc<LiveStream>>>,
}

/// The entry of a stream in the registry. Dropping it removes the entry.
pub(crate) struct Live {
    stream: Arc<LiveStream>,
    all: Arc<LiveStreams>,
}

/// One running stream.
pub(crate) struct LiveStream {
    stream_id: StreamId,
    product: Product,
    instance: InstanceId,
    joined_at: UnixMillis,
    handle: StreamHandle,
    /// Held while a request is sent to the task, so that the last one sent is the one shown.
    sending: tokio::sync::Mutex<()>,
    stop_asked: AtomicBool,
    received: [Received; Medium::ALL.len()],
    state: Mutex<State>,
}

/// The counters of one medium. The three numbers need not agree to the packet.
#[derive(Default)]
struct Received {
    packets: AtomicU64,
    bytes: AtomicU64,
    last_at: AtomicU64,
}

/// The state to which the events add up.
#[derive(Default)]
struct State {
    zoom_state: Option<StreamState>,
    was_open: bool,
    connections: BTreeMap<Role, Connection>,
    media: BTreeMap<Medium, MediumState>,
    sessions: BTreeMap<RtmsSessionId, SessionState>,
    people: BTreeMap<UserId, Person>,
    video: Option<VideoLine>,
    interruptions: u64,
    last_interruption: Option<InterruptionLine>,
}

struct Connection {
    open: bool,
    since: UnixMillis,
}

#[derive(Default)]
struct MediumState {
    open: bool,
    granted: Option<MediaParams>,
    interruptions: u64,
    unavailable: Option<String>,
}

#[derive(Default)]
struct Person {
    name: Option<SmolStr>,
    camera_on: bool,
}

impl LiveStreams {
    /// Creates an empty registry for the process of this name.
    pub(crate) fn new(owner: OwnerId) -> Self {
        Self { owner, streams: Mutex::default() }
    }

    /// Adds a stream that is joined.
    pub(crate) fn enter(self: &Arc<Self>, start: &StreamStart, handle: StreamHandle) -> Live {
        let stream = Arc::new(LiveStream {
            stream_id: start.stream_id.clone(),
            product: start.product,
            instance: start.instance.clone(),
            joined_at: clock::unix_millis(),
            handle,
            sending: tokio::sync::Mutex::default(),
            stop_asked: AtomicBool::new(false),
            received: Default::default(),
            state: Mutex::default(),
        });
        locked(&self.streams).insert(start.stream_id.clone(), stream.clone());
        Live { stream, all: self.clone() }
    }

    /// Returns the streams that run now.
    pub(crate) fn all(&self) -> Vec<Arc<LiveStream>> {
        locked(&self.streams).values().cloned().collect()
    }

    /// Returns the stream with this id, if it runs now.
    pub(crate) fn find(&self, stream_id: &StreamId) -> Option<Arc<LiveStream>> {
        locked(&self.streams).get(stream_id).cloned()
    }

    /// Completes the line of the store about a stream with its owner and, if it runs here, its state.
    pub(crate) fn complete(&self, line: &mut StreamLine, live: Option<&LiveStream>) {
        if line.owner.as_deref() == Some(self.owner.as_str()) && line.state == StreamStanding::Elsewhere {
            line.state = StreamStanding::Claimed;
        }
        if let Some(live) = live {
            line.owner.get_or_insert_with(|| self.owner.to_string());
            live.complete(line);
        }
    }
}

impl Live {
    /// Returns the stream.
    pub(crate) fn stream(&self) -> Arc<LiveStream> {
        self.stream.clone()
    }

    /// See [`LiveStream::stop_when_open`].
    pub(crate) fn stop_when_open(&self) {
        self.stream.stop_when_open();
    }

    /// Takes an event of the stream.
    pub(crate) fn take(&self, event: &Event) {
        self.stream.take(event, clock::unix_millis());
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        let mut streams = locked(&self.all.streams);
        // A stream that ended and was claimed again at once may have a new entry by now.
        if streams.get(&self.stream.stream_id).is_some_and(|there| Arc::ptr_eq(there, &self.stream)) {
            streams.remove(&self.stream.stream_id);
        }
    }
}

impl LiveStream {
    pub(crate) fn stream_id(&self) -> &StreamId {
        &self.stream_id
    }

    /// Notes that Zoom is to be asked to end the stream as soon as it can be asked.
    pub(crate) fn stop_when_open(&self) {
        self.stop_asked.store(true, Ordering::Relaxed);
    }

    /// Asks Zoom to end the stream; once is enough.
    pub(crate) async fn stop(&self) {
        let _sending = self.sending.lock().await;
        if !self.stop_asked.swap(true, Ordering::Relaxed) {
            self.handle.close().await;
        }
    }

    /// Asks Zoom for a camera, or to stop it, as the wish has it.
    pub(crate) async fn choose_camera(&self, wish: &CameraWish) {
        let _sending = self.sending.lock().await;
        let is_news = {
            let mut state = locked(&self.state);
            let known = state.video.as_mut().filter(|video| video.user_id == wish.user_id);
            match (known, wish.on) {
                // Zoom would refuse it as a duplicate.
                (Some(video), true) if video.standing.is_wished() => false,
                (_, true) => {
                    state.video = Some(VideoLine::wished(wish.user_id.clone(), wish.at));
                    true
                }
                (Some(video), false) if !video.standing.is_dropped() => {
                    video.drop(wish.at);
                    true
                }
                (_, false) => false,
            }
        };
        if is_news {
            self.handle.subscribe_video(wish.user_id.clone(), wish.on, wish.at).await;
        }
    }

    /// Returns the chosen camera. The wish for it may not have reached this task yet.
    pub(crate) fn video(&self, wish: Option<&CameraWish>) -> Option<VideoLine> {
        let known = locked(&self.state).video.clone();
        match (wish, known) {
            (Some(wish), Some(known)) if known.user_id != wish.user_id => Some(video_of(wish)),
            (Some(wish), None) => Some(video_of(wish)),
            (Some(wish), Some(mut known)) if !wish.on && !known.standing.is_dropped() => {
                known.drop(wish.at);
                Some(known)
            }
            (Some(wish), Some(known)) if wish.on && !known.standing.is_wished() && wish.at > known.since => {
                Some(video_of(wish))
            }
            (_, known) => known,
        }
    }

    fn take(&self, event: &Event, now: UnixMillis) {
        match event {
            Event::Audio(data) => self.received(Medium::Audio, data.data.len(), now),
            Event::Video(data) => {
                self.received(Medium::Video, data.data.len(), now);
                locked(&self.state).picture(data.user_id.as_ref(), now);
            }
            Event::Deskshare(data) => self.received(Medium::Deskshare, data.data.len(), now),
            Event::Transcript(line) => self.received(Medium::Transcript, line.data.len(), now),
            Event::Chat(chat) => self.received(Medium::Chat, chat.message().text.len(), now),
            Event::Update(event) => {
                if let Some(kind) = event.meeting(self.product) {
                    locked(&self.state).update(kind, event);
                }
            }
            Event::SignalingOpen => locked(&self.state).signaling_open(now),
            Event::MediaOpen { media, granted } => {
                let mut state = locked(&self.state);
                state.forget_lost(*media);
                state.connections.insert(Role::Media(*media), Connection { open: true, since: now });
                for medium in media.iter() {
                    let MediumState { open, granted: known, unavailable, .. } = state.media.entry(medium).or_default();
                    (*open, *unavailable) = (true, None);
                    *known = Some(granted.only(MediaTypes::of([medium])));
                }
            }
            Event::MediumUnavailable { medium, error } => {
                let mut state = locked(&self.state);
                state.forget_lost(MediaTypes::of([*medium]));
                let medium = state.media.entry(*medium).or_default();
                (medium.open, medium.unavailable) = (false, Some(error.to_string()));
            }
            Event::StreamState { state, .. } => locked(&self.state).zoom_state = Some(*state),
            Event::SessionState { session, state, .. } => {
                if let Some(session) = session {
                    locked(&self.state).session(session, *state);
                }
            }
            Event::VideoAsked { user_id } => {
                locked(&self.state).video_is(user_id, |video| video.standing = VideoStanding::Asked);
            }
            Event::VideoVoid { user_id } => {
                locked(&self.state).video_is(user_id, |video| video.standing = VideoStanding::Void);
            }
            Event::VideoSubscription { user_id, status } => {
                let mut state = locked(&self.state);
                if let Some(video) = state.video.as_mut().filter(|video| video.user_id == *user_id) {
                    video.answered(*status);
                }
            }
            Event::Interrupted { role, cause, why, .. } => {
                let why = InterruptionLine {
                    at: now,
                    connection: role.to_string(),
                    cause: cause.to_string(),
                    why: why.clone(),
                };
                locked(&self.state).interrupted(*role, *cause, why);
            }
            Event::GrantDiffers { .. }
            | Event::Reconnecting
            | Event::AttemptFailed { .. }
            | Event::DuplicatesRemoved { .. }
            | Event::Odd(_)
            | Event::Ended(_) => {}
        }
    }

    fn received(&self, medium: Medium, bytes: usize, now: UnixMillis) {
        if let Some(received) = self.received.get(medium as usize) {
            received.packets.fetch_add(1, Ordering::Relaxed);
            received.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
            received.last_at.store(now.0, Ordering::Relaxed);
        }
    }

    fn is_stopping(&self, state: &State) -> bool {
        let ending = matches!(state.zoom_state, Some(StreamState::Terminating | StreamState::Terminated));
        ending || self.stop_asked.load(Ordering::Relaxed)
    }

    fn complete(&self, line: &mut StreamLine) {
        let state = locked(&self.state);
        let signaling = state.connections.get(&Role::Signaling).is_some_and(|signaling| signaling.open);
        line.product = Some(self.product);
        line.instance = Some(self.instance.clone());
        line.here = true;
        line.joined_at = Some(self.joined_at);
        // How an earlier run ended is not how this one does.
        line.ended = None;
        // A client may have asked for its end just now.
        line.state = if self.is_stopping(&state) || line.state == StreamStanding::Stopping {
            StreamStanding::Stopping
        } else if !signaling {
            if state.was_open { StreamStanding::Reconnecting } else { StreamStanding::Connecting }
        } else if state.zoom_state == Some(StreamState::Paused) {
            StreamStanding::Paused
        } else {
            StreamStanding::Connected
        };
        line.zoom_state = state.zoom_state.map(stream_state);
        line.sessions =
            state.sessions.iter().map(|(session, state)| (session.clone(), session_state(*state))).collect();
        line.interruptions = state.interruptions;
        line.media =
            Medium::ALL.into_iter().filter_map(|medium| Some((medium, self.medium(medium, &state)?))).collect();
    }

    fn medium(&self, medium: Medium, state: &State) -> Option<MediumLine> {
        let known = state.media.get(&medium)?;
        let received = self.received.get(medium as usize)?;
        let packets = received.packets.load(Ordering::Relaxed);
        let last_at = UnixMillis(received.last_at.load(Ordering::Relaxed));
        Some(MediumLine {
            open: known.open,
            packets,
            bytes: received.bytes.load(Ordering::Relaxed),
            last_at: (packets > 0).then_some(last_at),
            interruptions: known.interruptions,
            unavailable: known.unavailable.clone(),
        })
    }

    /// Adds the facts that only this process knows.
    pub(crate) fn detail(&self, detail: &mut StreamDetail) {
        let state = locked(&self.state);
        let granted = state.media.iter().filter_map(|(medium, known)| Some((*medium, known.granted.clone()?)));
        detail.granted = granted.collect();
        let connection = |(role, connection): (&Role, &Connection)| ConnectionLine {
            connection: role.to_string(),
            open: connection.open,
            since: connection.since,
        };
        detail.connections = state.connections.iter().map(connection).collect();
        detail.last_interruption = state.last_interruption.clone();
        let camera = |(user_id, person): (&UserId, &Person)| {
            person.camera_on.then(|| CameraLine { user_id: user_id.clone(), user_name: person.name.clone() })
        };
        detail.cameras_on = state.people.iter().filter_map(camera).collect();
    }
}

impl State {
    fn signaling_open(&mut self, now: UnixMillis) {
        self.was_open = true;
        self.connections.insert(Role::Signaling, Connection { open: true, since: now });
    }

    fn interrupted(&mut self, role: Role, cause: Interruption, why: InterruptionLine) {
        let since = why.at;
        let was_whole = self.connections.values().all(|connection| connection.open);
        self.interruptions += u64::from(was_whole);
        self.connections.insert(role, Connection { open: false, since });
        match role {
            Role::Signaling => {
                // Zoom forgets a pending request with the connection.
                if let Some(video) = self.video.as_mut().filter(|video| video.standing == VideoStanding::Dropping) {
                    video.standing = VideoStanding::Off;
                }
            }
            Role::Media(types) => {
                for medium in types.iter() {
                    let medium = self.media.entry(medium).or_default();
                    medium.open = false;
                    medium.interruptions += 1;
                }
            }
        }
        let taken_along = match cause {
            Interruption::SignalingLost => true,
            Interruption::Failover => role != Role::Signaling,
            Interruption::ConnectionLost | Interruption::Frozen | Interruption::ToldByZoom => false,
        };
        if !taken_along {
            self.last_interruption = Some(why);
        }
    }

    /// Removes the lost connections of these media, which will not come back as they were.
    fn forget_lost(&mut self, media: MediaTypes) {
        self.connections.retain(|role, connection| match role {
            Role::Signaling => true,
            Role::Media(types) => connection.open || !types.iter().any(|medium| media.contains(medium)),
        });
    }

    fn session(&mut self, session: &RtmsSessionId, state: SessionState) {
        if self.sessions.len() >= MAX_SESSIONS && !self.sessions.contains_key(session) {
            let stopped = self.sessions.iter().find(|(_, state)| **state == SessionState::Stopped);
            let Some(least) = stopped.or_else(|| self.sessions.iter().next()).map(|(id, _)| id.clone()) else { return };
            self.sessions.remove(&least);
        }
        self.sessions.insert(session.clone(), state);
    }

    fn update(&mut self, kind: EventType, event: &EventBody) {
        match kind {
            EventType::ParticipantJoin => event.people().iter().for_each(|person| self.seen(person, None)),
            EventType::ParticipantVideoOn => event.people().iter().for_each(|person| self.seen(person, Some(true))),
            EventType::ParticipantVideoOff => event.people().iter().for_each(|person| self.seen(person, Some(false))),
            EventType::ParticipantLeave => event.people().iter().for_each(|person| {
                self.people.remove(&person.user_id);
            }),
            EventType::Undefined
            | EventType::FirstPacketTimestamp
            | EventType::ActiveSpeakerChange
            | EventType::SharingStart
            | EventType::SharingStop
            | EventType::MediaConnectionInterrupted
            | EventType::ChatGroupCreate
            | EventType::ChatGroupDelete
            | EventType::ChatGroupMembersAdd
            | EventType::ChatGroupMembersDelete
            | EventType::ChatGroupMemberStatusUpdate
            | EventType::Unknown(_) => {}
        }
    }

    fn seen(&mut self, person: &Participant, camera_on: Option<bool>) {
        if self.people.len() >= MAX_PEOPLE && !self.people.contains_key(&person.user_id) {
            // Those with a camera on are what is shown.
            let idle = self.people.iter().find(|(_, known)| !known.camera_on).map(|(user_id, _)| user_id.clone());
            let Some(idle) = idle else { return };
            self.people.remove(&idle);
        }
        let known = self.people.entry(person.user_id.clone()).or_default();
        if person.user_name.is_some() {
            known.name.clone_from(&person.user_name);
        }
        known.camera_on = camera_on.unwrap_or(known.camera_on);
    }

    /// Changes the state of the wished camera, if it is this person's.
    fn video_is(&mut self, user_id: &UserId, change: impl FnOnce(&mut VideoLine)) {
        let wished = |video: &&mut VideoLine| video.user_id == *user_id && !video.standing.is_dropped();
        if let Some(video) = self.video.as_mut().filter(wished) {
            change(video);
        }
    }

    fn picture(&mut self, user_id: Option<&UserId>, now: UnixMillis) {
        let Some(user_id) = user_id else { return };
        self.video_is(user_id, |video| {
            // A frame still under way from an earlier subscription is no answer to the current one.
            if matches!(video.standing, VideoStanding::Granted | VideoStanding::Frames) {
                video.standing = VideoStanding::Frames;
                video.frames += 1;
                video.last_frame_at = Some(now);
            }
        });
    }
}

/// Returns the state of a wished camera of which nothing else is known.
pub(crate) fn video_of(wish: &CameraWish) -> VideoLine {
    let mut video = VideoLine::wished(wish.user_id.clone(), wish.at);
    if !wish.on {
        video.drop(wish.at);
    }
    video
}

/// Returns the name of Zoom's constant, or the number of an unknown one.
fn stream_state(state: StreamState) -> String {
    if matches!(state, StreamState::Unknown(_)) { state.to_string() } else { state.name().to_owned() }
}

fn session_state(state: SessionState) -> String {
    if matches!(state, SessionState::Unknown(_)) { state.to_string() } else { state.name().to_owned() }
}

#[cfg(test)]
mod tests {
    use rtms_wire::codes::status_code::StatusCode;

    use super::*;

    fn person(number: u64, name: Option<&str>) -> Participant {
        Participant { user_id: number.into(), user_name: name.map(SmolStr::new), extra: Default::default() }
    }

    fn lost(connection: &str) -> InterruptionLine {
        InterruptionLine { at: UnixMillis(7), connection: connection.into(), cause: String::new(), why: String::new() }
    }

    #[test]
    fn people_and_sessions_are_bounded_and_cameras_that_are_on_stay() {
        let mut state = State::default();
        state.seen(&person(1, Some("Ines")), None);
        state.seen(&person(1, None), Some(true));
        for number in 2..5_000 {
            state.seen(&person(number, None), None);
            state.session(&RtmsSessionId::new(number.to_string()), SessionState::Started);
        }
        state.session(&RtmsSessionId::new("1000"), SessionState::Stopped);

        assert_eq!((state.people.len(), state.sessions.len()), (MAX_PEOPLE, MAX_SESSIONS));
        let known = &state.people[&UserId::from(1)];
        assert_eq!((known.name.as_deref(), known.camera_on), (Some("Ines"), true));
        // All cameras are on, so a newcomer is not remembered.
        for number in 10_000..12_000 {
            state.seen(&person(number, None), Some(true));
        }
        assert_eq!(state.people.len(), MAX_PEOPLE);
        assert!(state.people.values().all(|person| person.camera_on));
    }

    #[test]
    fn what_is_lost_together_is_one_interruption_in_whichever_order_it_is_noticed() {
        let (audio, chat) = (MediaTypes::of([Medium::Audio]), MediaTypes::of([Medium::Chat]));
        let mut state = State::default();
        let open = |state: &mut State, media: MediaTypes| {
            state.forget_lost(media);
            state.connections.insert(Role::Media(media), Connection { open: true, since: UnixMillis(1) });
        };
        let last = |state: &State| state.last_interruption.as_ref().map(|last| last.connection.clone());
        state.signaling_open(UnixMillis(1));
        open(&mut state, audio);
        open(&mut state, chat);

        state.interrupted(Role::Media(audio), Interruption::ConnectionLost, lost("media audio"));
        state.interrupted(Role::Signaling, Interruption::ConnectionLost, lost("signaling"));
        state.interrupted(Role::Media(chat), Interruption::SignalingLost, lost("media chat"));
        assert_eq!((state.interruptions, last(&state).as_deref()), (1, Some("signaling")));
        state.signaling_open(UnixMillis(2));
        state.interrupted(Role::Signaling, Interruption::Failover, lost("signaling"));
        assert_eq!(state.interruptions, 1, "it was not whole again");

        state.signaling_open(UnixMillis(3));
        open(&mut state, audio);
        // Chat is given up, and does not count as missing.
        state.forget_lost(chat);
        state.interrupted(Role::Media(audio), Interruption::Frozen, lost("media audio"));
        assert_eq!((state.interruptions, last(&state).as_deref()), (2, Some("media audio")));
        assert_eq!(state.media.values().map(|medium| medium.interruptions).collect::<Vec<_>>(), [2, 1]);
    }

    #[test]
    fn a_picture_counts_only_after_the_answer_and_only_of_the_chosen_camera() {
        let (one, other) = (UserId::from(1), UserId::from(2));
        let mut state = State { video: Some(VideoLine::wished(one.clone(), UnixMillis(1))), ..State::default() };
        let standing = |state: &State| state.video.as_ref().map(|video| (video.standing, video.frames));
        state.video_is(&one, |video| video.standing = VideoStanding::Asked);
        state.picture(Some(&one), UnixMillis(2));
        assert_eq!(standing(&state), Some((VideoStanding::Asked, 0)));
        state.video_is(&one, |video| video.answered(StatusCode::DuplicateVideoSubscription));
        state.picture(Some(&other), UnixMillis(3));
        state.picture(None, UnixMillis(3));
        assert_eq!(standing(&state), Some((VideoStanding::Granted, 0)));
        state.picture(Some(&one), UnixMillis(4));
        assert_eq!(standing(&state), Some((VideoStanding::Frames, 1)));

        if let Some(video) = &mut state.video {
            video.drop(UnixMillis(5));
        }
        state.picture(Some(&one), UnixMillis(6));
        assert_eq!(standing(&state), Some((VideoStanding::Dropping, 1)), "on its way when it was dropped");
        // Signaling breaks before the answer: Zoom has forgotten all of it.
        state.interrupted(Role::Signaling, Interruption::ConnectionLost, lost("signaling"));
        assert_eq!(standing(&state), Some((VideoStanding::Off, 1)));
        state.video_is(&one, |_| panic!("it is not wished for"));
    }
}
