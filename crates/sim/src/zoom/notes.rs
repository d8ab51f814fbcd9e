//! What is noted of a stream: what was sent, what the client did, and what was wrong with it.

use std::{collections::VecDeque, time::Duration};

use rtms_wire::{
    codes::{message_type::MessageType, state::StreamState},
    message::{keep_alive::KeepAliveResp, signaling_handshake::PROTOCOL_VERSION},
    time::UnixMillis,
};

use crate::{
    checks::expected::Leniency,
    connection::{ConnectionId, Endpoint},
    fault::KeepAliveForm,
    findings::{
        advice::Kind,
        finding::{Finding, Findings},
        mistake::{KeepAliveFault, Mistake},
    },
    judge::client_record::{ClientRecord, Doubt},
    keep_alive::{KeepAlive, Unexpected},
    sent::{Sent, What},
    webhook::post::{Purpose, WebhookPost},
    zoom::connections::Connections,
};

/// The notes on one stream.
#[derive(Debug, Default)]
pub(super) struct Notes {
    sent: VecDeque<Sent>,
    findings: Findings,
    /// What is remembered of the client.
    pub(super) client: ClientRecord,
    /// Whether the network lost the close of the connection that was given up last, so that the client may not know.
    pub(super) is_close_lost: bool,
}

impl Notes {
    /// Returns the next record of what was sent.
    pub(super) fn poll_sent(&mut self) -> Option<Sent> {
        self.sent.pop_front()
    }

    /// Returns what the client did wrong so far.
    pub(super) fn findings(&self) -> &Findings {
        &self.findings
    }

    /// Records a message that was sent.
    pub(super) fn record(&mut self, sent: Sent, is_over: bool) {
        self.client.tally.counts.count(&sent.what);
        // What a server that hung sends late may be of the stream before.
        if let What::StreamState { state: StreamState::Terminated, .. } = sent.what
            && is_over
        {
            self.client.state_4_was_sent(sent.at);
        }
        self.sent.push_back(sent);
    }

    /// Records a webhook that was posted.
    pub(super) fn record_post(&mut self, post: &WebhookPost, now: UnixMillis) {
        let what = What::Webhook { event: post.event.clone(), attempt: post.attempt };
        self.client.tally.counts.count(&what);
        if (post.purpose == Purpose::Again || post.attempt > 1) && post.event.ends_with("rtms_started") {
            self.client.repeated(now);
        }
        self.sent.push_back(Sent { at: now, connection: None, medium: "webhook".to_owned(), what });
    }

    /// Records a mistake of the client's.
    pub(super) fn find(&mut self, at: UnixMillis, connection: Option<ConnectionId>, mistake: Mistake) {
        self.findings.push(Finding { at, connection, mistake });
    }

    /// Records a mistake of a kind that is found once in a run.
    fn find_once(&mut self, at: UnixMillis, connection: ConnectionId, mistake: Mistake) {
        if self.findings.iter().all(|found| found.mistake.kind() != mistake.kind()) {
            self.find(at, Some(connection), mistake);
        }
    }

    /// Records that something is late, unless Zoom got in the way, which is not the client's mistake.
    pub(super) fn find_unless_hindered(&mut self, now: UnixMillis, mistake: Mistake) {
        if !self.client.is_hindered(now) {
            self.find(now, None, mistake);
        }
    }

    /// Notes that a client got a WebSocket.
    pub(super) fn connected(&mut self, connection: ConnectionId, endpoint: Endpoint, now: UnixMillis) {
        let found = [self.client.attempt(endpoint, now), self.client.arrived(now)];
        for mistake in found.into_iter().flatten() {
            self.find(now, Some(connection), mistake);
        }
    }

    /// Notes that a client asked for a WebSocket in vain.
    pub(super) fn turned_away(&mut self, endpoint: Endpoint, now: UnixMillis) {
        if let Some(mistake) = self.client.attempt(endpoint, now) {
            self.find(now, None, mistake);
        }
        match endpoint {
            Endpoint::Signaling => self.client.signaling_in_vain(now),
            Endpoint::Media => self.client.media_was_hindered(),
        }
        self.client.hindered(now);
    }

