//! The sinks as a subscriber of a stream: each entry of its journal becomes an envelope, which is offered to every sink.

use std::sync::Arc;

use rtms_client::queue::News;
use rtms_proto::signaling::StreamStart;
use rtms_record::{
    Input, Note,
    journal::entry::{Entry, Word},
};
use rtms_sink::{
    delivery::Delivery,
    envelope::{Body, Envelope, OtherBody, Speaker, VERSION},
    recall::Recall,
};
use rtms_wire::{
    SmolStr,
    codes::product::Product,
    extra::Extra,
    message::{
        event_update::EventBody,
        text_data::{MediaDataChat, MediaDataTranscript},
    },
    sequence::SequenceNumber,
    utterance::Utterance,
};
use serde_json::Value;

use crate::{
    clock,
    live::{
        hub::{Filter, Hub, Policy, Subscription, Topic},
        ledger_input,
    },
};

/// The envelopes of one stream.
pub(crate) struct Envelopes {
    /// None if there are no sinks.
    subscription: Option<Subscription>,
    sinks: Arc<Vec<Delivery>>,
    /// The next envelope but for its body.
    template: Envelope,
    /// Takes back what was offered.
    recall: Recall,
}

impl Envelopes {
    /// Subscribes the sinks to a stream. `limit_bytes` of its words may wait until they are offered.
    pub(crate) fn new(
        start: &StreamStart,
        hub: &Hub,
        limit_bytes: usize,
        sinks: Arc<Vec<Delivery>>,
        recall: Recall,
    ) -> Self {
        let subscribe =
            || hub.subscribe(Filter::of(&[Topic::Words, Topic::JournalOnly]), Policy::DropByClass { limit_bytes });
        let template = Envelope {
            version: VERSION,
            rtms_stream_id: start.stream_id.clone(),
            product: start.product,
            instance: start.instance.clone(),
            sequence: 0,
            id: SequenceNumber::default(),
            received_at: clock::unix_millis(),
            body: Body::Started,
        };
        Self { subscription: (!sinks.is_empty()).then(subscribe), sinks, template, recall }
    }

    /// Offers what has come since the last time. Sinks have queues of their own, so this never waits.
    pub(crate) fn offer(&mut self) {
        while let Some(Ok(news)) = self.subscription.as_mut().map(|subscription| subscription.try_next_news()) {
            // What is lost here shows in the numbers of what follows.
            if let News::Event(item) = news
                && let Input::Word(entry) = item.input
            {
                self.offer_entry(&entry);
            }
        }
    }

    /// Takes back every envelope so far. Later ones are not touched by that, so they must hold no content.
    pub(crate) fn recall(&mut self) {
        std::mem::take(&mut self.recall).recall();
    }

    fn offer_entry(&mut self, entry: &Entry) {
        self.template.sequence += 1;
        let body = body(&entry.word, self.template.product);
        let (id, received_at) = (entry.number, entry.at);
        let envelope = Arc::new(Envelope { id, received_at, body, ..self.template.clone() });
        for sink in &*self.sinks {
            sink.offer_under(envelope.clone(), &self.recall);
        }
    }
}

fn body(word: &Word, product: Product) -> Body {
    match word {
        Word::Transcript { message, utterance } => transcript(message, utterance),
        Word::Chat(message) => chat(message),
        Word::Event(update) => {
            Body::EventUpdate { event: SmolStr::new_static(update.event.name(product)), update: fields(&update.event) }
        }
        Word::Note(note) | Word::Unlisted(note) => of_note(note),
        Word::Span(change) => Body::LedgerSpan(ledger_input::span(change.clone())),
    }
}

/// A note's kind and fields are those of a body, and a kind that has no body of its own goes out as it is.
fn of_note(note: &Note) -> Body {
    let mut fields = note.fields.clone();
    fields.insert("kind".into(), note.kind.as_str().into());
    serde_json::from_value(Value::Object(fields))
        .unwrap_or_else(|_| Body::Other(OtherBody { kind: note.kind.clone(), fields: note.fields.clone() }))
}

fn transcript(line: &MediaDataTranscript, utterance: &Utterance) -> Body {
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
        utterance: Some(utterance.clone()),
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
