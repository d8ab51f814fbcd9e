//! What a client reads out of the messages that it was sent.

use rtms_sim::zoom::ConnectionId;
use rtms_wire::message::{Message, media_data::MediaData};
use serde_json::{Value, json};

use super::Run;

pub(crate) fn subscription(events: &[(i64, bool)]) -> Value {
    let events: Vec<_> = events
        .iter()
        .map(|(event_type, subscribe)| json!({"event_type": event_type, "subscribe": subscribe}))
        .collect();
    json!({"msg_type": 5, "events": events})
}

pub(crate) fn timestamps(messages: &[Value], msg_type: i64) -> Vec<u64> {
    messages
        .iter()
        .filter(|message| message["msg_type"] == msg_type)
        .map(|message| message["content"]["timestamp"].as_u64().unwrap())
        .collect()
}

pub(crate) fn audio_packets(run: &Run, connection: ConnectionId) -> Vec<MediaData> {
    let on_it = run.wire.iter().filter(|(on, ..)| *on == connection);
    on_it
        .filter_map(|(_, _, text)| {
            let Message::MediaDataAudio(data) = Message::decode(text.as_bytes()).unwrap() else { return None };
            Some(data)
        })
        .collect()
}

pub(crate) fn pictures(run: &Run, connection: ConnectionId) -> Vec<MediaData> {
    let on_it = run.wire.iter().filter(|(on, ..)| *on == connection);
    on_it
        .filter_map(|(_, _, text)| {
            let (Message::MediaDataVideo(data) | Message::MediaDataShare(data)) =
                Message::decode(text.as_bytes()).unwrap()
            else {
                return None;
            };
            Some(data)
        })
        .collect()
}
