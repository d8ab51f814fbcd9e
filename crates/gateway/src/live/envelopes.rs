//! What a stream says to sinks: an envelope for each event that has one, numbered, and offered to every sink.

use std::sync::Arc;

use rtms_proto::{
    event::{Event, Odd},
    signaling::StreamStart,
};
use rtms_record::ledger::SpanChange;
use rtms_sink::{
    delivery::Delivery,
    envelope::{Body, Envelope, Speaker, VERSION},
    recall::Recall,
};
use rtms_wire::{
    SmolStr,
    extra::Extra,
    media::medium::Medium,
    message::{
        OtherMessage,
        event_update::EventBody,
        text_data::{MediaDataChat, MediaDataTranscript},
    },
    sequence::Numbering,
};
use serde_json::Value;

use crate::{
    clock,
    live::{ledger_input, packet_fields::PacketFields},
};

/// The envelopes of one stream.
pub(crate) struct Envelopes {
    sinks: Arc<Vec<Delivery>>,
    /// The next envelope but for its body.
    template: Envelope,
    numbering: Numbering,
    packet_fields: PacketFields,
    /// Takes back what was offered.
    recall: Recall,
}

impl Envelopes {
    /// Returns the envelopes of a stream that begins or goes on under these numbers.
    pub(crate) fn new(start: &StreamStart, numbering: Numbering, sinks: Arc<Vec<Delivery>>, recall: Recall) -> Self {
        let template = Envelope {
            version: VERSION,
            rtms_stream_id: start.stream_id.clone(),
            product: start.product,
            instance: start.instance.clone(),
            sequence: 0,
            id: numbering.last(),
            received_at: clock::unix_millis(),
            body: Body::Started,
        };
        Self { sinks, template, numbering, packet_fields: PacketFields::default(), recall }
    }

    /// Publishes what an event says. Media themselves go to no sink.
    pub(crate) fn take(&mut self, event: &Event) {
        if self.sinks.is_empty() {
            return;
        }
        let body = match event {
            Event::MediaOpen { media, granted } => {
                for medium in media.iter() {
                    self.publish(Body::MediumOpen { medium, granted: granted.clone() });
                }
                None
            }
            Event::Audio(data) => self.packet_fields.news(Medium::Audio, data),
            Event::Video(data) => self.packet_fields.news(Medium::Video, data),
            Event::Deskshare(data) => self.packet_fields.news(Medium::Deskshare, data),
            Event::Transcript(line) => Some(transcript(line)),
            Event::Chat(message) => Some(chat(message)),
            Event::Update(event) => Some(Body::EventUpdate {
                event: SmolStr::new_static(event.name(self.template.product)),
                update: fields(event),
            }),
            Event::MediumUnavailable { medium, error } => {
                Some(Body::MediumUnavailable { medium: *medium, why: error.to_string() })
            }
            Event::StreamState { state, reason, timestamp: _ } => {
                Some(Body::StreamState { state: *state, reason: *reason })
            }
            Event::SessionState { session, state, reason, timestamp: _ } => {
                Some(Body::SessionState { session: session.clone(), state: *state, reason: *reason })
            }
            Event::Interrupted { why, .. } => Some(Body::Interrupted { why: why.clone() }),
            Event::Odd(Odd::UnknownMessage(OtherMessage { msg_type, fields: message })) => {
                Some(Body::UnknownMessage { msg_type: *msg_type, message: message.clone() })
            }
            Event::SignalingOpen
            | Event::GrantDiffers { .. }
            | Event::VideoSubscription { .. }
            | Event::VideoAsked { .. }
            | Event::VideoVoid { .. }
            | Event::Reconnecting
            | Event::AttemptFailed { .. }
            | Event::DuplicatesRemoved { .. }
            | Event::Odd(_)
            // It is published once the recording is closed.
            | Event::Ended(_) => None,
        };
        if let Some(body) = body {
            self.publish(body);
        }
    }

    /// Publishes changes of the ledger.
    pub(crate) fn spans(&mut self, spans: Vec<SpanChange>) {
        for change in spans {
            self.publish(Body::LedgerSpan(ledger_input::span(change)));
        }
    }

    /// Publishes a body under the next number.
    pub(crate) fn publish(&mut self, body: Body) {
        self.template.sequence += 1;
        self.template.id = self.numbering.give();
        if self.sinks.is_empty() {
            return;
        }
        let envelope = Arc::new(Envelope { body, received_at: clock::unix_millis(), ..self.template.clone() });
        for sink in self.sinks.iter() {
            sink.offer_under(envelope.clone(), &self.recall);
        }
    }

    /// Takes back every envelope so far. Later ones are not touched by that, so they must hold no content.
    pub(crate) fn recall(&mut self) {
        std::mem::take(&mut self.recall).recall();
    }
}

fn transcript(line: &MediaDataTranscript) -> Body {
    Body::Transcript {
        speaker: Speaker {
            user_id: line.user_id.clone(),
            user_name: line.user_name.clone(),
            channel_id: line.channel_id.clone(),
        },
        text: line.data.clone(),
        language: line.language,
        start_time: line.start_time,
        end_time: line.end_time,
        attribute: line.attribute,
        sentence_id: line.sentence_id,
        timestamp: line.timestamp,
        extra: line.extra.clone(),
    }
}

fn chat(chat: &MediaDataChat) -> Body {
    let author = chat.author().map(|author| Speaker {
        user_id: Some(author.user_id),
        user_name: author.user_name,
        channel_id: None,
    });
    Body::Chat { author: author.unwrap_or_default(), timestamp: chat.timestamp, message: chat.message() }
}

fn fields(event: &EventBody) -> Extra {
    match serde_json::to_value(event) {
        Ok(Value::Object(fields)) => fields,
        Ok(_) | Err(_) => Extra::new(),
    }
}
