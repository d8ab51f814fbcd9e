//! How the simulator delivers webhooks: Zoom's schedule, time-out, statuses, validations, repeats, and what it says of
//! receivers.
#![allow(clippy::unwrap_used, clippy::wildcard_enum_match_arm, reason = "in a test, a panic is the answer")]

mod common;

use common::{Run, START, config};
use rtms_sim::{
    config::{App, WebhookOptions, ZoomConfig},
    findings::Mistake,
    webhook::{Outcome, Probe, Purpose, WebhookAnswer, WebhookPost},
    zoom::Input,
};
use rtms_wire::{
    secret::SecretToken,
    signature::{webhook_signature, webhook_signature_matches},
};
use serde_json::{Value, json};

const MINUTE_MS: u64 = 60_000;
const HOUR_MS: u64 = 60 * MINUTE_MS;

#[test]
fn retries_come_5_25_and_85_minutes_after_the_first_attempt_and_then_the_event_is_lost() {
    let mut run = waiting_run(WebhookOptions::default());

    let posted = post_times(&mut run, |_| WebhookAnswer::Status(503), 4 * HOUR_MS);

    assert_eq!(posted, [0, 5 * MINUTE_MS, 25 * MINUTE_MS, 85 * MINUTE_MS]);
    let lost = Mistake::WebhookLost { event: "meeting.rtms_started".into(), attempts: 4 };
    assert!(run.mistakes().contains(&lost), "{:?}", run.mistakes());
}

#[test]
fn compression_shortens_the_waits_between_attempts_and_nothing_else() {
    let mut run = waiting_run(WebhookOptions { time_compression: 60, ..WebhookOptions::default() });
    let mut plain = waiting_run(WebhookOptions::default());

    let posted = post_times(&mut run, |_| WebhookAnswer::Failed("refused".into()), HOUR_MS);
    plain.live_until(HOUR_MS - 1_000);

    assert_eq!(posted, [0, 5_000, 25_000, 85_000]);
    assert!(plain.wire == run.wire, "keep-alives and messages come when they would have come");
}

#[test]
fn the_time_of_a_slow_answer_is_not_added_to_the_schedule() {
    let mut run = waiting_run(WebhookOptions { time_compression: 60, ..WebhookOptions::default() });
    run.live_until(3_000);
    answer(&mut run, 0, WebhookAnswer::TimedOut);

    run.live_until(4_999);
    assert_eq!(run.webhooks.len(), 1);
    run.live_until(5_000);

    assert_eq!(run.webhooks[1].attempt, 2);
    assert_eq!(run.webhooks[1].body, run.webhooks[0].body);
}

#[test]
fn any_2xx_delivers_5xx_and_silence_are_retried_and_3xx_and_4xx_lose_the_event() {
    use WebhookAnswer::{Failed, Status, TimedOut};
    let retried = [Status(500), Status(502), Status(503), Status(599), TimedOut, Failed("refused".into())];
    let ended = [200, 201, 204, 299, 300, 301, 302, 307, 308, 400, 401, 404, 409, 429, 499].map(Status);
    for (answers, attempts) in [(&retried[..], 2), (&ended[..], 1)] {
        for first in answers {
            let mut run = waiting_run(WebhookOptions::default());
            let first_then_good = |attempt| if attempt == 1 { first.clone() } else { Status(204) };

            let posted = post_times(&mut run, first_then_good, 4 * HOUR_MS);

            assert_eq!(posted.len(), attempts, "{first:?}");
            let found = run.mistakes();
            match first {
                Status(200..=299) => assert_eq!(found, []),
                Status(status @ 300..=399) => {
                    let event = "meeting.rtms_started".to_owned();
                    assert_eq!(found, [Mistake::WebhookRedirected { event, status: *status }]);
                }
                TimedOut => assert!(matches!(found[..], [Mistake::WebhookAnsweredTooLate { status: None, .. }])),
                Failed(_) => assert!(matches!(found[..], [Mistake::WebhookNotAnswered { .. }]), "{found:?}"),
                _ => assert!(matches!(found[..], [Mistake::WebhookNotAccepted { .. }]), "{found:?}"),
            }
        }
    }
}

