//! What Zoom checks of handshakes, and the status it answers. The order of the checks is ours where no document gives
//! one.

use rtms_wire::{
    codes::{
        media::{MediaContentType, MediaPayloadType},
        product::Product,
        status_code::StatusCode,
    },
    ids::{InstanceId, InstanceIdField, StreamId},
    media::{
        medium::{MediaTypes, Medium},
        params::MediaParams,
    },
    message::{
        data_handshake::DataHandShakeReq,
        signaling_handshake::{InstanceIds, SignalingHandShakeReq},
    },
    signature::HandshakeSignature,
};

use crate::{checks::refusal::Refusal, config::App};

/// What Zoom accepts although no document allows it: published programs of Zoom's do it and work.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Leniency {
    /// What was odd about the instance ids.
    pub(crate) odd_id: Option<&'static str>,
    /// Whether L16 was asked for as RTP and is granted as raw audio.
    pub(crate) l16_as_rtp: bool,
}

/// What message 4 grants.
#[derive(Clone, Debug)]
pub(crate) struct Granted {
    pub(crate) carries: MediaTypes,
    /// With every default filled in.
    pub(crate) params: MediaParams,
    pub(crate) leniency: Leniency,
}

/// What a rightful client of one stream knows, and how closely its requests are read.
#[derive(Clone, Debug)]
pub(crate) struct Expected {
    product: Product,
    /// Whether nothing is accepted that the documents do not allow.
    is_strict: bool,
    pub(crate) instance: InstanceId,
    pub(crate) stream: StreamId,
    pub(crate) signature: HandshakeSignature,
}

impl Expected {
    /// What this app's client knows of this stream. What Zoom was seen to accept is accepted.
    pub(crate) fn new(product: Product, app: &App, instance: &InstanceId, stream: &StreamId) -> Self {
        let signature = HandshakeSignature::sign(&app.client_id, &app.client_secret, instance, stream);
        Self { product, is_strict: false, instance: instance.clone(), stream: stream.clone(), signature }
    }

    /// Sets whether requests are read by the letter of the documents.
    pub(crate) fn strict(self, is_strict: bool) -> Self {
        Self { is_strict, ..self }
    }

    /// Message 1: the stream is known, the ids are right, the signature matches.
    pub(crate) fn check_signaling(&self, request: &SignalingHandShakeReq) -> Result<Leniency, Refusal> {
        let odd_id = self.check_ids(&request.instance, &request.rtms_stream_id, &request.signature)?;
        Ok(Leniency { odd_id, ..Leniency::default() })
    }

    /// Message 3: as message 1, then what is asked for. `carried` is what the other media connections carry already.
    pub(crate) fn check_data(
        &self,
        request: &DataHandShakeReq,
        granted: MediaTypes,
        carried: &[MediaTypes],
    ) -> Result<Granted, Refusal> {
        let odd_id = self.check_ids(&request.instance, &request.rtms_stream_id, &request.signature)?;
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
        let mut asked = request.media_params.clone().unwrap_or_default();
        let l16_as_rtp = given.contains(Medium::Audio) && self.takes_l16_as_rtp(&mut asked)?;
        asked.check(given).map_err(|refused| Refusal::new(refused.status, refused.to_string()))?;
        let negotiated = asked.negotiated(given);
        check_what_the_simulator_can(&negotiated)?;
        Ok(Granted { carries: given, params: negotiated, leniency: Leniency { odd_id, l16_as_rtp } })
    }

    /// Whether L16 is asked for as RTP; it is raw audio from here on. Zoom's boilerplates and samples ask so and have
    /// sound, while the matrix does not have it. Basis: reconstructed from vendor code; for the phone's refusal,
    /// observed in vendor code.
    fn takes_l16_as_rtp(&self, asked: &mut MediaParams) -> Result<bool, Refusal> {
        let Some(audio) = &mut asked.audio else { return Ok(false) };
        let format = audio.format();
        if format.codec != MediaPayloadType::L16 || format.content_type != MediaContentType::Rtp {
            return Ok(false);
        }
        if self.product == Product::Phone {
            return Err(Refusal::in_zooms_words(StatusCode::InvalidMediaAudioCodec));
        }
        if !self.is_strict {
            audio.content_type = Some(MediaContentType::RawAudio);
        }
        Ok(!self.is_strict)
    }

    /// Returns what is odd about the ids, if they are accepted all the same.
    fn check_ids(
        &self,
        ids: &InstanceIds,
        stream: &StreamId,
        signature: &HandshakeSignature,
    ) -> Result<Option<&'static str>, Refusal> {
        let is_the_webhooks = |id: &InstanceId| id.value == self.instance.value;
        // Zoom's Video SDK sample sends the id under two keys.
        let is_one_id = match ids.iter().count() {
            1 => true,
            0 => false,
            _ => !self.is_strict && ids.iter().all(|id| is_the_webhooks(&id)),
        };
        if !is_one_id {
            let wrong = ids.iter().find(|id| !is_the_webhooks(id)).filter(|_| !self.is_strict);
            let reason = match wrong {
                Some(wrong) => {
                    let value: String = wrong.value.as_str().chars().take(MOST_TOLD).collect();
                    format!("{} \"{value}\" is not the instance id of the stream", wrong.field.as_str())
                }
                None => "exactly one instance id is needed".to_owned(),
            };
            return Err(Refusal::new(StatusCode::InvalidPayload, reason));
        }
        if *stream != self.stream {
            return Err(Refusal::new(StatusCode::InvalidRtmsStreamId, "unknown rtms_stream_id"));
        }
        if !self.signature.matches(signature.as_str()) {
            return Err(Refusal::new(StatusCode::InvalidSignature, "signature does not match"));
        }
        // Zoom's SDK sends `meeting_uuid` whatever is streamed, and works; the webhook's own key is what documents ask
        // for. The value must be the webhook's in any case.
        let is_right_key = |id: InstanceId| [self.instance.field, InstanceIdField::MeetingUuid].contains(&id.field);
        if !ids.iter().all(|id| is_the_webhooks(&id)) || !ids.iter().any(is_right_key) {
            return Err(Refusal::new(StatusCode::InvalidPayload, "the instance id is not that of the stream"));
        }
        Ok(match ids.only() {
            None => Some("the instance id under several keys"),
            Some(id) if id.field != self.instance.field => Some("the instance id under the key of another product"),
            Some(_) => None,
        })
    }
}

/// The most characters of a wrong value that are repeated in the answer.
const MOST_TOLD: usize = 64;

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
