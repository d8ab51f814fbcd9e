//! What a stream asks of its driver and reports to the application, in order, and what of it was reported before.

use std::collections::VecDeque;

use rtms_wire::{
    codes::message_type::MessageType,
    extra::Extra,
    media::medium::{MediaTypes, Medium},
    message::{
        Message, OtherMessage,
        media_data::MediaData,
        signaling_handshake::PROTOCOL_VERSION,
        text_data::{MediaDataChat, MediaDataTranscript},
    },
};

use crate::{
    connection::{Connection, HANDSHAKE_LIMIT, Loss},
    dedupe::Duplicates,
    event::{Event, Odd},
    output::{ConnectionId, Output},
    reconnect::Jitter,
    role::Role,
    time::Moment,
};

/// The longest message that means nothing here and is reported with its fields, as JSON: many times what any message
/// but media has.
const MAX_KEPT_BYTES: usize = 16 * 1024;

/// The outputs that wait to be polled.
#[derive(Debug)]
pub(super) struct Outputs {
    queue: VecDeque<Output>,
    /// The media that are wanted; of others nothing is reported.
    wanted: MediaTypes,
    duplicates: Duplicates,
    next_connection: u32,
    /// Whether it was reported that Zoom answers in another version.
    version_reported: bool,
    /// What the waits between tries are drawn from: one sequence for all connections of the stream.
    pub(super) jitter: Jitter,
}

impl Outputs {
    pub(super) fn new(wanted: MediaTypes, jitter: Jitter) -> Self {
        Self {
            queue: VecDeque::new(),
            wanted,
            duplicates: Duplicates::default(),
            next_connection: 0,
            version_reported: false,
            jitter,
        }
    }

    /// Returns the oldest output.
    pub(super) fn pop(&mut self) -> Option<Output> {
        self.queue.pop_front()
    }

    // --- For the driver ---

    /// Dials. The handshake has to succeed inside the window that the connection is wanted in.
    pub(super) fn dial(&mut self, role: Role, url: String, window: Moment, now: Moment) -> Connection {
        let connection = ConnectionId(self.next_connection);
        self.next_connection += 1;
        self.queue.push_back(Output::Connect { connection, role, url });
        Connection::dialed(connection, role, window.min(now + HANDSHAKE_LIMIT))
    }

    pub(super) fn send(&mut self, connection: ConnectionId, message: Message) {
        self.queue.push_back(Output::Send { connection, message });
    }

    pub(super) fn disconnect(&mut self, id: ConnectionId) {
        self.queue.push_back(Output::Disconnect(id));
    }

    // --- For the application ---

    pub(super) fn report(&mut self, event: Event) {
        self.queue.push_back(Output::Event(event));
    }

    /// Reports that a connection that stood is gone.
    pub(super) fn report_loss(&mut self, loss: Loss, now: Moment) {
        let Loss { role, cause, why, heard } = loss;
        let role = match role {
            Role::Media(types) => {
                let types = self.wanted_of(types);
                for medium in types.iter() {
                    self.report_duplicates(medium);
                }
                Role::Media(types)
            }
            Role::Signaling => role,
        };
        self.report(Event::Interrupted { role, cause, unheard: now.since(heard), why });
    }

    /// What a connection carries of what is wanted: one for everything may carry more.
    pub(super) fn wanted_of(&self, types: MediaTypes) -> MediaTypes {
        let is_wanted = |medium: &Medium| self.wanted.contains(*medium);
        if types.iter().all(|medium| is_wanted(&medium)) {
            types
        } else {
            MediaTypes::of(types.iter().filter(is_wanted))
        }
    }

    /// Reports sound or a picture, unless it is not wanted or was reported before.
    pub(super) fn report_media(
        &mut self,
        medium: Medium,
        data: MediaData,
        from: ConnectionId,
        event: fn(MediaData) -> Event,
    ) {
        // What is empty takes the place of nothing.
        if self.wanted.contains(medium) && (data.data.is_empty() || self.duplicates.is_new(medium, &data, from)) {
            self.report_duplicates(medium);
            self.report(event(data));
        }
    }

    /// Reports a line of the transcript, unless it is not wanted or was reported before.
    pub(super) fn report_transcript(&mut self, line: MediaDataTranscript, from: ConnectionId) {
        let medium = Medium::Transcript;
        if !self.wanted.contains(medium) {
            return;
        }
        // Without a time, two equal lines may be two that were said.
        let speaker = (line.user_id.as_ref(), line.channel_id.as_ref());
        if line.timestamp.is_none() || self.duplicates.is_new_line(medium, &line, speaker, from) {
            self.report_duplicates(medium);
            self.report(Event::Transcript(line));
        }
    }

    /// Reports a chat message, unless it is not wanted or was reported before.
    pub(super) fn report_chat(&mut self, chat: MediaDataChat, from: ConnectionId) {
        let medium = Medium::Chat;
        if !self.wanted.contains(medium) {
            return;
        }
        let author = (chat.user_id.as_ref(), None);
        if chat.timestamp.is_none() || self.duplicates.is_new_line(medium, &chat, author, from) {
            self.report_duplicates(medium);
            self.report(Event::Chat(chat));
        }
    }

    /// Reports how many repeats were removed of a medium, if any.
    pub(super) fn report_duplicates(&mut self, medium: Medium) {
        if let Some(count) = self.duplicates.removed(medium) {
            self.report(Event::DuplicatesRemoved { medium, count });
        }
    }

    /// Reports a message that has a known form and no meaning here.
    pub(super) fn report_misplaced(&mut self, msg_type: MessageType) {
        self.report_unknown(OtherMessage { msg_type, fields: Extra::new() });
    }

    /// Reports a message that means nothing here, with its fields if it is short.
    pub(super) fn report_unknown(&mut self, mut message: OtherMessage) {
        if message.json_bytes() > MAX_KEPT_BYTES {
            message.fields.clear();
        }
        self.report(Event::Odd(Odd::UnknownMessage(message)));
    }

    /// Reports once that Zoom answers in another version than ours.
    pub(super) fn watch_version(&mut self, role: Role, version: Option<u32>) {
        if let Some(version) = version.filter(|version| *version != PROTOCOL_VERSION)
            && !std::mem::replace(&mut self.version_reported, true)
        {
            self.report(Event::Odd(Odd::OtherVersion { role, version }));
        }
    }
}