#[test]
fn a_webhook_delivered_twice_has_the_same_body_and_its_repeat_is_never_retried() {
    let mut run = waiting_run(WebhookOptions { deliver_twice: true, ..WebhookOptions::default() });

    assert_eq!(run.webhooks.iter().map(|it| it.purpose).collect::<Vec<_>>(), [Purpose::Event, Purpose::Again]);
    assert_eq!(run.webhooks[0].body, run.webhooks[1].body);
    answer(&mut run, 0, WebhookAnswer::Status(200));
    answer(&mut run, 1, WebhookAnswer::Status(500));
    run.live_until(3 * HOUR_MS);

    assert_eq!(run.webhooks.len(), 2);
    let why = "status 500".to_owned();
    assert_eq!(run.mistakes(), [Mistake::RepeatNotAccepted { event: "meeting.rtms_started".into(), why }]);
}

#[test]
fn a_webhook_that_nobody_answers_is_not_said_to_be_answered_badly() {
    let mut run = waiting_run(WebhookOptions { deliver_twice: true, ..WebhookOptions::default() });
    answer(&mut run, 0, WebhookAnswer::Status(200));
    answer(&mut run, 1, WebhookAnswer::Failed("connection refused".into()));

    let found = run.mistakes();

    let (event, why) = ("meeting.rtms_started".to_owned(), "connection refused".to_owned());
    assert_eq!(found, [Mistake::WebhookNotAnswered { event, why }]);
    assert_eq!(found[0].to_string(), "did not answer the webhook meeting.rtms_started: connection refused");
}

#[test]
fn a_repeat_that_fails_like_the_first_copy_is_not_blamed_whichever_is_answered_first() {
    let blamed = |answers: [(usize, u16); 2]| {
        let mut run = waiting_run(WebhookOptions { deliver_twice: true, ..WebhookOptions::default() });
        for (webhook, status) in answers {
            answer(&mut run, webhook, WebhookAnswer::Status(status));
        }
        run.mistakes().iter().filter(|it| matches!(it, Mistake::RepeatNotAccepted { .. })).count()
    };

    assert_eq!(blamed([(0, 503), (1, 503)]), 0);
    assert_eq!(blamed([(1, 503), (0, 503)]), 0);
    assert_eq!(blamed([(0, 200), (1, 503)]), 1);
    assert_eq!(blamed([(1, 503), (0, 200)]), 1);
}

