//! What the media is made from and measured against: the meeting, its clock, and the sound of what is being said.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use bytes::Bytes;
use rtms_wire::{
    SmolStr,
    codes::product::Product,
    extra::Extra,
    ids::{ChannelId, UserId},
    message::media_data::MediaData,
    time::UnixMillis,
};

use crate::{
    meeting::{
        options::{MediaDetail, Scene},
        story::{MOST_SPEAKERS, Meeting},
    },
    seed::Seed,
    signaling::{channel_id, phone_channel_id, phone_party},
    source::{marker::Marker, phrases, speech},
};

/// What the media is made from and measured against. All times are milliseconds since the stream started.
pub(crate) struct Studio {
    pub(crate) meeting: Arc<Meeting>,
    pub(crate) start: UnixMillis,
    pub(crate) product: Product,
    seed: Seed,
    pub(super) transcript_delay_ms: u64,
    /// Utterances as sound, those used last at the back.
    said: VecDeque<(usize, u32, Arc<[i16]>)>,
}

impl Studio {
    /// Sound of the last few utterances is kept; more than talk at once in any meeting.
    const KEPT: usize = 12;

    pub(crate) fn new(
        meeting: Arc<Meeting>,
        product: Product,
        seed: Seed,
        start: UnixMillis,
        transcript_delay: Duration,
    ) -> Self {
        let transcript_delay_ms = u64::try_from(transcript_delay.as_millis()).unwrap_or(u64::MAX);
        Self { meeting, start, product, seed, transcript_delay_ms, said: VecDeque::new() }
    }

    pub(super) fn at(&self, at_ms: u64) -> UnixMillis {
        self.start + Duration::from_millis(at_ms)
    }

    pub(super) fn scene(&self) -> Scene {
        self.meeting.options.scene
    }

    /// What is sent in place of media, if markers are wanted.
    pub(super) fn marker(
        &self,
        medium: u8,
        participant: Option<usize>,
        slot: u64,
        is_key_frame: bool,
    ) -> Option<Bytes> {
        if self.meeting.options.detail == MediaDetail::Real {
            return None;
        }
        let participant = participant.and_then(|index| u16::try_from(index).ok()).unwrap_or(Marker::MIXED);
        // Long after any meeting the number of the slot starts again.
        let slot = (slot & u64::from(u32::MAX)) as u32;
        let marker = Marker { medium, is_key_frame, participant, slot, seed: self.meeting.options.seed };
        Some(Bytes::copy_from_slice(&marker.to_bytes()))
    }

    /// Who speaks in a stretch of time, in the order in which they began, each with the utterances; at most three.
    pub(super) fn speakers(&self, from_ms: u64, to_ms: u64) -> Vec<(usize, Vec<usize>)> {
        let mut speakers: Vec<(usize, Vec<usize>)> = Vec::new();
        for (index, said) in self.meeting.said_between(from_ms, to_ms) {
            if let Some((_, utterances)) = speakers.iter_mut().find(|(speaker, _)| *speaker == said.speaker) {
                utterances.push(index);
            } else if speakers.len() < MOST_SPEAKERS {
                speakers.push((said.speaker, vec![index]));
            }
        }
        speakers
    }

    /// The sound of utterances in a stretch of time.
    ///
    /// Mono samples for the whole stretch, silent where nothing is said. The stretch is whole milliseconds at a rate
    /// that divides them.
    pub(super) fn record(&mut self, utterances: &[usize], from_ms: u64, to_ms: u64, rate_hz: u32) -> Vec<i16> {
        let meeting = Arc::clone(&self.meeting);
        let per_ms = (rate_hz / 1000) as usize;
        let mut samples = vec![0_i16; (to_ms - from_ms) as usize * per_ms];
        for index in utterances {
            let Some(said) = meeting.utterances.get(*index) else { continue };
            let sound = self.sound(*index, rate_hz);
            let first = from_ms.max(said.start_ms);
            let last = to_ms.min(said.end_ms);
            let source = sound.get((first - said.start_ms) as usize * per_ms..(last - said.start_ms) as usize * per_ms);
            let target = samples.get_mut((first - from_ms) as usize * per_ms..(last - from_ms) as usize * per_ms);
            if let (Some(source), Some(target)) = (source, target) {
                for (to, from) in target.iter_mut().zip(source) {
                    *to = to.saturating_add(*from);
                }
            }
        }
        samples
    }

