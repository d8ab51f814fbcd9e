//! The report on a run: a verdict with findings, for people and for machines.
//!
//! The JSON has a version; fields are added and never change their meaning within one.

use std::fmt;

use rtms_wire::{
    codes::{product::Product, stop_reason::StopReason},
    ids::StreamId,
    time::UnixMillis,
};
use serde::Serialize;

use crate::{
    findings::{
        advice::Severity,
        finding::{Finding, Findings},
        mistake::Mistake,
    },
    judge::tally::{KeepAlives, Missed, Tally},
    sent::SentCounts,
    webhook::delivery::{Deliveries, Delivery},
};

/// The version of the JSON.
pub const REPORT_VERSION: u32 = 1;

/// Whether a client passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Every stream was joined, nothing was against the protocol, and all was as the scenario expects, if one was
    /// played.
    Pass,
    /// Nobody joined a stream that can be joined, a finding is a [`Severity::Fault`], or something was not as expected.
    Fail,
}

impl Verdict {
    /// Its word, as in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Fail => "fail",
        }
    }
}

/// The judgement of a run. Its text is for people, several lines long.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Report {
    /// [`REPORT_VERSION`].
    pub version: u32,
    /// Over all streams.
    pub verdict: Verdict,
    /// Each stream by itself.
    pub streams: Vec<StreamReport>,
}

impl Report {
    /// Puts the streams of a run together. A run without streams is not passed.
    pub fn new(streams: Vec<StreamReport>) -> Self {
        let passed = !streams.is_empty() && streams.iter().all(|stream| stream.verdict == Verdict::Pass);
        Self { version: REPORT_VERSION, verdict: if passed { Verdict::Pass } else { Verdict::Fail }, streams }
    }

    /// The report as one JSON object, indented, with a newline at the end.
    pub fn to_json(&self) -> String {
        // Every key is a string and every number finite, so that it cannot fail.
        let mut text = serde_json::to_string_pretty(self).unwrap_or_default();
        text.push('\n');
        text
    }
}

/// How one stream went.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct StreamReport {
    /// `rtms_stream_id`.
    pub stream: String,
    /// Which product streamed.
    pub product: &'static str,
    /// When it started.
    pub started_at: UnixMillis,
    /// Why it ended, if it has.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stop_reason: Option<StopReason>,
    /// Of this stream.
    pub verdict: Verdict,
    /// Whether anybody joined.
    pub joined: bool,
    /// What was asked, answered and sent.
    pub summary: Summary,
    /// What the client did wrong, in the order in which it was noticed.
    pub findings: Vec<Judged>,
    /// Findings that were too many to be kept.
    pub findings_dropped: u64,
    /// What became of the scenario's expectations, if one was played.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scenario: Option<ScenarioReport>,
}

/// What a scenario expects, held against what became of a stream.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ScenarioReport {
    /// The scenario's name.
    pub name: String,
    /// What does not hold, each in words.
    pub unmet: Vec<String>,
    /// What could not be asked of this client, each with the reason.
    pub unchecked: Vec<String>,
    /// Whether it can be right that nobody joins.
    #[serde(skip)]
    pub nobody_joins: bool,
}

/// What happened in numbers.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Summary {
    /// Requests that were refused, and rightly.
    pub refused: u64,
    /// Keep-alive of all connections.
    pub keep_alives: KeepAlives,
    /// Attempts at posting webhooks, as far as they are kept.
    pub webhooks: Vec<WebhookLine>,
    /// What was sent, joins and media connections among it.
    pub sent: SentCounts,
    /// What was not sent because the client had ended the connection itself and was not back; absent if that is
    /// nothing.
    #[serde(skip_serializing_if = "Missed::is_nothing")]
    pub missed: Missed,
}

/// One attempt at posting a webhook.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct WebhookLine {
    /// Milliseconds since the start of the stream.
    pub at_ms: u64,
    /// Its event name.
    pub event: String,
    /// 1 for the first attempt.
    pub attempt: u32,
    /// What came of it, in words.
    pub answer: String,
    /// Milliseconds to the answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub took_ms: Option<u64>,
}

/// A finding with its judgement.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Judged {
    /// Milliseconds since the start of the stream.
    pub at_ms: u64,
    /// The connection, by number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connection: Option<u64>,
    /// How bad it is.
    pub severity: Severity,
    /// What was seen; fits after "the client ".
    pub seen: String,
    /// What is right.
    pub advice: &'static str,
    /// Whether the scenario that was played brings it about, so that it does not count.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub excused: bool,
    /// Name and details.
    #[serde(flatten)]
    pub mistake: Mistake,
}

/// What a report is made from.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Evidence<'a> {
    pub(crate) stream: &'a StreamId,
    pub(crate) product: Product,
    pub(crate) start: UnixMillis,
    pub(crate) stop_reason: Option<StopReason>,
    pub(crate) tally: &'a Tally,
    pub(crate) findings: &'a Findings,
    pub(crate) deliveries: &'a Deliveries,
}

