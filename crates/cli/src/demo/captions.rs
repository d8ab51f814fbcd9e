//! Captions: what is said, by whom, as it arrives.

use std::{collections::BTreeMap, sync::Arc};

use async_trait::async_trait;
use rtms_sink::{
    envelope::{Body, Envelope, Speaker},
    error::SinkError,
    sink::Sink,
};
use rtms_wire::{
    SmolStr,
    codes::{event_type::EventType, media::DataMessageAttribute},
    ids::UserId,
    time::UnixMillis,
};
use serde_json::Value;
use tokio::sync::watch;

use crate::demo::screen::Screen;

/// Prints captions, and tells when the stream has ended and why.
pub(super) struct Captions {
    screen: Screen,
    ended: watch::Sender<Option<String>>,
    zero: Option<UnixMillis>,
    names: BTreeMap<UserId, SmolStr>,
}

impl Captions {
    pub(super) fn new(screen: Screen, ended: watch::Sender<Option<String>>) -> Self {
        Self { screen, ended, zero: None, names: BTreeMap::new() }
    }

    fn name(&mut self, speaker: &Speaker) -> SmolStr {
        match (&speaker.user_name, &speaker.user_id) {
            (Some(name), Some(id)) => {
                self.names.insert(id.clone(), name.clone());
                name.clone()
            }
            (Some(name), None) => name.clone(),
            (None, Some(id)) => self.names.get(id).cloned().unwrap_or_else(|| SmolStr::new(format!("user {id}"))),
            (None, None) => SmolStr::new_static("somebody"),
        }
    }

    /// The line for an envelope, if it is worth one.
    fn line(&mut self, body: &Body) -> Option<String> {
        match body {
            Body::Started => Some("· joining".into()),
            Body::MediumOpen { medium, .. } => Some(format!("· {medium} is open")),
            Body::MediumUnavailable { medium, why } => Some(format!("· no {medium}: {why}")),
            Body::Transcript { speaker, text, attribute, .. } => {
                let name = self.name(speaker);
                match attribute {
                    Some(DataMessageAttribute::Delete) => None,
                    Some(DataMessageAttribute::Update) => Some(format!("{name} (corrected): {text}")),
                    Some(DataMessageAttribute::None | DataMessageAttribute::New | DataMessageAttribute::Unknown(_))
                    | None => Some(format!("{name}: {text}")),
                }
            }
            Body::Chat { author, message, .. } => Some(format!("{} writes: {}", self.name(author), message.text)),
            Body::EventUpdate { event, update } => self.happening(event, update),
            Body::Interrupted { why } => Some(format!("· interrupted: {why}")),
            Body::Ended { why, .. } => Some(format!("· ended: {why}")),
            Body::StreamState { .. }
            | Body::SessionState { .. }
            | Body::LedgerSpan(_)
            | Body::PacketFields { .. }
            | Body::UnknownMessage { .. }
            | Body::Other(_) => None,
        }
    }

    fn happening(&mut self, event: &str, update: &serde_json::Map<String, Value>) -> Option<String> {
        let people = update.get("participants").and_then(Value::as_array).cloned().unwrap_or_default();
        let one = serde_json::Map::from_iter(update.clone());
        let everybody = if people.is_empty() { vec![Value::Object(one)] } else { people };
        let named: Vec<_> = everybody
            .iter()
            .filter_map(|person| {
                let user_id: UserId = serde_json::from_value(person.get("user_id")?.clone()).ok()?;
                let user_name = person.get("user_name").and_then(Value::as_str).map(SmolStr::new);
                Some(self.name(&Speaker { user_id: Some(user_id), user_name, channel_id: None }).to_string())
            })
            .collect();
        let who = named.join(", ");
        let what = [
            (EventType::ParticipantJoin, "in the meeting"),
            (EventType::ParticipantLeave, "left"),
            (EventType::SharingStart, "shares a screen"),
        ];
        let what = what.into_iter().find(|(kind, _)| kind.name() == event)?.1;
        Some(format!("· {what}: {who}"))
    }
}

#[async_trait]
impl Sink for Captions {
    fn name(&self) -> &str {
        "captions"
    }

    async fn deliver(&mut self, batch: &[Arc<Envelope>]) -> Result<(), SinkError> {
        for envelope in batch {
            let zero = *self.zero.get_or_insert(envelope.received_at);
            if let Some(line) = self.line(&envelope.body) {
                let seconds = envelope.received_at.since(zero).as_secs_f64();
                self.screen.show(format!("{seconds:6.1} s  {}\n", printable(&line)));
            }
            if let Body::Ended { why, .. } = &envelope.body {
                self.ended.send_replace(Some(why.clone()));
            }
        }
        Ok(())
    }
}

/// What comes from a meeting must not steer the terminal.
fn printable(line: &str) -> String {
    line.chars().map(|character| if character.is_control() { '\u{fffd}' } else { character }).collect()
}
