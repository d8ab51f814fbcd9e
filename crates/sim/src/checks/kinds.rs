//! What kind of JSON stands in each field of what clients send.
//!
//! Decoders read Zoom leniently: names for numbers, digits in quotes, lists for objects. Zoom reads its clients by the
//! letter, and so is done here, before anything is decoded. Null is as if the field were not there. Message 13 is not
//! in these tables, because its fields are held against those of its request.

use rtms_wire::{
    codes::{message_type::MessageType, status_code::StatusCode},
    extra::Extra,
    media::medium::{MediaTypes, Medium},
};
use serde::Deserialize as _;
use serde_json::Value;

use crate::checks::refusal::Refusal;

/// A field of another kind than Zoom takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct IllTyped {
    /// In which message; none if the number of the message itself is ill-typed.
    pub(crate) msg_type: Option<MessageType>,
    /// The status that fits the field, for messages that have an answer.
    pub(crate) refusal: Refusal,
}

/// The fields of a message as they stand there; none if it is no object.
pub(crate) fn fields(payload: &[u8]) -> Extra {
    serde_json::from_slice(payload).unwrap_or_default()
}

/// A subscription in one of the two other forms that documents have; none if it is in the right one, or none at all.
pub(crate) fn odd_subscription(message: &Extra) -> Option<&'static str> {
    let events = message.get("events").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    match msg_type(message)? {
        5 if !events.is_empty() && events.iter().all(Value::is_i64) => Some("as message 5 with a list of bare numbers"),
        18 if message.contains_key("event_type") => Some("as message 18, which is chat"),
        _ => None,
    }
}

/// Looks at every field of a message that is listed here. What is missing is left to the decoder.
///
/// # Errors
/// The first field of another kind.
pub(crate) fn check(message: &Extra) -> Result<(), IllTyped> {
    let Some(msg_type) = msg_type(message) else {
        let Some(value) = message.get("msg_type") else { return Ok(()) };
        let refusal = Refusal::new(StatusCode::InvalidMessageType, Kind::Whole.instead_of("msg_type", value));
        return Err(IllTyped { msg_type: None, refusal });
    };
    let msg_type = MessageType::from_code(msg_type);
    let ill_typed = |refusal| IllTyped { msg_type: Some(msg_type), refusal };
    if [MessageType::SignalingHandShakeReq, MessageType::DataHandShakeReq].contains(&msg_type) {
        check_fields(message, HANDSHAKE, "").map_err(ill_typed)?;
    }
    check_fields(message, fields_of(msg_type), "").map_err(ill_typed)?;
    if msg_type == MessageType::EventSubscription {
        check_events(message).map_err(ill_typed)?;
    }
    if msg_type == MessageType::DataHandShakeReq {
        check_params(message).map_err(ill_typed)?;
    }
    Ok(())
}

fn msg_type(message: &Extra) -> Option<i64> {
    message.get("msg_type").and_then(Value::as_i64)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// A number without a point.
    Whole,
    /// One that is not negative and fits into 32 bits.
    Count,
    Text,
    Truth,
    Object,
    List,
}

impl Kind {
    fn fits(self, value: &Value) -> bool {
        value.is_null()
            || match self {
                Self::Whole => value.is_i64(),
                Self::Count => value.as_u64().is_some_and(|number| u32::try_from(number).is_ok()),
                Self::Text => value.is_string(),
                Self::Truth => value.is_boolean(),
                Self::Object => value.is_object(),
                Self::List => value.is_array(),
            }
    }

    /// The words for a field that holds something else.
    fn instead_of(self, field: &str, value: &Value) -> String {
        let wanted = match self {
            Self::Whole => "a whole number",
            Self::Count => "a whole number from 0 to 4294967295",
            Self::Text => "text",
            Self::Truth => "true or false",
            Self::Object => "an object",
            Self::List => "a list",
        };
        let found = match value {
            Value::Null => "null",
            Value::Bool(_) => "true or false",
            Value::Number(number) if number.is_f64() => "a number with a point",
            Value::Number(number) if number.as_i64().is_some_and(|it| it < 0) => "a negative number",
            Value::Number(number) if number.as_u64().is_some_and(|it| it > u64::from(u32::MAX)) => "too large a number",
            Value::Number(_) => "a number",
            Value::String(_) => "text",
            Value::Array(_) => "a list",
            Value::Object(_) => "an object",
        };
        format!("{field} is {found}, and {wanted} belongs there")
    }
}

