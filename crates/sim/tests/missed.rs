//! What a report says of media that was not there for the client because of what the client did or left undone.

mod common;

use common::{Run, config};
use rtms_sim::{
    config::ZoomConfig,
    fault::{Incident, Target, Trouble},
    findings::Severity,
    judge::Missed,
    meeting::{MeetingOptions, options::MediaDetail},
    sent::What,
    zoom::{ConnectionId, Ending, Input},
};
use rtms_wire::media::medium::Medium;
use serde_json::json;

const SECONDS: u64 = 40;
const MEDIA: [(u32, Medium); 4] = [(1, Medium::Audio), (2, Medium::Video), (8, Medium::Transcript), (16, Medium::Chat)];

#[test]
fn what_a_client_missed_by_its_own_cut_is_what_another_client_was_sent_meanwhile() {
    let (away_ms, back_ms) = (10_000, 25_000);
    let mut present = meeting(Vec::new());
    joins(&mut present);
    present.live_until(SECONDS * 1_000);
    let sent_meanwhile = |medium: Medium| {
        let is_meanwhile = |at_ms: u64| (away_ms + 1..=back_ms).contains(&at_ms);
        let sent = present.sent.iter().filter(|sent| sent.what.medium() == Some(medium));
        sent.filter(|sent| is_meanwhile(sent.at.0 - present.zoom.start().0)).count() as u64
    };

    for ending in [Ending::Cut, Ending::CloseFrame] {
        let mut run = meeting(Vec::new());
        let (signaling, media) = joins(&mut run);
        run.live_until(away_ms);
        for connection in [vec![signaling], media].concat() {
            run.input(Input::Closed { connection, ending });
        }
        run.live_until(back_ms);
        joins(&mut run);
        run.live_until(SECONDS * 1_000);

        let missed = run.zoom.report().summary.missed;
        assert_eq!(missed.audio, 0, "all sound of the time was sent later");
        assert_eq!(missed.video, sent_meanwhile(Medium::Video));
        assert_eq!(missed.transcript, sent_meanwhile(Medium::Transcript));
        assert_eq!(missed.chat, sent_meanwhile(Medium::Chat));
        assert!(missed.video > 0 && missed.transcript > 0, "{missed}");
        let text = run.zoom.report().to_string();
        assert!(text.contains(&format!("  missed by the client's own disconnects: 0 audio, {} video", missed.video)));
    }
}

#[test]
fn one_medium_that_a_client_ended_for_good_is_missed_to_the_end() {
    let mut run = meeting(Vec::new());
    let (_, media) = joins(&mut run);
    run.live_until(20_000);
    run.input(Input::Closed { connection: media[0], ending: Ending::CloseFrame });
    run.live_until(SECONDS * 1_000);

    let missed = run.zoom.report().summary.missed;

    assert!(missed.audio > 100, "{missed}");
    assert_eq!(missed, Missed { audio: missed.audio, ..Missed::default() }, "the others were there");
}

#[test]
fn sound_that_is_older_than_what_zoom_keeps_is_missed() {
    let meeting = MeetingOptions { detail: MediaDetail::Markers, ..config(60).meeting };
    let mut config = ZoomConfig { meeting, ..config(60) };
    config.timing.backlog = std::time::Duration::from_secs(5);
    let mut run = Run::new(config);
    let signaling = run.join();
    let audio = run.open_media(1, json!({}));
    run.ready(signaling);
    run.live_until(10_000);
    run.input(Input::Closed { connection: audio, ending: Ending::CloseFrame });
    run.live_until(30_000);
    run.open_media(1, json!({}));
    run.ready(signaling);
    run.live_until(60_000);

    let missed = run.zoom.report().summary.missed;

    let gone: usize = run
        .zoom
        .meeting()
        .utterances
        .iter()
        .map(|said| (said.start_ms..said.end_ms).step_by(20).filter(|at| (10_000..25_000).contains(at)).count())
        .sum();
    assert!(missed.audio > 0 && missed.audio <= gone as u64, "{missed}, of {gone} packets of each speaker");
}

#[test]
fn what_zoom_took_away_is_not_missed_by_the_client() {
    let cut = Trouble::Cut { target: Target::Everything };
    let at = std::time::Duration::from_secs(10);
    let mut run = meeting(vec![Incident { at, what: cut }]);
    joins(&mut run);
    run.live_until(20_000);
    joins(&mut run);
    run.live_until(SECONDS * 1_000);

    let report = run.zoom.report();

    assert!(report.summary.missed.is_nothing(), "{report}");
    assert!(!report.to_string().contains("missed"), "{report}");
    assert!(run.sent.iter().any(|sent| matches!(sent.what, What::Video(_))));
}

#[test]
fn video_of_choice_without_a_choice_is_noted_once() {
    let mut run = meeting(Vec::new());
    let signaling = run.join();
    run.open_media(2, json!({"video": {"codec": 7, "fps": 25, "data_opt": 4}}));
    run.ready(signaling);
    run.live_until(SECONDS * 1_000);

    let report = run.zoom.report();

    let found: Vec<_> = report.findings.iter().map(|found| (found.mistake.name(), found.severity)).collect();
    assert_eq!(found, [("no_camera_chosen", Severity::Note)]);
    assert_eq!(report.verdict, rtms_sim::judge::Verdict::Pass);
}

#[test]
fn video_of_choice_with_a_choice_has_no_note() {
    let mut run = meeting(Vec::new());
    let signaling = run.join();
    run.open_media(2, json!({"video": {"codec": 7, "fps": 25, "data_opt": 4}}));
    run.ready(signaling);
    run.live_until(5_000);
    let camera = run.zoom.meeting().participants.iter().find(|who| who.camera_is_on(5_000)).unwrap();
    let user_id = camera.user_id.as_u64().unwrap();
    run.say(signaling, &json!({"msg_type": 28, "user_id": user_id, "subscribe": true, "timestamp": run.now.0}));
    run.live_until(SECONDS * 1_000);

    assert_eq!(run.mistakes(), []);
}

fn meeting(incidents: Vec<Incident>) -> Run {
    let meeting = MeetingOptions { detail: MediaDetail::Markers, ..config(SECONDS).meeting };
    Run::new(ZoomConfig { meeting, incidents, ..config(SECONDS) })
}

/// Signaling, and a connection for each medium.
fn joins(run: &mut Run) -> (ConnectionId, Vec<ConnectionId>) {
    let signaling = run.join();
    let media = MEDIA.map(|(media_type, _)| run.open_media(media_type, json!({})));
    run.ready(signaling);
    (signaling, media.to_vec())
}
