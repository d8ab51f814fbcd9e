//! The folding rules: what a webhook changes in what is known of its stream, and the word for it. Pure. Basis: docs/protocol.md#webhooks, duplicates and order.

use rtms_wire::{
    codes::{product::Product, stop_reason::StopReason},
    ids::{AccountId, InstanceId, StreamId},
    signature::HandshakeSignature,
    time::UnixMillis,
    webhook::{Webhook, WebhookBody, server_url},
};
use smol_str::SmolStr;

use crate::{
    class::Class,
    entry::{EntryId, Verdict},
    stream_record::StreamRecord,
    wanted::{InstanceKey, Interruption, Start, Stop, Wanted},
};

/// A webhook about a stream, with its URLs checked.
#[derive(Clone, Debug, PartialEq)]
pub struct FoldInput {
    /// The event's name as it was sent.
    pub event: SmolStr,
    /// When it happened, on Zoom's clock; when absent, the entry's arrival stands in.
    pub event_ts: Option<UnixMillis>,
    /// The product, by the event's name.
    pub product: Option<Product>,
    /// What is streamed.
    pub instance: Option<InstanceId>,
    /// Which stream; absent in some stops, which then go by the instance.
    pub stream_id: Option<StreamId>,
    /// The account.
    pub account_id: Option<AccountId>,
    /// The change that it tells of.
    pub change: Change,
}

/// What happened to a stream.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    /// It began, or moved.
    Started {
        /// Where to connect, in Zoom's order, **checked**. Empty makes the webhook unusable.
        server_urls: Vec<String>,
        /// The code of the data centre.
        region: Option<SmolStr>,
        /// The meeting's number.
        meeting_id: Option<SmolStr>,
        /// Who triggered it.
        operator_id: Option<SmolStr>,
        /// Whether the operator is the original host.
        is_original_host: Option<bool>,
        /// The host.
        host_id: Option<SmolStr>,
        /// The developer's own session id.
        session_key: Option<SmolStr>,
        /// A handshake signature made by Zoom.
        signature: Option<HandshakeSignature>,
    },
    /// It is over.
    Stopped {
        /// Zoom's reason, if it gave one.
        reason: Option<StopReason>,
    },
    /// Zoom's side of the connection broke.
    Interrupted {
        /// New places to connect to, **checked**; mostly empty.
        server_urls: Vec<String>,
    },
}

impl FoldInput {
    /// Reads a webhook, with `checked_urls` in place of its own. None if it is not about a stream.
    pub fn from_webhook(webhook: &Webhook, checked_urls: Vec<String>) -> Option<Self> {
        let text = |text: &Option<String>| text.as_deref().map(SmolStr::new);
        let change = match &webhook.body {
            WebhookBody::RtmsStarted(started) => Change::Started {
                region: checked_urls.iter().find_map(|url| server_url::region(url)).map(SmolStr::new),
                server_urls: checked_urls,
                meeting_id: text(&webhook.details.meeting_id),
                operator_id: text(&webhook.details.operator_id),
                is_original_host: started.is_original_host,
                host_id: text(&webhook.details.host_id),
                session_key: text(&webhook.details.session_key),
                signature: started.signature.clone(),
            },
            WebhookBody::RtmsStopped(stopped) => Change::Stopped { reason: stopped.stop_reason },
            WebhookBody::RtmsInterrupted(_) => Change::Interrupted { server_urls: checked_urls },
            WebhookBody::ConcurrencyNearLimit(_)
            | WebhookBody::ConcurrencyLimited(_)
            | WebhookBody::StartFailed
            | WebhookBody::RequestStatus
            | WebhookBody::UrlValidation { .. }
            | WebhookBody::Other => return None,
        };
        Some(Self {
            event: webhook.sent_as.clone(),
            event_ts: webhook.event_ts,
            product: webhook.product(),
            instance: webhook.instance.clone(),
            stream_id: webhook.stream_id.clone(),
            account_id: webhook.account_id.clone(),
            change,
        })
    }

    /// The meeting's number, if it is a start that has one.
    pub fn meeting_id(&self) -> Option<&SmolStr> {
        match &self.change {
            Change::Started { meeting_id, .. } => meeting_id.as_ref(),
            Change::Stopped { .. } | Change::Interrupted { .. } => None,
        }
    }

