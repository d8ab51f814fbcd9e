//! What audio is asked for and granted: `media_params.audio`.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::codes::media::{AudioChannel, AudioSampleRate, MediaContentType, MediaDataOption, MediaPayloadType};

/// `media_params.audio` as it stands on the wire; what is missing takes Zoom's default. Basis: documented.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AudioParams {
    /// RTP or raw; default raw.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content_type: Option<MediaContentType>,
    /// Default 16 kHz.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sample_rate: Option<AudioSampleRate>,
    /// Default mono.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub channel: Option<AudioChannel>,
    /// Default L16.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub codec: Option<MediaPayloadType>,
    /// One mixed stream (the default) or one per speaker.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data_opt: Option<MediaDataOption>,
    /// Milliseconds of sound in a packet, a multiple of 20; default 20.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub send_rate: Option<u32>,
}

impl AudioParams {
    /// Fills what is missing with Zoom's defaults.
    pub fn format(&self) -> AudioFormat {
        AudioFormat {
            content_type: self.content_type.unwrap_or(MediaContentType::RawAudio),
            sample_rate: self.sample_rate.unwrap_or(AudioSampleRate::Khz16),
            channel: self.channel.unwrap_or(AudioChannel::Mono),
            codec: self.codec.unwrap_or(MediaPayloadType::L16),
            data_opt: self.data_opt.unwrap_or(MediaDataOption::AudioMixedStream),
            send_rate: self.send_rate.unwrap_or(20),
        }
    }
}

/// The audio that a connection carries, complete. Decoding follows what message 4 granted, never what was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AudioFormat {
    /// RTP or raw.
    pub content_type: MediaContentType,
    /// Samples a second, as Zoom's code.
    pub sample_rate: AudioSampleRate,
    /// Mono or stereo; stereo samples are interleaved, left first.
    pub channel: AudioChannel,
    /// L16 is signed 16-bit **little-endian** PCM.
    pub codec: MediaPayloadType,
    /// Mixed or one per speaker.
    pub data_opt: MediaDataOption,
    /// Milliseconds of sound in a packet.
    pub send_rate: u32,
}

impl AudioFormat {
    /// Samples a second and channel; none for a code that is not listed.
    pub fn hertz(&self) -> Option<u32> {
        match self.sample_rate {
            AudioSampleRate::Khz8 => Some(8_000),
            AudioSampleRate::Khz16 => Some(16_000),
            AudioSampleRate::Khz32 => Some(32_000),
            AudioSampleRate::Khz48 => Some(48_000),
            AudioSampleRate::Unknown(_) => None,
        }
    }

    /// 1 or 2; none for a code that is not listed.
    pub fn channels(&self) -> Option<u16> {
        match self.channel {
            AudioChannel::Mono => Some(1),
            AudioChannel::Stereo => Some(2),
            AudioChannel::Unknown(_) => None,
        }
    }

    /// How much sound a packet holds.
    pub fn packet(&self) -> Duration {
        Duration::from_millis(u64::from(self.send_rate))
    }
}

impl From<AudioFormat> for AudioParams {
    fn from(format: AudioFormat) -> Self {
        Self {
            content_type: Some(format.content_type),
            sample_rate: Some(format.sample_rate),
            channel: Some(format.channel),
            codec: Some(format.codec),
            data_opt: Some(format.data_opt),
            send_rate: Some(format.send_rate),
        }
    }
}
