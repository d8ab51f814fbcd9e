//! The kinds of numbers and names that are explained.

/// The list that an entry is from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// `RTMS_STATUS_CODE`, as it is in use.
    StatusCode,
    /// `RTMS_STOP_REASON`.
    StopReason,
    /// `RTMS_STREAM_STATE`.
    StreamState,
    /// `RTMS_SESSION_STATE`.
    SessionState,
    /// The HTTP status with which a webhook is answered.
    WebhookAnswer,
    /// Zoom's own code for a webhook that it could not deliver.
    DeliveryCode,
    /// An error of Zoom's REST API.
    RestError,
    /// An error of Zoom's OAuth service.
    OauthError,
    /// A close code of a WebSocket.
    CloseCode,
    /// A result that Zoom's SDK reports to its application.
    SdkResult,
    /// The name of a webhook event.
    Event,
    /// The status codes of 2025, which other software may still show.
    LegacyStatusCode,
}

impl Kind {
    /// All of them, in the order in which they are shown.
    pub const ALL: [Self; 12] = [
        Self::StatusCode,
        Self::StopReason,
        Self::StreamState,
        Self::SessionState,
        Self::WebhookAnswer,
        Self::DeliveryCode,
        Self::RestError,
        Self::OauthError,
        Self::CloseCode,
        Self::SdkResult,
        Self::Event,
        Self::LegacyStatusCode,
    ];

    /// The word for it on the command line and in JSON.
    pub fn word(self) -> &'static str {
        match self {
            Self::StatusCode => "status",
            Self::StopReason => "stop",
            Self::StreamState => "stream-state",
            Self::SessionState => "session-state",
            Self::WebhookAnswer => "answer",
            Self::DeliveryCode => "delivery",
            Self::RestError => "rest",
            Self::OauthError => "oauth",
            Self::CloseCode => "close",
            Self::SdkResult => "sdk",
            Self::Event => "event",
            Self::LegacyStatusCode => "legacy-status",
        }
    }

    /// A heading for people.
    pub fn heading(self) -> &'static str {
        match self {
            Self::StatusCode => "Status code (status_code of messages 2, 4, 22 and 29)",
            Self::StopReason => "Stop reason (stop_reason of a stop webhook, reason of messages 8 and 9)",
            Self::StreamState => "Stream state (state of messages 8 and 20)",
            Self::SessionState => "Session state (state of messages 9 and 11)",
            Self::WebhookAnswer => "HTTP status that a webhook is answered with",
            Self::DeliveryCode => "Zoom's internal code for a webhook that it could not deliver",
            Self::RestError => "Error of Zoom's REST API",
            Self::OauthError => "Error of Zoom's OAuth service",
            Self::CloseCode => "WebSocket close code",
            Self::SdkResult => "Result of Zoom's RTMS SDK",
            Self::Event => "Webhook event",
            Self::LegacyStatusCode => "Status code of the OLD numbering of 2025, not in use by Zoom today",
        }
    }

    /// The numbers of the list, for a reader whose number is in none.
    pub fn range(self) -> Option<&'static str> {
        match self {
            Self::StatusCode => Some("0 to 47"),
            Self::StopReason => Some("0 to 26"),
            Self::StreamState => Some("0 to 6"),
            Self::SessionState => Some("0 to 5"),
            Self::WebhookAnswer => Some("HTTP statuses from 200 to 599"),
            Self::DeliveryCode => Some("-1 to -15"),
            Self::RestError => Some("HTTP statuses, and Zoom's codes such as 2308"),
            Self::OauthError => Some("4700 to 4741"),
            Self::CloseCode => Some("1000 to 1015"),
            Self::SdkResult => Some("0, 1, 502, 610, 960, and any status code"),
            Self::Event => None,
            Self::LegacyStatusCode => Some("0 to 75"),
        }
    }

    /// Reads the word of a kind, or a usual one for the same.
    pub fn from_word(word: &str) -> Option<Self> {
        let word = word.to_ascii_lowercase().replace('_', "-");
        Some(match word.as_str() {
            "status" | "status-code" => Self::StatusCode,
            "stop" | "stop-reason" | "reason" => Self::StopReason,
            "stream-state" | "stream" | "state" => Self::StreamState,
            "session-state" | "session" => Self::SessionState,
            "answer" | "http" | "webhook" => Self::WebhookAnswer,
            "delivery" => Self::DeliveryCode,
            "rest" | "api" => Self::RestError,
            "oauth" | "token" => Self::OauthError,
            "close" | "close-code" | "websocket" => Self::CloseCode,
            "sdk" | "join" => Self::SdkResult,
            "event" => Self::Event,
            "legacy-status" | "legacy" | "old" => Self::LegacyStatusCode,
            _ => return None,
        })
    }
}
