//! What is remembered of a stream, to be held against what a scenario expects: little enough for a stream of hours.

use std::collections::{BTreeMap, BTreeSet};

use rtms_wire::{codes::status_code::StatusCode, ids::UserId, media::medium::Medium, time::UnixMillis};

use crate::{
    meeting::utterance::GRID_MS,
    sent::{Payload, Sent, SentCounts, What},
};

/// Sees what is sent on a stream while it is sent.
#[derive(Clone, Debug)]
pub struct Witness {
    start: UnixMillis,
    /// How much was sent.
    pub(super) counts: SentCounts,
    /// Media of which something was sent.
    pub(super) media: BTreeSet<Medium>,
    /// When signaling was joined.
    pub(super) joined: Vec<UnixMillis>,
    /// When media connections were opened.
    pub(super) opened: Vec<UnixMillis>,
    /// How long the last format makes a packet of sound.
    pub(super) packet_ms: u64,
    /// Stretches of [`GRID_MS`] whose sound was sent, by whose it was, and those of everybody mixed. Milliseconds since
    /// the start.
    heard: BTreeMap<UserId, BTreeSet<u64>>,
    mixed: BTreeSet<u64>,
    /// Whether somebody ended the stream before the scenario did.
    pub(super) is_cut_short: bool,
}

impl Witness {
    /// Returns the witness of a stream that starts at `start`, of which nothing was sent yet.
    pub fn new(start: UnixMillis) -> Self {
        Self {
            start,
            counts: SentCounts::default(),
            media: BTreeSet::new(),
            joined: Vec::new(),
            opened: Vec::new(),
            packet_ms: GRID_MS,
            heard: BTreeMap::new(),
            mixed: BTreeSet::new(),
            is_cut_short: false,
        }
    }

    /// Of everything that was sent on a stream.
    pub(super) fn of(sent: &[Sent], start: UnixMillis) -> Self {
        let mut witness = Self::new(start);
        sent.iter().for_each(|one| witness.see(one));
        witness
    }

    /// Takes notice of one more thing that was sent.
    pub fn see(&mut self, one: &Sent) {
        self.counts.count(&one.what);
        self.media.extend(one.what.medium());
        match &one.what {
            What::SignalingHandshake { status: StatusCode::Ok } => self.joined.push(one.at),
            What::DataHandshake { status: StatusCode::Ok, media_params } => {
                self.opened.push(one.at);
                if let Some(audio) = media_params.as_ref().and_then(|params| params.audio.as_ref()) {
                    self.packet_ms = u64::from(audio.format().send_rate).max(GRID_MS);
                }
            }
            What::Audio(payload) => self.hear(payload),
            What::Webhook { .. }
            | What::SignalingHandshake { .. }
            | What::DataHandshake { .. }
            | What::Event { .. }
            | What::StreamState { .. }
            | What::SessionState { .. }
            | What::Answer { .. }
            | What::KeepAlive { .. }
            | What::Video(_)
            | What::Deskshare(_)
            | What::Transcript { .. }
            | What::Chat { .. } => {}
        }
    }

    /// Notes that somebody ended the stream before the scenario did, so that nothing can be asked of it.
    pub fn cut_short(&mut self) {
        self.is_cut_short = true;
    }

    fn hear(&mut self, payload: &Payload) {
        let first = self.since_start(payload.timestamp);
        let slots = (first..first + self.packet_ms).step_by(GRID_MS as usize);
        if payload.user_id.is_mixed() {
            self.mixed.extend(slots);
        } else {
            self.heard.entry(payload.user_id.clone()).or_default().extend(slots);
        }
    }

    /// Whether the sound of all these people was sent of the stretch that begins there.
    pub(super) fn heard_all(&self, slot: u64, speakers: &[&UserId]) -> bool {
        let heard = |who: &&UserId| self.heard.get(*who).is_some_and(|slots| slots.contains(&slot));
        self.mixed.contains(&slot) || speakers.iter().all(heard)
    }

    /// The first moment of sound that was sent.
    pub(super) fn first_sound(&self) -> Option<u64> {
        self.heard.values().chain([&self.mixed]).filter_map(|slots| slots.first().copied()).min()
    }

    /// Milliseconds from the start of the stream to this moment.
    pub(super) fn since_start(&self, at: UnixMillis) -> u64 {
        at.0.saturating_sub(self.start.0)
    }
}
