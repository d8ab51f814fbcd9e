//! What becomes lines: words, chat, events, and notes of our own.

use rtms_wire::{
    SmolStr,
    media::medium::Medium,
    message::{
        event_update::EventUpdate,
        text_data::{MediaDataChat, MediaDataTranscript},
    },
    time::UnixMillis,
};

use crate::{
    error::RecordError,
    input::Input,
    note::Note,
    recorder::Recorder,
    views::{Stamp, set_apart_said, set_apart_written},
    who::Who,
};

/// How far the time of a name may be from when it came: longer than any meeting.
const MAX_AGE_MS: u64 = 72 * 3_600_000;

impl Recorder {
    pub(super) fn said(
        &mut self,
        mut said: MediaDataTranscript,
        stamp: Option<&Stamp>,
        now: UnixMillis,
    ) -> Result<(), RecordError> {
        set_apart_said(&mut said);
        let at = said.start_time.or(said.timestamp);
        self.received(Medium::Transcript, at.unwrap_or(now), said.data.len());
        self.learn_said(&said, now);
        if stamp.is_none() && self.recorded_transcript.take(&said) {
            self.manifest.media.entry(Medium::Transcript).or_default().duplicates += 1;
            // What corrects it may come by this connection.
            self.transcript.apply(&said);
            return Ok(());
        }
        self.views.push_said(&said, stamp, self.transcript.connection(), now, &mut self.files)?;
        match stamp.and_then(|stamp| stamp.utterance.as_ref()) {
            Some(utterance) => self.transcript.apply_numbered(&said, utterance),
            None => self.transcript.apply(&said),
        }
        Ok(())
    }

    pub(super) fn written(
        &mut self,
        mut chat: MediaDataChat,
        stamp: Option<&Stamp>,
        now: UnixMillis,
    ) -> Result<(), RecordError> {
        set_apart_written(&mut chat);
        let bytes = chat.data.as_str().map_or(0, str::len);
        self.received(Medium::Chat, chat.timestamp.unwrap_or(now), bytes);
        self.learn_written(&chat, now);
        if stamp.is_none() && self.recorded_chat.take(&chat) {
            self.manifest.media.entry(Medium::Chat).or_default().duplicates += 1;
            return Ok(());
        }
        self.views.push_written(&chat, stamp, now, &mut self.files)
    }

    pub(super) fn event(
        &mut self,
        update: EventUpdate,
        stamp: Option<&Stamp>,
        now: UnixMillis,
    ) -> Result<(), RecordError> {
        self.learn_event(&update, now);
        self.views.push_event(update, stamp, now, &mut self.files)?;
        self.manifest.events += 1;
        Ok(())
    }

    pub(super) fn note(&mut self, note: Note, stamp: Option<&Stamp>, now: UnixMillis) -> Result<(), RecordError> {
        self.learn_note(&note, now);
        self.views.push_note(note, stamp, &mut self.files)?;
        self.manifest.events += 1;
        Ok(())
    }

    /// Learns the names in something that is in its file already.
    pub(super) fn learn_names(&mut self, input: &Input, now: UnixMillis) {
        match input {
            Input::Transcript(said) => self.learn_said(said, now),
            Input::Chat(chat) => self.learn_written(chat, now),
            Input::Event(update) => self.learn_event(update, now),
            Input::Note(note) => self.learn_note(note, now),
            Input::Granted(..)
            | Input::Audio(_)
            | Input::Video(_)
            | Input::Deskshare(_)
            | Input::Word(_)
            | Input::Change(..)
            | Input::Dropped(_)
            | Input::Unreadable { .. }
            | Input::Raw(_)
            | Input::Repeats { .. }
            | Input::Clock { .. } => {}
        }
    }

    fn learn_said(&mut self, said: &MediaDataTranscript, now: UnixMillis) {
        let who = Who::of(said.user_id.as_ref(), said.channel_id.as_ref());
        self.learn(&who, said.user_name.as_ref(), said.start_time.or(said.timestamp), now);
    }

    fn learn_written(&mut self, chat: &MediaDataChat, now: UnixMillis) {
        if let Some(author) = chat.author() {
            let who = Who::of(Some(&author.user_id), None);
            self.learn(&who, author.user_name.as_ref(), chat.timestamp, now);
        }
    }

    fn learn_event(&mut self, update: &EventUpdate, now: UnixMillis) {
        let at = self.believed(Some(update.event.time().unwrap_or(now)), now);
        self.people.learn_event(update, self.manifest.about.product, at);
    }

    fn learn_note(&mut self, note: &Note, now: UnixMillis) {
        self.people.learn_fields(&note.fields, self.believed(Some(note.at), now));
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
}
