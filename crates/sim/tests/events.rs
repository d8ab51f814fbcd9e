//! What happens in a meeting or in a call, as those who subscribed are told.

mod common;

use std::collections::BTreeSet;

use common::{Run, START, config, payloads::subscription};
use rtms_sim::{config::ZoomConfig, findings::Severity};
use rtms_wire::codes::product::Product;
use serde_json::{Value, json};

const PER_SPEAKER: &str = r#"{"audio":{"data_opt":2}}"#;

#[test]
fn the_first_join_event_lists_everybody_and_later_ones_who_comes() {
    let mut run = Run::of_seconds(20);
    let signaling = run.join();
    run.say(signaling, &subscription(&[(3, true), (4, true), (2, true)]));

    let roster = run.heard(signaling);
    assert_eq!(roster.len(), 1);
    assert_eq!(roster[0]["event"]["participants"].as_array().unwrap().len(), 2);
    run.live_until(20_000);
    let events: Vec<_> = run.heard(signaling).into_iter().filter(|message| message["msg_type"] == 6).collect();
    let kinds: Vec<_> = events.iter().map(|message| message["event"]["event_type"].as_i64().unwrap()).collect();
    assert!(kinds.contains(&2) && kinds.contains(&3) && kinds.contains(&4));
    assert!(!kinds.contains(&5), "nobody asked for sharing");
    // All who were ever there have left when the meeting is over.
    assert_eq!(kinds.iter().filter(|kind| **kind == 4).count(), 3);
}

#[test]
fn subscriptions_add_up_and_can_be_taken_back_one_by_one() {
    let mut run = Run::of_seconds(20);
    let signaling = run.join();
    run.say(signaling, &subscription(&[(5, true)]));
    run.say(signaling, &subscription(&[(6, true)]));
    run.say(signaling, &subscription(&[(5, false)]));
    run.live_until(20_000);

    let kinds: Vec<_> =
        run.heard(signaling).iter().filter_map(|message| message["event"]["event_type"].as_i64()).collect();
    assert_eq!(kinds, [6]);
}

#[test]
fn what_zooms_sdk_asks_for_on_every_product_is_no_mistake_on_any() {
    for product in [Product::Meeting, Product::Webinar, Product::Session, Product::ContactCenter] {
        let mut run = Run::new(ZoomConfig { product, ..config(20) });
        let signaling = run.join();

        run.say(signaling, &subscription(&[(2, true), (3, true), (4, true), (8, true), (9, true)]));

        assert_eq!(run.mistakes(), [], "{product:?}");
    }
}

#[test]
fn subscribing_to_what_comes_by_itself_is_a_mistake() {
    let mut run = Run::of_seconds(20);
    let signaling = run.join();
    run.say(signaling, &subscription(&[(1, true), (7, true), (99, true)]));

    assert_eq!(run.mistakes().len(), 3);
    assert!(run.mistakes().iter().all(|mistake| mistake.severity() == Severity::Warning));
}

#[test]
fn a_subscription_in_one_of_the_other_documented_forms_is_a_warning_that_says_what_is_right() {
    for odd in [json!({"msg_type": 5, "events": [1, 2, 3]}), json!({"msg_type": 18, "event_type": [8, 9]})] {
        let mut run = Run::of_seconds(20);
        let signaling = run.join();
        run.say(signaling, &odd);

        assert!(run.heard(signaling).is_empty());
        let [mistake] = &run.mistakes()[..] else { panic!("{odd}: {:?}", run.mistakes()) };
        assert_eq!((mistake.name(), mistake.severity()), ("odd_subscription", Severity::Warning));
        assert!(mistake.advice().contains("event_type") && mistake.advice().contains("subscribe"));
    }
}

#[test]
fn a_call_names_its_parties_by_channel() {
    let mut run = Run::new(ZoomConfig { product: Product::ContactCenter, ..config(20) });
    let signaling = run.join();
    let media = run.open_media(9, serde_json::from_str(PER_SPEAKER).unwrap());
    run.ready(signaling);
    run.say(signaling, &subscription(&[(8, true), (10, true)]));
    run.live_until(20_000);

    let events: Vec<_> = run.heard(signaling).into_iter().filter(|message| message["msg_type"] == 6).collect();
    assert_eq!(events[0]["event"]["participant_info"]["channel_id"], "ch-0");
    assert!(events[0]["event"]["event_ts"].is_number());
    let words: Vec<_> = run.heard(media).into_iter().filter(|message| message["msg_type"] != 12).collect();
    assert!(words.iter().all(|message| message["content"]["channel_id"].is_string()));
    // Beside the channel, sound has the number of nobody, and words have none.
    let user_id = |message: &Value| message["content"].get("user_id").cloned();
    let is_right = |message: &Value| user_id(message) == (message["msg_type"] == 14).then(|| json!(0));
    assert!(words.iter().all(is_right), "{words:?}");
}

