//! Keeps the ledger of a stream from what the stream brings, with files beside it or without.

use std::{collections::BTreeMap, num::NonZeroU64, time::Duration};

use rtms_wire::{
    codes::{
        event_type::EventType,
        media::{DataMessageAttribute, MediaPayloadType},
        product::Product,
    },
    extra::Extra,
    ids::UserId,
    media::{audio::AudioParams, medium::Medium, params::MediaParams},
    message::{event_update::EventUpdate, media_data::MediaData},
    time::UnixMillis,
};

use crate::{
    belief::{Belief, Doubt},
    input::{Content, Dropped, Input},
    ledger::{
        Ledger, MAX_MESSAGE_MS,
        change::{Change, When},
        report::SpanChange,
    },
    timeline::{Place, Timeline, Voices},
    who::Who,
};

/// How long a picture is taken to last: one of 25 a second.
pub(crate) const PICTURE_MS: u64 = 40;

/// How far the end of words may be ahead of all that is known of Zoom's now: by more, they would move the end of a ledger.
const MAX_WORDS_AHEAD: Duration = Duration::from_secs(1);

/// Whose sound is followed from packet to packet: as many as a recording has tracks by default.
const MAX_HEARD: usize = 1024;

/// A ledger, and what is needed to know how long a packet lasts.
///
/// [`crate::Recorder`] has one. Alone it serves a stream that is not recorded.
#[derive(Debug)]
pub struct Bookkeeper {
    pub(crate) ledger: Ledger,
    belief: Belief,
    product: Product,
    audio_params: Option<AudioParams>,
    /// None where bytes do not tell the length.
    audio_bytes_per_ms: Option<NonZeroU64>,
    /// When sound is heard that no track has, in milliseconds.
    heard: BTreeMap<Who, Timeline>,
}

impl Bookkeeper {
    /// Begins with a stream that began at `started_at` on Zoom's clock; `now` is ours.
    pub fn new(started_at: UnixMillis, product: Product, now: UnixMillis) -> Self {
        Self::of(Ledger::new(started_at, now), Belief::new(started_at, None, now), product)
    }

    /// Goes on with a ledger.
    pub(crate) fn of(ledger: Ledger, belief: Belief, product: Product) -> Self {
        Self {
            ledger,
            belief,
            product,
            audio_params: None,
            audio_bytes_per_ms: bytes_per_ms(None),
            heard: BTreeMap::new(),
        }
    }

    /// Puts down one thing of a stream that nobody records; `now` is ours.
    pub fn take(&mut self, input: &Input, now: UnixMillis) {
        if let Input::Word(entry) = input {
            if let Some(word) = Input::of_word(entry.word.clone()) {
                self.take(&word, now);
            }
            return;
        }
        self.follow_clock(input, now);
        let moved = self.belief.moves().then(|| self.moved(input.clone()));
        let input = moved.as_ref().unwrap_or(input);
        self.note(input, now);
        let doubt = self.judge(input, now);
        let Some((medium, at, ms)) = self.extent(input, doubt, now) else { return };
        if let (Input::Audio(data), None) = (input, doubt)
            && let Some(from) = self.heard_from(data)
        {
            self.heard(at, from, ms, now);
        } else {
            self.received(medium, at, ms, doubt, now);
        }
    }

    /// From when on a packet of sound is heard that no track has: several that share a time follow each other, and times
    /// that jitter make no gaps, as in a track. None if it has no place of its own.
    pub(crate) fn heard_from(&mut self, data: &MediaData) -> Option<UnixMillis> {
        let who = Who::of(data.user_id.as_ref(), data.channel_id.as_ref());
        if self.heard.len() >= MAX_HEARD && !self.heard.contains_key(&who) {
            return None;
        }
        let ms = self.sound_ms(data.data.len()).max(1);
        // Its frames are milliseconds.
        let line = self.heard.entry(who).or_insert_with(|| Timeline::new(UnixMillis::default(), 1000, 0, None));
        match line.find_place(data.timestamp, ms, Voices::of(data)) {
            Place::At { start, .. } => {
                line.remember(data.timestamp, start, ms);
                Some(line.time_of(start))
            }
            Place::Taken { .. } | Place::BeforeOrigin => None,
        }
    }

