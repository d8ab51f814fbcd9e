//! Handshakes that lack a field.

use rtms_wire::{codes::status_code::StatusCode, error::DecodeError};
use serde_json::Value;

use crate::checks::{kinds, refusal::Refusal};

/// The status for a message 1 or 3 of which a field is missing. What is of the wrong kind, [`kinds::check`] has found
/// before.
pub(crate) fn incomplete(payload: &[u8], error: &DecodeError) -> Refusal {
    let fields = kinds::fields(payload);
    let reason = match error {
        DecodeError::BadField { source, .. } => source.to_string(),
        DecodeError::NotAnObject
        | DecodeError::NotJson(_)
        | DecodeError::NoMessageType
        | DecodeError::BadBase64 { .. }
        | DecodeError::LengthMismatch { .. } => error.to_string(),
    };
    let is_data = fields.get("msg_type").and_then(Value::as_i64) == Some(3);
    let lacks_media_type = is_data && fields.get("media_type").is_none_or(Value::is_null);
    let status = if lacks_media_type { StatusCode::InvalidMediaType } else { StatusCode::InvalidPayload };
    Refusal { status, reason }
}
