//! What happens to streams: folding webhooks, claiming, giving up, wishes. Pure changes of records, the same for every engine.
//!
//! Each reads a record, changes it, and saves it in the place of the revision that it read; if somebody was faster, it does so
//! again. So each may be repeated: after an error nobody knows whether it was done, and doing it again is right.

use std::time::Duration;

use async_trait::async_trait;
use rtms_wire::{
    ids::{StreamId, UserId},
    time::UnixMillis,
};

use crate::{
    class::Class,
    entry::EntryId,
    error::StoreError,
    folding::{self, Change, FoldInput, Folded, Folding},
    inbox::Inbox,
    lease::{Lease, OwnerId},
    outcome::Outcome,
    stream_record::{CameraWish, InstanceStop, StreamRecord},
    streams::{RecordChange, Safety, Saved, Streams},
    summary::RunSummary,
    wanted::{InstanceKey, Stop, Wanted},
};

/// How often a change is tried again whose record changes under it. Few write one record, and each try lets one of them through.
const MAX_TRIES: usize = 64;

/// What can be done with the streams of any engine.
#[async_trait]
pub trait Operations: Inbox + Streams {
    /// Changes the record of a stream by a pure function, which may be called several times. Gives what the function gives; none
    /// if there is no record. A record that stays as it is is not saved.
    ///
    /// # Errors
    /// That storage failed, or [`StoreError::Contended`].
    async fn change<T, Pure>(&self, stream_id: &StreamId, safety: Safety, change: Pure) -> Result<Option<T>, StoreError>
    where
        T: Send,
        Pure: for<'record> Fn(&'record mut StreamRecord) -> T + Send + Sync,
    {
        for _ in 0..MAX_TRIES {
            let Some(before) = self.get(stream_id).await? else { return Ok(None) };
            let mut after = before.clone();
            let answer = change(&mut after);
            if replace(self, Some(before), after, safety).await? {
                return Ok(Some(answer));
            }
        }
        Err(StoreError::Contended(stream_id.clone()))
    }

    /// Folds a webhook into the records that it touches, then settles its entry.
    ///
    /// Doing it again changes nothing and gives the same answer. So it need not wait for the disk: a kill of the process
    /// does not undo it, and after a power cut the entry is pending again if its record is not as it was.
    ///
    /// # Errors
    /// [`StoreError::NoSuchEntry`], or that storage failed: the entry stays pending.
    async fn fold(&self, id: EntryId, input: FoldInput, now: UnixMillis) -> Result<Folded, StoreError> {
        let head = self.head(id).await?.ok_or(StoreError::NoSuchEntry(id))?;
        let entry = Folding { id, received_at: head.received_at, app: &head.app, now };
        let mut folded = fold_records(self, &entry, &input).await?;
        let settled = self.settle(id, folded.verdict(&input), now).await?;
        (folded.class, folded.reason) = (settled.class, settled.reason);
        Ok(folded)
    }

    /// Claims a stream: a lease if it is wanted, its wish is not done, and nobody else has a live lease. `now` is a time of
    /// [`Streams::time`].
    ///
    /// # Errors
    /// That storage failed.
    async fn claim(
        &self,
        stream_id: &StreamId,
        owner: &OwnerId,
        term: Duration,
        now: UnixMillis,
    ) -> Result<Option<Lease>, StoreError> {
        let least_token = self.least_token();
        let claim = |record: &mut StreamRecord| record.claim(owner, term, least_token, now);
        Ok(self.change(stream_id, Safety::Process, claim).await?.flatten())
    }

    /// Gives a lease a new term from `now`, a time of [`Streams::time`]. Works without the disk.
    ///
    /// # Errors
    /// [`StoreError::LeaseLost`] if it has run out, even if nobody took the stream since.
    async fn renew(&self, lease: &Lease, term: Duration, now: UnixMillis) -> Result<Lease, StoreError> {
        let renewed = self.renew_many(std::slice::from_ref(lease), term, now).await?.pop();
        renewed.unwrap_or(Err(StoreError::LeaseLost { stream_id: lease.stream_id.clone(), token: lease.token }))
    }

    /// Gives a stream up at a time of [`Streams::time`]. That it has ended is durable when this returns.
    ///
    /// # Errors
    /// [`StoreError::LeaseLost`]; or that storage failed: the lease then stays, so that it can be tried again.
    async fn release(&self, lease: &Lease, outcome: Outcome, now: UnixMillis) -> Result<(), StoreError> {
        let safety = match outcome {
            Outcome::Ended { .. } => Safety::PowerCut,
            Outcome::HandedOver => Safety::Process,
        };
        let release = |record: &mut StreamRecord| record.release(lease, outcome.clone(), now);
        let lost = || Err(StoreError::LeaseLost { stream_id: lease.stream_id.clone(), token: lease.token });
        self.change(&lease.stream_id, safety, release).await?.unwrap_or_else(lost)
    }

    /// Puts down that Zoom is to be asked to end a stream, so that its owner asks, also after a restart. Durable when this
    /// returns. Whether there is anything to end.
    ///
    /// # Errors
    /// That storage failed.
    async fn ask_to_close(&self, stream_id: &StreamId, now: UnixMillis) -> Result<bool, StoreError> {
        changed(self, stream_id, |record| record.close(now)).await
    }

    /// Puts down that a stream whose run has ended is wanted again, so that it is joined again, also after a restart. Durable
    /// when this returns. Whether Zoom still streams it and its run had ended.
    ///
    /// # Errors
    /// That storage failed.
    async fn ask_to_retry(&self, stream_id: &StreamId, now: UnixMillis) -> Result<bool, StoreError> {
        changed(self, stream_id, |record| record.retry(now)).await
    }

    /// Puts down whose camera is wanted, or that it is not any more, so that the owner of the stream asks Zoom. Durable when
    /// this returns. None if there is no such stream, or no start of it.
    ///
    /// # Errors
    /// That storage failed.
    async fn choose_camera(
        &self,
        stream_id: &StreamId,
        user_id: &UserId,
        on: bool,
        now: UnixMillis,
    ) -> Result<Option<CameraWish>, StoreError> {
        let choose = |record: &mut StreamRecord| record.choose_camera(user_id.clone(), on, now);
        Ok(self.change(stream_id, Safety::PowerCut, choose).await?.flatten())
    }

    /// Puts down the end of a stream that Zoom stopped while nobody ran it, its process having died; see
    /// [`StreamRecord::is_left_behind`]. Durable when this returns. Whether it was one.
    ///
    /// # Errors
    /// That storage failed.
    async fn conclude(
        &self,
        stream_id: &StreamId,
        owner: &OwnerId,
        why: String,
        summary: RunSummary,
        now: UnixMillis,
    ) -> Result<bool, StoreError> {
        changed(self, stream_id, |record| record.conclude(owner.clone(), why.clone(), summary.clone(), now)).await
    }

    /// Puts down another account of the last run: one that reaches to the stop that came after its end
    /// ([`StreamRecord::is_short_of_stop`]), or that tells of a recording closed after it ([`StreamRecord::unclosed`]).
    /// Durable when this returns. Whether one was awaited.
    ///
    /// # Errors
    /// That storage failed.
    async fn amend(&self, stream_id: &StreamId, summary: RunSummary, now: UnixMillis) -> Result<bool, StoreError> {
        changed(self, stream_id, |record| record.amend(summary.clone(), now)).await
    }
}

