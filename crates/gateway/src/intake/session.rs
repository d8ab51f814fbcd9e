//! One event WebSocket: opened, kept by heartbeats, read into a queue. Every future here may be dropped at any point:
//! what came stays in the session.

use std::{
    future::poll_fn,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use rtms_client::{
    connect::{Connector, Received, Socket, TcpConnector, TcpSocket},
    error::{ConnectError, SocketError},
};
use rtms_wire::{SmolStr, time::UnixMillis, webhook::Webhook, wire_log::without_unused_secrets};
use rtms_zoom_api::token::NoToken;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, mpsc},
    time::{Instant, Interval, MissedTickBehavior, interval_at, sleep, timeout},
};
use tracing::{debug, error, info, warn};

use crate::{
    clock,
    door::repeats::WebhookRepeats,
    intake::{
        frame::{Frame, HEARTBEAT},
        held::{Arrived, HELD_BODIES, Held, MOST_HELD_BYTES},
    },
    label::IntakeEnd,
    stop::Stop,
    telemetry::{IntakeResult, Metrics},
};

/// The longest wait for Zoom to confirm a connection. Not documented; ours.
const BUILT_WITHIN: Duration = Duration::from_secs(10);

/// The silence after which a connection that is left counts as read to its end. Events sent just before may be on their
/// way.
const LINGER: Duration = Duration::from_millis(250);

/// The longest time for which it is read if Zoom goes on sending on it, though there is another.
const LONGEST_LINGER: Duration = Duration::from_secs(10);

/// The longest wait for the closing handshake then, and, when the server stops, for memory.
const LEAVE_WITHIN: Duration = Duration::from_secs(1);

/// Why a connection is over, or never was.
#[derive(Debug, thiserror::Error)]
pub(super) enum Ended {
    #[error("no access token: {0}")]
    NoToken(#[from] NoToken),
    #[error("no connection: {0}")]
    NotConnected(String),
    #[error("Zoom refused it and says \"{0}\"")]
    Refused(String),
    #[error("nothing was heard, not even the echo of a heartbeat")]
    Silent,
    #[error("Zoom closed it")]
    Closed,
    #[error("it broke: {0}")]
    Broken(SocketError),
    #[error("the server stops")]
    Stopping,
}

impl Ended {
    /// Returns the word in the metrics.
    pub(super) fn word(&self) -> IntakeEnd {
        match self {
            Self::NoToken(_) => IntakeEnd::NoToken,
            Self::NotConnected(_) => IntakeEnd::NotConnected,
            Self::Refused(_) => IntakeEnd::Refused,
            Self::Silent => IntakeEnd::Silent,
            Self::Closed => IntakeEnd::Closed,
            Self::Broken(_) => IntakeEnd::Broken,
            Self::Stopping => IntakeEnd::Stopping,
        }
    }
}

/// The queue for the events of a session, with its bounds.
pub(super) struct Outlet {
    app: SmolStr,
    queue: mpsc::UnboundedSender<Held>,
    /// The memory for events in the queue and at the writer, in bytes.
    room: Arc<Semaphore>,
    room_bytes: u32,
    metrics: Arc<Metrics>,
    max_body_bytes: usize,
    repeats: Arc<WebhookRepeats>,
}

impl Outlet {
    pub(super) fn new(
        app: SmolStr,
        queue: mpsc::UnboundedSender<Held>,
        metrics: Arc<Metrics>,
        max_body_bytes: usize,
    ) -> Self {
        let room_bytes = u32::try_from(max_body_bytes.saturating_mul(HELD_BODIES)).unwrap_or(u32::MAX);
        let room_bytes = room_bytes.min(MOST_HELD_BYTES);
        // Its number of permits is a `usize`, which has 32 bits at least wherever this runs.
        let room = Arc::new(Semaphore::new(room_bytes as usize));
        Self { app, queue, room, room_bytes, metrics, max_body_bytes, repeats: Arc::default() }
    }

    /// Waits for memory of this size. None if no events are stored any more.
    async fn room_for(&self, cost: u32) -> Option<OwnedSemaphorePermit> {
        self.room.clone().acquire_many_owned(cost.min(self.room_bytes)).await.ok()
    }