#[test]
fn the_url_is_validated_before_the_start_and_every_72_hours_and_a_right_answer_is_no_finding() {
    let mut run = validating_run(72 * 60);

    let mut asked = Vec::new();
    for _ in 0..3 {
        let at = run.webhooks.iter().rposition(|it| it.purpose == Purpose::Validation).unwrap();
        asked.push(run.now.0 - START.0);
        let right = right_answer(&run.webhooks[at]);
        answer(&mut run, at, right);
        run.live_until(asked.last().unwrap() + MINUTE_MS);
    }

    assert_eq!(asked, [0, MINUTE_MS, 2 * MINUTE_MS], "72 hours, compressed to a minute");
    assert_eq!(run.webhooks[0].purpose, Purpose::Validation);
    assert_eq!(run.webhooks[1].event, "meeting.rtms_started");
    let body = std::str::from_utf8(&run.webhooks[0].body).unwrap();
    assert!(body.starts_with(r#"{"payload":{"plainToken":""#), "{body}");
    assert!(is_signed(&run.webhooks[0]));
    assert_eq!(run.mistakes(), []);
}

#[test]
fn what_is_wrong_with_the_answer_to_a_validation_is_said() {
    fn said(body: Value) -> WebhookAnswer {
        let content_type = Some("application/json".into());
        WebhookAnswer::Body { status: 200, content_type, body: body.to_string().into() }
    }
    fn with_token(plain: &str, encrypted: &str) -> WebhookAnswer {
        said(json!({"plainToken": plain, "encryptedToken": encrypted}))
    }
    type Answerer = fn(&str) -> WebhookAnswer;
    let cases: [(Answerer, &str); 12] = [
        (|_| WebhookAnswer::TimedOut, "no answer in 3000 ms"),
        (|_| WebhookAnswer::Failed("refused".into()), "refused"),
        (|_| WebhookAnswer::Status(204), "204 has no body"),
        (|_| WebhookAnswer::Status(302), "redirect"),
        (|_| WebhookAnswer::Status(401), "401"),
        (|_| WebhookAnswer::Status(200), "no JSON object"),
        (|_| said(json!({"encryptedToken": "x"})), "plainToken is missing"),
        (|_| said(json!({"plainToken": "other"})), "not the one that was asked"),
        (|plain| said(json!({"plainToken": plain})), "encryptedToken is missing"),
        (|plain| with_token(plain, "bm90IGhleA=="), "64 hex digits"),
        (|plain| with_token(plain, &hmac(App::TEST_CLIENT_SECRET.as_bytes(), plain.as_bytes())), "client secret"),
        (
            |plain| with_token(plain, &hmac(App::TEST_SECRET_TOKEN.as_bytes(), plain.as_bytes()).to_uppercase()),
            "lower-case",
        ),
    ];
    for (make, words) in cases {
        let mut run = validating_run(1);
        let reply = make(&plain_token(&run.webhooks[0]));
        answer(&mut run, 0, reply);

        let [Mistake::ValidationFailed { why, in_a_row: 1 }] = &run.mistakes()[..] else {
            panic!("{words}: {:?}", run.mistakes())
        };
        assert!(why.contains(words), "{why}");
    }
}

#[test]
fn a_right_answer_that_is_not_declared_as_json_is_noted_and_does_not_fail() {
    let mut run = validating_run(1);
    let WebhookAnswer::Body { status, body, .. } = right_answer(&run.webhooks[0]) else { panic!("a body") };

    answer(&mut run, 0, WebhookAnswer::Body { status, content_type: Some("text/html".into()), body });

    assert_eq!(run.mistakes(), [Mistake::ValidationNotAsJson { content_type: Some("text/html".into()) }]);
}

#[test]
fn failures_warn_after_2_and_4_and_after_6_in_a_row_nothing_more_is_sent() {
    let mut run = validating_run(72 * 60);
    let start = run.webhooks.iter().position(|it| it.purpose == Purpose::Event).unwrap();
    answer(&mut run, start, WebhookAnswer::Status(503));
    fail_validations(&mut run, 6);
    run.live_until(3 * HOUR_MS);
    assert_eq!(
        run.webhooks.iter().filter(|it| it.purpose == Purpose::Validation).count(),
        6,
        "a disabled URL is validated by hand only"
    );
    let posted = run.webhooks.len();
    run.input(Input::Stop { reason: rtms_wire::codes::stop_reason::StopReason::HostTriggered });
    run.live_until(3 * HOUR_MS + 2_000);

    assert_eq!(run.webhooks.len(), posted, "the stop is withheld");
    let last = run.zoom.deliveries().iter().last().unwrap();
    assert_eq!((last.event.as_str(), &last.outcome), ("meeting.rtms_stopped", &Outcome::Withheld));
    let warned: Vec<_> = run
        .mistakes()
        .iter()
        .filter_map(|mistake| match mistake {
            Mistake::ValidationsFailedSoOften { in_a_row } => Some(*in_a_row),
            Mistake::UrlDisabled { in_a_row } => Some(*in_a_row * 10),
            _ => None,
        })
        .collect();
    assert_eq!(warned, [2, 4, 60]);
}

#[test]
fn one_good_validation_makes_the_failures_forgotten() {
    let mut run = validating_run(72 * 60);
    fail_validations(&mut run, 5);
    let at = run.webhooks.iter().rposition(|it| it.purpose == Purpose::Validation).unwrap();
    let right = right_answer(&run.webhooks[at]);
    answer(&mut run, at, right);
    run.live_until(run.now.0 - START.0 + MINUTE_MS);
    fail_validations(&mut run, 5);

    assert!(!run.mistakes().iter().any(|it| matches!(it, Mistake::UrlDisabled { .. })));
}

#[test]
fn the_end_waits_for_retries_only_if_that_is_wanted() {
    for wait_for_retries in [false, true] {
        let mut run = Run::new(ZoomConfig {
            webhooks: WebhookOptions { wait_for_retries, time_compression: 60, ..WebhookOptions::default() },
            ..config(1)
        });
        run.until(1_000);
        answer(&mut run, 0, WebhookAnswer::Status(503));
        answer(&mut run, 1, WebhookAnswer::Status(200));

        assert_eq!(run.zoom.is_finished(), !wait_for_retries);
        run.until(5_000);
        answer(&mut run, 2, WebhookAnswer::Status(200));
        assert!(run.zoom.is_finished());
    }
}

#[test]
fn the_same_seed_sends_the_same_webhooks() {
    let options =
        || WebhookOptions { validate_url: true, probe_oracle: true, deliver_twice: true, ..Default::default() };
    let posts = |run: Run| run.webhooks.into_iter().map(|it| (it.body, it.headers)).collect::<Vec<_>>();

    assert_eq!(posts(waiting_run(options())), posts(waiting_run(options())));
}

#[test]
fn the_probe_for_an_oracle_asks_for_the_signature_of_a_webhook_and_is_not_signed() {
    let run = waiting_run(WebhookOptions { probe_oracle: true, ..WebhookOptions::default() });
    let probe = |kind| run.webhooks.iter().find(|it| it.purpose == Purpose::Probe(kind)).unwrap();

    for kind in Probe::ALL {
        assert!(!is_signed(probe(kind)), "{kind:?}");
    }
    let token = plain_token(probe(Probe::SigningOracle));
    let [version, timestamp, forged] = token.splitn(3, ':').collect::<Vec<_>>()[..] else { panic!("{token}") };
    let secret = SecretToken::new(App::TEST_SECRET_TOKEN).unwrap();
    let stolen = format!("{version}={}", hmac(secret.expose(), token.as_bytes()));
    assert_eq!(stolen, webhook_signature(&secret, timestamp, forged.as_bytes()));
}

/// A run that somebody has joined, so that it lasts.
fn waiting_run(webhooks: WebhookOptions) -> Run {
    let mut run = Run::new(ZoomConfig { webhooks, ..config(6 * 60 * 60) });
    run.join();
    run
}

fn validating_run(time_compression: u32) -> Run {
    waiting_run(WebhookOptions { validate_url: true, time_compression, ..WebhookOptions::default() })
}

fn answer(run: &mut Run, post: usize, answer: WebhookAnswer) {
    let webhook = run.webhooks[post].id;
    run.input(Input::WebhookAnswered { webhook, answer });
}

/// Answers every attempt at the first webhook at once, and gives the milliseconds at which they were made.
fn post_times(run: &mut Run, answer_to: impl Fn(u32) -> WebhookAnswer, until_ms: u64) -> Vec<u64> {
    let webhook = run.webhooks[0].id;
    for at_ms in (0..until_ms).step_by(1_000) {
        run.live_until(at_ms);
        let open = run.zoom.deliveries().iter().find(|it| it.outcome == Outcome::UnderWay).cloned();
        if let Some(open) = open {
            assert_eq!(open.webhook, webhook);
            run.input(Input::WebhookAnswered { webhook, answer: answer_to(open.attempt) });
        }
    }
    let deliveries: Vec<_> = run.zoom.deliveries().iter().collect();
    let attempts: Vec<_> = deliveries.iter().map(|it| it.attempt).collect();
    assert_eq!(attempts, (1..=u32::try_from(attempts.len()).unwrap()).collect::<Vec<_>>());
    deliveries.iter().map(|it| it.at.0 - START.0).collect()
}

fn fail_validations(run: &mut Run, times: usize) {
    for _ in 0..times {
        let at = run.webhooks.iter().rposition(|it| it.purpose == Purpose::Validation).unwrap();
        answer(run, at, WebhookAnswer::Status(500));
        run.live_until(run.now.0 - START.0 + MINUTE_MS);
    }
}

fn plain_token(post: &WebhookPost) -> String {
    let body: Value = serde_json::from_slice(&post.body).unwrap();
    assert_eq!(body["event"], "endpoint.url_validation");
    body["payload"]["plainToken"].as_str().unwrap().to_owned()
}

fn right_answer(post: &WebhookPost) -> WebhookAnswer {
    let body = answer_validation(&post.body).to_string().into();
    WebhookAnswer::Body { status: 200, content_type: Some("application/json; charset=utf-8".into()), body }
}

/// What a receiver answers to a validation that it believes; nothing to anything else.
fn answer_validation(body: &[u8]) -> Value {
    let body: Value = serde_json::from_slice(body).unwrap();
    match body["payload"]["plainToken"].as_str() {
        None => Value::Null,
        Some(plain) => json!({
            "plainToken": plain,
            "encryptedToken": hmac(App::TEST_SECRET_TOKEN.as_bytes(), plain.as_bytes()),
        }),
    }
}

fn is_signed(post: &WebhookPost) -> bool {
    let header = |name: &str| post.headers.iter().find(|it| it.0 == name).map_or("", |it| &it.1);
    let secret = SecretToken::new(App::TEST_SECRET_TOKEN).unwrap();
    webhook_signature_matches(&secret, header("x-zm-request-timestamp"), &post.body, header("x-zm-signature"))
}

fn hmac(key: &[u8], text: &[u8]) -> String {
    let tag = aws_lc_rs::hmac::sign(&aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, key), text);
    tag.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}
