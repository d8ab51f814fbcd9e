//! One stream, or several, on real sockets.

use std::{io::Write, net::SocketAddr, sync::Arc};

use bytes::Bytes;
use rtms_sim::{
    findings::Findings,
    judge::StreamReport,
    meeting::Meeting,
    sent::{Sent, SentCounts},
    webhook::{Deliveries, WebhookPost},
};
use rtms_wire::{
    codes::stop_reason::StopReason,
    ids::{InstanceId, StreamId},
    time::UnixMillis,
};

use crate::{
    config::SimulatorConfig,
    observed::lock,
    playing::{self, Playing, Stage, Streams},
    progress::StreamProgress,
    start_error::StartError,
};

/// A running stream. Dropping it ends it at once, without a word to clients; the servers are gone with the last of
/// their streams.
#[derive(Debug)]
pub struct Simulator {
    address: SocketAddr,
    media_address: SocketAddr,
    signaling_url: String,
    ca_pem: Option<Arc<str>>,
    start_webhook: WebhookPost,
    stream: StreamId,
    playing: Playing,
}

impl Simulator {
    /// Listens, starts the meeting and posts its webhook, in a task of the current runtime.
    ///
    /// # Errors
    /// [`StartError`] when the address is taken or the webhook URL cannot be used; nothing runs then.
    pub async fn start(config: SimulatorConfig) -> Result<Self, StartError> {
        Self::start_recording(config, None).await
    }

    /// Starts as [`Simulator::start`] does, and writes everything that is sent to `record`, a JSON object a line.
    ///
    /// # Errors
    /// As [`Simulator::start`]. A record that cannot be written is given up with a warning.
    pub async fn start_recording(
        config: SimulatorConfig,
        record: Option<Box<dyn Write + Send>>,
    ) -> Result<Self, StartError> {
        let mut streams = Self::start_many(config, 1, record).await?;
        let Some(only) = streams.pop() else { unreachable!("as many start as are asked for, and one at least") };
        Ok(only)
    }

    /// Starts this many meetings, at least one, on the same servers: each has its own seed, which follows from the
    /// first one's, its own ids, its own path in the URLs, and its own webhooks. What goes wrong goes wrong in each of
    /// them.
    ///
    /// # Errors
    /// As [`Simulator::start_recording`].
    pub async fn start_many(
        config: SimulatorConfig,
        meetings: usize,
        record: Option<Box<dyn Write + Send>>,
    ) -> Result<Vec<Self>, StartError> {
        let meetings = meetings.max(1);
        let stage = Stage::open(&config, meetings, meetings > 1).await?;
        let record = record.map(playing::shared);
        let server = stage.door.first();
        let mut simulators = Vec::with_capacity(meetings);
        for number in 0..meetings {
            let mut config = config.clone();
            config.meeting.seed = playing::seed_of(config.meeting.seed, number);
            let playing = stage.play(&config, Streams::One, number, record.clone()).await?;
            let Some(StreamProgress { stream, start_webhook: Some(start_webhook), .. }) =
                playing.progress().streams.into_iter().next()
            else {
                unreachable!("a meeting of a simulator starts with its stream, and nothing comes before its webhook")
            };
            simulators.push(Self {
                address: server.signaling,
                media_address: server.media,
                signaling_url: server.signaling_url(stage.door.in_paths(number)),
                ca_pem: stage.ca_pem.clone(),
                start_webhook,
                stream,
                playing,
            });
        }
        Ok(simulators)
    }

    /// Returns the address where the first server listens for signaling.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns the address where the first server listens for media.
    pub fn media_address(&self) -> SocketAddr {
        self.media_address
    }

    /// Returns the certificate of the authority that clients have to trust, as PEM; none without TLS.
    pub fn ca_pem(&self) -> Option<&str> {
        self.ca_pem.as_deref()
    }

    /// Returns the URL of signaling, as in the webhook.
    pub fn signaling_url(&self) -> &str {
        &self.signaling_url
    }

    /// Returns the body of the start webhook, byte for byte.
    pub fn start_webhook(&self) -> &Bytes {
        &self.start_webhook.body
    }

    /// Returns the headers of the start webhook's first attempt.
    pub fn start_webhook_headers(&self) -> &[(&'static str, String)] {
        &self.start_webhook.headers
    }

    /// Returns the meeting, past and future.
    pub fn meeting(&self) -> &Arc<Meeting> {
        &self.playing.meeting
    }

    /// Returns time zero of the meeting.
    pub fn start_time(&self) -> UnixMillis {
        self.playing.start
    }

    /// Returns the id of what is streamed.
    pub fn instance(&self) -> &InstanceId {
        &self.playing.instance
    }

    /// Returns the id of the stream.
    pub fn stream(&self) -> &StreamId {
        &self.stream
    }

    /// Returns everything that was sent so far, in order; empty unless `keep_sent` is on.
    pub fn sent(&self) -> Vec<Sent> {
        lock(&self.playing.seen).sent.clone()
    }

    /// Returns how much was sent so far.
    pub fn counts(&self) -> SentCounts {
        lock(&self.playing.seen).counts
    }

    /// Returns the findings so far.
    pub fn findings(&self) -> Findings {
        lock(&self.playing.seen).findings.clone()
    }

    /// Returns what was posted so far, attempt by attempt; empty without a URL.
    pub fn deliveries(&self) -> Deliveries {
        lock(&self.playing.seen).deliveries.clone()
    }

    /// Returns the report on the stream; none before [`Simulator::finished`].
    pub fn report(&self) -> Option<StreamReport> {
        lock(&self.playing.seen).report.clone()
    }

    /// Ends the stream for this reason, as if somebody in the meeting had. [`Simulator::finished`] follows.
    pub async fn stop(&self, reason: StopReason) {
        self.playing.stop(reason).await;
    }

    /// Waits until the stream is over, every connection is closed, and the last webhook was answered or given up.
    pub async fn finished(&self) {
        self.playing.until(|progress| progress.is_finished).await;
    }
}
