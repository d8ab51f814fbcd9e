//! What a client does over time: habits that no single message shows. [`Zoom`](crate::zoom::Zoom) reports what happens.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    hash::{DefaultHasher, Hash as _, Hasher as _},
    time::Duration,
};

use rtms_wire::{
    codes::{message_type::MessageType, status_code::StatusCode},
    message::keep_alive::KeepAliveResp,
    time::UnixMillis,
};

use crate::{
    connection::{ConnectionId, Endpoint},
    findings::mistake::Mistake,
    judge::tally::Tally,
};

/// From a data handshake to message 7. No document says how long Zoom waits; Zoom's SDK sends it in milliseconds.
pub(crate) const READY_WITHIN: Duration = Duration::from_secs(5);

/// Within this time a client has tried at least once to get what it has not: signaling that was lost, or media.
pub(crate) const BACK_WITHIN: Duration = Duration::from_secs(10);

/// Within this time after the signaling handshake a client has asked for media at least once.
pub(crate) const ASKED_WITHIN: Duration = Duration::from_secs(2);

/// From state 4 on signaling to the moment when no connection can arrive that was dialed before the client had read it:
/// a way there and one back of 200 ms each, and some room.
const AFTER_STATE_4: Duration = Duration::from_millis(500);

/// The same time for a client that knows of the end by the webhook alone, which takes longer to act on.
const AFTER_THE_END: Duration = Duration::from_secs(2);

/// How long the first of two connections must still stand for the second to be one too many: a close may be on its way.
const OVERLAP: Duration = Duration::from_millis(500);

/// A second join within this time after a repeated webhook is because of it.
const BY_A_REPEAT: Duration = Duration::from_secs(5);

/// A client that was refused on purpose waits this long at most for its next attempt.
const HINDERED_FOR: Duration = Duration::from_secs(30);

/// An attempt so soon after the one before came to nothing was made without a pause. The first may be.
const WITHOUT_A_PAUSE: Duration = Duration::from_millis(250);

/// The number of attempts without a pause, one after the other, that is too many.
const HAMMERING: usize = 3;

/// From a second answer that may be meant for another connection to the moment when that one must have its own.
const MEANT_FOR_ANOTHER: Duration = Duration::from_secs(1);

/// The number of right refusals of one and the same request that earns a finding.
const SAME_REFUSED: u32 = 3;

/// What is remembered of one client.
#[derive(Debug, Default)]
pub(crate) struct ClientRecord {
    pub(crate) tally: Tally,
    /// When Zoom last got in the way on purpose.
    hindered_at: Option<UnixMillis>,
    ended_at: Option<UnixMillis>,
    /// When state 4 was sent on the client's signaling connection.
    state_4_at: Option<UnixMillis>,
    /// When the client took the webhook that says that the stream is over.
    end_told_at: Option<UnixMillis>,
    signaling_attempts: Attempts,
    media_attempts: Attempts,
    last_signaling_attempt: Option<UnixMillis>,
    last_media_attempt: Option<UnixMillis>,
    /// What is being asked, without what changes from one time to the next.
    asking: u64,
    refusals: BTreeMap<u64, u32>,
    /// Connections whose last handshake was refused, and whether more is to be said of that.
    refused: BTreeMap<ConnectionId, (MessageType, bool)>,
    /// Media connections that wait for message 7, and until when.
    ready_due: BTreeMap<ConnectionId, UnixMillis>,
    ready_was_early: bool,
    turned_away_for_good: bool,
    asked_to_close: bool,
    /// Whether a data handshake has succeeded since the signaling handshake.
    has_had_media: bool,
    doubles: Vec<Double>,
    doubts: Vec<Doubt>,
    /// When the stream was joined first.
    joined_at: Option<UnixMillis>,
    /// Whether a data handshake has ever succeeded, or was ever kept from it on purpose.
    media_is_settled: bool,
    /// What a data handshake was refused with last.
    media_refused: Option<StatusCode>,
    /// Whether one person's video was to be had, and whether the client ever chose a camera for it.
    has_video_of_choice: bool,
    has_chosen_a_camera: bool,
    /// When a webhook was posted that had been posted before.
    repeated_at: Option<UnixMillis>,
    /// When the client ended its signaling connection by itself.
    left_at: Option<UnixMillis>,
    /// Whether Zoom has refused a right handshake for its ids, so that a client tries others.
    pub(crate) ids_were_refused: bool,
    /// Connections that Zoom has closed, and nothing has kept the client from knowing.
    told_to_close: BTreeSet<ConnectionId>,
    /// Connections that Zoom has closed because the client had ended or replaced its signaling. How they end is still
    /// judged: the end of signaling may be seen first although the client ended all of them together.
    left_behind: BTreeSet<ConnectionId>,
}

