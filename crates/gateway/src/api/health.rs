//! `/healthz`: the process lives. `/readyz`: it can take webhooks.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use axum::{Router, extract::State, http::StatusCode, response::IntoResponse, routing::get};
use rtms_store::store::Store;

use crate::listener::serve::Shared;

/// What readiness depends on.
pub(crate) struct Health {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) stopping: AtomicBool,
}

pub(crate) fn routes() -> Router<Arc<Shared>> {
    Router::new().route("/healthz", get(healthz)).route("/readyz", get(readyz))
}

async fn healthz() -> &'static str {
    "ok\n"
}

async fn readyz(State(shared): State<Arc<Shared>>) -> impl IntoResponse {
    if shared.health.stopping.load(Ordering::Relaxed) {
        (StatusCode::SERVICE_UNAVAILABLE, "stopping\n")
    } else if shared.health.store.stats().is_failing {
        (StatusCode::SERVICE_UNAVAILABLE, "the store cannot be written\n")
    } else {
        (StatusCode::OK, "ready\n")
    }
}