    /// What this webhook alone says of its stream.
    ///
    /// `received_at` and `app` are its entry's.
    pub fn wanted(&self, received_at: UnixMillis, app: &SmolStr) -> Wanted {
        let at = self.event_ts.unwrap_or(received_at);
        let mut wanted = Wanted { instances: self.instance_key(app).into_iter().collect(), ..Wanted::default() };
        match &self.change {
            Change::Started {
                server_urls,
                region,
                meeting_id,
                operator_id,
                is_original_host,
                host_id,
                session_key,
                signature,
            } => {
                let start = Start {
                    at,
                    server_urls: server_urls.clone(),
                    region: region.clone(),
                    app: app.clone(),
                    product: self.product,
                    instance: self.instance.clone(),
                    account_id: self.account_id.clone(),
                    meeting_id: meeting_id.clone(),
                    operator_id: operator_id.clone(),
                    is_original_host: *is_original_host,
                    host_id: host_id.clone(),
                    session_key: session_key.clone(),
                    signature: signature.clone(),
                    event: Some(self.event.clone()),
                };
                match self.event_ts {
                    Some(_) => wanted.start = Some(start),
                    None => wanted.undated_starts.push(start),
                }
            }
            Change::Stopped { reason } => wanted.stop = Some(Stop::new(at, *reason).sent_as(&self.event)),
            Change::Interrupted { server_urls } => {
                let (server_urls, event) = (server_urls.clone(), Some(self.event.clone()));
                let interruption = Interruption { at, server_urls, event };
                wanted.moved = (!interruption.server_urls.is_empty()).then(|| interruption.clone());
                wanted.interruption = Some(interruption);
            }
        }
        wanted
    }

    pub(crate) fn instance_key(&self, app: &SmolStr) -> Option<InstanceKey> {
        let instance = self.instance.as_ref()?;
        Some(InstanceKey { app: app.clone(), product: self.product, value: instance.value.clone() })
    }
}

/// What folding a webhook came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Folded {
    /// The word.
    pub class: Class,
    /// Why, for people.
    pub reason: String,
    /// The streams that it is about.
    pub stream_ids: Vec<StreamId>,
}

impl Folded {
    /// What is put down with the entry.
    pub(crate) fn verdict(&self, input: &FoldInput) -> Verdict {
        // A stop of an instance names no stream; if it came to one, people will look for it there.
        let only = if let [only] = self.stream_ids.as_slice() { Some(only.clone()) } else { None };
        Verdict {
            class: self.class,
            reason: self.reason.clone(),
            event: Some(input.event.clone()),
            stream_id: input.stream_id.clone().or(only),
        }
    }
}

/// The entry that is folded.
pub(crate) struct Folding<'a> {
    pub(crate) id: EntryId,
    pub(crate) received_at: UnixMillis,
    pub(crate) app: &'a SmolStr,
    pub(crate) now: UnixMillis,
}

/// Folds what a webhook says of one stream into its record. `stops` are those of the instances that the record did not name
/// before.
pub(crate) fn fold_stream(
    record: &mut StreamRecord,
    stops: impl IntoIterator<Item = Stop>,
    entry: &Folding<'_>,
    input: &FoldInput,
    news: &Wanted,
) -> (Class, String) {
    let before_all = record.clone();
    for stop in stops {
        record.wanted.join(Wanted { stop: Some(stop), ..Wanted::default() });
    }
    let before = record.wanted.clone();
    record.wanted.join(news.clone());
    if let Some(known) = record.verdict_on(entry.id) {
        return known;
    }
    let (class, reason) = classify(&before, &record.wanted, news, input, entry.received_at);
    if class.asks_for_connection() && record.wanted.is_running() {
        record.connection_entry = Some(entry.id);
    }
    if let (Class::Repeat, Some(start)) = (class, before.newest_start()) {
        record.is_still(start, before.is_closing());
    }
    if !before_all.differs_only_in_lease(record) {
        record.changed_at = entry.now;
        record.remember(entry.id, class, &reason);
    }
    (class, reason)
}

