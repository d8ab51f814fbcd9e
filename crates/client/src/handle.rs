//! What the application holds of a running stream.

use std::sync::Arc;

use rtms_proto::{
    config::StreamConfig, error::Misuse, join_options::JoinOptions, signaling::StreamStart, stream::Stream,
};
use rtms_wire::{codes::stop_reason::StopReason, ids::UserId, time::UnixMillis};
use tokio::sync::{mpsc, oneshot};

use crate::{
    clock::Clock,
    command::Command,
    connect::Connector,
    driver,
    queue::{EventReceiver, queue},
    wire_log::WireLog,
};

/// How much may wait for a slow consumer: a minute of three speakers at 48 kHz stereo is 47 MB on the wire, 35 in here.
pub const DEFAULT_QUEUE_BYTES: usize = 40 << 20;

/// Wishes that wait for the driver. It takes them at once; more than a handful means that it is gone.
const COMMANDS: usize = 32;

/// Tells a running stream what became known elsewhere and what is wanted of it.
#[derive(Clone, Debug)]
pub struct StreamHandle {
    commands: mpsc::Sender<Command>,
}

/// Joins a stream in a task of its own. Its news come out of the receiver, `Ended` as the last.
///
/// Dropping the handle and all its clones abandons the stream: the sockets are closed, Zoom is not asked to end it.
///
/// # Errors
/// [`Misuse`] when what is wanted would be refused anyway; nothing is dialed then.
pub fn join<C: Connector>(
    start: StreamStart,
    config: StreamConfig,
    connector: Arc<C>,
    queue_bytes: usize,
) -> Result<(StreamHandle, EventReceiver), Misuse> {
    join_with_options(JoinOptions::default(), start, config, connector, queue_bytes, None)
}

/// The same when the start webhook is not new, when the stream is taken over, or when there are other names for it;
/// `wire_log` sees everything that goes over its connections.
///
/// # Errors
/// [`Misuse`] when what is wanted would be refused anyway; nothing is dialed then.
pub fn join_with_options<C: Connector>(
    options: JoinOptions,
    start: StreamStart,
    config: StreamConfig,
    connector: Arc<C>,
    queue_bytes: usize,
    wire_log: Option<Box<dyn WireLog>>,
) -> Result<(StreamHandle, EventReceiver), Misuse> {
    let clock = Clock::start();
    let stream = Stream::with_options(options, start, config, clock.now())?;
    let (events, receiver) = queue(queue_bytes);
    let (commands, inbox) = mpsc::channel(COMMANDS);
    tokio::spawn(driver::drive(stream, clock, connector, inbox, events, wire_log));
    Ok((StreamHandle { commands }, receiver))
}

impl StreamHandle {
    /// A stop webhook arrived.
    pub async fn stopped(&self, reason: Option<StopReason>) {
        self.tell(Command::Stopped(reason)).await;
    }

    /// A newer start webhook arrived: connect there.
    ///
    /// The answer is whether the stream acts on it. One that is at its end does not, and gives none if it is over:
    /// whoever wants the newer start served joins anew then.
    pub async fn restarted(&self, server_urls: Vec<String>) -> oneshot::Receiver<bool> {
        let (acts, answer) = oneshot::channel();
        self.tell(Command::Restarted(server_urls, acts)).await;
        answer
    }

    /// An interrupted webhook arrived: connect there, or where it was if there is no URL. The answer is as to
    /// [`StreamHandle::restarted`].
    pub async fn interrupted(&self, server_urls: Vec<String>) -> oneshot::Receiver<bool> {
        let (acts, answer) = oneshot::channel();
        self.tell(Command::Interrupted(server_urls, acts)).await;
        answer
    }

    /// Asks Zoom to end the stream.
    pub async fn close(&self) {
        self.tell(Command::Close).await;
    }

    /// Leaves the stream without asking Zoom to end it.
    pub async fn abandon(&self) {
        self.tell(Command::Abandon).await;
    }

    /// Asks for one person's camera, or for it to stop. `now` goes into the request.
    pub async fn subscribe_video(&self, user_id: UserId, subscribe: bool, now: UnixMillis) {
        self.tell(Command::SubscribeVideo { user_id, subscribe, timestamp: now }).await;
    }

    async fn tell(&self, command: Command) {
        // A driver that is gone has ended the stream, which the receiver tells.
        let _ = self.commands.send(command).await;
    }
}
