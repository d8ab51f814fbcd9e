//! How things are said: every message, close and webhook goes through here and is recorded.

use rtms_wire::{
    codes::{
        message_type::MessageType,
        state::{SessionState, StreamState},
        status_code::StatusCode,
        stop_reason::StopReason,
    },
    ids::UserId,
    media::medium::Medium,
    message::{
        Extra, Message,
        event_update::EventBody,
        state::{SessionStateUpdate, StreamStateUpdate},
    },
    time::UnixMillis,
};

use crate::{
    config::Server,
    connection::ConnectionId,
    fault::{EventCode, MediaUrlForm},
    findings::{finding::Finding, mistake::Mistake},
    media::flow::Media,
    sent::{Sent, What},
    signaling,
    webhook::{
        post::{Purpose, WebhookPost},
        webhooks::News,
    },
    zoom::{
        live::{Connection, Role},
        machine::Zoom,
        output::Output,
    },
};

impl Zoom {
    /// Media connections that are the stream's; those to a server that failed are not.
    pub(super) fn media(&self) -> impl Iterator<Item = (ConnectionId, &Media)> {
        self.connections.iter().filter_map(|(connection, known)| match &known.role {
            Role::Media(media) if known.cut_at.is_none() => Some((*connection, media.as_ref())),
            Role::Media(_) | Role::SignalingNew | Role::Signaling(_) | Role::MediaNew => None,
        })
    }

    /// The numbers of those.
    pub(super) fn media_connections(&self) -> Vec<ConnectionId> {
        self.media().map(|(connection, _)| connection).collect()
    }

    /// One session changes its state, and signaling tells.
    pub(super) fn session_state_is(
        &mut self,
        session: usize,
        state: SessionState,
        stop_reason: Option<StopReason>,
        now: UnixMillis,
    ) {
        let Some(known) = self.sessions.get_mut(session) else { return };
        known.state = state;
        let id = known.id.clone();
        if let Some(connection) = self.signaling {
            let update = Message::SessionStateUpdate(SessionStateUpdate {
                state,
                stop_reason,
                timestamp: Some(now),
                rtms_session_id: Some(id),
                extra: Extra::new(),
            });
            self.send(connection, &update, What::SessionState { state, stop_reason }, now);
        }
    }

    pub(super) fn stream_state_is(&mut self, state: StreamState, reason: Option<StopReason>, now: UnixMillis) {
        self.stream_state = state;
        if let Some(connection) = self.signaling {
            let update = Message::StreamStateUpdate(StreamStateUpdate {
                state,
                reason,
                timestamp: Some(now),
                extra: Extra::new(),
            });
            self.send(connection, &update, What::StreamState { state, reason }, now);
        }
    }

    pub(super) fn send_event_if_wanted(&mut self, event: EventBody, now: UnixMillis) {
        let Some(connection) = self.signaling else { return };
        let Some(Connection { role: Role::Signaling(signaling), .. }) = self.connections.get(&connection) else {
            return;
        };
        // What subscribes to events that have a code alone is not published.
        let is_wanted = match event.event_type {
            Some(event_type) => signaling.wants(event_type),
            None => self.config.temper.event_code != EventCode::Off,
        };
        if is_wanted {
            self.send_event(connection, event, now);
        }
    }

    pub(super) fn send_event(&mut self, connection: ConnectionId, event: EventBody, now: UnixMillis) {
        let user_ids: Vec<UserId> = event.people().into_iter().map(|who| who.user_id).collect();
        let what = What::Event {
            event_type: event.event_type.unwrap_or_default(),
            timestamp: event.time().unwrap_or(now),
            user_ids,
        };
        self.send(connection, &signaling::event_update(event), what, now);
    }

    pub(super) fn answer(&mut self, connection: ConnectionId, message: &Message, now: UnixMillis) {
        self.send(connection, message, What::Answer { msg_type: message.msg_type().code() }, now);
    }

    pub(super) fn send(&mut self, connection: ConnectionId, message: &Message, what: What, now: UnixMillis) {
        let Some(known) = self.connections.get_mut(&connection) else { return };
        known.sent_at = now;
        if known.is_void {
            return;
        }
        let medium = match &known.role {
            Role::SignalingNew | Role::Signaling(_) => "signaling".to_owned(),
            Role::MediaNew => "media".to_owned(),
            Role::Media(media) if media.asked.is_all() => "all".to_owned(),
            Role::Media(media) => media.carries.iter().map(Medium::as_str).collect::<Vec<_>>().join("+"),
        };
        let message = &self.as_version_2_has_it(message);
        let text =
            if self.config.temper.media_urls == MediaUrlForm::Text { as_bare_url(message) } else { message.encode() };
        let frame = self.frame(connection, text);
        self.say(connection, frame, Some(Sent { at: now, connection: Some(connection), medium, what }));
    }

