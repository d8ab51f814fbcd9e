//! The log as JSON: a layer that writes each event as one object, with the fields of the spans around it.

use std::fmt;

use serde_json::{Map, Value};
use tracing::{
    Event, Subscriber,
    field::{Field, Visit},
    span::{Attributes, Id, Record},
};
use tracing_subscriber::{Layer, layer::Context, registry::LookupSpan};

use super::{escaped::escaped, format::JsonLine};

/// Writes each event as a line to `write`.
pub(super) struct JsonLayer<W>(pub(super) W);

/// The fields of an event or a span, by their names. The text of an event is `message`.
#[derive(Default)]
struct Fields(Map<String, Value>);

impl<S: Subscriber + for<'span> LookupSpan<'span>, W: Fn(&str) + 'static> Layer<S> for JsonLayer<W> {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let mut fields = Fields::default();
        attributes.record(&mut fields);
        if let Some(span) = context.span(id) {
            span.extensions_mut().replace(fields);
        }
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        if let Some(span) = context.span(id)
            && let Some(fields) = span.extensions_mut().get_mut::<Fields>()
        {
            values.record(fields);
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let mut fields = Fields::default();
        event.record(&mut fields);
        let message = fields.0.remove("message");
        let message = message.as_ref().and_then(Value::as_str).unwrap_or_default();
        let mut around = Map::new();
        for span in context.event_scope(event).into_iter().flat_map(|scope| scope.from_root()) {
            if let Some(Fields(fields)) = span.extensions().get::<Fields>() {
                around.extend(fields.clone());
            }
        }
        let metadata = event.metadata();
        (self.0)(&JsonLine::new(*metadata.level(), metadata.target(), message).with(fields.0, around).text());
    }
}

impl Visit for Fields {
    fn record_u64(&mut self, field: &Field, value: u64) {
        self.0.insert(field.name().to_owned(), value.into());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.0.insert(field.name().to_owned(), value.into());
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.0.insert(field.name().to_owned(), value.into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.0.insert(field.name().to_owned(), value.into());
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name().to_owned(), escaped(&value).into());
    }

    // What is written with `%` comes here too.
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.0.insert(field.name().to_owned(), escaped(&format_args!("{value:?}")).into());
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "in a test, a panic is the answer")]
mod tests {
    use std::sync::{Arc, Mutex};

    use serde_json::json;
    use tracing_subscriber::layer::SubscriberExt;

    use super::*;
    use crate::logging::escaped::MAX_VALUE_BYTES;

    #[test]
    fn an_event_is_one_object_with_its_fields_and_those_of_the_spans_around_it() {
        let line = logged(|| {
            let _stream = tracing::info_span!("stream", stream_id = %"a/b", connection = "none").entered();
            let media = tracing::info_span!("media", connection = %"audio", late = tracing::field::Empty).entered();
            media.record("late", true);
            tracing::warn!(count = 7, below = -1, ratio = 0.5, is_new = false, error = %"why", "lost {}", 3);
        });

        let mut object: Value = serde_json::from_str(&line).unwrap();
        let at = object["timestamp"].take();
        assert!(humantime::parse_rfc3339(at.as_str().unwrap()).is_ok(), "{at}");
        assert_eq!(
            object,
            json!({
                "timestamp": null, "level": "WARN", "target": "rtms::logging::json::tests", "message": "lost 3",
                "fields": { "count": 7, "below": -1, "ratio": 0.5, "is_new": false, "error": "why" },
                "span": { "stream_id": "a/b", "connection": "audio", "late": true },
            })
        );
    }

    #[test]
    fn whatever_is_in_a_value_stays_in_its_line_and_has_an_end() {
        let line = logged(|| {
            let _stream = tracing::info_span!("stream", stream_id = %"a\nb").entered();
            let long = "é".repeat(100_000);
            tracing::info!(event = %"x\n\"}\u{1b}[2J\u{202e}\u{2028}", long, "{long}");
        });

        assert!(line.len() < 3 * MAX_VALUE_BYTES && !line.contains(char::is_control), "{line}");
        assert!(!line.contains(['\u{202e}', '\u{2028}']), "{line}");
        let object: Value = serde_json::from_str(&line).unwrap();
        assert_eq!(object["span"]["stream_id"], r"a\nb");
        assert_eq!(object["fields"]["event"], r#"x\n"}\u{1b}[2J\u{202e}\u{2028}"#);
        for long in [&object["message"], &object["fields"]["long"]] {
            assert!(long.as_str().unwrap().ends_with("é…"), "{long}");
        }
    }

    /// The one line that this logs, without its end.
    fn logged(what: impl FnOnce()) -> String {
        let lines = Arc::<Mutex<String>>::default();
        let written = lines.clone();
        let layer = JsonLayer(move |line: &str| written.lock().unwrap().push_str(line));
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), what);
        let text = lines.lock().unwrap().clone();
        text.strip_suffix('\n').unwrap().to_owned()
    }
}
