//! What Zoom checks of requests, and the status it answers. The order of the checks is ours where no document gives one.

pub(crate) mod kinds;

use rtms_wire::{
    codes::{media::MediaPayloadType, status_code::StatusCode},
    error::DecodeError,
    ids::{InstanceId, InstanceIdField, StreamId},
    media::{
        medium::{MediaTypes, Medium},
        params::MediaParams,
    },
    message::{
        data_handshake::DataHandShakeReq, signaling_handshake::InstanceIds, signaling_handshake::SignalingHandShakeReq,
    },
    signature::HandshakeSignature,
};
use serde_json::Value;

use crate::{config::App, webhook::Identity};

/// A request that is not granted: the status and the words to go with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) status: StatusCode,
    pub(crate) reason: String,
}

impl Refusal {
    pub(crate) fn new(status: StatusCode, reason: impl Into<String>) -> Self {
        Self { status, reason: reason.into() }
    }
}

/// What a rightful client of one stream knows.
#[derive(Clone, Debug)]
pub(crate) struct Expected {
    pub(crate) instance: InstanceId,
    pub(crate) stream: StreamId,
    pub(crate) signature: HandshakeSignature,
}

impl Expected {
    /// What this app's client knows of this stream.
    pub(crate) fn new(app: &App, identity: &Identity) -> Self {
        let Identity { instance, stream, .. } = identity;
        let signature = HandshakeSignature::sign(&app.client_id, &app.client_secret, instance, stream);
        Self { instance: instance.clone(), stream: stream.clone(), signature }
    }

    /// Message 1: the stream is known, the ids are right, the signature matches.
    pub(crate) fn check_signaling(&self, request: &SignalingHandShakeReq) -> Result<(), Refusal> {
        self.check_ids(&request.instance, &request.rtms_stream_id, &request.signature)
    }

    /// Message 3: as message 1, then what is asked for. `carried` is what the other media connections carry already.
    ///
    /// Gives the parameters with every default filled in.
    pub(crate) fn check_data(
        &self,
        request: &DataHandShakeReq,
        granted: MediaTypes,
        carried: &[MediaTypes],
    ) -> Result<(MediaTypes, MediaParams), Refusal> {
        self.check_ids(&request.instance, &request.rtms_stream_id, &request.signature)?;
        let wanted = request.media_type;
        if !wanted.is_valid() {
            return Err(Refusal::new(StatusCode::MediaTypeInvalidValue, "media_type is a mask from 1 to 31, or 32"));
        }
        let given = if wanted.is_all() {
            granted
        } else {
            if let Some(medium) = wanted.iter().find(|medium| !granted.contains(*medium)) {
                return Err(Refusal::new(not_supported(medium), format!("the app was not granted {medium}")));
            }
            wanted
        };
        if carried.iter().any(|other| other.is_all()) {
            return Err(Refusal::new(StatusCode::MediaDataAllConnectionExist, "a connection for all media exists"));
        }
        if carried.iter().any(|other| given.iter().any(|medium| other.contains(medium))) {
            return Err(Refusal::new(StatusCode::DuplicateMediaDataConnection, "that medium has a connection already"));
        }
        let asked = request.media_params.clone().unwrap_or_default();
        asked.check(given).map_err(|refused| Refusal::new(refused.status, refused.to_string()))?;
        let negotiated = asked.negotiated(given);
        check_what_the_simulator_can(&negotiated)?;
        Ok((given, negotiated))
    }

    fn check_ids(&self, ids: &InstanceIds, stream: &StreamId, signature: &HandshakeSignature) -> Result<(), Refusal> {
        let Some(instance) = ids.only() else {
            return Err(Refusal::new(StatusCode::InvalidPayload, "exactly one instance id is needed"));
        };
        if *stream != self.stream {
            return Err(Refusal::new(StatusCode::InvalidRtmsStreamId, "unknown rtms_stream_id"));
        }
        if !self.signature.matches(signature.as_str()) {
            return Err(Refusal::new(StatusCode::InvalidSignature, "signature does not match"));
        }
        // Zoom's SDK says `meeting_uuid` whatever is streamed, and works; the product's own key is what documents ask for. For
        // webinars they name both. The value must be the webhook's in any case.
        let right_key = instance.field == self.instance.field || instance.field == InstanceIdField::MeetingUuid;
        if instance.value != self.instance.value || !right_key {
            return Err(Refusal::new(StatusCode::InvalidPayload, "the instance id is not that of the stream"));
        }
        Ok(())
    }
}

/// Codecs that Zoom has and the simulator lacks are refused as if Zoom did not have them either.
fn check_what_the_simulator_can(params: &MediaParams) -> Result<(), Refusal> {
    let codec = params.audio.as_ref().and_then(|audio| audio.codec);
    match codec {
        Some(MediaPayloadType::Opus) if cfg!(not(feature = "opus")) => {
            Err(Refusal::new(StatusCode::InvalidMediaAudioCodec, "this simulator is built without Opus"))
        }
        Some(_) | None => Ok(()),
    }
}

fn not_supported(medium: Medium) -> StatusCode {
    match medium {
        Medium::Audio => StatusCode::MediaTypeAudioNotSupport,
        Medium::Video => StatusCode::MediaTypeVideoNotSupport,
        Medium::Deskshare => StatusCode::MediaTypeDeskshareNotSupport,
        Medium::Transcript => StatusCode::MediaTypeTranscriptNotSupport,
        Medium::Chat => StatusCode::MediaTypeChatNotSupport,
    }
}

/// The status for a message 1 or 3 of which a field is missing. What is of the wrong kind, [`kinds::check`] has found before.
pub(crate) fn incomplete(payload: &[u8], error: &DecodeError) -> Refusal {
    let fields = kinds::fields(payload);
    let reason = match error {
        DecodeError::BadField { source, .. } => source.to_string(),
        DecodeError::NotAnObject
        | DecodeError::NotJson(_)
        | DecodeError::NoMessageType
        | DecodeError::BadBase64 { .. }
        | DecodeError::LengthMismatch { .. } => error.to_string(),
    };
    let is_data = fields.get("msg_type").and_then(Value::as_i64) == Some(3);
    let lacks_media_type = is_data && fields.get("media_type").is_none_or(Value::is_null);
    let status = if lacks_media_type { StatusCode::InvalidMediaType } else { StatusCode::InvalidPayload };
    Refusal { status, reason }
}
