//! Every webhook fixture, judged by its manifest: verified as sent, read into the expected normalised form.

#![allow(clippy::unwrap_used, clippy::wildcard_enum_match_arm, reason = "in a test, a panic is the answer")]

use std::{fs, path::PathBuf};

use rtms_wire::{
    ids::InstanceIdField,
    secret::SecretToken,
    time::UnixMillis,
    webhook::{
        Webhook, WebhookBody,
        server_url::{ServerUrlPolicy, region},
        url_validation::UrlValidationAnswer,
        verify::{DEFAULT_TOLERANCE, Delivery, NotFromZoom, SIGNATURE_HEADER, TIMESTAMP_HEADER},
    },
};
use serde_json::{Value, json};

#[test]
fn every_fixture_verifies_and_gives_the_expected_form() {
    let manifest = manifest();
    let fixtures = manifest["fixtures"].as_array().unwrap();
    assert_eq!(fixtures.len(), 72);

    for fixture in fixtures {
        let name = fixture["file"].as_str().unwrap();
        let body = read(name);
        let expect = &fixture["expect"];
        assert_eq!(body.len() as u64, fixture["bytes"].as_u64().unwrap(), "{name}: bytes");

        let secrets = secrets(&manifest);
        let delivery = delivery(fixture, &body);
        let verified = delivery.verify(&secrets, sent_at(fixture), DEFAULT_TOLERANCE).expect(name);
        let by = if fixture["secret"] == "general" { 0 } else { 1 };
        assert_eq!(verified.secret_position(), by, "{name}: which secret");

        if expect["status"] == 400 {
            assert!(Webhook::decode(verified.body()).is_err(), "{name}: must be unreadable");
            continue;
        }
        let webhook = Webhook::decode(verified.body()).expect(name);

        if expect["reject"] == true {
            let WebhookBody::UrlValidation { plain_token } = &webhook.body else { panic!("{name}: {webhook:?}") };
            assert!(UrlValidationAnswer::new(&verified, plain_token).is_err(), "{name}: must not be answered");
        } else if expect["dispatch"] == false {
            assert!(!usable(&webhook), "{name}: must not be acted on: {webhook:?}");
        } else {
            assert_normalised(name, &webhook, expect);
        }
        if let WebhookBody::UrlValidation { plain_token } = &webhook.body
            && expect["response_status"] == 200
        {
            let answer = UrlValidationAnswer::new(&verified, plain_token).expect(name);
            assert_eq!(serde_json::to_value(answer).unwrap(), expect["response_body"], "{name}: answer");
        }
    }
}

#[test]
fn one_changed_byte_one_other_second_or_one_other_secret_is_refused() {
    let manifest = manifest();
    let fixture = &manifest["fixtures"][0];
    let body = read(fixture["file"].as_str().unwrap());
    let secrets = secrets(&manifest);
    let now = sent_at(fixture);
    let good = delivery(fixture, &body);
    let newline = [body.as_slice(), b"\n"].concat();

    let verify = |delivery: Delivery<'_>| delivery.verify(&secrets, now, DEFAULT_TOLERANCE).map(drop);
    assert_eq!(verify(good), Ok(()));
    assert_eq!(verify(Delivery { body: &newline, ..good }), Err(NotFromZoom::BadSignature));
    assert_eq!(verify(Delivery { timestamp: Some("1795428002"), ..good }), Err(NotFromZoom::BadSignature));
    assert_eq!(verify(Delivery { signature: Some("v0="), ..good }), Err(NotFromZoom::BadSignature));
    assert_eq!(verify(Delivery { signature: None, ..good }), Err(NotFromZoom::MissingHeader(SIGNATURE_HEADER)));
    assert_eq!(verify(Delivery { timestamp: None, ..good }), Err(NotFromZoom::MissingHeader(TIMESTAMP_HEADER)));
    for odd in ["+795428001", " 795428001", "1795428001000", "179542800x", ""] {
        assert_eq!(verify(Delivery { timestamp: Some(odd), ..good }), Err(NotFromZoom::BadTimestamp), "{odd:?}");
    }
    let other_secret = [SecretToken::new("somebody else's").unwrap()];
    assert_eq!(good.verify(&other_secret, now, DEFAULT_TOLERANCE).map(drop), Err(NotFromZoom::BadSignature));
}

#[test]
fn freshness_is_judged_both_ways_and_only_after_the_signature() {
    let manifest = manifest();
    let fixture = &manifest["fixtures"][0];
    let body = read(fixture["file"].as_str().unwrap());
    let secrets = secrets(&manifest);
    let delivery = delivery(fixture, &body);
    let at = |seconds: i64| UnixMillis(sent_at(fixture).0.saturating_add_signed(seconds * 1000));

    let verify = |now| delivery.verify(&secrets, now, DEFAULT_TOLERANCE).map(drop);
    assert_eq!(verify(at(300)), Ok(()));
    assert_eq!(verify(at(-300)), Ok(()));
    assert_eq!(verify(at(301)), Err(NotFromZoom::Stale { seconds: 301 }));
    assert_eq!(verify(at(-301)), Err(NotFromZoom::Stale { seconds: -301 }));
    let forged = Delivery { signature: Some("v0=00"), ..delivery };
    assert_eq!(forged.verify(&secrets, at(9999), DEFAULT_TOLERANCE).map(drop), Err(NotFromZoom::BadSignature));
}

