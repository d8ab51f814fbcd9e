//! The span of a stream in the log: each line in it names the stream and what it streams. Ids alone, never people.

use rtms_store::{folding::FoldInput, stream_record::StreamRecord, wanted::Start};
use rtms_wire::{
    SmolStr,
    codes::product::Product,
    ids::{InstanceId, StreamId},
};
use tracing::{Span, field, info_span};

/// Returns the span of a stream that has this start.
pub(crate) fn of_start(stream_id: &StreamId, start: &Start) -> Span {
    span(Some(stream_id), start.product, start.instance.as_ref(), start.meeting_id.as_ref())
}

/// Returns the span of a stream, with what its newest start says.
pub(crate) fn of_record(record: &StreamRecord) -> Span {
    match record.wanted.newest_start() {
        Some(start) => of_start(&record.stream_id, start),
        None => span(Some(&record.stream_id), None, None, None),
    }
}

/// Returns the span of the stream that a webhook is about, with what the webhook says.
pub(crate) fn of_webhook(input: &FoldInput) -> Span {
    span(input.stream_id.as_ref(), input.product, input.instance.as_ref(), input.meeting_id())
}

fn span(
    stream_id: Option<&StreamId>,
    product: Option<Product>,
    instance: Option<&InstanceId>,
    meeting_id: Option<&SmolStr>,
) -> Span {
    info_span!(
        "stream",
        stream_id = stream_id.map(field::display),
        product = product.map(field::display),
        instance_id = instance.map(|instance| field::display(&instance.value)),
        meeting_id = meeting_id.map(field::display),
    )
}