/// A connection beside another one.
#[derive(Debug)]
pub(crate) struct Double {
    due: UnixMillis,
    pub(crate) connection: ConnectionId,
    /// Those that were there first.
    pub(crate) first: Vec<ConnectionId>,
    /// Whether Zoom has closed those for it, so that they count as alive until their own end shows otherwise.
    pub(crate) is_instead: bool,
    pub(crate) mistake: Mistake,
}

/// A second answer to a request like which another connection has one, too: connections that were opened together are
/// asked together, with the same fields.
#[derive(Debug)]
pub(crate) struct Doubt {
    due: UnixMillis,
    pub(crate) connection: ConnectionId,
    pub(crate) answer: KeepAliveResp,
}

/// Attempts to connect since the last success.
#[derive(Debug, Default)]
struct Attempts {
    times: VecDeque<UnixMillis>,
    is_told: bool,
    /// When the last one came to nothing, if none was made since.
    in_vain_at: Option<UnixMillis>,
    /// How many in a row were made without a pause.
    without_a_pause: usize,
}

impl Attempts {
    fn add(&mut self, most: usize, now: UnixMillis) -> Option<Mistake> {
        let is_at_once = self.in_vain_at.take().is_some_and(|at| now.since(at) < WITHOUT_A_PAUSE);
        self.without_a_pause = if is_at_once { self.without_a_pause + 1 } else { 0 };
        while self.times.front().is_some_and(|at| now.since(*at) >= Duration::from_secs(1)) {
            self.times.pop_front();
        }
        if self.times.len() <= 1 {
            self.is_told = false;
        }
        // More than `most` says no more, and a flood must not fill the memory.
        if self.times.len() <= most {
            self.times.push_back(now);
        }
        let is_hammering = self.without_a_pause >= HAMMERING;
        let attempts = if is_hammering { self.without_a_pause + 1 } else { self.times.len() };
        let is_too_fast = is_hammering || attempts > most;
        (is_too_fast && !std::mem::replace(&mut self.is_told, true)).then_some(Mistake::RetriedTooFast { attempts })
    }
}

impl ClientRecord {
    /// Entries of each memory that a client can fill.
    const MOST: usize = 1_000;

    /// Notes that a client connected, or asked in vain.
    pub(crate) fn attempt(&mut self, endpoint: Endpoint, now: UnixMillis) -> Option<Mistake> {
        self.tally.attempts += 1;
        match endpoint {
            Endpoint::Signaling => {
                self.last_signaling_attempt = Some(now);
                self.signaling_attempts.add(5, now)
            }
            // Each of the five media may have its connection.
            Endpoint::Media => {
                self.last_media_attempt = Some(now);
                self.media_attempts.add(10, now)
            }
        }
    }

    /// An attempt at signaling came to nothing: its connection was refused, or its handshake.
    pub(crate) fn signaling_in_vain(&mut self, now: UnixMillis) {
        self.signaling_attempts.in_vain_at = Some(now);
    }

    /// Whether the client has tried since then to connect, in vain or not.
    pub(crate) fn has_tried(&self, endpoint: Endpoint, since: UnixMillis) -> bool {
        let last = match endpoint {
            Endpoint::Signaling => self.last_signaling_attempt,
            Endpoint::Media => self.last_media_attempt,
        };
        last.is_some_and(|at| at >= since)
    }

    /// A connection was opened.
    pub(crate) fn arrived(&self, now: UnixMillis) -> Option<Mistake> {
        // Who was never there cannot come back.
        self.joined_at?;
        let by_state = self.state_4_at.map(|at| (at, AFTER_STATE_4));
        let by_webhook = self.ended_at.zip(self.end_told_at).map(|(ended, told)| (ended.max(told), AFTER_THE_END));
        let since = [by_state, by_webhook].into_iter().flatten().find(|(since, grace)| now.since(*since) > *grace);
        let (since, _) = since?;
        let after_ms = u64::try_from(now.since(since).as_millis()).unwrap_or(u64::MAX);
        Some(Mistake::CameBackAfterTheEnd { after_ms })
    }

