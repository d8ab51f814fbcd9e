//! `/v1/streams`: which streams there are, everything about one, and what can be told to one that runs here.
//!
//! It is served at the API's listeners only, see `listener/api_listeners.rs` and `listener/local.rs`.

use std::{collections::BTreeMap, sync::Arc};

use axum::{
    Json, Router,
    extract::{DefaultBodyLimit, Path, Query, State},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::{get, post, put},
};
use rtms_api::{
    receipt::ReceiptLine,
    recording::RecordingLine,
    standing::StreamStanding,
    stream::{DEFAULT_LIMIT, MAX_LIMIT, RECEIPTS, StreamDetail, StreamLine, json_lines},
    video::{VideoAnswer, VideoChoice},
};
use rtms_store::{error::StoreError, receipts::ReceiptFilter, stream_record::StreamRecord, streams::StreamFilter};
use rtms_wire::ids::StreamId;
use serde::Deserialize;
use tracing::{info, warn};

use crate::{
    api::{
        answer::{NDJSON, PRIVATE},
        state::ApiState,
    },
    clock,
    live::{
        registry::{CannotChoose, LiveStream},
        retry::{self, CannotRetry},
    },
};

/// The longest body: an id, with room.
const MAX_BODY_BYTES: usize = 4096;

pub(crate) fn routes() -> Router<Arc<ApiState>> {
    Router::new()
        .route("/v1/streams", get(list))
        .route("/v1/streams/{id}", get(show))
        .route("/v1/streams/{id}/stop", post(stop))
        .route("/v1/streams/{id}/retry", post(retry))
        .route("/v1/streams/{id}/video", put(choose_video).delete(drop_video))
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
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

async fn list(State(api): State<Arc<ApiState>>, Query(wanted): Query<Wanted>) -> Result<impl IntoResponse, Refused> {
    let limit = wanted.limit.unwrap_or(DEFAULT_LIMIT);
    if !(1..=MAX_LIMIT).contains(&limit) {
        return Err(Refused::Limit);
    }
    let store = &api.store;
    let filter = StreamFilter { open: (!wanted.all).then_some(true), limit };
    let records = store.list(filter).await?.into_iter().map(|record| (record.stream_id.clone(), record));
    let mut records: IndexedRecords = records.enumerate().map(|(place, (id, record))| (id, (place, record))).collect();
    let now = clock::unix_millis();
    let mut lines = Vec::new();
    // Those that run here come first. One may be beyond the limit of the store's, or be closed by now.
    for live in api.live.all().into_iter().take(limit) {
        let record = match records.remove(live.stream_id()) {
            Some((_, record)) => Some(record),
            None => store.get(live.stream_id()).await?,
        };
        let line = record.map(|record| StreamLine::of_record(&record, now));
        let mut line = line.unwrap_or_else(|| StreamLine::unknown(live.stream_id().clone()));
        api.live.complete(&mut line, Some(&live));
        lines.push(line);
    }
    let mut rest: Vec<_> = records.into_values().collect();
    rest.sort_by_key(|(place, _)| *place);
    for (_, record) in rest.iter().take(limit - lines.len()) {
        let mut line = StreamLine::of_record(record, now);
        api.live.complete(&mut line, None);
        lines.push(line);
    }
    Ok((PRIVATE, [(header::CONTENT_TYPE, NDJSON)], json_lines(&lines).map_err(Refused::Json)?))
}

async fn show(State(api): State<Arc<ApiState>>, Path(stream_id): Path<StreamId>) -> Result<impl IntoResponse, Refused> {
    let live = api.live.find(&stream_id);
    let line = line_of(&api, &stream_id, live.as_deref()).await?;
    let filter = ReceiptFilter { stream_id: Some(stream_id.clone()), since: None, limit: RECEIPTS };
    let receipts = api.store.receipts(filter).await?;
    let recordings = api.recordings.clone();
    let recording = tokio::task::spawn_blocking(move || RecordingLine::read(&recordings, &stream_id)).await;
    let recording = recording.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()));
    let mut detail = StreamDetail::at_rest(line, recording, receipts.iter().map(ReceiptLine::from).collect());
    if let Some(live) = live {
        live.detail(&mut detail);
    }
    Ok((PRIVATE, Json(detail)))
}

