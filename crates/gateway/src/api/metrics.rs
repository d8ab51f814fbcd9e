//! `GET /metrics`: OpenMetrics, or the older text format of Prometheus for a client that prefers it.

use std::{fmt::Write as _, sync::Arc};

use axum::{
    extract::State,
    http::{HeaderMap, header},
    response::IntoResponse,
};

use crate::api::state::ApiState;

const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

const CLASSIC: &str = "text/plain; version=0.0.4; charset=utf-8";

pub(crate) async fn show(State(api): State<Arc<ApiState>>, headers: HeaderMap) -> impl IntoResponse {
    let text = api.metrics.render(api.store.stats());
    let accept = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
    let (content_type, text) = if prefers_classic(accept) { (CLASSIC, classic(&text)) } else { (OPEN_METRICS, text) };
    ([(header::CONTENT_TYPE, content_type), (header::VARY, "accept")], text)
}

/// Whether the values of `Accept` put `text/plain` before OpenMetrics.
fn prefers_classic<'a>(accept: impl Iterator<Item = &'a str>) -> bool {
    let ranges: Vec<_> = accept.flat_map(|value| value.split(',')).map(range).collect();
    // Of the ranges that match, the most special one counts.
    let quality = |names: [&str; 3]| {
        let of = |name: &&str| ranges.iter().find(|(range, _)| range.eq_ignore_ascii_case(name)).map(|(_, q)| *q);
        names.iter().find_map(of).unwrap_or(0.0)
    };
    quality(["text/plain", "text/*", "*/*"]) > quality(["application/openmetrics-text", "application/*", "*/*"])
}

/// A media range and its quality.
fn range(text: &str) -> (&str, f32) {
    let mut parts = text.split(';').map(str::trim);
    let name = parts.next().unwrap_or_default();
    let quality = parts.find_map(|part| part.strip_prefix("q=").or_else(|| part.strip_prefix("Q="))?.parse().ok());
    (name, quality.unwrap_or(1.0))
}

/// OpenMetrics text in the older format: there, a counter's descriptions have the name of its samples, and nothing marks
/// the end.
fn classic(open_metrics: &str) -> String {
    let mut text = String::with_capacity(open_metrics.len());
    let lines: Vec<_> = open_metrics.lines().collect();
    let counters: Vec<_> =
        lines.iter().filter_map(|line| line.strip_prefix("# TYPE ")?.strip_suffix(" counter")).collect();
    for line in lines {
        let described = ["# HELP ", "# TYPE "].iter().find_map(|kind| {
            let (name, rest) = line.strip_prefix(kind)?.split_once(' ')?;
            Some((kind, name, rest))
        });
        // Writing into a string does not fail.
        let _ = match described {
            Some((kind, name, rest)) if counters.contains(&name) => writeln!(text, "{kind}{name}_total {rest}"),
            Some((kind, name, rest)) => writeln!(text, "{kind}{name} {rest}"),
            None if line.starts_with('#') => Ok(()),
            None => writeln!(text, "{line}"),
        };
    }
    text
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use rtms_store::store::Stats;

    use super::*;
    use crate::telemetry::{Metrics, WebhookResult};

    #[test]
    fn the_older_format_is_for_clients_that_prefer_it() {
        for accept in [
            "text/plain",
            "text/plain;version=0.0.4",
            "text/*;q=0.5",
            "application/openmetrics-text;q=0.4, TEXT/PLAIN;version=0.0.4;q=0.7",
            "*/*;q=0.1,text/plain",
            "application/openmetrics-text;q=0, */*",
        ] {
            assert!(prefers_classic([accept].into_iter()), "{accept}");
        }
        for accept in [
            "",
            "*/*",
            "application/json",
            "text/html,application/xhtml+xml,*/*;q=0.8",
            "text/plain;q=0.3,application/openmetrics-text;version=1.0.0;q=0.5",
            "text/plain, application/openmetrics-text",
        ] {
            assert!(!prefers_classic([accept].into_iter()), "{accept}");
        }
        assert!(!prefers_classic([].into_iter()));
        assert!(prefers_classic(["application/openmetrics-text;q=0.1", "text/plain"].into_iter()), "in two headers");
    }

    #[test]
    fn in_the_older_format_every_sample_follows_its_own_help_and_type() {
        let metrics = Metrics::default();
        metrics.webhook(WebhookResult::Stored);
        let open = metrics.render(Stats::default());
        let text = classic(&open);

        let mut described: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        let mut current = "";
        let mut samples = 0;
        for line in text.lines() {
            if let Some(comment) = line.strip_prefix("# ") {
                let mut words = comment.splitn(3, ' ');
                let [Some(kind), Some(name), Some(rest)] = [words.next(), words.next(), words.next()] else {
                    panic!("{line}")
                };
                current = name;
                let kinds = described.entry(name).or_default();
                assert!(!kinds.contains(&kind), "described twice: {line}");
                kinds.push(kind);
                match kind {
                    "HELP" => assert!(!rest.is_empty(), "{line}"),
                    "TYPE" => assert_eq!(rest == "counter", name.ends_with("_total"), "{line}"),
                    _ => panic!("{line}"),
                }
            } else {
                let (series, value) = line.rsplit_once(' ').expect(line);
                assert_eq!(series.split('{').next(), Some(current), "{line}");
                assert!(value.parse::<f64>().is_ok(), "{line}");
                samples += 1;
            }
        }
        assert!(described.values().all(|kinds| kinds == &["HELP", "TYPE"]), "{described:?}");
        assert_eq!(samples, open.lines().filter(|line| !line.starts_with('#')).count(), "no sample is lost");
        assert!(text.contains("\nrtms_webhooks_total{result=\"stored\"} 1\n"), "{text}");
    }
}
