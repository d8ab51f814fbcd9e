//! Sound on a grid of packets that starts with the stream; silence has no packets.

use std::collections::BTreeMap;

use bytes::Bytes;
use rtms_wire::{
    codes::media::{MediaDataOption, MediaPayloadType},
    ids::UserId,
    media::audio::AudioFormat,
    message::Message,
};

#[cfg(feature = "opus")]
use crate::source::audio_codec::OpusPackets;
use crate::{
    media::{due::Due, studio::Studio},
    sent::{Payload, What},
    source::audio_codec::{self, G722Packets},
};

/// The sound of one connection.
#[derive(Debug)]
pub(super) struct AudioTrack {
    format: AudioFormat,
    rate_hz: u32,
    channels: u16,
    /// The next packet of the grid.
    slot: u64,
    /// When the next packet with sound is complete; none when nobody speaks any more.
    wake_ms: Option<u64>,
    /// Not before this moment, while a backlog is handed out.
    not_before_ms: u64,
    /// What has to remember the sound before, by whose sound it is.
    encoders: BTreeMap<UserId, Encoder>,
}

#[derive(Debug)]
enum Encoder {
    G722(Box<G722Packets>),
    #[cfg(feature = "opus")]
    Opus(Box<OpusPackets>),
}

impl AudioTrack {
    /// A backlog goes out in bites of this much sound …
    const BITE_MS: u64 = 500;
    /// … this often: 25 times as fast as it was said, but not so fast that it fills queues.
    const BITE_EVERY_MS: u64 = 20;

    pub(super) fn new(format: AudioFormat, from_ms: u64, now_ms: u64) -> Self {
        let packet_ms = u64::from(format.send_rate).max(1);
        Self {
            format,
            // The checks let only listed rates and channels through.
            rate_hz: format.hertz().unwrap_or(16_000),
            channels: format.channels().unwrap_or(1),
            slot: from_ms.div_ceil(packet_ms),
            // To be looked at once.
            wake_ms: Some(now_ms),
            not_before_ms: now_ms,
            encoders: BTreeMap::new(),
        }
    }

    fn packet_ms(&self) -> u64 {
        u64::from(self.format.send_rate).max(1)
    }

    /// Up to which moment sound was handed out. What follows until now is silence.
    pub(super) fn sent_ms(&self) -> u64 {
        self.slot * self.packet_ms()
    }

    pub(super) fn next_ms(&self) -> Option<u64> {
        self.wake_ms.map(|wake_ms| wake_ms.max(self.not_before_ms))
    }

    pub(super) fn due(&mut self, studio: &mut Studio, now_ms: u64, out: &mut Vec<Due>) {
        if now_ms < self.not_before_ms {
            return;
        }
        let packet_ms = self.packet_ms();
        let mut bite_ms = 0;
        loop {
            let next = studio.meeting.next_sound(self.sent_ms()).map(|sound_ms| sound_ms / packet_ms);
            // Silence is passed over, but no further than to now: there may be more packets before the next sound after
            // a change of rate.
            self.slot = self.slot.max(next.unwrap_or(u64::MAX).min(now_ms / packet_ms));
            // A packet is complete when its time is over.
            self.wake_ms = next.map(|slot| (slot + 1) * packet_ms);
            if self.wake_ms.is_none_or(|wake_ms| wake_ms > now_ms) {
                return;
            }
            if bite_ms >= Self::BITE_MS {
                self.not_before_ms = now_ms + Self::BITE_EVERY_MS;
                return;
            }
            self.packets(studio, self.sent_ms(), out);
            self.slot += 1;
            bite_ms += packet_ms;
        }
    }

    /// All packets of one slot.
    fn packets(&mut self, studio: &mut Studio, from_ms: u64, out: &mut Vec<Due>) {
        let to_ms = from_ms + self.packet_ms();
        let is_mixed = self.format.data_opt == MediaDataOption::AudioMixedStream;
        for (whose, utterances) in studio.voices(from_ms, to_ms, is_mixed) {
            out.push(self.packet(studio, whose, &utterances, from_ms));
        }
    }

    fn packet(&mut self, studio: &mut Studio, speaker: Option<usize>, utterances: &[usize], from_ms: u64) -> Due {
        let user_id = speaker
            .and_then(|index| studio.meeting.participants.get(index))
            .map_or_else(UserId::mixed, |who| who.user_id.clone());
        let bytes = studio.marker(b'A', speaker, self.slot, false).unwrap_or_else(|| {
            let mono = studio.record(utterances, from_ms, from_ms + self.packet_ms(), self.rate_hz);
            self.encode(&user_id, &interleave(&mono, self.channels)).into()
        });
        let data = studio.sound_data(speaker, bytes, studio.at(from_ms));
        let payload = Payload::new(user_id, data.timestamp, Bytes::clone(&data.data));
        (Message::MediaDataAudio(data), What::Audio(payload))
    }

    fn encode(&mut self, whose: &UserId, samples: &[i16]) -> Vec<u8> {
        if !self.encoders.contains_key(whose)
            && let Some(encoder) = Encoder::new(self.format.codec, self.channels)
        {
            self.encoders.insert(whose.clone(), encoder);
        }
        match (self.encoders.get_mut(whose), self.format.codec) {
            (Some(Encoder::G722(packets)), _) => packets.encode(samples),
            #[cfg(feature = "opus")]
            (Some(Encoder::Opus(packets)), _) => packets.encode(samples),
            (None, MediaPayloadType::G711) => audio_codec::a_law(samples),
            (None, _) => audio_codec::l16(samples),
        }
    }
}

impl Encoder {
    /// None for codecs that treat every sample by itself.
    #[cfg_attr(not(feature = "opus"), expect(unused_variables, reason = "only Opus has more than one channel"))]
    fn new(codec: MediaPayloadType, channels: u16) -> Option<Self> {
        match codec {
            MediaPayloadType::G722 => Some(Self::G722(Box::default())),
            #[cfg(feature = "opus")]
            MediaPayloadType::Opus => OpusPackets::new(channels).map(|packets| Self::Opus(Box::new(packets))),
            // The handshake refuses it.
            #[cfg(not(feature = "opus"))]
            MediaPayloadType::Opus => None,
            MediaPayloadType::G711
            | MediaPayloadType::L16
            | MediaPayloadType::Undefined
            | MediaPayloadType::Jpg
            | MediaPayloadType::Png
            | MediaPayloadType::H264
            | MediaPayloadType::Unknown(_) => None,
        }
    }
}

/// One channel into `channels`; the right one is a little quieter, so that the two can be told apart.
fn interleave(mono: &[i16], channels: u16) -> Vec<i16> {
    if channels == 1 {
        return mono.to_vec();
    }
    mono.iter().flat_map(|&left| [left, left - left / 4]).collect()
}
