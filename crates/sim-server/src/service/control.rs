//! The service's own control, below `/v1/meetings`.

use std::{sync::Arc, time::Duration};

use hyper::{Method, StatusCode};
use rtms_sim::zoom::{Control, NotNow};
use rtms_wire::codes::stop_reason::StopReason;
use serde::Deserialize;
use serde_json::json;
use tokio::time::timeout;

use crate::{
    progress::{Progress, StreamProgress},
    service::{
        exchange::{Answer, Asked},
        meetings::{Meeting, Meetings, Refused},
        problem::Problem,
        shown,
        wanted::Wanted,
    },
};

/// How long a request waits for something unless it says otherwise.
const WAIT: Duration = Duration::from_secs(30);

/// How long it may wait at most.
const LONGEST_WAIT: Duration = Duration::from_secs(600);

/// The body of `POST /v1/meetings/{id}/stop`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct StopBody {
    #[serde(default = "host")]
    reason: StopReason,
}

fn host() -> StopReason {
    StopReason::HostTriggered
}

/// Answers a request. `path` is what comes after `/v1/meetings`.
pub(super) async fn answer(meetings: &Meetings, asked: &Asked, path: &[&str]) -> Result<Answer, Problem> {
    match (&asked.method, path) {
        (&Method::POST, []) => {
            let meeting = meetings.make(Wanted::read(&asked.body)?).await?;
            Ok(Answer::json(StatusCode::CREATED, &shown::whole(&meeting)))
        }
        (&Method::GET, []) => {
            let all: Vec<_> = meetings.all().iter().map(|meeting| shown::line(meeting)).collect();
            Ok(Answer::json(StatusCode::OK, &json!({ "meetings": all })))
        }
        (_, []) => Err(Problem::method(asked)),
        (method, [number, rest @ ..]) => {
            let meeting = find(meetings, number)?;
            match (method, rest) {
                (&Method::GET, []) => {}
                (&Method::DELETE, []) => {
                    meetings.delete(&meeting).await;
                    return Ok(Answer::no_content());
                }
                (&Method::POST, ["start"]) => control(&meeting, Control::Start).await?,
                (&Method::POST, ["pause"]) => control(&meeting, Control::Pause).await?,
                (&Method::POST, ["resume"]) => control(&meeting, Control::Resume).await?,
                (&Method::POST, ["stop"]) => control(&meeting, Control::Stop { reason: reason(asked)? }).await?,
                (&Method::POST, ["end"]) => control(&meeting, Control::EndMeeting).await?,
                (&Method::GET, ["joined"]) => joined(&meeting, asked).await?,
                (&Method::GET, ["finished"]) => finished(&meeting, asked).await?,
                (_, [] | ["start" | "pause" | "resume" | "stop" | "end" | "joined" | "finished"]) => {
                    return Err(Problem::method(asked));
                }
                _ => return Err(Problem::path(asked)),
            }
            Ok(Answer::json(StatusCode::OK, &shown::whole(&meeting)))
        }
    }
}

fn find(meetings: &Meetings, number: &str) -> Result<Arc<Meeting>, Problem> {
    number.parse().ok().and_then(|number| meetings.get(number)).ok_or_else(|| {
        let cause = format!("there is no meeting {number:?}");
        let remedy = "GET /v1/meetings lists those that there are; old ones are forgotten";
        Problem::new(StatusCode::NOT_FOUND, cause, remedy)
    })
}

async fn control(meeting: &Meeting, control: Control) -> Result<(), Problem> {
    meeting.control(control).await.map_err(|refused| {
        let remedy = match refused {
            Refused::NotNow(NotNow::Running) => "stop it and wait for `finished` first",
            Refused::NotNow(NotNow::NotRunning) => "start one first",
            Refused::NotNow(NotNow::Paused) => "resume it, or let it be",
            Refused::NotNow(NotNow::NotPaused) => "pause it first",
            Refused::NotNow(NotNow::MeetingOver) | Refused::TooManyStreams { .. } => "make another meeting",
        };
        Problem::conflict(refused.to_string(), remedy)
    })
}

fn reason(asked: &Asked) -> Result<StopReason, Problem> {
    if asked.body.trim_ascii().is_empty() {
        return Ok(host());
    }
    let body: Result<StopBody, _> = serde_json::from_slice(&asked.body);
    body.map(|body| body.reason).map_err(|error| {
        let cause = format!("the body names no stop reason: {error}");
        Problem::bad_request(cause, "send {\"reason\": 1} with one of Zoom's numbers, or no body")
    })
}

/// Waits until somebody has joined a stream.
async fn joined(meeting: &Meeting, asked: &Asked) -> Result<(), Problem> {
    let number = stream_number(meeting, asked)?;
    let has_joined = |stream: &StreamProgress| stream.joins > 0;
    wait(meeting, asked, "nobody has joined the stream", |progress| {
        progress.is_finished || stream(progress, number).is_some_and(|stream| has_joined(stream) || stream.is_over)
    })
    .await?;
    if stream(&meeting.playing.progress(), number).is_some_and(has_joined) {
        return Ok(());
    }
    let cause = "the stream is over and nobody joined it";
    Err(Problem::conflict(cause, "look at webhooks: did the receiver accept the start?"))
}

/// Waits until a stream is over and all is said of it; with the last one of a meeting that is over, until the meeting
/// is finished.
async fn finished(meeting: &Meeting, asked: &Asked) -> Result<(), Problem> {
    let number = stream_number(meeting, asked)?;
    wait(meeting, asked, "the stream has not come to its end", |progress| {
        let is_last = progress.is_meeting_over && progress.streams.len() <= number;
        progress.is_finished || !is_last && stream(progress, number).is_some_and(|stream| stream.is_over)
    })
    .await
}

async fn wait(
    meeting: &Meeting,
    asked: &Asked,
    what_is_not: &str,
    is_so_far: impl FnMut(&Progress) -> bool,
) -> Result<(), Problem> {
    let within = match asked.query().get("timeout") {
        None => WAIT,
        Some(text) => match humantime::parse_duration(text) {
            Ok(within) if within <= LONGEST_WAIT => within,
            Ok(_) | Err(_) => {
                let cause = format!("timeout={text} is no duration up to {} s", LONGEST_WAIT.as_secs());
                return Err(Problem::bad_request(cause, "take one such as 30s or 500ms"));
            }
        },
    };
    timeout(within, meeting.playing.until(is_so_far)).await.map_err(|_| {
        let cause = format!("{what_is_not} within {}", humantime::format_duration(within));
        let remedy = "look at state, webhooks and findings of the meeting, or wait longer with ?timeout=";
        Problem::new(StatusCode::GATEWAY_TIMEOUT, cause, remedy)
    })
}

/// The number of the stream that is asked for, from 1 on: the present one, or the first that there will be.
fn stream_number(meeting: &Meeting, asked: &Asked) -> Result<usize, Problem> {
    match asked.query().get("stream") {
        None => Ok(meeting.playing.progress().streams.len().max(1)),
        Some(text) => match text.parse() {
            Ok(number @ 1..) => Ok(number),
            Ok(0) | Err(_) => {
                let cause = format!("stream={text} is no number of a stream");
                Err(Problem::bad_request(cause, "the first stream of a meeting is 1"))
            }
        },
    }
}

fn stream(progress: &Progress, number: usize) -> Option<&StreamProgress> {
    progress.streams.get(number.checked_sub(1)?)
}
