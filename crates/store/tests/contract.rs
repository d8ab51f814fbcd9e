//! What every engine promises, run against each of them.
#![allow(clippy::unwrap_used, reason = "in a test, a panic is the answer")]

mod common;

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use common::{
    Engine, NOW, entry, fold, fold_entry, input, instance_stop, interruption, owner, start, started, stop, stream,
    undated_start,
};
use rtms_store::{
    Change, Class, EntryId, Lease, NewEntry, Operations, Outcome, ReceiptFilter, RecordChange, Recorded, RunSummary,
    Safety, Saved, Step, Store, StoreError, StreamChange, StreamFilter, StreamRecord, Unclosed, UnixMicros, Verdict,
};
use rtms_wire::{
    codes::stop_reason::StopReason,
    ids::{StreamId, UserId},
    time::UnixMillis,
};
use tokio::time::timeout;

macro_rules! contract {
    ($($promise:ident)+) => {
        mod memory {
            $(#[tokio::test] async fn $promise() { super::$promise(&*super::Engine::memory().store).await; })+
        }
        mod faulty {
            $(#[tokio::test] async fn $promise() { super::$promise(&*super::Engine::faulty().store).await; })+
        }
        mod sqlite {
            $(#[tokio::test] async fn $promise() { let engine = super::Engine::sqlite(); super::$promise(&*engine.store).await; })+
        }
        #[test]
        fn many_writers_get_numbers_of_their_own() {
            for engine in [Engine::memory(), Engine::faulty(), Engine::sqlite()] {
                concurrent_appends(engine);
            }
        }
    };
}

contract! {
    an_entry_is_pending_until_it_is_settled
    pending_entries_come_whole_and_oldest_first
    the_first_verdict_stands
    an_unknown_entry_is_an_error
    an_append_wakes_who_waits
    every_class_has_its_case
    folding_an_entry_again_changes_nothing
    a_start_after_its_stop_is_late
    a_stop_without_stream_id_stops_all_streams_of_its_instance
    a_stop_of_an_instance_is_remembered_for_starts_to_come
    another_apps_stream_of_the_same_meeting_goes_on
    starts_without_a_time_are_told_apart_by_their_urls
    an_event_under_its_other_name_is_a_repeat_and_a_move_is_not
    what_was_done_for_a_start_is_done_for_it_under_its_other_name
    an_interruption_brings_new_urls_or_keeps_the_old
    ids_are_opaque
    what_cannot_be_acted_on_is_unusable
    a_stream_has_one_owner
    a_lease_that_ran_out_is_lost_and_fenced
    a_stream_that_ended_stays_closed_until_a_newer_start
    a_wish_that_the_owner_has_not_seen_outlives_its_end
    a_stream_handed_over_can_be_claimed_at_once
    a_stream_is_nobodys_only_when_its_end_can_be_seen
    that_a_stream_is_to_be_closed_is_remembered_until_a_newer_start
    a_stream_that_was_stopped_while_nobody_ran_it_can_be_concluded
    a_recording_that_is_closed_after_the_end_of_its_stream_is_put_down_there
    the_account_of_a_run_that_ended_before_the_stop_reaches_to_it
    a_stream_whose_run_has_ended_can_be_wanted_again_until_zoom_stops_it
    changes_of_streams_are_yielded_with_their_revisions
    a_record_that_changed_since_it_was_read_is_not_overwritten
    of_many_who_change_a_record_at_once_each_is_heard
    leases_are_renewed_together_and_each_by_itself
    a_wish_for_a_camera_is_kept_until_the_stream_starts_again
    an_entry_is_one_takers_until_its_term_ends
    lists_are_filtered_and_limited
    a_receipt_tells_what_became_of_a_webhook
    steps_of_a_stream_go_to_the_entry_that_asked_for_its_connection
    receipts_are_filtered_by_stream_and_time
    pruning_keeps_what_is_still_needed
    a_closed_store_says_so
}

const TERM: Duration = Duration::from_secs(10);

// The inbox.

async fn an_entry_is_pending_until_it_is_settled(store: &dyn Store) {
    let id = store.append(entry("{}")).await.unwrap();
    assert_eq!(pending(store).await, [id]);

    store.settle(id, Verdict::new(Class::Unknown, "never heard of it"), NOW).await.unwrap();

    assert_eq!(pending(store).await, []);
}

async fn pending_entries_come_whole_and_oldest_first(store: &dyn Store) {
    for number in 0..5_u64 {
        // The clock may step back; the order is that of the appends.
        let received_at = UnixMillis(NOW.0 - number);
        store
            .append(NewEntry { received_at, app: "main".into(), body: vec![0, 0xff, number as u8].into() })
            .await
            .unwrap();
    }

    let entries = store.pending(3).await.unwrap();

    assert_eq!(entries.len(), 3);
    assert!(entries.is_sorted_by_key(|entry| entry.id));
    for (number, entry) in entries.iter().enumerate() {
        assert_eq!(entry.received_at, UnixMillis(NOW.0 - number as u64));
        assert_eq!(entry.app, "main");
        assert_eq!(entry.body[..], [0, 0xff, number as u8]);
    }
}

async fn the_first_verdict_stands(store: &dyn Store) {
    let id = store.append(entry("{}")).await.unwrap();

    store.settle(id, Verdict::new(Class::Unknown, "one").of_event("x.y"), NOW).await.unwrap();
    store.settle(id, Verdict::new(Class::Unusable, "two"), NOW + TERM).await.unwrap();

    let receipt = store.receipts(ReceiptFilter::default()).await.unwrap().remove(0);
    assert_eq!((receipt.class, receipt.reason.as_deref()), (Some(Class::Unknown), Some("one")));
    assert_eq!((receipt.event.as_deref(), receipt.settled_at), (Some("x.y"), Some(NOW)));
}

async fn an_unknown_entry_is_an_error(store: &dyn Store) {
    let nobody = EntryId(77);

    let settled = store.settle(nobody, Verdict::new(Class::Unknown, ""), NOW).await;
    assert!(matches!(settled, Err(StoreError::NoSuchEntry(id)) if id == nobody));
    let folded = store.fold(nobody, start("s", 1), NOW).await;
    assert!(matches!(folded, Err(StoreError::NoSuchEntry(id)) if id == nobody));
    assert_eq!(store.get(&stream("s")).await.unwrap(), None);
    assert_eq!(store.receipt_body(nobody).await.unwrap(), None);
}

async fn an_append_wakes_who_waits(store: &dyn Store) {
    let mut changes = store.inbox_changes();
    changes.borrow_and_update();

    let id = store.append(entry("{}")).await.unwrap();

    changes.changed().await.unwrap();
    assert_eq!(pending(store).await, [id]);
}

async fn an_entry_is_one_takers_until_its_term_ends(store: &dyn Store) {
    let mut ids = Vec::new();
    for _ in 0..3 {
        ids.push(store.append(entry("{}")).await.unwrap());
    }
    let take = async |limit, now| {
        let taken = store.take(limit, TERM, now).await.unwrap().into_iter();
        taken.map(|taken| (taken.entry.id, taken.deliveries)).collect::<Vec<_>>()
    };

    assert_eq!(take(2, NOW).await, [(ids[0], 1), (ids[1], 1)]);
    assert_eq!(take(2, NOW).await, [(ids[2], 1)]);
    assert_eq!(take(2, NOW).await, []);
    store.settle(ids[0], Verdict::new(Class::Unknown, ""), NOW).await.unwrap();

    assert_eq!(take(9, NOW + TERM).await, [(ids[1], 2), (ids[2], 2)], "nobody settled them in time");
    store.put_back(&ids).await.unwrap();
    assert_eq!(
        take(9, NOW + TERM).await,
        [(ids[1], 3), (ids[2], 3)],
        "they were given back, and the settled one is gone"
    );
    assert_eq!(pending(store).await, [ids[1], ids[2]], "whoever has them");
}

fn concurrent_appends(engine: Engine) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_time().build().unwrap();
    runtime.block_on(async {
        let writers = (0..64).map(|_| {
            let store = Arc::clone(&engine.store);
            tokio::spawn(async move {
                let mut ids = Vec::new();
                for _ in 0..10 {
                    ids.push(store.append(entry("{}")).await.unwrap());
                }
                ids
            })
        });
        let writers: Vec<_> = writers.collect();
        let mut all = BTreeSet::new();
        for writer in writers {
            let ids = writer.await.unwrap();
            assert!(ids.is_sorted());
            all.extend(ids);
        }
        assert_eq!(all.len(), 640);
        let pending: Vec<_> = engine.store.pending(1000).await.unwrap().iter().map(|entry| entry.id).collect();
        assert_eq!(pending, all.into_iter().collect::<Vec<_>>());
        assert_eq!(engine.store.stats().appends, 640);
    });
}

// Folding.

async fn every_class_has_its_case(store: &dyn Store) {
    let story = [
        (start("s", 10), Class::First, true),
        (start("s", 10), Class::Repeat, true),
        (start("s", 5), Class::Late, true),
        (start("s", 20), Class::Failover, true),
        (start("s", 10), Class::Late, true),
        (interruption("s", 15, &[]), Class::Late, true),
        (interruption("s", 25, &[]), Class::Interrupted, true),
        (interruption("s", 25, &[]), Class::Repeat, true),
        (interruption("s", 22, &[]), Class::Late, true),
        (stop("s", 12), Class::Late, true),
        (stop("s", 30), Class::Stopped, false),
        (stop("s", 30), Class::Repeat, false),
        (stop("s", 12), Class::Late, false),
        (start("s", 20), Class::Repeat, false),
        (start("s", 28), Class::Late, false),
        (start("s", 30), Class::Late, false),
        (interruption("s", 29, &[]), Class::Late, false),
        (interruption("s", 31, &[]), Class::Interrupted, false),
        (start("s", 40), Class::First, true),
        (stop("s", 40), Class::Stopped, false),
        (stop("other", 7), Class::StopBeforeStart, false),
    ];
    for (index, (input, class, is_running)) in story.into_iter().enumerate() {
        let stream_id = input.stream_id.clone().unwrap();
        let folded = fold(store, input).await;

        assert_eq!(folded.class, class, "step {index}: {}", folded.reason);
        assert_eq!(folded.stream_ids, std::slice::from_ref(&stream_id));
        let record = store.get(&stream_id).await.unwrap().unwrap();
        assert_eq!(record.wanted.is_running(), is_running, "step {index}: {}", folded.reason);
    }
    assert_eq!(pending(store).await, [], "folding settles");
}

async fn folding_an_entry_again_changes_nothing(store: &dyn Store) {
    let (id, folded) = fold_entry(store, start("s", 10)).await;
    let record = store.get(&stream("s")).await.unwrap();

    let again = store.fold(id, start("s", 10), NOW + TERM).await.unwrap();

    assert_eq!(again, folded, "the class is the first one, not that of a repeat");
    assert_eq!(store.get(&stream("s")).await.unwrap(), record);
    assert_eq!(record.unwrap().connection_entry, Some(id));
}

async fn a_start_after_its_stop_is_late(store: &dyn Store) {
    assert_eq!(fold(store, stop("s", 20)).await.class, Class::StopBeforeStart);
    assert_eq!(fold(store, start("s", 10)).await.class, Class::Late);

    assert_eq!(store.claimable(NOW).await.unwrap(), []);
    assert_eq!(fold(store, start("s", 30)).await.class, Class::First);
    assert_eq!(store.claimable(NOW).await.unwrap().len(), 1);
}

async fn a_stop_without_stream_id_stops_all_streams_of_its_instance(store: &dyn Store) {
    fold(store, start("one", 10)).await;
    fold(store, start("two", 11)).await;
    let mut elsewhere = start("three", 12);
    elsewhere.instance.as_mut().unwrap().value = "another meeting".into();
    fold(store, elsewhere).await;

    let folded = fold(store, instance_stop(20)).await;

    assert_eq!((folded.class, folded.stream_ids), (Class::Stopped, vec![stream("one"), stream("two")]));
    assert_eq!(fold(store, instance_stop(20)).await.class, Class::Repeat);
    assert_eq!(fold(store, instance_stop(15)).await.class, Class::Late);
    assert_eq!(claimable(store).await, [stream("three")]);
}

async fn a_stop_of_an_instance_is_remembered_for_starts_to_come(store: &dyn Store) {
    assert_eq!(fold(store, instance_stop(20)).await.class, Class::StopBeforeStart);

    assert_eq!(fold(store, start("s", 10)).await.class, Class::Late);
    assert_eq!(fold(store, start("s", 21)).await.class, Class::First);
}

async fn another_apps_stream_of_the_same_meeting_goes_on(store: &dyn Store) {
    fold(store, start("mine", 10)).await;
    let theirs = store.append(NewEntry { app: "other".into(), ..entry("{}") }).await.unwrap();
    store.fold(theirs, start("theirs", 11), NOW).await.unwrap();

    let folded = fold(store, instance_stop(20)).await;

    assert_eq!(folded.stream_ids, [stream("mine")]);
    assert_eq!(claimable(store).await, [stream("theirs")]);
}

async fn an_event_under_its_other_name_is_a_repeat_and_a_move_is_not(store: &dyn Store) {
    let called = |name: &str, at: u64, change: Change| input(&format!("phone.{name}"), Some("s"), Some(at), change);
    let to = |url: &str| started(&[url]);
    let moved = |urls: &[&str]| Change::Interrupted { server_urls: urls.iter().map(ToString::to_string).collect() };
    let stopped = || Change::Stopped { reason: None };
    let story = [
        (called("call_rtms_started", 10_000, to("wss://a.zoom.us")), Class::First),
        (called("rtms_started", 10_001, to("wss://a.zoom.us")), Class::Repeat),
        (called("call_rtms_started", 10_000, to("wss://a.zoom.us")), Class::Repeat),
        (called("rtms_interrupted", 20_000, moved(&[])), Class::Interrupted),
        (called("call_rtms_interrupted", 20_030, moved(&[])), Class::Repeat),
        (called("rtms_interrupted", 23_000, moved(&[])), Class::Interrupted),
        (called("call_rtms_started", 30_000, to("wss://b.zoom.us")), Class::Failover),
        (called("rtms_started", 29_998, to("wss://b.zoom.us")), Class::Repeat),
        // To the same server again: long after, and under the same name.
        (called("rtms_started", 40_000, to("wss://b.zoom.us")), Class::Failover),
        (called("rtms_started", 40_300, to("wss://b.zoom.us")), Class::Failover),
        (called("call_rtms_started", 40_310, to("wss://c.zoom.us")), Class::Failover),
        (called("rtms_stopped", 50_000, stopped()), Class::Stopped),
        (called("call_rtms_stopped", 50_004, stopped()), Class::Repeat),
        // A stop lies between them.
        (called("call_rtms_started", 50_005, to("wss://c.zoom.us")), Class::First),
        (called("rtms_started", 50_005, to("wss://c.zoom.us")), Class::Repeat),
    ];
    for (number, (input, class)) in story.into_iter().enumerate() {
        let event = input.event.clone();
        let (id, folded) = fold_entry(store, input).await;

        assert_eq!(folded.class, class, "{number}: {}", folded.reason);
        let receipt = store.receipts(ReceiptFilter::default()).await.unwrap().remove(0);
        assert_eq!((receipt.id, receipt.event), (id, Some(event)), "{number}");
    }
}

async fn what_was_done_for_a_start_is_done_for_it_under_its_other_name(store: &dyn Store) {
    let to = |name: &str, at| input(name, Some("s"), Some(at), started(&["wss://a.zoom.us"]));
    fold(store, to("contact_center.voice_rtms_started", 10_000)).await;
    store.ask_to_close(&stream("s"), NOW).await.unwrap();
    let lease = store.claim(&stream("s"), &owner("one"), TERM, NOW).await.unwrap().unwrap();

    fold(store, to("contactcenter.rtms_started", 10_002)).await;
    assert!(store.get(&stream("s")).await.unwrap().unwrap().wanted.is_closing());
    let outcome = Outcome::Ended { at: NOW, stop_reason: None, why: "refused".into(), summary: None };
    store.release(&Lease { wish_at: UnixMillis(10_002), ..lease }, outcome, NOW).await.unwrap();
    assert_eq!(fold(store, to("contact_center.voice_rtms_started", 20_000)).await.class, Class::Failover);
    let lease = store.claim(&stream("s"), &owner("one"), TERM, NOW).await.unwrap().unwrap();
    let outcome = Outcome::Ended { at: NOW, stop_reason: None, why: "refused".into(), summary: None };
    store.release(&lease, outcome, NOW).await.unwrap();

    assert_eq!(fold(store, to("contactcenter.rtms_started", 20_001)).await.class, Class::Repeat);

    assert!(claimable(store).await.is_empty());
}

async fn starts_without_a_time_are_told_apart_by_their_urls(store: &dyn Store) {
    let mut classes = Vec::new();
    let wishes = [("a", 0), ("a", 1), ("b", 2), ("b", 3), ("a", 4)];
    for (url, received) in wishes {
        let received_at = NOW + Duration::from_secs(received);
        let id = store.append(NewEntry { received_at, ..entry("{}") }).await.unwrap();
        classes.push(store.fold(id, undated_start("s", url), received_at).await.unwrap().class);
    }

    assert_eq!(classes, [Class::First, Class::Repeat, Class::Failover, Class::Repeat, Class::Late]);
    let record = store.get(&stream("s")).await.unwrap().unwrap();
    let wish = record.open_wish().unwrap();
    assert_eq!((wish.server_urls, wish.at), (&["b".to_owned()][..], NOW + Duration::from_secs(2)));
}

async fn an_interruption_brings_new_urls_or_keeps_the_old(store: &dyn Store) {
    fold(store, start("s", 10)).await;
    fold(store, interruption("s", 20, &[])).await;
    let record = store.get(&stream("s")).await.unwrap().unwrap();
    let wish = record.open_wish().unwrap();
    assert_eq!((wish.at, wish.start.at), (UnixMillis(20), UnixMillis(10)));
    assert_eq!(wish.server_urls, ["wss://10.sjc.zoom.us"]);

    fold(store, interruption("s", 30, &["wss://new.zoom.us"])).await;
    let record = store.get(&stream("s")).await.unwrap().unwrap();
    assert_eq!(record.open_wish().unwrap().server_urls, ["wss://new.zoom.us"]);

    fold(store, interruption("s", 35, &[])).await;
    let record = store.get(&stream("s")).await.unwrap().unwrap();
    let wish = record.open_wish().unwrap();
    assert_eq!(
        (wish.at, wish.server_urls),
        (UnixMillis(35), &["wss://new.zoom.us".to_owned()][..]),
        "where it moved to"
    );

    fold(store, start("s", 40)).await;
    let record = store.get(&stream("s")).await.unwrap().unwrap();
    let wish = record.open_wish().unwrap();
    assert_eq!((wish.server_urls, wish.interruption), (&["wss://40.sjc.zoom.us".to_owned()][..], None));
}

async fn ids_are_opaque(store: &dyn Store) {
    let ids = ["/../etc//x==", "a\0b", "🙂", "'; DROP TABLE streams; --", " ", "%_"];
    for id in ids {
        assert_eq!(fold(store, start(id, 10)).await.class, Class::First, "{id:?}");
        assert_eq!(store.get(&stream(id)).await.unwrap().unwrap().stream_id, stream(id));
    }
    assert_eq!(claimable(store).await.into_iter().collect::<BTreeSet<_>>(), ids.map(StreamId::from).into());
}

async fn what_cannot_be_acted_on_is_unusable(store: &dyn Store) {
    let no_url = input("meeting.rtms_started", Some("s"), Some(1), started(&[]));
    let no_stream = input("meeting.rtms_started", None, Some(1), started(&["wss://a.zoom.us"]));
    let mut nothing = input("meeting.rtms_stopped", None, Some(1), Change::Stopped { reason: None });
    nothing.instance = None;
    for input in [no_url, no_stream, nothing] {
        let folded = fold(store, input).await;
        assert_eq!((folded.class, folded.stream_ids), (Class::Unusable, vec![]));
    }
    assert_eq!(store.get(&stream("s")).await.unwrap(), None);
    assert_eq!(pending(store).await, []);
}

// Owning.

async fn a_stream_has_one_owner(store: &dyn Store) {
    assert_eq!(claim(store, "s", "a", NOW).await, None, "no such stream");
    fold(store, start("s", 10)).await;

    let lease = claim(store, "s", "a", NOW).await.unwrap();

    assert_eq!((lease.owner.as_str(), lease.expires_at, lease.wish_at), ("a", NOW + TERM, UnixMillis(10)));
    assert_eq!(claim(store, "s", "b", NOW).await, None);
    assert_eq!(claim(store, "s", "a", NOW).await, None, "not even by the owner");
    assert_eq!(store.claimable(NOW).await.unwrap(), []);
    assert_eq!(store.get(&stream("s")).await.unwrap().unwrap().lease, Some(lease.clone()));

    let half = NOW + TERM / 2;
    let renewed = store.renew(&lease, TERM, half).await.unwrap();
    assert_eq!((renewed.token, renewed.expires_at), (lease.token, half + TERM));
    assert_eq!(claim(store, "s", "b", NOW + TERM).await, None, "renewed");

    fold(store, stop("s", 20)).await;
    assert!(store.renew(&renewed, TERM, half).await.is_ok(), "a stop leaves the owner time to close");
    store.release(&renewed, ended(), half).await.unwrap();
    assert_eq!(claim(store, "s", "b", half).await, None, "stopped");
}

async fn a_lease_that_ran_out_is_lost_and_fenced(store: &dyn Store) {
    fold(store, start("s", 10)).await;
    let old = claim(store, "s", "a", NOW).await.unwrap();
    let late = NOW + TERM;

    assert_lost(store.renew(&old, TERM, late).await.map(drop), &old);
    let new = claim(store, "s", "b", late).await.unwrap();

    assert!(new.token > old.token);
    assert_lost(store.renew(&old, TERM, late).await.map(drop), &old);
    assert_lost(store.release(&old, ended(), late).await, &old);
    assert_lost(store.release(&old, Outcome::HandedOver, late).await, &old);
    assert!(store.renew(&new, TERM, late).await.is_ok());
    assert_eq!(store.get(&stream("s")).await.unwrap().unwrap().ended, None);
}

async fn a_stream_that_ended_stays_closed_until_a_newer_start(store: &dyn Store) {
    fold(store, start("s", 10)).await;
    let lease = claim(store, "s", "a", NOW).await.unwrap();
    store.release(&lease, ended(), NOW).await.unwrap();

    let record = store.get(&stream("s")).await.unwrap().unwrap();
    let end = record.ended.clone().unwrap();
    assert_eq!((end.wish_at, end.owner.as_str(), end.why.as_str()), (UnixMillis(10), "a", "over"));
    assert_eq!(end.stop_reason, Some(StopReason::MeetingEnded));
    assert_eq!((record.open_wish(), &record.lease), (None, &None));
    fold(store, start("s", 10)).await;
    assert_eq!(claim(store, "s", "b", NOW).await, None, "a repeat is no new wish");

    fold(store, interruption("s", 15, &[])).await;
    assert_eq!(claim(store, "s", "b", NOW).await, None, "Zoom says so of every connection that we close");

    fold(store, start("s", 20)).await;
    let lease = claim(store, "s", "b", NOW).await.unwrap();
    assert_eq!(lease.wish_at, UnixMillis(20));
}

async fn that_a_stream_is_to_be_closed_is_remembered_until_a_newer_start(store: &dyn Store) {
    assert!(!store.ask_to_close(&stream("s"), NOW).await.unwrap(), "nobody knows it");
    fold(store, start("s", 10)).await;
    let lease = claim(store, "s", "a", NOW).await.unwrap();

    assert!(store.ask_to_close(&stream("s"), NOW).await.unwrap());

    store.release(&lease, Outcome::HandedOver, NOW).await.unwrap();
    let closing = async || store.get(&stream("s")).await.unwrap().unwrap().wanted.is_closing();
    assert!(closing().await);
    let lease = claim(store, "s", "b", NOW).await.expect("whoever goes on with it has to close it");
    fold(store, interruption("s", 20, &[])).await;
    assert!(closing().await, "an interruption begins nothing");
    fold(store, start("s", 30)).await;
    assert!(!closing().await, "a newer start does");
    store.release(&lease, Outcome::HandedOver, NOW).await.unwrap();
    fold(store, stop("s", 40)).await;
    assert!(!store.ask_to_close(&stream("s"), NOW).await.unwrap(), "it is over");
}

async fn a_stream_whose_run_has_ended_can_be_wanted_again_until_zoom_stops_it(store: &dyn Store) {
    assert!(!store.ask_to_retry(&stream("s"), NOW).await.unwrap(), "nobody knows it");
    fold(store, start("s", 10)).await;
    assert!(!store.ask_to_retry(&stream("s"), NOW).await.unwrap(), "it is wanted");
    let lease = claim(store, "s", "a", NOW).await.unwrap();
    store.release(&lease, ended(), NOW).await.unwrap();
    assert!(claim(store, "s", "a", NOW).await.is_none());

    assert!(store.ask_to_retry(&stream("s"), NOW).await.unwrap());
    assert!(!store.ask_to_retry(&stream("s"), NOW).await.unwrap(), "once");
    let lease = claim(store, "s", "b", NOW).await.expect("it is wanted again");
    store.release(&lease, ended(), NOW).await.unwrap();
    assert!(claim(store, "s", "a", NOW).await.is_none(), "its new end counts");

    fold(store, stop("s", 40)).await;
    assert!(!store.ask_to_retry(&stream("s"), NOW).await.unwrap(), "Zoom does not stream it any more");
}

async fn a_stream_is_nobodys_only_when_its_end_can_be_seen(store: &dyn Store) {
    for round in 0..200 {
        let name = format!("s{round}");
        fold(store, start(&name, 10)).await;
        let lease = claim(store, &name, "a", NOW).await.unwrap();
        let look = async || {
            loop {
                let record = store.get(&stream(&name)).await.unwrap().unwrap();
                let listed = store.list(StreamFilter { open: None, limit: 500 }).await.unwrap();
                let listed = listed.into_iter().find(|it| it.stream_id == record.stream_id).unwrap();
                for record in [&record, &listed] {
                    assert!(record.lease.is_some() || record.ended.is_some(), "round {round}");
                }
                if record.lease.is_none() && listed.lease.is_none() {
                    return;
                }
            }
        };
        let (released, ()) = tokio::join!(store.release(&lease, ended(), NOW), look());
        released.unwrap();
    }
}

async fn a_stream_that_was_stopped_while_nobody_ran_it_can_be_concluded(store: &dyn Store) {
    let conclude = async || {
        store.conclude(&stream("s"), &owner("b"), "stopped".into(), RunSummary::never_connected(), NOW).await.unwrap()
    };
    let record = async || store.get(&stream("s")).await.unwrap().unwrap();
    assert!(!conclude().await, "nobody knows it");
    fold(store, start("s", 10)).await;
    assert!(!conclude().await, "it is wanted");
    let lease = claim(store, "s", "a", NOW).await.unwrap();
    fold(store, stop("s", 20)).await;
    assert!(!record().await.is_left_behind() && !conclude().await, "somebody runs it");
    store.release(&lease, Outcome::HandedOver, NOW).await.unwrap();

    assert!(record().await.is_left_behind());
    assert!(conclude().await);

    let ended = record().await.ended.unwrap();
    assert_eq!((ended.why.as_str(), ended.owner), ("stopped", owner("b")));
    assert_eq!(ended.stop_reason, record().await.wanted.stop.unwrap().reason);
    assert!(!record().await.is_left_behind() && !conclude().await, "once");
    fold(store, start("s", 30)).await;
    assert!(claim(store, "s", "a", NOW).await.is_some(), "a newer start opens it again");
}

async fn a_recording_that_is_closed_after_the_end_of_its_stream_is_put_down_there(store: &dyn Store) {
    let amend = async |summary| store.amend(&stream("s"), summary, NOW).await.unwrap();
    let record = async || store.get(&stream("s")).await.unwrap().unwrap();
    let folder = || "recordings/s".to_owned();
    let closed = || RunSummary { recorded: Recorded::Done { folder: folder() }, ..RunSummary::default() };
    let unclosed = Unclosed { folder: folder(), manifest: serde_json::json!({ "version": 2 }) };
    let recorded = Recorded::Failed { why: "no space".into(), unclosed: Some(Box::new(unclosed.clone())) };
    let summary = Some(Box::new(RunSummary { recorded, ..RunSummary::default() }));
    let outcome = || Outcome::Ended { at: NOW, stop_reason: None, why: "stopped".into(), summary: summary.clone() };
    assert!(!amend(closed()).await, "nobody knows it");

    fold(store, start("s", 10)).await;
    let lease = claim(store, "s", "a", NOW).await.unwrap();
    assert!(!amend(closed()).await, "it runs");
    store.release(&lease, outcome(), NOW).await.unwrap();
    assert_eq!(record().await.unclosed().map(|(_, unclosed)| unclosed.clone()), Some(unclosed));
    assert!(amend(closed()).await);
    assert_eq!(record().await.ended.unwrap().summary.unwrap().recorded, closed().recorded);
    assert!(record().await.unclosed().is_none() && !amend(closed()).await, "once");

    fold(store, start("s", 20)).await;
    let lease = claim(store, "s", "a", NOW).await.unwrap();
    store.release(&lease, outcome(), NOW).await.unwrap();
    fold(store, start("s", 30)).await;
    assert!(record().await.unclosed().is_none() && !amend(closed()).await, "it is to be joined again");
}

async fn the_account_of_a_run_that_ended_before_the_stop_reaches_to_it(store: &dyn Store) {
    let record = async || store.get(&stream("s")).await.unwrap().unwrap();
    let failed = RunSummary { awaits_stop: true, to: Some(UnixMillis(12)), ..RunSummary::never_connected() };
    let whole = RunSummary { awaits_stop: false, to: Some(UnixMillis(20)), ..failed.clone() };
    let reach = async || store.amend(&stream("s"), whole.clone(), NOW).await.unwrap();
    assert!(!reach().await, "nobody knows it");
    fold(store, start("s", 10)).await;
    let lease = claim(store, "s", "a", NOW).await.unwrap();
    let outcome = Outcome::Ended { at: NOW, stop_reason: None, why: "refused".into(), summary: Some(Box::new(failed)) };
    store.release(&lease, outcome, NOW).await.unwrap();
    assert!(!record().await.is_short_of_stop() && !reach().await, "Zoom has not stopped it");

    fold(store, stop("s", 20)).await;
    assert!(record().await.is_short_of_stop());
    assert!(reach().await);

    let ended = record().await.ended.unwrap();
    assert_eq!((ended.why.as_str(), ended.summary.as_deref()), ("refused", Some(&whole)));
    assert!(!record().await.is_short_of_stop() && !reach().await, "once");
}

async fn a_wish_that_the_owner_has_not_seen_outlives_its_end(store: &dyn Store) {
    fold(store, start("s", 10)).await;
    let lease = claim(store, "s", "a", NOW).await.unwrap();
    fold(store, start("s", 20)).await;
    let lease = store.renew(&lease, TERM, NOW).await.unwrap();
    store.release(&lease, ended(), NOW).await.unwrap();

    let mut lease = claim(store, "s", "a", NOW).await.unwrap();
    fold(store, start("s", 30)).await;
    lease.saw(store.get(&stream("s")).await.unwrap().unwrap().wanted.wish().unwrap().at);
    store.release(&lease, ended(), NOW).await.unwrap();

    assert_eq!(claim(store, "s", "a", NOW).await, None);
}

async fn a_stream_handed_over_can_be_claimed_at_once(store: &dyn Store) {
    fold(store, start("s", 10)).await;
    let lease = claim(store, "s", "a", NOW).await.unwrap();

    store.release(&lease, Outcome::HandedOver, NOW).await.unwrap();

    let next = claim(store, "s", "b", NOW).await.unwrap();
    assert!(next.token > lease.token);
    assert_lost(store.release(&lease, Outcome::HandedOver, NOW).await, &lease);
}

async fn changes_of_streams_are_yielded_with_their_revisions(store: &dyn Store) {
    let mut changes = store.changes();
    let mut next = async || timeout(Duration::from_secs(10), changes.next()).await.expect("a change");
    let revision = async || store.get(&stream("s")).await.unwrap().unwrap().revision;

    fold(store, start("s", 10)).await;
    assert_eq!(next().await, Some(StreamChange::Stream(stream("s"), revision().await)));
    fold(store, start("s", 10)).await;
    let lease = claim(store, "s", "a", NOW).await.unwrap();
    assert_eq!(next().await, Some(StreamChange::Stream(stream("s"), revision().await)), "a repeat changes nothing");

    store.renew(&lease, TERM, NOW).await.unwrap();
    store.release(&lease, Outcome::HandedOver, NOW).await.unwrap();
    let released = StreamChange::Stream(stream("s"), revision().await);
    assert_eq!(next().await, Some(released), "a renewal is nobody's business");
    assert_eq!(claimable(store).await, [stream("s")]);
}

async fn a_record_that_changed_since_it_was_read_is_not_overwritten(store: &dyn Store) {
    fold(store, start("s", 10)).await;
    let read = async || store.get(&stream("s")).await.unwrap().unwrap();
    let save = async |before: StreamRecord| {
        let mut after = before.clone();
        after.changed_at.0 += 1;
        store.save(RecordChange { before: Some(before), after, safety: Safety::Process }).await.unwrap()
    };

    let before = read().await;
    let Saved::As(revision) = save(before.clone()).await else { panic!("nobody else writes") };
    assert_eq!(read().await.revision, revision);
    assert_eq!(save(before).await, Saved::Outrun);

    // Who has it belongs to the record, and so does until when.
    let before = read().await;
    let lease = claim(store, "s", "a", NOW).await.unwrap();
    assert_eq!(save(before).await, Saved::Outrun);
    let before = read().await;
    store.renew(&lease, TERM, NOW + TERM / 2).await.unwrap();
    assert_eq!(save(before).await, Saved::Outrun);
    assert!(matches!(save(read().await).await, Saved::As(_)));

    let mut fresh = read().await;
    fresh.stream_id = stream("t");
    let anew = RecordChange { before: None, after: fresh, safety: Safety::PowerCut };
    assert!(matches!(store.save(anew.clone()).await.unwrap(), Saved::As(_)));
    assert_eq!(store.save(anew).await.unwrap(), Saved::Outrun, "it is there");
}

async fn of_many_who_change_a_record_at_once_each_is_heard(store: &dyn Store) {
    fold(store, start("s", 10)).await;
    let closers = (0..8_u64).map(|number| async move {
        let lengthen = |record: &mut StreamRecord| record.changed_at = UnixMillis(record.changed_at.0 + number + 1);
        store.change(&stream("s"), Safety::Process, lengthen).await.unwrap()
    });
    let before = store.get(&stream("s")).await.unwrap().unwrap().changed_at;

    assert!(futures_util::future::join_all(closers).await.iter().all(Option::is_some));

    let after = store.get(&stream("s")).await.unwrap().unwrap().changed_at;
    assert_eq!(after.0 - before.0, (1..=8).sum::<u64>());
}

async fn leases_are_renewed_together_and_each_by_itself(store: &dyn Store) {
    let mut leases = Vec::new();
    for name in ["r", "s", "t"] {
        fold(store, start(name, 10)).await;
        leases.push(claim(store, name, "a", NOW).await.unwrap());
    }
    store.release(&leases[1], Outcome::HandedOver, NOW).await.unwrap();

    let renewed = store.renew_many(&leases, TERM, NOW + TERM / 2).await.unwrap();

    let [Ok(first), Err(StoreError::LeaseLost { token, .. }), Ok(third)] = renewed.as_slice() else {
        panic!("{renewed:?}")
    };
    assert_eq!(
        (*token, first.expires_at, third.expires_at),
        (leases[1].token, NOW + TERM / 2 + TERM, first.expires_at)
    );
}

async fn a_wish_for_a_camera_is_kept_until_the_stream_starts_again(store: &dyn Store) {
    let choose =
        async |user_id: u64, on| store.choose_camera(&stream("s"), &UserId::from(user_id), on, NOW).await.unwrap();
    assert_eq!(choose(7, true).await, None, "there is no such stream");
    fold(store, start("s", 10)).await;

    let wish = choose(7, true).await.unwrap();
    assert!(
        choose(7, true).await.unwrap().at > wish.at,
        "asking again is another wish: Zoom may have refused the first"
    );
    let dropped = choose(7, false).await.unwrap();
    assert!(dropped.at > wish.at && !dropped.on);
    let record = store.get(&stream("s")).await.unwrap().unwrap();
    assert_eq!(record.camera_wish(), Some(&dropped));

    fold(store, start("s", 20)).await;
    let record = store.get(&stream("s")).await.unwrap().unwrap();
    assert_eq!(record.camera_wish(), None);
}

async fn lists_are_filtered_and_limited(store: &dyn Store) {
    for (name, second) in [("a", 1), ("b", 2), ("c", 3)] {
        let id = store.append(entry("{}")).await.unwrap();
        store.fold(id, start(name, 10), NOW + Duration::from_secs(second)).await.unwrap();
    }
    fold(store, stop("b", 20)).await;
    let names = |filter| async {
        store.list(filter).await.unwrap().into_iter().map(|record| record.stream_id).collect::<Vec<_>>()
    };

    assert_eq!(names(StreamFilter::default()).await, ["c", "a", "b"].map(StreamId::from));
    assert_eq!(
        names(StreamFilter { open: Some(true), ..StreamFilter::default() }).await,
        ["c", "a"].map(StreamId::from)
    );
    assert_eq!(names(StreamFilter { open: Some(false), ..StreamFilter::default() }).await, ["b"].map(StreamId::from));
    assert_eq!(names(StreamFilter { limit: 1, ..StreamFilter::default() }).await, ["c"].map(StreamId::from));
}

// Receipts.

async fn a_receipt_tells_what_became_of_a_webhook(store: &dyn Store) {
    let id = store.append(entry("{\"event\":\"x\"}")).await.unwrap();
    let receipt = store.receipts(ReceiptFilter::default()).await.unwrap().remove(0);
    assert_eq!((receipt.id, receipt.class, receipt.settled_at), (id, None, None));

    store.note_step(id.into(), Step::Verified, UnixMicros(1001));
    store.note_step(id.into(), Step::Answered, UnixMicros(1003));
    store.note_step(id.into(), Step::Verified, UnixMicros(2000));
    store.note_step(EntryId(99).into(), Step::Verified, UnixMicros(1));
    store.fold(id, start("s", 10), NOW).await.unwrap();
    store.note_step(id.into(), Step::Folded, UnixMicros(1004));
    store.note_step(id.into(), Step::Answered, UnixMicros(3000));

    let receipts = store.receipts(ReceiptFilter::default()).await.unwrap();
    let [receipt] = receipts.as_slice() else { panic!("one receipt: {receipts:?}") };
    assert_eq!((receipt.app.as_str(), receipt.received_at, receipt.body_bytes), ("main", NOW, 13));
    assert_eq!((receipt.class, receipt.event.as_deref()), (Some(Class::First), Some("meeting.rtms_started")));
    assert_eq!((receipt.stream_id.clone(), receipt.settled_at), (Some(stream("s")), Some(NOW)));
    assert_eq!(receipt.reason.as_deref(), Some("the first start, 10"));
    let noted = [(Step::Verified, 1001), (Step::Answered, 1003), (Step::Folded, 1004)];
    assert_eq!(receipt.steps.noted().collect::<Vec<_>>(), noted.map(|(step, at)| (step, UnixMicros(at))));
    assert_eq!(&store.receipt_body(id).await.unwrap().unwrap()[..], b"{\"event\":\"x\"}");
}

async fn steps_of_a_stream_go_to_the_entry_that_asked_for_its_connection(store: &dyn Store) {
    let (first, _) = fold_entry(store, start("s", 10)).await;
    let (repeat, _) = fold_entry(store, start("s", 10)).await;
    store.note_step(stream("s").into(), Step::Claimed, UnixMicros(1));
    store.note_step(stream("s").into(), Step::FirstMedia, UnixMicros(2));
    store.note_step(stream("nobody").into(), Step::Claimed, UnixMicros(3));
    let (failover, _) = fold_entry(store, start("s", 20)).await;
    store.note_step(stream("s").into(), Step::FirstMedia, UnixMicros(4));

    let receipts = store.receipts(ReceiptFilter::default()).await.unwrap();
    let first_media = receipts.iter().map(|receipt| (receipt.id, receipt.steps.at(Step::FirstMedia).map(|at| at.0)));
    assert_eq!(first_media.collect::<Vec<_>>(), [(failover, Some(4)), (repeat, None), (first, Some(2))]);
}

async fn receipts_are_filtered_by_stream_and_time(store: &dyn Store) {
    for (name, second) in [("a", 0), ("b", 1), ("a", 2)] {
        let received_at = NOW + Duration::from_secs(second);
        let id = store.append(NewEntry { received_at, ..entry("{}") }).await.unwrap();
        store.fold(id, start(name, 10 + second), received_at).await.unwrap();
    }
    fold(store, instance_stop(50)).await;
    let count = |filter| async { store.receipts(filter).await.unwrap().len() };

    let of_a = ReceiptFilter { stream_id: Some(stream("a")), ..ReceiptFilter::default() };
    assert_eq!(count(of_a.clone()).await, 2);
    assert_eq!(count(ReceiptFilter { since: Some(NOW + Duration::from_secs(2)), ..of_a }).await, 1);
    assert_eq!(count(ReceiptFilter { since: Some(NOW + Duration::from_secs(1)), ..ReceiptFilter::default() }).await, 2);
    assert_eq!(count(ReceiptFilter { limit: 3, ..ReceiptFilter::default() }).await, 3);
}

// Pruning and closing.

async fn pruning_keeps_what_is_still_needed(store: &dyn Store) {
    let young = NOW + Duration::from_secs(3600);
    fold(store, start("running", 10)).await;
    fold(store, stop("stopped", 10)).await;
    let mut elsewhere = instance_stop(10);
    elsewhere.instance.as_mut().unwrap().value = "elsewhere".into();
    fold(store, elsewhere).await;
    let unsettled = store.append(entry("{}")).await.unwrap();
    let recent = store.append(NewEntry { received_at: young, ..entry("{}") }).await.unwrap();
    store.fold(recent, stop("just stopped", 10), young).await.unwrap();

    assert_eq!(store.prune(NOW).await.unwrap(), Default::default(), "nothing is older than that");
    let pruned = store.prune(young).await.unwrap();

    assert_eq!((pruned.entries, pruned.streams, pruned.stops), (3, 1, 1));
    let left: Vec<_> =
        store.receipts(ReceiptFilter::default()).await.unwrap().iter().map(|receipt| receipt.id).collect();
    assert_eq!(left, [recent, unsettled]);
    assert!(store.get(&stream("running")).await.unwrap().is_some());
    assert!(store.get(&stream("just stopped")).await.unwrap().is_some());
    assert_eq!(store.get(&stream("stopped")).await.unwrap(), None);
    assert_eq!(fold(store, start("stopped", 5)).await.class, Class::First, "what was pruned is forgotten");
    let next = store.append(entry("{}")).await.unwrap();
    assert!(next > recent, "numbers are not given twice");
}

async fn a_closed_store_says_so(store: &dyn Store) {
    store.append(entry("{}")).await.unwrap();

    store.close().await;
    store.close().await;

    assert!(matches!(store.append(entry("{}")).await, Err(StoreError::Closed)));
    assert!(matches!(store.pending(1).await, Err(StoreError::Closed)));
    assert!(matches!(store.claim(&stream("s"), &owner("a"), TERM, NOW).await, Err(StoreError::Closed)));
    store.note_step(EntryId(1).into(), Step::Verified, UnixMicros(1));
}

// Helpers.

async fn pending(store: &dyn Store) -> Vec<EntryId> {
    store.pending(100).await.unwrap().into_iter().map(|entry| entry.id).collect()
}

async fn claimable(store: &dyn Store) -> Vec<StreamId> {
    store.claimable(NOW).await.unwrap().into_iter().map(|record| record.stream_id).collect()
}

async fn claim(store: &dyn Store, stream_id: &str, by: &str, now: UnixMillis) -> Option<Lease> {
    store.claim(&stream(stream_id), &owner(by), TERM, now).await.unwrap()
}

fn ended() -> Outcome {
    Outcome::Ended { at: NOW, stop_reason: Some(StopReason::MeetingEnded), why: "over".into(), summary: None }
}

fn assert_lost(result: Result<(), StoreError>, lease: &Lease) {
    assert!(matches!(&result, Err(StoreError::LeaseLost { token, .. }) if *token == lease.token), "{result:?}");
}
