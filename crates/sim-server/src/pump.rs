//! One stream in real time: carries inputs to its [`Zoom`] and outputs away from it.

use std::{
    collections::BTreeMap,
    io::Write,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use rtms_sim::{
    judge::StreamReport,
    scenario::{Scenario, Witness},
    sent::{Sent, What},
    webhook::{Purpose, WebhookAnswer, WebhookPost},
    zoom::{ConnectionId, Control, Ending, Input, NotNow, Output, Zoom},
};
use rtms_wire::{
    codes::{status_code::StatusCode, stop_reason::StopReason},
    ids::StreamId,
    time::UnixMillis,
};
use serde::Serialize;
use tokio::{
    sync::{mpsc, oneshot, watch},
    task::{AbortHandle, JoinSet},
    time::Instant,
};
use tokio_websockets::Message;

use crate::{
    clock::Clock,
    connection::{self, Outgoing},
    door::DoorEntry,
    from_connection::FromConnection,
    limits::Limits,
    observed::{Observed, lock},
    post,
    progress::{Progress, StreamProgress},
    socket::{Destination, UpgradedSocket},
    transport::Passage,
};

/// Where everything that is sent is written; the streams share it.
pub(crate) type Record = Arc<Mutex<Box<dyn Write + Send>>>;

/// What waits to be written to one client.
#[derive(Debug)]
struct Outbox {
    queue: mpsc::UnboundedSender<Outgoing>,
    /// The bound of the queue is on bytes, so that is what is counted.
    waiting_bytes: Arc<AtomicUsize>,
    passage: Passage,
    task: AbortHandle,
}

/// What the owner of a meeting asks.
#[derive(Debug)]
pub(crate) enum Order {
    /// Ends the stream, and does not wait for retries of webhooks.
    Stop(StopReason),
    /// Anything that may not be possible; answered when it is done.
    Control { control: Control, answer: oneshot::Sender<Result<(), NotNow>> },
}

/// Carries inputs to the machine and outputs away from it.
pub(crate) struct Pump {
    pub(crate) zoom: Zoom,
    pub(crate) clock: Clock,
    pub(crate) played: Option<PlayedScenario>,
    pub(crate) limits: Limits,
    pub(crate) keep_sent: bool,
    /// How long the servers stay after the end.
    pub(crate) linger: Duration,
    pub(crate) record: Option<Record>,
    pub(crate) target: Option<post::Target>,
    pub(crate) unposted: Option<mpsc::UnboundedSender<WebhookPost>>,
    pub(crate) events_in: mpsc::Sender<FromConnection>,
    pub(crate) seen: Arc<Mutex<Observed>>,
    pub(crate) progress: watch::Sender<Progress>,
    /// No connection is accepted any more when the last stream is over.
    pub(crate) _entry: DoorEntry,
    pub(crate) clients: Clients,
}

/// A scenario that is played, and the witness of what is sent meanwhile.
pub(crate) struct PlayedScenario {
    scenario: Arc<Scenario>,
    witness: Witness,
}

impl PlayedScenario {
    pub(crate) fn new(scenario: Arc<Scenario>, start: UnixMillis) -> Self {
        Self { scenario, witness: Witness::new(start) }
    }
}

/// The connections of a stream.
#[derive(Debug, Default)]
pub(crate) struct Clients {
    outboxes: BTreeMap<ConnectionId, Outbox>,
    tasks: JoinSet<()>,
    last: u64,
}

impl Pump {
    pub(crate) async fn run(mut self, mut events: mpsc::Receiver<FromConnection>, mut orders: mpsc::Receiver<Order>) {
        let mut stay_until = None;
        loop {
            self.carry_out().await;
            if self.zoom.is_finished() {
                let now = self.clock.now();
                let until = *stay_until.get_or_insert(now + self.linger);
                if now >= until {
                    break;
                }
            }
            let deadline = self.zoom.next_deadline().into_iter().chain(stay_until).min();
            let deadline = deadline.map(|at| self.clock.instant(at));
            let input = tokio::select! {
                biased;
                Some(order) = orders.recv() => match order {
                    Order::Stop(reason) => {
                        self.cut_short();
                        Input::Stop { reason }
                    }
                    Order::Control { control, answer } => {
                        self.control(control, answer).await;
                        continue;
                    }
                },
                Some(event) = events.recv() => match self.arrived(event) {
                    Some(input) => input,
                    None => continue,
                },
                Some(_) = self.clients.tasks.join_next(), if !self.clients.tasks.is_empty() => continue,
                () = wait_until(deadline) => Input::Time,
            };
            self.zoom.handle(input, self.clock.now());
        }
        self.drain(&mut events).await;
        self.carry_out().await;
        lock(&self.seen).report = Some(self.report());
        if let Some(record) = &self.record
            && let Err(error) = record.lock().unwrap_or_else(PoisonError::into_inner).flush()
        {
            tracing::warn!(%error, "the record of what was sent could not be finished");
        }
        self.progress.send_modify(|progress| progress.is_finished = true);
    }

    /// Does what is asked, and answers when everybody can see that it is done.
    async fn control(&mut self, control: Control, answer: oneshot::Sender<Result<(), NotNow>>) {
        if matches!(control, Control::Stop { .. } | Control::EndMeeting) {
            self.cut_short();
        }
        let done = self.zoom.control(control, self.clock.now());
        self.carry_out().await;
        // It fails only when nobody waits for the answer any more.
        let _ = answer.send(done);
    }

    /// What the scenario expects of a stream does not hold if somebody ends it.
    fn cut_short(&mut self) {
        if let Some(played) = self.played.as_mut().filter(|_| self.zoom.over().is_none()) {
            played.witness.cut_short();
        }
    }

    fn report(&self) -> StreamReport {
        let mut report = match &self.played {
            Some(PlayedScenario { scenario, witness }) => scenario.judge_witnessed(&self.zoom, witness),
            None => self.zoom.report(),
        };
        if self.target.is_none() {
            // What is only printed was not posted.
            report.summary.webhooks.clear();
            report.summary.sent.webhooks = 0;
        }
        report
    }

    fn enter(&mut self, socket: UpgradedSocket) -> ConnectionId {
        self.clients.last += 1;
        let connection = ConnectionId(self.clients.last);
        let (queue, outgoing) = mpsc::unbounded_channel();
        let waiting_bytes = Arc::new(AtomicUsize::new(0));
        let task = self.clients.tasks.spawn(connection::run(
            connection,
            socket,
            self.limits.clone(),
            outgoing,
            Arc::clone(&waiting_bytes),
            self.events_in.clone(),
        ));
        self.clients.outboxes.insert(connection, Outbox { queue, waiting_bytes, passage: Passage::Open, task });
        connection
    }

    fn arrived(&mut self, event: FromConnection) -> Option<Input> {
        match event {
            FromConnection::UpgradeAsked { destination: Destination { endpoint, server }, answer } => {
                // It fails only when they have gone again.
                let _ = answer.send(self.zoom.admit(endpoint, server, self.clock.now()));
                None
            }
            FromConnection::Upgraded { destination: Destination { endpoint, .. }, socket } => {
                Some(Input::Connected { connection: self.enter(socket), endpoint })
            }
            FromConnection::Received { connection, payload } => Some(Input::Received { connection, payload }),
            FromConnection::LeftOpen { connection } => Some(Input::LeftOpen { connection }),
            FromConnection::Ended { connection, ending } => {
                self.clients.outboxes.remove(&connection);
                ending.map(|ending| Input::Closed { connection, ending })
            }
            FromConnection::WebhookAnswered { webhook, answer } => Some(Input::WebhookAnswered { webhook, answer }),
            FromConnection::WebhookAnsweredLate { webhook, attempt, status } => {
                Some(Input::WebhookAnsweredLate { webhook, attempt, status })
            }
        }
    }

    /// Opens the transports of servers that go on, or bars those of servers that hang and of networks that lose
    /// everything.
    fn set_passages(&mut self, barred: bool) {
        for (connection, outbox) in &mut self.clients.outboxes {
            let passage = if self.zoom.is_void(*connection) {
                Passage::Lost
            } else if self.zoom.is_frozen(*connection) {
                Passage::Held
            } else {
                Passage::Open
            };
            // What is lost stays lost when Zoom has given it up.
            let is_due = barred == (passage != Passage::Open) && outbox.passage != Passage::Lost;
            if is_due && outbox.passage != passage {
                outbox.passage = passage;
                // It fails only when the connection has ended already.
                let _ = outbox.queue.send(Outgoing::Pass(passage));
            }
        }
    }

    /// Does what the machine wants done.
    pub(crate) async fn carry_out(&mut self) {
        // What is said now was said by a server that goes on, or before it hung.
        self.set_passages(false);
        self.see_streams();
        while let Some(output) = self.zoom.poll_output() {
            match output {
                Output::Send { connection, text } => self.send(connection, Message::text(text)),
                Output::SendBinary { connection, payload } => self.send(connection, Message::binary(payload)),
                Output::Cut { connection } => {
                    if let Some(outbox) = self.clients.outboxes.remove(&connection) {
                        outbox.task.abort();
                        // The connections that are closed because of it must end after it.
                        while !outbox.task.is_finished() {
                            tokio::task::yield_now().await;
                        }
                    }
                }
                Output::Close { connection, code } => {
                    if let Some(outbox) = self.clients.outboxes.get(&connection) {
                        // It fails only when the connection has ended already.
                        let _ = outbox.queue.send(Outgoing::Close(code));
                    }
                }
                Output::Webhook(post) => {
                    self.see_webhook(&post);
                    if let (None, Some(unposted)) = (&self.target, &self.unposted) {
                        // It fails only when nobody cares any more.
                        let _ = unposted.send(post.clone());
                    }
                    self.post(post);
                }
            }
        }
        self.set_passages(true);
        let mut joins = 0;
        let mut seen = lock(&self.seen);
        while let Some(sent) = self.zoom.poll_sent() {
            joins += u64::from(matches!(sent.what, What::SignalingHandshake { status: StatusCode::Ok }));
            // What is only printed was not sent.
            if self.target.is_some() || !matches!(sent.what, What::Webhook { .. }) {
                seen.counts.count(&sent.what);
            }
            if let Some(played) = &mut self.played {
                played.witness.see(&sent);
            }
            if let Some(record) = &self.record
                && let Err(error) = write_line(record, self.zoom.stream(), &sent)
            {
                tracing::warn!(%error, "the record of what was sent is given up");
                self.record = None;
            }
            if self.keep_sent {
                seen.sent.push(sent);
            }
        }
        if seen.findings.iter().count() != self.zoom.findings().iter().count()
            || seen.findings.dropped() != self.zoom.findings().dropped()
        {
            seen.findings = self.zoom.findings().clone();
        }
        if self.target.is_some() && seen.deliveries.changes() != self.zoom.deliveries().changes() {
            seen.deliveries = self.zoom.deliveries().clone();
        }
        drop(seen);
        let (stage, over, is_over) = (self.zoom.stage(), self.zoom.over(), self.zoom.is_stream_finished());
        let is_meeting_over = self.zoom.is_meeting_over();
        let was_over = self.progress.borrow().streams.last().is_none_or(|stream| stream.is_over);
        if is_over && !was_over {
            // Whoever waits for this moment wants to know the verdict.
            lock(&self.seen).report = Some(self.report());
        }
        self.progress.send_if_modified(|progress| {
            let mut is_new = std::mem::replace(&mut progress.is_meeting_over, is_meeting_over) != is_meeting_over;
            if let Some(stream) = progress.streams.last_mut() {
                is_new |= stream.update(stage, over, is_over, joins);
            }
            is_new
        });
    }

    /// Notes that a stream has started.
    fn see_streams(&self) {
        let started = self.zoom.streams();
        self.progress.send_if_modified(|progress| {
            let is_new = (progress.streams.len() as u64) < started;
            if is_new {
                progress.streams.push(StreamProgress::new(self.zoom.stream().clone(), self.clock.now()));
            }
            is_new
        });
    }

    /// Keeps the first start webhook of a stream.
    fn see_webhook(&self, post: &WebhookPost) {
        if post.purpose == Purpose::Event && post.event.ends_with("rtms_started") {
            self.progress.send_if_modified(|progress| {
                let unannounced = progress.streams.last_mut().filter(|stream| stream.start_webhook.is_none());
                unannounced.map(|stream| stream.start_webhook = Some(post.clone())).is_some()
            });
        }
    }

    fn send(&mut self, connection: ConnectionId, message: Message) {
        let Some(outbox) = self.clients.outboxes.get(&connection) else { return };
        let length = message.as_payload().len();
        let waiting_bytes = outbox.waiting_bytes.fetch_add(length, Ordering::Relaxed) + length;
        if waiting_bytes > self.limits.waiting_bytes {
            outbox.task.abort();
            self.clients.outboxes.remove(&connection);
            let ending = Ending::TooSlow { waiting_bytes };
            self.zoom.handle(Input::Closed { connection, ending }, self.clock.now());
        } else {
            // It fails only when the connection has ended already.
            let _ = outbox.queue.send(Outgoing::Send(message));
        }
    }

    fn post(&mut self, post: WebhookPost) {
        let events = self.events_in.clone();
        match self.target.clone() {
            Some(target) => {
                tokio::spawn(post::post(target, post, events));
            }
            None => {
                let webhook = post.id;
                tokio::spawn(async move {
                    // Nobody is to be told, so nobody can fail to answer. It fails only when the pump has ended.
                    let answer = WebhookAnswer::Status(200);
                    let _ = events.send(FromConnection::WebhookAnswered { webhook, answer }).await;
                });
            }
        }
    }

    /// Waits a moment for the close frames of the connections, and notes how each of them ended. Newcomers are turned
    /// away.
    async fn drain(&mut self, events: &mut mpsc::Receiver<FromConnection>) {
        let patience = tokio::time::sleep(connection::CLOSE_WITHIN * 2);
        tokio::pin!(patience);
        loop {
            tokio::select! {
                biased;
                Some(event) = events.recv() => self.take_last_event(event),
                ended = self.clients.tasks.join_next() => if ended.is_none() { break },
                () = &mut patience => {
                    tracing::debug!("some connections did not close in time");
                    break;
                }
            }
        }
        events.close();
        while let Ok(event) = events.try_recv() {
            self.take_last_event(event);
        }
    }

    fn take_last_event(&mut self, event: FromConnection) {
        let input = match event {
            FromConnection::LeftOpen { .. } | FromConnection::Ended { .. } => self.arrived(event),
            // An answer that is dropped turns the newcomer away.
            FromConnection::UpgradeAsked { .. }
            | FromConnection::Upgraded { .. }
            | FromConnection::Received { .. }
            | FromConnection::WebhookAnswered { .. }
            | FromConnection::WebhookAnsweredLate { .. } => None,
        };
        if let Some(input) = input {
            self.zoom.handle(input, self.clock.now());
        }
    }
}

async fn wait_until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}

/// One thing that was sent, and for which stream.
#[derive(Serialize)]
struct RecordLine<'a> {
    rtms_stream_id: &'a StreamId,
    #[serde(flatten)]
    sent: &'a Sent,
}

fn write_line(record: &Record, rtms_stream_id: &StreamId, sent: &Sent) -> std::io::Result<()> {
    let mut line = serde_json::to_vec(&RecordLine { rtms_stream_id, sent })?;
    line.push(b'\n');
    record.lock().unwrap_or_else(PoisonError::into_inner).write_all(&line)
}
