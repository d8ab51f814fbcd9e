//! One client's WebSocket: bytes both ways, the closing handshake, nothing of the protocol above it.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use rtms_sim::zoom::{ConnectionId, Ending};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite},
    sync::mpsc,
    time::timeout,
};
use tokio_websockets::{CloseCode, Limits as WebSocketLimits, Message, ServerBuilder, WebSocketStream};

use crate::{
    from_connection::FromConnection,
    limits::Limits,
    socket::UpgradedSocket,
    transport::{Passage, Transport},
};

/// How long a client has to answer a close frame.
pub(crate) const CLOSE_WITHIN: Duration = Duration::from_secs(1);

/// What is to be written to a client.
#[derive(Debug)]
pub(crate) enum Outgoing {
    /// A text or binary frame.
    Send(Message),
    /// A close frame with this code, and then the end.
    Close(u16),
    /// Nothing; the passage of what is written from now on changes.
    Pass(Passage),
}

/// Serves one connection from its upgrade to its last byte.
pub(crate) async fn run(
    connection: ConnectionId,
    socket: UpgradedSocket,
    limits: Limits,
    mut outgoing: mpsc::UnboundedReceiver<Outgoing>,
    waiting_bytes: Arc<AtomicUsize>,
    events: mpsc::Sender<FromConnection>,
) {
    let websocket = WebSocketLimits::default().max_payload_len(Some(limits.message_bytes));
    let UpgradedSocket { io, room: _room } = socket;
    let mut socket = ServerBuilder::new().limits(websocket).serve(Transport::new(io));
    let ending = converse(connection, &mut socket, &mut outgoing, &waiting_bytes, &events).await;
    // It fails only when the pump has ended.
    let _ = events.send(FromConnection::Ended { connection, ending }).await;
    if ending == Some(Ending::CloseFrame) {
        let _ = timeout(CLOSE_WITHIN, answer_close(socket.get_mut(), outgoing)).await;
    }
    if ending.is_some() && socket.get_ref().passage() != Passage::Open {
        // To close the socket would be an answer, too; this lasts until the client gives it up.
        let mut ignored = [0; 1_024];
        while socket.get_mut().read(&mut ignored).await.is_ok_and(|read| read > 0) {}
    }
}

async fn converse(
    connection: ConnectionId,
    socket: &mut WebSocketStream<Transport>,
    outgoing: &mut mpsc::UnboundedReceiver<Outgoing>,
    waiting_bytes: &AtomicUsize,
    events: &mpsc::Sender<FromConnection>,
) -> Option<Ending> {
    loop {
        tokio::select! {
            biased;
            said = socket.next() => match said {
                Some(Ok(message)) if message.is_close() => {
                    return Some(Ending::CloseFrame);
                }
                Some(Ok(message)) if message.is_text() || message.is_binary() => {
                    let payload = Bytes::from(message.into_payload());
                    if events.send(FromConnection::Received { connection, payload }).await.is_err() {
                        return None;
                    }
                }
                // Pings are answered by the library, as far as the line lets it.
                Some(Ok(_)) => {}
                Some(Err(_)) => {
                    // If it was too long or no WebSocket frame, the library has queued a close frame; this writes it.
                    let _ = timeout(CLOSE_WITHIN, socket.next()).await;
                    return Some(Ending::Cut);
                }
                None => return Some(Ending::Cut),
            },
            wanted = outgoing.recv() => match wanted {
                Some(first) => match write(socket, first, outgoing, waiting_bytes).await {
                    Ok(None) => {}
                    Ok(Some(code)) => {
                        return match close(socket, code).await {
                            Goodbye::Answered => None,
                            // Whether it was gone before our close frame went out does not show here.
                            Goodbye::Cut => Some(Ending::Cut),
                            Goodbye::Unanswered => {
                                // It fails only when the pump has ended.
                                let _ = events.send(FromConnection::LeftOpen { connection }).await;
                                None
                            }
                        };
                    }
                    Err(_) => return Some(Ending::Cut),
                },
                // The pump forgot the connection.
                None => return None,
            },
        }
    }
}

