//! What the service shows of a meeting, as JSON.

use rtms_sim::{
    judge::{Judged, WebhookLine},
    webhook::WebhookPost,
};
use serde_json::{Map, Value, json};

use crate::{observed::lock, progress::StreamProgress, service::meetings::Meeting};

/// A meeting in few words, for a list.
pub(super) fn line(meeting: &Meeting) -> Value {
    Value::Object(head(meeting))
}

/// All of a meeting.
pub(super) fn whole(meeting: &Meeting) -> Value {
    let mut shown = head(meeting);
    let progress = meeting.playing.progress();
    let start = meeting.playing.start;
    let start_webhook = progress.streams.last().and_then(|stream| stream.start_webhook.as_ref());
    let seen = lock(&meeting.playing.seen);
    let findings: Vec<_> = seen.findings.iter().map(|finding| Judged::new(finding, start)).collect();
    let webhooks: Vec<_> = seen.deliveries.iter().map(|delivery| WebhookLine::new(delivery, start)).collect();
    let more = [
        ("start_webhook", start_webhook.map(webhook).into()),
        ("streams", progress.streams.iter().map(stream).collect()),
        ("sent", json!(seen.counts)),
        ("findings", json!(findings)),
        ("findings_dropped", seen.findings.dropped().into()),
        ("webhooks", json!(webhooks)),
        ("verdict", seen.report.as_ref().map(|report| report.verdict.as_str()).into()),
        ("not_as_expected", seen.report.as_ref().map(|report| report.unmet().to_vec()).into()),
    ];
    shown.extend(more.map(|(key, value)| (key.to_owned(), value)));
    Value::Object(shown)
}

fn head(meeting: &Meeting) -> Map<String, Value> {
    let progress = meeting.playing.progress();
    let present = progress.streams.last();
    let state = match present {
        _ if progress.is_finished => "finished".into(),
        None => "idle".into(),
        Some(stream) => json!(stream.stage),
    };
    let instance = &meeting.playing.instance;
    let fields = [
        ("id", meeting.number.to_string().into()),
        ("product", meeting.product.as_str().into()),
        ("state", state),
        (instance.field.as_str(), instance.value.as_str().into()),
        ("meeting_id", meeting.playing.meeting_number.as_deref().into()),
        ("started_at", meeting.playing.start.0.into()),
        ("rtms_stream_id", present.map(|stream| stream.stream.as_str()).into()),
        ("signaling_url", meeting.signaling_url.as_str().into()),
    ];
    fields.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
}

fn stream(stream: &StreamProgress) -> Value {
    json!({
        "rtms_stream_id": stream.stream.as_str(),
        "started_at": stream.started_at.0,
        "state": stream.stage,
        "joins": stream.joins,
        "stop_reason": stream.stop_reason,
    })
}

/// A webhook as it was posted, or would have been: the body byte for byte, because it is signed.
fn webhook(post: &WebhookPost) -> Value {
    let headers: Map<String, Value> =
        post.headers.iter().map(|(name, value)| ((*name).to_owned(), value.as_str().into())).collect();
    json!({ "body": String::from_utf8_lossy(&post.body), "headers": headers })
}
