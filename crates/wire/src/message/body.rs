//! The fields of a message, out of the wrapper that media data comes in, and read into the type of its body.

use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::{codes::message_type::MessageType, error::DecodeError, extra::Extra};

/// Reads the fields of a message into the type of its body.
pub(crate) fn body<T: DeserializeOwned>(msg_type: MessageType, fields: Extra) -> Result<T, DecodeError> {
    serde_json::from_value(Value::Object(fields))
        .map_err(|source| DecodeError::BadField { msg_type: Some(msg_type), source })
}

/// Reads what is in the wrapper of a message into its type.
pub(crate) fn content<T: DeserializeOwned>(msg_type: MessageType, fields: Extra) -> Result<T, DecodeError> {
    body(msg_type, content_fields(msg_type, fields)?)
}

/// What is in the wrapper, and beside it what only stands there; or the flattened old form, in which `content` itself is the
/// data and the rest stands beside it.
pub(super) fn content_fields(msg_type: MessageType, mut fields: Extra) -> Result<Extra, DecodeError> {
    let source = match fields.remove("content") {
        Some(Value::Object(mut content)) => {
            for (name, value) in fields {
                content.entry(name).or_insert(value);
            }
            return Ok(content);
        }
        Some(data @ Value::String(_)) => {
            fields.insert("data".into(), data);
            return Ok(fields);
        }
        Some(other) => serde::de::Error::custom(format_args!("content is {}", kind(&other))),
        None => serde::de::Error::missing_field("content"),
    };
    Err(DecodeError::BadField { msg_type: Some(msg_type), source })
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}
