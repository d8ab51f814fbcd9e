//! Start webhooks that Zoom did not send: how they come, and what is said of a receiver that takes them for Zoom's.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

mod common;

use std::{collections::BTreeSet, time::Duration};

use common::{Run, config};
use rtms_sim::{
    config::{App, WebhookOptions, ZoomConfig},
    findings::{Mistake, Severity},
    webhook::{Forgery, Purpose, WebhookAnswer, WebhookPost},
    zoom::{Endpoint, Input},
};
use rtms_wire::{
    codes::product::Product,
    secret::{ClientSecret, SecretToken},
    signature::HandshakeSignature,
    webhook::verify::{Delivery, NotFromZoom, SIGNATURE_HEADER, TIMESTAMP_HEADER},
};
use serde_json::{Value, json};

#[test]
fn each_forgery_comes_once_after_the_start_for_a_stream_of_its_own() {
    for product in Product::ALL {
        let mut run = forging(product);
        run.join();
        assert_eq!(run.webhooks.len(), 1, "the real one comes first");

        run.live_until(10_000);

        let kinds: Vec<_> = forged(&run).iter().map(|post| post.purpose).collect();
        assert_eq!(kinds, Forgery::ALL.map(Purpose::Forged), "{product}");
        let streams: BTreeSet<_> =
            run.webhooks.iter().map(|post| payload(post)["rtms_stream_id"].to_string()).collect();
        assert_eq!(streams.len(), 4, "{product}");
        let urls: BTreeSet<_> = run.webhooks.iter().map(|post| payload(post)["server_urls"].to_string()).collect();
        assert_eq!(urls.len(), 1, "all of them lead here, so that it shows who follows");
    }
}

#[test]
fn a_receiver_that_checks_signature_and_age_refuses_each_forgery_for_its_reason() {
    let mut run = forging(Product::Meeting);
    run.live_until(2_000);
    let secret = SecretToken::new(App::TEST_SECRET_TOKEN).unwrap();
    let verify = |post: &WebhookPost| {
        let header = |name| post.headers.iter().find(|(key, _)| *key == name).map(|(_, value)| value.as_str());
        let delivery =
            Delivery { timestamp: header(TIMESTAMP_HEADER), signature: header(SIGNATURE_HEADER), body: &post.body };
        delivery.verify([&secret], run.now, Duration::from_secs(300)).map(|_| ())
    };

    assert_eq!(verify(&run.webhooks[0]), Ok(()));
    let refused: Vec<_> = forged(&run).into_iter().map(|post| verify(&post)).collect();
    assert!(
        matches!(
            refused[..],
            [Err(NotFromZoom::MissingHeader(_)), Err(NotFromZoom::BadSignature), Err(NotFromZoom::Stale { .. })]
        ),
        "{refused:?}"
    );
}

#[test]
fn a_receiver_that_refuses_them_has_no_finding_whatever_it_refuses_them_with() {
    for refusal in [WebhookAnswer::Status(401), WebhookAnswer::Status(500), WebhookAnswer::TimedOut] {
        let mut run = forging(Product::Meeting);
        run.join();
        answer(&mut run, 0, WebhookAnswer::Status(200));
        run.live_until(2_000);
        for post in 1..4 {
            answer(&mut run, post, refusal.clone());
        }
        run.live_until(60_000);

        assert_eq!(run.mistakes(), [], "{refusal:?}");
        assert_eq!(forged(&run).len(), 3, "none is tried again");
    }
}

#[test]
fn a_2xx_answer_to_a_forgery_is_a_warning() {
    let mut run = forging(Product::Meeting);
    run.join();
    run.live_until(2_000);
    for (post, status) in [(1, 200), (2, 204), (3, 202)] {
        answer(&mut run, post, WebhookAnswer::Status(status));
    }

    let found = run.mistakes();

    assert_eq!(found, Forgery::ALL.map(|forgery| Mistake::ForgedStartAccepted { how: forgery.how() }));
    assert!(found.iter().all(|mistake| mistake.severity() == Severity::Warning));
}

