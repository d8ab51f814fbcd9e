//! Lines of transcript and of chat, each at its time.

use std::collections::VecDeque;

use rtms_wire::{
    SmolStr,
    codes::{
        chat::{ChatOperation, ChatSessionType},
        language::TranscriptLanguage,
    },
    extra::Extra,
    ids::UserId,
    media::text::TranscriptParams,
    message::{
        Message,
        event_update::Participant,
        text_data::{ChatFields, ChatSession, MediaDataChat, MediaDataTranscript},
    },
};
use serde_json::{Value, json};

use crate::{
    media::{due::Due, studio::Studio},
    meeting::{
        chat::{Audience, ChatForm, ChatLine},
        transcript::TranscriptLine,
        utterance::Utterance,
    },
    sent::{ChatSent, What},
};

/// Lines that are due, each with its time, in the order of their times.
#[derive(Debug)]
pub(super) struct TextTrack<Line> {
    due: VecDeque<(u64, Line)>,
}

impl<Line> TextTrack<Line> {
    /// Those of the lines that are not due before now. They come in the order of their times.
    pub(super) fn new(lines: impl Iterator<Item = (u64, Line)>, now_ms: u64) -> Self {
        Self { due: lines.filter(|(due_ms, _)| *due_ms >= now_ms).collect() }
    }

    pub(super) fn next_ms(&self) -> Option<u64> {
        self.due.front().map(|(due_ms, _)| *due_ms)
    }

    pub(super) fn take(&mut self, now_ms: u64) -> Vec<Line> {
        let count = self.due.iter().take_while(|(due_ms, _)| *due_ms <= now_ms).count();
        self.due.drain(..count).map(|(_, line)| line).collect()
    }
}

pub(super) fn transcript_line(studio: &Studio, line: TranscriptLine, told: &TranscriptParams) -> Option<Due> {
    let said = studio.meeting.utterances.get(line.utterance)?;
    let who = studio.meeting.participants.get(said.speaker)?;
    let language = language_of(said, told);
    let (start_time, end_time) = (studio.at(said.start_ms), studio.at(line.end_ms));
    let (user_id, user_name, channel_id) = studio.owner(said.speaker);
    let what = What::Transcript {
        user_id: who.user_id.clone(),
        user_name: who.name.clone(),
        text: line.text.clone(),
        language,
        start_time,
        end_time,
        attribute: line.attribute,
        sentence_id: line.sentence_id,
        channel_id: channel_id.clone(),
    };
    let message = Message::MediaDataTranscript(MediaDataTranscript {
        user_id,
        user_name,
        channel_id,
        data: line.text,
        language: Some(language),
        start_time: Some(start_time),
        end_time: Some(end_time),
        timestamp: Some(start_time),
        attribute: line.attribute,
        sentence_id: line.sentence_id,
        extra: Extra::new(),
    });
    Some((message, what))
}

/// The language that a line is marked with: the one that Zoom was told, until it has found out for itself, if it is to.
fn language_of(said: &Utterance, told: &TranscriptParams) -> TranscriptLanguage {
    let is_detected = told.enable_lid != Some(false) && said.start_ms >= BEFORE_DETECTION_MS;
    match told.src_language {
        Some(TranscriptLanguage::None) | None => said.language,
        Some(_) if is_detected => said.language,
        Some(language) => language,
    }
}

/// For so long Zoom takes the language that it was told for the one that is spoken. Basis: documented.
const BEFORE_DETECTION_MS: u64 = 30_000;

pub(super) fn chat_line(studio: &Studio, index: usize) -> Option<Due> {
    let line = studio.meeting.chat.get(index)?;
    let who = studio.meeting.participants.get(line.author)?;
    let timestamp = studio.at(line.at_ms);
    let fields = if line.form.has_fields() { fields(studio, line) } else { ChatFields::default() };
    let data = match line.form {
        ChatForm::Bare | ChatForm::Words | ChatForm::Beside => Value::from(line.text.as_str()),
        ChatForm::JsonText => Value::from(Value::Object(with_words(&fields, line)).to_string()),
        ChatForm::Object => Value::Object(with_words(&fields, line)),
    };
    let named = line.form != ChatForm::Bare;
    let message = Message::MediaDataChat(MediaDataChat {
        user_id: named.then(|| who.user_id.clone()),
        user_name: named.then(|| who.name.as_str().into()),
        timestamp: Some(timestamp),
        data,
        fields: if line.form == ChatForm::Beside { fields.clone() } else { ChatFields::default() },
    });
    let what = What::Chat {
        user_id: who.user_id.clone(),
        user_name: who.name.clone(),
        text: line.text.clone(),
        timestamp,
        sent: line.form.has_fields().then(|| ChatSent {
            operation: line.operation,
            session: fields.chat_session.as_ref().map_or(ChatSessionType::Everyone, |session| session.kind),
            session_id: fields.chat_session.and_then(|session| session.id).map(String::from),
            message_id: line.message_id.clone(),
            parent_message_id: line.parent_message_id.clone(),
            receiver: fields.receiver.map(|receiver| receiver.user_id),
            file_ids: line.files.iter().map(|file| file.id.clone()).collect(),
            deleted_file_ids: line.deleted_files.clone(),
        }),
    };
    Some((message, what))
}

/// The fields of a line; which of them Zoom sends when is known from vendor code alone.
fn fields(studio: &Studio, line: &ChatLine) -> ChatFields {
    let person = |index: usize| {
        let who = studio.meeting.participants.get(index)?;
        Some(Participant {
            user_id: who.user_id.clone(),
            user_name: Some(who.name.as_str().into()),
            extra: Extra::new(),
        })
    };
    let id_of = |person: &Option<Participant>| person.as_ref().map(|it| SmolStr::new(user_id_text(&it.user_id)));
    let (kind, id, receiver) = match &line.audience {
        Audience::Everyone => (ChatSessionType::Everyone, None, None),
        Audience::Person(index) => {
            let receiver = person(*index);
            (ChatSessionType::Individual, id_of(&receiver), receiver)
        }
        Audience::PersonAndHosts(index) => {
            let receiver = person(*index);
            (ChatSessionType::IndividualCcHostsAndPanelists, id_of(&receiver), receiver)
        }
        Audience::Group(id) => (ChatSessionType::ChatGroup, Some(SmolStr::new(id)), None),
        Audience::HostsAndPanelists => (ChatSessionType::HostsAndPanelists, None, None),
    };
    let files = line
        .files
        .iter()
        .map(|file| json!({"file_id": file.id, "file_name": file.name, "file_size": file.size_bytes}))
        .collect::<Vec<_>>();
    ChatFields {
        chat_session: Some(ChatSession { kind, id, extra: Extra::new() }),
        operation_type: Some(line.operation),
        message_id: Some(SmolStr::new(&line.message_id)),
        parent_message_id: line.parent_message_id.as_deref().map(SmolStr::new),
        sender: person(line.author),
        receiver,
        files: (!files.is_empty()).then(|| files.into()),
        delete_file_id_list: (line.operation == ChatOperation::Delete && !line.deleted_files.is_empty())
            .then(|| json!(line.deleted_files)),
        extra: Extra::new(),
    }
}

fn user_id_text(user_id: &UserId) -> String {
    user_id.to_string()
}

/// The fields with the words among them, as they stand inside `data`.
fn with_words(fields: &ChatFields, line: &ChatLine) -> Extra {
    let mut object = match serde_json::to_value(fields) {
        Ok(Value::Object(object)) => object,
        Ok(_) | Err(_) => Extra::new(),
    };
    object.insert("data".into(), line.text.as_str().into());
    object
}
