//! What is told to the judge, and what the judge finds.

use std::time::Duration;

use rtms_wire::{
    codes::{message_type::MessageType, product::Product, status_code::StatusCode},
    ids::StreamId,
    message::{keep_alive::KeepAliveResp, signaling_handshake::PROTOCOL_VERSION},
    signature::HandshakeSignature,
    time::UnixMillis,
};

use crate::{
    checks::expected::Leniency,
    connection::{ConnectionId, Endpoint},
    fault::MediaUrlForm,
    findings::{
        advice::{Kind, Severity},
        finding::Finding,
        mistake::{KeepAliveFault, Mistake},
        suspect,
    },
    judge::{
        conduct::{ASKED_WITHIN, BACK_WITHIN, Doubt, READY_WITHIN},
        report::{Evidence, StreamReport},
        tally::Tally,
    },
    keep_alive::{KeepAlive, Unexpected},
    zoom::{live::Role, machine::Zoom},
};

impl Zoom {
    /// What the client did well and badly so far, and how the stream went.
    pub fn report(&self) -> StreamReport {
        StreamReport::new(Evidence {
            stream: self.stream(),
            product: self.product(),
            start: self.start(),
            stop_reason: self.over().map(|(_, reason)| reason),
            tally: &self.conduct.tally,
            findings: self.findings(),
            deliveries: self.deliveries(),
        })
    }

    /// What is counted of the client.
    pub(crate) fn tally(&self) -> &Tally {
        &self.conduct.tally
    }

    /// Whether the client wants the sound from before it came.
    pub(crate) fn wants_backlog(&self) -> bool {
        self.backlog_wanted
    }

    /// Whether anybody gets the webhooks.
    pub(crate) fn webhooks_are_posted(&self) -> bool {
        self.config.webhooks_are_posted
    }

    /// Which product streams.
    pub fn product(&self) -> Product {
        self.config.product
    }

    pub(super) fn watch_connected(&mut self, connection: ConnectionId, endpoint: Endpoint, now: UnixMillis) {
        let found = [self.conduct.attempt(endpoint, now), self.conduct.arrived(now)];
        for mistake in found.into_iter().flatten() {
            self.find(now, Some(connection), mistake);
        }
    }

    /// A client asked for a WebSocket in vain.
    pub(super) fn watch_turned_away(&mut self, endpoint: Endpoint, now: UnixMillis) {
        if let Some(mistake) = self.conduct.attempt(endpoint, now) {
            self.find(now, None, mistake);
        }
        match endpoint {
            Endpoint::Signaling => self.conduct.signaling_in_vain(now),
            Endpoint::Media => self.conduct.media_was_hindered(),
        }
        self.conduct.hindered(now);
    }

    /// The first signaling handshake, or one more.
    pub(super) fn watch_joined(&mut self, connection: ConnectionId, is_first: bool, now: UnixMillis) {
        if let Some(mistake) = self.conduct.joined(connection, now) {
            self.find(now, Some(connection), mistake);
        }
        let after = now.since(self.announced_at);
        if is_first && after > self.config.timing.join_within / 2 && !self.conduct.is_hindered(now) {
            let after_ms = u64::try_from(after.as_millis()).unwrap_or(u64::MAX);
            self.find(now, Some(connection), Mistake::JoinedLate { after_ms });
        }
    }

    /// A second signaling connection is refused, or has thrown out the first.
    pub(super) fn watch_second_signaling(
        &mut self,
        connection: ConnectionId,
        first: ConnectionId,
        refused: bool,
        now: UnixMillis,
    ) {
        if !self.is_sound(first) {
            return;
        }
        let mistake = self.conduct.second_signaling(refused, now);
        if refused {
            self.conduct.doubled(connection, vec![first], mistake, now);
        } else {
            self.conduct.replaced(connection, first, mistake, now);
        }
    }

    /// A handshake or a question that Zoom refuses by itself, not because it was told to.
    pub(super) fn watch_refused(
        &mut self,
        connection: ConnectionId,
        request: MessageType,
        status: StatusCode,
        reason: &str,
        now: UnixMillis,
    ) {
        if self.is_over() {
            return;
        }
        let is_double =
            matches!(status, StatusCode::MediaDataAllConnectionExist | StatusCode::DuplicateMediaDataConnection);
        if status == StatusCode::DuplicateSignalRequest {
            if let Some(first) = self.signaling {
                self.watch_second_signaling(connection, first, true, now);
            }
            return;
        }
        if is_double {
            let first = self.media().map(|(connection, _)| connection).collect();
            return self.conduct.doubled(connection, first, Mistake::SecondMedia { status }, now);
        }
        if self.is_between_connections(now) {
            return self.conduct.refused_anyhow(connection, request);
        }
        let mistake = match self.conduct.refused_rightly(connection, request) {
            None => return,
            Some(times) if times > 1 => Mistake::AskedAgain { request, status, times },
            Some(_) if self.is_found_out_by_asking(status) => return,
            Some(_) => self.first_refusal(request, status, reason),
        };
        if !matches!(mistake, Mistake::Refused { .. }) {
            self.conduct.enough_of(connection);
        }
        self.find(now, Some(connection), mistake);
    }

