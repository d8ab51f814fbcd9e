//! What a recording keeps of each event.

use rtms_proto::event::{Event, Odd};
use rtms_record::{Input, Note};
use rtms_wire::{
    extra::Extra,
    message::{OtherMessage, event_update::EventUpdate},
};
use serde_json::{Value, json};

use crate::clock;

/// The most unknown messages of a stream that its recording has a line of. A new kind shows in the first few.
const MAX_NOTED_MESSAGES: u32 = 64;

/// Turns one stream's events into what its recording and ledger take.
#[derive(Debug, Default)]
pub(crate) struct RecordedEvents {
    /// The number of unknown messages that the recording has a line of.
    noted_messages: u32,
}

impl RecordedEvents {
    /// Gives `record` what is kept of an event.
    pub(crate) fn take(&mut self, event: Event, mut record: impl FnMut(Input)) {
        let input = match event {
            Event::MediaOpen { media, granted } => {
                for medium in media.iter() {
                    record(Input::Granted(medium, granted.clone()));
                }
                return;
            }
            Event::Odd(odd) => {
                if let Some(input) = self.odd(odd) {
                    record(input);
                }
                return;
            }
            Event::Audio(data) => Input::Audio(data),
            Event::Video(data) => Input::Video(data),
            Event::Deskshare(data) => Input::Deskshare(data),
            Event::Transcript(line) => Input::Transcript(line),
            Event::Chat(chat) => Input::Chat(chat),
            Event::Update(event) => Input::Event(EventUpdate { event, extra: Extra::new() }),
            Event::SignalingOpen => note("signaling_open", json!({})),
            Event::GrantDiffers { medium } => note("grant_differs", json!({ "medium": medium })),
            Event::MediumUnavailable { medium, error } => {
                note("medium_unavailable", json!({ "medium": medium, "why": error.to_string() }))
            }
            Event::StreamState { state, reason, timestamp } => note(
                "stream_state",
                json!({ "state": state, "name": state.name(), "reason": reason, "timestamp": timestamp }),
            ),
            Event::SessionState { session, state, reason, timestamp } => note(
                "session_state",
                json!({
                    "rtms_session_id": session, "state": state, "name": state.name(), "reason": reason,
                    "timestamp": timestamp,
                }),
            ),
            Event::VideoSubscription { user_id, status } => {
                note("video_subscription", json!({ "user_id": user_id, "status": status }))
            }
            Event::VideoAsked { user_id } => note("video_asked", json!({ "user_id": user_id })),
            Event::VideoVoid { user_id } => note("video_void", json!({ "user_id": user_id })),
            Event::Interrupted { role, why, .. } => {
                note("interrupted", json!({ "connection": role.to_string(), "why": why }))
            }
            Event::Reconnecting => note("reconnecting", json!({})),
            Event::DuplicatesRemoved { medium, count } => {
                note("duplicates_removed", json!({ "medium": medium, "count": count }))
            }
            // The end is recorded by closing the recording.
            Event::AttemptFailed { .. } | Event::Ended(_) => return,
        };
        record(input);
    }

    fn odd(&mut self, odd: Odd) -> Option<Input> {
        let line = match odd {
            Odd::Raw(raw) => return Some(Input::Raw(raw)),
            Odd::UnknownMessage(OtherMessage { fields, .. }) if fields.is_empty() => return None,
            Odd::UnknownMessage(_) | Odd::SkippedUrl { .. } | Odd::OtherVersion { .. }
                if self.noted_messages >= MAX_NOTED_MESSAGES =>
            {
                return None;
            }
            Odd::UnknownMessage(OtherMessage { msg_type, fields }) => {
                note("unknown_message", json!({ "msg_type": msg_type, "message": fields }))
            }
            Odd::SkippedUrl { key, url } => note("server_url_skipped", json!({ "key": key, "url": url })),
            Odd::OtherVersion { role, version } => {
                note("other_version", json!({ "connection": role.to_string(), "protocol_version": version }))
            }
            Odd::Undecodable { .. } => return None,
        };
        self.noted_messages += 1;
        Some(line)
    }
}

fn note(kind: &'static str, fields: Value) -> Input {
    let fields = match fields {
        Value::Object(fields) => fields,
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => Extra::new(),
    };
    Input::Note(Note { at: clock::unix_millis(), kind: kind.into(), fields })
}

#[cfg(test)]
mod tests {
    use rtms_wire::codes::message_type::MessageType;

    use super::*;

    #[test]
    fn lines_of_unknown_messages_end_at_their_bound_and_everything_else_goes_on() {
        let unknown = || {
            let fields = json!({ "a": 1 }).as_object().cloned().unwrap_or_default();
            Event::Odd(Odd::UnknownMessage(OtherMessage { msg_type: MessageType::from_code(77), fields }))
        };
        let mut events = RecordedEvents::default();
        let mut kept = 0;
        for _ in 0..1000 {
            events.take(unknown(), |_| kept += 1);
        }
        assert_eq!(kept, MAX_NOTED_MESSAGES);

        let mut kinds = Vec::new();
        for event in [unknown(), Event::Reconnecting, unknown()] {
            events.take(event, |input| kinds.push(input));
        }
        assert!(matches!(&kinds[..], [Input::Note(note)] if note.kind == "reconnecting"), "{kinds:?}");
    }
}