/// A field, what belongs there, and the status if something else stands there.
type Field = (&'static str, Kind, StatusCode);

const STREAM: Field = ("rtms_stream_id", Kind::Text, StatusCode::InvalidPayload);

/// What both handshakes have.
const HANDSHAKE: &[Field] = &[
    ("protocol_version", Kind::Count, StatusCode::InvalidPayload),
    ("sequence", Kind::Whole, StatusCode::InvalidPayload),
    ("meeting_uuid", Kind::Text, StatusCode::InvalidPayload),
    ("webinar_uuid", Kind::Text, StatusCode::InvalidPayload),
    ("session_id", Kind::Text, StatusCode::InvalidPayload),
    ("engagement_id", Kind::Text, StatusCode::InvalidPayload),
    ("call_id", Kind::Text, StatusCode::InvalidPayload),
    STREAM,
    ("signature", Kind::Text, StatusCode::InvalidPayload),
];

const DATA_HANDSHAKE: &[Field] = &[
    ("payload_encryption", Kind::Truth, StatusCode::InvalidPayload),
    ("media_type", Kind::Whole, StatusCode::InvalidMediaType),
    ("media_type", Kind::Count, StatusCode::MediaTypeInvalidValue),
    ("media_params", Kind::Object, StatusCode::InvalidMediaParams),
];

const EVENT_CHANGE: &[Field] = &[
    ("event_type", Kind::Whole, StatusCode::InvalidEventType),
    ("subscribe", Kind::Truth, StatusCode::InvalidEventSubscribe),
];

const VIDEO_SUBSCRIPTION: &[Field] = &[
    ("user_id", Kind::Whole, StatusCode::InvalidPayload),
    ("subscribe", Kind::Truth, StatusCode::InvalidPayload),
    ("timestamp", Kind::Whole, StatusCode::InvalidPayload),
];

fn fields_of(msg_type: MessageType) -> &'static [Field] {
    match msg_type {
        MessageType::SignalingHandShakeReq => &[("buffer_data", Kind::Truth, StatusCode::InvalidPayload)],
        MessageType::DataHandShakeReq => DATA_HANDSHAKE,
        MessageType::EventSubscription => &[("events", Kind::List, StatusCode::InvalidEvents)],
        MessageType::ClientReadyAck | MessageType::StreamStateReq | MessageType::StreamCloseReq => &[STREAM],
        MessageType::SessionStateReq => &[("rtms_session_id", Kind::Text, StatusCode::InvalidRtmsSessionId)],
        MessageType::VideoSubscriptionReq => VIDEO_SUBSCRIPTION,
        MessageType::Undefined
        | MessageType::SignalingHandShakeResp
        | MessageType::DataHandShakeResp
        | MessageType::EventUpdate
        | MessageType::StreamStateUpdate
        | MessageType::SessionStateUpdate
        | MessageType::SessionStateResp
        | MessageType::KeepAliveReq
        | MessageType::KeepAliveResp
        | MessageType::MediaDataAudio
        | MessageType::MediaDataVideo
        | MessageType::MediaDataShare
        | MessageType::MediaDataTranscript
        | MessageType::MediaDataChat
        | MessageType::StreamStateResp
        | MessageType::StreamCloseResp
        | MessageType::MetaDataAudio
        | MessageType::MetaDataVideo
        | MessageType::MetaDataShare
        | MessageType::MetaDataTranscript
        | MessageType::MetaDataChat
        | MessageType::VideoSubscriptionResp
        | MessageType::Unknown(_) => &[],
    }
}