    /// Whether a medium was not granted, and message 2 did not say so: documents name no key for a screen and none for
    /// chat, the Contact Center's `audio` may stand for its transcript, and `all` alone says nothing.
    fn is_found_out_by_asking(&self, status: StatusCode) -> bool {
        use StatusCode::{
            MediaTypeAudioNotSupport as Audio, MediaTypeChatNotSupport as Chat,
            MediaTypeDeskshareNotSupport as Deskshare, MediaTypeTranscriptNotSupport as Transcript,
            MediaTypeVideoNotSupport as Video,
        };
        let lists_each = matches!(self.config.temper.media_urls, MediaUrlForm::Keys | MediaUrlForm::WithoutAll);
        matches!(status, Deskshare | Chat)
            || (status == Transcript && self.config.product == Product::ContactCenter)
            || (matches!(status, Audio | Video | Transcript) && !lists_each)
    }

    /// What a refusal is, where it has a name of its own.
    fn first_refusal(&self, request: MessageType, status: StatusCode, reason: &str) -> Mistake {
        let is_data = request == MessageType::DataHandShakeReq;
        let is_handshake = is_data || request == MessageType::SignalingHandShakeReq;
        if is_handshake && status == StatusCode::InvalidMessageType {
            Mistake::HandshakeMisplaced { request }
        } else if status == StatusCode::InvalidRtmsStreamId && !(is_data && self.signaling.is_none()) {
            Mistake::WrongStreamId { request }
        } else if is_handshake && status == StatusCode::InvalidPayload && reason.contains("instance id") {
            Mistake::WrongInstanceId { request, reason: reason.to_owned() }
        } else {
            Mistake::Refused { request, status, reason: reason.to_owned() }
        }
    }

    /// The same for a signature, which can be looked into.
    pub(super) fn watch_signature(
        &mut self,
        connection: ConnectionId,
        request: MessageType,
        received: &HandshakeSignature,
        now: UnixMillis,
    ) {
        if self.is_over() {
            return;
        }
        let mistake = match self.conduct.refused_rightly(connection, request) {
            None => return,
            Some(1) => {
                let (app, identity) = (&self.config.app, &self.identity);
                let others = identity.other_ids();
                let suspects = suspect::suspects(received.as_str(), app, &identity.instance, &identity.stream, &others);
                Mistake::WrongSignature { request, suspects }
            }
            Some(times) => Mistake::AskedAgain { request, status: StatusCode::InvalidSignature, times },
        };
        self.conduct.enough_of(connection);
        self.find(now, Some(connection), mistake);
    }

    /// Another version than ours, told once. It is answered all the same, in version 1.
    pub(super) fn watch_version(&mut self, connection: ConnectionId, version: Option<u32>, now: UnixMillis) {
        if let Some(version) = version.filter(|version| *version != PROTOCOL_VERSION) {
            self.find_once(now, connection, Mistake::OtherVersion { version });
        }
    }

    /// What a handshake had that no document allows, and that was accepted. Each kind is found once in a run.
    pub(super) fn watch_leniency(
        &mut self,
        connection: ConnectionId,
        request: MessageType,
        leniency: Leniency,
        now: UnixMillis,
    ) {
        let Leniency { odd_id, l16_as_rtp } = leniency;
        if let Some(how) = odd_id.filter(|_| !self.conduct.ids_were_refused) {
            self.find_once(now, connection, Mistake::OddInstanceId { request, how });
        }
        if l16_as_rtp {
            self.find_once(now, connection, Mistake::L16AsRtp);
        }
    }

    /// A handshake for the stream of a start webhook that was forged. It is refused without another finding.
    pub(super) fn watch_forged(
        &mut self,
        connection: ConnectionId,
        request: MessageType,
        stream: &StreamId,
        now: UnixMillis,
    ) -> bool {
        let Some(forged) = self.webhooks.forged(stream) else { return false };
        let (how, is_first) = (forged.forgery.how(), !std::mem::replace(&mut forged.is_joined, true));
        self.conduct.refused_anyhow(connection, request);
        self.conduct.enough_of(connection);
        if is_first {
            self.find(now, Some(connection), Mistake::ForgedStartJoined { request, how });
        }
        true
    }

