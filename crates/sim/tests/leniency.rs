//! Where Zoom was seen to be lenient: what is accepted with a warning, and what is refused all the same.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

mod common;

use common::{Run, config, payloads::audio_packets};
use rtms_sim::{
    config::ZoomConfig,
    fault::{Answer, Refused, Request, Temper},
    findings::{Mistake, Severity},
    zoom::Endpoint,
};
use rtms_wire::codes::{product::Product, status_code::StatusCode};
use serde_json::{Value, json};

#[test]
fn l16_asked_for_as_rtp_is_granted_as_raw_audio_with_one_warning() {
    for product in [Product::Meeting, Product::Webinar, Product::Session, Product::ContactCenter] {
        for (media_type, channel) in [(1, 1), (1, 2), (32, 1)] {
            let mut run = Run::new(ZoomConfig { product, ..config(5) });
            let signaling = run.join();
            let media = run.connect(Endpoint::Media);
            let params = json!({"audio": {"content_type": 1, "codec": 1, "sample_rate": 1, "channel": channel}});
            let request = run.data_request(media_type, params);

            run.say(media, &request);
            let granted = run.heard(media)[0].clone();
            run.ready(signaling);
            run.live_until(4_000);

            assert_eq!(granted["status_code"], 0, "{product}: {granted}");
            assert_eq!(granted["media_params"]["audio"]["content_type"], 2, "{product}: {granted}");
            assert_eq!(found(&run), [("l16_as_rtp", Severity::Warning)], "{product}");
            let length = 640 * channel;
            assert!(audio_packets(&run, media).iter().all(|packet| packet.data.len() == length), "{product}");
        }
    }
}

#[test]
fn l16_is_the_default_codec_so_that_rtp_alone_is_granted_too() {
    let mut run = Run::of_seconds(5);
    run.join();

    run.open_media(1, json!({"audio": {"content_type": 1}}));

    assert_eq!(found(&run), [("l16_as_rtp", Severity::Warning)]);
}

#[test]
fn l16_asked_for_as_rtp_is_refused_with_19_by_the_letter_and_with_22_on_the_phone() {
    let phone = ZoomConfig { product: Product::Phone, ..config(5) };
    let strict_phone = ZoomConfig { temper: strict(), ..phone.clone() };
    let cases = [
        (ZoomConfig { temper: strict(), ..config(5) }, 19),
        (ZoomConfig { product: Product::Session, temper: strict(), ..config(5) }, 19),
        (phone, 22),
        (strict_phone, 22),
    ];
    for (config, status) in cases {
        let product = config.product;
        let mut run = Run::new(config);
        run.join();
        let media = run.connect(Endpoint::Media);
        let request = run.data_request(1, json!({"audio": {"content_type": 1, "codec": 1, "sample_rate": 1}}));

        run.say(media, &request);

        let answer = run.heard(media)[0].clone();
        assert_eq!(answer["status_code"], status, "{product}");
        if status == 22 {
            assert_eq!(answer["reason"], "Invalid audio codec");
        }
        assert_eq!(found(&run), [("refused", Severity::Warning)], "{product}");
    }
}

#[test]
fn an_id_under_two_or_three_keys_is_accepted_with_one_warning() {
    let cases: [(Product, &[&str]); 4] = [
        (Product::Session, &["meeting_uuid"]),
        (Product::Meeting, &["session_id"]),
        (Product::ContactCenter, &["meeting_uuid", "session_id"]),
        (Product::Phone, &["engagement_id"]),
    ];
    for (product, keys) in cases {
        let mut run = Run::new(ZoomConfig { product, ..config(5) });
        let value = run.zoom.instance().value.to_string();

        let statuses = handshakes(&mut run, |request| {
            keys.iter().for_each(|key| request[*key] = value.clone().into());
        });

        assert_eq!(statuses, [0, 0], "{product}");
        assert_eq!(found(&run), [("odd_instance_id", Severity::Warning)], "{product}");
    }
}

#[test]
fn two_ids_are_refused_if_one_has_another_value_or_clients_are_read_by_the_letter() {
    let mut run = Run::of_seconds(5);
    assert_eq!(handshakes(&mut run, |request| request["engagement_id"] = "another".into()), [4]);
    let [Mistake::WrongInstanceId { reason, .. }] = &run.mistakes()[..] else { panic!("{:?}", run.mistakes()) };
    assert_eq!(reason, "engagement_id \"another\" is not the instance id of the stream");

    let mut run = Run::new(ZoomConfig { temper: strict(), ..config(5) });
    let value = run.zoom.instance().value.to_string();
    assert_eq!(handshakes(&mut run, |request| request["session_id"] = value.clone().into()), [4]);
    assert_eq!(found(&run), [("wrong_instance_id", Severity::Fault)]);
}

