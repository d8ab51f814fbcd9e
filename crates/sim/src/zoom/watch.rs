//! Findings that take several parts of the stream to see.

use std::time::Duration;

use rtms_wire::{
    codes::{message_type::MessageType, product::Product, status_code::StatusCode},
    signature::HandshakeSignature,
    time::UnixMillis,
};

use crate::{
    connection::{ConnectionId, Endpoint},
    fault::MediaUrlForm,
    findings::{advice::Severity, mistake::Mistake, suspect},
    judge::{
        client_record::{ASKED_WITHIN, BACK_WITHIN, READY_WITHIN},
        report::{Evidence, StreamReport},
        tally::Tally,
    },
    zoom::machine::Zoom,
};

impl Zoom {
    /// Returns the report on the client so far.
    pub fn report(&self) -> StreamReport {
        StreamReport::new(Evidence {
            stream: self.stream(),
            product: self.product(),
            start: self.start(),
            stop_reason: self.over().map(|(_, reason)| reason),
            tally: &self.notes.client.tally,
            findings: self.findings(),
            deliveries: self.deliveries(),
        })
    }

    /// What is counted of the client.
    pub(crate) fn tally(&self) -> &Tally {
        &self.notes.client.tally
    }

    /// Whether the client wants the sound from before it came.
    pub(crate) fn wants_backlog(&self) -> bool {
        self.media.backlog_wanted
    }

    /// Whether anybody gets the webhooks.
    pub(crate) fn webhooks_are_posted(&self) -> bool {
        self.webhooks.are_posted()
    }