    /// Notes a signaling handshake that has succeeded. `first_after` is given for the first one: how long after the
    /// start webhook it came.
    pub(super) fn joined(
        &mut self,
        connection: ConnectionId,
        first_after: Option<Duration>,
        join_within: Duration,
        now: UnixMillis,
    ) {
        if let Some(mistake) = self.client.joined(connection, now) {
            self.find(now, Some(connection), mistake);
        }
        if let Some(after) = first_after
            && after > join_within / 2
            && !self.client.is_hindered(now)
        {
            let after_ms = u64::try_from(after.as_millis()).unwrap_or(u64::MAX);
            self.find(now, Some(connection), Mistake::JoinedLate { after_ms });
        }
    }

    /// Notes a second signaling connection, which is refused or has thrown out the first.
    pub(super) fn second_signaling(
        &mut self,
        connection: ConnectionId,
        first: ConnectionId,
        refused: bool,
        now: UnixMillis,
    ) {
        let mistake = self.client.second_signaling(refused, now);
        if refused {
            self.client.doubled(connection, vec![first], mistake, now);
        } else {
            self.client.replaced(connection, first, mistake, now);
        }
    }

    /// Notes another version than ours. It is answered all the same, in version 1.
    pub(super) fn version(&mut self, connection: ConnectionId, version: Option<u32>, now: UnixMillis) {
        if let Some(version) = version.filter(|version| *version != PROTOCOL_VERSION) {
            self.find_once(now, connection, Mistake::OtherVersion { version });
        }
    }

    /// Notes what a handshake had that no document allows, and that was accepted.
    pub(super) fn leniency(
        &mut self,
        connection: ConnectionId,
        request: MessageType,
        leniency: Leniency,
        now: UnixMillis,
    ) {
        let Leniency { odd_id, l16_as_rtp } = leniency;
        if let Some(how) = odd_id.filter(|_| !self.client.ids_were_refused) {
            self.find_once(now, connection, Mistake::OddInstanceId { request, how });
        }
        if l16_as_rtp {
            self.find_once(now, connection, Mistake::L16AsRtp);
        }
    }

    /// Notes a message that has no place where it came.
    pub(super) fn out_of_place(
        &mut self,
        connection: ConnectionId,
        msg_type: MessageType,
        why: &'static str,
        now: UnixMillis,
    ) {
        const MEDIA: [MessageType; 5] = [
            MessageType::MediaDataAudio,
            MessageType::MediaDataVideo,
            MessageType::MediaDataShare,
            MessageType::MediaDataTranscript,
            MessageType::MediaDataChat,
        ];
        let mistake = if matches!(msg_type, MessageType::Unknown(_) | MessageType::Undefined) {
            Mistake::UnknownMessage { msg_type }
        } else if MEDIA.contains(&msg_type) {
            Mistake::SentMedia { msg_type }
        } else {
            Mistake::OutOfPlace { msg_type, why }
        };
        self.find(now, Some(connection), mistake);
    }

    /// Notes a handshake for the stream of a start webhook that was forged. `how` is what is wrong with that, if it is
    /// to be found.
    pub(super) fn joins_forged(
        &mut self,
        connection: ConnectionId,
        request: MessageType,
        how: Option<&'static str>,
        now: UnixMillis,
    ) {
        self.client.refused_anyhow(connection, request);
        self.client.enough_of(connection);
        if let Some(how) = how {
            self.find(now, Some(connection), Mistake::ForgedStartJoined { request, how });
        }
    }