/// The word for a stop of an instance, from what was known of the instance and what it was to each of its streams.
pub(crate) fn of_instance_stop(stop: &Stop, known: Option<&Stop>, of_streams: &[(Class, String)]) -> (Class, String) {
    let stopped = of_streams.iter().filter(|(class, _)| *class == Class::Stopped).count();
    match (of_streams.first(), known) {
        (_, Some(known)) if known.at == stop.at => {
            (Class::Repeat, format!("the same stop of its instance, {}", stop.at))
        }
        (_, Some(known)) if known.is_twin_of(stop) => {
            (Class::Repeat, format!("the stop {} of its instance under another name", known.at))
        }
        (_, Some(known)) if known.at > stop.at => {
            (Class::Late, format!("stop {} is older than the stop {} of its instance", stop.at, known.at))
        }
        (Some(_), _) if stopped > 0 => {
            (Class::Stopped, format!("stops {stopped} of {} streams of its instance", of_streams.len()))
        }
        (Some(verdict), _) => verdict.clone(),
        (None, _) => (Class::StopBeforeStart, "no stream of its instance is known; remembered".into()),
    }
}

/// The word, from what was known before and what is known with it.
fn classify(
    before: &Wanted,
    after: &Wanted,
    news: &Wanted,
    input: &FoldInput,
    received_at: UnixMillis,
) -> (Class, String) {
    if let Some(known_at) = known_under_another_name(before, after, news) {
        return (Class::Repeat, format!("the event {known_at} under another name"));
    }
    let at = input.event_ts.unwrap_or(received_at);
    match &input.change {
        Change::Started { server_urls, .. } => classify_start(before, after, at, input.event_ts.is_some(), server_urls),
        Change::Stopped { .. } => classify_stop(before, after, at),
        Change::Interrupted { .. } => classify_interruption(before, after, at),
    }
}

/// When what a webhook says happened, if it was known before under another of the event's names.
fn known_under_another_name(before: &Wanted, after: &Wanted, news: &Wanted) -> Option<UnixMillis> {
    // A stop in between makes the second start a new one.
    let is_between = before.is_running() != after.is_running();
    let start = before.start.as_ref().filter(|known| news.start.as_ref().is_some_and(|start| known.is_twin_of(start)));
    let stop = before.stop.as_ref().filter(|known| news.stop.as_ref().is_some_and(|stop| known.is_twin_of(stop)));
    let interruption = before.interruption.as_ref();
    let interruption = interruption.filter(|known| news.interruption.as_ref().is_some_and(|it| known.is_twin_of(it)));
    let known_at = start.map(|it| it.at).or(stop.map(|it| it.at)).or(interruption.map(|it| it.at));
    known_at.filter(|_| !is_between)
}

fn classify_start(before: &Wanted, after: &Wanted, at: UnixMillis, dated: bool, urls: &[String]) -> (Class, String) {
    let known = before.newest_start();
    if let Some(known) = known {
        if dated && known.at == at {
            return (Class::Repeat, format!("the same start, {at}"));
        }
        if !dated && known.server_urls == urls {
            return (Class::Repeat, "a start without a time and with the known urls".into());
        }
        if after.newest_start() == Some(known) {
            return (Class::Late, format!("start {at} is older than the known start {}", known.at));
        }
    }
    if let Some(stop) = after.stop.as_ref().filter(|_| !after.is_running()) {
        return (Class::Late, format!("start {at} is not newer than the stop {}", stop.at));
    }
    match known {
        None => (Class::First, format!("the first start, {at}")),
        Some(known) if before.is_running() => {
            (Class::Failover, format!("start {at} is newer than {} and the stream runs", known.at))
        }
        Some(_) => (Class::First, format!("start {at} opens the stream again after its stop")),
    }
}

fn classify_stop(before: &Wanted, after: &Wanted, at: UnixMillis) -> (Class, String) {
    if let Some(known) = &before.stop {
        if known.at == at {
            return (Class::Repeat, format!("the same stop, {at}"));
        }
        if known.at > at {
            return (Class::Late, format!("stop {at} is older than the known stop {}", known.at));
        }
    }
    let Some(start) = after.newest_start() else {
        return (Class::StopBeforeStart, format!("stop {at} of a stream that no start has named; remembered"));
    };
    if after.is_running() {
        return (Class::Late, format!("stop {at} is older than the start {}", start.at));
    }
    match &before.stop {
        Some(stop) if !before.is_running() => (Class::Stopped, format!("stopped already, {}; now {at}", stop.at)),
        Some(_) | None => (Class::Stopped, format!("stop {at}")),
    }
}

