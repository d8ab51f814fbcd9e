//! The kinds of mistakes, each with its details and the words for what was seen.

use rtms_wire::{
    codes::{message_type::MessageType, status_code::StatusCode},
    media::medium::Medium,
};
use serde::{Serialize, Serializer};

use crate::{findings::suspect::Suspect, webhook::answer::ANSWER_WITHIN};

/// The kinds of mistakes. Their text says what was seen and fits after "the client …"; [`Mistake::advice`] says what is
/// right.
#[derive(Clone, Debug, PartialEq, Serialize, thiserror::Error)]
#[serde(tag = "mistake", rename_all = "snake_case")]
pub enum Mistake {
    /// Bytes that are no message of the protocol.
    #[error("sent something that is no message: {why}")]
    NotAMessage {
        /// What the decoder said.
        why: String,
    },
    /// A message with a number that nobody knows.
    #[error("sent message {msg_type}, which does not exist")]
    UnknownMessage {
        /// Its number.
        #[serde(serialize_with = "as_code")]
        msg_type: MessageType,
    },
    /// Media, which only Zoom sends.
    #[error("sent media, message {msg_type}, to Zoom")]
    SentMedia {
        /// Its number.
        #[serde(serialize_with = "as_code")]
        msg_type: MessageType,
    },
    /// A message that nobody sends to Zoom, or not on this kind of connection, or not before the handshake.
    #[error("sent message {msg_type}, which does not belong there: {why}")]
    OutOfPlace {
        /// Its number.
        #[serde(serialize_with = "as_code")]
        msg_type: MessageType,
        /// Where and when it came.
        why: &'static str,
    },
    /// Message 1 on a media connection, or message 3 on a signaling connection.
    #[error("sent message {request} on the wrong kind of connection, and it was refused with 1")]
    HandshakeMisplaced {
        /// What was asked.
        #[serde(serialize_with = "as_code")]
        request: MessageType,
    },
    /// A signature that is not that of the stream.
    #[error("sent message {request} with a wrong signature: {}", Explained(suspects))]
    WrongSignature {
        /// In which message.
        #[serde(serialize_with = "as_code")]
        request: MessageType,
        /// What would explain it, all of it together; empty if nothing that is known does.
        suspects: Vec<Suspect>,
    },
    /// A stream id that Zoom does not know.
    #[error("sent message {request} with an unknown rtms_stream_id")]
    WrongStreamId {
        /// In which message.
        #[serde(serialize_with = "as_code")]
        request: MessageType,
    },
    /// No id of what is streamed, several, or another than the webhook's.
    #[error("sent message {request} with wrong ids: {reason}")]
    WrongInstanceId {
        /// In which message.
        #[serde(serialize_with = "as_code")]
        request: MessageType,
        /// What was wrong.
        reason: String,
    },
    /// The webhook's id, but several times, or under the key of another product. It was accepted, as Zoom accepts it.
    #[error("sent message {request} with {how}, which was accepted all the same")]
    OddInstanceId {
        /// In which message.
        #[serde(serialize_with = "as_code")]
        request: MessageType,
        /// What was odd.
        how: &'static str,
    },
    /// A handshake or another request that was answered with another status than 0.
    #[error("sent message {request}, which was refused with {status}: {reason}")]
    Refused {
        /// What was asked.
        #[serde(serialize_with = "as_code")]
        request: MessageType,
        /// What was answered.
        status: StatusCode,
        /// The words that went with it.
        reason: String,
    },
    /// L16 asked for as RTP, which the matrix does not have. Granted as raw audio, as Zoom's published programs expect.
    #[error("asked for L16 with content_type 1 (RTP), and was granted content_type 2 (RAW_AUDIO)")]
    L16AsRtp,
    /// The same request again although the answer cannot change.
    #[error("sent message {request} {times} times although each time it was refused with {status}")]
    AskedAgain {
        /// What was asked.
        #[serde(serialize_with = "as_code")]
        request: MessageType,
        /// What was answered.
        status: StatusCode,
        /// The number of times.
        times: u32,
    },
    /// A refused handshake after which the client went on as if nothing had happened.
    #[error("did not heed that message {request} was refused: it {how}")]
    RefusalIgnored {
        /// What was refused.
        #[serde(serialize_with = "as_code")]
        request: MessageType,
        /// What it did.
        how: &'static str,
    },
    /// Message 7 before any data handshake had succeeded.
    #[error("sent a client ready before any data handshake had succeeded")]
    ReadyTooEarly,
    /// Message 7 that names another stream.
    #[error("sent a client ready for another stream")]
    ReadyForAnotherStream,
    /// A data handshake without a message 7 after it.
    #[error("sent no client ready within {after_ms} ms after the data handshake")]
    NoReady {
        /// How long was waited.
        after_ms: u64,
    },
    /// A version of the protocol that is not spoken here.
    #[error("asked for version {version} of the protocol, and only version 1 is spoken here")]
    OtherVersion {
        /// What it asked for.
        version: u32,
    },
    /// Message 5 in one of the two forms that only single documents have; it has no effect.
    #[error("subscribed to events {how}, which has no effect here")]
    OddSubscription {
        /// In which form.
        how: &'static str,
    },
    /// Message 5 for an event that comes by itself.
    #[error("subscribed to event {event_type}, which comes by itself")]
    SubscribedToAutomatic {
        /// The number asked for.
        event_type: i64,
    },
    /// Message 5 for an event that is not listed, or on a product that has none.
    #[error("subscribed to event {event_type}: {why}")]
    BadSubscription {
        /// The number asked for.
        event_type: i64,
        /// What was wrong.
        why: &'static str,
    },
    /// Message 13 that answers no request, or does not repeat the request's fields.
    #[error("sent a wrong keep-alive answer: {how}")]
    KeepAliveMismatch {
        /// What was wrong.
        how: KeepAliveFault,
    },
    /// Message 13 for a request that has its answer.
    #[error("answered a keep-alive request a second time")]
    KeepAliveTwice,
    /// Message 13 that came when the next request was out already.
    #[error("answered a keep-alive request after {after_ms} ms, when the next one was out already")]
    KeepAliveLate {
        /// From the request to its answer.
        after_ms: u64,
    },
    /// Keep-alive requests that were not answered in time.
    #[error("left {missed} keep-alive requests in a row unanswered")]
    KeepAliveMissed {
        /// How many in a row.
        missed: usize,
    },
    /// Keep-alive requests whose answer had not come when the stream ended, although there was time for it.
    #[error("left {missing} keep-alive {} unanswered to the end of the stream", if *missing == 1 { "request" } else { "requests" })]
    KeepAliveUnanswered {
        /// How many on this connection.
        missing: usize,
    },
    /// Messages 10 or 19 for something that is not there.
    #[error("asked for the state of an unknown stream or session")]
    UnknownStateAskedFor,
    /// A connection that never got to its handshake.
    #[error("opened a connection and did not shake hands in time")]
    HandshakeTooLate,
    /// Nobody came in time after the start webhook.
    #[error("did not join in time after the start webhook")]
    NeverJoined,
    /// Somebody came, but so late that little was missing.
    #[error("joined {after_ms} ms after the start webhook")]
    JoinedLate {
        /// From the start webhook to the handshake.
        after_ms: u64,
    },
    /// A second signaling connection while the first lived.
    #[error("opened a second signaling connection while the first lived: {}", if *refused { "it was refused" } else { "it threw out the first" })]
    SecondSignaling {
        /// Whether the second was refused; otherwise the first was closed.
        refused: bool,
    },
    /// A media connection for what has one already.
    #[error("opened a second media connection for the same media, which was refused with {status}")]
    SecondMedia {
        /// What was answered.
        status: StatusCode,
    },
    /// A webhook that came again was taken for news.
    #[error("joined again because of a webhook that it had seen already")]
    ActedOnRepeat,
    /// One attempt after the other without a pause, though each was in vain.
    #[error("tried {attempts} times to connect with hardly a pause between")]
    RetriedTooFast {
        /// The number of attempts.
        attempts: usize,
    },
    /// A connection that was opened after the client was told that the stream is over.
    #[error("came back {after_ms} ms after the end of the stream")]
    CameBackAfterTheEnd {
        /// From the end to the connection.
        after_ms: u64,
    },
    /// A connection that ended without a close frame.
    #[error("cut the connection without a close frame")]
    AbruptClose,
    /// A close frame that was not answered, on a connection that stayed open.
    #[error("left a connection open that Zoom had closed")]
    LeftOpen,
    /// Signaling or media did not come back in its window.
    #[error("did not come back in time: {}", medium.map_or("signaling", Medium::as_str))]
    WindowMissed {
        /// The medium that was lost; none stands for signaling.
        medium: Option<Medium>,
    },
    /// Signaling or media was lost, the window was open to the end of the stream, and nobody tried to come back.
    #[error("did not come back: {} was gone for the last {after_ms} ms, and nothing was tried since", medium.map_or("signaling", Medium::as_str))]
    StayedAway {
        /// The medium that was lost; none stands for signaling, and all media with it.
        medium: Option<Medium>,
        /// From the moment when it could have come back to the end of the stream.
        after_ms: u64,
    },
    /// The stream had signaling to its end, and never any media.
    #[error("joined and had no media for {after_ms} ms, to the end: {}", Unopened(*refused))]
    NoMedia {
        /// From the signaling handshake to the end of the stream.
        after_ms: u64,
        /// What the last data handshake was refused with; none if there was no data handshake.
        #[serde(skip_serializing_if = "Option::is_none")]
        refused: Option<StatusCode>,
    },
    /// Video of one person of choice was granted, and nobody was chosen to the end.
    #[error("had a connection for one person's video (data_opt 4) and never chose a camera: no video was sent")]
    NoCameraChosen,
    /// More bytes were waiting for this client than the simulator keeps.
    #[error("read too slowly: {waiting_bytes} bytes were waiting")]
    ReadTooSlowly {
        /// The number of bytes that waited.
        waiting_bytes: usize,
    },
    /// There was no answer to the webhook: no connection, or one that broke.
    #[error("did not answer the webhook {event}: {why}")]
    WebhookNotAnswered {
        /// The event name of the webhook.
        event: String,
        /// What happened instead.
        why: String,
    },
    /// The webhook was refused, or answered with an error.
    #[error("answered the webhook {event} badly: {why}")]
    WebhookNotAccepted {
        /// The event name of the webhook.
        event: String,
        /// The status.
        why: String,
    },
    /// The webhook was answered with a redirect.
    #[error(
        "answered the webhook {event} with status {status}: Zoom follows no redirect and does not try again, the event is lost"
    )]
    WebhookRedirected {
        /// The event name of the webhook.
        event: String,
        /// The status.
        status: u16,
    },
    /// The webhook was answered after Zoom's three seconds, or never.
    #[error("{}", TooLate { event, status, after_ms, needlessly: *repeated_needlessly })]
    WebhookAnsweredTooLate {
        /// The event name of the webhook.
        event: String,
        /// The status; none if nothing came.
        #[serde(skip_serializing_if = "Option::is_none")]
        status: Option<u16>,
        /// Milliseconds from the post to the answer.
        #[serde(skip_serializing_if = "Option::is_none")]
        after_ms: Option<u64>,
        /// Whether it was accepted, so that Zoom sends again what has arrived.
        repeated_needlessly: bool,
    },
    /// All attempts failed.
    #[error("did not take the webhook {event} in {attempts} attempts: Zoom has given it up, the event is lost")]
    WebhookLost {
        /// The event name of the webhook.
        event: String,
        /// How many were made.
        attempts: u32,
    },
    /// A webhook that came a second time was not accepted.
    #[error("answered a repeat of the webhook {event} badly: {why}; a repeat is known already, and is accepted")]
    RepeatNotAccepted {
        /// The event name of the webhook.
        event: String,
        /// The status.
        why: String,
    },
    /// The URL validation was not answered as Zoom wants it.
    #[error("failed the URL validation, {in_a_row} in a row: {why}")]
    ValidationFailed {
        /// What was wrong.
        why: String,
        /// Failures since the last good one.
        in_a_row: u32,
    },
    /// The URL validation was answered rightly, but not declared as JSON.
    #[error("answered the URL validation with content-type {} in place of application/json", content_type.as_deref().unwrap_or("(none)"))]
    ValidationNotAsJson {
        /// What was declared.
        #[serde(skip_serializing_if = "Option::is_none")]
        content_type: Option<String>,
    },
    /// Zoom writes to the owner of the account.
    #[error("failed {in_a_row} URL validations in a row: Zoom warns the account's owner by mail")]
    ValidationsFailedSoOften {
        /// Failures since the last good one.
        in_a_row: u32,
    },
    /// Zoom sends nothing more.
    #[error("failed {in_a_row} URL validations in a row: Zoom disables the URL and sends nothing more")]
    UrlDisabled {
        /// Failures since the last good one.
        in_a_row: u32,
    },
    /// A validation that Zoom did not sign was answered with an HMAC.
    #[error("answered a URL validation that came {how}: it makes HMACs with the secret token for anybody")]
    UnverifiedValidationAnswered {
        /// What was wrong with the question.
        how: &'static str,
    },
    /// A stranger got the signature of a webhook of the stranger's choice.
    #[error(
        "is a signing oracle: an unsigned URL validation with a webhook's base string as its token got that webhook's signature"
    )]
    SignedForAStranger,
    /// A start webhook that Zoom did not send was accepted.
    #[error("accepted a start webhook that came {how}")]
    ForgedStartAccepted {
        /// What was wrong with it.
        how: &'static str,
    },
    /// A client joined the stream of a start webhook that Zoom did not send.
    #[error(
        "sent message {request} for the stream of a start webhook that came {how}: anybody can have it connect anywhere"
    )]
    ForgedStartJoined {
        /// In which message.
        #[serde(serialize_with = "as_code")]
        request: MessageType,
        /// What was wrong with the webhook.
        how: &'static str,
    },
}