#[test]
fn a_chat_group_comes_changes_and_goes() {
    for product in [Product::Meeting, Product::Webinar] {
        let told = events(ZoomConfig { product, ..config(20) }, 10..=14);

        let kinds: Vec<_> = told.iter().map(|event| event["event_type"].as_i64().unwrap()).collect();
        assert_eq!(kinds, [10, 12, 14, 14, 13, 11]);
        let [created, added, away, back, removed, deleted] = &told[..] else { panic!("six events") };
        let group = &created["chat_groups"][0];
        assert_eq!((&group["type"], &group["members"].as_array().unwrap().len()), (&json!(0), &2));
        assert!(group["name"].is_string() && group["members"][0]["user_name"].is_string());
        let id = &group["id"];
        let member = |event: &Value, list: &str| {
            assert_eq!(&event[list][0]["id"], id);
            event[list][0]["members"][0].clone()
        };
        assert!(member(added, "members_update_list")["user_name"].is_string());
        assert_eq!(member(away, "member_status_update_list")["status"], 1);
        assert_eq!(member(back, "member_status_update_list")["status"], 0);
        let gone = member(removed, "members_update_list");
        assert_eq!(gone, json!({"user_id": added["members_update_list"][0]["members"][0]["user_id"]}));
        assert_eq!(deleted["chat_groups"], json!([{"id": id}]));
        assert!(created["timestamp"].as_u64().unwrap() > START.0);
    }
}

#[test]
fn a_video_sdk_session_has_no_chat_groups() {
    assert_eq!(events(ZoomConfig { product: Product::Session, ..config(20) }, 10..=14), Vec::<Value>::new());
}

#[test]
fn a_call_goes_through_everything_that_can_happen_to_it() {
    let told = events(ZoomConfig { product: Product::ContactCenter, ..config(20) }, 8..=29);

    let kinds: Vec<_> = told.iter().map(|event| event["event_type"].as_i64().unwrap()).collect();
    assert!(kinds.iter().copied().collect::<BTreeSet<_>>().into_iter().eq(8..=29));
    let at = |kind: i64| kinds.iter().position(|other| *other == kind).unwrap();
    assert!(at(8) < at(12) && at(12) < at(13), "answered, held, taken back");
    assert!(at(14) < at(15) && at(15) < at(16), "monitoring starts, moves and ends");
    assert!(
        at(18) < at(19) && at(20) < at(21),
        "a transfer is begun before it fails and accepted before it is complete"
    );
    assert!(at(21) < at(11), "who handed the call on goes afterwards");
    for event in &told {
        let info = &event["participant_info"];
        assert!(event["event_ts"].is_number() && event.get("timestamp").is_none());
        assert_eq!(info.get("channel_id").is_none(), event["event_type"] == 9);
        for key in
            ["participant_mode", "queue_id", "queue_name", "account_id", "division_id", "user_id", "display_name"]
        {
            assert!(info[key].is_string(), "{key} in {event}");
        }
        assert_eq!(info.get("phone_number").is_some(), info["participant_mode"] == "caller");
    }
}

#[test]
fn a_customer_alone_is_answered_and_gone() {
    let mut alone = config(20);
    alone.meeting.participants = 1;
    let told = events(ZoomConfig { product: Product::ContactCenter, ..alone }, 8..=29);

    assert_eq!(told.iter().map(|event| event["event_type"].as_i64().unwrap()).collect::<Vec<_>>(), [8, 9]);
}

/// What a client is told that subscribes to these events and stays to the end.
fn events(config: ZoomConfig, wanted: std::ops::RangeInclusive<i64>) -> Vec<Value> {
    let mut run = Run::new(config);
    let signaling = run.join();
    run.open_media(1, json!({}));
    run.ready(signaling);
    run.say(signaling, &subscription(&wanted.map(|kind| (kind, true)).collect::<Vec<_>>()));
    run.live_until(21_000);
    let told = run.heard(signaling).into_iter().filter(|message| message["msg_type"] == 6);
    told.map(|mut message| message["event"].take()).collect()
}
