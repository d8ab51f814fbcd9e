//! `/healthz`: the process lives. `/readyz`: it can take webhooks.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use axum::{Router, extract::State, http::StatusCode, response::IntoResponse, routing::get};
use rtms_store::store::Store;

use crate::disk::Disk;

/// The state on which readiness depends.
pub(crate) struct Health {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) disk: Arc<Disk>,
    pub(crate) stopping: AtomicBool,
}

/// Returns the routes of health, which both the door and the API have.
pub(crate) fn router(health: Arc<Health>) -> Router {
    Router::new().route("/healthz", get(healthz)).route("/readyz", get(readyz)).with_state(health)
}

async fn healthz() -> &'static str {
    "ok\n"
}

async fn readyz(State(health): State<Arc<Health>>) -> impl IntoResponse {
    let not = |why: String| (StatusCode::SERVICE_UNAVAILABLE, why);
    if health.stopping.load(Ordering::Relaxed) {
        not("stopping\n".into())
    } else if let Some(why) = health.disk.full() {
        not(format!("the disk of the data folder is full: {why}\n"))
    } else if health.store.stats().is_failing {
        not("the store cannot be written\n".into())
    } else {
        (StatusCode::OK, "ready\n".into())
    }
}