    /// The sound of one utterance at a rate, made when it is first needed.
    fn sound(&mut self, utterance: usize, rate_hz: u32) -> Arc<[i16]> {
        if let Some((_, _, sound)) = self.said.iter().find(|(index, rate, _)| *index == utterance && *rate == rate_hz) {
            return Arc::clone(sound);
        }
        let sound: Arc<[i16]> = self.make_sound(utterance, rate_hz).unwrap_or_default().into();
        if self.said.len() >= Self::KEPT {
            self.said.pop_front();
        }
        self.said.push_back((utterance, rate_hz, Arc::clone(&sound)));
        sound
    }

    fn make_sound(&self, utterance: usize, rate_hz: u32) -> Option<Vec<i16>> {
        let said = self.meeting.utterances.get(utterance)?;
        let duration_ms = said.end_ms - said.start_ms;
        let options = &self.meeting.options;
        if options.scene == Scene::FlashAndBeep {
            return Some(speech::beep(duration_ms, rate_hz));
        }
        if let Some(brought) = &options.sources.sound {
            return Some(brought.play(said.start_ms, duration_ms, rate_hz));
        }
        let seed = self.seed.fork("utterance", utterance as u64);
        let voice = &self.meeting.participants.get(said.speaker)?.voice;
        // Where nobody knows the words, it is four syllables a second.
        let syllables = if said.text.is_empty() { duration_ms / 250 } else { phrases::syllables(&said.text) };
        Some(voice.speak(seed, duration_ms, syllables, rate_hz))
    }

    /// Who speaks as packets have it: in a Phone call each of its two channels, whatever form was asked for, and
    /// otherwise each person, or all mixed together. Basis: observed in vendor code for Phone.
    pub(super) fn voices(&self, from_ms: u64, to_ms: u64, is_mixed: bool) -> Vec<(Option<usize>, Vec<usize>)> {
        let mut voices: Vec<(Option<usize>, Vec<usize>)> = Vec::new();
        for (speaker, utterances) in self.speakers(from_ms, to_ms) {
            let whose = if self.product == Product::Phone {
                Some(phone_party(speaker))
            } else {
                Some(speaker).filter(|_| !is_mixed)
            };
            match voices.iter_mut().find(|(voice, _)| *voice == whose) {
                Some((_, all)) => all.extend(utterances),
                None => voices.push((whose, utterances)),
            }
        }
        voices
    }

    /// A packet of sound; of everybody where nobody is named. In the Contact Center it names its channel, with
    /// `user_id` 0 beside it: Zoom's sample reads the one and Zoom's SDK the other. Basis: documented for the channel
    /// of a party; `channel_id` in mixed form observed in vendor code, with which value is not known. Sound of Phone
    /// names its channel likewise.
    pub(super) fn sound_data(&self, whose: Option<usize>, data: Bytes, timestamp: UnixMillis) -> MediaData {
        let mut sound = self.media_data(whose, data, timestamp);
        if self.product == Product::ContactCenter {
            sound.user_id = Some(UserId::mixed());
            sound.channel_id.get_or_insert_with(|| ChannelId::new("ch-mixed"));
        } else if self.product == Product::Phone {
            sound.user_id = Some(UserId::mixed());
            sound.user_name = None;
            sound.channel_id = whose.map(phone_channel_id);
        }
        sound
    }

    /// A picture, or what is common to all media; of everybody where nobody is named.
    pub(super) fn media_data(&self, whose: Option<usize>, data: Bytes, timestamp: UnixMillis) -> MediaData {
        let (user_id, user_name, channel_id) = match whose {
            Some(index) => self.owner(index),
            None => (Some(UserId::mixed()), None, None),
        };
        MediaData { user_id, user_name, channel_id, data, timestamp, attribute: None, extra: Extra::new() }
    }

    /// How media names its owner: by number and name, in the Contact Center by channel.
    pub(super) fn owner(&self, index: usize) -> (Option<UserId>, Option<SmolStr>, Option<ChannelId>) {
        let who = self.meeting.participants.get(index);
        if self.product == Product::ContactCenter {
            (None, None, Some(channel_id(index)))
        } else {
            (who.map(|who| who.user_id.clone()), who.map(|who| who.name.as_str().into()), None)
        }
    }
}

impl std::fmt::Debug for Studio {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Studio").field("start", &self.start).finish_non_exhaustive()
    }
}
