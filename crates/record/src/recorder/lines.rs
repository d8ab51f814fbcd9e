//! What becomes lines: words, chat, events, and notes of our own.

use rtms_wire::{
    SmolStr,
    extra::set_apart,
    media::medium::Medium,
    message::{
        event_update::EventUpdate,
        text_data::{MediaDataChat, MediaDataTranscript},
    },
    time::UnixMillis,
};
use serde::Serialize;

use super::Recorder;
use crate::{error::RecordError, note::Note, who::Who};

/// How far the time of a name may be from when it came: longer than any meeting.
const MAX_AGE_MS: u64 = 72 * 3_600_000;

/// A line of `transcript.jsonl` or `chat.jsonl`: the message as it came, and when.
#[derive(Serialize)]
struct Line<'a, T> {
    received_at: UnixMillis,
    /// Sentences are counted within a connection; the first is not written.
    #[serde(skip_serializing_if = "Option::is_none")]
    connection: Option<u64>,
    #[serde(flatten)]
    message: &'a T,
}

/// Whether [`Line`] has a field of this name.
fn is_of_line(name: &str) -> bool {
    matches!(name, "received_at" | "connection")
}

impl Recorder {
    pub(super) fn transcript(&mut self, mut said: MediaDataTranscript, now: UnixMillis) -> Result<(), RecordError> {
        set_apart(&mut said.extra, is_of_line);
        let at = said.start_time.or(said.timestamp);
        self.received(Medium::Transcript, at.unwrap_or(now), said.data.len());
        let who = Who::of(said.user_id.as_ref(), said.channel_id.as_ref());
        self.learn(&who, said.user_name.as_ref(), at, now);
        if self.recorded_transcript.take(&said) {
            self.manifest.media.entry(Medium::Transcript).or_default().duplicates += 1;
            // What corrects it may come by this connection.
            self.transcript.apply(&said);
            return Ok(());
        }
        let connection = Some(self.transcript.connection()).filter(|connection| *connection > 1);
        self.transcript_lines.push_line(&Line { received_at: now, connection, message: &said }, &mut self.files)?;
        self.transcript.apply(&said);
        Ok(())
    }

    pub(super) fn chat(&mut self, mut chat: MediaDataChat, now: UnixMillis) -> Result<(), RecordError> {
        set_apart(&mut chat.fields.extra, is_of_line);
        let bytes = chat.data.as_str().map_or(0, str::len);
        self.received(Medium::Chat, chat.timestamp.unwrap_or(now), bytes);
        if let Some(author) = chat.author() {
            let who = Who::of(Some(&author.user_id), None);
            self.learn(&who, author.user_name.as_ref(), chat.timestamp, now);
        }
        if self.recorded_chat.take(&chat) {
            self.manifest.media.entry(Medium::Chat).or_default().duplicates += 1;
            return Ok(());
        }
        self.chat.push_line(&Line { received_at: now, connection: None, message: &chat }, &mut self.files)
    }

    pub(super) fn event(&mut self, mut update: EventUpdate, now: UnixMillis) -> Result<(), RecordError> {
        #[derive(Serialize)]
        struct EventLine<'a> {
            at: UnixMillis,
            kind: &'static str,
            #[serde(flatten)]
            update: &'a EventUpdate,
        }
        set_apart(&mut update.extra, |name| matches!(name, "at" | "kind"));
        let at = update.event.time().unwrap_or(now);
        self.people.learn_event(&update, self.manifest.about.product, self.believed(Some(at), now));
        self.events.push_line(&EventLine { at, kind: "event_update", update: &update }, &mut self.files)?;
        self.manifest.events += 1;
        Ok(())
    }

    /// Learns that somebody was there at this time, and perhaps their name.
    pub(super) fn learn(&mut self, who: &Who, name: Option<&SmolStr>, at: Option<UnixMillis>, now: UnixMillis) {
        let at = self.believed(at, now);
        self.people.learn(who, name, at);
    }

    /// The time of a message, or when it came if it cannot be that time.
    fn believed(&self, at: Option<UnixMillis>, now: UnixMillis) -> UnixMillis {
        at.filter(|at| at.0.abs_diff(now.0) <= MAX_AGE_MS).unwrap_or(now)
    }

    pub(super) fn note(&mut self, mut note: Note, now: UnixMillis) -> Result<(), RecordError> {
        #[derive(Serialize)]
        struct NoteLine<'a> {
            at: UnixMillis,
            kind: &'a str,
            #[serde(flatten)]
            fields: &'a rtms_wire::extra::Extra,
        }
        self.people.learn_fields(&note.fields, self.believed(Some(note.at), now));
        note.fields.remove("at");
        note.fields.remove("kind");
        self.events.push_line(&NoteLine { at: note.at, kind: &note.kind, fields: &note.fields }, &mut self.files)?;
        self.manifest.events += 1;
        Ok(())
    }
}
