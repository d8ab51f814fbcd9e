//! What the application learns.
//!
//! A ledger of each medium can be kept from it: it begins with `MediaOpen`, is gone from `Interrupted` on (since
//! `unheard` before that), is back with the next `MediaOpen`, and given up with `MediumUnavailable` or `Ended`. What a
//! pause takes is told by `StreamState`.

use std::time::Duration;

use rtms_wire::{
    codes::{
        state::{SessionState, StreamState},
        status_code::StatusCode,
        stop_reason::StopReason,
    },
    flaws::RawMessage,
    ids::{RtmsSessionId, UserId},
    media::{
        medium::{MediaTypes, Medium},
        params::MediaParams,
    },
    message::{
        OtherMessage,
        event_update::EventBody,
        media_data::MediaData,
        text_data::{MediaDataChat, MediaDataTranscript},
    },
    time::UnixMillis,
};

use crate::{
    error::StreamError,
    load::{Class, Load, OVERHEAD_BYTES},
    role::Role,
};

/// News of a stream, in the order in which it became known.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// The signaling handshake succeeded, the first time or again.
    SignalingOpen,
    /// A media handshake succeeded, the first time or again. What follows on these media has the granted form.
    MediaOpen {
        /// What the connection carries, without what Zoom left out of a connection for several.
        media: MediaTypes,
        /// What Zoom granted.
        granted: MediaParams,
    },
    /// Zoom granted something else than was asked; what counts is what was granted.
    GrantDiffers {
        /// The medium.
        medium: Medium,
    },
    /// A medium will not come, or not come back: it was refused, or its window closed. The others go on.
    ///
    /// An error that [is retryable](StreamError::is_retryable) was retried until the window closed. Such a medium may
    /// still come back with the next signaling handshake; then `MediaOpen` tells so.
    MediumUnavailable {
        /// The medium.
        medium: Medium,
        /// The reason.
        error: StreamError,
    },
    /// A packet of sound.
    Audio(MediaData),
    /// A picture of a camera.
    Video(MediaData),
    /// A picture of a shared screen.
    Deskshare(MediaData),
    /// A line of the transcript.
    Transcript(MediaDataTranscript),
    /// A chat message.
    Chat(MediaDataChat),
    /// Something happened in the meeting or call; the product decides what its number means.
    Update(EventBody),
    /// The stream changed its state.
    StreamState {
        /// The new state.
        state: StreamState,
        /// Zoom's reason, if it gave one.
        reason: Option<StopReason>,
        /// The time of the change, on Zoom's clock.
        timestamp: Option<UnixMillis>,
    },
    /// A session inside the stream changed its state. One that stops does not end the stream.
    SessionState {
        /// The session.
        session: Option<RtmsSessionId>,
        /// The new state.
        state: SessionState,
        /// Zoom's reason, if it gave one.
        reason: Option<StopReason>,
        /// The time of the change, on Zoom's clock.
        timestamp: Option<UnixMillis>,
    },
    /// One person's camera was asked for, because it was wished for or because Zoom has forgotten the wish.
    VideoAsked {
        /// The person whose camera it is.
        user_id: UserId,
    },
    /// The camera that was wished for went off, or the person left. It is asked for again when it is on again.
    VideoVoid {
        /// The person whose camera it is.
        user_id: UserId,
    },
    /// Zoom answered the wish for one person's camera.
    VideoSubscription {
        /// The person whose camera it is.
        user_id: UserId,
        /// Zoom's answer; 44 means that it was on already.
        status: StatusCode,
    },
    /// A connection that stood is gone, and nothing that came since says that the stream is over; we try to get it back.
    ///
    /// Signaling whose loss was told is told once more, by [`Interruption::Failover`], if a newer start explains it.
    Interrupted {
        /// The connection, and with it those of its media that were open.
        role: Role,
        /// The cause.
        cause: Interruption,
        /// The time since the last message on it.
        unheard: Duration,
        /// What the driver said of it, for people.
        why: String,
    },
    /// Signaling is dialed anew, and media will be after it.
    Reconnecting,
    /// A try to connect came to nothing.
    AttemptFailed {
        /// The purpose of the connection.
        role: Role,
        /// The reason.
        error: StreamError,
        /// How long until the next try; none if no other fits into the window, which may still bring the explanation.
        again_in: Option<Duration>,
    },
    /// Media that had been delivered came again around a reconnection, and was not delivered twice.
    DuplicatesRemoved {
        /// The medium.
        medium: Medium,
        /// The number of them since this was last reported.
        count: u64,
    },
    /// Something came that this version does not know or cannot read. It is counted, nothing else.
    Odd(Odd),
    /// The stream is over for us. Nothing follows.
    Ended(Ending),
}

