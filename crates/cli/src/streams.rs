//! `rtms streams`: which streams a server has, everything about one, ending or retrying one, and choosing one person's camera.

mod answer;
mod arguments;
mod ended;
mod past;
mod retry;

use std::{path::Path, process::ExitCode, time::Duration};

use anyhow::{Context, bail};
use clap::{Args, Subcommand};
use humantime::format_duration;
use hyper::{Method, body::Bytes};
use rtms_api::{
    receipt::ReceiptLine,
    recording::RecordingLine,
    standing::StreamStanding,
    stream::{DEFAULT_LIMIT, MAX_LIMIT, MediumLine, RECEIPTS, StreamDetail, StreamLine, json_lines, path_of},
    video::{VideoAnswer, VideoChoice, VideoLine, VideoStanding},
};
use rtms_gateway::server::RECORDINGS;
use rtms_record::{ledger::What, manifest::RecordingState};
use rtms_store::{ReceiptFilter, StreamFilter};
use rtms_wire::{
    ids::{StreamId, UserId},
    media::medium::Medium,
};
use tokio::time::{Instant, sleep};

use answer::{LOOK_EVERY, json_line, understood};
use arguments::{StreamIdArg, participant, wait};
use ended::why;

use crate::{
    api_client,
    clock::now,
    exit_code,
    logging::note,
    output::{self, ID_CHARS, REASON_CHARS, one_line, shown, time},
    place::{Place, PlaceArgs, open_store},
    receipts,
    table::{self, Column, table},
};

const EXAMPLES: &str = "\
Examples:
  The streams of the server whose data is in ./data, and of one with settings of its own:
    rtms streams
    rtms streams --config /etc/rtms.toml

  Those that have ended, too, as JSON lines:
    rtms streams --all --json

  Of the API at a URL, and of a data folder, whether a server runs on it or not:
    rtms streams --server http://127.0.0.1:8081
    rtms streams --data-dir /var/lib/rtms --all

  Everything about one:
    rtms streams show 'Qm9v/aw+=='

  Join one again that failed, within Zoom's minute:
    rtms streams retry 'Qm9v/aw+=='

  End one, and see one person's camera:
    rtms streams stop 'Qm9v/aw+=='
    rtms streams video 'Qm9v/aw+==' --participant 16778240

Streams that run come first. If no server runs on the data folder, its store is read: it has what is wanted and what has \
ended. Who runs what, and how, only a running server knows.

Exit codes: 0 shown, even if there are none; 1 the server or the folder cannot be read; 2 wrong arguments.";

const SHOW_EXAMPLES: &str = "\
Examples:
  rtms streams show 'Qm9v/aw+=='
  rtms streams show --json 'Qm9v/aw+==' | jq .granted
  rtms streams show --data-dir /var/lib/rtms 'Qm9v/aw+=='

An id that begins with a dash goes behind two of them: rtms streams show -- -Qm9vaw==

Exit codes: 0 shown; 1 there is no such stream, or it cannot be read; 2 wrong arguments.";

const STOP_EXAMPLES: &str = "\
Zoom is asked to end the stream for everybody who receives it, and agrees; what was sent until then is still received, \
and the recording is closed. Without signaling nobody can be asked: the stream is left then.

Examples:
  rtms streams stop 'Qm9v/aw+=='
  rtms streams stop --wait 5s 'Qm9v/aw+=='

Exit codes: 0 it has ended, now or before; 1 there is no such stream, it runs elsewhere, or it has not ended in time; \
2 wrong arguments.";

const VIDEO_EXAMPLES: &str = "\
The server has to ask Zoom for one person's video instead of who speaks; in its settings:
  [media.video]
  streams = \"individual\"

Who has a camera on: `rtms streams show ID`. One camera at a time: another choice replaces it. The choice is kept when \
connections break, and when the camera goes off and on again.

Examples:
  rtms streams video 'Qm9v/aw+==' --participant 16778240
  rtms streams video 'Qm9v/aw+==' --participant 16778240 --off

