//! `[media]`: what is asked of Zoom, in words instead of Zoom's numbers.

use rtms_proto::{
    config::{MediaLayout, StreamConfig},
    error::Misuse,
};
use rtms_wire::{
    codes::{
        language::TranscriptLanguage,
        media::{AudioChannel, AudioSampleRate, MediaContentType, MediaDataOption, MediaPayloadType, MediaResolution},
    },
    media::{
        audio::AudioParams,
        medium::{MediaTypes, Medium},
        params::{MAX_FPS, MAX_IMAGE_FPS, MediaParams, ParamsRefused},
        text::{ChatParams, TranscriptParams},
        video::VideoParams,
    },
};
use serde::Deserialize;

use crate::config::error::{ConfigError, Unusable};

/// `[media]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Media {
    /// The media that are requested.
    pub want: Vec<Medium>,
    /// The layout of the connections for them.
    pub layout: Layout,
    /// Whether the sound before our connection is wanted.
    pub backlog: bool,
    /// The bytes that may wait for a slow disk, per stream.
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
    /// One connection for all media.
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
    /// The camera of the active speaker.
    Active,
    /// The camera of a chosen participant.
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
        Ok(self.in_zooms_terms()?)
    }

    /// Checks that Zoom would accept it.
    pub(super) fn checked(&self) -> Result<(), Unusable> {
        self.in_zooms_terms()?.check().map_err(|misuse| self.unusable(&misuse))
    }

    fn in_zooms_terms(&self) -> Result<StreamConfig, Unusable> {
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

    /// Why Zoom would refuse what is asked for: the setting with the value that it has, and what would do.
    fn unusable(&self, misuse: &Misuse) -> Unusable {
        let (setting, why) = match misuse {
            Misuse::NoMedia => {
                ("media.want", "name one at least of audio, video, deskshare, transcript and chat".into())
            }
            Misuse::Params(refused) => self.refused(refused),
            Misuse::NoServerUrl => ("media", misuse.to_string()),
        };
        let section = setting.rsplit_once('.').map_or(setting, |(section, _)| section);
        Unusable::new(&[setting, &format!("{section}.codec"), &format!("{section}.fps")], why)
    }

    fn refused(&self, refused: &ParamsRefused) -> (&'static str, String) {
        let not_here = |value: &dyn std::fmt::Display, rule: &str| format!("{value} is not taken by Zoom: {rule}");
        let quoted = |codec: Codec| format!("\"{}\"", codec.as_str());
        let Audio { codec, sample_rate, channels, send_rate, .. } = &self.audio;
        let pictures = |codec: Codec, fps: u32, least: u32| {
            let rule = match codec {
                Codec::Jpg | Codec::Png => format!("with fps = {fps}; it goes with fps up to {MAX_IMAGE_FPS}"),
                Codec::H264 => format!("with fps = {fps}; it goes with fps from {least} on"),
                Codec::L16 | Codec::G711 | Codec::G722 | Codec::Opus => "here; use h264, jpg or png".to_owned(),
            };
            format!("{} is not taken by Zoom {rule}", quoted(codec))
        };
        let fps = |fps: u32| not_here(&fps, &format!("use 1 to {MAX_FPS}"));
        match (refused.medium, refused.field) {
            (Medium::Audio, "sample_rate") => {
                let rate = match codec {
                    Codec::Opus => "48000",
                    Codec::G711 => "8000",
                    Codec::G722 => "16000",
                    Codec::L16 | Codec::Jpg | Codec::Png | Codec::H264 => "8000, 16000, 32000 or 48000",
                };
                let rule = format!("{} goes with {rate}", codec.as_str());
                ("media.audio.sample_rate", not_here(sample_rate, &rule))
            }
            (Medium::Audio, "channel") => {
                ("media.audio.channels", not_here(channels, &format!("{} goes with 1", codec.as_str())))
            }
            (Medium::Audio, "send_rate") => {
                let rule = match codec {
                    Codec::L16 => "use 20 to 1000 in steps of 20".to_owned(),
                    codec @ (Codec::Opus | Codec::G711 | Codec::G722 | Codec::Jpg | Codec::Png | Codec::H264) => {
                        format!("{} goes with 20", codec.as_str())
                    }
                };
                ("media.audio.send_rate", not_here(send_rate, &rule))
            }
            (Medium::Audio, "codec") => ("media.audio.codec", not_here(&quoted(*codec), "use l16, opus, g711 or g722")),
            (Medium::Video, "fps") => ("media.video.fps", fps(self.video.fps)),
            (Medium::Deskshare, "fps") => ("media.deskshare.fps", fps(self.deskshare.fps)),
            (Medium::Video, "codec") => {
                ("media.video.codec", pictures(self.video.codec, self.video.fps, MAX_IMAGE_FPS + 1))
            }
            (Medium::Deskshare, "codec") => {
                ("media.deskshare.codec", pictures(self.deskshare.codec, self.deskshare.fps, 2))
            }
            (Medium::Transcript, "src_language") => {
                let rule = "9 is English, -1 leaves it to detection; crates/wire/src/codes/language.rs has the others";
                ("media.transcript.language", not_here(&self.transcript.language, rule))
            }
            // What else there is in Zoom's matrix follows from the settings and fits.
            (Medium::Audio | Medium::Video | Medium::Deskshare | Medium::Transcript | Medium::Chat, _) => {
                ("media", format!("Zoom would refuse this: {refused}"))
            }
        }
    }
}

impl Codec {
    fn as_str(self) -> &'static str {
        match self {
            Self::L16 => "l16",
            Self::G711 => "g711",
            Self::G722 => "g722",
            Self::Opus => "opus",
            Self::Jpg => "jpg",
            Self::Png => "png",
            Self::H264 => "h264",
        }
    }
}

impl Audio {
    fn params(&self) -> Result<AudioParams, Unusable> {
        let unusable = |setting, why: &str| Unusable::new(&[setting], why);
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