    /// Learns from a packet whether Zoom's clock was put ahead or back.
    pub(crate) fn follow_clock(&mut self, input: &Input, now: UnixMillis) {
        let Some(Content { medium, at: Some(at), .. }) = input.content() else { return };
        // Words have the time at which they began, and come when they are understood.
        if matches!(medium, Medium::Audio | Medium::Video | Medium::Deskshare) {
            self.belief.follow(medium, at, self.ledger.to_zoom(now), now);
        }
    }

    /// A message with its times where they lie since Zoom's clock was put ahead or back; as they were sent, they stay
    /// beside them.
    pub(crate) fn moved(&self, mut input: Input) -> Input {
        if !self.belief.moves() {
            return input;
        }
        let move_one = |extra: &mut Extra, name: &str, at: &mut UnixMillis| {
            if at.is_plausible() {
                keep_as_sent(extra, name, *at);
                *at = self.belief.moved(*at);
            }
        };
        match &mut input {
            Input::Audio(data) | Input::Video(data) | Input::Deskshare(data) => {
                move_one(&mut data.extra, "timestamp", &mut data.timestamp);
            }
            Input::Transcript(said) => {
                for (name, at) in [
                    ("start_time", &mut said.start_time),
                    ("end_time", &mut said.end_time),
                    ("timestamp", &mut said.timestamp),
                ] {
                    if let Some(at) = at {
                        move_one(&mut said.extra, name, at);
                    }
                }
            }
            Input::Chat(chat) => {
                if let Some(at) = &mut chat.timestamp {
                    move_one(&mut chat.fields.extra, "timestamp", at);
                }
            }
            Input::Dropped(Dropped { first, last, .. }) => {
                (*first, *last) = (self.belief.moved(*first), self.belief.moved(*last));
            }
            Input::Granted(..)
            | Input::Event(_)
            | Input::Note(_)
            | Input::Word(_)
            | Input::Change(..)
            | Input::Unreadable { .. }
            | Input::Raw(_)
            | Input::Repeats { .. }
            | Input::Clock { .. } => {}
        }
        input
    }

    /// The time of a change. Signaling and webhooks may have another clock than media, so the nearer to now is taken.
    fn changed_at(&self, at: When, now: UnixMillis) -> When {
        let When::Zoom(sent) = at else { return at };
        let (moved, zoom_now) = (self.belief.moved(sent), self.ledger.to_zoom(now));
        let is_nearer = moved.0.abs_diff(zoom_now.0) < sent.0.abs_diff(zoom_now.0);
        When::Zoom(if is_nearer { moved } else { sent })
    }

    /// Something was received for this time of Zoom's, or came now if its own time is doubted.
    pub(crate) fn received(&mut self, medium: Medium, at: UnixMillis, ms: u64, doubt: Option<Doubt>, now: UnixMillis) {
        match doubt {
            None => self.ledger.received(medium, at, ms, now),
            // It tells nothing of the clocks.
            Some(_) => self.ledger.found(medium, at, at + Duration::from_millis(ms.min(MAX_MESSAGE_MS))),
        }
    }

    /// Sound was received that its track has from another time on, because timestamps jitter.
    pub(crate) fn heard(&mut self, at: UnixMillis, from: UnixMillis, ms: u64, now: UnixMillis) {
        self.ledger.observe_clock(at, now);
        self.ledger.found(Medium::Audio, from, from + Duration::from_millis(ms));
    }

    /// Why the time of a message is not believed, if it is not. A message without one is believed.
    pub(crate) fn judge(&mut self, input: &Input, now: UnixMillis) -> Option<Doubt> {
        let at = input.content()?.at?;
        self.belief.judge(at, self.ledger.to_zoom(now), now)
    }

    /// Whether words may end at this time.
    pub(crate) fn is_end_believed(&self, end: UnixMillis, now: UnixMillis) -> bool {
        self.belief.may_end(end, self.ledger.to_zoom(now), now)
    }

    /// What changed since this was asked before, until `now`, which is ours.
    pub fn take_span_changes(&mut self, now: UnixMillis) -> Vec<SpanChange> {
        self.ledger.advance(now);
        self.ledger.take_changes()
    }

    /// The ledger up to this moment.
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// Puts down one thing of a stream whose files the caller writes. Returns it with times that are believed, why its own is
    /// not, and which time it is for; what became of it is the caller's to tell.
    pub(crate) fn settle(&mut self, input: Input, now: UnixMillis) -> (Input, Option<Doubt>, Option<Extent>) {
        self.follow_clock(&input, now);
        let mut input = self.moved(input);
        self.note(&input, now);
        let doubt = self.judge(&input, now);
        if let Input::Transcript(said) = &mut input
            && let Some(end) = said.end_time.take_if(|end| !self.is_end_believed(*end, now))
        {
            keep_as_sent(&mut said.extra, "end_time", end);
        }
        let extent = self.extent(&input, doubt, now);
        let input = dated(input, doubt, extent.map(|(_, at, _)| at));
        (input, doubt, extent)
    }

