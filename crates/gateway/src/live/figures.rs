//! What a stream adds to the metrics and to the steps of its receipt.

use std::sync::Arc;

use rtms_proto::event::{Event, Odd};
use rtms_store::{
    receipts::{NotedOn, Step},
    store::Store,
};
use rtms_wire::{ids::StreamId, media::medium::Medium};

use crate::{clock, telemetry::Metrics};

/// The figures of one stream.
pub(crate) struct Figures {
    stream_id: StreamId,
    store: Arc<dyn Store>,
    metrics: Arc<Metrics>,
    /// Whether the steps of the receipt were noted.
    is_connected: bool,
    is_heard: bool,
}

impl Figures {
    /// Returns the figures of a stream that has had no event.
    pub(crate) fn new(stream_id: StreamId, store: Arc<dyn Store>, metrics: Arc<Metrics>) -> Self {
        Self { stream_id, store, metrics, is_connected: false, is_heard: false }
    }

    /// Counts an event.
    pub(crate) fn take(&mut self, event: &Event) {
        match event {
            Event::Audio(data) => self.received(Medium::Audio, data.data.len()),
            Event::Video(data) => self.received(Medium::Video, data.data.len()),
            Event::Deskshare(data) => self.received(Medium::Deskshare, data.data.len()),
            Event::Transcript(line) => self.received(Medium::Transcript, line.data.len()),
            Event::Chat(chat) => self.received(Medium::Chat, chat.message().text.len()),
            Event::SignalingOpen => {
                if !std::mem::replace(&mut self.is_connected, true) {
                    self.note(Step::Connected);
                }
            }
            Event::Interrupted { role, cause, .. } => self.metrics.interrupted(*role, *cause),
            Event::Odd(Odd::Raw(raw)) => self.metrics.flawed_message(raw.flaws),
            Event::Odd(odd) => self.metrics.odd_message(odd.kind()),
            Event::Update(_)
            | Event::MediaOpen { .. }
            | Event::GrantDiffers { .. }
            | Event::MediumUnavailable { .. }
            | Event::StreamState { .. }
            | Event::SessionState { .. }
            | Event::VideoSubscription { .. }
            | Event::VideoAsked { .. }
            | Event::VideoVoid { .. }
            | Event::Reconnecting
            | Event::AttemptFailed { .. }
            | Event::DuplicatesRemoved { .. }
            | Event::Ended(_) => {}
        }
    }

    fn received(&mut self, medium: Medium, bytes: usize) {
        self.metrics.received(medium, bytes);
        if !std::mem::replace(&mut self.is_heard, true) {
            self.note(Step::FirstMedia);
        }
    }

    fn note(&self, step: Step) {
        self.store.note_step(NotedOn::from(self.stream_id.clone()), step, clock::unix_micros());
    }
}
