//! `MEDIA_DATA_TRANSCRIPT` (17) and `MEDIA_DATA_CHAT` (18): what was said and written, in words.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use smol_str::SmolStr;

use crate::{
    codes::{
        chat::{ChatOperation, ChatSessionType},
        language::TranscriptLanguage,
        media::DataMessageAttribute,
        open_enum::UNLISTED_NAME,
    },
    extra::{Extra, set_apart},
    ids::{ChannelId, UserId},
    lenient::{self, in_order},
    message::event_update::Participant,
    time::{self, UnixMillis},
};

/// `MEDIA_DATA_TRANSCRIPT`, `msg_type` 17, from Zoom on a media connection. Basis: documented.
///
/// A time that was not in milliseconds, or was none, stays in [`Self::extra`] as it came, such as `start_time_as_sent`. So does
/// a language that is neither a number nor a name in the list.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self")]
pub struct MediaDataTranscript {
    /// The person who speaks.
    #[serde(default, deserialize_with = "lenient::optional", skip_serializing_if = "Option::is_none")]
    pub user_id: Option<UserId>,
    /// The name.
    #[serde(default, deserialize_with = "lenient::optional", skip_serializing_if = "Option::is_none")]
    pub user_name: Option<SmolStr>,
    /// Which party speaks, in the Contact Center.
    #[serde(default, deserialize_with = "lenient::optional", skip_serializing_if = "Option::is_none")]
    pub channel_id: Option<ChannelId>,
    /// The words, plain text. Empty when a line is deleted.
    #[serde(default, deserialize_with = "lenient::nullable")]
    pub data: String,
    /// What it is in.
    #[serde(default, deserialize_with = "lenient::optional", skip_serializing_if = "Option::is_none")]
    pub language: Option<TranscriptLanguage>,
    /// When the utterance began.
    #[serde(default, deserialize_with = "lenient::optional", skip_serializing_if = "Option::is_none")]
    pub start_time: Option<UnixMillis>,
    /// When it ended.
    #[serde(default, deserialize_with = "lenient::optional", skip_serializing_if = "Option::is_none")]
    pub end_time: Option<UnixMillis>,
    /// The start of the sentence by one document, later by another: order by `start_time` where it is there.
    #[serde(default, deserialize_with = "lenient::optional", skip_serializing_if = "Option::is_none")]
    pub timestamp: Option<UnixMillis>,
    /// New, update or delete; absent means new.
    #[serde(default, deserialize_with = "lenient::optional", skip_serializing_if = "Option::is_none")]
    pub attribute: Option<DataMessageAttribute>,
    /// What updates and deletes refer to, together with the speaker.
    #[serde(default, deserialize_with = "lenient::optional", skip_serializing_if = "Option::is_none")]
    pub sentence_id: Option<i64>,
    /// The fields that are not named here.
    #[serde(flatten)]
    pub extra: Extra,
}

in_order!(MediaDataTranscript, |fields| {
    time::settle(fields, &["start_time", "end_time", "timestamp"]);
    // A name that no list has, or a number beyond 64 bits, is none of the codes.
    let is_unlisted = |value: &Value| TranscriptLanguage::deserialize(value).is_ok_and(|it| it.code() == UNLISTED_NAME);
    if let Some(language) = fields.get("language").filter(|value| is_unlisted(value) && *value != "UNKNOWN").cloned() {
        fields.entry("language_as_sent").or_insert(language);
    }
});

/// `MEDIA_DATA_CHAT`, `msg_type` 18, from Zoom on a media connection, as it stands there. Basis: vendor code.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self")]
pub struct MediaDataChat {
    /// The person who writes.
    #[serde(default, deserialize_with = "lenient::optional", skip_serializing_if = "Option::is_none")]
    pub user_id: Option<UserId>,
    /// The name.
    #[serde(default, deserialize_with = "lenient::optional", skip_serializing_if = "Option::is_none")]
    pub user_name: Option<SmolStr>,
    /// The time at which it was written.
    #[serde(default, deserialize_with = "lenient::optional", skip_serializing_if = "Option::is_none")]
    pub timestamp: Option<UnixMillis>,
    /// Plain text, or JSON text with the fields of [`ChatFields`], or an object with them.
    #[serde(default)]
    pub data: Value,
    /// The structured fields, where they stand beside `data`.
    #[serde(flatten)]
    pub fields: ChatFields,
}