    /// Notes message 13 on a connection whose keep-alive runs.
    pub(super) fn keep_alive_answered(
        &mut self,
        connections: &mut Connections,
        connection: ConnectionId,
        answer: &KeepAliveResp,
        form: KeepAliveForm,
        now: UnixMillis,
    ) {
        let Some(keep_alive) = connections.get_mut(connection).and_then(|it| it.keep_alive.as_mut()) else { return };
        match keep_alive.answered(answer, form, now) {
            Ok(took) => {
                let after_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
                let is_late = keep_alive.is_late(took);
                self.client.tally.keep_alives.answered(after_ms);
                if is_late {
                    self.find(now, Some(connection), Mistake::KeepAliveLate { after_ms });
                }
            }
            Err(unexpected) => {
                if let Unexpected::Wrong(_) = unexpected {
                    keep_alive.was_answered_wrongly();
                }
                let is_awaited = connections.others_that_await(connection, answer).next().is_some();
                match unexpected {
                    // For whom it was shows when the other connection has its own answer, or has none.
                    Unexpected::Again if is_awaited => self.client.doubt(connection, answer, now),
                    Unexpected::Again => self.find(now, Some(connection), Mistake::KeepAliveTwice),
                    Unexpected::Wrong(_) if is_awaited => {
                        self.answered_elsewhere(connections, connection, answer, now);
                    }
                    Unexpected::Wrong(how) => self.find(now, Some(connection), Mistake::KeepAliveMismatch { how }),
                }
            }
        }
    }

    /// Notes an answer that came on another connection than its request.
    fn answered_elsewhere(
        &mut self,
        connections: &mut Connections,
        connection: ConnectionId,
        answer: &KeepAliveResp,
        now: UnixMillis,
    ) {
        connections.others_that_await(connection, answer).for_each(KeepAlive::was_answered_wrongly);
        self.find(now, Some(connection), Mistake::KeepAliveMismatch { how: KeepAliveFault::OtherConnection });
    }

    /// Decides of second answers that are old enough for whom they were; of all of them when the stream ends.
    pub(super) fn judge_doubts(&mut self, connections: &mut Connections, is_end: bool, now: UnixMillis) {
        let doubts = if is_end { self.client.last_doubts() } else { self.client.due_doubts(now) };
        for Doubt { connection, answer, .. } in doubts {
            if connections.others_that_await(connection, &answer).next().is_some() {
                self.answered_elsewhere(connections, connection, &answer, now);
            } else {
                self.find(now, Some(connection), Mistake::KeepAliveTwice);
            }
        }
    }

    /// Looks for second connections that were opened while the first stood.
    pub(super) fn judge_doubles(&mut self, connections: &Connections, now: UnixMillis) {
        for double in self.client.due_doubles(now) {
            if double.is_instead || double.first.iter().any(|first| connections.is_sound(*first)) {
                self.find(now, Some(double.connection), double.mistake);
            }
        }
    }

    /// Looks at the end of a stream for connections on which no keep-alive request was ever answered, or the last ones
    /// were not.
    pub(super) fn judge_silence(
        &mut self,
        connections: &Connections,
        interval: Duration,
        is_client_away: bool,
        now: UnixMillis,
    ) {
        /// An answer that takes longer is overdue.
        const OVERDUE: Duration = Duration::from_secs(5);
        /// However often is asked, an answer may take this long.
        const FAIR: Duration = Duration::from_secs(1);
        for (connection, keep_alive) in connections.sound_keep_alives() {
            let missed = keep_alive.never_answered(OVERDUE, now);
            if missed >= 2 {
                self.find(now, Some(connection), Mistake::KeepAliveMissed { missed });
            }
        }
        // Who is found to be silent, or to be late, has that finding already. Who may be gone answers nothing.
        let is_known = |it: &Finding| matches!(it.mistake.kind(), Kind::KeepAliveMissed | Kind::KeepAliveLate);
        if is_client_away || self.findings.iter().any(is_known) {
            return;
        }
        let overdue = OVERDUE.min(interval).max(FAIR);
        for (connection, keep_alive) in connections.sound_keep_alives() {
            let missing = keep_alive.unanswered(overdue, now);
            if missing > 0 {
                self.find(now, Some(connection), Mistake::KeepAliveUnanswered { missing });
            }
        }
    }
}
