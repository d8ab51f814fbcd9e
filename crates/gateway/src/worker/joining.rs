//! Joining a claimed stream: what is known of it becomes what its task needs.

use std::{sync::Arc, time::Duration};

use rtms_proto::{credentials::Credentials, error::Misuse, join_options::JoinOptions, signaling::StreamStart};
use rtms_record::RecordingAbout;
use rtms_store::{
    receipts::{Receipt, ReceiptFilter, Step},
    stream_record::StreamRecord,
    streams::StreamFilter,
    wanted::{Start, Wish},
};
use rtms_wire::{
    Bytes,
    codes::product::Product,
    extra::Extra,
    ids::{InstanceId, InstanceIdField, StreamId},
    signature::HandshakeSignature,
    time::UnixMillis,
    webhook::{Webhook, event_name},
};
use tracing::{debug, warn};

use crate::{
    apps::Apps,
    clock,
    live::{
        ledger_input::ClockPair,
        stream_span,
        stream_task::{self, Finished, JoinParams, StreamDeps, TaskHandle},
        summary,
        tenure::Tenure,
    },
};

/// The ended streams among which a former one of the same meeting is searched.
const LOOK_AT: usize = 1_000;

/// Joins streams.
pub(super) struct Joiner {
    deps: Arc<StreamDeps>,
    apps: Apps,
}

/// Why a claimed stream cannot be joined.
#[derive(Debug, thiserror::Error)]
pub(super) enum CannotJoin {
    #[error("the start does not say what is streamed")]
    NoInstance,
    #[error("the product is unknown")]
    NoProduct,
    #[error("there is no app \"{0}\" any more and the webhook carries no signature")]
    NoCredentials(String),
    #[error("its lease is over")]
    TooLate,
    #[error(transparent)]
    Misuse(#[from] Misuse),
}

impl Joiner {
    pub(super) fn new(deps: Arc<StreamDeps>, apps: Apps) -> Self {
        Self { deps, apps }
    }

    /// Makes the task of a stream that this process has claimed under a fencing token.
    ///
    /// # Errors
    /// [`CannotJoin`]; nothing is dialed then.
    pub(super) async fn join(
        &self,
        record: &StreamRecord,
        wish: &Wish<'_>,
        tenure: Tenure,
    ) -> Result<(TaskHandle, impl Future<Output = Finished> + Send + use<>), CannotJoin> {
        let stream_id = &record.stream_id;
        let receipts = receipts(&self.deps, stream_id).await;
        let start_webhook = self.start_webhook(record).await;
        let instance = wish.start.instance.clone().ok_or(CannotJoin::NoInstance)?;
        let product = wish.start.product.ok_or(CannotJoin::NoProduct)?;
        let signature = self.signature(stream_id, wish)?;
        let about = about(stream_id, wish.start).ok_or(CannotJoin::NoInstance)?;
        let about = RecordingAbout { continues: self.former(stream_id, wish.start).await, ..about };
        let asked = receipts.iter().find(|receipt| Some(receipt.id) == record.connection_entry);
        let params = JoinParams {
            options: JoinOptions {
                age: asked.map_or(Duration::ZERO, |asked| age(asked, clock::unix_millis())),
                // Where waits begin; any number that others do not have.
                seed: uuid::Uuid::now_v7().as_u64_pair().1,
                alternatives: self.alternatives(stream_id, wish, &instance, &signature),
            },
            // A start without a time of its own has ours, which proves nothing.
            clocks: asked
                .map(|asked| ClockPair { zoom: wish.at, ours: asked.received_at })
                .filter(|pair| pair.zoom != pair.ours),
            start_webhook,
            was_connected: receipts.iter().any(|receipt| receipt.steps.at(Step::Connected).is_some()),
            counted: summary::counted(record),
            is_closing: record.wanted.is_closing(),
            tenure,
        };
        let start = StreamStart {
            stream_id: stream_id.clone(),
            instance,
            product,
            signature,
            server_urls: wish.server_urls.to_vec(),
        };
        // The store may have taken its time.
        if params.tenure.is_to_be_left() {
            return Err(CannotJoin::TooLate);
        }
        let span = stream_span::of_start(stream_id, wish.start);
        Ok(stream_task::start(start, about, span, params, self.deps.clone())?)
    }