    /// Everything but data, of which only the caller knows what became of it.
    pub(crate) fn note(&mut self, input: &Input, now: UnixMillis) {
        match input {
            Input::Granted(medium, params) => {
                self.learn_grant(*medium, params);
                self.ledger.tell(Change::Opened(*medium), When::Ours(now), now);
            }
            Input::Event(update) => self.learn_shown(update, now),
            Input::Change(change, at) => self.ledger.tell(change.clone(), self.changed_at(*at, now), now),
            Input::Dropped(Dropped { medium, queue, first, last, count: _ }) => {
                let zoom_now = self.ledger.to_zoom(now);
                let [first, last] = [first, last].map(|at| if at.is_plausible() { at } else { &zoom_now });
                let end = *last + Duration::from_millis(self.usual_ms(*medium));
                self.ledger.dropped(*medium, *first, end, *queue);
            }
            Input::Unreadable { medium, at } => self.ledger.unreadable(*medium, *at, self.usual_ms(*medium)),
            Input::Clock { zoom, ours } => self.ledger.observe_clock(*zoom, *ours),
            Input::Audio(_)
            | Input::Video(_)
            | Input::Deskshare(_)
            | Input::Transcript(_)
            | Input::Chat(_)
            | Input::Repeats { .. }
            | Input::Raw(_)
            | Input::Note(_)
            | Input::Word(_) => {}
        }
    }

    /// The formats of what follows.
    pub(crate) fn learn_grant(&mut self, medium: Medium, params: &MediaParams) {
        if medium == Medium::Audio {
            self.audio_params.clone_from(&params.audio);
            self.audio_bytes_per_ms = bytes_per_ms(params.audio.as_ref());
        }
    }

    /// What was granted for sound.
    pub(crate) fn audio_params(&self) -> Option<&AudioParams> {
        self.audio_params.as_ref()
    }

    /// Whose cameras and screens are on.
    fn learn_shown(&mut self, update: &EventUpdate, now: UnixMillis) {
        let Some(kind) = update.event.meeting(self.product) else { return };
        let at = self.changed_at(update.event.time().map_or(When::Ours(now), When::Zoom), now);
        let people = update.event.people().into_iter().map(|person| person.user_id);
        let changes: Vec<_> = match kind {
            EventType::SharingStart => {
                let mut people: Vec<_> = people.collect();
                if people.is_empty() {
                    people.push(UserId::from(0));
                }
                people.into_iter().map(|who| Change::Shown(Medium::Deskshare, who)).collect()
            }
            EventType::SharingStop if update.event.people().is_empty() => {
                vec![Change::Hidden(Medium::Deskshare, None)]
            }
            EventType::SharingStop => people.map(|who| Change::Hidden(Medium::Deskshare, Some(who))).collect(),
            EventType::ParticipantVideoOn => people.map(|who| Change::Shown(Medium::Video, who)).collect(),
            EventType::ParticipantVideoOff => people.map(|who| Change::Hidden(Medium::Video, Some(who))).collect(),
            EventType::ParticipantLeave => people
                .flat_map(|who| {
                    [Medium::Video, Medium::Deskshare].map(|medium| Change::Hidden(medium, Some(who.clone())))
                })
                .collect(),
            EventType::Undefined
            | EventType::FirstPacketTimestamp
            | EventType::ActiveSpeakerChange
            | EventType::ParticipantJoin
            | EventType::MediaConnectionInterrupted
            | EventType::ChatGroupCreate
            | EventType::ChatGroupDelete
            | EventType::ChatGroupMembersAdd
            | EventType::ChatGroupMembersDelete
            | EventType::ChatGroupMemberStatusUpdate
            | EventType::Unknown(_) => Vec::new(),
        };
        for change in changes {
            self.ledger.tell(change, at, now);
        }
    }

