//! The summary of a run of a stream, in the words that list, log and metrics share. It follows from one sum of its
//! ledger.

use rtms_api::{ended::loss_of, standing::standing};
use rtms_proto::{error::StreamError, event::Ending};
use rtms_record::{
    Bookkeeper, Input, Loss, RecordingAbout,
    ledger::{Cause, Change, When},
    loss::{LostPackets, LostPart},
};
use rtms_store::{
    stream_record::StreamRecord,
    summary::{Lasting, Lost, Recorded, RunSummary},
};
use rtms_wire::{codes::status_code::StatusCode, media::medium::MediaTypes, time::UnixMillis};

use crate::{
    live::{ledger_input, recording::Account},
    telemetry::Counted,
};

/// Returns the facts of a run. `opened` is whether this process opened a medium.
pub(crate) fn of_run(ending: &Ending, opened: bool, account: &Account) -> RunSummary {
    let refused_signature =
        matches!(ending, Ending::Failed(StreamError::Refused { status: StatusCode::InvalidSignature, .. }));
    let summary = RunSummary {
        connected: opened || account.connected,
        refused_signature,
        asked_to_end: matches!(ending, Ending::Closed { .. }),
        ..of_account(account)
    };
    if matches!(ending, Ending::Failed(_)) { awaiting_stop(summary, account) } else { summary }
}

/// Returns the facts of a stream that cannot be joined, or that Zoom stopped at this time before it was joined.
pub(crate) fn unjoined(
    about: &RecordingAbout,
    wanted: MediaTypes,
    stopped_at: Option<UnixMillis>,
    now: UnixMillis,
) -> RunSummary {
    let mut book = Bookkeeper::new(about.started_at, about.product, now);
    let stopped = stopped_at.map(|at| Input::Change(Change::Stopped, When::Zoom(at)));
    let changes = [Some(ledger_input::lost_from_the_start(Cause::Unreached)), stopped].into_iter().flatten();
    for input in ledger_input::opening(wanted, about.product, None, about.started_at).into_iter().chain(changes) {
        book.take(&input, now);
    }
    book.take_span_changes(now);
    let ledger = book.ledger().report();
    let loss = Loss::of(&ledger, |_| LostPackets::default());
    let account = Account { ledger: Some(ledger), loss, recorded: Recorded::Unwanted, packets: 0, connected: false };
    let summary = of_account(&account);
    if stopped_at.is_none() { awaiting_stop(summary, &account) } else { summary }
}

/// Adds to the facts of a failed run that more is lost until Zoom stops the stream.
fn awaiting_stop(summary: RunSummary, account: &Account) -> RunSummary {
    let lasting = account.ledger.as_ref().map(Loss::lasting).unwrap_or_default();
    let lasting = lasting.into_iter().map(|(medium, cause)| Lasting { medium, cause: cause.as_str().into() });
    RunSummary { awaits_stop: true, lasting: lasting.collect(), ..summary }
}

/// Returns the same facts once Zoom has stopped the stream, with the account of its recording, if there is one.
pub(crate) fn until_stop(before: RunSummary, stopped_at: UnixMillis, account: Option<&Account>) -> RunSummary {
    let Some(account) = account else { return before.until_stop(stopped_at) };
    let RunSummary { connected, refused_signature, asked_to_end, .. } = before;
    RunSummary { connected, refused_signature, asked_to_end, ..of_account(account) }
}

/// Returns the facts of a run of an earlier process, of which only the recording is left.
pub(crate) fn of_account(account: &Account) -> RunSummary {
    let lost = |part: &LostPart| Lost {
        medium: part.medium,
        cause: part.cause.as_str().into(),
        ms: part.ms,
        packets: part.packets,
    };
    RunSummary {
        connected: account.connected,
        refused_signature: false,
        asked_to_end: false,
        from: account.ledger.as_ref().map(|ledger| ledger.from),
        to: account.ledger.as_ref().map(|ledger| ledger.to),
        lost: account.loss.parts.iter().map(lost).collect(),
        recorded: account.recorded.clone(),
        awaits_stop: false,
        lasting: Vec::new(),
    }
}

/// Returns the part of the last ended run of a stream that the metrics have counted; none if none ended.
pub(crate) fn counted(record: &StreamRecord) -> Option<Counted> {
    let summary = record.ended.as_ref()?.summary.as_deref();
    Some(Counted { state: standing(summary), loss: summary.map(loss_of).unwrap_or_default() })
}
