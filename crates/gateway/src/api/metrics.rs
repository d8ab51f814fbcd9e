//! `GET /metrics`: Prometheus's text format, or OpenMetrics for a client that asks for it by name.

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
    let (content_type, text) =
        if asks_for_open_metrics(accept) { (OPEN_METRICS, text) } else { (CLASSIC, classic(&text)) };
    ([(header::CONTENT_TYPE, content_type), (header::VARY, "accept")], text)
}

/// Whether the values of `Accept` name OpenMetrics, and put nothing textual before it. Browsers and curl accept anything, and
/// show only text.
fn asks_for_open_metrics<'a>(accept: impl Iterator<Item = &'a str>) -> bool {
    let ranges: Vec<_> = accept.flat_map(|value| value.split(',')).map(range).collect();
    let quality = |name: &str| ranges.iter().find(|(range, _)| range.eq_ignore_ascii_case(name)).map(|(_, q)| *q);
    // Of the ranges that match text, the most special one counts.
    let text = ["text/plain", "text/*", "*/*"].into_iter().find_map(quality).unwrap_or(0.0);
    quality("application/openmetrics-text").is_some_and(|quality| quality > 0.0 && quality >= text)
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
    fn open_metrics_is_for_clients_that_ask_for_it() {
        for accept in [
            "",
            "*/*",
            "application/json",
            "text/html,application/xhtml+xml,*/*;q=0.8",
            "text/plain",
            "text/plain;version=0.0.4",
            "text/*;q=0.5",
            "application/openmetrics-text;q=0.4, TEXT/PLAIN;version=0.0.4;q=0.7",
            "*/*;q=0.1,text/plain",
            "application/openmetrics-text;q=0, */*",
            "application/openmetrics-text;q=0",
        ] {
            assert!(!asks_for_open_metrics([accept].into_iter()), "{accept}");
        }
        for accept in [
            "application/openmetrics-text",
            "text/plain;q=0.3,application/openmetrics-text;version=1.0.0;q=0.5",
            "text/plain, application/openmetrics-text",
            // Prometheus, as it asks by itself.
            "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,application/openmetrics-text;version=0.0.1;q=0.5,\
             text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2",
        ] {
            assert!(asks_for_open_metrics([accept].into_iter()), "{accept}");
        }
        assert!(!asks_for_open_metrics([].into_iter()));
        let in_two_headers = ["application/openmetrics-text;q=0.1", "text/plain"];
        assert!(!asks_for_open_metrics(in_two_headers.into_iter()));
    }

    #[test]
    fn in_the_older_format_every_sample_follows_its_own_help_and_type() {
        let metrics = Metrics::default();
        metrics.webhook(WebhookResult::Stored);
        metrics.answered(std::time::Duration::from_millis(7));
        let open = metrics.render(Stats::default());
        let text = classic(&open);

        let mut described: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        let (mut current, mut type_of) = ("", "");
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
                    "TYPE" => {
                        assert!(["counter", "gauge", "histogram"].contains(&rest), "{line}");
                        assert_eq!(rest == "counter", name.ends_with("_total"), "{line}");
                        type_of = rest;
                    }
                    _ => panic!("{line}"),
                }
            } else {
                let (series, value) = line.rsplit_once(' ').expect(line);
                let name = series.split('{').next().expect(line);
                let suffixes: &[_] = if type_of == "histogram" { &["_bucket", "_sum", "_count"] } else { &[""] };
                assert!(suffixes.iter().any(|suffix| name.strip_suffix(suffix) == Some(current)), "{line}");
                assert!(value.parse::<f64>().is_ok(), "{line}");
                samples += 1;
            }
        }
        assert!(described.values().all(|kinds| kinds == &["HELP", "TYPE"]), "{described:?}");
        assert_eq!(samples, open.lines().filter(|line| !line.starts_with('#')).count(), "no sample is lost");
        for line in [
            "rtms_webhooks_total{result=\"stored\"} 1",
            "rtms_webhook_answer_seconds_bucket{le=\"0.005\"} 0",
            "rtms_webhook_answer_seconds_bucket{le=\"0.01\"} 1",
            "rtms_webhook_answer_seconds_bucket{le=\"+Inf\"} 1",
            "rtms_webhook_answer_seconds_count 1",
        ] {
            assert!(text.lines().any(|shown| shown == line), "{line}:\n{text}");
        }
    }
}
