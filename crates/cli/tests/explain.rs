//! `rtms explain`, and that it says of each stop what the program itself does.

#![allow(clippy::unwrap_used, clippy::wildcard_enum_match_arm, reason = "in a test, a panic is the answer")]

mod common;

use common::{Finished, finish, rtms};
use rtms_guide::explain::{entry::Retry, kind::Kind, lookup};
use rtms_proto::next_step::NextStep;
use rtms_wire::codes::stop_reason::StopReason;

async fn explain(arguments: &[&str]) -> Finished {
    finish(rtms(&[&["explain"], arguments].concat())).await
}

#[tokio::test]
async fn a_number_has_every_meaning_headed_by_its_kind_and_the_old_numbering_is_marked() {
    let all = explain(&["19"]).await;

    assert_eq!((all.code, all.stderr.as_str()), (Some(0), ""));
    for words in [
        "Status code",
        "STATUS_INVALID_MEDIA_AUDIO_CONTENT_TYPE",
        "Stop reason",
        "STOP_BC_AWAIT_RECONNECTION_TIMEOUT",
        "OLD numbering",
        "STATUS_EVENTS_VALUE_NOT_ARRAY",
        "Remedy:",
        "Basis:   documented",
    ] {
        assert!(all.stdout.contains(words), "{words}: {}", all.stdout);
    }
    let one = explain(&["stop", "19"]).await;
    assert!(one.stdout.contains("STOP_BC_AWAIT") && !one.stdout.contains("STATUS_"), "{}", one.stdout);
}

#[tokio::test]
async fn names_negative_numbers_and_json_are_understood() {
    for question in
        [&["STATUS_INVALID_SIGNATURE"][..], &["invalid_signature"], &["invalid", "signature"], &["status", "3"]]
    {
        let found = explain(question).await;
        assert!(
            found.code == Some(0) && found.stdout.contains("3  STATUS_INVALID_SIGNATURE"),
            "{question:?}: {found:?}"
        );
    }
    let delivery = explain(&["delivery", "-1"]).await;
    assert!(delivery.stdout.contains("SOCKET_TIMEOUT"), "{delivery:?}");

    let json = explain(&["--json", "legacy", "15"]).await;
    let line: serde_json::Value = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!(line["kind"], "legacy-status");
    assert_eq!(
        (line["today"]["number"].as_i64(), line["today"]["name"].as_str()),
        (Some(3), Some("STATUS_INVALID_SIGNATURE"))
    );

    let list = explain(&["--list", "stop"]).await;
    assert_eq!(list.stdout.lines().count(), 28, "a heading and 27 reasons: {}", list.stdout);
    let all = explain(&["--list", "--json"]).await;
    assert!(all.stdout.lines().all(|line| serde_json::from_str::<serde_json::Value>(line).is_ok()));
}

#[tokio::test]
async fn what_is_not_known_is_answered_with_ranges_and_neighbours() {
    let number = explain(&["stop", "77"]).await;
    assert_eq!((number.code, number.stdout.as_str()), (Some(1), ""));
    assert!(number.stderr.contains("0 to 26"), "{number:?}");

    let name = explain(&["INVALID_SIGNTURE"]).await;
    assert_eq!(name.code, Some(1));
    assert!(name.stderr.contains("STATUS_INVALID_SIGNATURE"), "{name:?}");

    let nothing = explain(&["\u{1b}[2Jfoo"]).await;
    assert!(
        nothing.code == Some(1) && nothing.stderr.contains("--list") && !nothing.stderr.contains('\u{1b}'),
        "{nothing:?}"
    );
    assert_eq!(explain(&[]).await.code, Some(2));
}

#[test]
fn what_is_said_of_a_stop_is_what_the_program_does() {
    for reason in StopReason::ALL {
        let said = lookup::find(&reason.code().to_string(), Some(Kind::StopReason))[0].retry;
        let done = match NextStep::of(*reason) {
            NextStep::Over => Retry::Unwanted,
            NextStep::AskForNewStream => Retry::NewStream,
            NextStep::OperatorFirst => Retry::OperatorFirst,
        };
        assert_eq!(said, done, "{reason}");
    }
}
