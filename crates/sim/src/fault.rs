//! What may go wrong, as values: [`Incident`]s happen at a moment of the stream, a [`Temper`] is how Zoom behaves
//! throughout.
//!
//! Nothing here is chance. Whoever wants random trouble draws these values from a seed, so that a run can be told and
//! repeated.

use std::time::Duration;

use rtms_wire::{
    codes::{status_code::StatusCode, stop_reason::StopReason},
    media::medium::Medium,
};
use serde::{Deserialize, Serialize};

/// Something that happens at a moment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Incident {
    /// When, since the stream started.
    #[serde(with = "humantime_serde")]
    pub at: Duration,
    /// What goes wrong.
    pub what: Trouble,
}

/// Which connections something happens to. Those that are not there are left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Target {
    /// The signaling connection.
    Signaling,
    /// Every media connection.
    Media,
    /// The connection that carries this medium.
    Medium(Medium),
    /// All of them.
    Everything,
}

/// What can happen at a moment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Trouble {
    /// Connections are cut, without a close frame.
    Cut {
        /// The connections it happens to.
        target: Target,
    },
    /// Connections are closed in order.
    Close {
        /// The connections it happens to.
        target: Target,
        /// The close code; 1000 was seen for success and failure alike.
        #[serde(default = "normal_closure")]
        code: u16,
    },
    /// Zoom's server hangs: it sends nothing on these connections and reads nothing, and then goes on where it was.
    /// What it had to say meanwhile comes then, unless the connection is gone.
    Freeze {
        /// The connections it happens to.
        target: Target,
        /// For how long.
        #[serde(rename = "for", with = "humantime_serde")]
        lasts: Duration,
    },
    /// The network loses everything on these connections, both ways, and nobody is told.
    Vanish {
        /// The connections it happens to.
        target: Target,
    },
    /// No keep-alive request is sent on these connections; media goes on.
    SkipKeepAlive {
        /// The connections it happens to.
        target: Target,
        /// For how long.
        #[serde(rename = "for", with = "humantime_serde")]
        lasts: Duration,
    },
    /// Zoom's server fails over: a new start webhook with the URLs of the next server.
    Failover {
        /// How long the old connections still live; they are cut then.
        #[serde(default, with = "humantime_serde")]
        overlap: Duration,
    },
    /// No server takes new connections; those that stand are not touched.
    Down {
        /// For how long.
        #[serde(rename = "for", with = "humantime_serde")]
        lasts: Duration,
    },
    /// An interrupted webhook.
    Interrupted {
        /// Whether it carries `server_urls`; the reference lists only ids.
        #[serde(default)]
        with_urls: bool,
        /// Whether signaling is really lost. A webhook alone may be about a connection that is long replaced.
        #[serde(default)]
        breaks: bool,
    },
    /// The stream pauses: no media, connections stay.
    Pause,
    /// The stream goes on.
    Resume,
    /// One more session starts inside the stream.
    SessionStarts,
    /// A session stops; the stream goes on.
    SessionStops {
        /// Which, in the order of their start; 0 is the first.
        session: usize,
        /// The stop reason.
        reason: StopReason,
    },
    /// The stream ends.
    Stop {
        /// The stop reason.
        reason: StopReason,
        /// By which ways the client is told.
        #[serde(default, rename = "told")]
        notice: EndNotice,
    },
    /// The first start webhook comes again, byte for byte: Zoom missed the answer.
    StartRepeated,
    /// The first start webhook comes again after the end of the stream. While the stream runs it does nothing.
    StartRepeatedLate,
    /// An old start webhook of this stream comes late: `event_ts` before that of the first.
    StartOutdated,
    /// The stream has ended and streaming starts anew: a start webhook of the same meeting, with another stream id.
    /// What was said meanwhile is in neither stream. While the stream runs it does nothing.
    StartsAgain,
    /// Something that is no proper message comes on these connections.
    Nonsense {
        /// The connections it happens to.
        target: Target,
        /// What is sent.
        kind: Nonsense,
    },
    /// Media of one kind is lost inside Zoom and never sent.
    Gap {
        /// The medium.
        medium: Medium,
        /// For how long.
        #[serde(rename = "for", with = "humantime_serde")]
        lasts: Duration,
    },
    /// Media of one kind is sent twice.
    Repeat {
        /// The medium.
        medium: Medium,
        /// For how long.
        #[serde(rename = "for", with = "humantime_serde")]
        lasts: Duration,
    },
}

