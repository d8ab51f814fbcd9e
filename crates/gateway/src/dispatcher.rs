//! From the inbox to the records: each stored webhook is read, judged, folded into its stream's record, and settled.
//!
//! It may stop at any point and start again: an entry stays pending until it is settled, and folding twice changes
//! nothing.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use futures_util::future::try_join_all;
use rtms_store::{
    class::Class,
    entry::{Entry, Taken, Verdict},
    error::StoreError,
    folding::FoldInput,
    operations::Operations,
    receipts::{NotedOn, Step},
    store::Store,
};
use rtms_wire::webhook::{Webhook, WebhookBody, server_url::ServerUrlPolicy};
use tracing::{debug, info, warn};

use crate::{clock, door::repeats::RecentBodies, live::stream_span, lock::locked, stop::Stop, telemetry::Metrics};

/// Entries taken at a time.
const BATCH: usize = 256;

/// Entries settled at once. Webhooks that arrive meanwhile wait for them in the same commit, so few; and yet thousands
/// a second, far more than Zoom starts streams.
const GROUP: usize = 8;

/// The time for which this dispatcher owns the entries of a batch. Another one gets those not settled by then.
const TAKE_TERM: Duration = Duration::from_secs(10);

/// The pause before the store is tried again.
const RETRY_AFTER: Duration = Duration::from_millis(500);

/// Reads the inbox. Several may: each entry is one's at a time.
pub(crate) struct Dispatcher {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) policy: ServerUrlPolicy,
    pub(crate) metrics: Arc<Metrics>,
    /// The bodies that were settled before.
    pub(crate) recent: Mutex<RecentBodies>,
}

/// The decision about an entry.
enum Judgement {
    Fold(Box<FoldInput>),
    Settle(Verdict),
}

impl Dispatcher {
    pub(crate) async fn run(self, mut stop: Stop) {
        let mut changes = self.store.inbox_changes();
        loop {
            changes.mark_unchanged();
            let caught_up = match self.settle_some().await {
                Ok(caught_up) => caught_up,
                Err(error) => {
                    self.metrics.store_error();
                    warn!(%error, "cannot read or settle stored webhooks, trying again");
                    tokio::select! {
                        () = stop.given() => return,
                        () = tokio::time::sleep(RETRY_AFTER) => continue,
                    }
                }
            };
            if caught_up {
                tokio::select! {
                    biased;
                    () = stop.given() => return,
                    // The store outlives us, and so does its side of the channel.
                    _ = changes.changed() => {}
                    // Another dispatcher may have taken some and died.
                    () = tokio::time::sleep(TAKE_TERM) => {}
                }
            }
        }
    }

    /// Settles what is pending now; true when that was all.
    async fn settle_some(&self) -> Result<bool, StoreError> {
        let taken = self.store.take(BATCH, TAKE_TERM, clock::unix_millis()).await?;
        let (caught_up, ids) = (taken.len() < BATCH, taken.iter().map(|taken| taken.entry.id).collect::<Vec<_>>());
        let settled = self.settle_all(taken).await;
        if settled.is_err() {
            // The next try is to get them. If that fails too, it gets them when their term ends.
            let _ = self.store.put_back(&ids).await;
        }
        settled.map(|()| caught_up)
    }

    async fn settle_all(&self, taken: Vec<Taken>) -> Result<(), StoreError> {
        let mut taken = taken.into_iter();
        loop {
            // Those of a group share a commit. Their order does not matter: folding is a join.
            let group: Vec<_> = taken.by_ref().take(GROUP).map(|taken| self.settle(taken)).collect();
            if group.is_empty() {
                return Ok(());
            }
            try_join_all(group).await?;
        }
    }

    async fn settle(&self, taken: Taken) -> Result<(), StoreError> {
        let Taken { entry, deliveries } = taken;
        let id = entry.id;
        if deliveries > 1 {
            debug!(entry = %id, deliveries, "a stored webhook was taken before and not settled, settling it now");
        }
        // The door has counted one that came before.
        let is_new = locked(&self.recent).is_new(&entry.body);
        let class = match self.judge(&entry, is_new) {
            Judgement::Settle(verdict) => {
                let class = verdict.class;
                let stream_id = verdict.stream_id.as_ref().map(tracing::field::display);
                let (reason, accepted) = (&verdict.reason, accepted(class));
                if !is_new {
                    debug!(entry = %id, %class, reason, stream_id, "webhook accepted again: {accepted}");
                } else if class == Class::Unusable {
                    warn!(entry = %id, %class, reason, stream_id, "webhook accepted: {accepted}");
                } else {
                    info!(entry = %id, %class, reason, stream_id, "webhook accepted: {accepted}");
                }
                self.store.settle(id, verdict, clock::unix_millis()).await?;
                class
            }
            Judgement::Fold(input) => {
                let span = stream_span::of_webhook(&input);
                let folded = self.store.fold(id, *input, clock::unix_millis()).await?;
                self.store.note_step(NotedOn::from(id), Step::Folded, clock::unix_micros());
                let (class, reason, accepted) = (folded.class, &folded.reason, accepted(folded.class));
                span.in_scope(|| {
                    if is_new || class != Class::Repeat {
                        info!(entry = %id, %class, reason, "webhook accepted: {accepted}");
                    } else {
                        debug!(entry = %id, %class, reason, "webhook accepted again: {accepted}");
                    }
                });
                class
            }
        };
        self.metrics.classified(class.as_str());
        Ok(())
    }