    /// Notes that Zoom got in the way on purpose.
    pub(crate) fn hindered(&mut self, now: UnixMillis) {
        self.hindered_at = Some(now);
    }

    /// Whether the client may be late because of that.
    pub(crate) fn is_hindered(&self, now: UnixMillis) -> bool {
        self.hindered_at.is_some_and(|at| now.since(at) < HINDERED_FOR)
    }

    /// A handshake begins, or another question that may be refused.
    pub(crate) fn asks(&mut self, payload: &[u8]) {
        let mut hasher = DefaultHasher::new();
        match serde_json::from_slice::<serde_json::Value>(payload) {
            Ok(serde_json::Value::Object(mut fields)) => {
                fields.remove("sequence");
                fields.remove("timestamp");
                serde_json::Value::Object(fields).to_string().hash(&mut hasher);
            }
            Ok(_) | Err(_) => payload.hash(&mut hasher),
        }
        self.asking = hasher.finish();
    }

    /// What was asked is refused, and rightly so. Gives how often the same was refused by now; none if it was once too
    /// often before.
    pub(crate) fn refused_rightly(&mut self, connection: ConnectionId, request: MessageType) -> Option<u32> {
        self.tally.refused += 1;
        self.note_refusal(connection, request, true);
        if self.refusals.len() >= Self::MOST && !self.refusals.contains_key(&self.asking) {
            return Some(1);
        }
        let times = self.refusals.entry(self.asking).or_default();
        *times = times.saturating_add(1);
        (*times == 1 || *times == SAME_REFUSED).then_some(*times)
    }

    /// Whether something was refused rightly, so that what did not come about needs no finding of its own.
    pub(crate) fn was_refused(&self) -> bool {
        self.tally.refused > 0
    }

    /// Signaling was refused on purpose.
    pub(crate) fn turned_away(&mut self, status: StatusCode) {
        self.turned_away_for_good = !matches!(
            status,
            StatusCode::DuplicateSignalRequest | StatusCode::InternalException | StatusCode::Unknown(_)
        );
    }

    /// Whether the last refusal on purpose was one after which a client may give up.
    pub(crate) fn was_turned_away_for_good(&self) -> bool {
        self.turned_away_for_good
    }

    /// Notes that the client asked for the end of the stream, and need not come back.
    pub(crate) fn asks_to_close(&mut self) {
        self.asked_to_close = true;
    }

    /// Whether the client asked for the end of the stream.
    pub(crate) fn asked_to_close(&self) -> bool {
        self.asked_to_close
    }

    /// The handshake of a connection is refused through no fault of the client's. It may wait until the connection is
    /// closed, as Zoom may do that.
    pub(crate) fn refused_anyhow(&mut self, connection: ConnectionId, request: MessageType) {
        self.note_refusal(connection, request, false);
    }

    /// `more`: whether more is to be said of the connection if the client leaves it as it is.
    fn note_refusal(&mut self, connection: ConnectionId, request: MessageType, more: bool) {
        let is_handshake = matches!(request, MessageType::SignalingHandShakeReq | MessageType::DataHandShakeReq);
        if is_handshake && self.refused.len() < Self::MOST {
            self.refused.entry(connection).or_insert((request, more));
        }
    }

    /// No more is to be said of this connection.
    pub(crate) fn enough_of(&mut self, connection: ConnectionId) {
        if let Some((_, more)) = self.refused.get_mut(&connection) {
            *more = false;
        }
    }

    /// A connection that did not shake hands in time: the finding that fits, if there is more to say.
    pub(crate) fn idle(&mut self, connection: ConnectionId) -> Option<Mistake> {
        match self.refused.remove(&connection) {
            None => Some(Mistake::HandshakeTooLate),
            Some((request, true)) => {
                Some(Mistake::RefusalIgnored { request, how: "neither asked again nor closed the connection" })
            }
            Some((_, false)) => None,
        }
    }

    /// Notes that a signaling handshake has succeeded. Returns what is wrong with that.
    pub(crate) fn joined(&mut self, connection: ConnectionId, now: UnixMillis) -> Option<Mistake> {
        self.signaling_attempts = Attempts::default();
        self.refused.remove(&connection);
        self.has_had_media = false;
        self.joined_at.get_or_insert(now);
        let left_at = self.left_at.take()?;
        let repeated_at = self.repeated_at?;
        (left_at >= repeated_at && now.since(repeated_at) < BY_A_REPEAT).then_some(Mistake::ActedOnRepeat)
    }