impl StreamReport {
    /// Returns the report on what is known of a stream.
    pub(crate) fn new(evidence: Evidence<'_>) -> Self {
        let Evidence { stream, product, start, stop_reason, tally, findings, deliveries } = evidence;
        let judged: Vec<_> = findings.iter().map(|finding| Judged::new(finding, start)).collect();
        let mut report = Self {
            stream: stream.as_str().to_owned(),
            product: product.as_str(),
            started_at: start,
            stop_reason,
            verdict: Verdict::Fail,
            joined: tally.counts.joins > 0,
            summary: Summary {
                refused: tally.refused,
                keep_alives: tally.keep_alives,
                webhooks: deliveries.iter().map(|delivery| WebhookLine::new(delivery, start)).collect(),
                sent: tally.counts,
                missed: tally.missed,
            },
            findings: judged,
            findings_dropped: findings.dropped(),
            scenario: None,
        };
        report.judge();
        report
    }

    /// Judges the stream as part of a story: what the scenario expects has to hold, and findings that it brings about,
    /// listed by name in `excused`, do not count.
    pub(crate) fn judge_by(&mut self, excused: &[String], outcome: ScenarioReport) {
        for finding in &mut self.findings {
            finding.excused = excused.iter().any(|name| name == finding.mistake.name());
        }
        self.scenario = Some(outcome);
        self.judge();
    }

    /// Whether nobody joined although somebody could have.
    pub fn is_unjoined(&self) -> bool {
        !self.joined && !self.scenario.as_ref().is_some_and(|scenario| scenario.nobody_joins)
    }

    /// What of the scenario's expectations does not hold; nothing without a scenario.
    pub fn unmet(&self) -> &[String] {
        self.scenario.as_ref().map_or(&[], |scenario| &scenario.unmet)
    }

    fn judge(&mut self) {
        let is_wrong = |finding: &Judged| finding.severity >= Severity::Fault && !finding.excused;
        let is_clean = self.findings_dropped == 0 && !self.findings.iter().any(is_wrong);
        let passed = !self.is_unjoined() && is_clean && self.unmet().is_empty();
        self.verdict = if passed { Verdict::Pass } else { Verdict::Fail };
    }
}

impl WebhookLine {
    /// The line of an attempt at posting a webhook of a stream that started at `start`.
    pub fn new(delivery: &Delivery, start: UnixMillis) -> Self {
        Self {
            at_ms: millis(delivery.at.since(start)),
            event: delivery.event.clone(),
            attempt: delivery.attempt,
            answer: delivery.outcome.to_string(),
            took_ms: delivery.took.map(millis),
        }
    }
}

impl Judged {
    /// Judges a finding in a stream that started at `start`.
    pub fn new(finding: &Finding, start: UnixMillis) -> Self {
        Self {
            at_ms: millis(finding.at.since(start)),
            connection: finding.connection.map(|connection| connection.0),
            severity: finding.mistake.severity(),
            seen: finding.mistake.to_string(),
            advice: finding.mistake.advice(),
            excused: false,
            mistake: finding.mistake.clone(),
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for stream in &self.streams {
            writeln!(f, "{stream}")?;
        }
        write!(f, "verdict: {}", self.verdict.as_str())
    }
}

impl fmt::Display for StreamReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Summary { refused, keep_alives, webhooks, sent, missed } = &self.summary;
        writeln!(f, "stream {}: {}", self.stream, self.verdict.as_str())?;
        writeln!(
            f,
            "  {} joined, {} media connections, {refused} refused for what the client did",
            sent.joins, sent.media_connections
        )?;
        writeln!(f, "  {keep_alives}")?;
        writeln!(
            f,
            "  sent: {} audio, {} video, {} deskshare, {} transcript, {} chat, {} events",
            sent.audio, sent.video, sent.deskshare, sent.transcript, sent.chat, sent.events
        )?;
        if self.joined && sent.is_without_media() {
            writeln!(f, "  no media was received")?;
        }
        if !missed.is_nothing() {
            writeln!(f, "  {missed}")?;
        }
        for webhook in webhooks {
            write!(f, "  webhook {} at {}, attempt {}: ", webhook.event, Seconds(webhook.at_ms), webhook.attempt)?;
            write!(f, "{}", webhook.answer)?;
            webhook.took_ms.map_or(Ok(()), |took_ms| write!(f, " after {took_ms} ms"))?;
            writeln!(f)?;
        }
        if self.is_unjoined() {
            writeln!(f, "  fault: nobody joined")?;
        }
        if let Some(scenario) = &self.scenario {
            write!(f, "{scenario}")?;
        }
        if !self.is_unjoined() && self.findings.is_empty() {
            writeln!(f, "  no findings")?;
        }
        for finding in &self.findings {
            writeln!(f, "  {finding}")?;
        }
        if self.findings_dropped > 0 {
            writeln!(f, "  and {} findings more", self.findings_dropped)?;
        }
        Ok(())
    }
}

impl fmt::Display for ScenarioReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, unmet, unchecked, nobody_joins: _ } = self;
        if unmet.is_empty() && unchecked.is_empty() {
            writeln!(f, "  all is as {name} expects")?;
        }
        for expectation in unmet {
            writeln!(f, "  not as {name} expects: {expectation}")?;
        }
        for expectation in unchecked {
            writeln!(f, "  not checked of what {name} expects: {expectation}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Judged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {}", self.severity.as_str(), Seconds(self.at_ms))?;
        self.connection.map_or(Ok(()), |connection| write!(f, " on connection {connection}"))?;
        if self.excused {
            write!(f, ", which belongs to the scenario and does not count")?;
        }
        write!(f, ": the client {}.\n    {}", self.seen, self.advice)
    }
}

/// Milliseconds, written as seconds.
struct Seconds(u64);

impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:03} s", self.0 / 1_000, self.0 % 1_000)
    }
}

fn millis(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
