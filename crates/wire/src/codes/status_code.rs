//! `RTMS_STATUS_CODE`: how Zoom answers a request.

use crate::codes::open_enum::open_enum;

open_enum! {
    /// `status_code` of messages 2, 4, 22 and 29. Basis: documented (0 to 45), vendor code (46, 47).
    StatusCode {
        Ok = 0, "STATUS_OK";
        InvalidMessageType = 1, "STATUS_INVALID_MESSAGE_TYPE";
        InvalidRtmsStreamId = 2, "STATUS_INVALID_RTMS_STREAM_ID";
        InvalidSignature = 3, "STATUS_INVALID_SIGNATURE";
        InvalidPayload = 4, "STATUS_INVALID_PAYLOAD";
        InvalidEvents = 5, "STATUS_INVALID_EVENTS";
        InvalidEventType = 6, "STATUS_INVALID_EVENT_TYPE";
        InvalidMediaType = 7, "STATUS_INVALID_MEDIA_TYPE";
        DuplicateSignalRequest = 8, "STATUS_DUPLICATE_SIGNAL_REQUEST";
        MediaTypeAudioNotSupport = 9, "STATUS_MEDIA_TYPE_AUDIO_NOT_SUPPORT";
        MediaTypeVideoNotSupport = 10, "STATUS_MEDIA_TYPE_VIDEO_NOT_SUPPORT";
        MediaTypeDeskshareNotSupport = 11, "STATUS_MEDIA_TYPE_DESKSHARE_NOT_SUPPORT";
        MediaTypeTranscriptNotSupport = 12, "STATUS_MEDIA_TYPE_TRANSCRIPT_NOT_SUPPORT";
        MediaTypeChatNotSupport = 13, "STATUS_MEDIA_TYPE_CHAT_NOT_SUPPORT";
        MediaTypeInvalidValue = 14, "STATUS_MEDIA_TYPE_INVALID_VALUE";
        MediaDataAllConnectionExist = 15, "STATUS_MEDIA_DATA_ALL_CONNECTION_EXIST";
        DuplicateMediaDataConnection = 16, "STATUS_DUPLICATE_MEDIA_DATA_CONNECTION";
        InvalidMediaParams = 17, "STATUS_INVALID_MEDIA_PARAMS";
        InvalidMediaAudioParams = 18, "STATUS_INVALID_MEDIA_AUDIO_PARAMS";
        InvalidMediaAudioContentType = 19, "STATUS_INVALID_MEDIA_AUDIO_CONTENT_TYPE";
        InvalidMediaAudioSampleRate = 20, "STATUS_INVALID_MEDIA_AUDIO_SAMPLE_RATE";
        InvalidMediaAudioChannel = 21, "STATUS_INVALID_MEDIA_AUDIO_CHANNEL";
        InvalidMediaAudioCodec = 22, "STATUS_INVALID_MEDIA_AUDIO_CODEC";
        InvalidMediaAudioDataOpt = 23, "STATUS_INVALID_MEDIA_AUDIO_DATA_OPT";
        InvalidMediaAudioSendRate = 24, "STATUS_INVALID_MEDIA_AUDIO_SEND_RATE";
        InvalidMediaVideoParams = 25, "STATUS_INVALID_MEDIA_VIDEO_PARAMS";
        InvalidMediaVideoContentType = 26, "STATUS_INVALID_MEDIA_VIDEO_CONTENT_TYPE";
        InvalidMediaVideoCodec = 27, "STATUS_INVALID_MEDIA_VIDEO_CODEC";
        InvalidMediaVideoResolution = 28, "STATUS_INVALID_MEDIA_VIDEO_RESOLUTION";
        InvalidMediaVideoDataOpt = 29, "STATUS_INVALID_MEDIA_VIDEO_DATA_OPT";
        InvalidMediaVideoFps = 30, "STATUS_INVALID_MEDIA_VIDEO_FPS";
        InvalidMediaDeskshareParams = 31, "STATUS_INVALID_MEDIA_DESKSHARE_PARAMS";
        InvalidMediaDeskshareContentType = 32, "STATUS_INVALID_MEDIA_DESKSHARE_CONTENT_TYPE";
        InvalidMediaDeskshareCodec = 33, "STATUS_INVALID_MEDIA_DESKSHARE_CODEC";
        InvalidMediaDeskshareResolution = 34, "STATUS_INVALID_MEDIA_DESKSHARE_RESOLUTION";
        InvalidMediaDeskshareFps = 35, "STATUS_INVALID_MEDIA_DESKSHARE_FPS";
        InvalidMediaTranscriptParams = 36, "STATUS_INVALID_MEDIA_TRANSCRIPT_PARAMS";
        InvalidMediaTranscriptContentType = 37, "STATUS_INVALID_MEDIA_TRANSCRIPT_CONTENT_TYPE";
        InvalidMediaChatParams = 38, "STATUS_INVALID_MEDIA_CHAT_PARAMS";
        InvalidMediaChatContentType = 39, "STATUS_INVALID_MEDIA_CHAT_CONTENT_TYPE";
        InvalidRtmsSessionId = 40, "STATUS_INVALID_RTMS_SESSION_ID";
        InvalidClientReadyAck = 41, "STATUS_INVALID_CLIENT_READY_ACK";
        InvalidEventSubscribe = 42, "STATUS_INVALID_EVENT_SUBSCRIBE";
        InvalidMediaTranscriptSourceLanguage = 43, "STATUS_INVALID_MEDIA_TRANSCRIPT_SOURCE_LANGUAGE";
        DuplicateVideoSubscription = 44, "STATUS_DUPLICATE_VIDEO_SUBSCRIPTION";
        InternalException = 45, "STATUS_INTERNAL_EXCEPTION";
        InvalidMediaTranscriptTargetLanguage = 46, "STATUS_INVALID_MEDIA_TRANSCRIPT_TARGET_LANGUAGE";
        ChatSessionKeyNotAvailable = 47, "STATUS_CHAT_SESSION_KEY_NOT_AVAILABLE";
    }
}
