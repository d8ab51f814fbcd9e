//! `RTMS_EVENT_TYPE` and `RTMS_ZCC_VOICE_EVENT_TYPE`: what message 6 tells of.
//!
//! Numbers 8 to 14 mean different things in the two; the product of the stream decides which enumeration holds, and on Phone
//! neither does. Version 2's `event_code` is another field and belongs to none of them.

use crate::codes::open_enum::open_enum;

open_enum! {
    /// `event_type` of meetings, webinars and Video SDK sessions. Basis: documented.
    EventType {
        Undefined = 0, "UNDEFINED";
        FirstPacketTimestamp = 1, "FIRST_PACKET_TIMESTAMP";
        ActiveSpeakerChange = 2, "ACTIVE_SPEAKER_CHANGE";
        ParticipantJoin = 3, "PARTICIPANT_JOIN";
        ParticipantLeave = 4, "PARTICIPANT_LEAVE";
        SharingStart = 5, "SHARING_START";
        SharingStop = 6, "SHARING_STOP";
        MediaConnectionInterrupted = 7, "MEDIA_CONNECTION_INTERRUPTED";
        ParticipantVideoOn = 8, "PARTICIPANT_VIDEO_ON";
        ParticipantVideoOff = 9, "PARTICIPANT_VIDEO_OFF";
        ChatGroupCreate = 10, "CHAT_GROUP_CREATE";
        ChatGroupDelete = 11, "CHAT_GROUP_DELETE";
        ChatGroupMembersAdd = 12, "CHAT_GROUP_MEMBERS_ADD";
        ChatGroupMembersDelete = 13, "CHAT_GROUP_MEMBERS_DELETE";
        ChatGroupMemberStatusUpdate = 14, "CHAT_GROUP_MEMBER_STATUS_UPDATE";
    }
}

open_enum! {
    /// `event_type` of Contact Center voice; 30 to 34 exist without published names. Basis: documented.
    VoiceEventType {
        Undefined = 0, "UNDEFINED";
        ConsumerAnswered = 8, "CONSUMER_ANSWERED";
        ConsumerEnd = 9, "CONSUMER_END";
        UserAnswered = 10, "USER_ANSWERED";
        UserEnd = 11, "USER_END";
        UserHold = 12, "USER_HOLD";
        UserUnhold = 13, "USER_UNHOLD";
        MonitorStarted = 14, "MONITOR_STARTED";
        MonitorTransitioned = 15, "MONITOR_TRANSITIONED";
        MonitorEnded = 16, "MONITOR_ENDED";
        TakeoverStarted = 17, "TAKEOVER_STARTED";
        TransferInitiated = 18, "TRANSFER_INITIATED";
        TransferCanceled = 19, "TRANSFER_CANCELED";
        TransferAccepted = 20, "TRANSFER_ACCEPTED";
        TransferCompleted = 21, "TRANSFER_COMPLETED";
        TransferRejected = 22, "TRANSFER_REJECTED";
        TransferTimeout = 23, "TRANSFER_TIMEOUT";
        ConferenceCanceled = 24, "CONFERENCE_CANCELED";
        ConferenceParticipantCanceled = 25, "CONFERENCE_PARTICIPANT_CANCELED";
        ConferenceParticipantInvited = 26, "CONFERENCE_PARTICIPANT_INVITED";
        ConferenceParticipantRejected = 27, "CONFERENCE_PARTICIPANT_REJECTED";
        ConferenceParticipantTimeout = 28, "CONFERENCE_PARTICIPANT_TIMEOUT";
        ConferenceParticipantLeft = 29, "CONFERENCE_PARTICIPANT_LEFT";
    }
}