impl Trouble {
    /// Whether it can happen when the stream is over.
    pub(crate) fn outlives_the_stream(&self) -> bool {
        match self {
            Self::StartRepeatedLate | Self::StartsAgain => true,
            Self::Cut { .. }
            | Self::Close { .. }
            | Self::Freeze { .. }
            | Self::Vanish { .. }
            | Self::SkipKeepAlive { .. }
            | Self::Failover { .. }
            | Self::Down { .. }
            | Self::Interrupted { .. }
            | Self::Pause
            | Self::Resume
            | Self::SessionStarts
            | Self::SessionStops { .. }
            | Self::Stop { .. }
            | Self::StartRepeated
            | Self::StartOutdated
            | Self::Nonsense { .. }
            | Self::Gap { .. }
            | Self::Repeat { .. } => false,
        }
    }
}

/// By which ways the end is told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EndNotice {
    /// State 4, closed connections, and the stop webhook.
    #[default]
    Everywhere,
    /// The webhook comes first, the rest a second later.
    WebhookFirst,
    /// State 4 and closed connections; the webhook is lost.
    StateOnly,
    /// The webhook alone; connections are cut.
    WebhookOnly,
}

/// What is no proper message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Nonsense {
    /// Text that is not JSON.
    BrokenJson,
    /// Bytes that are not text.
    Binary,
    /// Bytes that begin like Protobuf: a line feed, which is white space to JSON.
    Protobuf,
    /// A message with a number that nobody knows, from 30 on.
    UnknownMessage,
    /// An event with a number that nobody knows.
    UnknownEvent,
    /// A state with a number that nobody knows.
    UnknownState,
    /// Media whose payload is not base64.
    BrokenPayload,
    /// Media whose `length` is not that of its payload.
    WrongLength,
    /// Arrays in arrays, a hundred thousand deep.
    DeepNesting,
    /// An empty message.
    Nothing,
}

/// How Zoom behaves throughout, where it can behave in more than one way. The default is Zoom at its best.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Temper {
    /// Requests that are not granted although they are right, in this order.
    pub refusals: Vec<Refused>,
    /// Whether nothing is accepted that the documents do not allow, where Zoom was seen to be lenient: L16 as RTP is
    /// refused with 19, and an instance id under several keys with 4.
    pub strict: bool,
    /// What happens to a second signaling connection while the first lives.
    pub second_signaling: SecondSignaling,
    /// In which form message 2 says where the media is.
    pub media_urls: MediaUrlForm,
    /// Whether messages travel in binary frames.
    pub binary_frames: bool,
    /// What a keep-alive request carries.
    pub keep_alive: KeepAliveForm,
    /// Whether keep-alive requests are sent only where nothing else was sent meanwhile.
    pub keep_alive_when_idle: bool,
    /// Whether sound of each speaker is granted as mixed sound.
    pub downgrade_to_mixed: bool,
    /// Media whose message 4 says that payloads are encrypted, though nobody asked for it; what is sent of them is
    /// noise. Basis: the field is documented, the rest reconstructed.
    pub encrypted_unasked: Vec<Medium>,
    /// What becomes of a `media_type` of several media that is not 32.
    pub or_mask: OrMask,
    /// Whether events have the `event_code` of version 2, with numbers of ours. Basis: the name alone is documented.
    pub event_code: EventCode,
    /// Whether messages 2 and 4 name version 2, whatever the client asked for. Basis: reconstructed.
    pub answers_version_2: bool,
    /// Whether binary frames that are no JSON come before messages 2 and 4. Basis: Zoom's SDK was observed to pass them
    /// over.
    pub stray_binary: bool,
    /// Whether people, packets and message 2 have fields that nobody knows, those of SRT among them. Basis: documented
    /// that there are some; but for the two of SRT the names are ours.
    pub extra_fields: bool,
    /// Media whose own key in message 2 names an `srt://` URL; `all` stays. Zoom's SDK dials it again and again, so
    /// only a client that is told of it should meet it. Basis: reconstructed.
    pub srt_url: Vec<Medium>,
    /// How many of the client's messages 7 get lost.
    pub ready_ignored: u32,
    /// How message 21 is answered.
    pub close_answer: CloseAnswer,
    /// Whether webhooks carry the ids inside `payload.object`.
    pub nested_webhooks: bool,
    /// Sessions that the stream starts with, beyond the first.
    pub more_sessions: usize,
}

