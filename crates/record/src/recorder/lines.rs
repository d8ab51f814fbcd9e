//! What becomes lines: words, chat, events, and notes of our own.

use rtms_wire::{
    media::medium::Medium,
    message::{
        event_update::EventUpdate,
        text_data::{MediaDataChat, MediaDataTranscript},
    },
    time::UnixMillis,
};
use serde::Serialize;

use super::Recorder;
use crate::{
    error::RecordError,
    input::{Note, Who},
};

/// A line of `transcript.jsonl` or `chat.jsonl`: the message as it came, and when.
#[derive(Serialize)]
struct Line<'a, T> {
    received_at: UnixMillis,
    #[serde(flatten)]
    message: &'a T,
}

impl Recorder {
    pub(super) fn transcript(&mut self, said: &MediaDataTranscript, now: UnixMillis) -> Result<(), RecordError> {
        let at = said.start_time.or(said.timestamp);
        self.received(Medium::Transcript, at.unwrap_or(now), said.data.len(), now);
        let who = Who::of(said.user_id.as_ref(), said.channel_id.as_ref());
        self.people.learn(&who, said.user_name.as_ref());
        self.transcript_lines.push_line(&Line { received_at: now, message: said }, &mut self.files)?;
        self.transcript.apply(said);
        Ok(())
    }

    pub(super) fn chat(&mut self, chat: &MediaDataChat, now: UnixMillis) -> Result<(), RecordError> {
        let bytes = chat.data.as_str().map_or(0, str::len);
        self.received(Medium::Chat, chat.timestamp.unwrap_or(now), bytes, now);
        if let Some(author) = chat.author() {
            self.people.learn(&Who::of(Some(&author.user_id), None), author.user_name.as_ref());
        }
        self.chat.push_line(&Line { received_at: now, message: chat }, &mut self.files)
    }

    pub(super) fn event(&mut self, update: &EventUpdate, now: UnixMillis) -> Result<(), RecordError> {
        #[derive(Serialize)]
        struct EventLine<'a> {
            at: UnixMillis,
            kind: &'static str,
            #[serde(flatten)]
            update: &'a EventUpdate,
        }
        self.people.learn_event(update);
        let at = update.event.time().unwrap_or(now);
        self.events.push_line(&EventLine { at, kind: "event_update", update }, &mut self.files)?;
        self.manifest.events += 1;
        Ok(())
    }

    pub(super) fn note(&mut self, mut note: Note) -> Result<(), RecordError> {
        #[derive(Serialize)]
        struct NoteLine<'a> {
            at: UnixMillis,
            kind: &'static str,
            #[serde(flatten)]
            fields: &'a rtms_wire::message::Extra,
        }
        self.people.learn_fields(&note.fields);
        note.fields.remove("at");
        note.fields.remove("kind");
        self.events.push_line(&NoteLine { at: note.at, kind: note.kind, fields: &note.fields }, &mut self.files)?;
        self.manifest.events += 1;
        Ok(())
    }
}