#[test]
fn a_2xx_answer_to_a_forgery_is_a_warning_also_if_it_comes_late_and_its_lateness_is_nothing() {
    let mut run = forging(Product::Meeting);
    run.join();
    answer(&mut run, 0, WebhookAnswer::Status(200));
    run.live_until(2_000);
    for post in 1..4 {
        answer(&mut run, post, WebhookAnswer::TimedOut);
    }
    for (post, status) in [(1, 200), (2, 401)] {
        let WebhookPost { id: webhook, attempt, .. } = run.webhooks[post];
        run.input(Input::WebhookAnsweredLate { webhook, attempt, status });
    }
    run.live_until(60_000);

    assert_eq!(run.mistakes(), [Mistake::ForgedStartAccepted { how: Forgery::ALL[0].how() }]);
}

#[test]
fn a_handshake_for_a_forged_stream_is_refused_and_one_fault_while_the_real_stream_goes_on() {
    for forgery in 0..3 {
        let mut run = forging(Product::Meeting);
        let real = run.join();
        run.live_until(2_000);
        let taken_in = run.connect(Endpoint::Signaling);
        let request = handshake_for(&forged(&run)[forgery]);

        run.say(taken_in, &request);
        run.say(taken_in, &request);
        run.hang_up(taken_in);
        let stream = run.zoom.stream().to_string();
        run.say(real, &json!({"msg_type": 19, "rtms_stream_id": stream}));

        let how = Forgery::ALL[forgery].how();
        let request = rtms_wire::codes::message_type::MessageType::SignalingHandShakeReq;
        assert_eq!(run.mistakes(), [Mistake::ForgedStartJoined { request, how }]);
        assert_eq!(run.mistakes()[0].severity(), Severity::Fault);
        assert_eq!(run.heard(taken_in)[0]["status_code"], 2);
        assert!(run.heard_types(real).contains(&20));
    }
}

#[test]
fn nothing_is_forged_where_nobody_is_posted_to() {
    let webhooks = WebhookOptions { forged_starts: true, ..WebhookOptions::default() };
    let mut run = Run::new(ZoomConfig { webhooks, webhooks_are_posted: false, ..config(10) });

    run.live_until(5_000);

    assert_eq!(forged(&run).len(), 0);
}

fn forging(product: Product) -> Run {
    let webhooks = WebhookOptions { forged_starts: true, ..WebhookOptions::default() };
    Run::new(ZoomConfig { product, webhooks, ..config(120) })
}

fn forged(run: &Run) -> Vec<WebhookPost> {
    run.webhooks.iter().filter(|post| matches!(post.purpose, Purpose::Forged(_))).cloned().collect()
}

fn payload(post: &WebhookPost) -> Value {
    serde_json::from_slice::<Value>(&post.body).unwrap()["payload"].take()
}

/// A right message 1 of a client that believes this webhook.
fn handshake_for(post: &WebhookPost) -> Value {
    let payload = payload(post);
    let secret = ClientSecret::new(App::TEST_CLIENT_SECRET).unwrap();
    let id = |key: &str| payload[key].as_str().unwrap();
    let instance = rtms_wire::ids::InstanceId::new(rtms_wire::ids::InstanceIdField::MeetingUuid, id("meeting_uuid"));
    let stream = rtms_wire::ids::StreamId::new(id("rtms_stream_id"));
    let signature = HandshakeSignature::sign(App::TEST_CLIENT_ID, &secret, &instance, &stream);
    json!({
        "msg_type": 1,
        "protocol_version": 1,
        "meeting_uuid": id("meeting_uuid"),
        "rtms_stream_id": id("rtms_stream_id"),
        "signature": signature.as_str(),
    })
}

fn answer(run: &mut Run, post: usize, answer: WebhookAnswer) {
    let webhook = run.webhooks[post].id;
    run.input(Input::WebhookAnswered { webhook, answer });
}