Exit codes: 0 pictures come, or it is off; 1 Zoom refused, no picture came in time, or it cannot be asked; 2 wrong \
arguments.";

/// Show the streams of a server, end or retry one, or choose one person's camera.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES, args_conflicts_with_subcommands = true)]
pub(crate) struct StreamsArgs {
    #[command(subcommand)]
    action: Option<Action>,
    #[command(flatten)]
    list: ListArgs,
}

#[derive(Subcommand, Debug)]
enum Action {
    /// Show everything about a stream: sessions, media, connections, cameras, ledger, receipts
    #[command(after_help = SHOW_EXAMPLES)]
    Show(ShowArgs),
    /// Ask Zoom to end a stream, and wait until it has
    #[command(after_help = STOP_EXAMPLES)]
    Stop(StopArgs),
    /// Join a stream again that failed, while Zoom waits for it
    #[command(after_help = retry::EXAMPLES)]
    Retry(retry::RetryArgs),
    /// Choose one person's camera, or drop it, and tell what became of it
    #[command(after_help = VIDEO_EXAMPLES)]
    Video(VideoArgs),
}

#[derive(Args, Debug)]
struct ListArgs {
    /// Those that have ended, too
    #[arg(long)]
    all: bool,
    /// At most so many
    #[arg(long, value_name = "N", default_value_t = DEFAULT_LIMIT as u64, value_parser = clap::value_parser!(u64).range(1..=MAX_LIMIT as u64))]
    limit: u64,
    /// A JSON object a line
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    place: PlaceArgs,
}

#[derive(Args, Debug)]
struct ShowArgs {
    /// The stream, as `rtms streams` and the receipts name it
    #[arg(value_name = "ID", allow_hyphen_values = true)]
    stream: StreamIdArg,
    /// One JSON object
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    place: PlaceArgs,
}

#[derive(Args, Debug)]
struct StopArgs {
    /// The stream
    #[arg(value_name = "ID", allow_hyphen_values = true)]
    stream: StreamIdArg,
    /// Wait this long for the end, such as 5s or 1m; a number alone is seconds
    #[arg(long, value_name = "DURATION", default_value = "60s", value_parser = wait)]
    wait: Duration,
    /// Print what became of it as one JSON object
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    place: PlaceArgs,
}

#[derive(Args, Debug)]
struct VideoArgs {
    /// The stream
    #[arg(value_name = "ID", allow_hyphen_values = true)]
    stream: StreamIdArg,
    /// Whose camera: the number inside the session
    #[arg(long, value_name = "USER_ID", value_parser = participant)]
    participant: UserId,
    /// Drop it instead
    #[arg(long)]
    off: bool,
    /// Wait this long for pictures, such as 5s or 1m; a number alone is seconds
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = wait)]
    wait: Duration,
    /// Print what became of it as one JSON object
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    place: PlaceArgs,
}

pub(crate) async fn run(args: StreamsArgs) -> anyhow::Result<ExitCode> {
    match args.action {
        None => list(&args.list).await,
        Some(Action::Show(args)) => show(&args).await,
        Some(Action::Stop(args)) => stop(&args).await,
        Some(Action::Retry(args)) => retry::run(&args).await,
        Some(Action::Video(args)) => video(&args).await,
    }
}

async fn list(args: &ListArgs) -> anyhow::Result<ExitCode> {
    let limit = usize::try_from(args.limit).unwrap_or(MAX_LIMIT);
    let bytes: Bytes = match args.place.find(!args.json).await? {
        Place::Store(folder) => {
            let filter = StreamFilter { open: (!args.all).then_some(true), limit };
            let records = open_store(&folder)?.streams(&filter)?;
            let now = now()?;
            let lines: Vec<_> = records.iter().map(|record| StreamLine::of_record(record, now)).collect();
            json_lines(&lines)?.into()
        }
        Place::Server(server) => {
            api_client::get(&server, &format!("/v1/streams?all={}&limit={limit}", args.all)).await?
        }
    };
    if args.json {
        output::print_bytes(&bytes)?;
        return Ok(ExitCode::SUCCESS);
    }
    let streams = serde_json::Deserializer::from_slice(&bytes).into_iter().collect::<Result<Vec<StreamLine>, _>>();
    let streams = streams.context("the server's answer is not made of streams")?;
    if streams.is_empty() {
        note!("no streams");
    } else {
        output::print(&if args.all {
            past::listed(&streams, now()?, table::width())
        } else {
            listed(&streams, table::width())
        })?;
    }
    Ok(ExitCode::SUCCESS)
}

