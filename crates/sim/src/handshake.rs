//! The answers to the two handshakes: message 2 on signaling, message 4 on a media connection.

use std::collections::BTreeMap;

use rtms_wire::{
    codes::status_code::StatusCode,
    extra::Extra,
    media::{medium::MediaTypes, params::MediaParams},
    message::{
        Message,
        data_handshake::DataHandShakeResp,
        signaling_handshake::{MediaServer, MediaUrls, PROTOCOL_VERSION, Reason, SignalingHandShakeResp},
    },
};

use crate::fault::MediaUrlForm;

/// Message 2 on success: where the media is, only for what the app was granted, and `all`.
pub(crate) fn signaling_granted(granted: MediaTypes, media_url: &str, form: MediaUrlForm) -> Message {
    let url_of = |key: &str| (key.to_owned(), format!("{media_url}/{key}"));
    let own = granted.iter().map(|medium| url_of(medium.as_str()));
    let all = url_of(MediaUrls::ALL);
    let urls = match form {
        MediaUrlForm::Keys => own.chain([all]).collect(),
        MediaUrlForm::WithoutAll => own.collect(),
        // The decoder of `rtms-wire` reads a string as `all`; the sender puts the string in place of the object.
        MediaUrlForm::OnlyAll | MediaUrlForm::Text => BTreeMap::from([all]),
    };
    Message::SignalingHandShakeResp(SignalingHandShakeResp {
        protocol_version: Some(PROTOCOL_VERSION),
        sequence: Some(0),
        status_code: StatusCode::Ok,
        reason: Some(Reason::default()),
        media_server: Some(MediaServer { server_urls: MediaUrls(urls), extra: Extra::new() }),
        extra: Extra::new(),
    })
}

/// Message 2 on failure.
pub(crate) fn signaling_refused(status: StatusCode, reason: &str) -> Message {
    Message::SignalingHandShakeResp(SignalingHandShakeResp {
        protocol_version: Some(PROTOCOL_VERSION),
        sequence: Some(0),
        status_code: status,
        reason: Some(Reason::from(reason)),
        media_server: None,
        extra: Extra::new(),
    })
}

/// Message 4 on success.
pub(crate) fn data_granted(media_params: MediaParams, says_encrypted: bool) -> Message {
    Message::DataHandShakeResp(DataHandShakeResp {
        protocol_version: Some(PROTOCOL_VERSION),
        status_code: StatusCode::Ok,
        reason: Some(Reason::default()),
        sequence: Some(0),
        payload_encrypted: Some(says_encrypted),
        media_params: Some(media_params),
        extra: Extra::new(),
    })
}

/// Message 4 on failure.
pub(crate) fn data_refused(status: StatusCode, reason: &str) -> Message {
    Message::DataHandShakeResp(DataHandShakeResp {
        protocol_version: Some(PROTOCOL_VERSION),
        status_code: status,
        reason: Some(Reason::from(reason)),
        sequence: Some(0),
        payload_encrypted: None,
        media_params: None,
        extra: Extra::new(),
    })
}