impl Event {
    /// Returns what a queue has to know of it.
    pub fn load(&self) -> Load {
        match self {
            Self::Video(data) => Load::of_medium(Class::Video, Medium::Video, Some(data.timestamp), data.data.len()),
            Self::Deskshare(data) => {
                Load::of_medium(Class::Deskshare, Medium::Deskshare, Some(data.timestamp), data.data.len())
            }
            Self::Audio(data) => Load::of_medium(Class::Audio, Medium::Audio, Some(data.timestamp), data.data.len()),
            Self::Transcript(line) => {
                let at = line.start_time.or(line.timestamp);
                Load::of_medium(Class::Words, Medium::Transcript, at, line.data.len())
            }
            Self::Chat(chat) => {
                let bytes = chat.data.as_str().map_or(0, str::len);
                Load::of_medium(Class::Words, Medium::Chat, chat.timestamp, bytes)
            }
            Self::Update(_) => Load::of_class(Class::Words),
            // There may be one for each message. The first of a kind have its bytes, and stay longer.
            Self::Odd(Odd::Raw(raw)) => {
                let class = if raw.bytes.is_empty() { Class::Remark } else { Class::Words };
                Load { class, time: None, bytes: raw.bytes.len() + OVERHEAD_BYTES }
            }
            // Zoom may send any number of them.
            Self::Odd(Odd::UnknownMessage(message)) => {
                Load { class: Class::Remark, time: None, bytes: message.json_bytes() + OVERHEAD_BYTES }
            }
            Self::SignalingOpen
            | Self::MediaOpen { .. }
            | Self::GrantDiffers { .. }
            | Self::MediumUnavailable { .. }
            | Self::StreamState { .. }
            | Self::SessionState { .. }
            | Self::VideoAsked { .. }
            | Self::VideoVoid { .. }
            | Self::VideoSubscription { .. }
            | Self::Interrupted { .. }
            | Self::Reconnecting
            | Self::AttemptFailed { .. }
            | Self::DuplicatesRemoved { .. }
            | Self::Odd(Odd::SkippedUrl { .. } | Odd::OtherVersion { .. } | Odd::Undecodable { .. })
            | Self::Ended(_) => Load::of_class(Class::State),
        }
    }
}

/// Who or what took a connection that stood.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Interruption {
    /// It was closed by the other side or cut.
    ConnectionLost,
    /// Nothing was heard on it for 65 s.
    Frozen,
    /// Signaling was lost. Zoom interrupts media with it.
    SignalingLost,
    /// Zoom's server failed over: a newer start webhook came, before the connection was lost or while it was.
    Failover,
    /// Zoom said so, by event 7, state 2 or an interrupted webhook.
    ToldByZoom,
}

impl Interruption {
    /// All causes.
    pub const ALL: [Self; 5] =
        [Self::ConnectionLost, Self::Frozen, Self::SignalingLost, Self::Failover, Self::ToldByZoom];

    /// Returns the word for it in metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ConnectionLost => "connection_lost",
            Self::Frozen => "frozen",
            Self::SignalingLost => "signaling_lost",
            Self::Failover => "failover",
            Self::ToldByZoom => "told_by_zoom",
        }
    }
}

impl std::fmt::Display for Interruption {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::ConnectionLost => "the connection was lost",
            Self::Frozen => "nothing was heard for too long",
            Self::SignalingLost => "signaling was lost",
            Self::Failover => "Zoom's server failed over",
            Self::ToldByZoom => "Zoom interrupted it",
        })
    }
}

/// Something that is no error but worth a counter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Odd {
    /// A message with a number that has no meaning here. Its fields are there if its form is unknown and it is short.
    UnknownMessage(OtherMessage),
    /// Zoom names a URL of another transport, such as SRT, which is never dialed. Told for each new set of URLs.
    SkippedUrl {
        /// The key in `server_urls`.
        key: String,
        /// The URL without the values of its query.
        url: String,
    },
    /// Zoom answers in another version of the protocol than was asked for. We go on in ours. Told once.
    OtherVersion {
        /// The connection.
        role: Role,
        /// Zoom's version.
        version: u32,
    },
    /// A message of which not all could be read, as it came. The driver adds it beside what was read, or beside
    /// [`Odd::Undecodable`].
    Raw(RawMessage),
    /// Bytes that are no message. The connection stays.
    Undecodable {
        /// Which medium they were for, where that much can be told.
        medium: Option<Medium>,
        /// [`DecodeError::kind`](rtms_wire::error::DecodeError::kind).
        kind: &'static str,
        /// The reason, for people.
        why: String,
    },
}

impl Odd {
    /// The words of [`Odd::kind`] that are counted as such, beside those of
    /// [`DecodeError::KINDS`](rtms_wire::error::DecodeError::KINDS). What was read in part is counted by its flaws.
    pub const KINDS: [&'static str; 3] = ["unknown_message", "skipped_url", "other_version"];

    /// The kind in one of a few fixed words, by which such things are counted.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::UnknownMessage(_) => "unknown_message",
            Self::Raw(_) => "flawed",
            Self::SkippedUrl { .. } => "skipped_url",
            Self::OtherVersion { .. } => "other_version",
            Self::Undecodable { kind, .. } => kind,
        }
    }
}

/// What Zoom says when we want to close a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CloseAnswer {
    /// It agreed, by message 22 or by ending the stream.
    Agreed,
    /// It refused with this status. The connections are closed all the same, which Zoom takes for a fault of ours.
    Refused(StatusCode),
    /// Nothing in time.
    None,
    /// It could not be asked, as there was no signaling connection.
    NotAsked,
}

/// How a stream ended. [`Ending::next_step`] says whether a new one is to be asked for.
#[derive(Clone, Debug, PartialEq)]
pub enum Ending {
    /// Zoom ended it, by webhook or by state 4.
    Stopped {
        /// Zoom's reason, if it gave one.
        reason: Option<StopReason>,
    },
    /// We closed it.
    Closed {
        /// Zoom's answer.
        answer: CloseAnswer,
    },
    /// We left it to somebody else.
    Abandoned,
    /// It could not be had or kept.
    Failed(StreamError),
}