/// Answers a client's close frame, after what was said until it was known: that counts as sent, and the client still
/// reads.
async fn answer_close(transport: &mut Transport, mut outgoing: mpsc::UnboundedReceiver<Outgoing>) {
    // The library says nothing more on a socket whose close frame it has read, so this is a new one on the same line.
    let mut socket = ServerBuilder::new().serve(transport);
    while let Some(wanted) = outgoing.recv().await {
        if let Outgoing::Send(message) = wanted
            && socket.feed(message).await.is_err()
        {
            return;
        }
    }
    // It fails only where the client is gone already.
    let _ = socket.send(Message::close(Some(CloseCode::NORMAL_CLOSURE), "")).await;
}

/// Writes what waits, in one go as far as it is there already. Gives the code if the connection is to be closed then.
async fn write(
    socket: &mut WebSocketStream<Transport>,
    first: Outgoing,
    outgoing: &mut mpsc::UnboundedReceiver<Outgoing>,
    waiting_bytes: &AtomicUsize,
) -> Result<Option<u16>, tokio_websockets::Error> {
    /// After so many messages the client is listened to again.
    const AT_ONCE: usize = 64;
    let mut next = Some(first);
    let mut written = 0;
    while let Some(wanted) = next.take() {
        match wanted {
            Outgoing::Send(message) => {
                let length = message.as_payload().len();
                socket.feed(message).await?;
                waiting_bytes.fetch_sub(length, Ordering::Relaxed);
            }
            Outgoing::Close(code) => return Ok(Some(code)),
            Outgoing::Pass(passage) => {
                // What was said before goes the way that was open then, frame by frame.
                socket.flush().await?;
                socket.get_mut().set(passage);
            }
        }
        written += 1;
        if written < AT_ONCE {
            next = outgoing.try_recv().ok();
        }
    }
    socket.flush().await?;
    Ok(None)
}

/// How a client took our close frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Goodbye {
    /// With one of its own.
    Answered,
    /// The connection ended without one.
    Cut,
    /// Not at all, in time.
    Unanswered,
}

/// Closes in order.
pub(crate) async fn close<S: AsyncRead + AsyncWrite + Unpin>(socket: &mut WebSocketStream<S>, code: u16) -> Goodbye {
    let closing = async {
        let code = CloseCode::try_from(code).unwrap_or(CloseCode::NORMAL_CLOSURE);
        if socket.send(Message::close(Some(code), "")).await.is_ok() {
            // Anything else that the client still sends is of no interest.
            while let Some(Ok(message)) = socket.next().await {
                if message.is_close() {
                    return Goodbye::Answered;
                }
            }
        }
        Goodbye::Cut
    };
    timeout(CLOSE_WITHIN, closing).await.unwrap_or(Goodbye::Unanswered)
}

#[cfg(test)]
mod tests {
    use tokio::sync::Semaphore;
    use tokio_websockets::ClientBuilder;

    use super::*;

    #[tokio::test]
    async fn what_was_said_before_a_goodbye_is_known_goes_out_before_its_answer() {
        let (ours, theirs) = tokio::io::duplex(1 << 16);
        let room = Arc::new(Semaphore::new(1)).try_acquire_owned().unwrap();
        let (queue, outgoing) = mpsc::unbounded_channel();
        let (events, mut told) = mpsc::channel(8);
        let socket = UpgradedSocket { io: Box::new(ours), room };
        tokio::spawn(run(ConnectionId(1), socket, Limits::default(), outgoing, Arc::default(), events));
        let mut client = ClientBuilder::new().take_over(theirs);

        client.send(Message::close(Some(CloseCode::NORMAL_CLOSURE), "")).await.unwrap();
        let event = told.recv().await.unwrap();
        assert!(matches!(event, FromConnection::Ended { ending: Some(Ending::CloseFrame), .. }), "{event:?}");
        queue.send(Outgoing::Send(Message::text("late"))).unwrap();
        drop(queue);

        assert_eq!(client.next().await.unwrap().unwrap().as_text(), Some("late"));
        assert_eq!(client.next().await.unwrap().unwrap().as_close().unwrap().0, CloseCode::NORMAL_CLOSURE);
    }
}