/// What is wrong with an answer to a keep-alive request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, thiserror::Error)]
#[serde(rename_all = "snake_case")]
pub enum KeepAliveFault {
    /// `timestamp` is not the request's.
    #[error("it does not repeat the timestamp")]
    Timestamp,
    /// `sequence` is not the request's.
    #[error("it does not repeat the sequence")]
    Sequence,
    /// It repeats a request that was made on another connection.
    #[error("the request came on another connection")]
    OtherConnection,
    /// There was no request.
    #[error("nothing was asked")]
    NothingAsked,
}

struct Explained<'a>(&'a [Suspect]);

impl std::fmt::Display for Explained<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Some((first, rest)) = self.0.split_first() else {
            return f.write_str(
                "no mistake that is known explains it; check that client id and client secret are those of this app",
            );
        };
        write!(f, "it is made as if {first}")?;
        rest.iter().try_for_each(|suspect| write!(f, " and {suspect}"))
    }
}

struct Unopened(Option<StatusCode>);

impl std::fmt::Display for Unopened {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            Some(status) => write!(f, "each data handshake was refused, the last with {status}"),
            None => f.write_str("it sent no data handshake"),
        }
    }
}

struct TooLate<'a> {
    event: &'a str,
    status: &'a Option<u16>,
    after_ms: &'a Option<u64>,
    needlessly: bool,
}

impl std::fmt::Display for TooLate<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let within = ANSWER_WITHIN.as_millis();
        match (self.status, self.after_ms) {
            (Some(status), Some(ms)) => {
                write!(f, "answered {} with {status} after {ms} ms, and Zoom waits {within} ms", self.event)
            }
            (Some(status), None) => write!(f, "answered {} with {status} later than {within} ms", self.event),
            (None, _) => write!(f, "did not answer {}, for which Zoom waits {within} ms", self.event),
        }?;
        if self.needlessly {
            write!(f, ": what had arrived counts as failed and is sent again needlessly")?;
        }
        Ok(())
    }
}

fn as_code<S: Serializer>(msg_type: &MessageType, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_i64(msg_type.code())
}
