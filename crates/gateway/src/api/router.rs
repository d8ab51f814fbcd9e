//! The routes of the API: what the owner of the data folder may reach.

use std::sync::Arc;

use axum::{Router, routing::get};

use crate::api::{
    health::{self, Health},
    metrics, receipts,
    state::ApiState,
    streams,
};

/// Returns the API.
pub(crate) fn router(api: Arc<ApiState>, health: Arc<Health>) -> Router {
    Router::new()
        .route("/metrics", get(metrics::show))
        .merge(receipts::routes())
        .merge(streams::routes())
        .with_state(api)
        .merge(health::router(health))
}
