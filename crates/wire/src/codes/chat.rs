//! The enumerations of chat.

use crate::codes::open_enum::open_enum;

open_enum! {
    /// `operation_type` of a chat message. Basis: vendor code.
    ChatOperation {
        New = 1, "NEW";
        Delete = 2, "DELETE";
        Update = 3, "UPDATE";
        AddEmojiReaction = 4, "ADD_EMOJI_REACTION";
        RemoveEmojiReaction = 5, "REMOVE_EMOJI_REACTION";
    }
}

open_enum! {
    /// `chat_session.type`: who can read it. Basis: vendor code.
    ChatSessionType {
        Everyone = 1, "EVERYONE";
        Individual = 2, "INDIVIDUAL";
        ChatGroup = 3, "CHAT_GROUP";
        HostsAndPanelists = 4, "HOSTS_AND_PANELISTS";
        IndividualCcHostsAndPanelists = 5, "INDIVIDUAL_CC_HOSTS_AND_PANELISTS";
    }
}

open_enum! {
    /// `type` of a chat group. Basis: vendor code.
    ChatGroupType {
        PrivateChatGroup = 0, "PRIVATE_CHAT_GROUP";
    }
}

open_enum! {
    /// `status` of a chat group's member. Basis: vendor code.
    ChatGroupMemberStatus {
        InChatGroup = 0, "IN_CHAT_GROUP";
        InBreakoutRoom = 1, "IN_BREAKOUT_ROOM";
        InWaitingRoom = 2, "IN_WAITING_ROOM";
        InBackstage = 3, "IN_BACKSTAGE";
        LeftMeeting = 4, "LEFT_MEETING";
    }
}
