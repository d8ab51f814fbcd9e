//! `RTMS_STATUS_CODE`, in the numbering that is in use.

use rtms_wire::codes::status_code::StatusCode as S;

use crate::explain::{
    entry::{Basis, Entry, Retry},
    kind::Kind,
};

const BUG: &str = "It is a mistake in the client's program: compare the message with the documents. rtms itself does not send \
                   such a message; please report it if it gets this answer.";
const WITHOUT: &str = "Add the scope of this medium to the app in the Marketplace and authorise the app again, or take the \
                       medium out of `media.want`. `rtms doctor --checklist` has the scope. rtms goes on without it.";
const AUDIO: &str = "Use a combination that Zoom allows, as in docs/protocol.md#media-parameters; content type 2, L16, 16 kHz, mono, \
                     20 ms always works. rtms checks `[media.audio]` when it starts.";
const VIDEO: &str = "Use a combination that Zoom allows: H.264 above 5 pictures a second, JPG or PNG up to 5. JPG, 5 pictures a \
                     second, HD always works. rtms checks `[media.video]` when it starts.";
const DESKSHARE: &str = "Use a combination that Zoom allows; JPG with 1 picture a second always works. rtms checks \
                         `[media.deskshare]` when it starts.";
const TRANSCRIPT: &str = "Send content type 5 and a language number of Zoom's list, or leave the language out. rtms checks \
                          `[media.transcript]` when it starts.";
const CHAT: &str = "Send content type 5.";