async fn show(args: &ShowArgs) -> anyhow::Result<ExitCode> {
    let StreamIdArg(stream) = &args.stream;
    let detail = match args.place.find(!args.json).await? {
        Place::Store(folder) => at_rest(&folder, stream)?,
        Place::Server(server) => understood(&api_client::get(&server, &path_of(stream)).await?)?,
    };
    output::print(&if args.json { json_line(&detail)? } else { described(&detail, table::width()) })?;
    Ok(ExitCode::SUCCESS)
}

async fn stop(args: &StopArgs) -> anyhow::Result<ExitCode> {
    let StreamIdArg(stream) = &args.stream;
    let server = args.place.find_server(!args.json).await?;
    let answer = api_client::request(&server, Method::POST, &format!("{}/stop", path_of(stream)), None).await?;
    let mut line: StreamLine = understood(&answer)?;
    let had_ended = line.state.is_over();
    let deadline = Instant::now() + args.wait;
    let mut told = None;
    while !line.state.is_over() {
        if told.replace(line.state) != Some(line.state) {
            note!("{}", progress(line.state));
        }
        if Instant::now() >= deadline {
            bail!("it has not ended within {}, its state is {}", format_duration(args.wait), line.state);
        }
        sleep(LOOK_EVERY).await;
        match api_client::find(&server, &path_of(stream)).await? {
            Some(answer) => line = understood::<StreamDetail>(&answer)?.line,
            None => {
                note!("it has ended, and everything that was kept of it is deleted");
                return Ok(ExitCode::SUCCESS);
            }
        }
    }
    output::print(&match &line.ended {
        _ if args.json => json_line(&line)?,
        Some(ended) if had_ended => format!("had ended before: {}\n", why(ended)),
        Some(ended) => format!("ended: {}\n", why(ended)),
        None => "has ended\n".to_owned(),
    })?;
    Ok(ExitCode::SUCCESS)
}

fn progress(state: StreamStanding) -> &'static str {
    match state {
        StreamStanding::Stopping => "asked Zoom to end it; waiting for the end",
        StreamStanding::Claimed => "it is over; waiting until that is written down",
        StreamStanding::Wanted => "nobody runs it, and it is wanted again",
        StreamStanding::Elsewhere => "another process has it now",
        StreamStanding::Connecting
        | StreamStanding::Connected
        | StreamStanding::Paused
        | StreamStanding::Reconnecting => "it was started again",
        StreamStanding::Ended | StreamStanding::Incomplete | StreamStanding::Failed => "it has ended",
    }
}

async fn video(args: &VideoArgs) -> anyhow::Result<ExitCode> {
    let StreamIdArg(stream) = &args.stream;
    let server = args.place.find_server(!args.json).await?;
    let choice = VideoChoice { user_id: args.participant.clone() };
    let body = serde_json::to_vec(&choice)?.into();
    let method = if args.off { Method::DELETE } else { Method::PUT };
    let answer = api_client::request(&server, method, &format!("{}/video", path_of(stream)), Some(body)).await?;
    let Some(mut video) = understood::<VideoAnswer>(&answer)?.video else {
        output::print(&if args.json {
            json_line(&VideoAnswer { video: None })?
        } else {
            "no camera is chosen\n".into()
        })?;
        return Ok(ExitCode::SUCCESS);
    };
    let deadline = Instant::now() + args.wait;
    let mut told = None;
    loop {
        let outcome = Outcome::of(&video, args.off);
        if outcome != Outcome::Open || Instant::now() >= deadline {
            output::print(&if args.json { json_line(&VideoAnswer { video: Some(video) })? } else { news(&video) })?;
            if outcome == Outcome::Open {
                bail!("nothing else within {}; the wish is kept", format_duration(args.wait));
            }
            return Ok(if outcome == Outcome::Done { ExitCode::SUCCESS } else { exit_code::failed() });
        }
        if told.replace(video.standing) != Some(video.standing) {
            note!("{}", news(&video).trim_end());
        }
        sleep(LOOK_EVERY).await;
        let detail: StreamDetail = understood(&api_client::get(&server, &path_of(stream)).await?)?;
        let now = detail.video.filter(|now| now.user_id == video.user_id);
        video = match now {
            Some(now) => now,
            None if detail.line.here => bail!("meanwhile another camera was chosen"),
            None => bail!("the stream does not run here any more: it is {}", detail.line.state),
        };
    }
}

