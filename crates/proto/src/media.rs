//! A media connection: message 3, what message 4 grants, and the way back when it is lost.

use rtms_wire::{
    codes::status_code::StatusCode,
    extra::Extra,
    media::{
        medium::{MediaTypes, Medium},
        params::MediaParams,
    },
    message::{
        Message,
        data_handshake::{DataHandShakeReq, DataHandShakeResp},
        signaling_handshake::PROTOCOL_VERSION,
    },
};

use crate::{
    connection::{Connection, Loss},
    reconnect::Recovery,
    role::Role,
    signaling::StreamStart,
};

/// One media connection of a stream, or the way to it.
#[derive(Debug)]
pub(crate) struct MediaLink {
    /// What it is to carry.
    pub(crate) types: MediaTypes,
    /// Where, as the last message 2 said.
    pub(crate) url: String,
    pub(crate) connection: Option<Connection>,
    /// Until the handshake succeeds.
    pub(crate) recovery: Option<Recovery>,
    /// A loss that is reported when it is known that signaling has to be dialed anew.
    pub(crate) unreported: Option<Loss>,
    /// Tries that did not lead to a connection that lasted.
    pub(crate) tries: u32,
}

impl MediaLink {
    pub(crate) fn new(types: MediaTypes, url: String, recovery: Recovery) -> Self {
        Self { types, url, connection: None, recovery: Some(recovery), unreported: None, tries: 0 }
    }

    pub(crate) fn is_open(&self) -> bool {
        self.connection.as_ref().is_some_and(Connection::is_open)
    }

    pub(crate) fn role(&self) -> Role {
        Role::Media(self.types)
    }
}

/// Message 3 for these media.
pub(crate) fn data_handshake(start: &StreamStart, params: &MediaParams, media: MediaTypes) -> Message {
    Message::DataHandShakeReq(DataHandShakeReq {
        protocol_version: Some(PROTOCOL_VERSION),
        sequence: Some(0),
        instance: (&start.instance).into(),
        rtms_stream_id: start.stream_id.clone(),
        signature: start.signature.clone(),
        media_type: media,
        payload_encryption: Some(false),
        media_params: Some(params.only(media)),
        extra: Extra::new(),
    })
}

/// What message 4 grants.
pub(crate) struct Grant {
    /// The form of what is granted, complete as far as Zoom says.
    pub(crate) params: MediaParams,
    /// Without what Zoom left out.
    pub(crate) media: MediaTypes,
    /// What was asked for and left out.
    pub(crate) left_out: Vec<Medium>,
}

/// Reads message 4: what was granted of what was asked, or why nothing.
pub(crate) fn grant(
    response: DataHandShakeResp,
    asked: &MediaParams,
    media: MediaTypes,
) -> Result<Grant, (StatusCode, String)> {
    if response.status_code != StatusCode::Ok {
        return Err((response.status_code, response.reason.unwrap_or_default().0));
    }
    let Some(params) = response.media_params.filter(|params| *params != MediaParams::default()) else {
        // A server that echoes nothing grants what was asked.
        return Ok(Grant { params: asked.only(media).negotiated(media), media, left_out: Vec::new() });
    };
    // Granted media only are listed. Basis: documented; one medium alone is refused by its status instead.
    let several = media.iter().count() > 1;
    let (granted, left_out): (Vec<_>, Vec<_>) =
        media.iter().partition(|medium| !several || speaks_of(&params, *medium));
    if granted.is_empty() || left_out.is_empty() {
        return Ok(Grant { params, media, left_out: Vec::new() });
    }
    Ok(Grant { params, media: MediaTypes::of(granted), left_out })
}

/// The media whose granted form differs from the one asked for, as far as the answer speaks of them.
pub(crate) fn differing(granted: &MediaParams, asked: &MediaParams, media: MediaTypes) -> Vec<Medium> {
    let asked = asked.only(media).negotiated(media);
    let complete = granted.negotiated(media);
    let differs = |medium| match medium {
        Medium::Audio => asked.audio != complete.audio,
        Medium::Video => asked.video != complete.video,
        Medium::Deskshare => asked.deskshare != complete.deskshare,
        Medium::Transcript => asked.transcript != complete.transcript,
        Medium::Chat => asked.chat != complete.chat,
    };
    media.iter().filter(|medium| speaks_of(granted, *medium) && differs(*medium)).collect()
}

fn speaks_of(params: &MediaParams, medium: Medium) -> bool {
    match medium {
        Medium::Audio => params.audio.is_some(),
        Medium::Video => params.video.is_some(),
        Medium::Deskshare => params.deskshare.is_some(),
        Medium::Transcript => params.transcript.is_some(),
        Medium::Chat => params.chat.is_some(),
    }
}