    /// Reads one message. What cannot be read is counted here, and the connection goes on.
    fn decode(&self, bytes: &Bytes) -> Option<Frame> {
        match Frame::decode(bytes) {
            Ok(Frame::Other) => {
                debug!(app = %self.app, "ignored a message by WebSocket that is not about events");
                self.metrics.intake_message(IntakeResult::Other);
                Some(Frame::Other)
            }
            Ok(frame) => Some(frame),
            Err(why) => {
                warn!(%why, app = %self.app, "dropped a message by WebSocket that cannot be read");
                self.metrics.intake_message(IntakeResult::Unreadable);
                None
            }
        }
    }

    /// Returns the event to be stored of a message's content. Unusable content is counted here and dropped.
    fn take(&self, body: Bytes) -> Option<Arrived> {
        let (received_at, received) = (clock::unix_millis(), clock::unix_micros());
        if body.len() > self.max_body_bytes {
            warn!(app = %self.app, bytes = body.len(), "dropped an event that is longer than webhook.max_body_bytes");
            self.metrics.intake_message(IntakeResult::TooLarge);
            return None;
        }
        match Webhook::decode(&body) {
            Ok(webhook) => {
                if self.repeats.is_new(&body, &webhook.sent_as) {
                    info!(event = %webhook.sent_as, app = %self.app, "webhook received by WebSocket");
                }
                Some(Arrived { received_at, received, body: without_unused_secrets(&body) })
            }
            Err(why) => {
                warn!(%why, app = %self.app, "dropped an event by WebSocket that is no webhook");
                self.metrics.intake_message(IntakeResult::Unreadable);
                None
            }
        }
    }
}

/// An open connection.
pub(super) struct Session {
    link: Link,
    heartbeat: Interval,
    /// Whether anything came since the last heartbeat was sent.
    heard: bool,
    /// The number of messages so far.
    messages: u64,
    /// The event that waits for memory; nothing more is read meanwhile.
    pending: Option<Arrived>,
    pub(super) since: UnixMillis,
}

/// A socket, and the text that is being written to it.
struct Link {
    socket: TcpSocket,
    outgoing: Option<String>,
    flushed: bool,
    /// Why nothing more can be written. Events that arrived before are still read.
    broken: Option<SocketError>,
}

impl Session {
    /// Connects, and waits until Zoom says that the connection stands.
    pub(super) async fn open(
        connector: &TcpConnector,
        url: String,
        heartbeat_every: Duration,
        outlet: &Outlet,
    ) -> Result<Self, Ended> {
        let socket = connector.connect(url).await.map_err(without_url)?;
        let mut heartbeat = interval_at(Instant::now() + heartbeat_every, heartbeat_every);
        heartbeat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let link = Link { socket, outgoing: Some(HEARTBEAT.to_owned()), flushed: false, broken: None };
        let mut session =
            Self { link, heartbeat, heard: true, messages: 0, pending: None, since: clock::unix_millis() };
        timeout(BUILT_WITHIN, session.built(outlet)).await.map_err(|_| Ended::Silent)??;
        Ok(session)
    }

    async fn built(&mut self, outlet: &Outlet) -> Result<(), Ended> {
        loop {
            // Any answer that Zoom gives only to an accepted token will do.
            match outlet.decode(&self.link.next(true).await?) {
                Some(Frame::Built | Frame::Heartbeat) => return Ok(()),
                Some(Frame::Event(body)) => {
                    self.pending = outlet.take(body);
                    return Ok(());
                }
                Some(Frame::Refused(said)) => return Err(Ended::Refused(said)),
                Some(Frame::Other) | None => {}
            }
        }
    }