    fn judge(&self, entry: &Entry, is_new: bool) -> Judgement {
        let webhook = match Webhook::decode(&entry.body) {
            Ok(webhook) => webhook.with_believable_time(entry.received_at),
            // The door lets no such body in, but what is on disk may come from another version.
            Err(why) => return Judgement::Settle(Verdict::new(Class::Unusable, why.to_string())),
        };
        let settle = |class, reason: String| {
            let verdict = Verdict::new(class, reason).of_event(&webhook.sent_as);
            Judgement::Settle(match &webhook.stream_id {
                Some(stream_id) => verdict.of_stream(stream_id.clone()),
                None => verdict,
            })
        };
        let checked_urls = match &webhook.body {
            WebhookBody::RtmsStarted(started) => {
                if webhook.stream_id.is_none() {
                    return settle(Class::Unusable, "a start without stream id".into());
                }
                if webhook.instance.is_none() {
                    return settle(Class::Unusable, "a start that does not say what is streamed".into());
                }
                match self.check(&started.server_urls) {
                    Ok(urls) => urls,
                    Err(why) => return settle(Class::Unusable, why),
                }
            }
            // New URLs are optional here: without a good one the stored ones serve.
            WebhookBody::RtmsInterrupted(interrupted) => self.check(&interrupted.server_urls).unwrap_or_default(),
            WebhookBody::RtmsStopped(_) => Vec::new(),
            WebhookBody::UrlValidation { .. } => return settle(Class::UrlValidation, "answered".into()),
            WebhookBody::ConcurrencyNearLimit(_)
            | WebhookBody::ConcurrencyLimited(_)
            | WebhookBody::StartFailed
            | WebhookBody::RequestStatus => return settle(Class::AccountEvent, self.account_event(&webhook, is_new)),
            WebhookBody::Other => return settle(Class::Unknown, format!("{} is not known", webhook.sent_as)),
        };
        match FoldInput::from_webhook(&webhook, checked_urls) {
            Some(input) if input.stream_id.is_some() || input.instance.is_some() => Judgement::Fold(Box::new(input)),
            Some(_) | None => settle(Class::Unusable, "it names neither stream nor instance".into()),
        }
    }

    /// Counts an event about the account and warns of it unless it came before; gives what it says in words.
    fn account_event(&self, webhook: &Webhook, is_new: bool) -> String {
        let number = |number: Option<u64>| number.map_or("an unknown number of".into(), |number| number.to_string());
        let kind = webhook.event.kind().as_str();
        let text = match &webhook.body {
            WebhookBody::ConcurrencyNearLimit(near) => {
                self.metrics.account_event(kind, near.concurrency_number, near.concurrency_limit);
                let percent = near.percentage.map_or(String::new(), |percent| format!(" ({percent} %)"));
                let (now, limit) = (number(near.concurrency_number), number(near.concurrency_limit));
                format!("{now} of {limit} streams are running{percent}: beyond the limit none starts")
            }
            WebhookBody::ConcurrencyLimited(limited) => {
                self.metrics.account_event(kind, limited.concurrency_number, None);
                let now = number(limited.concurrency_number);
                format!("a stream did not start: {now} streams are running and the account may have no more")
            }
            WebhookBody::StartFailed => {
                self.metrics.account_event(kind, None, None);
                "Zoom says that a stream failed to start; the body holds what it says of it".into()
            }
            WebhookBody::RequestStatus
            | WebhookBody::RtmsStarted(_)
            | WebhookBody::RtmsStopped(_)
            | WebhookBody::RtmsInterrupted(_)
            | WebhookBody::UrlValidation { .. }
            | WebhookBody::Other => {
                self.metrics.account_event(kind, None, None);
                "Zoom tells the state of a request to stream; the body holds what it says of it".into()
            }
        };
        if is_new && !matches!(webhook.body, WebhookBody::RequestStatus) {
            warn!(event = %webhook.sent_as, "{text}");
        }
        text
    }

    /// The URLs that may be connected to, in Zoom's order.
    fn check(&self, urls: &[String]) -> Result<Vec<String>, String> {
        let mut refused = Vec::new();
        let mut good = Vec::new();
        for url in urls {
            match self.policy.check(url) {
                Ok(_) => good.push(url.clone()),
                Err(why) => refused.push(why.to_string()),
            }
        }
        if !good.is_empty() && !refused.is_empty() {
            debug!(why = refused.join("; "), "skipped a server URL beside one that may be connected to");
        }
        match (good.is_empty(), refused.is_empty()) {
            (false, _) => Ok(good),
            (true, true) => Err("no server URL".into()),
            (true, false) => Err(format!("no server URL that may be connected to: {}", refused.join("; "))),
        }
    }
}

/// What a webhook of this class is, for the log.
fn accepted(class: Class) -> &'static str {
    match class {
        Class::First => "new stream",
        Class::Repeat => "repeat of one already known",
        Class::Failover => "the stream moved to another server",
        Class::Late => "older than what is known, nothing changes",
        Class::StopBeforeStart => "stop of a stream whose start has not come",
        Class::Stopped => "the stream is over",
        Class::Interrupted => "the stream is interrupted",
        Class::Unusable => "it lacks what is needed to act on it",
        Class::AccountEvent => "news of the account",
        Class::UrlValidation => "Zoom validates this address",
        Class::Unknown => "an event that this version does not know",
    }
}
