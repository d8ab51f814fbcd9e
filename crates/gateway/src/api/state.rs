//! The state from which the API makes its answers.

use std::{path::PathBuf, sync::Arc};

use rtms_proto::config::StreamConfig;
use rtms_store::store::Store;
use rtms_wire::{codes::media::MediaDataOption, media::medium::Medium};

use crate::{clock::SteadyClock, live::registry::LiveStreams, telemetry::Metrics};

/// The state of the API's routes.
pub(crate) struct ApiState {
    pub(crate) store: Arc<dyn Store>,
    /// The clock by which leases run out.
    pub(crate) steady: SteadyClock,
    /// The streams that run here.
    pub(crate) live: Arc<LiveStreams>,
    /// The folder of all recordings.
    pub(crate) recordings: PathBuf,
    pub(crate) metrics: Arc<Metrics>,
    /// Why no camera can be chosen; none if one can.
    pub(crate) no_choice: Option<&'static str>,
}

/// Returns why no camera can be chosen with this configuration; none if one can.
pub(crate) fn no_choice(config: &StreamConfig) -> Option<&'static str> {
    let option = config.params.video.as_ref().and_then(|video| video.data_opt);
    if !config.media.contains(Medium::Video) {
        Some("no camera can be chosen: media.want has no \"video\" in this server's settings")
    } else if option != Some(MediaDataOption::VideoSingleIndividualStream) {
        Some("no camera can be chosen: this server asks for who speaks; set media.video.streams = \"individual\"")
    } else {
        None
    }
}