    /// Data handshakes come to nothing because Zoom gets in the way.
    pub(crate) fn media_was_hindered(&mut self) {
        self.media_is_settled = true;
    }

    /// A data handshake was refused with this.
    pub(crate) fn media_was_refused(&mut self, status: StatusCode) {
        self.media_refused = Some(status);
    }

    /// Since when the client has joined and has never had media, for no reason that is Zoom's, and what it was refused
    /// with last.
    pub(crate) fn without_media(&self) -> Option<(UnixMillis, Option<StatusCode>)> {
        self.joined_at.filter(|_| !self.media_is_settled).map(|at| (at, self.media_refused))
    }

    /// A data handshake has succeeded.
    pub(crate) fn opened_media(&mut self, connection: ConnectionId, now: UnixMillis) {
        self.media_is_settled = true;
        self.media_attempts = Attempts::default();
        self.refused.remove(&connection);
        self.has_had_media = true;
        self.ready_due.insert(connection, now + READY_WITHIN);
    }

    /// Message 7 came and counts.
    pub(crate) fn ready(&mut self) {
        self.ready_due.clear();
        self.ready_was_early = false;
    }

    /// Message 7 came and does not count; that it is missing now says nothing new.
    pub(crate) fn ready_in_vain(&mut self) {
        self.ready_was_early = true;
    }

    /// Message 7 came while there is no media.
    pub(crate) fn ready_without_media(&mut self) -> Option<Mistake> {
        if self.has_had_media {
            // It was on its way when the media was lost.
            return None;
        }
        self.ready_in_vain();
        let ignored = self.refused.values_mut().find(|(request, _)| *request == MessageType::DataHandShakeReq);
        Some(match ignored {
            Some((request, more)) => {
                *more = false;
                Mistake::RefusalIgnored { request: *request, how: "sent a client ready" }
            }
            None => Mistake::ReadyTooEarly,
        })
    }

    /// Media connections whose message 7 is overdue.
    pub(crate) fn unready(&mut self, now: UnixMillis) -> Vec<ConnectionId> {
        let due: Vec<_> = self.ready_due.iter().filter(|(_, due)| **due <= now).map(|(it, _)| *it).collect();
        self.ready_due.retain(|_, due| *due > now);
        if self.ready_was_early { Vec::new() } else { due }
    }

    /// Has this connection looked at again a little later.
    pub(crate) fn wait_for_ready(&mut self, connection: ConnectionId, now: UnixMillis) {
        self.ready_due.insert(connection, now + Duration::from_secs(1));
    }

    /// Media flows on a connection for one person's video.
    pub(crate) fn has_video_of_choice(&mut self) {
        self.has_video_of_choice = true;
    }

    /// It has asked for a camera, be it in vain.
    pub(crate) fn chooses_a_camera(&mut self) {
        self.has_chosen_a_camera = true;
    }

    /// Whether it had a connection for one person's video and asked for nobody's.
    pub(crate) fn never_chose_a_camera(&self) -> bool {
        self.has_video_of_choice && !self.has_chosen_a_camera
    }

    /// A connection was refused because others were there first.
    pub(crate) fn doubled(
        &mut self,
        connection: ConnectionId,
        first: Vec<ConnectionId>,
        mistake: Mistake,
        now: UnixMillis,
    ) {
        self.refused_anyhow(connection, MessageType::Undefined);
        self.refused.insert(connection, (MessageType::Undefined, false));
        if self.doubles.len() < Self::MOST {
            self.doubles.push(Double { due: now + OVERLAP, connection, first, is_instead: false, mistake });
        }
    }

    /// A connection was accepted in place of another one, which may have ended already: its close may be on its way.
    pub(crate) fn replaced(
        &mut self,
        connection: ConnectionId,
        first: ConnectionId,
        mistake: Mistake,
        now: UnixMillis,
    ) {
        if self.doubles.len() < Self::MOST {
            let (due, first) = (now + OVERLAP, vec![first]);
            self.doubles.push(Double { due, connection, first, is_instead: true, mistake });
        }
    }

    /// What a second signaling connection is.
    pub(crate) fn second_signaling(&self, refused: bool, now: UnixMillis) -> Mistake {
        if self.repeated_at.is_some_and(|at| now.since(at) < BY_A_REPEAT) {
            Mistake::ActedOnRepeat
        } else {
            Mistake::SecondSignaling { refused }
        }
    }

