//! Reads what Zoom sends as far as it can be read: one bad field never costs the message.
//!
//! What is mended here is counted by kind. A request of a client's gets none of this: the simulator has to find its faults.

use bytes::Bytes;
use serde::Deserialize;
use serde_json::Value;

use crate::{
    base64,
    codes::message_type::MessageType,
    decode::general,
    error::DecodeError,
    extra::{Extra, set_apart},
    flaws::{Flaw, Flaws},
    lenient::whole_number,
    mend,
    message::{Message, media_data::MediaData},
    time::{self, UnixMillis},
};

/// Messages with a payload in base64.
const MEDIA: [MessageType; 3] = [MessageType::MediaDataAudio, MessageType::MediaDataVideo, MessageType::MediaDataShare];

/// Messages whose fields stand in `content`.
const CONTENT: [MessageType; 5] = [
    MessageType::MediaDataAudio,
    MessageType::MediaDataVideo,
    MessageType::MediaDataShare,
    MessageType::MediaDataTranscript,
    MessageType::MediaDataChat,
];

/// Other messages in which fields that are left out are noticed. Handshakes have parameters that are no concern of ours.
const TOLD: [MessageType; 3] =
    [MessageType::EventUpdate, MessageType::StreamStateUpdate, MessageType::SessionStateUpdate];

/// Fields that are text, also where they come as numbers.
const TEXT: [&str; 4] = ["user_name", "display_name", "message_id", "parent_message_id"];

/// Other names of fields, under which nothing comes back.
const ALIASES: [&str; 4] = ["paticipant_info", "reason", "rmts_session_id", "session_id"];

/// Reads a message that the short way left.
pub(super) fn read(payload: &[u8]) -> Result<(Message, Flaws), DecodeError> {
    let (mut fields, mut flaws) = match serde_json::from_slice::<Extra>(payload) {
        Ok(fields) => (with_all_digits(fields, payload), Flaws::default()),
        Err(_) => {
            let (mended, flaws) = mend::json(payload);
            match serde_json::from_slice(&mended) {
                Ok(fields) if !flaws.is_empty() => (with_all_digits(fields, &mended), flaws),
                // The strict way gives the reason.
                Ok(_) | Err(_) => return general::decode(payload).map(|message| (message, flaws)),
            }
        }
    };
    keep_as_sent_ours(&mut fields);
    let msg_type = fields.get("msg_type").and_then(|number| MessageType::deserialize(number).ok());
    let Some(msg_type) = msg_type.filter(|it| CONTENT.contains(it) || TOLD.contains(it)) else {
        return general::of_fields(fields).map(|message| (message, flaws));
    };
    mend_fields(msg_type, &mut fields, &mut flaws);
    let sent = Value::Object(sent(msg_type, &mut fields));
    let message = general::of_fields(fields)?;
    if read_fields(&message).is_some_and(|read| lacks(&sent, &read)) {
        flaws.insert(Flaw::OddField);
    }
    Ok((message, flaws))
}

/// The fields of this JSON with whole numbers beyond 64 bits as text: a float has lost their last digits.
fn with_all_digits(fields: Extra, json: &[u8]) -> Extra {
    if !fields.values().any(mend::lost_digits) {
        return fields;
    }
    let text = std::str::from_utf8(json).ok().map(mend::long_numbers_as_text);
    text.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or(fields)
}

/// Puts aside fields of Zoom's that are called like the times that are kept as they were sent.
fn keep_as_sent_ours(fields: &mut Extra) {
    set_apart(fields, time::is_as_sent);
    for name in ["content", "event"] {
        if let Some(Value::Object(inner)) = fields.get_mut(name) {
            set_apart(inner, time::is_as_sent);
        }
    }
}

/// Puts fields in order that their types would refuse.
fn mend_fields(msg_type: MessageType, fields: &mut Extra, flaws: &mut Flaws) {
    if MEDIA.contains(&msg_type) {
        match fields.get_mut("content") {
            Some(Value::Object(content)) => mend_media(content, "data", flaws),
            // The flattened old form.
            Some(_) => mend_media(fields, "content", flaws),
            None => {}
        }
    } else if msg_type == MessageType::MediaDataTranscript {
        let data = fields.get_mut("content").and_then(|content| content.get_mut("data"));
        if let Some(data) = data.filter(|data| !data.is_string() && !data.is_null()) {
            *data = Value::String(data.to_string());
            flaws.insert(Flaw::OddField);
        }
    } else if msg_type == MessageType::EventUpdate {
        wrap_event(fields);
    }
    if let Some(Value::Object(event)) = fields.get_mut("event").filter(|_| msg_type == MessageType::EventUpdate) {
        whole(event, "event_type");
        whole(event, "event_code");
        if let Some(people @ Value::Object(_)) = event.get_mut("participants") {
            *people = Value::Array(vec![people.take()]);
        }
    }
    fields.values_mut().for_each(numbers_to_text);
}

