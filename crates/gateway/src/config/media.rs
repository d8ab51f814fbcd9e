//! `[media]`: what is asked of Zoom, in words instead of Zoom's numbers.

use rtms_proto::config::{MediaLayout, StreamConfig};
use rtms_wire::{
    codes::{
        language::TranscriptLanguage,
        media::{AudioChannel, AudioSampleRate, MediaContentType, MediaDataOption, MediaPayloadType, MediaResolution},
    },
    media::{
        audio::AudioParams,
        medium::{MediaTypes, Medium},
        params::MediaParams,
        text::{ChatParams, TranscriptParams},
        video::VideoParams,
    },
};
use serde::Deserialize;

use crate::config::ConfigError;

/// `[media]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Media {
    /// Which media.
    pub want: Vec<Medium>,
    /// How they are spread over connections.
    pub layout: Layout,
    /// Whether the sound before our connection is wanted.
    pub backlog: bool,
    /// How much may wait for a slow disk, per stream.
    pub queue_bytes: usize,
    /// `[media.audio]`.
    pub audio: Audio,
    /// `[media.video]`.
    pub video: Video,
    /// `[media.deskshare]`.
    pub deskshare: Deskshare,
    /// `[media.transcript]`.
    pub transcript: Transcript,
}

/// `layout`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Layout {
    /// A connection per medium.
    Split,
    /// One for all.
    Unified,
}

/// `[media.audio]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Audio {
    /// `l16`, `opus`, `g711` or `g722`.
    pub codec: Codec,
    /// Hertz.
    pub sample_rate: u32,
    /// 1 or 2.
    pub channels: u16,
    /// `multi` or `mixed`.
    pub streams: AudioStreams,
    /// Milliseconds of sound in a packet.
    pub send_rate: u32,
}

/// `[media.video]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Video {
    /// `h264`, `jpg` or `png`.
    pub codec: Codec,
    /// An upper wish.
    pub resolution: Resolution,
    /// Pictures a second.
    pub fps: u32,
    /// `active` or `individual`.
    pub streams: VideoStreams,
}

/// `[media.deskshare]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Deskshare {
    /// `h264`, `jpg` or `png`.
    pub codec: Codec,
    /// An upper wish.
    pub resolution: Resolution,
    /// Pictures a second.
    pub fps: u32,
}

/// `[media.transcript]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Transcript {
    /// Zoom's number of the first language.
    pub language: i64,
    /// Whether Zoom detects it later.
    pub detect_language: bool,
}

/// `codec`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Codec {
    /// PCM.
    L16,
    /// G.711 A-law.
    G711,
    /// G.722.
    G722,
    /// Opus.
    Opus,
    /// JPEG.
    Jpg,
    /// PNG.
    Png,
    /// H.264 Annex B.
    H264,
}

/// `resolution`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Resolution {
    /// 854×480 or 640×360.
    Sd,
    /// 1280×720.
    Hd,
    /// 1920×1080.
    Fhd,
    /// 2560×1440.
    Qhd,
}

/// `streams` of audio.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AudioStreams {
    /// A track per speaker.
    Multi,
    /// One track of all.
    Mixed,
}

/// `streams` of video.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum VideoStreams {
    /// Who speaks.
    Active,
    /// Whom one chooses.
    Individual,
}

impl From<Codec> for MediaPayloadType {
    fn from(codec: Codec) -> Self {
        match codec {
            Codec::L16 => Self::L16,
            Codec::G711 => Self::G711,
            Codec::G722 => Self::G722,
            Codec::Opus => Self::Opus,
            Codec::Jpg => Self::Jpg,
            Codec::Png => Self::Png,
            Codec::H264 => Self::H264,
        }
    }
}

impl From<Resolution> for MediaResolution {
    fn from(resolution: Resolution) -> Self {
        match resolution {
            Resolution::Sd => Self::Sd,
            Resolution::Hd => Self::Hd,
            Resolution::Fhd => Self::Fhd,
            Resolution::Qhd => Self::Qhd,
        }
    }
}

impl Media {
    /// The same in Zoom's terms.
    ///
    /// # Errors
    /// [`ConfigError`] for numbers that Zoom has no code for; combinations are checked by the result's `check`.
    pub fn stream_config(&self) -> Result<StreamConfig, ConfigError> {
        Ok(StreamConfig {
            media: MediaTypes::of(self.want.iter().copied()),
            params: MediaParams {
                audio: Some(self.audio.params()?),
                video: Some(self.video.params()),
                deskshare: Some(self.deskshare.params()),
                transcript: Some(TranscriptParams {
                    content_type: Some(MediaContentType::Text),
                    src_language: Some(TranscriptLanguage::from_code(self.transcript.language)),
                    enable_lid: Some(self.transcript.detect_language),
                }),
                chat: Some(ChatParams::default().with_defaults()),
            },
            layout: match self.layout {
                Layout::Split => MediaLayout::Split,
                Layout::Unified => MediaLayout::Unified,
            },
            buffer_data: self.backlog,
        })
    }
}

impl Audio {
    fn params(&self) -> Result<AudioParams, ConfigError> {
        let unusable = |setting, why: &str| ConfigError::Unusable { setting, why: why.into() };
        Ok(AudioParams {
            content_type: Some(MediaContentType::RawAudio),
            sample_rate: Some(match self.sample_rate {
                8_000 => AudioSampleRate::Khz8,
                16_000 => AudioSampleRate::Khz16,
                32_000 => AudioSampleRate::Khz32,
                48_000 => AudioSampleRate::Khz48,
                _ => return Err(unusable("media.audio.sample_rate", "use 8000, 16000, 32000 or 48000")),
            }),
            channel: Some(match self.channels {
                1 => AudioChannel::Mono,
                2 => AudioChannel::Stereo,
                _ => return Err(unusable("media.audio.channels", "use 1 or 2")),
            }),
            codec: Some(self.codec.into()),
            data_opt: Some(match self.streams {
                AudioStreams::Multi => MediaDataOption::AudioMultiStreams,
                AudioStreams::Mixed => MediaDataOption::AudioMixedStream,
            }),
            send_rate: Some(self.send_rate),
        })
    }
}

impl Video {
    fn params(&self) -> VideoParams {
        VideoParams {
            content_type: Some(MediaContentType::RawVideo),
            codec: Some(self.codec.into()),
            resolution: Some(self.resolution.into()),
            data_opt: Some(match self.streams {
                VideoStreams::Active => MediaDataOption::VideoSingleActiveStream,
                VideoStreams::Individual => MediaDataOption::VideoSingleIndividualStream,
            }),
            fps: Some(self.fps),
        }
    }
}

impl Deskshare {
    fn params(&self) -> VideoParams {
        VideoParams {
            content_type: Some(MediaContentType::RawVideo),
            codec: Some(self.codec.into()),
            resolution: Some(self.resolution.into()),
            data_opt: None,
            fps: Some(self.fps),
        }
    }
}
