//! The loop: do what the outputs ask, report what happens, sleep until the deadline. One task per stream.
//!
//! It only moves things. All sockets of a stream are polled by the one task, so a packet costs no hop between tasks, and
//! nothing that takes events can keep it from answering a keep-alive.

use std::{
    collections::{BTreeMap, VecDeque},
    future::{Future, poll_fn},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use rtms_proto::{
    event::{Event, Odd},
    input::Input,
    output::{ConnectionId, Output},
    role::Role,
    stream::Stream,
};
use rtms_wire::{
    flaws::{Flaws, RawMessage},
    media::medium::Medium,
    message::Message,
};
use tokio::{
    sync::mpsc,
    task::JoinHandle,
    time::{Sleep, sleep_until, timeout},
};
use tracing::{Instrument, Span, debug, info_span, trace};

use crate::{
    clock::Clock,
    command::Command,
    connect::{Connector, Received, Socket},
    error::{ConnectError, SocketError},
    queue::EventSender,
    wire_log::{Seen, WireLog},
};

/// Messages that may wait to be sent on one connection. We send a few a minute; more means that nobody reads.
const MAX_UNSENT: usize = 64;

/// How long the other side may take to answer our close frame.
const CLOSE_LIMIT: Duration = Duration::from_secs(1);

/// How long a dial waits for the goodbye to what it replaces. Zoom allows one connection of a kind, and a new one that is read
/// before the end of the old one is refused (status 8 or 16); one that is broken does not answer at all.
const GOODBYE_FIRST: Duration = Duration::from_millis(200);

/// Messages taken from ready sockets before the runtime gets a chance to run somebody else.
const BATCH: usize = 64;

/// Messages that may wait for their turn after their connection was closed by us. Each may be as long as a frame.
const MAX_LATE: usize = 4;

/// What came on a connection after we closed it; none when the other side has closed it, too.
struct Late {
    connection: ConnectionId,
    role: Role,
    received: Option<Received>,
}

type Dialing<S> = Pin<Box<dyn Future<Output = Result<S, ConnectError>> + Send>>;

struct Link<S> {
    connection: ConnectionId,
    role: Role,
    socket: S,
    unsent: VecDeque<String>,
    dirty: bool,
    span: Span,
}

/// A connection that is being made.
struct Dial<S> {
    connection: ConnectionId,
    role: Role,
    attempt: Dialing<S>,
    span: Span,
}

/// The message that came last.
#[derive(Default)]
struct Last {
    /// The message itself, if not all of it could be read.
    raw: Option<RawMessage>,
    bytes: usize,
}

/// The wire log of the stream, if one is kept.
type OptionalWireLog = Option<Box<dyn WireLog>>;

/// Everything that can wake the stream.
struct Network<C: Connector> {
    connector: Arc<C>,
    dialing: Vec<Dial<C::Socket>>,
    links: Vec<Link<C::Socket>>,
    /// Goodbyes that are being said, by what was left.
    leaving: Vec<(Role, JoinHandle<()>)>,
    /// What still comes on connections that were left.
    late: mpsc::Receiver<Late>,
    /// For those who say the goodbyes.
    tell_late: mpsc::Sender<Late>,
    /// Where the next look at the links begins, so that a busy one does not starve the others.
    first: usize,
    /// What came last.
    last: Last,
    /// The number of those of each kind.
    raws: BTreeMap<(Option<Medium>, Flaws), u64>,
    commands: mpsc::Receiver<Command>,
    wire_log: OptionalWireLog,
}

pub(crate) async fn drive<C: Connector>(
    mut stream: Stream,
    clock: Clock,
    connector: Arc<C>,
    commands: mpsc::Receiver<Command>,
    events: EventSender,
    wire_log: OptionalWireLog,
) {
    let (dialing, links, leaving) = (Vec::new(), Vec::new(), Vec::new());
    let (tell_late, late) = mpsc::channel(MAX_LATE);
    let mut network = Network {
        connector,
        dialing,
        links,
        leaving,
        late,
        tell_late,
        first: 0,
        last: Last::default(),
        raws: BTreeMap::new(),
        commands,
        wire_log,
    };
    let mut alarm = Box::pin(sleep_until(clock.instant(clock.now())));
    let mut handled = 0;
    loop {
        while let Some(output) = stream.poll_output() {
            match output {
                Output::Event(event) => {
                    // A receiver that is gone has dropped the handle too, and the stream is abandoned by that.
                    events.push_from(event, network.last.bytes);
                }
                other @ (Output::Connect { .. } | Output::Send { .. } | Output::Disconnect(_)) => network.apply(other),
            }
        }
        if stream.is_ended() {
            break;
        }
        if let Some(deadline) = stream.next_deadline() {
            let deadline = clock.instant(deadline);
            // Moving an alarm takes a lock in the runtime; deadlines mostly move away, and an early alarm does no harm.
            if alarm.is_elapsed() || deadline < alarm.deadline() {
                alarm.as_mut().reset(deadline);
            }
        }
        handled += 1;
        if handled % BATCH == 0 {
            tokio::task::yield_now().await;
        }
        network.last.bytes = 0;
        let input = poll_fn(|cx| network.poll(cx, &stream, alarm.as_mut())).await;
        if let Some(raw) = network.take_raw() {
            events.push(Event::Odd(Odd::Raw(raw)));
        }
        stream.handle(input, clock.now());
    }
    network.close_all();
}

impl<C: Connector> Network<C> {
    fn apply(&mut self, output: Output) {
        match output {
            Output::Connect { connection, role, url } => {
                let span = match role {
                    Role::Signaling => info_span!("signaling"),
                    Role::Media(_) => info_span!("media", connection = %role),
                };
                span.in_scope(|| debug!(url, "dialing"));
                log(&mut self.wire_log, connection, role, || Seen::Dialed(url.clone()));
                let goodbyes: Vec<_> = self.leaving.extract_if(.., |(left, _)| replaces(role, *left)).collect();
                let attempt = self.connector.connect(url);
                let attempt = async move {
                    let said = async {
                        for (_, goodbye) in goodbyes {
                            // One that broke off is over, too.
                            let _ = goodbye.await;
                        }
                    };
                    let _ = timeout(GOODBYE_FIRST, said).await;
                    attempt.await
                };
                let attempt = Box::pin(attempt.instrument(span.clone()));
                self.dialing.push(Dial { connection, role, attempt, span });
            }
            Output::Send { connection, message } => {
                if let Some(link) = self.links.iter_mut().find(|link| link.connection == connection) {
                    link.span.in_scope(|| trace!(msg_type = %message.msg_type(), "sending"));
                    let text = message.encode();
                    log(&mut self.wire_log, connection, link.role, || Seen::Sent(text.clone()));
                    link.unsent.push_back(text);
                }
            }
            Output::Disconnect(connection) => {
                self.hang_up(|id| id == connection);
                self.leave(|id| id == connection);
            }
            // Told by the caller.
            Output::Event(_) => {}
        }
    }

    /// What came last, if not all of it could be read. Only the first of a kind keep their bytes.
    fn take_raw(&mut self) -> Option<RawMessage> {
        let raw = self.last.raw.take()?;
        let count = self.raws.entry((raw.medium, raw.flaws)).or_default();
        *count += 1;
        Some(if *count > RawMessage::FEW { RawMessage { bytes: Bytes::new(), ..raw } } else { raw })
    }

    fn close_all(&mut self) {
        self.hang_up(|_| true);
        self.leave(|_| true);
    }

    /// Who already picked up is told goodbye: a dial that is merely dropped looks like a broken connection to Zoom.
    fn hang_up(&mut self, which: impl Fn(ConnectionId) -> bool) {
        for Dial { connection, role, attempt, span } in self.dialing.extract_if(.., |dial| which(dial.connection)) {
            log(&mut self.wire_log, connection, role, || Seen::Left);
            let goodbye = async move {
                if let Ok(mut socket) = attempt.await {
                    // Nothing was asked for yet, so nothing comes.
                    while poll_fn(|cx| socket.poll_close(cx)).await.is_some() {}
                }
            };
            self.leaving.push((role, said_in_time(goodbye.instrument(span))));
        }
    }

    fn leave(&mut self, which: impl Fn(ConnectionId) -> bool) {
        for link in self.links.iter().filter(|link| which(link.connection)) {
            log(&mut self.wire_log, link.connection, link.role, || Seen::Left);
        }
        self.close(|link| which(link.connection));
    }

    fn close(&mut self, which: impl Fn(&Link<C::Socket>) -> bool) {
        self.leaving.retain(|(_, goodbye)| !goodbye.is_finished());
        for mut link in self.links.extract_if(.., |link| which(link)) {
            let (connection, role, tell) = (link.connection, link.role, self.tell_late.clone());
            let span = link.span.clone();
            let goodbye = async move {
                // It fails only when the stream is over.
                let told = |received| tell.send(Late { connection, role, received });
                let goodbye = async {
                    // What was said last is still said: a ready or a close request may be waiting.
                    let _ = poll_fn(|cx| link.poll_write(cx)).await;
                    while let Some(received) = poll_fn(|cx| link.socket.poll_close(cx)).await {
                        let _ = told(Some(received)).await;
                    }
                };
                let _ = timeout(CLOSE_LIMIT, goodbye).await;
                let _ = told(None).await;
            };
            self.leaving.push((role, tokio::spawn(goodbye.instrument(span))));
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>, stream: &Stream, alarm: Pin<&mut Sleep>) -> Poll<Input> {
        match self.commands.poll_recv(cx) {
            Poll::Ready(Some(command)) => return Poll::Ready(command.into_input(stream)),
            Poll::Ready(None) => return Poll::Ready(Input::Abandon),
            Poll::Pending => {}
        }
        for position in 0..self.dialing.len() {
            if let Poll::Ready(result) = self.dialing[position].attempt.as_mut().poll(cx) {
                let Dial { connection, role, span, .. } = self.dialing.swap_remove(position);
                return Poll::Ready(match result {
                    Ok(socket) => {
                        log(&mut self.wire_log, connection, role, || Seen::Opened);
                        self.links.push(Link { connection, role, socket, unsent: VecDeque::new(), dirty: false, span });
                        Input::Connected(connection)
                    }
                    Err(error) => {
                        log(&mut self.wire_log, connection, role, || Seen::Unreached(error.to_string()));
                        Input::ConnectFailed(connection, error.to_string())
                    }
                });
            }
        }
        // What comes late has a turn of its own behind the links, so that a flood of it holds up none of them.
        let turns = self.links.len() + 1;
        self.first = self.first.wrapping_add(1);
        for offset in 0..turns {
            let position = self.first.wrapping_add(offset) % turns;
            let Some(link) = self.links.get_mut(position) else {
                match self.poll_late(cx) {
                    Poll::Ready(input) => return Poll::Ready(input),
                    Poll::Pending => continue,
                }
            };
            if let Poll::Ready(input) = link.poll(cx, &mut self.wire_log, &mut self.last) {
                if let Input::Lost(lost, _) = &input {
                    let lost = *lost;
                    // A close frame of the other side's still wants its answer.
                    self.close(|link| link.connection == lost);
                }
                return Poll::Ready(input);
            }
        }
        alarm.poll(cx).map(|()| Input::TimePassed)
    }

    fn poll_late(&mut self, cx: &mut Context<'_>) -> Poll<Input> {
        let Poll::Ready(Some(Late { connection, role, received })) = self.late.poll_recv(cx) else {
            return Poll::Pending;
        };
        let (payload, is_text) = match received {
            Some(Received::Text(payload)) => (payload, true),
            Some(Received::Binary(payload)) => (payload, false),
            Some(Received::Closed { .. }) | None => {
                return Poll::Ready(Input::Lost(connection, "closed by us".into()));
            }
        };
        Poll::Ready(received_on(connection, role, payload, is_text, &mut self.wire_log, &mut self.last))
    }
}

impl<S: Socket> Link<S> {
    fn poll(&mut self, cx: &mut Context<'_>, wire_log: &mut OptionalWireLog, last: &mut Last) -> Poll<Input> {
        if self.unsent.len() > MAX_UNSENT {
            return Poll::Ready(self.cut("the other side does not read".into(), wire_log));
        }
        if let Poll::Ready(Err(error)) = self.poll_write(cx) {
            return Poll::Ready(self.cut(error.to_string(), wire_log));
        }
        self.socket.poll_receive(cx).map(|received| match received {
            Ok(Received::Text(payload)) => received_on(self.connection, self.role, payload, true, wire_log, last),
            Ok(Received::Binary(payload)) => received_on(self.connection, self.role, payload, false, wire_log, last),
            Ok(Received::Closed { code, reason }) => {
                log(wire_log, self.connection, self.role, || Seen::Closed { code, reason });
                Input::Lost(self.connection, "closed by the other side".into())
            }
            Err(error) => self.cut(error.to_string(), wire_log),
        })
    }

    fn cut(&self, why: String, wire_log: &mut OptionalWireLog) -> Input {
        log(wire_log, self.connection, self.role, || Seen::Cut(why.clone()));
        Input::Lost(self.connection, why)
    }

    /// Sends what waits; ready when nothing does.
    fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), SocketError>> {
        while !self.unsent.is_empty() {
            let mut text = self.unsent.pop_front();
            let sent = self.socket.poll_send(cx, &mut text);
            self.dirty |= text.is_none();
            if let Some(text) = text {
                self.unsent.push_front(text);
            }
            ready!(sent)?;
        }
        if self.dirty {
            ready!(self.socket.poll_flush(cx))?;
            self.dirty = false;
        }
        Poll::Ready(Ok(()))
    }
}

/// A message that came on a connection, read as far as it can be.
fn received_on(
    connection: ConnectionId,
    role: Role,
    payload: Bytes,
    is_text: bool,
    wire_log: &mut OptionalWireLog,
    last: &mut Last,
) -> Input {
    last.bytes = payload.len();
    let mut medium = None;
    let input = match Message::decode_leniently(&payload) {
        Ok((message, flaws)) => {
            medium = Medium::of_message(message.msg_type());
            if !flaws.is_empty() {
                last.raw = Some(RawMessage::new(medium, flaws, &payload));
            }
            Input::Received(connection, message)
        }
        Err(error) => {
            last.raw = Some(RawMessage::new(only_medium(role), Flaws::default(), &payload));
            Input::Undecodable(connection, error)
        }
    };
    let is_media = medium.is_some();
    log(wire_log, connection, role, || Seen::Received { payload, is_text, is_media });
    input
}

/// The medium of a connection that carries one.
fn only_medium(role: Role) -> Option<Medium> {
    let Role::Media(types) = role else { return None };
    let mut media = types.iter();
    media.next().filter(|_| media.next().is_none())
}

/// Whether Zoom takes a connection of one kind for another of a kind that was left.
fn replaces(new: Role, left: Role) -> bool {
    match (new, left) {
        (Role::Signaling, Role::Signaling) => true,
        (Role::Media(new), Role::Media(left)) => new.iter().any(|medium| left.contains(medium)),
        (Role::Signaling, Role::Media(_)) | (Role::Media(_), Role::Signaling) => false,
    }
}

/// Says goodbye on a task of its own, which lasts no longer than it may.
fn said_in_time(goodbye: impl Future<Output = ()> + Send + 'static) -> JoinHandle<()> {
    let in_time = async move {
        let _ = timeout(CLOSE_LIMIT, goodbye).await;
    };
    tokio::spawn(in_time)
}

/// Adds to the wire log; nothing is made if none is kept.
fn log(wire_log: &mut OptionalWireLog, connection: ConnectionId, role: Role, what: impl FnOnce() -> Seen) {
    if let Some(wire_log) = wire_log {
        wire_log.saw(connection, role, what());
    }
}