    /// Which product streams.
    pub fn product(&self) -> Product {
        self.config.product
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
            if let Some(first) = self.signaling.connection.filter(|first| self.connections.is_sound(*first)) {
                self.notes.second_signaling(connection, first, true, now);
            }
            return;
        }
        if is_double {
            let first = self.connections.media().map(|(connection, _)| connection).collect();
            return self.notes.client.doubled(connection, first, Mistake::SecondMedia { status }, now);
        }
        if self.is_between_connections(now) {
            return self.notes.client.refused_anyhow(connection, request);
        }
        let mistake = match self.notes.client.refused_rightly(connection, request) {
            None => return,
            Some(times) if times > 1 => Mistake::AskedAgain { request, status, times },
            Some(_) if self.is_found_out_by_asking(status) => return,
            Some(_) => self.first_refusal(request, status, reason),
        };
        if !matches!(mistake, Mistake::Refused { .. }) {
            self.notes.client.enough_of(connection);
        }
        self.notes.find(now, Some(connection), mistake);
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
        } else if status == StatusCode::InvalidRtmsStreamId && !(is_data && self.signaling.connection.is_none()) {
            Mistake::WrongStreamId { request }
        } else if is_handshake && status == StatusCode::InvalidPayload && reason.contains("instance id") {
            Mistake::WrongInstanceId { request, reason: reason.to_owned() }
        } else {
            Mistake::Refused { request, status, reason: reason.to_owned() }
        }
    }

    /// A handshake that is refused for its signature, which can be explained.
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
        let mistake = match self.notes.client.refused_rightly(connection, request) {
            None => return,
            Some(1) => {
                let (app, identity) = (&self.config.app, &self.identity);
                let others = identity.other_ids();
                let suspects = suspect::suspects(received.as_str(), app, &identity.instance, &identity.stream, &others);
                Mistake::WrongSignature { request, suspects }
            }
            Some(times) => Mistake::AskedAgain { request, status: StatusCode::InvalidSignature, times },
        };
        self.notes.client.enough_of(connection);
        self.notes.find(now, Some(connection), mistake);
    }

    /// What only the end of the stream shows, because no window is over.
    pub(super) fn watch_end(&mut self, now: UnixMillis) {
        self.notes.judge_doubts(&mut self.connections, true, now);
        self.media.miss_for_good(&mut self.notes.client.tally.missed);
        let is_client_away = self.faults.is_client_away(now);
        self.notes.judge_silence(&self.connections, self.config.timing.keep_alive, is_client_away, now);
        if self.notes.client.never_chose_a_camera() {
            self.notes.find(now, None, Mistake::NoCameraChosen);
        }
        if self.notes.client.asked_to_close() || self.notes.client.is_hindered(now) || self.faults.was_down_until(now) {
            return;
        }
        self.watch_absence(now);
        self.watch_missing_media(now);
    }

    /// What was lost, and nobody tried to get back. The first attempt is due at once.
    fn watch_absence(&mut self, now: UnixMillis) {
        let timing = &self.config.timing;
        let (signaling_window, media_window) = (timing.signaling_window, timing.media_window);
        let before = |until: UnixMillis, window: Duration| UnixMillis(0) + until.since(UnixMillis(0) + window);
        let (endpoint, medium, lost) = match self.signaling.window() {
            Some((until, _)) => (Endpoint::Signaling, None, before(until, signaling_window)),
            None => {
                let Some((medium, until, _)) = self.media.windows().next() else { return };
                (Endpoint::Media, Some(medium), before(until, media_window))
            }
        };
        // Media cannot come back before signaling, nor anything while the client's process is gone.
        let joined =
            medium.and(self.signaling.connection).and_then(|it| self.connections.get(it)).map(|known| known.opened);
        let since = joined.into_iter().chain(self.faults.client_back_after(lost)).fold(lost, UnixMillis::max);
        if now.since(since) >= BACK_WITHIN && !self.notes.client.has_tried(endpoint, since) && !self.notes.is_close_lost
        {
            let after_ms = u64::try_from(now.since(since).as_millis()).unwrap_or(u64::MAX);
            self.notes.find(now, None, Mistake::StayedAway { medium, after_ms });
        }
    }

    /// No media at all, although some was granted.
    fn watch_missing_media(&mut self, now: UnixMillis) {
        let Some((joined_at, refused)) = self.notes.client.without_media() else { return };
        let is_opening = self.connections.has_new_media();
        let is_joined = self.signaling.connection.is_some_and(|it| self.connections.is_sound(it));
        if !is_joined || is_opening && refused.is_none() || self.config.granted.iter().next().is_none() {
            return;
        }
        // A refusal that was not heeded has a fault of its own.
        let is_explained =
            refused.is_some() && self.notes.findings().iter().any(|it| it.mistake.severity() == Severity::Fault);
        // An attempt that is under way takes its time.
        let is_decided = refused.is_some() || !self.notes.client.has_tried(Endpoint::Media, joined_at);
        let within = if is_decided { ASKED_WITHIN } else { BACK_WITHIN };
        if now.since(joined_at) >= within && !is_explained {
            let after_ms = u64::try_from(now.since(joined_at).as_millis()).unwrap_or(u64::MAX);
            self.notes.find(now, self.signaling.connection, Mistake::NoMedia { after_ms, refused });
        }
    }

    /// Looks for media connections whose message 7 is overdue.
    pub(super) fn watch_ready(&mut self, now: UnixMillis) {
        for connection in self.notes.client.unready(now) {
            let has_signaling = self.signaling.connection.is_some_and(|it| self.connections.is_sound(it));
            if !self.connections.is_sound(connection) || !has_signaling {
                continue;
            }
            if self.connections.has_new_media() || self.notes.client.is_hindered(now) {
                self.notes.client.wait_for_ready(connection, now);
            } else {
                let after_ms = u64::try_from(READY_WITHIN.as_millis()).unwrap_or(u64::MAX);
                self.notes.find(now, Some(connection), Mistake::NoReady { after_ms });
            }
        }
    }

    /// Whether signaling was lost so lately that the client may not know.
    fn is_between_connections(&self, now: UnixMillis) -> bool {
        let window = self.config.timing.signaling_window;
        self.signaling.window().is_some_and(|(until, _)| until.since(now) + Duration::from_secs(2) > window)
    }
}
