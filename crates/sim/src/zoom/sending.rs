//! The way out: every message, close and webhook goes through here and is recorded.

use rtms_wire::{
    codes::{
        state::{SessionState, StreamState},
        stop_reason::StopReason,
    },
    ids::UserId,
    media::medium::Medium,
    message::{Message, event_update::EventBody},
    time::UnixMillis,
};

use crate::{
    connection::ConnectionId,
    fault::{EventCode, MediaUrlForm},
    sent::{Sent, What},
    signaling,
    zoom::{
        connections::{Connection, Role},
        machine::Zoom,
        output::Output,
        stream_signaling::Update,
    },
};

impl Zoom {
    /// Changes the state of a session, and tells the client.
    pub(super) fn session_state_is(
        &mut self,
        session: usize,
        state: SessionState,
        stop_reason: Option<StopReason>,
        now: UnixMillis,
    ) {
        let update = self.signaling.set_session_state(session, state, stop_reason, now);
        self.send_update(update, now);
    }

    /// Changes the state of the stream, and tells the client.
    pub(super) fn stream_state_is(&mut self, state: StreamState, reason: Option<StopReason>, now: UnixMillis) {
        let update = self.signaling.set_state(state, reason, now);
        self.send_update(update, now);
    }

    fn send_update(&mut self, update: Option<Update>, now: UnixMillis) {
        if let Some((connection, message, what)) = update {
            self.send(connection, &message, what, now);
        }
    }

    pub(super) fn send_event_if_wanted(&mut self, event: EventBody, now: UnixMillis) {
        let Some(connection) = self.signaling.connection else { return };
        let Some(Connection { role: Role::Signaling(signaling), .. }) = self.connections.get(connection) else {
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
        let Some(known) = self.connections.get_mut(connection) else { return };
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
        self.put(connection, frame, Some(Sent { at: now, connection: Some(connection), medium, what }));
    }

    /// Gives an output for a connection out, if its server does not hang.
    pub(super) fn put(&mut self, connection: ConnectionId, output: Output, sent: Option<Sent>) {
        if let Some((output, sent)) = self.connections.hold_unsent(connection, output, sent) {
            self.put_at_once(output, sent);
        }
    }

    /// Gives an output out, and records it.
    pub(super) fn put_at_once(&mut self, output: Output, sent: Option<Sent>) {
        self.outputs.push_back(output);
        if let Some(sent) = sent {
            self.notes.record(sent, self.is_over());
        }
    }

    /// The kind of frame that this Zoom uses.
    pub(super) fn frame(&self, connection: ConnectionId, text: String) -> Output {
        if self.config.temper.binary_frames {
            Output::SendBinary { connection, payload: text.into() }
        } else {
            Output::Send { connection, text }
        }
    }

    /// Cuts a connection without a close frame. What its server has not sent is lost.
    pub(super) fn cut(&mut self, connection: ConnectionId) -> Option<Role> {
        let known = self.connections.remove(connection)?;
        self.connections.drop_waiting(connection);
        self.outputs.push_back(Output::Cut { connection });
        Some(known.role)
    }

    /// Closes a connection with a close frame.
    pub(super) fn close(&mut self, connection: ConnectionId) -> Option<Role> {
        let known = self.connections.remove(connection)?;
        // The network loses the close frame, too.
        if !known.is_void {
            self.notes.client.told_to_close(connection);
            self.put(connection, Output::Close { connection, code: CLOSE_NORMAL }, None);
        }
        Some(known.role)
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
