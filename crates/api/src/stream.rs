//! A stream as users get it: a line of a list, and everything that is known of one.
//!
//! The types are promised: lines of `rtms streams --json` and answers of `/v1/streams`. Fields are only ever added.

use std::collections::BTreeMap;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use rtms_store::stream_record::StreamRecord;
use rtms_wire::{
    SmolStr,
    codes::product::Product,
    ids::{InstanceId, RtmsSessionId, StreamId, UserId},
    media::{medium::Medium, params::MediaParams},
    time::UnixMillis,
};
use serde::{Deserialize, Serialize};

use crate::{
    ended::EndedLine,
    receipt::ReceiptLine,
    recording::RecordingLine,
    standing::{StreamStanding, standing_at_rest},
    video::VideoLine,
};

/// How many streams are shown unless told otherwise.
pub const DEFAULT_LIMIT: usize = 100;

/// How many streams may be asked for at a time: a few megabytes.
pub const MAX_LIMIT: usize = 10_000;

/// How many receipts are shown with a stream: a meeting with a failover or two has fewer.
pub const RECEIPTS: usize = 10;

/// One stream in a list. Times are Unix milliseconds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StreamLine {
    /// The stream.
    pub rtms_stream_id: StreamId,
    /// Whose product streams; null if no start named it.
    pub product: Option<Product>,
    /// What is streamed; null if no start named it.
    pub instance: Option<InstanceId>,
    /// The meeting's number; absent if no start named it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub meeting_id: Option<SmolStr>,
    /// The app that it is for; null if there is no start.
    pub app: Option<SmolStr>,
    /// The code of Zoom's data centre; null if it is not known.
    pub region: Option<SmolStr>,
    /// Where it stands for us.
    pub state: StreamStanding,
    /// Zoom's constant for the state that it told last on the stream itself; null if it told none.
    pub zoom_state: Option<String>,
    /// Whether the process that answers runs it.
    pub here: bool,
    /// The process that has it, by the name it gave itself; null if nobody has, and if a data folder was asked.
    pub owner: Option<String>,
    /// When Zoom started it, on Zoom's clock; null if there is no start.
    pub started_at: Option<UnixMillis>,
    /// When this process joined it; null if it did not.
    pub joined_at: Option<UnixMillis>,
    /// Zoom's sessions in it, with Zoom's constant for the last state told of each.
    pub sessions: BTreeMap<RtmsSessionId, String>,
    /// The media that were open or given up since it was joined here.
    pub media: BTreeMap<Medium, MediumLine>,
    /// How often something was lost since it was joined here; what is lost before all is back is the same interruption.
    pub interruptions: u64,
    /// How its last run ended; null if none has.
    pub ended: Option<EndedLine>,
}

/// A medium of a stream that runs here.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct MediumLine {
    /// Whether its connection stands.
    pub open: bool,
    /// Packets, pictures or lines that were received, without repeats.
    pub packets: u64,
    /// Their payload bytes.
    pub bytes: u64,
    /// When the last one came, on our clock; null if none did.
    pub last_at: Option<UnixMillis>,
    /// How often it was lost.
    pub interruptions: u64,
    /// Why it was given up; absent while it was not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unavailable: Option<String>,
}

/// Everything that is known of one stream.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StreamDetail {
    /// What a list says.
    #[serde(flatten)]
    pub line: StreamLine,
    /// What Zoom granted each medium that was open since it was joined here.
    pub granted: BTreeMap<Medium, MediaParams>,
    /// Its connections, signaling first.
    pub connections: Vec<ConnectionLine>,
    /// The last time that one was lost; null if none was.
    pub last_interruption: Option<InterruptionLine>,
    /// Who has a camera on, by the last news of each; what was on before we came, or changed while signaling was away, may
    /// not have been told.
    pub cameras_on: Vec<CameraLine>,
    /// The one person's camera that was chosen last; null if none was.
    pub video: Option<VideoLine>,
    /// Its recording; null if there is none.
    pub recording: Option<RecordingLine>,
    /// The last receipts of its webhooks, the newest first.
    pub receipts: Vec<ReceiptLine>,
}

