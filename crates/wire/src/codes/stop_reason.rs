//! `RTMS_STOP_REASON`: why a stream or one of its sessions ended.

use crate::codes::open_enum::open_enum;

open_enum! {
    /// `reason` and `stop_reason` of messages 8 and 9 and of the stop webhook. Basis: documented.
    StopReason {
        Undefined = 0, "UNDEFINED";
        HostTriggered = 1, "STOP_BC_HOST_TRIGGERED";
        UserTriggered = 2, "STOP_BC_USER_TRIGGERED";
        UserLeft = 3, "STOP_BC_USER_LEFT";
        UserEjected = 4, "STOP_BC_USER_EJECTED";
        HostDisabledApp = 5, "STOP_BC_HOST_DISABLED_APP";
        MeetingEnded = 6, "STOP_BC_MEETING_ENDED";
        StreamCanceled = 7, "STOP_BC_STREAM_CANCELED";
        StreamRevoked = 8, "STOP_BC_STREAM_REVOKED";
        AllAppsDisabled = 9, "STOP_BC_ALL_APPS_DISABLED";
        InternalException = 10, "STOP_BC_INTERNAL_EXCEPTION";
        ConnectionTimeout = 11, "STOP_BC_CONNECTION_TIMEOUT";
        InstanceConnectionInterrupted = 12, "STOP_BC_INSTANCE_CONNECTION_INTERRUPTED";
        SignalConnectionInterrupted = 13, "STOP_BC_SIGNAL_CONNECTION_INTERRUPTED";
        DataConnectionInterrupted = 14, "STOP_BC_DATA_CONNECTION_INTERRUPTED";
        SignalConnectionClosedAbnormally = 15, "STOP_BC_SIGNAL_CONNECTION_CLOSED_ABNORMALLY";
        DataConnectionClosedAbnormally = 16, "STOP_BC_DATA_CONNECTION_CLOSED_ABNORMALLY";
        ExitSignal = 17, "STOP_BC_EXIT_SIGNAL";
        AuthenticationFailure = 18, "STOP_BC_AUTHENTICATION_FAILURE";
        AwaitReconnectionTimeout = 19, "STOP_BC_AWAIT_RECONNECTION_TIMEOUT";
        ReceiverRequestClose = 20, "STOP_BC_RECEIVER_REQUEST_CLOSE";
        CustomerDisconnected = 21, "STOP_BC_CUSTOMER_DISCONNECTED";
        AgentDisconnected = 22, "STOP_BC_AGENT_DISCONNECTED";
        AdminDisabledApp = 23, "STOP_BC_ADMIN_DISABLED_APP";
        KeepAliveTimeout = 24, "STOP_BC_KEEP_ALIVE_TIMEOUT";
        ManualApiTriggered = 25, "STOP_BC_MANUAL_API_TRIGGERED";
        StreamingNotSupported = 26, "STOP_BC_STREAMING_NOT_SUPPORTED";
    }
}
