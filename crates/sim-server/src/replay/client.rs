//! One client's WebSocket while a wire log is played: its queue is short, so that the wire log goes no faster than the
//! client reads.

use std::collections::VecDeque;

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use rtms_sim::zoom::{ConnectionId, Ending};
use tokio::{
    sync::{mpsc, oneshot},
    time::timeout,
};
use tokio_websockets::{Limits as WebSocketLimits, Message, ServerBuilder, WebSocketStream};

use crate::{
    connection::{self, CLOSE_WITHIN},
    from_connection::FromConnection,
    limits::Limits,
    socket::{Io, UpgradedSocket},
};

/// Frames written before they are flushed and the client is listened to again.
const AT_ONCE: usize = 64;

/// What the conductor wants of a connection.
#[derive(Debug)]
pub(crate) enum Outgoing {
    /// A text or binary frame.
    Send(Message),
    /// Word when the client has read all that was said before: a WebSocket ping, which every client answers in order.
    WhenRead(oneshot::Sender<()>),
    /// A close frame with this code, and then the end.
    Close(u16),
}

/// Serves one connection from its upgrade to its last byte.
pub(crate) async fn run(
    connection: ConnectionId,
    socket: UpgradedSocket,
    limits: Limits,
    outgoing: mpsc::Receiver<Outgoing>,
    events: mpsc::Sender<FromConnection>,
) {
    let websocket = WebSocketLimits::default().max_payload_len(Some(limits.message_bytes));
    let UpgradedSocket { io, room: _room } = socket;
    let socket = ServerBuilder::new().limits(websocket).serve(io);
    let ending = converse(connection, socket, outgoing, &events).await;
    // It fails only when the conductor has ended.
    let _ = events.send(FromConnection::Ended { connection, ending: Some(ending) }).await;
}

async fn converse(
    connection: ConnectionId,
    mut socket: WebSocketStream<Box<dyn Io>>,
    mut outgoing: mpsc::Receiver<Outgoing>,
    events: &mpsc::Sender<FromConnection>,
) -> Ending {
    let mut unread = VecDeque::new();
    loop {
        tokio::select! {
            biased;
            said = socket.next() => match said {
                Some(Ok(message)) if message.is_close() => {
                    // The library has queued the answer; this writes it.
                    let _ = timeout(CLOSE_WITHIN, socket.next()).await;
                    return Ending::CloseFrame;
                }
                Some(Ok(message)) if message.is_text() || message.is_binary() => {
                    let payload = Bytes::from(message.into_payload());
                    if events.send(FromConnection::Received { connection, payload }).await.is_err() {
                        return Ending::Cut;
                    }
                }
                Some(Ok(message)) => {
                    if message.is_pong() && let Some(read) = unread.pop_front() {
                        // Whoever waited may have lost patience.
                        let _ = oneshot::Sender::send(read, ());
                    }
                }
                Some(Err(_)) => {
                    // If it was too long or no WebSocket frame, the library has queued a close frame; this writes it.
                    let _ = timeout(CLOSE_WITHIN, socket.next()).await;
                    return Ending::Cut;
                }
                None => return Ending::Cut,
            },
            wanted = outgoing.recv() => match wanted {
                Some(first) => match write(&mut socket, first, &mut outgoing, &mut unread).await {
                    Ok(None) => {}
                    Ok(Some(code)) => {
                        // Whether the client answers is for a judge to say, and here is none.
                        let _ = connection::close(&mut socket, code).await;
                        return Ending::CloseFrame;
                    }
                    Err(_) => return Ending::Cut,
                },
                // The conductor forgot the connection.
                None => return Ending::Cut,
            },
        }
    }
}

/// Writes what waits, in one go as far as it is there already. Gives the code if the connection is to be closed then.
async fn write(
    socket: &mut WebSocketStream<Box<dyn Io>>,
    first: Outgoing,
    outgoing: &mut mpsc::Receiver<Outgoing>,
    unread: &mut VecDeque<oneshot::Sender<()>>,
) -> Result<Option<u16>, tokio_websockets::Error> {
    let mut next = Some(first);
    let mut written = 0;
    while let Some(wanted) = next.take() {
        match wanted {
            Outgoing::Send(message) => socket.feed(message).await?,
            Outgoing::WhenRead(read) => {
                socket.feed(Message::ping(Bytes::new())).await?;
                unread.push_back(read);
            }
            Outgoing::Close(code) => return Ok(Some(code)),
        }
        written += 1;
        if written < AT_ONCE {
            next = outgoing.try_recv().ok();
        }
    }
    socket.flush().await?;
    Ok(None)
}
