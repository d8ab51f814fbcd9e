//! Zoom's side of the webhook door: signed bodies over kept connections.

use std::{
    io::{self, ErrorKind},
    net::SocketAddr,
    time::{SystemTime, UNIX_EPOCH},
};

use rtms_sim::config::App;
use rtms_wire::signature::webhook_signature;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use super::PATIENCE;

/// A request with this body, signed now with the simulator's secret.
pub(crate) fn signed(body: &[u8]) -> Vec<u8> {
    signed_for("test", "/webhook", body)
}

/// The same for a host and a path of the caller's.
pub(crate) fn signed_for(host: &str, path: &str, body: &[u8]) -> Vec<u8> {
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs().to_string();
    let signature = webhook_signature(&App::default().secret_token, &seconds, body);
    let head = format!(
        "POST {path} HTTP/1.1\r\nhost: {host}\r\ncontent-type: application/json; charset=utf-8\r\n\
         x-zm-request-timestamp: {seconds}\r\nx-zm-signature: {signature}\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), body].concat()
}

/// A stop of a stream that nobody has started: stored and folded, and nothing to connect to.
pub(crate) fn stop_of(stream: &str, padding: usize) -> Vec<u8> {
    let padding = "x".repeat(padding);
    format!(
        r#"{{"event":"meeting.rtms_stopped","event_ts":1795428000412,"payload":{{"meeting_uuid":"m/{stream}==","rtms_stream_id":"{stream}","stop_reason":6,"padding":"{padding}"}}}}"#
    )
    .into_bytes()
}

/// A connection that is kept between requests.
pub(crate) struct Kept<S = TcpStream> {
    socket: S,
    read: Vec<u8>,
}

impl Kept {
    pub(crate) async fn open(address: SocketAddr) -> io::Result<Self> {
        let socket = TcpStream::connect(address).await?;
        socket.set_nodelay(true)?;
        Ok(Self::over(socket))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Kept<S> {
    /// On a connection of the caller's, such as one with TLS.
    pub(crate) fn over(socket: S) -> Self {
        Self { socket, read: Vec::new() }
    }

    /// Sends a request and reads its whole answer; gives the status.
    pub(crate) async fn exchange(&mut self, request: &[u8]) -> io::Result<u16> {
        Ok(self.ask(request).await?.0)
    }

    /// The same; gives the body, too.
    pub(crate) async fn ask(&mut self, request: &[u8]) -> io::Result<(u16, String)> {
        let late = |_| io::Error::from(ErrorKind::TimedOut);
        timeout(PATIENCE, self.ask_unhurried(request)).await.map_err(late)?
    }

    async fn ask_unhurried(&mut self, request: &[u8]) -> io::Result<(u16, String)> {
        self.socket.write_all(request).await?;
        self.read.clear();
        loop {
            if let Some((status, head, length)) = parse(&self.read)?
                && self.read.len() >= head + length
            {
                return Ok((status, String::from_utf8_lossy(&self.read[head..]).into_owned()));
            }
            if self.socket.read_buf(&mut self.read).await? == 0 {
                return Err(ErrorKind::UnexpectedEof.into());
            }
        }
    }
}

/// The status of an answer and the lengths of its head and its body, once its head is there.
fn parse(read: &[u8]) -> io::Result<Option<(u16, usize, usize)>> {
    let Some(end) = read.windows(4).position(|window| window == b"\r\n\r\n") else { return Ok(None) };
    let head = std::str::from_utf8(&read[..end]).map_err(|_| io::Error::from(ErrorKind::InvalidData))?;
    let mut lines = head.split("\r\n");
    let status = lines.next().and_then(|line| line.split(' ').nth(1)?.parse().ok()).ok_or(ErrorKind::InvalidData)?;
    let length = lines
        .filter_map(|line| line.split_once(':'))
        .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
        .and_then(|(_, value)| value.trim().parse::<usize>().ok())
        .unwrap_or(0);
    Ok(Some((status, end + 4, length)))
}

/// SplitMix64.
pub(crate) fn random(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut mixed = *state;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}
