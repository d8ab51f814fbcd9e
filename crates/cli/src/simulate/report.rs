//! What is said at the end of a run: what was sent, what became of the webhooks, what clients did wrong.

use std::{collections::BTreeMap, process::ExitCode};

use rtms_sim::{
    judge::StreamReport,
    sent::SentCounts,
    webhook::{Outcome, Probe, Purpose, WebhookId},
};
use rtms_sim_server::Simulator;

use crate::logging::note;

/// About every stream, and about all together if there are several. It is a success if somebody joined each of them, and each went
/// as its scenario expects.
pub(super) fn all(simulators: &[Simulator], printed: bool) -> ExitCode {
    let mut total = SentCounts::default();
    let (mut unjoined, mut unmet) = (0, 0);
    for simulator in simulators {
        let counts = simulator.counts();
        let report = simulator.report();
        if simulators.len() > 1 {
            note!("stream {}:", simulator.stream());
        }
        let is_story = report.as_ref().is_some_and(|report| report.scenario.is_some());
        tell(
            &counts,
            match printed {
                true if is_story => "no webhooks (starts and interruptions were printed)".to_owned(),
                true => "no webhooks (one was printed)".to_owned(),
                false => webhooks(&counts),
            },
        );
        if let Some(missed) = report.as_ref().map(|report| report.summary.missed).filter(|missed| !missed.is_nothing())
        {
            note!("{missed}");
        }
        report_deliveries(simulator);
        report_findings(simulator);
        if let Some(scenario) = report.as_ref().and_then(|report| report.scenario.as_ref()) {
            note!("{}", scenario.to_string().trim_end());
        }
        if report.as_ref().is_none_or(StreamReport::is_unjoined) {
            unjoined += 1;
        }
        if report.is_some_and(|report| !report.unmet().is_empty()) {
            unmet += 1;
        }
        total += counts;
    }
    match simulators {
        [_] if unjoined > 0 => note!("nobody joined"),
        [_] => {}
        many => {
            let findings: u64 =
                many.iter().map(|it| it.findings().iter().count() as u64 + it.findings().dropped()).sum();
            note!("all {} streams:", many.len());
            tell(&total, if printed { "no webhooks (they were printed)".to_owned() } else { webhooks(&total) });
            note!("{findings} findings; nobody joined {unjoined} of them");
            if unmet > 0 {
                note!("{unmet} of them did not go as the scenario expects");
            }
        }
    }
    if unjoined > 0 || unmet > 0 { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

fn webhooks(counts: &SentCounts) -> String {
    format!("{} webhooks", counts.webhooks)
}

fn tell(counts: &SentCounts, webhooks: String) {
    note!(
        "sent: {}, {} audio, {} video, {} deskshare, {} transcript, {} chat, {} events, {} keep-alives; {} joined, {} media connections",
        webhooks,
        counts.audio,
        counts.video,
        counts.deskshare,
        counts.transcript,
        counts.chat,
        counts.events,
        counts.keep_alives,
        counts.joins,
        counts.media_connections,
    );
}

fn report_findings(simulator: &Simulator) {
    let findings = simulator.findings();
    for finding in findings.iter() {
        let seconds = finding.at.since(simulator.start_time()).as_secs_f64();
        let connection =
            finding.connection.map(|connection| format!(" connection {}", connection.0)).unwrap_or_default();
        note!("finding at {seconds:.3} s{connection}: the client {}", finding.mistake);
    }
    if findings.dropped() > 0 {
        note!("and {} findings more", findings.dropped());
    }
}

/// A line for each webhook with all its attempts.
fn report_deliveries(simulator: &Simulator) {
    let deliveries = simulator.deliveries();
    if deliveries.dropped() > 0 {
        note!("{} earlier attempts at webhooks are left out", deliveries.dropped());
    }
    let mut lines: BTreeMap<WebhookId, String> = BTreeMap::new();
    for delivery in deliveries.iter() {
        let line = lines.entry(delivery.webhook).or_insert_with(|| {
            let what = match delivery.purpose {
                Purpose::Event | Purpose::Validation | Purpose::Forged(_) => "",
                Purpose::Again => ", the same again",
                Purpose::Probe(Probe::Unsigned) => ", a probe without signature",
                Purpose::Probe(Probe::WronglySigned) => ", a probe with a wrong signature",
                Purpose::Probe(Probe::SigningOracle) => ", a probe for a signing oracle",
            };
            format!("webhook {}{what}", delivery.event)
        });
        let seconds = delivery.at.since(simulator.start_time()).as_secs_f64();
        if delivery.outcome == Outcome::Withheld {
            line.push_str(&format!("; at {seconds:.3} s {delivery}"));
        } else {
            line.push_str(&format!("; attempt {} at {seconds:.3} s: {delivery}", delivery.attempt));
        }
    }
    for line in lines.values() {
        note!("{line}");
    }
}
