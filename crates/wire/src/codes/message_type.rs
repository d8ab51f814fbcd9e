//! `RTMS_MESSAGE_TYPE`: the number that every message opens with.

use crate::codes::open_enum::open_enum;

open_enum! {
    /// `msg_type` of every WebSocket message. Basis: documented, docs/protocol.md#messages.
    MessageType {
        Undefined = 0, "UNDEFINED";
        SignalingHandShakeReq = 1, "SIGNALING_HAND_SHAKE_REQ";
        SignalingHandShakeResp = 2, "SIGNALING_HAND_SHAKE_RESP";
        DataHandShakeReq = 3, "DATA_HAND_SHAKE_REQ";
        DataHandShakeResp = 4, "DATA_HAND_SHAKE_RESP";
        EventSubscription = 5, "EVENT_SUBSCRIPTION";
        EventUpdate = 6, "EVENT_UPDATE";
        ClientReadyAck = 7, "CLIENT_READY_ACK";
        StreamStateUpdate = 8, "STREAM_STATE_UPDATE";
        SessionStateUpdate = 9, "SESSION_STATE_UPDATE";
        SessionStateReq = 10, "SESSION_STATE_REQ";
        SessionStateResp = 11, "SESSION_STATE_RESP";
        KeepAliveReq = 12, "KEEP_ALIVE_REQ";
        KeepAliveResp = 13, "KEEP_ALIVE_RESP";
        MediaDataAudio = 14, "MEDIA_DATA_AUDIO";
        MediaDataVideo = 15, "MEDIA_DATA_VIDEO";
        MediaDataShare = 16, "MEDIA_DATA_SHARE";
        MediaDataTranscript = 17, "MEDIA_DATA_TRANSCRIPT";
        MediaDataChat = 18, "MEDIA_DATA_CHAT";
        StreamStateReq = 19, "STREAM_STATE_REQ";
        StreamStateResp = 20, "STREAM_STATE_RESP";
        StreamCloseReq = 21, "STREAM_CLOSE_REQ";
        StreamCloseResp = 22, "STREAM_CLOSE_RESP";
        MetaDataAudio = 23, "META_DATA_AUDIO";
        MetaDataVideo = 24, "META_DATA_VIDEO";
        MetaDataShare = 25, "META_DATA_SHARE";
        MetaDataTranscript = 26, "META_DATA_TRANSCRIPT";
        MetaDataChat = 27, "META_DATA_CHAT";
        VideoSubscriptionReq = 28, "VIDEO_SUBSCRIPTION_REQ";
        VideoSubscriptionResp = 29, "VIDEO_SUBSCRIPTION_RESP";
    }
}