    fn find_once(&mut self, now: UnixMillis, connection: ConnectionId, mistake: Mistake) {
        if self.findings.iter().all(|found| found.mistake.kind() != mistake.kind()) {
            self.find(now, Some(connection), mistake);
        }
    }

    /// A message that has no place where it came.
    pub(super) fn watch_out_of_place(
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

    /// Message 13.
    pub(super) fn watch_keep_alive(&mut self, connection: ConnectionId, answer: &KeepAliveResp, now: UnixMillis) {
        let form = self.config.temper.keep_alive;
        let Some(keep_alive) = self.connections.get_mut(&connection).and_then(|it| it.keep_alive.as_mut()) else {
            return;
        };
        match keep_alive.answered(answer, form, now) {
            Ok(took) => {
                let after_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
                let is_late = keep_alive.is_late(took);
                self.conduct.tally.keep_alives.answered(after_ms);
                if is_late {
                    self.find(now, Some(connection), Mistake::KeepAliveLate { after_ms });
                }
            }
            Err(unexpected) => {
                if let Unexpected::Wrong(_) = unexpected {
                    keep_alive.was_answered_wrongly();
                }
                let is_awaited = self.others_that_await(connection, answer).next().is_some();
                match unexpected {
                    // For whom it was shows when the other connection has its own answer, or has none.
                    Unexpected::Again if is_awaited => self.conduct.doubt(connection, answer, now),
                    Unexpected::Again => self.find(now, Some(connection), Mistake::KeepAliveTwice),
                    Unexpected::Wrong(_) if is_awaited => self.answered_elsewhere(connection, answer, now),
                    Unexpected::Wrong(how) => self.find(now, Some(connection), Mistake::KeepAliveMismatch { how }),
                }
            }
        }
    }

    /// An answer came on another connection than its request.
    fn answered_elsewhere(&mut self, connection: ConnectionId, answer: &KeepAliveResp, now: UnixMillis) {
        self.others_that_await(connection, answer).for_each(KeepAlive::was_answered_wrongly);
        self.find(now, Some(connection), Mistake::KeepAliveMismatch { how: KeepAliveFault::OtherConnection });
    }

    /// Says of second answers for whom they were.
    fn judge_doubts(&mut self, doubts: Vec<Doubt>, now: UnixMillis) {
        for Doubt { connection, answer, .. } in doubts {
            if self.others_that_await(connection, &answer).next().is_some() {
                self.answered_elsewhere(connection, &answer, now);
            } else {
                self.find(now, Some(connection), Mistake::KeepAliveTwice);
            }
        }
    }

    /// Other connections with an open request that this answer repeats.
    fn others_that_await(
        &mut self,
        connection: ConnectionId,
        answer: &KeepAliveResp,
    ) -> impl Iterator<Item = &mut KeepAlive> {
        let others = self.connections.iter_mut().filter(move |(other, _)| **other != connection);
        others.filter_map(|(_, known)| known.keep_alive.as_mut()).filter(move |it| it.awaits(answer))
    }

    /// What only the end of the stream shows, because no window is over.
    pub(super) fn watch_end(&mut self, now: UnixMillis) {
        let doubts = self.conduct.last_doubts();
        self.judge_doubts(doubts, now);
        self.is_missed_for_good();
        self.watch_silence(now);
        if self.conduct.never_chose_a_camera() {
            self.find(now, None, Mistake::NoCameraChosen);
        }
        if self.conduct.asked_to_close() || self.conduct.is_hindered(now) || self.was_down_until(now) {
            return;
        }
        self.watch_absence(now);
        self.watch_missing_media(now);
    }

    /// Connections on which no keep-alive request was ever answered, or the last ones were not.
    fn watch_silence(&mut self, now: UnixMillis) {
        /// An answer that takes longer is overdue.
        const OVERDUE: Duration = Duration::from_secs(5);
        /// However often is asked, an answer may take this long.
        const FAIR: Duration = Duration::from_secs(1);
        let silent: Vec<_> = self
            .connections
            .iter()
            .filter(|(connection, _)| self.is_sound(**connection))
            .filter_map(|(connection, known)| {
                Some((*connection, known.keep_alive.as_ref()?.never_answered(OVERDUE, now)))
            })
            .filter(|(_, missed)| *missed >= 2)
            .collect();
        for (connection, missed) in silent {
            self.find(now, Some(connection), Mistake::KeepAliveMissed { missed });
        }
        // Who is found to be silent, or to be late, has that finding already. Who may be gone answers nothing.
        let is_known = |it: &Finding| matches!(it.mistake.kind(), Kind::KeepAliveMissed | Kind::KeepAliveLate);
        if self.is_client_away(now) || self.findings.iter().any(is_known) {
            return;
        }
        let overdue = OVERDUE.min(self.config.timing.keep_alive).max(FAIR);
        let unanswered: Vec<_> = self
            .connections
            .iter()
            .filter(|(connection, _)| self.is_sound(**connection))
            .filter_map(|(connection, known)| Some((*connection, known.keep_alive.as_ref()?.unanswered(overdue, now))))
            .filter(|(_, missing)| *missing > 0)
            .collect();
        for (connection, missing) in unanswered {
            self.find(now, Some(connection), Mistake::KeepAliveUnanswered { missing });
        }
    }

    /// What was lost, and nobody tried to get back. The first attempt is due at once.
    fn watch_absence(&mut self, now: UnixMillis) {
        let timing = &self.config.timing;
        let (signaling_window, media_window) = (timing.signaling_window, timing.media_window);
        let before = |until: UnixMillis, window: Duration| UnixMillis(0) + until.since(UnixMillis(0) + window);
        let (endpoint, medium, lost) = match self.signaling_window {
            Some((until, _)) => (Endpoint::Signaling, None, before(until, signaling_window)),
            None => {
                let Some((medium, (until, _))) = self.media_windows.first_key_value() else { return };
                (Endpoint::Media, Some(*medium), before(*until, media_window))
            }
        };
        // Media cannot come back before signaling, nor anything while the client's process is gone.
        let joined = medium.and(self.signaling).and_then(|it| self.connections.get(&it)).map(|known| known.opened);
        let since = joined.into_iter().chain(self.client_back_after(lost)).fold(lost, UnixMillis::max);
        if now.since(since) >= BACK_WITHIN && !self.conduct.has_tried(endpoint, since) && !self.lost_unheard {
            let after_ms = u64::try_from(now.since(since).as_millis()).unwrap_or(u64::MAX);
            self.find(now, None, Mistake::StayedAway { medium, after_ms });
        }
    }

    /// No media at all, although some was granted.
    fn watch_missing_media(&mut self, now: UnixMillis) {
        let Some((joined_at, refused)) = self.conduct.without_media() else { return };
        let is_opening = self.connections.values().any(|known| matches!(known.role, Role::MediaNew));
        let is_joined = self.signaling.is_some_and(|it| self.is_sound(it));
        if !is_joined || is_opening && refused.is_none() || self.config.granted.iter().next().is_none() {
            return;
        }
        // A refusal that was not heeded has a fault of its own.
        let is_explained = refused.is_some() && self.findings.iter().any(|it| it.mistake.severity() == Severity::Fault);
        // An attempt that is under way takes its time.
        let is_decided = refused.is_some() || !self.conduct.has_tried(Endpoint::Media, joined_at);
        let within = if is_decided { ASKED_WITHIN } else { BACK_WITHIN };
        if now.since(joined_at) >= within && !is_explained {
            let after_ms = u64::try_from(now.since(joined_at).as_millis()).unwrap_or(u64::MAX);
            self.find(now, self.signaling, Mistake::NoMedia { after_ms, refused });
        }
    }

    /// What only time shows.
    pub(super) fn pass_conduct(&mut self, now: UnixMillis) {
        for double in self.conduct.due_doubles(now) {
            if double.is_instead || double.first.iter().any(|first| self.is_sound(*first)) {
                self.find(now, Some(double.connection), double.mistake);
            }
        }
        let doubts = self.conduct.due_doubts(now);
        self.judge_doubts(doubts, now);
        for connection in self.conduct.unready(now) {
            if !self.is_sound(connection) || !self.signaling.is_some_and(|it| self.is_sound(it)) {
                continue;
            }
            let is_opening = self.connections.values().any(|known| matches!(known.role, Role::MediaNew));
            if is_opening || self.conduct.is_hindered(now) {
                self.conduct.wait_for_ready(connection, now);
            } else {
                let after_ms = u64::try_from(READY_WITHIN.as_millis()).unwrap_or(u64::MAX);
                self.find(now, Some(connection), Mistake::NoReady { after_ms });
            }
        }
    }

    /// What is late because Zoom got in the way is not the client's mistake.
    pub(super) fn find_unless_hindered(&mut self, mistake: Mistake, now: UnixMillis) {
        if !self.conduct.is_hindered(now) {
            self.find(now, None, mistake);
        }
    }

    /// Whether a connection is there and what is said on it is heard on both sides.
    fn is_sound(&self, connection: ConnectionId) -> bool {
        let known = self.connections.get(&connection);
        known.is_some_and(|known| !known.is_void && known.cut_at.is_none()) && !self.frozen.contains_key(&connection)
    }

    /// Whether signaling was lost so lately that the client may not know.
    fn is_between_connections(&self, now: UnixMillis) -> bool {
        let window = self.config.timing.signaling_window;
        self.signaling_window.is_some_and(|(until, _)| until.since(now) + Duration::from_secs(2) > window)
    }
}
