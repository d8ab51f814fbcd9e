//! `/healthz`: the process lives. `/readyz`: it can take webhooks.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use axum::{extract::State, http::StatusCode, response::IntoResponse};
use rtms_store::store::Store;

use crate::http::Shared;

/// What readiness depends on.
pub(crate) struct Health {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) stopping: AtomicBool,
}

pub(crate) async fn healthz() -> &'static str {
    "ok\n"
}

pub(crate) async fn readyz(State(shared): State<Arc<Shared>>) -> impl IntoResponse {
    if shared.health.stopping.load(Ordering::Relaxed) {
        (StatusCode::SERVICE_UNAVAILABLE, "stopping\n")
    } else if shared.health.store.stats().is_failing {
        (StatusCode::SERVICE_UNAVAILABLE, "the store cannot be written\n")
    } else {
        (StatusCode::OK, "ready\n")
    }
}
