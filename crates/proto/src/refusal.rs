//! What a refusal asks of us: try again, ask for something else, or do without. One table for each handshake.

use rtms_wire::{
    codes::{media::MediaDataOption, status_code::StatusCode},
    media::{
        audio::AudioParams,
        medium::{MediaTypes, Medium},
        params::MediaParams,
        text::{ChatParams, TranscriptParams},
        video::VideoParams,
    },
};

use crate::pace::Pace;

/// What to do about a status that is not success.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Remedy {
    /// The same again, later.
    Retry(Pace),
    /// The same under the other id that a webinar may have.
    OtherId,
    /// Other parameters for this medium, which Zoom's defaults are; all media of the connection if none is named.
    FallBack(Option<Medium>),
    /// A connection for each medium instead of one for several.
    Split,
    /// Without this medium.
    Without(Medium),
    /// Nothing helps.
    Never,
}

/// What message 2 asks of us.
pub(crate) fn of_signaling(status: StatusCode) -> Remedy {
    match status {
        StatusCode::DuplicateSignalRequest => Remedy::Retry(Pace::Duplicate),
        StatusCode::InternalException => Remedy::Retry(Pace::Backoff),
        StatusCode::InvalidRtmsStreamId | StatusCode::InvalidSignature => Remedy::OtherId,
        // Not known to be for ever, and a window is short.
        StatusCode::Unknown(_) => Remedy::Retry(Pace::Backoff),
        StatusCode::Ok
        | StatusCode::InvalidMessageType
        | StatusCode::InvalidPayload
        | StatusCode::InvalidEvents
        | StatusCode::InvalidEventType
        | StatusCode::InvalidMediaType
        | StatusCode::MediaTypeAudioNotSupport
        | StatusCode::MediaTypeVideoNotSupport
        | StatusCode::MediaTypeDeskshareNotSupport
        | StatusCode::MediaTypeTranscriptNotSupport
        | StatusCode::MediaTypeChatNotSupport
        | StatusCode::MediaTypeInvalidValue
        | StatusCode::MediaDataAllConnectionExist
        | StatusCode::DuplicateMediaDataConnection
        | StatusCode::InvalidMediaParams
        | StatusCode::InvalidMediaAudioParams
        | StatusCode::InvalidMediaAudioContentType
        | StatusCode::InvalidMediaAudioSampleRate
        | StatusCode::InvalidMediaAudioChannel
        | StatusCode::InvalidMediaAudioCodec
        | StatusCode::InvalidMediaAudioDataOpt
        | StatusCode::InvalidMediaAudioSendRate
        | StatusCode::InvalidMediaVideoParams
        | StatusCode::InvalidMediaVideoContentType
        | StatusCode::InvalidMediaVideoCodec
        | StatusCode::InvalidMediaVideoResolution
        | StatusCode::InvalidMediaVideoDataOpt
        | StatusCode::InvalidMediaVideoFps
        | StatusCode::InvalidMediaDeskshareParams
        | StatusCode::InvalidMediaDeskshareContentType
        | StatusCode::InvalidMediaDeskshareCodec
        | StatusCode::InvalidMediaDeskshareResolution
        | StatusCode::InvalidMediaDeskshareFps
        | StatusCode::InvalidMediaTranscriptParams
        | StatusCode::InvalidMediaTranscriptContentType
        | StatusCode::InvalidMediaChatParams
        | StatusCode::InvalidMediaChatContentType
        | StatusCode::InvalidRtmsSessionId
        | StatusCode::InvalidClientReadyAck
        | StatusCode::InvalidEventSubscribe
        | StatusCode::InvalidMediaTranscriptSourceLanguage
        | StatusCode::DuplicateVideoSubscription
        | StatusCode::InvalidMediaTranscriptTargetLanguage
        | StatusCode::ChatSessionKeyNotAvailable => Remedy::Never,
    }
}