impl<Engine: Inbox + Streams + ?Sized> Operations for Engine {}

/// Does a durable change that may find nothing to do. Returns whether it did something.
async fn changed<Engine: Inbox + Streams + ?Sized>(
    engine: &Engine,
    stream_id: &StreamId,
    change: impl Fn(&mut StreamRecord) -> bool + Send + Sync,
) -> Result<bool, StoreError> {
    Ok(engine.change(stream_id, Safety::PowerCut, change).await?.unwrap_or(false))
}

/// Saves a record that changed. Returns whether it is saved, or needs not be.
async fn replace<Engine: Streams + ?Sized>(
    engine: &Engine,
    before: Option<StreamRecord>,
    after: StreamRecord,
    safety: Safety,
) -> Result<bool, StoreError> {
    if before.as_ref() == Some(&after) {
        return Ok(true);
    }
    let saved = engine.save(RecordChange { before, after, safety }).await?;
    Ok(matches!(saved, Saved::As(_)))
}

async fn fold_records<Engine: Streams + ?Sized>(
    engine: &Engine,
    entry: &Folding<'_>,
    input: &FoldInput,
) -> Result<Folded, StoreError> {
    let news = input.wanted(entry.received_at, entry.app);
    let unusable = |why: &str| Folded { class: Class::Unusable, reason: why.into(), stream_ids: Vec::new() };
    match (&input.stream_id, &input.change, &news.stop) {
        (_, Change::Started { server_urls, .. }, _) if server_urls.is_empty() => {
            Ok(unusable("a start without a usable server url"))
        }
        (Some(stream_id), _, _) => {
            let (class, reason) = fold_one(engine, entry, input, stream_id, &news).await?;
            Ok(Folded { class, reason, stream_ids: vec![stream_id.clone()] })
        }
        (None, Change::Stopped { .. }, Some(stop)) => match input.instance_key(entry.app) {
            Some(instance) => fold_instance_stop(engine, entry, input, &instance, stop).await,
            None => Ok(unusable("a stop with neither stream id nor instance id")),
        },
        (None, Change::Started { .. } | Change::Stopped { .. } | Change::Interrupted { .. }, _) => {
            Ok(unusable("no stream id"))
        }
    }
}

