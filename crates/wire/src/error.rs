//! Why bytes are not a message.

use crate::codes::message_type::MessageType;

/// Bytes that are not a message of the protocol. Nothing after them is affected: count it and go on.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// JSON, as far as it was read, but another value than an object.
    #[error("the payload is not a JSON object")]
    NotAnObject,
    /// Not JSON: cut off, damaged, or of another format, such as the Protobuf of version 2.
    #[error("the payload is not JSON")]
    NotJson(#[source] serde_json::Error),
    /// `msg_type` is missing.
    #[error("the message has no msg_type")]
    NoMessageType,
    /// A field is missing or of the wrong type.
    #[error("a field of message {} is missing or of the wrong type", msg_type.map_or_else(|| "(unknown)".into(), |it| it.to_string()))]
    BadField {
        /// Which message, where that much is known.
        msg_type: Option<MessageType>,
        /// The field.
        #[source]
        source: serde_json::Error,
    },
    /// `data` is not base64.
    #[error("the payload of message {msg_type} is not base64")]
    BadBase64 {
        /// The message.
        msg_type: MessageType,
    },
    /// `length` says another size than `data` has.
    #[error("message {msg_type} announces {announced} bytes but carries {carried}")]
    LengthMismatch {
        /// The message.
        msg_type: MessageType,
        /// What `length` says.
        announced: u64,
        /// How many bytes `data` holds.
        carried: usize,
    },
}

impl DecodeError {
    /// The words of [`DecodeError::kind`].
    pub const KINDS: [&'static str; 6] =
        ["not_an_object", "not_json", "no_message_type", "bad_field", "bad_base64", "length_mismatch"];

    /// The kind in one of a few fixed words, by which such payloads are counted.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::NotAnObject => "not_an_object",
            Self::NotJson(_) => "not_json",
            Self::NoMessageType => "no_message_type",
            Self::BadField { .. } => "bad_field",
            Self::BadBase64 { .. } => "bad_base64",
            Self::LengthMismatch { .. } => "length_mismatch",
        }
    }
}