/// Wraps an event that stands flat in its message, beside its name or without one, with a code alone.
fn wrap_event(fields: &mut Extra) {
    let is_flat = match fields.get("event") {
        Some(Value::String(_)) => true,
        None | Some(Value::Null) => fields.contains_key("event_code"),
        Some(Value::Object(_) | Value::Array(_) | Value::Bool(_) | Value::Number(_)) => false,
    };
    if !is_flat {
        return;
    }
    let msg_type = fields.remove("msg_type");
    let mut event = std::mem::take(fields);
    if let Some(name @ Value::String(_)) = event.get("event").cloned() {
        event.entry("event_type").or_insert(name);
    }
    fields.extend(msg_type.map(|number| ("msg_type".to_owned(), number)));
    fields.insert("event".into(), Value::Object(event));
}

/// Makes `data` standard base64, and leaves out a `length` that is not the size of it.
fn mend_media(content: &mut Extra, data: &str, flaws: &mut Flaws) {
    let Some(Value::String(text)) = content.get_mut(data) else { return };
    let bytes = match base64::decode(text.as_bytes()) {
        Ok(bytes) => bytes,
        Err(base64::NotBase64) => {
            let Ok(bytes) = base64::decode_any_form(text) else { return };
            *text = base64::encode(&bytes);
            flaws.insert(Flaw::OddBase64);
            bytes
        }
    };
    let is_wrong = |length: &Value| {
        let number = whole_number(length).unwrap_or_else(|| length.clone());
        !length.is_null() && number.as_u64() != Some(bytes.len() as u64)
    };
    if content.get("length").is_some_and(is_wrong) {
        content.remove("length");
        flaws.insert(Flaw::WrongLength);
    }
    if content.get("timestamp").is_some_and(|time| UnixMillis::deserialize(time).is_err()) {
        whole(content, "timestamp");
    }
}

/// Makes a number of digits in quotes, and of a float without a fraction.
fn whole(fields: &mut Extra, name: &str) {
    if let Some(value) = fields.get_mut(name)
        && let Some(number) = whole_number(value)
    {
        *value = number;
    }
}

/// Makes text of numbers where text belongs, at any depth.
fn numbers_to_text(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                if value.is_number() && TEXT.contains(&name.as_str()) {
                    *value = Value::String(value.to_string());
                } else {
                    numbers_to_text(value);
                }
            }
        }
        Value::Array(entries) => entries.iter_mut().for_each(numbers_to_text),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// The fields of a message as they were sent, without the payload of media.
fn sent(msg_type: MessageType, fields: &mut Extra) -> Extra {
    // It may be long, and is not compared.
    let data = payload(msg_type, fields).map(Value::take);
    let mut sent = match fields.get("content") {
        Some(Value::Object(content)) if CONTENT.contains(&msg_type) => content.clone(),
        Some(_) | None => fields.clone(),
    };
    sent.remove("msg_type");
    if let Some((place, data)) = payload(msg_type, fields).zip(data) {
        *place = data;
    }
    sent
}

/// The payload, which is `content` itself in the flattened old form.
fn payload(msg_type: MessageType, fields: &mut Extra) -> Option<&mut Value> {
    let content = fields.get_mut("content").filter(|_| CONTENT.contains(&msg_type))?;
    if content.is_object() { content.get_mut("data") } else { Some(content) }
}

/// The same as they were read.
fn read_fields(message: &Message) -> Option<Value> {
    if let Message::MediaDataAudio(data) | Message::MediaDataVideo(data) | Message::MediaDataShare(data) = message {
        let without_payload = MediaData { data: Bytes::new(), ..data.clone() };
        return serde_json::to_value(without_payload.on_the_wire()).ok();
    }
    let mut written: Value = serde_json::from_str(&message.encode()).ok()?;
    Some(if CONTENT.contains(&message.msg_type()) { written.get_mut("content")?.take() } else { written })
}

/// Whether something was sent that was not read. What a value became is not looked at.
fn lacks(sent: &Value, read: &Value) -> bool {
    match (sent, read) {
        (Value::Object(sent), Value::Object(read)) => sent.iter().any(|(name, value)| {
            !value.is_null()
                && !ALIASES.contains(&name.as_str())
                && read.get(name).is_none_or(|read| lacks(value, read))
        }),
        (Value::Array(sent), Value::Array(read)) => {
            sent.len() != read.len() || sent.iter().zip(read).any(|(sent, read)| lacks(sent, read))
        }
        (Value::Object(_) | Value::Array(_), _) => true,
        (Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_), _) => false,
    }
}
