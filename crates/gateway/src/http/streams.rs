//! `/v1/streams`: which streams there are, everything about one, and what can be told to one that runs here.
//!
//! It is served at the API's listeners only, see `api.rs` and `local.rs`.

use std::{collections::BTreeMap, path::PathBuf, sync::Arc};

use axum::{
    Json, Router,
    extract::{DefaultBodyLimit, Path, Query, State},
    http::{HeaderName, StatusCode, header},
    response::{IntoResponse, Response},
    routing::{get, post, put},
};
use rtms_store::{error::StoreError, receipts::ReceiptFilter, stream_record::StreamRecord, streams::StreamFilter};
use rtms_wire::ids::{StreamId, UserId};
use serde::{Deserialize, Serialize};
use tracing::{info, warn};

use crate::{
    clock,
    http::{Shared, receipts::ReceiptLine},
    retry::{self, CannotRetry},
    streams::{
        CannotChoose, LiveStream, LiveStreams, RecordingLine, StreamDetail, StreamLine, StreamStanding, VideoLine,
    },
};

/// How many streams are shown unless told otherwise.
pub const DEFAULT_LIMIT: usize = 100;

/// How many streams may be asked for at a time: a few megabytes.
pub const MAX_LIMIT: usize = 10_000;

/// How many receipts are shown with a stream: a meeting with a failover or two has fewer.
pub const RECEIPTS: usize = 10;

/// The longest body: an id, with room.
const MAX_BODY_BYTES: usize = 4096;

/// The content type of JSON lines.
const NDJSON: &str = "application/x-ndjson";

/// Answers are about meetings of people, so nobody in between keeps them or guesses what they are.
const PRIVATE: [(HeaderName, &str); 2] =
    [(header::CACHE_CONTROL, "no-store"), (header::X_CONTENT_TYPE_OPTIONS, "nosniff")];

/// What the handlers need of the server.
pub(crate) struct Streams {
    pub(crate) live: Arc<LiveStreams>,
    pub(crate) recordings: PathBuf,
}

pub(crate) fn routes() -> Router<Arc<Shared>> {
    Router::new()
        .route("/v1/streams", get(list))
        .route("/v1/streams/{id}", get(show))
        .route("/v1/streams/{id}/stop", post(stop))
        .route("/v1/streams/{id}/retry", post(retry))
        .route("/v1/streams/{id}/video", put(choose_video).delete(drop_video))
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
}

/// The path of a stream, with everything in its id escaped that could mean something else in a URL.
pub fn path_of(stream_id: &StreamId) -> String {
    let mut path = String::from("/v1/streams/");
    for byte in stream_id.as_str().bytes() {
        if byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_' {
            path.push(char::from(byte));
        } else {
            path.push_str(&format!("%{byte:02X}"));
        }
    }
    path
}

/// Whose camera is meant.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VideoChoice {
    /// The number inside the session, as media and events carry it; quoted or not.
    pub user_id: UserId,
}

/// What became of the choice of a camera.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct VideoAnswer {
    /// The camera; null if none was chosen.
    pub video: Option<VideoLine>,
}

/// Records by stream, with their places in the store's order.
type IndexedRecords = BTreeMap<StreamId, (usize, StreamRecord)>;

/// What is asked for.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    #[serde(default)]
    all: bool,
    limit: Option<usize>,
}

/// Why a request is not done; in words to whoever asked.
enum Refused {
    NoSuchStream(StreamId),
    NotHere(StreamId, StreamStanding),
    Choice(CannotChoose),
    Retry(StreamId, CannotRetry),
    Limit,
    Store(StoreError),
    Json(serde_json::Error),
}

