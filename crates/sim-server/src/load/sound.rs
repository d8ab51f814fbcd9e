//! The sound that every stream is told: a tone, prepared once, in messages that are made once for all.

use bytes::Bytes;
use rtms_wire::{
    codes::media::{AudioChannel, AudioSampleRate, MediaContentType, MediaDataOption, MediaPayloadType},
    ids::UserId,
    media::{audio::AudioParams, params::MediaParams},
    message::{Message, media_data::MediaData},
    time::UnixMillis,
};

use crate::load::frame;

/// Milliseconds of sound in a packet: 640 bytes.
pub(crate) const PACKET_MS: u64 = 20;

const SAMPLES_PER_SECOND: u32 = 16_000;
const SAMPLES_PER_PACKET: usize = 320;

/// Whole periods of it fit into a second, so that the second can be repeated without a click.
const TONE_HZ: f64 = 440.0;
const AMPLITUDE: f64 = 8_000.0;

/// A second of sound in packets.
pub(crate) struct Sound {
    packets: Vec<Bytes>,
}

impl Sound {
    pub(crate) fn new() -> Self {
        let sample = |index: u32| {
            let turns = f64::from(index) / f64::from(SAMPLES_PER_SECOND) * TONE_HZ;
            let value = (turns * std::f64::consts::TAU).sin() * AMPLITUDE;
            // The amplitude is far below what 16 bits hold.
            (value as i16).to_le_bytes()
        };
        let samples: Vec<_> = (0..SAMPLES_PER_SECOND).map(sample).collect();
        Self { packets: samples.chunks(SAMPLES_PER_PACKET).map(|packet| packet.concat().into()).collect() }
    }

    /// The frame of packet `number`, counted from the start.
    pub(crate) fn frame(&self, number: u64, start: UnixMillis) -> Bytes {
        let data = usize::try_from(number).ok().and_then(|number| self.packets.get(number % self.packets.len().max(1)));
        let message = Message::MediaDataAudio(MediaData {
            user_id: Some(UserId::mixed()),
            data: data.cloned().unwrap_or_default(),
            timestamp: UnixMillis(start.0 + number * PACKET_MS),
            ..MediaData::default()
        });
        frame::text(&message.encode())
    }

    /// What message 4 grants, whatever was asked for: there is one sound for all.
    pub(crate) fn params() -> MediaParams {
        MediaParams {
            audio: Some(AudioParams {
                content_type: Some(MediaContentType::RawAudio),
                sample_rate: Some(AudioSampleRate::Khz16),
                channel: Some(AudioChannel::Mono),
                codec: Some(MediaPayloadType::L16),
                data_opt: Some(MediaDataOption::AudioMixedStream),
                send_rate: Some(20),
            }),
            ..MediaParams::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_packet_has_640_bytes_and_time_goes_on_by_20_ms() {
        let sound = Sound::new();
        assert_eq!(sound.packets.len(), 50);
        for number in [0, 7, 50, 1_000_003] {
            let frame = sound.frame(number, UnixMillis(1_000));
            let Ok(Message::MediaDataAudio(packet)) = Message::decode(&frame[4..]) else { panic!("{frame:?}") };
            assert_eq!((packet.data.len(), packet.timestamp.0), (640, 1_000 + number * 20));
            assert_eq!(packet.data, sound.packets[usize::try_from(number % 50).unwrap()]);
        }
    }
}
