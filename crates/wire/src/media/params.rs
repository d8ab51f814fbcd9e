//! `media_params` as a whole, and the combinations that Zoom allows.

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use crate::{
    codes::{
        media::{AudioChannel, AudioSampleRate, MediaContentType, MediaDataOption, MediaPayloadType, MediaResolution},
        status_code::StatusCode,
    },
    lenient,
    media::{
        audio::AudioParams,
        medium::{MediaTypes, Medium},
        text::{ChatParams, TranscriptParams},
        video::VideoParams,
    },
};

/// `media_params` of messages 3 and 4: one object per medium. Basis: documented, docs/protocol.md#media-parameters.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MediaParams {
    /// The parameters of sound.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub audio: Option<AudioParams>,
    /// The parameters of cameras.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub video: Option<VideoParams>,
    /// The parameters of a shared screen.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deskshare: Option<VideoParams>,
    /// The parameters of the transcript.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub transcript: Option<TranscriptParams>,
    /// The parameters of chat.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub chat: Option<ChatParams>,
}

/// A longest packet that Zoom sends, in milliseconds; more is clamped to it. Basis: documented.
pub const MAX_SEND_RATE: u32 = 1000;

/// The most pictures a second. Basis: documented.
pub const MAX_FPS: u32 = 30;

/// The most pictures a second as JPG or PNG. For deskshare documents say 1 and 5; we ask for 1 and take 5.
pub const MAX_IMAGE_FPS: u32 = 5;

impl MediaParams {
    /// The parameters of the wanted media with every default written out: what message 4 answers.
    pub fn negotiated(&self, wanted: MediaTypes) -> Self {
        let has = |medium| wanted.contains(medium);
        Self {
            audio: has(Medium::Audio).then(|| {
                let mut format = self.audio.clone().unwrap_or_default().format();
                format.send_rate = format.send_rate.min(MAX_SEND_RATE);
                format.into()
            }),
            video: has(Medium::Video).then(|| self.video.clone().unwrap_or_default().format(Medium::Video).into()),
            deskshare: has(Medium::Deskshare)
                .then(|| self.deskshare.clone().unwrap_or_default().format(Medium::Deskshare).into()),
            transcript: has(Medium::Transcript).then(|| self.transcript.clone().unwrap_or_default().with_defaults()),
            chat: has(Medium::Chat).then(|| self.chat.clone().unwrap_or_default().with_defaults()),
        }
    }

    /// Reads what was granted. What cannot be read of it counts as absent: a form that is told oddly is no reason to do
    /// without the medium.
    pub(crate) fn as_far_as_readable<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Self>, D::Error> {
        let Value::Object(mut media) = Value::deserialize(deserializer)? else { return Ok(None) };
        let mut params_of = |medium: Medium| media.remove(medium.as_str());
        Ok(Some(Self {
            audio: lenient::object(params_of(Medium::Audio)),
            video: lenient::object(params_of(Medium::Video)),
            deskshare: lenient::object(params_of(Medium::Deskshare)),
            transcript: lenient::object(params_of(Medium::Transcript)),
            chat: lenient::object(params_of(Medium::Chat)),
        }))
    }

    /// Only the parameters of these media: what a split media connection sends.
    pub fn only(&self, wanted: MediaTypes) -> Self {
        let mut params = self.clone();
        params.audio.take_if(|_| !wanted.contains(Medium::Audio));
        params.video.take_if(|_| !wanted.contains(Medium::Video));
        params.deskshare.take_if(|_| !wanted.contains(Medium::Deskshare));
        params.transcript.take_if(|_| !wanted.contains(Medium::Transcript));
        params.chat.take_if(|_| !wanted.contains(Medium::Chat));
        params
    }

    /// Checks the parameters of the wanted media against Zoom's matrix; others are not looked at, as Zoom ignores them.
    ///
    /// # Errors
    /// The first field that breaks a row, with the status code that Zoom answers.
    pub fn check(&self, wanted: MediaTypes) -> Result<(), ParamsRefused> {
        for medium in wanted.iter() {
            match medium {
                Medium::Audio => check_audio(self.audio.as_ref())?,
                Medium::Video => check_pictures(self.video.as_ref(), Medium::Video)?,
                Medium::Deskshare => check_pictures(self.deskshare.as_ref(), Medium::Deskshare)?,
                Medium::Transcript => check_transcript(self.transcript.as_ref())?,
                Medium::Chat => check_chat(self.chat.as_ref())?,
            }
        }
        Ok(())
    }
}

