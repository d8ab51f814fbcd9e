//! A stream as users get it: an object of `rtms streams --json` and of `GET /v1/streams`. Fields are only ever added.

use std::{collections::BTreeMap, path::Path};

use rtms_record::{Loss, Manifest, RecordError, layout, ledger::What, manifest::RecordingState};
use rtms_store::{
    stream_record::{Ended, StreamRecord},
    summary::{Recorded, RunSummary},
};
use rtms_wire::{
    SmolStr,
    codes::{product::Product, status_code::StatusCode, stop_reason::StopReason},
    ids::{InstanceId, RtmsSessionId, StreamId, UserId},
    media::{medium::Medium, params::MediaParams},
    time::UnixMillis,
};
use serde::{Deserialize, Serialize};

use crate::{http::receipts::ReceiptLine, summary};

/// One stream in a list. Times are Unix milliseconds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StreamLine {
    /// The stream.
    pub rtms_stream_id: StreamId,
    /// Whose product streams; null if no start named it.
    pub product: Option<Product>,
    /// What is streamed; null if no start named it.
    pub instance: Option<InstanceId>,
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

/// Where a stream stands for us.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StreamStanding {
    /// It should run, and nobody has it. From a data folder: it should run; who has it is known to the server only.
    Wanted,
    /// Another process has it.
    Elsewhere,
    /// This process has it, and begins or finishes.
    Claimed,
    /// This process dials signaling for the first time.
    Connecting,
    /// Signaling stands.
    Connected,
    /// Signaling stands, and Zoom has paused the stream.
    Paused,
    /// Signaling was lost and is dialed again.
    Reconnecting,
    /// We asked Zoom to end it, or Zoom is ending it.
    Stopping,
    /// It is over, and all that was wanted of it was received; or it is not known what was lost.
    Ended,
    /// It is over, and a part was lost: by us, a disk, the network or Zoom, or a wanted medium was refused.
    Incomplete,
    /// It is over, and no medium was ever opened.
    Failed,
}

impl StreamStanding {
    /// Whether it is over.
    pub fn is_over(self) -> bool {
        match self {
            Self::Ended | Self::Incomplete | Self::Failed => true,
            Self::Wanted
            | Self::Elsewhere
            | Self::Claimed
            | Self::Connecting
            | Self::Connected
            | Self::Paused
            | Self::Reconnecting
            | Self::Stopping => false,
        }
    }

    /// The word in answers.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Wanted => "wanted",
            Self::Elsewhere => "elsewhere",
            Self::Claimed => "claimed",
            Self::Connecting => "connecting",
            Self::Connected => "connected",
            Self::Paused => "paused",
            Self::Reconnecting => "reconnecting",
            Self::Stopping => "stopping",
            Self::Ended => "ended",
            Self::Incomplete => "incomplete",
            Self::Failed => "failed",
        }
    }
}

impl std::fmt::Display for StreamStanding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
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

/// How a run of a stream ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EndedLine {
    /// When, on our clock.
    pub at: UnixMillis,
    /// Zoom's number for the reason; null if it gave none.
    pub stop_reason: Option<StopReason>,
    /// Zoom's constant for it.
    pub stop_reason_name: Option<String>,
    /// Why, for people.
    pub why: String,
    /// How long the stream lasted, in milliseconds; null if that is not known.
    #[serde(default)]
    pub length_ms: Option<u64>,
    /// What was lost, by medium and cause: a word of `docs/operating.md`, milliseconds, and messages where they were counted.
    #[serde(default)]
    pub lost: Loss,
    /// The folder of its recording; null if there is none that is whole.
    #[serde(default)]
    pub folder: Option<String>,
    /// Why it was not recorded although it should have been; null if it was, or should not.
    #[serde(default)]
    pub not_recorded: Option<String>,
}