#[test]
fn a_single_id_under_the_key_of_another_product_is_accepted_with_a_warning() {
    for product in [Product::Webinar, Product::Session, Product::ContactCenter, Product::Phone] {
        let mut run = Run::new(ZoomConfig { product, ..config(5) });
        let own = run.zoom.instance().field.as_str();

        let statuses = handshakes(&mut run, |request| {
            let value = request.as_object_mut().unwrap().remove(own).unwrap();
            request["meeting_uuid"] = value;
        });

        assert_eq!(statuses, [0, 0], "{product}");
        assert_eq!(found(&run), [("odd_instance_id", Severity::Warning)], "{product}");
    }
}

#[test]
fn a_scripted_refusal_has_the_words_of_its_status() {
    let cases = [
        (StatusCode::DuplicateSignalRequest, "Duplicate signal request"),
        (StatusCode::InternalException, "Internal exception"),
        (StatusCode::InvalidSignature, "Invalid signature"),
        (StatusCode::from_code(99), "Status 99"),
    ];
    for (status, words) in cases {
        for answer in [Answer::Status(status), Answer::StatusAndClose(status)] {
            let mut run = Run::new(ZoomConfig { temper: refusing(Request::Signaling, answer), ..config(5) });
            let signaling = run.connect(Endpoint::Signaling);
            let request = run.signaling_request();
            run.say(signaling, &request);

            assert_eq!(run.heard(signaling)[0]["reason"], words, "{answer:?}");
        }
    }
    let refused = Answer::Status(StatusCode::MediaTypeInvalidValue);
    let mut run = Run::new(ZoomConfig { temper: refusing(Request::AnyData, refused), ..config(5) });
    run.join();
    let media = run.connect(Endpoint::Media);
    let request = run.data_request(1, json!({}));
    run.say(media, &request);
    assert_eq!(run.heard(media)[0]["reason"], "Media type invalid value");

    let refused = Answer::Status(StatusCode::DuplicateVideoSubscription);
    let mut run = Run::new(ZoomConfig { temper: refusing(Request::Video, refused), ..config(5) });
    let signaling = run.join();
    run.say(signaling, &json!({"msg_type": 28, "user_id": 1, "subscribe": true, "timestamp": 1}));
    assert_eq!(run.heard(signaling)[0]["reason"], "Duplicate video subscription");
}

#[test]
fn a_client_that_is_refused_on_purpose_may_wait_until_zoom_closes() {
    let refused = Answer::Status(StatusCode::DuplicateSignalRequest);
    let mut run = Run::new(ZoomConfig { temper: refusing(Request::Signaling, refused), ..config(40) });
    let first = run.connect(Endpoint::Signaling);
    let request = run.signaling_request();
    run.say(first, &request);
    run.until(10_000);
    assert_eq!(run.closed[&first], 1000);

    run.join();
    run.until(10_500);
    assert_eq!(found(&run), []);
}

fn strict() -> Temper {
    Temper { strict: true, ..Temper::default() }
}

fn refusing(request: Request, answer: Answer) -> Temper {
    let refused = Refused { request, answer, times: 1, after: std::time::Duration::ZERO };
    Temper { refusals: vec![refused], ..Temper::default() }
}

/// Shakes hands on signaling and, if that is granted, for transcript, each request changed; gives the statuses.
fn handshakes(run: &mut Run, change: impl Fn(&mut Value)) -> Vec<i64> {
    let signaling = run.connect(Endpoint::Signaling);
    let mut request = run.signaling_request();
    change(&mut request);
    run.say(signaling, &request);
    let mut statuses = vec![run.heard(signaling)[0]["status_code"].as_i64().unwrap()];
    if statuses == [0] {
        let media = run.connect(Endpoint::Media);
        let mut request = run.data_request(8, json!({}));
        change(&mut request);
        run.say(media, &request);
        statuses.push(run.heard(media)[0]["status_code"].as_i64().unwrap());
    }
    statuses
}

fn found(run: &Run) -> Vec<(&'static str, Severity)> {
    run.mistakes().iter().map(|mistake| (mistake.name(), mistake.severity())).collect()
}
