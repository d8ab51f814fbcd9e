//! Zoom's messages on an event WebSocket: a JSON object each, distinguished by `module`.
//!
//! Basis of each form: docs/protocol.md#event-websocket.

use std::borrow::Cow;

use bytes::Bytes;
use rtms_wire::mend;
use serde::{Deserialize, de::IgnoredAny};
use serde_json::value::RawValue;

/// The message by which we keep the connection. Zoom echoes it.
pub(super) const HEARTBEAT: &str = r#"{"module":"heartbeat"}"#;

/// The most characters of a refusal that are kept. `Invalid Token` is one.
const LONGEST_SAID: usize = 100;

/// A message from Zoom.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Frame {
    /// `build_connection` with success: the token is accepted.
    Built,
    /// `build_connection` without success, with Zoom's reason, for example `Invalid Token`.
    Refused(String),
    /// The echo of a heartbeat.
    Heartbeat,
    /// `message`: an event, in the form of a webhook's body.
    Event(Bytes),
    /// A message of a kind that is unknown here.
    Other,
}

/// A message that is no JSON object of a known form.
#[derive(Debug, thiserror::Error)]
pub(super) enum FrameUnreadable {
    /// The text of the library is left out, because it may quote the message.
    #[error("not a message of an event WebSocket: no JSON from column {} on", .0.column())]
    Json(#[from] serde_json::Error),
    #[error("not a message of an event WebSocket: no JSON object")]
    NoObject,
}

#[derive(Deserialize)]
struct Raw<'a> {
    #[serde(borrow, default)]
    module: Option<Cow<'a, str>>,
    #[serde(default)]
    success: Option<bool>,
    #[serde(borrow, default)]
    content: Option<&'a RawValue>,
    #[serde(default)]
    event: Option<IgnoredAny>,
}

impl Frame {
    /// # Errors
    /// [`FrameUnreadable`]; the connection can go on.
    pub(super) fn decode(bytes: &Bytes) -> Result<Self, FrameUnreadable> {
        // An array would be read as the fields in their order.
        if bytes.trim_ascii_start().first() != Some(&b'{') {
            return Err(FrameUnreadable::NoObject);
        }
        // A bad string anywhere must not cost the event. What is right stays byte for byte.
        let (mended, _) = mend::json(bytes);
        let raw: Raw<'_> = serde_json::from_slice(&mended)?;
        let content = raw.content.map(RawValue::get);
        Ok(match raw.module.as_deref() {
            // A missing `success` is not a refusal: what is refused is closed, too.
            Some("build_connection") if raw.success == Some(false) => Self::Refused(said(content.unwrap_or_default())),
            Some("build_connection") => Self::Built,
            Some("heartbeat") => Self::Heartbeat,
            Some("message") => match content {
                Some(text) if text.starts_with('"') => Self::Event(serde_json::from_str::<String>(text)?.into()),
                // Some clients expect the object itself there.
                Some(object) => Self::Event(Bytes::copy_from_slice(object.as_bytes())),
                None => Self::Event(Bytes::new()),
            },
            // Zoom's older samples read the envelope without anything around it.
            None if raw.event.is_some() => Self::Event(bytes.clone()),
            None | Some(_) => Self::Other,
        })
    }
}

/// Returns the beginning of Zoom's text, for the log.
fn said(content: &str) -> String {
    let text = serde_json::from_str::<String>(content);
    text.as_deref().unwrap_or(content).chars().take(LONGEST_SAID).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(text: &'static str) -> Frame {
        Frame::decode(&Bytes::from_static(text.as_bytes())).unwrap()
    }

    #[test]
    fn each_form_is_told_apart() {
        assert_eq!(decode(r#"{"module":"build_connection","success":true,"content":{}}"#), Frame::Built);
        let refused = decode(r#"{"module":"build_connection","success":false,"content":"Invalid Token"}"#);
        assert_eq!(refused, Frame::Refused("Invalid Token".into()));
        assert_eq!(decode(HEARTBEAT), Frame::Heartbeat);
        assert_eq!(decode(r#"{"module":"tomorrow","content":[1]}"#), Frame::Other);
        assert_eq!(decode("{}"), Frame::Other);
    }

    #[test]
    fn the_content_is_the_body_byte_for_byte() {
        let body = r#"{"event":"a\u00e9\/b", "n":12345678901234567890}"#;
        let frame = serde_json::json!({ "module": "message", "header": {}, "content": body }).to_string();

        assert_eq!(Frame::decode(&frame.into()).unwrap(), Frame::Event(Bytes::from_static(body.as_bytes())));
        let as_object = decode(r#"{"module":"message","content":{"event": "x"}}"#);
        assert_eq!(as_object, Frame::Event(Bytes::from_static(br#"{"event": "x"}"#)));
        let bare = r#"{"event":"x","payload":{}}"#;
        assert_eq!(decode(bare), Frame::Event(Bytes::from_static(bare.as_bytes())));
    }

    #[test]
    fn half_a_surrogate_costs_no_event() {
        let half = r#"{"module":"message","header":"\udc00","content":"{\"event\":\"x\",\"topic\":\"\ud83d\"}"}"#;
        let body = "{\"event\":\"x\",\"topic\":\"\u{fffd}\"}";
        assert_eq!(decode(half), Frame::Event(Bytes::from_static(body.as_bytes())));
    }

    #[test]
    fn what_is_none_is_an_error_and_nothing_worse() {
        for text in ["", "[]", "null", "7", "\"x\"", "{\"module\":1}", "{\"module\":\"message\",\"content\":\"x}"] {
            assert!(Frame::decode(&Bytes::from_static(text.as_bytes())).is_err(), "{text}");
        }
        assert!(Frame::decode(&Bytes::from_static(b"\xff\x00")).is_err());
        assert!(Frame::decode(&"[".repeat(100_000).into()).is_err());
    }
}
