//! DNS, TCP, TLS, WebSocket upgrade, behind a trait, so that something else can be the network.

use std::{
    future::Future,
    path::PathBuf,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use futures_util::{Sink, Stream};
use rtms_http::{error::TlsSetupError, lookup::Lookups, tls};
use rtms_wire::{Uri, webhook::server_url::ServerUrlPolicy};
use tokio::{net::TcpStream, time::timeout};
use tokio_websockets::{
    ClientBuilder, CloseCode, Connector as TlsConnector, Limits, MaybeTlsStream, Message, WebSocketStream,
};

use crate::{
    error::{ConnectError, SocketError},
    frames::Frames,
};

/// The longest message taken. A 1080p PNG in base64 is a few megabytes; nothing documented comes near this.
pub const MAX_MESSAGE_BYTES: usize = 32 << 20;

/// How long the TCP connection may take: what Zoom's SDK allows for signaling.
const TCP_LIMIT: Duration = Duration::from_secs(5);

/// How long TLS and the upgrade may take together.
const UPGRADE_LIMIT: Duration = Duration::from_secs(5);

/// Makes connections.
pub trait Connector: Send + Sync + 'static {
    /// What it makes.
    type Socket: Socket;

    /// Connects to a `ws` or `wss` URL, given exactly as Zoom gave it.
    fn connect(&self, url: String) -> impl Future<Output = Result<Self::Socket, ConnectError>> + Send + 'static;
}

/// A WebSocket that carries JSON both ways.
pub trait Socket: Send + Unpin + 'static {
    /// What comes next; an error when the connection is gone without a close frame.
    fn poll_receive(&mut self, cx: &mut Context<'_>) -> Poll<Result<Received, SocketError>>;

    /// Takes a text message for sending if there is room; otherwise it stays with the caller.
    fn poll_send(&mut self, cx: &mut Context<'_>, text: &mut Option<String>) -> Poll<Result<(), SocketError>>;

    /// Pushes what was taken into the network.
    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), SocketError>>;

    /// Closes with code 1000. Gives what the other side sent before it knew, and none when it has closed, too, or is gone.
    fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<Option<Received>>;
}

/// What comes on a WebSocket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Received {
    /// The payload of a text frame. It may hold bytes that are no UTF-8.
    Text(Bytes),
    /// The payload of a binary frame.
    Binary(Bytes),
    /// A close frame: the other side has closed in order.
    Closed {
        /// Its code; none if it had none.
        code: Option<u16>,
        /// What it said beside it, mostly nothing.
        reason: String,
    },
}

/// Real sockets: TCP, and TLS 1.2 or newer with certificates and names checked.
#[derive(Clone)]
pub struct TcpConnector {
    tls: Arc<TlsConnector>,
    policy: Arc<ServerUrlPolicy>,
    lookups: Lookups,
    max_message_bytes: usize,
}

impl TcpConnector {
    /// Connects only where `policy` allows, since every URL comes from outside; trusts the system's certificate
    /// authorities, and those in the PEM files given.
    ///
    /// # Errors
    /// [`TlsSetupError`] when a file cannot be read or the system's store is unusable.
    pub fn new(policy: ServerUrlPolicy, extra_ca: &[PathBuf]) -> Result<Self, TlsSetupError> {
        let config = tls::client_config(extra_ca)?;
        let tls = TlsConnector::Rustls(tokio_rustls::TlsConnector::from(Arc::new(config)));
        let (tls, policy, lookups) = (Arc::new(tls), Arc::new(policy), Lookups::default());
        Ok(Self { tls, policy, lookups, max_message_bytes: MAX_MESSAGE_BYTES })
    }

    /// The same, taking no WebSocket message longer than this.
    pub fn with_max_message_bytes(&self, max_message_bytes: usize) -> Self {
        Self { max_message_bytes, ..self.clone() }
    }

    async fn dial(&self, uri: &Uri, secure: bool) -> Result<TcpStream, ConnectError> {
        let host = host_of(uri);
        let port = uri.port_u16().unwrap_or(if secure { 443 } else { 80 });
        let connecting = async { TcpStream::connect(&*self.lookups.addresses(host, port).await?).await };
        let tcp = timeout(TCP_LIMIT, connecting)
            .await
            .map_err(|_| ConnectError::TimedOut("TCP connection"))?
            .map_err(|source| ConnectError::Tcp { host: format!("{host}:{port}"), source })?;
        // Keep-alive answers are small and must not wait for company.
        tcp.set_nodelay(true).map_err(|source| ConnectError::Tcp { host: host.to_owned(), source })?;
        Ok(tcp)
    }

