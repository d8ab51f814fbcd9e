//! What no document names reaches consumers: messages, and fields of people, packets and words.

#![allow(clippy::unwrap_used, clippy::wildcard_enum_match_arm, reason = "in a test, a panic is the answer")]

mod common;

use std::{collections::BTreeSet, time::Duration};

use common::{Gateway, config, http::exchange, simulator, told::Told, until};
use rtms_sim::fault::{Incident, Nonsense, Target, Temper, Trouble};
use rtms_sim_server::{Simulator, SimulatorConfig};
use rtms_sink::envelope::Body;
use rtms_wire::media::medium::Medium;
use serde_json::json;

#[tokio::test]
async fn what_no_document_names_reaches_consumers() {
    let data_dir = tempfile::tempdir().unwrap();
    let told = Told::default();
    let gateway = Gateway::start_telling(config(data_dir.path()), vec![told.delivery()]).await;
    let unknown = |ms, target| Incident {
        at: Duration::from_millis(ms),
        what: Trouble::Nonsense { target, kind: Nonsense::UnknownMessage },
    };
    let simulator = Simulator::start(SimulatorConfig {
        webhook_url: Some(gateway.webhook_url().parse().unwrap()),
        incidents: vec![unknown(1_000, Target::Signaling), unknown(2_500, Target::Medium(Medium::Audio))],
        temper: Temper { extra_fields: true, ..Temper::default() },
        ..simulator(6, Duration::from_secs(4))
    })
    .await
    .unwrap();
    simulator.finished().await;
    gateway.ended(simulator.stream()).await;
    let is_end = |body: &Body| matches!(body, Body::Ended { .. });
    until("the end was sent", async || told.envelopes().iter().any(|it| is_end(&it.body)).then_some(())).await;
    let answer = exchange(gateway.api_address(), b"GET /metrics HTTP/1.1\r\nhost: localhost\r\n\r\n").await;
    let metrics = String::from_utf8_lossy(&answer.body).into_owned();
    gateway.stop().await;

    let bodies: Vec<_> = told.envelopes().into_iter().map(|envelope| envelope.body).collect();
    let unknown = bodies.iter().filter_map(|body| match body {
        Body::UnknownMessage { msg_type, message } => Some((msg_type.code(), message.clone())),
        _ => None,
    });
    let unknown: Vec<_> = unknown.collect();
    assert_eq!(unknown.len(), 2, "{unknown:?}");
    for (number, message) in unknown {
        assert!(number >= 30);
        assert_eq!(message["content"], json!({"anything": [1, 2, 3]}));
    }
    assert!(metrics.contains(r#"rtms_odd_messages_total{kind="unknown_message"} 2"#), "{metrics}");
    let packets = bodies.iter().filter_map(|body| match body {
        Body::PacketFields { medium, extra, .. } => {
            assert_eq!(extra["sim_level"], json!({"db": -3}));
            Some(*medium)
        }
        _ => None,
    });
    let packets: Vec<_> = packets.collect();
    assert!(packets.len() < 20, "told when they differ: {}", packets.len());
    assert!(packets.iter().collect::<BTreeSet<_>>().contains(&Medium::Audio), "{packets:?}");
    assert!(
        bodies.iter().any(|body| matches!(body, Body::Transcript { extra, .. } if extra["sim_confidence"] == 0.75))
    );
    let people = bodies.iter().filter_map(|body| match body {
        Body::EventUpdate { update, .. } => update.get("participants"),
        _ => None,
    });
    let roles: Vec<_> = people.map(|people| people[0]["sim_role"].clone()).collect();
    assert!(!roles.is_empty() && roles.iter().all(|role| role == "guest"), "{roles:?}");
}