    /// Doubles of which it can be said by now whether the first was left alive.
    pub(crate) fn due_doubles(&mut self, now: UnixMillis) -> Vec<Double> {
        let (due, rest) = std::mem::take(&mut self.doubles).into_iter().partition(|double| double.due <= now);
        self.doubles = rest;
        due
    }

    /// A second answer came on a connection, and another one still waits for one like it.
    pub(crate) fn doubt(&mut self, connection: ConnectionId, answer: &KeepAliveResp, now: UnixMillis) {
        if self.doubts.len() < Self::MOST {
            self.doubts.push(Doubt { due: now + MEANT_FOR_ANOTHER, connection, answer: answer.clone() });
        }
    }

    /// Second answers of which it can be said by now for whom they were.
    pub(crate) fn due_doubts(&mut self, now: UnixMillis) -> Vec<Doubt> {
        let (due, rest) = std::mem::take(&mut self.doubts).into_iter().partition(|doubt| doubt.due <= now);
        self.doubts = rest;
        due
    }

    /// All second answers, because the stream ends.
    pub(crate) fn last_doubts(&mut self) -> Vec<Doubt> {
        std::mem::take(&mut self.doubts)
    }

    /// A webhook was posted that the client knows.
    pub(crate) fn repeated(&mut self, now: UnixMillis) {
        self.repeated_at = Some(now);
    }

    /// A start webhook was posted that is news to the client: it has a reason to connect anew.
    pub(crate) fn has_news(&mut self) {
        self.repeated_at = None;
        self.signaling_attempts.in_vain_at = None;
    }

    /// The client ended its signaling connection by itself.
    pub(crate) fn left(&mut self, now: UnixMillis) {
        self.left_at = Some(now);
    }

    /// Zoom has closed a connection, and the client hears of it.
    pub(crate) fn told_to_close(&mut self, connection: ConnectionId) {
        self.refused.remove(&connection);
        if self.told_to_close.len() >= Self::MOST {
            self.told_to_close.pop_first();
        }
        self.told_to_close.insert(connection);
    }

    /// Zoom has closed a connection because the client had ended or replaced its signaling.
    pub(crate) fn leaves_behind(&mut self, connection: ConnectionId) {
        if self.left_behind.len() >= Self::MOST {
            self.left_behind.pop_first();
        }
        self.left_behind.insert(connection);
    }

    /// A connection that Zoom had closed already was ended by the client, which did not know of that. Gives whether the
    /// manner of its end is to be judged.
    pub(crate) fn ended_by_itself(&mut self, connection: ConnectionId) -> bool {
        self.doubles.retain(|double| !(double.is_instead && double.first.contains(&connection)));
        self.left_behind.remove(&connection)
    }

    /// The driver waited in vain for the answer to a close frame.
    pub(crate) fn left_open(&mut self, connection: ConnectionId) -> Option<Mistake> {
        self.told_to_close.remove(&connection).then_some(Mistake::LeftOpen)
    }

    /// The stream is over.
    pub(crate) fn ended(&mut self, now: UnixMillis) {
        self.ended_at = Some(now);
        self.ready_due.clear();
        self.doubles.clear();
    }

    /// Another stream starts after the one that is over.
    pub(crate) fn starts_again(&mut self) {
        (self.ended_at, self.state_4_at, self.end_told_at) = (None, None, None);
        (self.left_at, self.repeated_at) = (None, None);
        (self.asked_to_close, self.turned_away_for_good, self.has_had_media) = (false, false, false);
        (self.joined_at, self.media_is_settled, self.media_refused) = (None, false, None);
        (self.has_video_of_choice, self.has_chosen_a_camera) = (false, false);
    }

    /// State 4 is on its way on the client's signaling connection.
    pub(crate) fn state_4_was_sent(&mut self, now: UnixMillis) {
        self.state_4_at.get_or_insert(now);
    }

    /// The client took the webhook that says that the stream is over.
    pub(crate) fn end_was_told(&mut self, now: UnixMillis) {
        self.end_told_at.get_or_insert(now);
    }

    /// When there is something to look at.
    pub(crate) fn next_at(&self) -> Option<UnixMillis> {
        let doubts = self.doubts.iter().map(|doubt| doubt.due);
        self.ready_due.values().copied().chain(self.doubles.iter().map(|double| double.due)).chain(doubts).min()
    }
}