/// Folds what a webhook says of one stream.
async fn fold_one<Engine: Streams + ?Sized>(
    engine: &Engine,
    entry: &Folding<'_>,
    input: &FoldInput,
    stream_id: &StreamId,
    news: &Wanted,
) -> Result<(Class, String), StoreError> {
    let mut word = None;
    let mut named_anew = None;
    for _ in 0..MAX_TRIES {
        let before = engine.get(stream_id).await?;
        let mut after = before.clone().unwrap_or_else(|| StreamRecord::new(stream_id.clone(), entry.now));
        let named_anew = named_anew.get_or_insert_with(|| {
            // Of one that is folded again it is not known whether the look at the end was taken.
            let is_again = after.verdict_on(entry.id).is_some();
            let is_new = |instance: &&InstanceKey| is_again || !after.wanted.instances.contains(*instance);
            news.instances.iter().filter(is_new).collect::<Vec<_>>()
        });
        let stops = stops_of(engine, named_anew).await?;
        let folded = folding::fold_stream(&mut after, stops.clone(), entry, input, news);
        // It was saved once: a second look may add a stop, and the word stays.
        let folded = word.clone().unwrap_or(folded);
        if !replace(engine, before, after, Safety::Process).await? {
            continue;
        }
        // A stop of an instance looks for streams after it is remembered. One that did not find this stream is found here.
        if stops_of(engine, named_anew).await? == stops {
            return Ok(folded);
        }
        word = Some(folded);
    }
    Err(StoreError::Contended(stream_id.clone()))
}

async fn stops_of<Engine: Streams + ?Sized>(
    engine: &Engine,
    instances: &[&InstanceKey],
) -> Result<Vec<Stop>, StoreError> {
    let mut stops = Vec::new();
    for instance in instances {
        stops.extend(engine.instance_stop(instance).await?.map(|known| known.stop));
    }
    Ok(stops)
}

async fn fold_instance_stop<Engine: Streams + ?Sized>(
    engine: &Engine,
    entry: &Folding<'_>,
    input: &FoldInput,
    instance: &InstanceKey,
    stop: &Stop,
) -> Result<Folded, StoreError> {
    let known = engine.instance_stop(instance).await?;
    let news = InstanceStop { stop: stop.clone(), entry: Some(entry.id) };
    engine.add_instance_stop(instance, news, entry.now).await?;
    let stream_ids = engine.streams_of(instance).await?;
    let news = Wanted { stop: Some(stop.clone()), ..Wanted::default() };
    let mut of_streams = Vec::new();
    for stream_id in &stream_ids {
        of_streams.push(fold_one(engine, entry, input, stream_id, &news).await?);
    }
    // What this entry brought is news when it is folded again.
    let known = known.filter(|known| known.entry != Some(entry.id)).map(|known| known.stop);
    let (class, reason) = folding::of_instance_stop(stop, known.as_ref(), &of_streams);
    Ok(Folded { class, reason, stream_ids })
}
