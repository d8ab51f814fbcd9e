//! What the application learns.

use rtms_wire::{
    codes::{
        message_type::MessageType,
        state::{SessionState, StreamState},
        status_code::StatusCode,
        stop_reason::StopReason,
    },
    ids::{RtmsSessionId, UserId},
    media::{
        medium::{MediaTypes, Medium},
        params::MediaParams,
    },
    message::{
        event_update::EventBody,
        media_data::MediaData,
        text_data::{MediaDataChat, MediaDataTranscript},
    },
    time::UnixMillis,
};

use crate::{error::StreamError, output::Role};

/// News of a stream, in the order in which it became known.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// The signaling handshake succeeded.
    SignalingOpen,
    /// A media handshake succeeded. What follows on these media has the granted form.
    MediaOpen {
        /// What the connection carries.
        media: MediaTypes,
        /// What Zoom granted.
        granted: MediaParams,
    },
    /// Zoom granted something else than was asked; what counts is what was granted.
    GrantDiffers {
        /// For which medium.
        medium: Medium,
    },
    /// A medium will not come, for lack of a scope or because the request was refused. The others go on.
    MediumUnavailable {
        /// Which.
        medium: Medium,
        /// Why.
        error: StreamError,
    },
    /// Sound.
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
        /// To what.
        state: StreamState,
        /// Why.
        reason: Option<StopReason>,
        /// When, on Zoom's clock.
        timestamp: Option<UnixMillis>,
    },
    /// A session inside the stream changed its state. One that stops does not end the stream.
    SessionState {
        /// Which session.
        session: Option<RtmsSessionId>,
        /// To what.
        state: SessionState,
        /// Why.
        reason: Option<StopReason>,
        /// When, on Zoom's clock.
        timestamp: Option<UnixMillis>,
    },
    /// Zoom answered the wish for one person's camera.
    VideoSubscription {
        /// Whose.
        user_id: UserId,
        /// How it went; 44 means that it was on already.
        status: StatusCode,
    },
    /// A connection was lost, and nothing that came since explains it; what becomes of it follows.
    Interrupted {
        /// Which.
        role: Role,
        /// How.
        why: String,
    },
    /// Everything is dialed anew, because a webhook said so.
    Reconnecting,
    /// Something came that this version does not know or cannot read. It is counted, nothing else.
    Odd(Odd),
    /// The stream is over for us. Nothing follows.
    Ended(Ending),
}

/// Something that is no error but worth a counter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Odd {
    /// A message with a number that has no meaning here.
    UnknownMessage(MessageType),
    /// Bytes that are no message, and why.
    Undecodable(String),
}

/// How a stream ended.
#[derive(Clone, Debug, PartialEq)]
pub enum Ending {
    /// Zoom ended it, by webhook or by state 4.
    Stopped {
        /// Why, where Zoom said so.
        reason: Option<StopReason>,
    },
    /// We asked for it and Zoom agreed, or never answered.
    Closed,
    /// We left it to somebody else.
    Abandoned,
    /// It could not be had or kept.
    Failed(StreamError),
}