/// Every status code, by number.
pub(super) const ENTRIES: &[Entry] = &[
    row(S::Ok, "The request was accepted.", &[], "Nothing to do.", Retry::NotNeeded),
    row(
        S::InvalidMessageType,
        "The message type is unknown, or not allowed on this connection at this moment.",
        &["a data handshake on the signaling connection", "a message before the handshake"],
        BUG,
        Retry::Never,
    ),
    row(
        S::InvalidRtmsStreamId,
        "Zoom does not have this stream, or does not have it any more.",
        &[
            "the first connection came later than about 60 s after the start webhook",
            "the stream is over",
            "the window for coming back has closed",
        ],
        "Wait for the next start webhook, or ask for a new stream. If it happens with every stream, webhooks arrive late: \
         `rtms receipts` has the times.",
        Retry::Never,
    ),
    row(
        S::InvalidSignature,
        "The signature of the handshake does not match.",
        &[
            "the client secret is wrong, or is the secret token",
            "client id and client secret are of different apps",
            "another id was signed than was sent",
        ],
        "Compare client id and client secret with the page of the app's credentials (Video SDK: SDK key and SDK secret). \
         `rtms doctor` finds swapped ones. The text that is signed is client_id,instance_id,stream_id without spaces.",
        Retry::Never,
    ),
    row(
        S::InvalidPayload,
        "A field of the message is missing or has the wrong type.",
        &["a number sent as text", "a field left out"],
        BUG,
        Retry::Never,
    ),
    row(
        S::InvalidEvents,
        "The list `events` of a subscription is malformed.",
        &["`events` is no list", "a list of numbers in place of objects"],
        "Send [{\"event_type\": …, \"subscribe\": true}, …].",
        Retry::AfterChange,
    ),
    row(
        S::InvalidEventType,
        "The product has no event with this number.",
        &["an event of meetings asked of the Contact Center, or the other way round"],
        "Leave that event out.",
        Retry::AfterChange,
    ),
    row(
        S::InvalidMediaType,
        "`media_type` is malformed.",
        &["a text in place of a number"],
        "Send one of 1, 2, 4, 8, 16, or 32 for all.",
        Retry::AfterChange,
    ),
    row(
        S::DuplicateSignalRequest,
        "The stream has a signaling connection already.",
        &[
            "a second program is connected for the same app",
            "the former connection was cut, and Zoom has not noticed yet",
            "a repeated webhook was acted on twice",
        ],
        "Let one program handle the stream. After a crash, wait: Zoom notices within half a minute. rtms tries again until the \
         window closes.",
        Retry::Later,
    ),
    row(S::MediaTypeAudioNotSupport, "Audio is not granted.", &MISSING_SCOPE, WITHOUT, Retry::Never),
    row(S::MediaTypeVideoNotSupport, "Video is not granted.", &MISSING_SCOPE, WITHOUT, Retry::Never),
    row(S::MediaTypeDeskshareNotSupport, "Screen share is not granted.", &MISSING_SCOPE, WITHOUT, Retry::Never),
    row(S::MediaTypeTranscriptNotSupport, "The transcript is not granted.", &MISSING_SCOPE, WITHOUT, Retry::Never),
    row(S::MediaTypeChatNotSupport, "Chat is not granted.", &MISSING_SCOPE, WITHOUT, Retry::Never),
    row(
        S::MediaTypeInvalidValue,
        "`media_type` has a value that is not accepted here.",
        &["a sum of several media, which Zoom Phone was seen to refuse", "a bit that means nothing"],
        "Open a connection for each medium (`media.layout = \"split\"`), or ask for all with 32.",
        Retry::AfterChange,
    ),
    row(
        S::MediaDataAllConnectionExist,
        "A connection for all media exists, so none for a single medium can be added.",
        &["split and unified connections were mixed", "the former connection still lives"],
        "Close the connection for all media first, or use it.",
        Retry::AfterCleanup,
    ),
    row(
        S::DuplicateMediaDataConnection,
        "This medium has a connection already.",
        &["a second program is connected", "the former connection was cut, and Zoom has not noticed yet"],
        "Close the former connection, wait a moment, and try once more. rtms does so.",
        Retry::AfterCleanup,
    ),
    row(
        S::InvalidMediaParams,
        "The object `media_params` is malformed.",
        &["it has parameters of another medium", "it is missing"],
        "Send one object per medium that is asked for.",
        Retry::AfterChange,
    ),
    row(
        S::InvalidMediaAudioParams,
        "The audio parameters do not go together.",
        &AUDIO_CAUSES,
        AUDIO,
        Retry::AfterChange,
    ),
    row(
        S::InvalidMediaAudioContentType,
        "The audio content type is not accepted.",
        &["content type 1 (RTP) with L16"],
        AUDIO,
        Retry::AfterChange,
    ),
    row(
        S::InvalidMediaAudioSampleRate,
        "The sample rate does not go with the codec.",
        &[
            "OPUS without 48 kHz",
            "G.711 without 8 kHz",
            "G.722 without 16 kHz",
            "a rate in hertz in place of Zoom's number",
        ],
        AUDIO,
        Retry::AfterChange,
    ),
    row(
        S::InvalidMediaAudioChannel,
        "The number of channels does not go with the codec.",
        &["stereo with G.711 or G.722"],
        AUDIO,
        Retry::AfterChange,
    ),
    row(
        S::InvalidMediaAudioCodec,
        "The audio codec is not accepted.",
        &["a codec of pictures", "content type 1 with L16, as was seen at Zoom Phone"],
        AUDIO,
        Retry::AfterChange,
    ),
    row(
        S::InvalidMediaAudioDataOpt,
        "The audio data option is not accepted.",
        &["a data option of video"],
        "Send 1 for mixed audio or 2 for one stream per speaker.",
        Retry::AfterChange,
    ),
    row(
        S::InvalidMediaAudioSendRate,
        "The send rate is not accepted.",
        &["no multiple of 20 ms", "below 20 ms", "other than 20 ms with OPUS, G.711 or G.722"],
        AUDIO,
        Retry::AfterChange,
    ),
    row(
        S::InvalidMediaVideoParams,
        "The video parameters do not go together.",
        &VIDEO_CAUSES,
        VIDEO,
        Retry::AfterChange,
    ),
    row(
        S::InvalidMediaVideoContentType,
        "The video content type is not accepted.",
        &["another content type than 3"],
        VIDEO,
        Retry::AfterChange,
    ),
    row(S::InvalidMediaVideoCodec, "The video codec is not accepted.", &VIDEO_CAUSES, VIDEO, Retry::AfterChange),
    row(
        S::InvalidMediaVideoResolution,
        "The resolution is not accepted.",
        &["a number outside 1 (SD) to 4 (QHD)"],
        VIDEO,
        Retry::AfterChange,
    ),
    row(
        S::InvalidMediaVideoDataOpt,
        "The video data option is not accepted.",
        &["5 (gallery view), which only old texts have"],
        "Send 3 for the active speaker or 4 for one chosen person.",
        Retry::AfterChange,
    ),
    row(
        S::InvalidMediaVideoFps,
        "The number of pictures a second is not accepted.",
        &["more than 30", "more than 5 with JPG or PNG"],
        VIDEO,
        Retry::AfterChange,
    ),
    row(
        S::InvalidMediaDeskshareParams,
        "The screen share parameters do not go together.",
        &VIDEO_CAUSES,
        DESKSHARE,
        Retry::AfterChange,
    ),
    row(
        S::InvalidMediaDeskshareContentType,
        "The screen share content type is not accepted.",
        &["another content type than 3"],
        DESKSHARE,
        Retry::AfterChange,
    ),
    row(
        S::InvalidMediaDeskshareCodec,
        "The screen share codec is not accepted.",
        &["H.264 with 1 picture a second"],
        DESKSHARE,
        Retry::AfterChange,
    ),
    row(
        S::InvalidMediaDeskshareResolution,
        "The screen share resolution is not accepted.",
        &["a number outside 1 (SD) to 4 (QHD)"],
        DESKSHARE,
        Retry::AfterChange,
    ),
    row(
        S::InvalidMediaDeskshareFps,
        "The number of screen share pictures a second is not accepted.",
        &["too many for JPG or PNG"],
        DESKSHARE,
        Retry::AfterChange,
    ),
    row(
        S::InvalidMediaTranscriptParams,
        "The transcript parameters do not go together.",
        &["an unknown field or value"],
        TRANSCRIPT,
        Retry::AfterChange,
    ),
    row(
        S::InvalidMediaTranscriptContentType,
        "The transcript content type is not accepted.",
        &["another content type than 5"],
        TRANSCRIPT,
        Retry::AfterChange,
    ),
    row(
        S::InvalidMediaChatParams,
        "The chat parameters are not accepted.",
        &["an unknown field or value"],
        CHAT,
        Retry::AfterChange,
    ),
    row(
        S::InvalidMediaChatContentType,
        "The chat content type is not accepted.",
        &["another content type than 5"],
        CHAT,
        Retry::AfterChange,
    ),
    row(
        S::InvalidRtmsSessionId,
        "Zoom does not have the session that was asked for.",
        &["the session is over", "the stream's id was sent in place of the session's"],
        "Take `rtms_session_id` from message 9.",
        Retry::Never,
    ),
    row(
        S::InvalidClientReadyAck,
        "The message 7, client ready, came at the wrong time or for another stream.",
        &["it was sent before a media handshake succeeded", "it has another stream id"],
        "Send it on signaling after message 4 with status 0.",
        Retry::AfterCleanup,
    ),
    row(
        S::InvalidEventSubscribe,
        "The body of the event subscription is not accepted.",
        &["`event_type` at the top level, as one old page has it"],
        "Send {\"msg_type\": 5, \"events\": [{\"event_type\": …, \"subscribe\": true}]}.",
        Retry::AfterChange,
    ),
    row(
        S::InvalidMediaTranscriptSourceLanguage,
        "The language to transcribe from is not one of Zoom's numbers.",
        &["a language code such as en-US in place of the number"],
        "Use 9 for English, another number of Zoom's list, or leave it out (`media.transcript.language`).",
        Retry::AfterChange,
    ),
    row(
        S::DuplicateVideoSubscription,
        "This person's camera is chosen already.",
        &["the same request twice"],
        "Take it as success.",
        Retry::NotNeeded,
    ),
    row(
        S::InternalException,
        "Zoom's server has a fault.",
        &["unknown"],
        "Try again. rtms does so until the window closes.",
        Retry::Later,
    ),
    row(
        S::InvalidMediaTranscriptTargetLanguage,
        "The language to translate to is not one of Zoom's numbers.",
        &["a language code in place of the number"],
        "Use a number of Zoom's list, or leave it out.",
        Retry::AfterChange,
    ),
    row(
        S::ChatSessionKeyNotAvailable,
        "The chat cannot be had, because its key is not available.",
        &["probably an end-to-end encrypted chat"],
        "Do without chat for this stream. rtms goes on without it.",
        Retry::Never,
    ),
];

const MISSING_SCOPE: [&str; 3] = [
    "the app lacks the scope of this medium",
    "the scope was added, and the user has not authorised the app again",
    "the product does not stream this medium",
];
const AUDIO_CAUSES: [&str; 2] = ["a sample rate that the codec does not have", "content type 1 (RTP) with L16"];
const VIDEO_CAUSES: [&str; 2] = ["JPG or PNG with more than 5 pictures a second", "H.264 with 5 or fewer"];

const fn row(
    code: S,
    meaning: &'static str,
    causes: &'static [&'static str],
    remedy: &'static str,
    retry: Retry,
) -> Entry {
    Entry {
        kind: Kind::StatusCode,
        number: Some(code.code()),
        name: code.name(),
        meaning,
        causes,
        remedy,
        retry,
        basis: if code.code() > 45 { Basis::VendorCode } else { Basis::Documented },
        source: "Zoom's page of RTMS data types for name and number; causes and advice by docs/protocol.md#status-codes",
        today: None,
    }
}