    async fn secure(
        &self,
        uri: &Uri,
        secure: bool,
        tcp: TcpStream,
    ) -> Result<MaybeTlsStream<TcpStream>, tokio_websockets::Error> {
        if secure { self.tls.wrap(host_of(uri), tcp).await } else { Ok(MaybeTlsStream::Plain(tcp)) }
    }
}

/// A URI writes IPv6 addresses in brackets; they do not resolve that way.
fn host_of(uri: &Uri) -> &str {
    uri.host().unwrap_or_default().trim_matches(['[', ']'])
}

impl Connector for TcpConnector {
    type Socket = TcpSocket;

    fn connect(&self, url: String) -> impl Future<Output = Result<TcpSocket, ConnectError>> + Send + 'static {
        let connector = self.clone();
        let checked = self.policy.check(&url);
        async move {
            let uri = checked.map_err(|source| ConnectError::Refused { url, source })?;
            let secure = uri.scheme_str() == Some("wss");
            let tcp = connector.dial(&uri, secure).await?;

            let upgrade = async {
                let stream = Frames::new(connector.secure(&uri, secure, tcp).await?);
                let limits = Limits::default().max_payload_len(Some(connector.max_message_bytes));
                ClientBuilder::from_uri(uri).limits(limits).connect_on(stream).await
            };
            let (socket, _response) = timeout(UPGRADE_LIMIT, upgrade)
                .await
                .map_err(|_| ConnectError::TimedOut("TLS or WebSocket upgrade"))?
                .map_err(ConnectError::Upgrade)?;
            Ok(TcpSocket { socket, is_closing: false })
        }
    }
}

/// A WebSocket over TCP, with or without TLS.
pub struct TcpSocket {
    socket: WebSocketStream<Frames<MaybeTlsStream<TcpStream>>>,
    /// Whether our close frame was given to it.
    is_closing: bool,
}

impl Socket for TcpSocket {
    fn poll_receive(&mut self, cx: &mut Context<'_>) -> Poll<Result<Received, SocketError>> {
        loop {
            let message = match Pin::new(&mut self.socket).poll_next(cx) {
                Poll::Ready(Some(Ok(message))) => message,
                Poll::Ready(Some(Err(error))) => return Poll::Ready(Err(error.into())),
                Poll::Ready(None) => return Poll::Ready(Err(SocketError::Cut)),
                Poll::Pending => return Poll::Pending,
            };
            if let Some((code, reason)) = message.as_close() {
                let code = Some(code).filter(|code| *code != CloseCode::NO_STATUS_RECEIVED).map(u16::from);
                return Poll::Ready(Ok(Received::Closed { code, reason: reason.to_owned() }));
            }
            // The library answers pings by itself; they tell us nothing.
            if message.is_binary() {
                let was_text = self.socket.get_mut().was_text();
                let payload = message.into_payload().into();
                return Poll::Ready(Ok(if was_text { Received::Text(payload) } else { Received::Binary(payload) }));
            }
        }
    }

    fn poll_send(&mut self, cx: &mut Context<'_>, text: &mut Option<String>) -> Poll<Result<(), SocketError>> {
        let mut socket = Pin::new(&mut self.socket);
        ready!(socket.as_mut().poll_ready(cx))?;
        let sent = text.take().map_or(Ok(()), |text| socket.start_send(Message::text(text)));
        Poll::Ready(sent.map_err(SocketError::from))
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), SocketError>> {
        Pin::new(&mut self.socket).poll_flush(cx).map_err(SocketError::from)
    }

    fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<Option<Received>> {
        if !std::mem::replace(&mut self.is_closing, true) {
            // It fails only where the other side has closed; its close frame is answered all the same.
            let _ = Pin::new(&mut self.socket).start_send(Message::close(Some(CloseCode::NORMAL_CLOSURE), ""));
        }
        // The library writes what is queued before it reads.
        match ready!(self.poll_receive(cx)) {
            Ok(received @ (Received::Text(_) | Received::Binary(_))) => Poll::Ready(Some(received)),
            Ok(Received::Closed { .. }) | Err(_) => Pin::new(&mut self.socket).poll_close(cx).map(|_| None),
        }
    }
}
