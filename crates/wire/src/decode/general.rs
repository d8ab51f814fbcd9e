//! The general way: JSON into an object, and by its number into the type of its body.

use serde::Deserialize;
use serde_json::error::Category;

use crate::{
    codes::{message_type::MessageType, open_enum::UNLISTED_NAME},
    error::DecodeError,
    extra::Extra,
    message::{
        Message, OtherMessage,
        body::{body, content},
        media_data,
    },
    redact,
};

/// Reads one message from its JSON.
pub(super) fn decode(payload: &[u8]) -> Result<Message, DecodeError> {
    // What a frame opens with tells nothing: 0x0A is white space to JSON, and the first byte of most of Protobuf.
    of_fields(serde_json::from_slice(payload).map_err(|error| match error.classify() {
        Category::Data => DecodeError::NotAnObject,
        Category::Syntax | Category::Eof | Category::Io => DecodeError::NotJson(error),
    })?)
}

/// Reads one message from the fields of its object.
pub(super) fn of_fields(mut fields: Extra) -> Result<Message, DecodeError> {
    let number = fields.remove("msg_type").ok_or(DecodeError::NoMessageType)?;
    let msg_type =
        MessageType::deserialize(&number).map_err(|source| DecodeError::BadField { msg_type: None, source })?;
    if msg_type.code() == UNLISTED_NAME {
        fields.entry("zoom_msg_type").or_insert(number);
    }
    // What Zoom sends is read without its secrets, and what is not in memory cannot be logged, recorded or passed on.
    // The requests are ours: the simulator checks the signature in them.
    if !matches!(msg_type, MessageType::SignalingHandShakeReq | MessageType::DataHandShakeReq) {
        redact::empty_secrets(&mut fields);
    }
    Ok(match msg_type {
        MessageType::SignalingHandShakeReq => Message::SignalingHandShakeReq(body(msg_type, fields)?),
        MessageType::SignalingHandShakeResp => Message::SignalingHandShakeResp(body(msg_type, fields)?),
        MessageType::DataHandShakeReq => Message::DataHandShakeReq(body(msg_type, fields)?),
        MessageType::DataHandShakeResp => Message::DataHandShakeResp(body(msg_type, fields)?),
        MessageType::EventSubscription => Message::EventSubscription(body(msg_type, fields)?),
        MessageType::EventUpdate => Message::EventUpdate(body(msg_type, fields)?),
        MessageType::ClientReadyAck => Message::ClientReadyAck(body(msg_type, fields)?),
        MessageType::StreamStateUpdate => Message::StreamStateUpdate(body(msg_type, fields)?),
        MessageType::SessionStateUpdate => Message::SessionStateUpdate(body(msg_type, fields)?),
        MessageType::SessionStateReq => Message::SessionStateReq(body(msg_type, fields)?),
        MessageType::SessionStateResp => Message::SessionStateResp(body(msg_type, fields)?),
        MessageType::KeepAliveReq => Message::KeepAliveReq(body(msg_type, fields)?),
        MessageType::KeepAliveResp => Message::KeepAliveResp(body(msg_type, fields)?),
        MessageType::MediaDataAudio => Message::MediaDataAudio(media_data::decode(msg_type, fields)?),
        MessageType::MediaDataVideo => Message::MediaDataVideo(media_data::decode(msg_type, fields)?),
        MessageType::MediaDataShare => Message::MediaDataShare(media_data::decode(msg_type, fields)?),
        MessageType::MediaDataTranscript => Message::MediaDataTranscript(content(msg_type, fields)?),
        MessageType::MediaDataChat => Message::MediaDataChat(content(msg_type, fields)?),
        MessageType::StreamStateReq => Message::StreamStateReq(body(msg_type, fields)?),
        MessageType::StreamStateResp => Message::StreamStateResp(body(msg_type, fields)?),
        MessageType::StreamCloseReq => Message::StreamCloseReq(body(msg_type, fields)?),
        MessageType::StreamCloseResp => Message::StreamCloseResp(body(msg_type, fields)?),
        MessageType::VideoSubscriptionReq => Message::VideoSubscriptionReq(body(msg_type, fields)?),
        MessageType::VideoSubscriptionResp => Message::VideoSubscriptionResp(body(msg_type, fields)?),
        MessageType::Undefined
        | MessageType::MetaDataAudio
        | MessageType::MetaDataVideo
        | MessageType::MetaDataShare
        | MessageType::MetaDataTranscript
        | MessageType::MetaDataChat
        | MessageType::Unknown(_) => Message::Other(OtherMessage { msg_type, fields }),
    })
}
