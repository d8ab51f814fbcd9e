//! A media connection: message 3, and what message 4 grants.

use rtms_wire::{
    codes::status_code::StatusCode,
    media::{
        medium::{MediaTypes, Medium},
        params::MediaParams,
    },
    message::{
        Extra, Message,
        data_handshake::{DataHandShakeReq, DataHandShakeResp},
        signaling_handshake::PROTOCOL_VERSION,
    },
};

use crate::{config::StreamConfig, error::StreamError, output::Role, signaling::StreamStart};

/// Message 3 for these media.
pub(crate) fn data_handshake(start: &StreamStart, config: &StreamConfig, media: MediaTypes) -> Message {
    Message::DataHandShakeReq(DataHandShakeReq {
        protocol_version: Some(PROTOCOL_VERSION),
        sequence: Some(0),
        instance: (&start.instance).into(),
        rtms_stream_id: start.stream_id.clone(),
        signature: start.signature.clone(),
        media_type: media,
        payload_encryption: Some(false),
        media_params: Some(config.params.only(media)),
        extra: Extra::new(),
    })
}

/// Reads message 4: what was granted, complete, or why not.
pub(crate) fn grant(
    response: DataHandShakeResp,
    config: &StreamConfig,
    media: MediaTypes,
) -> Result<MediaParams, StreamError> {
    if response.status_code != StatusCode::Ok {
        let reason = response.reason.unwrap_or_default().0;
        return Err(StreamError::Refused { role: Role::Media(media), status: response.status_code, reason });
    }
    // A server that echoes nothing grants what was asked.
    let asked = || config.params.only(media).negotiated(media);
    Ok(response.media_params.filter(|params| *params != MediaParams::default()).unwrap_or_else(asked))
}

/// The media whose granted form differs from the one asked for, as far as the answer speaks of them.
pub(crate) fn differing(granted: &MediaParams, config: &StreamConfig, media: MediaTypes) -> Vec<Medium> {
    let asked = config.params.only(media).negotiated(media);
    let complete = granted.negotiated(media);
    media
        .iter()
        .filter(|medium| match medium {
            Medium::Audio => granted.audio.is_some() && asked.audio != complete.audio,
            Medium::Video => granted.video.is_some() && asked.video != complete.video,
            Medium::Deskshare => granted.deskshare.is_some() && asked.deskshare != complete.deskshare,
            Medium::Transcript => granted.transcript.is_some() && asked.transcript != complete.transcript,
            Medium::Chat => granted.chat.is_some() && asked.chat != complete.chat,
        })
        .collect()
}