impl From<StoreError> for Refused {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let unreadable = |error: &dyn std::error::Error| {
            warn!(%error, "streams could not be read");
            (StatusCode::SERVICE_UNAVAILABLE, format!("streams could not be read: {error}\n"))
        };
        let (status, why) = match self {
            Self::NoSuchStream(stream_id) => {
                (StatusCode::NOT_FOUND, format!("there is no stream {stream_id}; it may have been pruned\n"))
            }
            Self::NotHere(stream_id, state) => {
                let why = match state {
                    StreamStanding::Elsewhere => "another process runs it",
                    StreamStanding::Ended | StreamStanding::Incomplete | StreamStanding::Failed => "it has ended",
                    StreamStanding::Wanted | StreamStanding::Claimed => "it is about to begin or to end; try again",
                    StreamStanding::Connecting
                    | StreamStanding::Connected
                    | StreamStanding::Paused
                    | StreamStanding::Reconnecting
                    | StreamStanding::Stopping => "it has just gone",
                };
                (StatusCode::CONFLICT, format!("the stream {stream_id} does not run in this process: {why}\n"))
            }
            Self::Retry(stream_id, why) => {
                (StatusCode::CONFLICT, format!("the stream {stream_id} is not joined again: {why}\n"))
            }
            Self::Choice(why) => (StatusCode::CONFLICT, format!("{why}\n")),
            Self::Limit => (StatusCode::BAD_REQUEST, format!("the limit is from 1 to {MAX_LIMIT}\n")),
            Self::Store(error) => unreadable(&error),
            Self::Json(error) => unreadable(&error),
        };
        (status, PRIVATE, why).into_response()
    }
}

async fn list(State(shared): State<Arc<Shared>>, Query(wanted): Query<Wanted>) -> Result<impl IntoResponse, Refused> {
    let limit = wanted.limit.unwrap_or(DEFAULT_LIMIT);
    if !(1..=MAX_LIMIT).contains(&limit) {
        return Err(Refused::Limit);
    }
    let store = &shared.health.store;
    let filter = StreamFilter { open: (!wanted.all).then_some(true), limit };
    let records = store.list(filter).await?.into_iter().map(|record| (record.stream_id.clone(), record));
    let mut records: IndexedRecords = records.enumerate().map(|(place, (id, record))| (id, (place, record))).collect();
    let now = clock::unix_millis();
    let mut lines = Vec::new();
    // Those that run here come first. One may be beyond the limit of the store's, or be closed by now.
    for live in shared.streams.live.all().into_iter().take(limit) {
        let record = match records.remove(live.stream_id()) {
            Some((_, record)) => Some(record),
            None => store.get(live.stream_id()).await?,
        };
        let line = record.map(|record| StreamLine::of_record(&record, now));
        let mut line = line.unwrap_or_else(|| StreamLine::unknown(live.stream_id().clone()));
        shared.streams.live.complete(&mut line, Some(&live));
        lines.push(line);
    }
    let mut rest: Vec<_> = records.into_values().collect();
    rest.sort_by_key(|(place, _)| *place);
    for (_, record) in rest.iter().take(limit - lines.len()) {
        let mut line = StreamLine::of_record(record, now);
        shared.streams.live.complete(&mut line, None);
        lines.push(line);
    }
    Ok((PRIVATE, [(header::CONTENT_TYPE, NDJSON)], json_lines(&lines).map_err(Refused::Json)?))
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

async fn show(
    State(shared): State<Arc<Shared>>,
    Path(stream_id): Path<StreamId>,
) -> Result<impl IntoResponse, Refused> {
    let live = shared.streams.live.find(&stream_id);
    let line = line_of(&shared, &stream_id, live.as_deref()).await?;
    let filter = ReceiptFilter { stream_id: Some(stream_id.clone()), since: None, limit: RECEIPTS };
    let receipts = shared.health.store.receipts(filter).await?;
    let recordings = shared.streams.recordings.clone();
    let recording = tokio::task::spawn_blocking(move || RecordingLine::read(&recordings, &stream_id)).await;
    let recording = recording.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()));
    let mut detail = StreamDetail::at_rest(line, recording, receipts.iter().map(ReceiptLine::from).collect());
    if let Some(live) = live {
        live.detail(&mut detail);
    }
    Ok((PRIVATE, Json(detail)))
}

