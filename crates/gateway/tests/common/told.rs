//! A sink that keeps what it is told, and the ledger that follows from it.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use async_trait::async_trait;
use rtms_record::ledger::LedgerReport;
use rtms_sink::{
    delivery::{DEFAULT_QUEUE, Delivery},
    envelope::{Body, Envelope, LedgerSpan},
    error::SinkError,
    sink::Sink,
};
use rtms_wire::media::medium::Medium;

/// What a sink was told so far.
#[derive(Clone, Default)]
pub(crate) struct Told(Arc<Mutex<Vec<Envelope>>>);

impl Told {
    /// The way to it.
    pub(crate) fn delivery(&self) -> Delivery {
        Delivery::lossy(Listener(self.clone()), DEFAULT_QUEUE)
    }

    pub(crate) fn envelopes(&self) -> Vec<Envelope> {
        self.0.lock().unwrap().clone()
    }

    /// The spans, in the order in which they were told.
    pub(crate) fn spans(&self) -> Vec<LedgerSpan> {
        let spans = self.envelopes().into_iter().filter_map(|envelope| match envelope.body {
            Body::LedgerSpan(span) => Some(span),
            _ => None,
        });
        spans.collect()
    }

    /// The ledger that follows from the spans: each millisecond has the word that was told of it last.
    pub(crate) fn ledger(&self) -> BTreeMap<Medium, Vec<(u64, u64, String)>> {
        let mut ledger: BTreeMap<Medium, Vec<(u64, u64, String)>> = BTreeMap::new();
        for span in self.spans() {
            let line = ledger.entry(span.medium).or_default();
            let (from, to) = (span.from.0, span.to.0);
            let kept = line.iter().flat_map(|(begin, end, word)| {
                [(*begin, (*end).min(from), word.clone()), ((*begin).max(to), *end, word.clone())]
            });
            let mut kept: Vec<_> = kept.filter(|(begin, end, _)| begin < end).collect();
            let doing = span.by.or(span.why).map(|doing| format!(" {doing}")).unwrap_or_default();
            kept.push((from, to, format!("{}{doing}", span.is)));
            kept.sort();
            *line = kept;
        }
        ledger.into_iter().map(|(medium, line)| (medium, joined(line))).collect()
    }
}

/// The same of a manifest.
pub(crate) fn written(report: &LedgerReport) -> BTreeMap<Medium, Vec<(u64, u64, String)>> {
    let line = |medium: &Medium| {
        let spans = report.media[medium].spans.iter();
        joined(
            spans
                .map(|span| {
                    let told = serde_json::to_value(span).unwrap();
                    let doing = ["by", "why"].iter().find_map(|key| told[key].as_str());
                    let doing = doing.map(|doing| format!(" {doing}")).unwrap_or_default();
                    (span.from.0, span.to.0, format!("{}{doing}", span.what.word()))
                })
                .collect(),
        )
    };
    report.media.keys().map(|medium| (*medium, line(medium))).collect()
}

/// How many milliseconds a word has, with whose doing it was.
pub(crate) fn total(line: &[(u64, u64, String)], word: &str) -> u64 {
    line.iter().filter(|(.., is)| is.starts_with(word)).map(|(from, to, _)| to - from).sum()
}

/// Neighbours with the same word are one.
fn joined(line: Vec<(u64, u64, String)>) -> Vec<(u64, u64, String)> {
    let mut joined: Vec<(u64, u64, String)> = Vec::new();
    for (from, to, word) in line {
        match joined.last_mut() {
            Some(last) if last.1 == from && last.2 == word => last.1 = to,
            _ => joined.push((from, to, word)),
        }
    }
    joined
}

struct Listener(Told);

#[async_trait]
impl Sink for Listener {
    fn name(&self) -> &str {
        "told"
    }

    async fn deliver(&mut self, batch: &[Arc<Envelope>]) -> Result<(), SinkError> {
        self.0.0.lock().unwrap().extend(batch.iter().map(|envelope| (**envelope).clone()));
        Ok(())
    }
}