/// Whether there is anything to wait for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    Open,
    Done,
    Failed,
}

impl Outcome {
    fn of(video: &VideoLine, off: bool) -> Self {
        match video.standing {
            VideoStanding::Off if off => Self::Done,
            VideoStanding::Frames if !off => Self::Done,
            VideoStanding::Wished | VideoStanding::Asked | VideoStanding::Granted | VideoStanding::Dropping => {
                Self::Open
            }
            VideoStanding::Refused | VideoStanding::Void | VideoStanding::Off | VideoStanding::Frames => Self::Failed,
        }
    }
}

/// What became of a wish for a camera, in a line.
fn news(video: &VideoLine) -> String {
    let whose = shown(video.user_id.as_str(), ID_CHARS);
    let status = match (&video.status_name, video.status) {
        (Some(name), Some(status)) => format!("{} ({})", one_line(name), status.code()),
        (None, _) | (_, None) => "no status".to_owned(),
    };
    let news = match video.standing {
        VideoStanding::Wished => "is asked for as soon as signaling and video stand".to_owned(),
        VideoStanding::Asked => "was asked for".to_owned(),
        VideoStanding::Refused => {
            format!("Zoom refused it: {status}. It is asked for again when the camera goes on")
        }
        VideoStanding::Granted => format!("Zoom granted it: {status}. No picture yet"),
        VideoStanding::Frames => format!("pictures come: {} so far", video.frames),
        VideoStanding::Void => "the camera is off, or the person left. It is asked for again when it is on".to_owned(),
        VideoStanding::Dropping => "Zoom was told that it is not wanted any more".to_owned(),
        VideoStanding::Off => "off".to_owned(),
    };
    format!("camera of {whose}: {news}\n")
}

fn at_rest(folder: &Path, stream: &StreamId) -> anyhow::Result<StreamDetail> {
    let store = open_store(folder)?;
    let record = store.stream(stream)?;
    let record = record
        .with_context(|| format!("there is no stream {}; it may have been pruned", shown(stream.as_str(), ID_CHARS)))?;
    let filter = ReceiptFilter { stream_id: Some(stream.clone()), since: None, limit: RECEIPTS };
    let receipts = store.receipts(&filter)?.iter().map(ReceiptLine::from).collect();
    let recording = RecordingLine::read(&folder.join(RECORDINGS), stream);
    Ok(StreamDetail::at_rest(StreamLine::of_record(&record, now()?), recording, receipts))
}

/// The head of the list. The numbers of packets stand to the right.
const HEAD: [&str; 14] = [
    "STREAM",
    "PRODUCT",
    "INSTANCE",
    "STATE",
    "SINCE (UTC)",
    "OWNER",
    "SESSIONS",
    "OPEN MEDIA",
    "AUDIO",
    "VIDEO",
    "DESKSHARE",
    "TRANSCRIPT",
    "CHAT",
    "INTERRUPTIONS",
];

fn listed(streams: &[StreamLine], width: Option<usize>) -> String {
    let head = HEAD.map(str::to_owned).to_vec();
    let rows: Vec<_> = std::iter::once(head).chain(streams.iter().map(row)).collect();
    let kind = |column| match column {
        0 => Column::Id,
        6 | 8.. => Column::Number,
        _ => Column::Text,
    };
    table(&rows, kind, width)
}

