//! What a stream says in words, and what its recording takes beside them.

use rtms_proto::event::{Event, Odd};
use rtms_record::{Input, Note, ledger::SpanChange};
use rtms_wire::{
    extra::Extra,
    media::medium::Medium,
    message::{
        OtherMessage,
        event_update::EventUpdate,
        media_data::MediaData,
        text_data::{MediaDataChat, MediaDataTranscript},
    },
    time::UnixMillis,
};
use serde_json::{Value, json};

use crate::live::packet_fields::PacketFields;

/// The most unknown messages of a stream that `events.jsonl` has a line of. A new kind shows in the first few.
const MAX_LISTED_MESSAGES: u32 = 64;

/// Something that a stream says, before it has a number.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Said {
    /// A line of the transcript: message 17.
    Transcript(MediaDataTranscript),
    /// A message of the chat: message 18.
    Chat(MediaDataChat),
    /// An event: message 6.
    Event(EventUpdate),
    /// A note of ours.
    Note(Note),
    /// A note that `events.jsonl` leaves out.
    Unlisted(Note),
    /// A change of the ledger.
    Span(SpanChange),
    /// Another connection brings the transcript from here on. It counts its sentences anew, and is no entry itself.
    TranscriptConnection,
}

/// Divides the events of one stream into words and the rest.
#[derive(Debug, Default)]
pub(crate) struct Words {
    packet_fields: PacketFields,
    /// The number of unknown messages that `events.jsonl` has a line of.
    listed_messages: u32,
}

/// Returns the word that a stream was claimed and is being connected to.
pub(crate) fn started(at: UnixMillis) -> Said {
    Said::Unlisted(note(at, "started", json!({})))
}

/// Returns a note of ours. `fields` is a JSON object.
pub(crate) fn note(at: UnixMillis, kind: &'static str, fields: Value) -> Note {
    let fields = match fields {
        Value::Object(fields) => fields,
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => Extra::new(),
    };
    Note { at, kind: kind.into(), fields }
}

impl Words {
    /// Gives `say` what an event says in words, and `record` what a recording takes of it beside them.
    pub(crate) fn take(
        &mut self,
        event: Event,
        at: UnixMillis,
        mut say: impl FnMut(Said),
        mut record: impl FnMut(Input),
    ) {
        let note = |kind, fields| Said::Note(note(at, kind, fields));
        let said = match event {
            Event::MediaOpen { media, granted } => {
                for medium in media.iter() {
                    if medium == Medium::Transcript {
                        say(Said::TranscriptConnection);
                    }
                    say(unlisted(at, "medium_open", json!({ "medium": medium, "granted": granted })));
                    record(Input::Granted(medium, granted.clone()));
                }
                return;
            }
            Event::Audio(data) => {
                self.fields_of(Medium::Audio, &data, at).map(say);
                return record(Input::Audio(data));
            }
            Event::Video(data) => {
                self.fields_of(Medium::Video, &data, at).map(say);
                return record(Input::Video(data));
            }
            Event::Deskshare(data) => {
                self.fields_of(Medium::Deskshare, &data, at).map(say);
                return record(Input::Deskshare(data));
            }
            Event::Odd(Odd::Raw(raw)) => return record(Input::Raw(raw)),
            Event::Odd(odd) => match self.odd(odd, at) {
                Some(said) => said,
                None => return,
            },
            Event::Transcript(line) => Said::Transcript(line),
            Event::Chat(chat) => Said::Chat(chat),
            Event::Update(event) => Said::Event(EventUpdate { event, extra: Extra::new() }),
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
            // What follows from an end is said when the recording is closed.
            Event::AttemptFailed { .. } | Event::Ended(_) => return,
        };
        say(said);
    }

    fn fields_of(&mut self, medium: Medium, data: &MediaData, at: UnixMillis) -> Option<Said> {
        self.packet_fields.news(medium, data, at).map(Said::Unlisted)
    }

    fn odd(&mut self, odd: Odd, at: UnixMillis) -> Option<Said> {
        let (note, has_line) = match odd {
            Odd::UnknownMessage(OtherMessage { msg_type, fields }) => {
                let has_line = !fields.is_empty();
                (note(at, "unknown_message", json!({ "msg_type": msg_type, "message": fields })), has_line)
            }
            Odd::SkippedUrl { key, url } => (note(at, "server_url_skipped", json!({ "key": key, "url": url })), true),
            Odd::OtherVersion { role, version } => {
                let fields = json!({ "connection": role.to_string(), "protocol_version": version });
                (note(at, "other_version", fields), true)
            }
            Odd::Raw(_) | Odd::Undecodable { .. } => return None,
        };
        if !has_line || self.listed_messages >= MAX_LISTED_MESSAGES {
            return Some(Said::Unlisted(note));
        }
        self.listed_messages += 1;
        Some(Said::Note(note))
    }
}

fn unlisted(at: UnixMillis, kind: &'static str, fields: Value) -> Said {
    Said::Unlisted(note(at, kind, fields))
}

#[cfg(test)]
mod tests {
    use rtms_wire::codes::message_type::MessageType;

    use super::*;

    const NOW: UnixMillis = UnixMillis(1_795_420_800_000);

    #[test]
    fn listed_unknown_messages_end_at_their_bound_and_everything_is_said() {
        let unknown = || {
            let fields = json!({ "a": 1 }).as_object().cloned().unwrap_or_default();
            Event::Odd(Odd::UnknownMessage(OtherMessage { msg_type: MessageType::from_code(77), fields }))
        };
        let (mut words, mut said) = (Words::default(), Vec::new());
        for _ in 0..1000 {
            words.take(unknown(), NOW, |one| said.push(one), |input| panic!("{input:?}"));
        }
        let listed = said.iter().filter(|said| matches!(said, Said::Note(_))).count();
        assert_eq!((listed, said.len()), (MAX_LISTED_MESSAGES as usize, 1000));

        said.clear();
        words.take(Event::Reconnecting, NOW, |one| said.push(one), |input| panic!("{input:?}"));
        assert!(matches!(&said[..], [Said::Note(note)] if note.kind == "reconnecting"), "{said:?}");
    }
}
