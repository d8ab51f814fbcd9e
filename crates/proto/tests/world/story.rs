//! A scenario of the simulator's catalogue as this harness plays it.

use rtms_proto::config::{MediaLayout, StreamConfig};
use rtms_sim::{
    config::ZoomConfig,
    meeting::{Meeting, MeetingOptions, options::MediaDetail},
    scenario::Scenario,
};
use rtms_wire::{
    codes::media::{MediaDataOption, MediaPayloadType},
    media::{audio::AudioParams, video::VideoParams},
};

use super::{
    Deed, Options,
    run::{Outcome, run},
};

/// Plays a scenario with markers in place of media.
pub(crate) fn play(scenario: &Scenario) -> Outcome {
    let config = scenario.config();
    let meeting = MeetingOptions { detail: MediaDetail::Markers, ..config.meeting.clone() };
    let config = ZoomConfig { meeting, ..config };
    let options = options(scenario, &config);
    run(config, scenario.network(), scenario.meeting.seed, options)
}

/// What the scenario's operator has the client do.
fn options(scenario: &Scenario, config: &ZoomConfig) -> Options {
    let operator = &scenario.operator;
    let meeting = Meeting::plan(&config.meeting);
    let mut deeds = Vec::new();
    deeds.extend(operator.close_at.map(|at| (at, Deed::Close)));
    deeds.extend(operator.kill_at.map(|at| (at, Deed::Kill)));
    deeds.extend(operator.restart_at.map(|at| (at, Deed::Restart)));
    for camera in &operator.cameras {
        if let Some(who) = meeting.participants.get(camera.participant) {
            deeds.push((camera.at, Deed::Want(who.user_id.clone())));
        }
    }
    let mut client = StreamConfig::default();
    if operator.unified {
        client.layout = MediaLayout::Unified;
    }
    // The fewest pictures that H.264 allows: more are no better here.
    client.params.video = client.params.video.map(|video| VideoParams { fps: Some(6), ..video });
    // Nor are more and shorter packets of sound.
    client.params.audio = client.params.audio.map(|audio| AudioParams { send_rate: Some(100), ..audio });
    client.buffer_data = !operator.without_backlog;
    if !operator.cameras.is_empty() {
        client.params.video = Some(VideoParams {
            codec: Some(MediaPayloadType::H264),
            data_opt: Some(MediaDataOption::VideoSingleIndividualStream),
            ..client.params.video.unwrap_or_default()
        });
    }
    Options { config: client, seed: scenario.meeting.seed, deeds }
}

/// Works on every item, on two threads, and gives the results in order.
pub(crate) fn on_two_threads<T: Sync, R: Send>(items: &[T], work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let half = |odd: usize| -> Vec<_> {
        items.iter().enumerate().skip(odd).step_by(2).map(|(index, item)| (index, work(item))).collect()
    };
    let mut done = std::thread::scope(|scope| {
        let other = scope.spawn(|| half(1));
        let mut done = half(0);
        done.extend(other.join().expect("the other half runs through"));
        done
    });
    done.sort_by_key(|(index, _)| *index);
    done.into_iter().map(|(_, result)| result).collect()
}