/// What message 4 asks of us.
pub(crate) fn of_media(status: StatusCode) -> Remedy {
    match status {
        // Zoom still holds the connection before this one for alive.
        StatusCode::DuplicateSignalRequest
        | StatusCode::MediaDataAllConnectionExist
        | StatusCode::DuplicateMediaDataConnection => Remedy::Retry(Pace::Duplicate),
        // Signaling knew the stream a moment ago: it is on its way out, or not everywhere yet.
        StatusCode::InvalidRtmsStreamId | StatusCode::InternalException | StatusCode::Unknown(_) => {
            Remedy::Retry(Pace::Backoff)
        }
        StatusCode::InvalidMediaType | StatusCode::MediaTypeInvalidValue => Remedy::Split,
        StatusCode::MediaTypeAudioNotSupport => Remedy::Without(Medium::Audio),
        StatusCode::MediaTypeVideoNotSupport => Remedy::Without(Medium::Video),
        StatusCode::MediaTypeDeskshareNotSupport => Remedy::Without(Medium::Deskshare),
        StatusCode::MediaTypeTranscriptNotSupport => Remedy::Without(Medium::Transcript),
        StatusCode::MediaTypeChatNotSupport | StatusCode::ChatSessionKeyNotAvailable => Remedy::Without(Medium::Chat),
        StatusCode::InvalidMediaParams => Remedy::FallBack(None),
        StatusCode::InvalidMediaAudioParams
        | StatusCode::InvalidMediaAudioContentType
        | StatusCode::InvalidMediaAudioSampleRate
        | StatusCode::InvalidMediaAudioChannel
        | StatusCode::InvalidMediaAudioCodec
        | StatusCode::InvalidMediaAudioDataOpt
        | StatusCode::InvalidMediaAudioSendRate => Remedy::FallBack(Some(Medium::Audio)),
        StatusCode::InvalidMediaVideoParams
        | StatusCode::InvalidMediaVideoContentType
        | StatusCode::InvalidMediaVideoCodec
        | StatusCode::InvalidMediaVideoResolution
        | StatusCode::InvalidMediaVideoDataOpt
        | StatusCode::InvalidMediaVideoFps => Remedy::FallBack(Some(Medium::Video)),
        StatusCode::InvalidMediaDeskshareParams
        | StatusCode::InvalidMediaDeskshareContentType
        | StatusCode::InvalidMediaDeskshareCodec
        | StatusCode::InvalidMediaDeskshareResolution
        | StatusCode::InvalidMediaDeskshareFps => Remedy::FallBack(Some(Medium::Deskshare)),
        StatusCode::InvalidMediaTranscriptParams
        | StatusCode::InvalidMediaTranscriptContentType
        | StatusCode::InvalidMediaTranscriptSourceLanguage
        | StatusCode::InvalidMediaTranscriptTargetLanguage => Remedy::FallBack(Some(Medium::Transcript)),
        StatusCode::InvalidMediaChatParams | StatusCode::InvalidMediaChatContentType => {
            Remedy::FallBack(Some(Medium::Chat))
        }
        StatusCode::Ok
        | StatusCode::InvalidMessageType
        | StatusCode::InvalidSignature
        | StatusCode::InvalidPayload
        | StatusCode::InvalidEvents
        | StatusCode::InvalidEventType
        | StatusCode::InvalidRtmsSessionId
        | StatusCode::InvalidClientReadyAck
        | StatusCode::InvalidEventSubscribe
        | StatusCode::DuplicateVideoSubscription => Remedy::Never,
    }
}

/// Makes the parameters of these media what Zoom's documents give as the default: audio RAW L16 16 kHz mono 20 ms mixed,
/// video JPG HD at 5 pictures a second, deskshare JPG at 1, transcript English with detection.
///
/// Whose camera is shown is kept unless that is what was refused: another picture is better than another person's.
pub(crate) fn fall_back(params: &mut MediaParams, media: MediaTypes, status: StatusCode) {
    for medium in media.iter() {
        match medium {
            Medium::Audio => params.audio = Some(AudioParams::default().format().into()),
            Medium::Video => {
                let mut video: VideoParams = VideoParams::default().format(Medium::Video).into();
                let wanted = params.video.as_ref().and_then(|video| video.data_opt);
                if status != StatusCode::InvalidMediaVideoDataOpt && wanted.is_some() {
                    video.data_opt = wanted;
                } else {
                    video.data_opt = Some(MediaDataOption::VideoSingleActiveStream);
                }
                params.video = Some(video);
            }
            Medium::Deskshare => params.deskshare = Some(VideoParams::default().format(Medium::Deskshare).into()),
            Medium::Transcript => params.transcript = Some(TranscriptParams::default().with_defaults()),
            Medium::Chat => params.chat = Some(ChatParams::default().with_defaults()),
        }
    }
}
