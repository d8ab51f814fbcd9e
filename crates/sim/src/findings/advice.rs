//! How bad each mistake is, and what would have been right.

use serde::Serialize;

use crate::findings::mistake::Mistake;

/// How bad a mistake is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Worth knowing, and nothing to be changed.
    Note,
    /// It went well this time.
    Warning,
    /// Against the protocol, or media is lost by it. A run with one of these is not passed.
    Fault,
}

impl Severity {
    /// Its word, as in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Note => "note",
            Self::Warning => "warning",
            Self::Fault => "fault",
        }
    }
}

/// Makes [`Kind`] of a line for each kind of mistake: its name, how bad it is, and what is right with the place where
/// it is written.
macro_rules! kinds {
    ($($kind:ident = $name:literal, $severity:ident, $advice:literal;)+) => {
        /// A kind of mistake, without the details of a [`Mistake`].
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        #[expect(missing_docs, reason = "the variants of Mistake have the same names, and say what they are")]
        pub enum Kind {
            $($kind,)+
        }

        impl Kind {
            /// All of them, in the order of [`Mistake`].
            pub const ALL: &[Self] = &[$(Self::$kind),+];

            /// Its name, as the field `mistake` has it in JSON.
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$kind => $name,)+
                }
            }

            /// How bad it is.
            pub fn severity(self) -> Severity {
                match self {
                    $(Self::$kind => Severity::$severity,)+
                }
            }

            /// What is right, and where it is written.
            pub fn advice(self) -> &'static str {
                match self {
                    $(Self::$kind => $advice,)+
                }
            }
        }

        impl Mistake {
            /// Its kind.
            pub fn kind(&self) -> Kind {
                match self {
                    $(Self::$kind { .. } => Kind::$kind,)+
                }
            }
        }
    };
}