/// A connection of a stream that runs here.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ConnectionLine {
    /// What it is for: `signaling`, or `media` with the media that it carries.
    pub connection: String,
    /// Whether it stands.
    pub open: bool,
    /// Since when that is so, on our clock.
    pub since: UnixMillis,
}

/// A connection was lost.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct InterruptionLine {
    /// When it was noticed, on our clock.
    pub at: UnixMillis,
    /// Which.
    pub connection: String,
    /// By whom, for people.
    pub cause: String,
    /// What was said of it, for people.
    pub why: String,
}

/// Somebody whose camera is on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CameraLine {
    /// Who.
    pub user_id: UserId,
    /// Their name; null if it is not known.
    pub user_name: Option<SmolStr>,
}

impl StreamLine {
    /// A stream of which nothing is known but its id.
    pub fn unknown(stream_id: StreamId) -> Self {
        Self {
            rtms_stream_id: stream_id,
            product: None,
            instance: None,
            meeting_id: None,
            app: None,
            region: None,
            state: StreamStanding::Ended,
            zoom_state: None,
            here: false,
            owner: None,
            started_at: None,
            joined_at: None,
            sessions: BTreeMap::new(),
            media: BTreeMap::new(),
            interruptions: 0,
            ended: None,
        }
    }

    /// What the store knows of it at a time of the clock by which leases run out.
    pub fn of_record(record: &StreamRecord, now: UnixMillis) -> Self {
        let start = record.wanted.newest_start();
        let owner = record.lease.as_ref().filter(|lease| lease.is_live(now)).map(|lease| lease.owner.to_string());
        let state = match (&owner, record.open_wish()) {
            (Some(_), _) | (None, Some(_)) if record.wanted.is_closing() => StreamStanding::Stopping,
            (Some(_), _) => StreamStanding::Elsewhere,
            (None, Some(_)) => StreamStanding::Wanted,
            (None, None) => standing_at_rest(record),
        };
        Self {
            product: start.and_then(|start| start.product),
            instance: start.and_then(|start| start.instance.clone()),
            meeting_id: start.and_then(|start| start.meeting_id.clone()),
            app: start.map(|start| start.app.clone()),
            region: start.and_then(|start| start.region.clone()),
            state,
            owner,
            started_at: start.map(|start| start.at),
            ended: record.ended.as_ref().map(EndedLine::of),
            ..Self::unknown(record.stream_id.clone())
        }
    }
}

impl StreamDetail {
    /// Everything that can be known of a stream that does not run here.
    pub fn at_rest(line: StreamLine, recording: Option<RecordingLine>, receipts: Vec<ReceiptLine>) -> Self {
        Self {
            line,
            granted: BTreeMap::new(),
            connections: Vec::new(),
            last_interruption: None,
            cameras_on: Vec::new(),
            video: None,
            recording,
            receipts,
        }
    }
}

/// What stands for itself in a path; everything else could mean something in a URL.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_');

/// The path of a stream, with everything in its id escaped that could mean something else in a URL.
pub fn path_of(stream_id: &StreamId) -> String {
    format!("/v1/streams/{}", utf8_percent_encode(stream_id.as_str(), ESCAPED))
}

/// The streams as JSON, each with a newline after it.
///
/// # Errors
/// None in practice: there is nothing in it that JSON cannot say.
pub fn json_lines(lines: &[StreamLine]) -> serde_json::Result<Vec<u8>> {
    let mut text = Vec::new();
    for line in lines {
        serde_json::to_writer(&mut text, line)?;
        text.push(b'\n');
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_an_id_means_anything_in_a_path() {
        assert_eq!(path_of(&"ab/+c==".into()), "/v1/streams/ab%2F%2Bc%3D%3D");
        assert_eq!(path_of(&"../?#%2F é".into()), "/v1/streams/%2E%2E%2F%3F%23%252F%20%C3%A9");
        assert_eq!(path_of(&"Az09-_".into()), "/v1/streams/Az09-_");
    }
}