    /// The stream of the same meeting, session, engagement or call that ended last, before this one began: a meeting whose stream
    /// was lost goes on in another one.
    async fn former(&self, stream_id: &StreamId, start: &Start) -> Option<StreamId> {
        let filter = StreamFilter { open: Some(false), limit: LOOK_AT };
        let ended = self.deps.store.list(filter).await;
        let ended = ended.inspect_err(|error| warn!(%error, "cannot look for a former stream of the meeting")).ok()?;
        let earlier = ended.into_iter().filter_map(|record| {
            let former = record.wanted.newest_start().filter(|former| former.is_of_the_same_meeting(start))?.at;
            (former < start.at && record.stream_id != *stream_id).then_some((former, record.stream_id))
        });
        earlier.max_by_key(|(at, _)| *at).map(|(_, stream_id)| stream_id)
    }

    /// The body of the start webhook that asked for the connection, if a wire log wants it.
    async fn start_webhook(&self, record: &StreamRecord) -> Option<Bytes> {
        self.deps.wire_logs.as_ref()?;
        let body = self.deps.store.receipt_body(record.connection_entry?).await;
        let body = body
            .inspect_err(|error| warn!(%error, "cannot read the start webhook, the wire log goes without it"))
            .ok()??;
        let is_start = Webhook::decode(&body).is_ok_and(|webhook| webhook.event.kind() == event_name::Kind::Started);
        is_start.then_some(body)
    }

    /// Other names of the same stream: Zoom's documents disagree on the field of a webinar, and the signature that a
    /// webhook may carry is Zoom's own.
    fn alternatives(
        &self,
        stream_id: &StreamId,
        wish: &Wish<'_>,
        instance: &InstanceId,
        ours: &HandshakeSignature,
    ) -> Vec<Credentials> {
        let mut names = Vec::new();
        let other_field = match (wish.start.product, instance.field) {
            (Some(Product::Webinar), InstanceIdField::WebinarUuid) => Some(InstanceIdField::MeetingUuid),
            (Some(Product::Webinar), InstanceIdField::MeetingUuid) => Some(InstanceIdField::WebinarUuid),
            (_, _) => None,
        };
        if let Some(field) = other_field {
            // The signature is over the value, which stays.
            let instance = InstanceId { field, ..instance.clone() };
            names.push(Credentials { instance, signature: ours.clone() });
        }
        if let Some(theirs) = wish.start.signature.as_ref().filter(|theirs| *theirs != ours) {
            debug!(%stream_id, "kept the signature of the webhook, in case Zoom refuses ours");
            names.push(Credentials { instance: instance.clone(), signature: theirs.clone() });
        }
        names
    }

    /// Ours if we know the app, otherwise the one that the webhook carried.
    fn signature(&self, stream_id: &StreamId, wish: &Wish<'_>) -> Result<HandshakeSignature, CannotJoin> {
        let start = wish.start;
        let instance = start.instance.as_ref().ok_or(CannotJoin::NoInstance)?;
        let ours = self.apps.now().iter().find(|app| app.name == start.app).map(|app| app.sign(instance, stream_id));
        ours.or_else(|| start.signature.clone()).ok_or_else(|| CannotJoin::NoCredentials(start.app.to_string()))
    }
}

/// The webhooks of a stream, as far as they are known; none if the store does not say.
pub(super) async fn receipts(deps: &StreamDeps, stream_id: &StreamId) -> Vec<Receipt> {
    let filter = ReceiptFilter { stream_id: Some(stream_id.clone()), ..ReceiptFilter::default() };
    deps.store.receipts(filter).await.unwrap_or_else(|error| {
        warn!(%stream_id, %error, "cannot read the receipts of a stream");
        Vec::new()
    })
}

/// Returns the description of a stream for its recording; none if its start does not name the product and instance.
pub(super) fn about(stream_id: &StreamId, start: &Start) -> Option<RecordingAbout> {
    let mut extra = Extra::new();
    extra.insert("app".into(), start.app.as_str().into());
    if let Some(region) = &start.region {
        extra.insert("region".into(), region.as_str().into());
    }
    Some(RecordingAbout {
        stream_id: stream_id.clone(),
        product: start.product?,
        instance: start.instance.clone()?,
        account_id: start.account_id.clone(),
        meeting_id: start.meeting_id.clone(),
        operator_id: start.operator_id.clone(),
        is_original_host: start.is_original_host,
        continues: None,
        started_at: start.at,
        extra,
    })
}

/// Returns the time since the window opened in which Zoom waits for us.
///
/// If another process was connected on this webhook, the window opened when that connection was lost, at a time that
/// is unknown here.
fn age(asked: &Receipt, now: UnixMillis) -> Duration {
    if asked.steps.at(Step::Connected).is_some() { Duration::ZERO } else { now.since(asked.received_at) }
}