fn row(stream: &StreamLine) -> Vec<String> {
    let none = || "-".to_owned();
    let open: Vec<_> = stream.media.iter().filter(|(_, line)| line.open).map(|(medium, _)| medium.as_str()).collect();
    let owner = stream.owner.as_ref().map(|owner| shown(owner, ID_CHARS));
    let mut row = vec![
        shown(stream.rtms_stream_id.as_str(), ID_CHARS),
        stream.product.map_or_else(none, |product| product.to_string()),
        stream.instance.as_ref().map_or_else(none, |instance| shown(&instance.value, ID_CHARS)),
        stream.state.to_string(),
        stream.started_at.map_or_else(none, |at| time(at.0)),
        if stream.here { "this process".to_owned() } else { owner.unwrap_or_else(none) },
        if stream.here { stream.sessions.len().to_string() } else { none() },
        if open.is_empty() { none() } else { open.join("+") },
    ];
    row.extend(Medium::ALL.map(|medium| stream.media.get(&medium).map_or_else(none, |line| line.packets.to_string())));
    row.push(if stream.here { stream.interruptions.to_string() } else { none() });
    row
}

/// Everything about a stream, for people.
fn described(detail: &StreamDetail, width: Option<usize>) -> String {
    let line = &detail.line;
    let mut facts = vec![("stream", one_line(line.rtms_stream_id.as_str()))];
    facts.extend(line.product.map(|product| ("product", product.to_string())));
    facts.extend(
        line.instance.as_ref().map(|is| ("instance", format!("{} {}", is.field.as_str(), one_line(&is.value)))),
    );
    facts.extend(line.meeting_id.as_ref().map(|number| ("meeting id", one_line(number))));
    facts.extend(line.app.as_ref().map(|app| ("app", one_line(app))));
    facts.extend(line.region.as_ref().map(|region| ("region", one_line(region))));
    let zoom = line.zoom_state.as_ref().map(|state| format!(", Zoom says {}", one_line(state)));
    facts.push(("state", format!("{}{}", line.state, zoom.unwrap_or_default())));
    let here = if line.here { ", the process that answers" } else { "" };
    facts.extend(line.owner.as_ref().map(|owner| ("owner", format!("{}{here}", one_line(owner)))));
    facts.extend(line.started_at.map(|at| ("started", format!("{} UTC, Zoom's clock", time(at.0)))));
    facts.extend(line.joined_at.map(|at| ("joined", format!("{} UTC", time(at.0)))));
    facts.extend(line.ended.as_ref().map(|ended| ("ended", format!("{} UTC: {}", time(ended.at.0), why(ended)))));
    let lost = line.ended.as_ref().filter(|ended| !ended.lost.is_none());
    facts.extend(lost.map(|ended| ("lost", ended.lost.to_string())));
    let not_recorded = line.ended.as_ref().and_then(|ended| ended.not_recorded.as_ref());
    facts.extend(not_recorded.map(|why| ("not recorded", one_line(why))));
    if line.here {
        let last = detail.last_interruption.as_ref().map(|last| {
            let (at, why) = (time(last.at.0), shown(&last.why, REASON_CHARS));
            format!(", the last of {} at {at} UTC: {} ({why})", one_line(&last.connection), one_line(&last.cause))
        });
        facts.push(("interruptions", format!("{}{}", line.interruptions, last.unwrap_or_default())));
    }
    facts.extend(detail.video.as_ref().map(|video| ("chosen", news(video).trim_end().to_owned())));
    facts.extend(detail.recording.as_ref().map(|recording| ("recording", recorded(recording))));
    let rows: Vec<_> = facts.into_iter().map(|(name, fact)| vec![name.to_owned(), fact]).collect();
    // Facts are sentences, which a terminal may break.
    let mut text = table(&rows, |_| Column::Text, None);

    let mut section = |head: &[&str], rows: Vec<Vec<String>>, is_number: &dyn Fn(usize) -> bool| {
        if !rows.is_empty() {
            let head = head.iter().map(|name| (*name).to_owned()).collect();
            text.push('\n');
            let kind = |column| if is_number(column) { Column::Number } else { Column::Text };
            text.push_str(&table(&std::iter::once(head).chain(rows).collect::<Vec<_>>(), kind, width));
        }
    };
    let sessions = line.sessions.iter().map(|(id, state)| vec![shown(id.as_str(), ID_CHARS), one_line(state)]);
    section(&["SESSION", "STATE"], sessions.collect(), &|_| false);
    let connections = detail.connections.iter().map(|connection| {
        let state = if connection.open { "open" } else { "lost" };
        vec![one_line(&connection.connection), state.to_owned(), time(connection.since.0)]
    });
    section(&["CONNECTION", "STATE", "SINCE (UTC)"], connections.collect(), &|_| false);
    let media = line.media.iter().map(|(medium, line)| medium_row(*medium, line, detail));
    let head = ["MEDIUM", "STATE", "PACKETS", "BYTES", "LAST (UTC)", "INTERRUPTIONS", "GRANTED"];
    section(&head, media.collect(), &|column| [2, 3, 5].contains(&column));
    let cameras = detail.cameras_on.iter().map(|camera| {
        vec![shown(camera.user_id.as_str(), ID_CHARS), shown(camera.user_name.as_deref().unwrap_or("-"), ID_CHARS)]
    });
    section(&["CAMERA ON", "NAME"], cameras.collect(), &|_| false);
    if let Some(recording) = &detail.recording {
        let head: Vec<_> = std::iter::once("SECONDS".to_owned()).chain(What::WORDS.map(str::to_uppercase)).collect();
        let head: Vec<_> = head.iter().map(String::as_str).collect();
        section(&head, ledger_rows(recording), &|column| column > 0);
    }
    if !detail.receipts.is_empty() {
        text.push('\n');
        text.push_str(&receipts::listed(&detail.receipts, width));
    }
    text
}

