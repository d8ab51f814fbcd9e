//! The message decoder: any payload of a WebSocket frame. Both ways of reading it agree, and what was read comes back.

use rtms_wire::{error::DecodeError, message::Message};
use serde_json::Value;

/// Reads the input as one message.
pub fn run(payload: &[u8]) {
    let decoded = Message::decode(payload);
    agrees_with_the_general_way(payload, &decoded);
    match (&decoded, Message::decode_leniently(payload)) {
        (_, Ok((message, _))) => comes_back(&message),
        (Ok(message), Err(why)) => panic!("read strictly and not leniently: {why}: {message:?}"),
        (Err(_), Err(_)) => {}
    }
    if let Ok(message) = decoded {
        comes_back(&message);
    }
}

/// The short way for media data refuses escapes, so an escape in a key leads past it without a change of meaning.
fn agrees_with_the_general_way(payload: &[u8], decoded: &Result<Message, DecodeError>) {
    const KEY: &[u8] = br#""msg_type""#;
    const ESCAPED: &[u8] = br#""\u006dsg_type""#;

    let Some(at) = payload.windows(KEY.len()).position(|window| window == KEY) else { return };
    let roundabout = [&payload[..at], ESCAPED, &payload[at + KEY.len()..]].concat();
    // Which error it is may differ: the short way finds what is no base64 before it finds what is no JSON.
    match (decoded, Message::decode(&roundabout)) {
        (Ok(short), Ok(general)) => assert_eq!(*short, general, "the short way reads something else"),
        (Err(_), Err(_)) => {}
        (one, other) => panic!("one way reads it, the other does not: {one:?}, {other:?}"),
    }
}

fn comes_back(message: &Message) {
    let text = message.encode();
    let again =
        Message::decode(text.as_bytes()).unwrap_or_else(|why| panic!("what was written is refused: {why}: {text}"));
    assert_eq!(again.msg_type(), message.msg_type(), "{text}");
    // Decimal fractions are kept to all but the last digit, and no field of the protocol has one.
    if !has_fraction(&serde_json::from_str(&text).expect("what was written is JSON")) {
        assert_eq!(again, *message, "{text}");
        assert_eq!(again.encode(), text);
    }
}

fn has_fraction(value: &Value) -> bool {
    match value {
        Value::Number(number) => number.is_f64(),
        Value::Array(elements) => elements.iter().any(has_fraction),
        Value::Object(members) => members.values().any(has_fraction),
        Value::Null | Value::Bool(_) | Value::String(_) => false,
    }
}
