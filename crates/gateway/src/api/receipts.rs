//! `GET /v1/receipts`: what became of the webhooks, a JSON object a line. `GET /v1/receipts/{entry}/body`: what came.

use std::sync::Arc;

use axum::{
    Router,
    extract::{Path, Query, State},
    http::{StatusCode, header},
    response::IntoResponse,
    routing::get,
};
use rtms_api::{
    receipt::{DEFAULT_LIMIT, MAX_LIMIT, ReceiptLine},
    since::Since,
};
use rtms_store::{entry::EntryId, error::StoreError, receipts::ReceiptFilter};
use rtms_wire::ids::StreamId;
use serde::Deserialize;
use tracing::warn;

use crate::{
    api::{
        answer::{NDJSON, PRIVATE},
        state::ApiState,
    },
    clock,
};

pub(crate) fn routes() -> Router<Arc<ApiState>> {
    Router::new().route("/v1/receipts", get(list)).route("/v1/receipts/{entry}/body", get(body))
}

/// The query of a request.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    stream: Option<StreamId>,
    since: Option<Since>,
    limit: Option<usize>,
}

async fn list(State(api): State<Arc<ApiState>>, Query(wanted): Query<Wanted>) -> impl IntoResponse {
    let limit = wanted.limit.unwrap_or(DEFAULT_LIMIT);
    if !(1..=MAX_LIMIT).contains(&limit) {
        return Err((StatusCode::BAD_REQUEST, format!("the limit is from 1 to {MAX_LIMIT}\n")));
    }
    let since = wanted.since.map(|since| since.before(clock::unix_millis()));
    let filter = ReceiptFilter { stream_id: wanted.stream, since, limit };
    let receipts = api.store.receipts(filter).await.map_err(|error| failed(&error))?;
    let lines = ReceiptLine::json_lines(&receipts).map_err(|error| failed(&error))?;
    Ok((PRIVATE, [(header::CONTENT_TYPE, NDJSON)], lines))
}

async fn body(State(api): State<Arc<ApiState>>, Path(entry): Path<u64>) -> impl IntoResponse {
    match api.store.receipt_body(EntryId(entry)).await {
        Ok(Some(body)) => Ok((PRIVATE, [(header::CONTENT_TYPE, "application/octet-stream")], body)),
        Ok(None) => {
            let why = StoreError::NoSuchEntry(EntryId(entry));
            Err((StatusCode::NOT_FOUND, format!("{why}; it may have been pruned\n")))
        }
        Err(error) => Err(failed(&error)),
    }
}

fn failed(error: &dyn std::error::Error) -> (StatusCode, String) {
    warn!(%error, "cannot read receipts from the store");
    (StatusCode::SERVICE_UNAVAILABLE, format!("receipts could not be read: {error}\n"))
}
