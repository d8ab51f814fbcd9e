//! What the answers of the API are made from.

use std::{path::PathBuf, sync::Arc};

use rtms_store::store::Store;

use crate::{live::registry::LiveStreams, telemetry::Metrics};

/// The state of the API's routes.
pub(crate) struct ApiState {
    pub(crate) store: Arc<dyn Store>,
    /// The streams that run here.
    pub(crate) live: Arc<LiveStreams>,
    /// The folder of all recordings.
    pub(crate) recordings: PathBuf,
    pub(crate) metrics: Arc<Metrics>,
}