    /// Reads into the queue until the connection is over and all that came is in the queue.
    pub(super) async fn serve(&mut self, outlet: &Outlet) -> Ended {
        loop {
            let cost = self.pending.as_ref().map(Arrived::cost);
            let full = cost.is_some();
            tokio::select! {
                biased;
                share = outlet.room_for(cost.unwrap_or_default()), if full => {
                    if let (Some(_share), Some(arrived)) = (share, self.pending.take())
                        && outlet.queue.send(Held { arrived, _share }).is_err()
                    {
                        return Ended::Stopping;
                    }
                }
                _ = self.heartbeat.tick() => {
                    // While nothing is read, nothing can be heard.
                    if !std::mem::replace(&mut self.heard, full) {
                        return Ended::Silent;
                    }
                    self.link.say(HEARTBEAT);
                }
                next = self.link.next(!full) => {
                    let bytes = match next {
                        Ok(bytes) => bytes,
                        Err(ended) => return ended,
                    };
                    self.heard = true;
                    self.messages += 1;
                    match outlet.decode(&bytes) {
                        Some(Frame::Event(body)) => self.pending = outlet.take(body),
                        Some(Frame::Refused(said)) => return Ended::Refused(said),
                        Some(Frame::Built | Frame::Heartbeat | Frame::Other) | None => {}
                    }
                }
            }
        }
    }

    /// Reads the events that are on their way already, then closes. Without memory for them it waits, until the server
    /// stops.
    pub(super) async fn leave(mut self, outlet: Arc<Outlet>, mut stop: Stop) {
        let stopped = async {
            stop.given().await;
            sleep(LEAVE_WITHIN).await;
        };
        tokio::select! {
            biased;
            () = self.hear_out(&outlet) => {}
            () = stopped => {}
        }
        if self.pending.take().is_some() {
            outlet.metrics.intake_message(IntakeResult::NotStored);
            error!(app = %outlet.app, "an event received by WebSocket is lost: the store accepts nothing");
        }
        // A peer that does not answer the close frame is left.
        let _ = timeout(LEAVE_WITHIN, poll_fn(|cx| self.link.socket.poll_close(cx))).await;
    }

    /// Reads until there was silence for a moment and all events are in the queue, or until the connection is over.
    async fn hear_out(&mut self, outlet: &Outlet) {
        let no_longer_than = Instant::now() + LONGEST_LINGER;
        loop {
            let before = self.messages;
            // It ends by itself if Zoom closes it, and that is as good.
            if timeout(LINGER, self.serve(outlet)).await.is_ok() {
                return;
            }
            let quiet = self.messages == before || no_longer_than <= Instant::now();
            if quiet && self.pending.is_none() {
                return;
            }
        }
    }
}

impl Link {
    fn say(&mut self, text: &str) {
        self.outgoing = Some(text.to_owned());
        self.flushed = false;
    }

    /// Writes what is to be written, and gives the next message if it is wanted.
    async fn next(&mut self, wanted: bool) -> Result<Bytes, Ended> {
        poll_fn(|cx| {
            if self.broken.is_none()
                && let Poll::Ready(Err(error)) = self.poll_write(cx)
            {
                self.broken = Some(error);
            }
            if !wanted {
                return Poll::Pending;
            }
            match self.socket.poll_receive(cx) {
                Poll::Ready(Ok(Received::Text(bytes) | Received::Binary(bytes))) => Poll::Ready(Ok(bytes)),
                Poll::Ready(Ok(Received::Closed { .. })) => Poll::Ready(Err(Ended::Closed)),
                Poll::Ready(Err(error)) => Poll::Ready(Err(Ended::Broken(error))),
                Poll::Pending => match self.broken.take() {
                    Some(error) => Poll::Ready(Err(Ended::Broken(error))),
                    None => Poll::Pending,
                },
            }
        })
        .await
    }

    fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), SocketError>> {
        if self.outgoing.is_some() {
            ready!(self.socket.poll_send(cx, &mut self.outgoing))?;
        }
        if !self.flushed {
            ready!(self.socket.poll_flush(cx))?;
            self.flushed = true;
        }
        Poll::Ready(Ok(()))
    }
}

/// The URL holds the token, so it is left out.
fn without_url(error: ConnectError) -> Ended {
    Ended::NotConnected(match error {
        ConnectError::Refused { source, .. } => source.to_string(),
        error @ (ConnectError::Tcp { .. } | ConnectError::TimedOut(_) | ConnectError::Upgrade(_)) => error.to_string(),
    })
}