/// A combination that Zoom does not allow.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{medium} parameter {field} = {value} is not allowed: {rule} (status {status})")]
pub struct ParamsRefused {
    /// The medium.
    pub medium: Medium,
    /// The key inside its object.
    pub field: &'static str,
    /// What stood there.
    pub value: i64,
    /// The row of the matrix, in words.
    pub rule: &'static str,
    /// What Zoom answers.
    pub status: StatusCode,
}

fn check_audio(params: Option<&AudioParams>) -> Result<(), ParamsRefused> {
    let format = params.cloned().unwrap_or_default().format();
    let refuse = |field, value, rule, status| Err(ParamsRefused { medium: Medium::Audio, field, value, rule, status });

    match format.content_type {
        MediaContentType::RawAudio | MediaContentType::Rtp => {}
        MediaContentType::Undefined
        | MediaContentType::RawVideo
        | MediaContentType::FileStream
        | MediaContentType::Text
        | MediaContentType::Unknown(_) => {
            let status = StatusCode::InvalidMediaAudioContentType;
            return refuse("content_type", format.content_type.code(), "audio is RTP (1) or RAW_AUDIO (2)", status);
        }
    }
    match format.data_opt {
        MediaDataOption::AudioMixedStream | MediaDataOption::AudioMultiStreams => {}
        MediaDataOption::Undefined
        | MediaDataOption::VideoSingleActiveStream
        | MediaDataOption::VideoSingleIndividualStream
        | MediaDataOption::VideoMixedGalleryView
        | MediaDataOption::Unknown(_) => {
            let status = StatusCode::InvalidMediaAudioDataOpt;
            return refuse("data_opt", format.data_opt.code(), "audio is mixed (1) or one per speaker (2)", status);
        }
    }
    if format.hertz().is_none() {
        let status = StatusCode::InvalidMediaAudioSampleRate;
        return refuse("sample_rate", format.sample_rate.code(), "0 to 3: 8, 16, 32 or 48 kHz", status);
    }
    if format.channels().is_none() {
        let status = StatusCode::InvalidMediaAudioChannel;
        return refuse("channel", format.channel.code(), "1 mono or 2 stereo", status);
    }

    // The row of the matrix by codec: rate, whether stereo is allowed, whether packets may be longer than 20 ms.
    let (only_rate, stereo, long_packets, rule) = match format.codec {
        MediaPayloadType::L16 if format.content_type == MediaContentType::Rtp => {
            let status = StatusCode::InvalidMediaAudioContentType;
            return refuse("content_type", format.content_type.code(), "L16 goes with RAW_AUDIO (2) only", status);
        }
        MediaPayloadType::L16 => (None, true, true, "L16 goes with any rate, mono or stereo, 20 to 1000 ms"),
        MediaPayloadType::Opus => (Some(AudioSampleRate::Khz48), true, false, "OPUS goes with 48 kHz and 20 ms"),
        MediaPayloadType::G711 => (Some(AudioSampleRate::Khz8), false, false, "G711 goes with 8 kHz, mono and 20 ms"),
        MediaPayloadType::G722 => (Some(AudioSampleRate::Khz16), false, false, "G722 goes with 16 kHz, mono and 20 ms"),
        MediaPayloadType::Undefined
        | MediaPayloadType::Jpg
        | MediaPayloadType::Png
        | MediaPayloadType::H264
        | MediaPayloadType::Unknown(_) => {
            let status = StatusCode::InvalidMediaAudioCodec;
            return refuse("codec", format.codec.code(), "audio is L16, G711, G722 or OPUS", status);
        }
    };
    if only_rate.is_some_and(|rate| rate != format.sample_rate) {
        return refuse("sample_rate", format.sample_rate.code(), rule, StatusCode::InvalidMediaAudioSampleRate);
    }
    if !stereo && format.channel == AudioChannel::Stereo {
        return refuse("channel", format.channel.code(), rule, StatusCode::InvalidMediaAudioChannel);
    }
    let rate_fits =
        if long_packets { format.send_rate != 0 && format.send_rate % 20 == 0 } else { format.send_rate == 20 };
    if !rate_fits {
        let status = StatusCode::InvalidMediaAudioSendRate;
        let rule = if long_packets { "a multiple of 20 ms" } else { rule };
        return refuse("send_rate", i64::from(format.send_rate), rule, status);
    }
    Ok(())
}