async fn stop(State(api): State<Arc<ApiState>>, Path(stream_id): Path<StreamId>) -> Result<impl IntoResponse, Refused> {
    let live = api.live.find(&stream_id);
    let Some(live) = live else {
        let line = line_of(&api, &stream_id, None).await?;
        if !line.state.is_over() {
            return Err(Refused::NotHere(stream_id, line.state));
        }
        // What is wanted is so.
        return Ok((StatusCode::OK, PRIVATE, Json(line)));
    };
    // First it is put down, so that whoever has the stream after this process asks for it again.
    api.store.ask_to_close(&stream_id, clock::unix_millis()).await?;
    live.stop().await;
    info!(%stream_id, "asked on /v1/streams to end the stream");
    let line = line_of(&api, &stream_id, Some(&live)).await?;
    Ok((StatusCode::ACCEPTED, PRIVATE, Json(line)))
}

async fn retry(
    State(api): State<Arc<ApiState>>,
    Path(stream_id): Path<StreamId>,
) -> Result<impl IntoResponse, Refused> {
    let store = &api.store;
    let live = api.live.find(&stream_id);
    let record = store.get(&stream_id).await?;
    let Some(record) = record.filter(|record| live.is_none() && record.open_wish().is_none()) else {
        // What is wanted is so.
        let line = line_of(&api, &stream_id, live.as_deref()).await?;
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
    let line = line_of(&api, &stream_id, None).await?;
    Ok((StatusCode::ACCEPTED, PRIVATE, Json(line)))
}

async fn choose_video(
    State(api): State<Arc<ApiState>>,
    Path(stream_id): Path<StreamId>,
    Json(choice): Json<VideoChoice>,
) -> Result<impl IntoResponse, Refused> {
    let live = running(&api, &stream_id).await?;
    let video = api.live.choose_video(&live, choice.user_id).await.map_err(Refused::Choice)?;
    Ok((StatusCode::ACCEPTED, PRIVATE, Json(VideoAnswer { video: Some(video) })))
}

async fn drop_video(
    State(api): State<Arc<ApiState>>,
    Path(stream_id): Path<StreamId>,
    choice: Option<Json<VideoChoice>>,
) -> Result<impl IntoResponse, Refused> {
    let live = running(&api, &stream_id).await?;
    let video = live.drop_video(choice.map(|Json(choice)| choice.user_id)).await.map_err(Refused::Choice)?;
    let status = if video.is_some() { StatusCode::ACCEPTED } else { StatusCode::OK };
    Ok((status, PRIVATE, Json(VideoAnswer { video })))
}

/// A stream that something is to be told to.
async fn running(api: &ApiState, stream_id: &StreamId) -> Result<Arc<LiveStream>, Refused> {
    match api.live.find(stream_id) {
        Some(live) => Ok(live),
        None => Err(Refused::NotHere(stream_id.clone(), line_of(api, stream_id, None).await?.state)),
    }
}

async fn line_of(api: &ApiState, stream_id: &StreamId, live: Option<&LiveStream>) -> Result<StreamLine, Refused> {
    let record: Option<StreamRecord> = api.store.get(stream_id).await?;
    let mut line = match (&record, live) {
        (Some(record), _) => StreamLine::of_record(record, clock::unix_millis()),
        (None, Some(_)) => StreamLine::unknown(stream_id.clone()),
        (None, None) => return Err(Refused::NoSuchStream(stream_id.clone())),
    };
    api.live.complete(&mut line, live);
    Ok(line)
}