    /// Gives something out, and puts it down.
    pub(super) fn write(&mut self, output: Output, sent: Option<Sent>) {
        self.outputs.push_back(output);
        let Some(sent) = sent else { return };
        self.conduct.tally.counts.count(&sent.what);
        // What a server that hung says late may be of the stream before.
        if let What::StreamState { state: StreamState::Terminated, .. } = sent.what
            && self.is_over()
        {
            self.conduct.state_4_was_sent(sent.at);
        }
        self.sent.push_back(sent);
    }

    /// Whether everything on a connection is lost, both ways.
    pub fn is_void(&self, connection: ConnectionId) -> bool {
        self.connections.get(&connection).is_some_and(|known| known.is_void)
    }

    /// The kind of frame that this Zoom uses.
    pub(super) fn frame(&self, connection: ConnectionId, text: String) -> Output {
        if self.config.temper.binary_frames {
            Output::SendBinary { connection, payload: text.into() }
        } else {
            Output::Send { connection, text }
        }
    }

    /// Cuts a connection without a word. What its server has not said is lost.
    pub(super) fn cut(&mut self, connection: ConnectionId) -> Option<Role> {
        let known = self.connections.remove(&connection)?;
        self.frozen.remove(&connection);
        self.outputs.push_back(Output::Cut { connection });
        Some(known.role)
    }

    pub(super) fn close(&mut self, connection: ConnectionId) -> Option<Role> {
        let known = self.connections.remove(&connection)?;
        // The network loses the goodbye, too.
        if !known.is_void {
            self.conduct.told_to_close(connection);
            self.say(connection, Output::Close { connection, code: CLOSE_NORMAL }, None);
        }
        Some(known.role)
    }

    pub(super) fn announce(&mut self, news: News<'_>, now: UnixMillis) {
        self.webhooks.announce(news, &self.identity, now, now);
        self.pass_webhooks(now);
    }

    /// The start webhook, with the URLs of the server that is the stream's now.
    pub(super) fn announce_start(&mut self, now: UnixMillis) {
        let signaling_url = self.server().signaling_url;
        self.conduct.has_news();
        self.announce(News::Started { signaling_url: &signaling_url }, now);
    }

    /// The server that is the stream's now.
    pub(super) fn server(&self) -> Server {
        let standby = self.server.checked_sub(1).and_then(|index| self.config.standby.get(index));
        standby.cloned().unwrap_or_else(|| Server {
            signaling_url: self.config.signaling_url.clone(),
            media_url: self.config.media_url.clone(),
        })
    }

    pub(super) fn post(&mut self, post: WebhookPost, now: UnixMillis) {
        let what = What::Webhook { event: post.event.clone(), attempt: post.attempt };
        self.conduct.tally.counts.count(&what);
        if (post.purpose == Purpose::Again || post.attempt > 1) && post.event.ends_with("rtms_started") {
            self.conduct.repeated(now);
        }
        self.sent.push_back(Sent { at: now, connection: None, medium: "webhook".to_owned(), what });
        self.outputs.push_back(Output::Webhook(post));
    }

    pub(super) fn find(&mut self, at: UnixMillis, connection: Option<ConnectionId>, mistake: Mistake) {
        self.findings.push(Finding { at, connection, mistake });
    }

    pub(super) fn find_refused(
        &mut self,
        connection: ConnectionId,
        request: MessageType,
        status: StatusCode,
        reason: &str,
        now: UnixMillis,
    ) {
        if status != StatusCode::InvalidSignature {
            self.watch_refused(connection, request, status, reason, now);
        }
    }
}

/// Message 2 with a string in place of the object of URLs; any other message as it is.
fn as_bare_url(message: &Message) -> String {
    let mut text = message.encode();
    if let Message::SignalingHandShakeResp(response) = message
        && let Some(url) = response.media_server.as_ref().and_then(|server| server.server_urls.all())
        && let Ok(mut fields) = serde_json::from_str::<serde_json::Value>(&text)
        && let Some(urls) = fields.pointer_mut("/media_server/server_urls")
    {
        *urls = url.into();
        text = fields.to_string();
    }
    text
}

/// The close code for everything: Zoom's codes are not documented, and 1000 was seen for success and refusal alike.
const CLOSE_NORMAL: u16 = 1000;
