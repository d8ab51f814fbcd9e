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
use tokio::{net::TcpStream, sync::mpsc, time::timeout};
use tokio_websockets::{CloseCode, Limits as WebSocketLimits, Message, ServerBuilder, WebSocketStream};

use crate::{
    serve::Limits,
    webhook::{WebhookAnswer, WebhookId},
    zoom::{ConnectionId, Ending, Endpoint},
};

/// Where signaling is served.
pub(super) const SIGNALING_PATH: &str = "/signaling";

/// Below here media is served, a path for each key of message 2. The paths are one server: message 3 says what is wanted.
pub(super) const MEDIA_PATH: &str = "/media";

/// How long a client has to answer a close frame.
pub(super) const CLOSE_WITHIN: Duration = Duration::from_secs(1);

/// What a task tells the pump.
#[derive(Debug)]
pub(super) enum FromConnection {
    /// The upgrade is done.
    Opened { connection: ConnectionId, endpoint: Endpoint },
    /// A text or binary message came.
    Said { connection: ConnectionId, payload: Bytes },
    /// The connection is gone; no ending if it never was one, or ended by our wish.
    Ended { connection: ConnectionId, ending: Option<Ending> },
    /// A webhook was answered, or not.
    WebhookAnswered { webhook: WebhookId, answer: WebhookAnswer },
    /// A webhook was answered after Zoom had given up waiting.
    WebhookAnsweredLate { webhook: WebhookId, attempt: u32, status: u16 },
}

/// What the pump wants written.
#[derive(Debug)]
pub(super) enum Outgoing {
    Text(String),
    Close(u16),
}

/// Serves one connection from its first byte to its last.
pub(super) async fn run(
    connection: ConnectionId,
    stream: TcpStream,
    limits: Limits,
    outgoing: mpsc::UnboundedReceiver<Outgoing>,
    waiting_bytes: Arc<AtomicUsize>,
    events: mpsc::Sender<FromConnection>,
) {
    let ending = match upgrade(stream, &limits).await {
        Some((endpoint, socket)) => {
            if events.send(FromConnection::Opened { connection, endpoint }).await.is_err() {
                return;
            }
            converse(connection, socket, outgoing, &waiting_bytes, &events).await
        }
        None => None,
    };
    // It fails only when the pump has ended.
    let _ = events.send(FromConnection::Ended { connection, ending }).await;
}

async fn upgrade(stream: TcpStream, limits: &Limits) -> Option<(Endpoint, WebSocketStream<TcpStream>)> {
    // A failure costs latency only.
    let _ = stream.set_nodelay(true);
    let builder = ServerBuilder::new().limits(WebSocketLimits::default().max_payload_len(Some(limits.message_bytes)));
    match timeout(limits.upgrade_within, builder.accept(stream)).await {
        Ok(Ok((request, mut socket))) => {
            let path = request.uri().path();
            let endpoint = if path == SIGNALING_PATH {
                Endpoint::Signaling
            } else if path.strip_prefix(MEDIA_PATH).is_some_and(|rest| rest.is_empty() || rest.starts_with('/')) {
                Endpoint::Media
            } else {
                tracing::warn!(path, "somebody asked for a path that is not there");
                // The client may be gone already.
                let _ = timeout(
                    CLOSE_WITHIN,
                    socket.send(Message::close(Some(CloseCode::POLICY_VIOLATION), "no such path")),
                )
                .await;
                return None;
            };
            Some((endpoint, socket))
        }
        Ok(Err(error)) => {
            tracing::debug!(%error, "a connection was no WebSocket");
            None
        }
        Err(_) => None,
    }
}

async fn converse(
    connection: ConnectionId,
    mut socket: WebSocketStream<TcpStream>,
    mut outgoing: mpsc::UnboundedReceiver<Outgoing>,
    waiting_bytes: &AtomicUsize,
    events: &mpsc::Sender<FromConnection>,
) -> Option<Ending> {
    loop {
        tokio::select! {
            biased;
            said = socket.next() => match said {
                Some(Ok(message)) if message.is_close() => {
                    // The library has queued the answer; this writes it.
                    let _ = timeout(CLOSE_WITHIN, socket.next()).await;
                    return Some(Ending::CloseFrame);
                }
                Some(Ok(message)) if message.is_text() || message.is_binary() => {
                    let payload = Bytes::from(message.into_payload());
                    if events.send(FromConnection::Said { connection, payload }).await.is_err() {
                        return None;
                    }
                }
                // Pings are answered by the library.
                Some(Ok(_)) => {}
                Some(Err(_)) => {
                    // If it was too long or no WebSocket frame, the library has queued a close frame; this writes it.
                    let _ = timeout(CLOSE_WITHIN, socket.next()).await;
                    return Some(Ending::Cut);
                }
                None => return Some(Ending::Cut),
            },
            wanted = outgoing.recv() => match wanted {
                Some(first) => match write(&mut socket, first, &mut outgoing, waiting_bytes).await {
                    Ok(None) => {}
                    Ok(Some(code)) => {
                        close(&mut socket, code).await;
                        return None;
                    }
                    Err(_) => return Some(Ending::Cut),
                },
                // The pump forgot the connection.
                None => return None,
            },
        }
    }
}

/// Writes what waits, in one go as far as it is there already. Gives the code if the connection is to be closed then.
async fn write(
    socket: &mut WebSocketStream<TcpStream>,
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
            Outgoing::Text(text) => {
                let length = text.len();
                socket.feed(Message::text(text)).await?;
                waiting_bytes.fetch_sub(length, Ordering::Relaxed);
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

async fn close(socket: &mut WebSocketStream<TcpStream>, code: u16) {
    let closing = async {
        let code = CloseCode::try_from(code).unwrap_or(CloseCode::NORMAL_CLOSURE);
        if socket.send(Message::close(Some(code), "")).await.is_ok() {
            // What the client still says is of no interest; its close frame ends the loop.
            while let Some(Ok(_)) = socket.next().await {}
        }
    };
    // Who does not answer the close frame is left.
    let _ = timeout(CLOSE_WITHIN, closing).await;
}