fn medium_row(medium: Medium, line: &MediumLine, detail: &StreamDetail) -> Vec<String> {
    let granted = detail.granted.get(&medium).and_then(|granted| serde_json::to_value(granted).ok());
    let granted = granted.and_then(|granted| granted.get(medium.as_str()).map(ToString::to_string));
    let state = match (&line.unavailable, line.open) {
        (Some(why), _) => format!("given up: {}", shown(why, REASON_CHARS)),
        (None, true) => "open".to_owned(),
        (None, false) => "lost".to_owned(),
    };
    vec![
        medium.to_string(),
        state,
        line.packets.to_string(),
        line.bytes.to_string(),
        line.last_at.map_or_else(|| "-".to_owned(), |at| time(at.0)),
        line.interruptions.to_string(),
        granted.map_or_else(|| "-".to_owned(), |granted| shown(&granted, REASON_CHARS)),
    ]
}

fn ledger_rows(recording: &RecordingLine) -> Vec<Vec<String>> {
    let seconds = |ms: u64| format!("{}.{:03}", ms / 1000, ms % 1000);
    let row = |(medium, totals): (&Medium, &std::collections::BTreeMap<String, u64>)| {
        let total = |word: &&str| totals.get(*word).map_or_else(|| "-".to_owned(), |ms| seconds(*ms));
        std::iter::once(medium.to_string()).chain(What::WORDS.iter().map(total)).collect()
    };
    recording.ledger_ms.iter().map(row).collect()
}

fn recorded(recording: &RecordingLine) -> String {
    let state = match (&recording.problem, recording.state) {
        (Some(problem), _) => format!("cannot be read: {}", shown(problem, REASON_CHARS)),
        (None, Some(RecordingState::Finished)) => "finished".to_owned(),
        (None, Some(RecordingState::Recording) | None) => "not finished".to_owned(),
    };
    format!("{}, {state}", one_line(&recording.folder))
}