kinds! {
    NotAMessage = "not_a_message", Fault,
        "Send one JSON object with a numeric msg_type in each text or binary frame: docs/protocol.md#transport";
    UnknownMessage = "unknown_message", Fault,
        "Send only the messages that are listed: docs/protocol.md#messages";
    SentMedia = "sent_media", Fault,
        "Media runs from Zoom to the app and never back; only 3 and 13 are sent on a media connection: docs/protocol.md#messages";
    OutOfPlace = "out_of_place", Fault,
        "Send each message on its own kind of connection, after the handshake: docs/protocol.md#messages";
    HandshakeMisplaced = "handshake_misplaced", Fault,
        "Message 1 is the first on the signaling connection, message 3 the first on each media connection: docs/protocol.md#3";
    WrongSignature = "wrong_signature", Fault,
        "Sign client id, id of what is streamed and stream id, joined by commas, with HMAC-SHA256 and the client secret, and write \
         it as 64 lower-case hexadecimal digits: docs/protocol.md#signature";
    WrongStreamId = "wrong_stream_id", Fault,
        "Use rtms_stream_id exactly as the newest start webhook has it: docs/protocol.md#identifiers";
    WrongInstanceId = "wrong_instance_id", Fault,
        "Send exactly one id, under the webhook's key and with the webhook's value, not encoded: docs/protocol.md#identifiers";
    OddInstanceId = "odd_instance_id", Warning,
        "Send exactly one id, under the webhook's key and with the webhook's value: docs/protocol.md#identifiers";
    Refused = "refused", Warning,
        "Look the status up, and ask only for what is granted and allowed together: docs/protocol.md#status-codes";
    L16AsRtp = "l16_as_rtp", Warning,
        "Ask for L16 with content_type 2 (RAW_AUDIO), and decode by what message 4 grants: docs/protocol.md#media-parameters";
    AskedAgain = "asked_again", Fault,
        "After a refusal change what was wrong, or leave that medium out: docs/protocol.md#status-codes";
    RefusalIgnored = "refusal_ignored", Fault,
        "Look at status_code in messages 2 and 4; with another value than 0 nothing was opened. Ask again rightly, or close the \
         connection: docs/protocol.md#4";
    ReadyTooEarly = "ready_too_early", Fault,
        "Send message 7 on signaling when message 4 has come with status 0, and not before: docs/protocol.md#7";
    ReadyForAnotherStream = "ready_for_another_stream", Fault,
        "Message 7 names the stream of its own connection: docs/protocol.md#7";
    NoReady = "no_ready", Fault,
        "Send message 7 on signaling after each data handshake; without it no media flows: docs/protocol.md#7";
    OtherVersion = "other_version", Warning,
        "Send protocol_version 1, or leave it out: docs/protocol.md#1";
    OddSubscription = "odd_subscription", Warning,
        "Send message 5 with events, a list of objects with event_type (a number) and subscribe (true or false): docs/protocol.md#5";
    SubscribedToAutomatic = "subscribed_to_automatic", Warning,
        "Leave events 1 and 7 out of message 5: docs/protocol.md#5";
    BadSubscription = "bad_subscription", Warning,
        "Subscribe to events that the product has: docs/protocol.md#5";
    KeepAliveMismatch = "keep_alive_mismatch", Fault,
        "Answer each message 12 on the connection that it came on, and repeat its timestamp and sequence as they came: \
         docs/protocol.md#12";
    KeepAliveTwice = "keep_alive_twice", Warning,
        "Answer each message 12 once: docs/protocol.md#12";
    KeepAliveLate = "keep_alive_late", Warning,
        "Answer message 12 at once, on a path that no work on media can block: docs/protocol.md#12";
    KeepAliveMissed = "keep_alive_missed", Fault,
        "Answer every message 12, on signaling and on each media connection: docs/protocol.md#12";
    KeepAliveUnanswered = "keep_alive_unanswered", Warning,
        "Answer every message 12 at once; after three in a row without an answer the connection is lost: docs/protocol.md#12";
    UnknownStateAskedFor = "unknown_state_asked_for", Warning,
        "Ask for the stream by its rtms_stream_id and for sessions that message 9 named: docs/protocol.md#10";
    HandshakeTooLate = "handshake_too_late", Fault,
        "Send the handshake as soon as the connection is open: docs/protocol.md#clocks-and-windows";
    NeverJoined = "never_joined", Fault,
        "Connect to server_urls of the start webhook at once; after about a minute the stream is gone: \
         docs/protocol.md#clocks-and-windows";
    JoinedLate = "joined_late", Warning,
        "Connect as soon as the start webhook has come: docs/protocol.md#clocks-and-windows";
    SecondSignaling = "second_signaling", Fault,
        "Keep one signaling connection for a stream, and close it before another is opened: docs/protocol.md#status-codes";
    SecondMedia = "second_media", Fault,
        "Keep one connection for each medium, or one for all, and close it before another is opened: docs/protocol.md#status-codes";
    ActedOnRepeat = "acted_on_repeat", Fault,
        "Recognise a webhook that came before by its event, stream id and server_urls, answer it with 200 and do nothing more: \
         docs/protocol.md#duplicates-and-order";
    RetriedTooFast = "retried_too_fast", Fault,
        "Wait between attempts, longer each time, within the window: docs/protocol.md#clocks-and-windows";
    CameBackAfterTheEnd = "came_back_after_the_end", Fault,
        "State 4 and the stop webhook end the stream: reconnect no more: docs/protocol.md#8";
    AbruptClose = "abrupt_close", Warning,
        "End a connection with a close frame, and a stream with message 21: docs/protocol.md#21";
    LeftOpen = "left_open", Fault,
        "Answer a close frame with one, and close the socket: docs/protocol.md#transport";
    WindowMissed = "window_missed", Fault,
        "Come back within 60 s for signaling and 65 s for media, from the handshake on: docs/protocol.md#clocks-and-windows";
    StayedAway = "stayed_away", Fault,
        "Connect anew when a connection is lost, at once and then with pauses, until the window is over; a medium that the \
         client closes by itself interrupts the stream, too: \
         docs/protocol.md#clocks-and-windows";
    NoMedia = "no_media", Fault,
        "After message 2 open a connection for each medium that is wanted, or one for all, and ask with message 3 for what is \
         granted: docs/protocol.md#3";
    NoCameraChosen = "no_camera_chosen", Note,
        "With data_opt 4, choose a camera by message 28; until then no picture is sent: docs/protocol.md#28";
    ReadTooSlowly = "read_too_slowly", Fault,
        "Read every connection without waiting for the work on what was read: docs/protocol.md#transport";
    WebhookNotAccepted = "webhook_not_accepted", Fault,
        "Answer a webhook with a 2xx status: docs/protocol.md#answers";
    WebhookNotAnswered = "webhook_not_answered", Fault,
        "Have the receiver listen at the URL before the stream starts, and answer each request: docs/protocol.md#answers";
    WebhookRedirected = "webhook_redirected", Fault,
        "Give Zoom the URL that answers by itself: docs/protocol.md#answers";
    WebhookAnsweredTooLate = "webhook_answered_too_late", Fault,
        "Answer a webhook at once and do the work afterwards: docs/protocol.md#answers";
    WebhookLost = "webhook_lost", Fault,
        "Answer one of the attempts with a 2xx status within 3 s: docs/protocol.md#answers";
    RepeatNotAccepted = "repeat_not_accepted", Fault,
        "Answer a repeated webhook like the first one: docs/protocol.md#duplicates-and-order";
    ValidationFailed = "validation_failed", Fault,
        "Answer with plainToken and encryptedToken, its HMAC-SHA256 with the secret token: docs/protocol.md#url-validation";
    ValidationNotAsJson = "validation_not_as_json", Warning,
        "Declare the answer as application/json: docs/protocol.md#url-validation";
    ValidationsFailedSoOften = "validations_failed_so_often", Fault,
        "Answer the next URL validation rightly: docs/protocol.md#url-validation";
    UrlDisabled = "url_disabled", Fault,
        "Answer URL validations rightly, and validate the URL again by hand: docs/protocol.md#url-validation";
    UnverifiedValidationAnswered = "unverified_validation_answered", Fault,
        "Check x-zm-signature of a URL validation before answering: docs/protocol.md#url-validation";
    SignedForAStranger = "signed_for_a_stranger", Fault,
        "Check x-zm-signature of a URL validation, and sign no token that looks like a webhook's base string: \
         docs/protocol.md#url-validation";
    ForgedStartAccepted = "forged_start_accepted", Warning,
        "Check x-zm-signature and the age of x-zm-request-timestamp before anything else, and answer 401 if they are not right: \
         docs/protocol.md#signature";
    ForgedStartJoined = "forged_start_joined", Fault,
        "Act on a start webhook only if its signature is right and its timestamp fresh; anybody else can send one with a URL of \
         their own: docs/protocol.md#signature";
}

impl Mistake {
    /// Its name, as the field `mistake` has it in JSON.
    pub fn name(&self) -> &'static str {
        self.kind().name()
    }

    /// How bad it is.
    pub fn severity(&self) -> Severity {
        self.kind().severity()
    }

    /// What is right, and where it is written.
    pub fn advice(&self) -> &'static str {
        self.kind().advice()
    }
}