/// The status for what is no object, and for each field of one.
fn params_of(medium: Medium) -> (StatusCode, &'static [Field]) {
    match medium {
        Medium::Audio => (
            StatusCode::InvalidMediaAudioParams,
            &[
                ("content_type", Kind::Whole, StatusCode::InvalidMediaAudioContentType),
                ("sample_rate", Kind::Whole, StatusCode::InvalidMediaAudioSampleRate),
                ("channel", Kind::Whole, StatusCode::InvalidMediaAudioChannel),
                ("codec", Kind::Whole, StatusCode::InvalidMediaAudioCodec),
                ("data_opt", Kind::Whole, StatusCode::InvalidMediaAudioDataOpt),
                ("send_rate", Kind::Count, StatusCode::InvalidMediaAudioSendRate),
            ],
        ),
        Medium::Video => (
            StatusCode::InvalidMediaVideoParams,
            &[
                ("content_type", Kind::Whole, StatusCode::InvalidMediaVideoContentType),
                ("codec", Kind::Whole, StatusCode::InvalidMediaVideoCodec),
                ("resolution", Kind::Whole, StatusCode::InvalidMediaVideoResolution),
                ("data_opt", Kind::Whole, StatusCode::InvalidMediaVideoDataOpt),
                ("fps", Kind::Count, StatusCode::InvalidMediaVideoFps),
            ],
        ),
        Medium::Deskshare => (
            StatusCode::InvalidMediaDeskshareParams,
            &[
                ("content_type", Kind::Whole, StatusCode::InvalidMediaDeskshareContentType),
                ("codec", Kind::Whole, StatusCode::InvalidMediaDeskshareCodec),
                ("resolution", Kind::Whole, StatusCode::InvalidMediaDeskshareResolution),
                // Documents have no such field here, and so no status of its own.
                ("data_opt", Kind::Whole, StatusCode::InvalidMediaDeskshareParams),
                ("fps", Kind::Count, StatusCode::InvalidMediaDeskshareFps),
            ],
        ),
        Medium::Transcript => (
            StatusCode::InvalidMediaTranscriptParams,
            &[
                ("content_type", Kind::Whole, StatusCode::InvalidMediaTranscriptContentType),
                ("src_language", Kind::Whole, StatusCode::InvalidMediaTranscriptSourceLanguage),
                ("enable_lid", Kind::Truth, StatusCode::InvalidMediaTranscriptParams),
            ],
        ),
        Medium::Chat => (
            StatusCode::InvalidMediaChatParams,
            &[("content_type", Kind::Whole, StatusCode::InvalidMediaChatContentType)],
        ),
    }
}

/// `path` is what stands before the names of the fields.
fn check_fields(object: &Extra, fields: &[Field], path: &str) -> Result<(), Refusal> {
    for (name, kind, status) in fields {
        if let Some(value) = object.get(*name).filter(|value| !kind.fits(value)) {
            return Err(Refusal::new(*status, kind.instead_of(&format!("{path}{name}"), value)));
        }
    }
    Ok(())
}

fn check_events(message: &Extra) -> Result<(), Refusal> {
    for event in message.get("events").and_then(Value::as_array).into_iter().flatten() {
        let Value::Object(event) = event else {
            let why = Kind::Object.instead_of("an entry of events", event);
            return Err(Refusal::new(StatusCode::InvalidEvents, why));
        };
        check_fields(event, EVENT_CHANGE, "events.")?;
    }
    Ok(())
}

/// Parameters of media that are not asked for are not looked at, as Zoom does not.
fn check_params(message: &Extra) -> Result<(), Refusal> {
    let wanted = message.get("media_type").and_then(|media_type| MediaTypes::deserialize(media_type).ok());
    let (Some(wanted), Some(Value::Object(params))) = (wanted, message.get("media_params")) else { return Ok(()) };
    for medium in wanted.iter() {
        let (status, fields) = params_of(medium);
        let path = format!("media_params.{medium}");
        match params.get(medium.as_str()) {
            None | Some(Value::Null) => {}
            Some(Value::Object(of_medium)) => {
                check_fields(of_medium, fields, &format!("{path}."))?;
                if medium == Medium::Transcript && of_medium.get("src_language").is_none_or(Value::is_null) {
                    let status = StatusCode::InvalidMediaTranscriptSourceLanguage;
                    check_fields(of_medium, &[("language", Kind::Whole, status)], &format!("{path}."))?;
                }
            }
            Some(value @ (Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_))) => {
                return Err(Refusal::new(status, Kind::Object.instead_of(&path, value)));
            }
        }
    }
    Ok(())
}
