//! Every number of Zoom's lists is explained, under Zoom's name, and nothing is explained that is in none of them.

#![allow(clippy::unwrap_used, reason = "in a test, a panic is the answer")]

use std::collections::{BTreeMap, BTreeSet};

use rtms_guide::explain::{all, entry::Entry, kind::Kind, lookup};
use rtms_wire::codes::{
    state::{SessionState, StreamState},
    status_code::StatusCode,
    stop_reason::StopReason,
};

/// Zoom's lists as they were collected, which the enumerations are tested with as well.
const LISTS: &str = include_str!("../../wire/tests/fixtures/websocket-enums.json");

#[test]
fn every_variant_is_explained_and_every_explanation_has_a_variant() {
    let enums: [(Kind, Vec<(i64, &str)>); 4] = [
        (Kind::StatusCode, StatusCode::ALL.iter().map(|it| (it.code(), it.name())).collect()),
        (Kind::StopReason, StopReason::ALL.iter().map(|it| (it.code(), it.name())).collect()),
        (Kind::StreamState, StreamState::ALL.iter().map(|it| (it.code(), it.name())).collect()),
        (Kind::SessionState, SessionState::ALL.iter().map(|it| (it.code(), it.name())).collect()),
    ];
    for (kind, variants) in enums {
        assert!(!variants.is_empty());
        assert_eq!(of(kind), variants, "{}", kind.word());
    }
}

#[test]
fn the_lists_of_the_documents_are_explained_the_old_one_too() {
    let lists: BTreeMap<String, BTreeMap<String, i64>> = serde_json::from_str(LISTS).unwrap();
    for (kind, list) in [
        (Kind::StatusCode, "RTMS_STATUS_CODE"),
        (Kind::StopReason, "RTMS_STOP_REASON"),
        (Kind::StreamState, "RTMS_STREAM_STATE"),
        (Kind::SessionState, "RTMS_SESSION_STATE"),
        (Kind::LegacyStatusCode, "LEGACY_RTMS_STATUS_CODE_2025"),
    ] {
        let listed: BTreeSet<(i64, &str)> = lists[list].iter().map(|(name, number)| (*number, name.as_str())).collect();
        assert_eq!(of(kind).into_iter().collect::<BTreeSet<_>>(), listed, "{list}");
    }
}

#[test]
fn every_stop_reason_of_a_webhook_and_every_delivery_code_is_found_by_its_number() {
    for number in 0..=26 {
        assert_eq!(lookup::find(&number.to_string(), Some(Kind::StopReason)).len(), 1, "{number}");
    }
    for number in [-1, -2, -3, -4, -5, -7, -8, -10, -13, -14, -15] {
        assert_eq!(lookup::find(&number.to_string(), Some(Kind::DeliveryCode)).len(), 1, "{number}");
    }
}

#[test]
fn an_explanation_is_whole_and_no_kind_has_a_number_or_name_twice() {
    let mut seen = BTreeSet::new();
    for Entry { kind, number, name, meaning, causes, remedy, source, .. } in all() {
        let here = format!("{} {name}", kind.word());
        for sentence in [meaning, remedy] {
            assert!(sentence.ends_with(['.', '}', ']']), "{here}: {sentence}");
        }
        let texts = [*meaning, remedy, source].into_iter().chain(causes.iter().copied());
        for text in texts {
            assert!(!text.trim().is_empty() && text.trim() == text && !text.contains("  "), "{here}: {text:?}");
        }
        assert!(seen.insert(here.clone()), "{here} is there twice");
        assert!(
            number.is_none_or(|number| seen.insert(format!("{} {number}", kind.word()))),
            "{here}: its number is taken"
        );
    }
    assert!(Kind::ALL.into_iter().all(|kind| all().any(|entry| entry.kind == kind)));
}

#[test]
fn the_word_of_a_kind_is_read_back() {
    for kind in Kind::ALL {
        assert_eq!(Kind::from_word(kind.word()), Some(kind));
    }
}

fn of(kind: Kind) -> Vec<(i64, &'static str)> {
    all().filter(|entry| entry.kind == kind).map(|entry| (entry.number.unwrap(), entry.name)).collect()
}