in_order!(MediaDataChat, |fields| time::settle(fields, &["timestamp"]));

/// The structured part of a chat message.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ChatFields {
    /// Who can read it.
    #[serde(default, deserialize_with = "lenient::optional", skip_serializing_if = "Option::is_none")]
    pub chat_session: Option<ChatSession>,
    /// New, changed, deleted, reaction.
    #[serde(default, deserialize_with = "lenient::optional", skip_serializing_if = "Option::is_none")]
    pub operation_type: Option<ChatOperation>,
    /// What later operations refer to.
    #[serde(default, deserialize_with = "lenient::optional", skip_serializing_if = "Option::is_none")]
    pub message_id: Option<SmolStr>,
    /// What it replies to.
    #[serde(default, deserialize_with = "lenient::optional", skip_serializing_if = "Option::is_none")]
    pub parent_message_id: Option<SmolStr>,
    /// The person who writes.
    #[serde(default, deserialize_with = "lenient::optional", skip_serializing_if = "Option::is_none")]
    pub sender: Option<Participant>,
    /// To whom, if to one.
    #[serde(default, deserialize_with = "lenient::optional", skip_serializing_if = "Option::is_none")]
    pub receiver: Option<Participant>,
    /// The files that are attached.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub files: Option<Value>,
    /// Attachments that go.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delete_file_id_list: Option<Value>,
    /// The fields that are not named here.
    #[serde(flatten)]
    pub extra: Extra,
}

/// `chat_session`: who can read a chat message.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ChatSession {
    /// Everyone, one person, a group …
    #[serde(rename = "type")]
    pub kind: ChatSessionType,
    /// Which person or group.
    #[serde(default, deserialize_with = "lenient::optional", skip_serializing_if = "Option::is_none")]
    pub id: Option<SmolStr>,
    /// The fields that are not named here.
    #[serde(flatten)]
    pub extra: Extra,
}

/// A chat message with its three forms made one.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ChatMessage {
    /// The text.
    #[serde(default)]
    pub text: String,
    /// The structured fields, those inside `data` before those beside it.
    #[serde(flatten)]
    pub fields: ChatFields,
}

impl MediaDataChat {
    /// Unites the three forms: plain text, JSON text, object.
    ///
    /// A person can type text that happens to be JSON, so inner fields count only where `message_id` or
    /// `chat_session` is among them.
    pub fn message(&self) -> ChatMessage {
        let mut message = self.united();
        set_apart(&mut message.fields.extra, |name| name == "text");
        message
    }

    fn united(&self) -> ChatMessage {
        let parsed = match &self.data {
            Value::String(text) => serde_json::from_str::<Extra>(text).ok(),
            Value::Object(fields) => Some(fields.clone()),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) => None,
        };
        let inner = parsed.filter(|fields| fields.contains_key("message_id") || fields.contains_key("chat_session"));
        let united = inner.and_then(|mut inner| {
            let text = inner.remove("data").and_then(|text| text.as_str().map(String::from)).unwrap_or_default();
            let mut fields = match serde_json::to_value(&self.fields) {
                Ok(Value::Object(fields)) => fields,
                Ok(_) | Err(_) => Extra::new(),
            };
            fields.extend(inner);
            Some(ChatMessage { text, fields: serde_json::from_value(Value::Object(fields)).ok()? })
        });
        united.unwrap_or_else(|| ChatMessage {
            text: match &self.data {
                Value::String(text) => text.clone(),
                Value::Null => String::new(),
                other @ (Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_)) => other.to_string(),
            },
            fields: self.fields.clone(),
        })
    }

    /// Who wrote it, wherever it stands.
    pub fn author(&self) -> Option<Participant> {
        let beside = self.user_id.as_ref().map(|user_id| Participant {
            user_id: user_id.clone(),
            user_name: self.user_name.clone(),
            extra: Extra::new(),
        });
        beside.or_else(|| self.message().fields.sender)
    }
}