    /// Which time a message is for: from when, and how many milliseconds. If its own is doubted, it is for now.
    pub(crate) fn extent(&self, input: &Input, doubt: Option<Doubt>, now: UnixMillis) -> Option<Extent> {
        let zoom_now = self.ledger.to_zoom(now);
        let believed = |at: Option<UnixMillis>| at.filter(|_| doubt.is_none()).unwrap_or(zoom_now);
        let Content { medium, at, bytes } = input.content()?;
        let from = believed(at);
        let mut ms = if medium == Medium::Audio { self.sound_ms(bytes) } else { self.usual_ms(medium) };
        if let Input::Transcript(said) = input {
            if said.attribute == Some(DataMessageAttribute::Delete) {
                return None;
            }
            let end = said.end_time.filter(|end| doubt.is_none() && self.is_end_believed(*end, now));
            // What is not over yet moves no end of the ledger.
            let latest = zoom_now.max(self.belief.newest()) + MAX_WORDS_AHEAD;
            ms = ms.max(end.map_or(0, |end| end.min(latest).0.saturating_sub(from.0)));
        }
        Some((medium, from, ms))
    }

    /// How long so many bytes of sound last.
    pub(crate) fn sound_ms(&self, bytes: usize) -> u64 {
        match &self.audio_bytes_per_ms {
            Some(bytes_per_ms) => (bytes as u64).div_ceil(bytes_per_ms.get()),
            None => self.usual_ms(Medium::Audio),
        }
    }

    /// How long a packet lasts that is not here to be looked at.
    pub(crate) fn usual_ms(&self, medium: Medium) -> u64 {
        match medium {
            Medium::Audio => self.audio_params.as_ref().map_or(20, |params| u64::from(params.format().send_rate)),
            Medium::Video | Medium::Deskshare => PICTURE_MS,
            Medium::Transcript | Medium::Chat => 1,
        }
    }
}

/// Of which medium something is, from when on, and for how many milliseconds.
pub(crate) type Extent = (Medium, UnixMillis, u64);

/// Keeps a time as it was sent beside the one that is taken for it.
fn keep_as_sent(extra: &mut Extra, name: &str, sent: UnixMillis) {
    extra.entry(format!("{name}_as_sent")).or_insert_with(|| sent.0.into());
}

/// A message with the time at which it came in the place of one that is doubted, which stays beside it as it was sent.
///
/// A packet of sound that is far off keeps its time, as it lies aside for it.
fn dated(mut input: Input, doubt: Option<Doubt>, came_at: Option<UnixMillis>) -> Input {
    let (Some(doubt), Some(came_at)) = (doubt, came_at) else { return input };
    match &mut input {
        Input::Audio(_) if doubt != Doubt::NoTime => {}
        Input::Audio(data) | Input::Video(data) | Input::Deskshare(data) => {
            keep_as_sent(&mut data.extra, "timestamp", data.timestamp);
            data.timestamp = came_at;
        }
        Input::Transcript(said) => {
            for (name, time) in [
                ("start_time", &mut said.start_time),
                ("end_time", &mut said.end_time),
                ("timestamp", &mut said.timestamp),
            ] {
                if let Some(sent) = time.take() {
                    keep_as_sent(&mut said.extra, name, sent);
                }
            }
            said.timestamp = Some(came_at);
        }
        Input::Chat(chat) => {
            if let Some(sent) = chat.timestamp.replace(came_at) {
                keep_as_sent(&mut chat.fields.extra, "timestamp", sent);
            }
        }
        Input::Granted(..)
        | Input::Event(_)
        | Input::Note(_)
        | Input::Word(_)
        | Input::Change(..)
        | Input::Dropped(_)
        | Input::Unreadable { .. }
        | Input::Raw(_)
        | Input::Repeats { .. }
        | Input::Clock { .. } => {}
    }
    input
}

/// How many bytes of sound last a millisecond, where each lasts as long as another.
fn bytes_per_ms(granted: Option<&AudioParams>) -> Option<NonZeroU64> {
    let format = granted.cloned().unwrap_or_default().format();
    let samples = u64::from(format.hertz()? / 1000) * u64::from(format.channels()?);
    match format.codec {
        MediaPayloadType::L16 => NonZeroU64::new(2 * samples),
        MediaPayloadType::G711 => NonZeroU64::new(samples),
        // 64 kbit/s whatever the rate is called.
        MediaPayloadType::G722 => NonZeroU64::new(8 * u64::from(format.channels()?)),
        MediaPayloadType::Opus
        | MediaPayloadType::Undefined
        | MediaPayloadType::Jpg
        | MediaPayloadType::Png
        | MediaPayloadType::H264
        | MediaPayloadType::Unknown(_) => None,
    }
}