/// A right request that is not granted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Refused {
    /// The request that is refused.
    pub request: Request,
    /// What comes of it.
    pub answer: Answer,
    /// The number of times.
    #[serde(default = "once")]
    pub times: u32,
    /// The time since the start of the stream after which it happens.
    #[serde(default, with = "humantime_serde")]
    pub after: Duration,
}

/// What can be refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Request {
    /// The WebSocket upgrade on a signaling server.
    SignalingUpgrade,
    /// The WebSocket upgrade on a media server.
    MediaUpgrade,
    /// Message 1.
    Signaling,
    /// Message 3 for this medium, or for all.
    Data(Medium),
    /// Message 3, whatever it is for.
    AnyData,
    /// Message 28.
    Video,
}

/// What comes of a request that is not granted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// This status; the connection stays.
    Status(StatusCode),
    /// This status, then a close frame.
    StatusAndClose(StatusCode),
    /// An HTTP status in place of the upgrade; for messages, the same as closing.
    Http(u16),
    /// Nothing at all.
    Silence,
    /// A close frame with 1000 and no word.
    Close,
    /// A cut connection.
    Cut,
}

/// What happens to a second signaling connection while the first lives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SecondSignaling {
    /// It is refused with status 8. Basis: documented.
    #[default]
    Refused,
    /// It is taken, and the first one is closed. Basis: observed in vendor text.
    KicksTheFirst,
}

/// In which form message 2 says where the media is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MediaUrlForm {
    /// A key for each medium, and `all`.
    #[default]
    Keys,
    /// A key for each medium.
    WithoutAll,
    /// `all` and nothing else.
    OnlyAll,
    /// A string in place of the object.
    Text,
}

/// What becomes of a `media_type` of several media that is not 32.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OrMask {
    /// Phone refuses it, every other product takes it. Basis: Phone's refusal was observed in vendor code, the rest is
    /// not known.
    #[default]
    ByProduct,
    /// It is taken.
    Accepted,
    /// It is refused with 14.
    Refused,
}

/// Whether events have an `event_code`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EventCode {
    /// No: `event_type` alone, and no call events of Phone.
    #[default]
    Off,
    /// In place of `event_type`.
    CodeOnly,
    /// Beside `event_type`; Phone's call events have it alone.
    Both,
}

/// What a keep-alive request carries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KeepAliveForm {
    /// `timestamp` and `sequence`: Zoom's SDK answers nothing else.
    #[default]
    Both,
    /// `timestamp`, as documented.
    Timestamp,
    /// Nothing, as in 2025.
    Bare,
}

/// How message 21 is answered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CloseAnswer {
    /// Message 22, then the end.
    #[default]
    First,
    /// The end, then message 22.
    Last,
    /// The end alone.
    Never,
    /// Nothing at all.
    Silence,
}

fn once() -> u32 {
    1
}

fn normal_closure() -> u16 {
    1000
}