fn classify_interruption(before: &Wanted, after: &Wanted, at: UnixMillis) -> (Class, String) {
    if let Some(stop) = before.stop.as_ref().filter(|stop| stop.at >= at) {
        return (Class::Late, format!("interruption {at} is not newer than the stop {}", stop.at));
    }
    if let Some(known) = before.interruption.as_ref().filter(|known| known.at >= at) {
        return if known.at == at {
            (Class::Repeat, format!("the same interruption, {at}"))
        } else {
            (Class::Late, format!("interruption {at} is older than the known interruption {}", known.at))
        };
    }
    match after.newest_start() {
        None => (Class::Interrupted, format!("interruption {at} of a stream that no start has named; remembered")),
        Some(start) if start.at >= at => {
            (Class::Late, format!("interruption {at} is not newer than the start {}", start.at))
        }
        Some(_) if !after.is_running() => {
            (Class::Interrupted, format!("interruption {at} after the stop; only a start opens the stream again"))
        }
        Some(_) => (Class::Interrupted, format!("interruption {at}: connect again")),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use bytes::Bytes;
    use proptest::{collection::vec, prelude::*, sample::Index};
    use rtms_wire::ids::InstanceIdField;

    use super::*;
    use crate::{
        entry::NewEntry,
        inbox::Inbox,
        memory::MemoryStore,
        operations::Operations,
        streams::{StreamFilter, Streams},
    };

    /// A webhook as it is kept: what it says, and when it came in which app.
    #[derive(Clone, Debug)]
    struct Sent {
        input: FoldInput,
        received_at: UnixMillis,
        app: SmolStr,
    }

    /// Few values, so that ties, repeats and reorderings are the rule.
    fn sent() -> impl Strategy<Value = Sent> {
        let url = prop::sample::select(vec!["wss://a.zoom.us", "wss://b.zoom.us", "wss://c.zoom.us"]);
        let change = (0..3, url, prop::option::of(6..9_i64)).prop_map(|(kind, url, reason)| match kind {
            0 => Change::Started {
                server_urls: vec![url.into()],
                region: None,
                meeting_id: None,
                operator_id: None,
                is_original_host: None,
                host_id: None,
                session_key: None,
                signature: None,
            },
            1 => Change::Stopped { reason: reason.map(StopReason::from_code) },
            _ => Change::Interrupted { server_urls: reason.map(|_| url.into()).into_iter().collect() },
        });
        let at = prop::option::weighted(0.8, 0..8_u64);
        let stream_id = prop::option::weighted(0.8, prop::sample::select(vec!["s", "t"]));
        let instance = prop::option::weighted(0.8, prop::sample::select(vec!["m", "n"]));
        let app = prop::sample::select(vec!["main", "other"]);
        let event = prop::sample::select(vec!["meeting.rtms_", "meeting.rtms."]);
        let who = (stream_id, instance, app);
        (change, event, at, 0..8_u64, who).prop_map(|(change, event, at, received, (stream_id, instance, app))| {
            let input = FoldInput {
                event: event.into(),
                event_ts: at.map(UnixMillis),
                product: Some(Product::Meeting),
                instance: instance.map(|value| InstanceId::new(InstanceIdField::MeetingUuid, value)),
                stream_id: stream_id.map(StreamId::from),
                account_id: None,
                change,
            };
            Sent { input, received_at: UnixMillis(received), app: app.into() }
        })
    }

    /// What is wanted of each stream in the end, and the word for each webhook.
    type Folds = (BTreeMap<StreamId, Wanted>, Vec<Class>);

    fn fold_all<'a>(all: impl IntoIterator<Item = &'a Sent>) -> Folds {
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        runtime.block_on(async {
            let store = MemoryStore::new();
            let mut classes = Vec::new();
            for Sent { input, received_at, app } in all {
                let entry = NewEntry { received_at: *received_at, app: app.clone(), body: Bytes::new() };
                let id = store.append(entry).await.expect("memory fails at nothing");
                classes.push(store.fold(id, input.clone(), UnixMillis(0)).await.expect("it is there").class);
            }
            let records = store.list(StreamFilter { open: None, limit: usize::MAX }).await.expect("it is there");
            (records.into_iter().map(|record| (record.stream_id, record.wanted)).collect(), classes)
        })
    }

    proptest! {
        #[test]
        fn any_order_and_any_repeats_fold_to_the_same_records(
            all in vec(sent(), 0..12),
            keys in vec(any::<u32>(), 12),
            repeats in vec(any::<Index>(), 0..8),
        ) {
            let mut other: Vec<_> = all.iter().zip(&keys).collect();
            other.sort_by_key(|(_, key)| **key);
            let mut other: Vec<_> = other.into_iter().map(|(sent, _)| sent).collect();
            for repeat in repeats {
                if !all.is_empty() {
                    let place = repeat.index(other.len() + 1);
                    other.insert(place, repeat.get(&all));
                }
            }

            prop_assert_eq!(fold_all(&all).0, fold_all(other).0);
        }

        #[test]
        fn a_stream_runs_when_its_newest_start_is_newer_than_any_stop_that_names_it(all in vec(sent(), 0..12)) {
            // The rule told another way, for webhooks that say when they happened.
            let all: Vec<_> = all.into_iter().filter(|sent| sent.input.event_ts.is_some()).collect();
            for (stream_id, wanted) in fold_all(&all).0 {
                let names = |sent: &&Sent| sent.input.stream_id.as_ref() == Some(&stream_id);
                let of = |sent: &Sent| (sent.app.clone(), sent.input.instance.clone().map(|instance| instance.value));
                let its: Vec<_> = all.iter().filter(names).map(of).filter(|(_, value)| value.is_some()).collect();
                let reaches = |sent: &&Sent| names(sent) || sent.input.stream_id.is_none() && its.contains(&of(sent));
                let is_start = |sent: &&Sent| matches!(sent.input.change, Change::Started { .. });
                let is_stop = |sent: &&Sent| matches!(sent.input.change, Change::Stopped { .. });
                let start = all.iter().filter(names).filter(is_start).map(|sent| sent.input.event_ts).max();
                let stop = all.iter().filter(reaches).filter(is_stop).map(|sent| sent.input.event_ts).max();

                prop_assert_eq!(wanted.is_running(), start.is_some() && start > stop, "{:?}", stream_id);
            }
        }

        #[test]
        fn consent_stays_withdrawn_whatever_stops_come_with_it(all in vec(sent(), 0..12)) {
            let all: Vec<_> = all.into_iter().filter(|sent| sent.input.event_ts.is_some()).collect();
            for (stream_id, wanted) in fold_all(&all).0 {
                let names = |sent: &&Sent| sent.input.stream_id.as_ref() == Some(&stream_id);
                let is_start = |sent: &&Sent| matches!(sent.input.change, Change::Started { .. });
                let revoked = Change::Stopped { reason: Some(StopReason::StreamRevoked) };
                let start = all.iter().filter(names).filter(is_start).map(|sent| sent.input.event_ts).max();
                let revocation = all.iter().filter(names).filter(|sent| sent.input.change == revoked);
                let by_name = revocation.map(|sent| sent.input.event_ts).max();
                if by_name >= start && by_name.is_some() {
                    prop_assert!(wanted.is_revoked(), "{:?}", stream_id);
                }
                prop_assert!(!wanted.is_revoked() || !wanted.is_running(), "{:?}", stream_id);
            }
        }

        #[test]
        fn the_same_webhook_right_after_itself_is_never_news(all in vec(sent(), 1..12)) {
            let twice = all.iter().flat_map(|sent| [sent, sent]);

            for (sent, classes) in all.iter().zip(fold_all(twice).1.chunks(2)) {
                prop_assert!(!matches!(classes[1], Class::First | Class::Failover), "{:?} {:?}", sent, classes);
            }
        }
    }
}