impl EndedLine {
    fn of(ended: &Ended) -> Self {
        let summary = ended.summary.as_deref();
        let (folder, not_recorded) = match summary.map(|summary| &summary.recorded) {
            Some(Recorded::Done { folder }) => (Some(folder.clone()), None),
            Some(Recorded::Failed { why, unclosed }) => {
                (unclosed.as_ref().map(|unclosed| unclosed.folder.clone()), Some(why.clone()))
            }
            Some(Recorded::Unwanted) | None => (None, None),
        };
        let length = |summary: &RunSummary| Some(summary.to?.0.saturating_sub(summary.from?.0));
        Self {
            at: ended.at,
            stop_reason: ended.stop_reason,
            stop_reason_name: ended.stop_reason.map(|reason| reason.name().to_owned()),
            why: ended.why.clone(),
            length_ms: summary.and_then(length),
            lost: summary.map(summary::loss_of).unwrap_or_default(),
            folder,
            not_recorded,
        }
    }
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

/// One person's camera, and what became of the wish for it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct VideoLine {
    /// Whose.
    pub user_id: UserId,
    /// What became of it.
    pub standing: VideoStanding,
    /// Since when it is wished for, or not any more, on our clock.
    pub since: UnixMillis,
    /// Zoom's number for its last answer; null if it gave none.
    pub status: Option<StatusCode>,
    /// Zoom's constant for it.
    pub status_name: Option<String>,
    /// Pictures of this camera since it was wished for.
    pub frames: u64,
    /// When the last one came, on our clock; null if none did.
    pub last_frame_at: Option<UnixMillis>,
}

/// What became of the wish for one person's camera.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum VideoStanding {
    /// It is asked for as soon as signaling and video stand.
    Wished,
    /// Zoom was asked, and did not answer yet.
    Asked,
    /// Zoom said no. It is asked again when this person's camera goes on.
    Refused,
    /// Zoom said yes; no picture yet.
    Granted,
    /// Pictures come.
    Frames,
    /// The camera went off, or the person left. It is asked for again when it is on again.
    Void,
    /// Zoom was told that it is not wanted any more, and did not answer yet.
    Dropping,
    /// It is not wanted any more.
    Off,
}

impl VideoStanding {
    /// The word in answers.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Wished => "wished",
            Self::Asked => "asked",
            Self::Refused => "refused",
            Self::Granted => "granted",
            Self::Frames => "frames",
            Self::Void => "void",
            Self::Dropping => "dropping",
            Self::Off => "off",
        }
    }
}

/// A stream's recording.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RecordingLine {
    /// Its folder, on the machine that answers.
    pub folder: String,
    /// Whether it goes on; null if it cannot be read.
    pub state: Option<RecordingState>,
    /// Milliseconds of each medium that were received, silent, paused, lost and so on, by the words of the ledger; those
    /// with none are left out. Up to half a minute behind while it goes on.
    pub ledger_ms: BTreeMap<Medium, BTreeMap<String, u64>>,
    /// Why it cannot be read, for people; absent if it can.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

impl StreamLine {
    /// A stream of which nothing is known but its id.
    pub(crate) fn unknown(stream_id: StreamId) -> Self {
        Self {
            rtms_stream_id: stream_id,
            product: None,
            instance: None,
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

    /// What the store knows of it at this time.
    pub fn of_record(record: &StreamRecord, now: UnixMillis) -> Self {
        let start = record.wanted.newest_start();
        let owner = record.lease.as_ref().filter(|lease| lease.is_live(now)).map(|lease| lease.owner.to_string());
        let state = match (&owner, record.open_wish()) {
            (Some(_), _) => StreamStanding::Elsewhere,
            (None, Some(_)) => StreamStanding::Wanted,
            (None, None) => summary::standing_at_rest(record),
        };
        Self {
            product: start.and_then(|start| start.product),
            instance: start.and_then(|start| start.instance.clone()),
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

impl RecordingLine {
    /// Reads what the recording of a stream says of itself; none if there is none below `recordings`. Blocks.
    pub fn read(recordings: &Path, stream_id: &StreamId) -> Option<Self> {
        let folder = layout::newest_folder(recordings, stream_id);
        let shown = std::path::absolute(&folder).unwrap_or_else(|_| folder.clone()).display().to_string();
        let read = || -> Result<Option<Self>, RecordError> {
            let Some(manifest) = Manifest::read(&folder)? else { return Ok(None) };
            let ledger = manifest.ledger_now(&folder)?.map(|ledger| ledger.media).unwrap_or_default();
            let totals = ledger.iter().map(|(medium, report)| {
                let total = |word: &&'static str| Some(((*word).to_owned(), report.total_ms(word)));
                (*medium, What::WORDS.iter().filter_map(total).filter(|(_, ms)| *ms > 0).collect())
            });
            let ledger_ms = totals.collect();
            Ok(Some(Self { folder: shown.clone(), state: Some(manifest.state), ledger_ms, problem: None }))
        };
        read().unwrap_or_else(|error| {
            let problem = Some(error.to_string());
            Some(Self { folder: shown.clone(), state: None, ledger_ms: BTreeMap::new(), problem })
        })
    }
}