fn check_pictures(params: Option<&VideoParams>, medium: Medium) -> Result<(), ParamsRefused> {
    let format = params.cloned().unwrap_or_default().format(medium);
    let video = medium == Medium::Video;
    let refuse = |field, value, rule, video_status, deskshare_status| {
        let status = if video { video_status } else { deskshare_status };
        Err(ParamsRefused { medium, field, value, rule, status })
    };

    if format.content_type != MediaContentType::RawVideo {
        return refuse(
            "content_type",
            format.content_type.code(),
            "pictures are RAW_VIDEO (3)",
            StatusCode::InvalidMediaVideoContentType,
            StatusCode::InvalidMediaDeskshareContentType,
        );
    }
    if matches!(format.resolution, MediaResolution::Unknown(_)) {
        return refuse(
            "resolution",
            format.resolution.code(),
            "1 SD, 2 HD, 3 FHD or 4 QHD",
            StatusCode::InvalidMediaVideoResolution,
            StatusCode::InvalidMediaDeskshareResolution,
        );
    }
    let individual_or_active =
        [Some(MediaDataOption::VideoSingleActiveStream), Some(MediaDataOption::VideoSingleIndividualStream)];
    if video && !individual_or_active.contains(&format.data_opt) {
        let code = format.data_opt.map_or(0, MediaDataOption::code);
        let status = StatusCode::InvalidMediaVideoDataOpt;
        return refuse("data_opt", code, "3 active speaker or 4 one person of choice", status, status);
    }
    if format.fps == 0 || format.fps > MAX_FPS {
        return refuse(
            "fps",
            i64::from(format.fps),
            "1 to 30",
            StatusCode::InvalidMediaVideoFps,
            StatusCode::InvalidMediaDeskshareFps,
        );
    }
    let codec_fits = match format.codec {
        MediaPayloadType::Jpg | MediaPayloadType::Png => format.fps <= MAX_IMAGE_FPS,
        MediaPayloadType::H264 => format.fps > if video { MAX_IMAGE_FPS } else { 1 },
        MediaPayloadType::Undefined
        | MediaPayloadType::L16
        | MediaPayloadType::G711
        | MediaPayloadType::G722
        | MediaPayloadType::Opus
        | MediaPayloadType::Unknown(_) => false,
    };
    if !codec_fits {
        return refuse(
            "codec",
            format.codec.code(),
            "JPG and PNG up to 5 pictures a second, H264 above (deskshare: above 1)",
            StatusCode::InvalidMediaVideoCodec,
            StatusCode::InvalidMediaDeskshareCodec,
        );
    }
    Ok(())
}

fn check_transcript(params: Option<&TranscriptParams>) -> Result<(), ParamsRefused> {
    let params = params.cloned().unwrap_or_default().with_defaults();
    let content_type = params.content_type.unwrap_or(MediaContentType::Text);
    if content_type != MediaContentType::Text {
        return Err(ParamsRefused {
            medium: Medium::Transcript,
            field: "content_type",
            value: content_type.code(),
            rule: "transcripts are TEXT (5)",
            status: StatusCode::InvalidMediaTranscriptContentType,
        });
    }
    if let Some(crate::codes::language::TranscriptLanguage::Unknown(value)) = params.src_language {
        return Err(ParamsRefused {
            medium: Medium::Transcript,
            field: "src_language",
            value,
            rule: "one of the listed languages",
            status: StatusCode::InvalidMediaTranscriptSourceLanguage,
        });
    }
    Ok(())
}

fn check_chat(params: Option<&ChatParams>) -> Result<(), ParamsRefused> {
    let content_type = params.and_then(|params| params.content_type).unwrap_or(MediaContentType::Text);
    if content_type == MediaContentType::Text {
        return Ok(());
    }
    Err(ParamsRefused {
        medium: Medium::Chat,
        field: "content_type",
        value: content_type.code(),
        rule: "chat is TEXT (5)",
        status: StatusCode::InvalidMediaChatContentType,
    })
}
