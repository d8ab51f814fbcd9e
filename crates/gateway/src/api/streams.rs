//! `/v1/streams`: the list of streams, the details of one, and the requests to one.
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
    video::{VideoAnswer, VideoChoice, VideoLine},
};
use rtms_store::operations::Operations;
use rtms_store::{error::StoreError, receipts::ReceiptFilter, stream_record::StreamRecord, streams::StreamFilter};
use rtms_wire::ids::{StreamId, UserId};
use serde::Deserialize;
use tracing::{info, warn};

use crate::{
    api::{
        answer::{NDJSON, PRIVATE},
        state::ApiState,
    },
    clock,
    live::{
        registry::{LiveStream, video_of},
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

/// The query of a request.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    #[serde(default)]
    all: bool,
    limit: Option<usize>,
}

/// Why a camera cannot be chosen or dropped.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
enum CannotChoose {
    #[error("{0}")]
    Config(&'static str),
    #[error("the camera of {0} is not the one that was chosen")]
    Another(UserId),
    #[error("the stream is being ended")]
    Stopping,
    #[error("it has ended")]
    Over,
}

/// Why a request is refused, with a text for the client.
enum Refused {
    NoSuchStream(StreamId),
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
            warn!(%error, "cannot read streams from the store");
            (StatusCode::SERVICE_UNAVAILABLE, format!("streams could not be read: {error}\n"))
        };
        let (status, why) = match self {
            Self::NoSuchStream(stream_id) => {
                (StatusCode::NOT_FOUND, format!("there is no stream {stream_id}; it may have been pruned\n"))
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
    let now = store.time(api.steady.now());
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
    let record = api.store.get(&detail.line.rtms_stream_id).await?;
    let wish = record.as_ref().and_then(StreamRecord::camera_wish);
    detail.video = match &live {
        Some(live) => live.video(wish),
        None => wish.filter(|_| !detail.line.state.is_over()).map(video_of),
    };
    if let Some(live) = live {
        live.detail(&mut detail);
    }
    Ok((PRIVATE, Json(detail)))
}

async fn stop(State(api): State<Arc<ApiState>>, Path(stream_id): Path<StreamId>) -> Result<impl IntoResponse, Refused> {
    let live = api.live.find(&stream_id);
    let line = line_of(&api, &stream_id, live.as_deref()).await?;
    if line.state.is_over() {
        // Nothing is left to do.
        return Ok((StatusCode::OK, PRIVATE, Json(line)));
    }
    // The owner of the stream, now or later, asks Zoom for it.
    if api.store.ask_to_close(&stream_id, clock::unix_millis()).await? {
        info!(%stream_id, "request on /v1/streams: end the stream");
    }
    let line = line_of(&api, &stream_id, live.as_deref()).await?;
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
        // Nothing is left to do.
        let line = line_of(&api, &stream_id, live.as_deref()).await?;
        return Ok((StatusCode::OK, PRIVATE, Json(line)));
    };
    let now = clock::unix_millis();
    if let Err(why) = retry::check(&**store, &record, now).await? {
        return Err(Refused::Retry(stream_id, why));
    }
    // The worker looks at what is wanted at least once a second.
    if store.ask_to_retry(&stream_id, now).await? {
        info!(%stream_id, "request on /v1/streams: join the stream again");
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
    if let Some(why) = api.no_choice {
        return Err(Refused::Choice(CannotChoose::Config(why)));
    }
    let video = wish_for(&api, &stream_id, live.as_deref(), &choice.user_id, true).await?;
    Ok((StatusCode::ACCEPTED, PRIVATE, Json(VideoAnswer { video })))
}

async fn drop_video(
    State(api): State<Arc<ApiState>>,
    Path(stream_id): Path<StreamId>,
    choice: Option<Json<VideoChoice>>,
) -> Result<impl IntoResponse, Refused> {
    let live = running(&api, &stream_id).await?;
    let record = api.store.get(&stream_id).await?;
    let chosen = record.as_ref().and_then(StreamRecord::camera_wish).filter(|wish| wish.on);
    let Some(chosen) = chosen else { return Ok((StatusCode::OK, PRIVATE, Json(VideoAnswer { video: None }))) };
    if let Some(Json(choice)) = choice.filter(|Json(choice)| choice.user_id != chosen.user_id) {
        return Err(Refused::Choice(CannotChoose::Another(choice.user_id)));
    }
    let video = wish_for(&api, &stream_id, live.as_deref(), &chosen.user_id, false).await?;
    Ok((StatusCode::ACCEPTED, PRIVATE, Json(VideoAnswer { video })))
}

/// Stores a wish for a camera, on which the owner of the stream acts.
async fn wish_for(
    api: &ApiState,
    stream_id: &StreamId,
    live: Option<&LiveStream>,
    user_id: &UserId,
    on: bool,
) -> Result<Option<VideoLine>, Refused> {
    let wish = api.store.choose_camera(stream_id, user_id, on, clock::unix_millis()).await?;
    let wish = wish.ok_or_else(|| Refused::NoSuchStream(stream_id.clone()))?;
    Ok(live.map_or_else(|| Some(video_of(&wish)), |live| live.video(Some(&wish))))
}

/// A stream that something can be asked of, if it runs here.
async fn running(api: &ApiState, stream_id: &StreamId) -> Result<Option<Arc<LiveStream>>, Refused> {
    let live = api.live.find(stream_id);
    match line_of(api, stream_id, live.as_deref()).await?.state {
        StreamStanding::Stopping => Err(Refused::Choice(CannotChoose::Stopping)),
        StreamStanding::Ended | StreamStanding::Incomplete | StreamStanding::Failed => {
            Err(Refused::Choice(CannotChoose::Over))
        }
        StreamStanding::Wanted
        | StreamStanding::Elsewhere
        | StreamStanding::Claimed
        | StreamStanding::Connecting
        | StreamStanding::Connected
        | StreamStanding::Paused
        | StreamStanding::Reconnecting => Ok(live),
    }
}

async fn line_of(api: &ApiState, stream_id: &StreamId, live: Option<&LiveStream>) -> Result<StreamLine, Refused> {
    let record: Option<StreamRecord> = api.store.get(stream_id).await?;
    let mut line = match (&record, live) {
        (Some(record), _) => StreamLine::of_record(record, api.store.time(api.steady.now())),
        (None, Some(_)) => StreamLine::unknown(stream_id.clone()),
        (None, None) => return Err(Refused::NoSuchStream(stream_id.clone())),
    };
    api.live.complete(&mut line, live);
    Ok(line)
}