#[test]
fn a_number_of_twenty_digits_keeps_them_all() {
    let body = br#"{"event":"phone.rtms_started","payload":{"call_id":12345678901234567890,"rtms_stream_id":98765432109876543210}}"#;

    let webhook = Webhook::decode(body).unwrap();

    assert_eq!(webhook.instance.unwrap().value, "12345678901234567890");
    assert_eq!(webhook.stream_id.unwrap().as_str(), "98765432109876543210");
}

fn assert_normalised(name: &str, webhook: &Webhook, expect: &Value) {
    let got = normalised(webhook);
    for (key, value) in expect.as_object().unwrap() {
        if ["after", "response_status", "response_body"].contains(&key.as_str()) {
            continue;
        }
        assert_eq!(got.get(key).unwrap_or(&Value::Null), value, "{name}: {key}");
    }
    for key in ["stream_id", "instance_id", "server_urls", "region", "stop_reason"] {
        if expect.get(key).is_none() {
            let absent = got.get(key).is_none_or(|value| value.is_null() || *value == json!([]));
            assert!(absent, "{name}: {key} = {} is not expected", got[key]);
        }
    }
}

/// The normalised form of the reference, section 5.2.
fn normalised(webhook: &Webhook) -> Value {
    let product = match (webhook.product(), &webhook.body) {
        (Some(product), _) => product.as_str(),
        (None, WebhookBody::UrlValidation { .. }) => "none",
        (None, _) => "account",
    };
    let mut out = json!({
        "class": webhook.event.kind().as_str(),
        "product": product,
        "event": webhook.event.as_str(),
        "event_ts": webhook.event_ts,
        "account_id": webhook.account_id,
        "stream_id": webhook.stream_id,
        "meeting_id": webhook.details.meeting_id,
        "operator_id": webhook.details.operator_id,
        "host_id": webhook.details.host_id,
        "session_key": webhook.details.session_key,
        "instance_id": webhook.instance.as_ref().map(|it| it.value.as_str()),
        "instance_id_field": webhook.instance.as_ref().map(|it| InstanceIdField::as_str(it.field)),
    });
    let extra = match &webhook.body {
        WebhookBody::RtmsStarted(it) => json!({
            "server_urls": it.server_urls, "region": it.server_urls.first().and_then(|url| region(url)),
        }),
        WebhookBody::RtmsStopped(it) => json!({ "stop_reason": it.stop_reason }),
        WebhookBody::RtmsInterrupted(it) => json!({
            "server_urls": it.server_urls, "region": it.server_urls.first().and_then(|url| region(url)),
        }),
        WebhookBody::ConcurrencyNearLimit(it) => json!({
            "concurrency_limit": it.concurrency_limit, "concurrency_number": it.concurrency_number,
            "percentage": it.percentage,
        }),
        WebhookBody::ConcurrencyLimited(it) => {
            json!({ "concurrency_number": it.concurrency_number })
        }
        WebhookBody::StartFailed
        | WebhookBody::RequestStatus
        | WebhookBody::UrlValidation { .. }
        | WebhookBody::Other => json!({}),
    };
    out.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
    out
}

fn usable(webhook: &Webhook) -> bool {
    let WebhookBody::RtmsStarted(started) = &webhook.body else {
        return false;
    };
    let policy = ServerUrlPolicy::default();
    webhook.stream_id.is_some() && started.server_urls.iter().any(|url| policy.check(url).is_ok())
}

fn delivery<'a>(fixture: &'a Value, body: &'a [u8]) -> Delivery<'a> {
    let header = |name: &str| fixture["headers"][name].as_str();
    Delivery { timestamp: header(TIMESTAMP_HEADER), signature: header(SIGNATURE_HEADER), body }
}

fn sent_at(fixture: &Value) -> UnixMillis {
    let seconds: u64 = fixture["headers"][TIMESTAMP_HEADER].as_str().unwrap().parse().unwrap();
    UnixMillis(seconds * 1000)
}

fn secrets(manifest: &Value) -> [SecretToken; 2] {
    ["general", "videosdk"].map(|app| SecretToken::new(manifest["secrets"][app].as_str().unwrap()).unwrap())
}

fn manifest() -> Value {
    serde_json::from_slice(&read("webhooks-manifest.json")).unwrap()
}

fn read(name: &str) -> Vec<u8> {
    fs::read(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)).expect(name)
}