async fn stop(
    State(shared): State<Arc<Shared>>,
    Path(stream_id): Path<StreamId>,
) -> Result<impl IntoResponse, Refused> {
    let live = shared.streams.live.find(&stream_id);
    let Some(live) = live else {
        let line = line_of(&shared, &stream_id, None).await?;
        if !line.state.is_over() {
            return Err(Refused::NotHere(stream_id, line.state));
        }
        // What is wanted is so.
        return Ok((StatusCode::OK, PRIVATE, Json(line)));
    };
    // First it is put down, so that whoever has the stream after this process asks for it again.
    shared.health.store.ask_to_close(&stream_id, clock::unix_millis()).await?;
    live.stop().await;
    info!(%stream_id, "asked on /v1/streams to end the stream");
    let line = line_of(&shared, &stream_id, Some(&live)).await?;
    Ok((StatusCode::ACCEPTED, PRIVATE, Json(line)))
}

async fn retry(
    State(shared): State<Arc<Shared>>,
    Path(stream_id): Path<StreamId>,
) -> Result<impl IntoResponse, Refused> {
    let store = &shared.health.store;
    let live = shared.streams.live.find(&stream_id);
    let record = store.get(&stream_id).await?;
    let Some(record) = record.filter(|record| live.is_none() && record.open_wish().is_none()) else {
        // What is wanted is so.
        let line = line_of(&shared, &stream_id, live.as_deref()).await?;
        return Ok((StatusCode::OK, PRIVATE, Json(line)));
    };
    let now = clock::unix_millis();
    if let Err(why) = retry::check(&**store, &record, now).await? {
        return Err(Refused::Retry(stream_id, why));
    }
    // The worker looks at what is wanted at least once a second.
    if store.ask_to_retry(&stream_id, now).await? {
        info!(%stream_id, "asked on /v1/streams to join the stream again");
    }
    let line = line_of(&shared, &stream_id, None).await?;
    Ok((StatusCode::ACCEPTED, PRIVATE, Json(line)))
}

async fn choose_video(
    State(shared): State<Arc<Shared>>,
    Path(stream_id): Path<StreamId>,
    Json(choice): Json<VideoChoice>,
) -> Result<impl IntoResponse, Refused> {
    let live = running(&shared, &stream_id).await?;
    let video = shared.streams.live.choose_video(&live, choice.user_id).await.map_err(Refused::Choice)?;
    Ok((StatusCode::ACCEPTED, PRIVATE, Json(VideoAnswer { video: Some(video) })))
}

async fn drop_video(
    State(shared): State<Arc<Shared>>,
    Path(stream_id): Path<StreamId>,
    choice: Option<Json<VideoChoice>>,
) -> Result<impl IntoResponse, Refused> {
    let live = running(&shared, &stream_id).await?;
    let video = live.drop_video(choice.map(|Json(choice)| choice.user_id)).await.map_err(Refused::Choice)?;
    let status = if video.is_some() { StatusCode::ACCEPTED } else { StatusCode::OK };
    Ok((status, PRIVATE, Json(VideoAnswer { video })))
}

/// A stream that something is to be told to.
async fn running(shared: &Shared, stream_id: &StreamId) -> Result<Arc<LiveStream>, Refused> {
    match shared.streams.live.find(stream_id) {
        Some(live) => Ok(live),
        None => Err(Refused::NotHere(stream_id.clone(), line_of(shared, stream_id, None).await?.state)),
    }
}

async fn line_of(shared: &Shared, stream_id: &StreamId, live: Option<&LiveStream>) -> Result<StreamLine, Refused> {
    let record: Option<StreamRecord> = shared.health.store.get(stream_id).await?;
    let mut line = match (&record, live) {
        (Some(record), _) => StreamLine::of_record(record, clock::unix_millis()),
        (None, Some(_)) => StreamLine::unknown(stream_id.clone()),
        (None, None) => return Err(Refused::NoSuchStream(stream_id.clone())),
    };
    shared.streams.live.complete(&mut line, live);
    Ok(line)
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
