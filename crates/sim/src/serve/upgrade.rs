//! The WebSocket upgrade, read and answered by hand: between the two, the simulator may decide to refuse.

use std::io;

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use rtms_wire::base64;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// Bytes of a request's head; rightful ones have a few hundred.
const MAX_HEAD: usize = 16 << 10;

/// What RFC 6455 has every server put behind the client's key.
const KEY_SUFFIX: &str = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// Someone who asks for a WebSocket.
#[derive(Debug)]
pub(super) struct Request {
    /// What they ask for, without the query.
    pub(super) path: String,
    key: String,
}

/// Reads a request up to its blank line; none if it asks for no WebSocket.
///
/// # Errors
/// Those of the stream, and one for a head that has no end.
pub(super) async fn read<S: AsyncRead + Unpin>(stream: &mut S) -> io::Result<Option<Request>> {
    let mut head = Vec::with_capacity(1_024);
    loop {
        if stream.read_buf(&mut head).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        // A client has nothing more to say before it has the answer, so the blank line is the end of what came.
        if head.ends_with(b"\r\n\r\n") {
            return Ok(parse(&head));
        }
        if head.len() > MAX_HEAD {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "the request has no end"));
        }
    }
}

/// Grants it.
///
/// # Errors
/// Those of the stream.
pub(super) async fn grant<S: AsyncWrite + Unpin>(stream: &mut S, request: &Request) -> io::Result<()> {
    let accept = digest(&SHA1_FOR_LEGACY_USE_ONLY, format!("{}{KEY_SUFFIX}", request.key).as_bytes());
    let accept = base64::encode(accept.as_ref());
    let head = format!(
        "HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: Upgrade\r\nsec-websocket-accept: {accept}\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await?;
    stream.flush().await
}

/// Answers with a status in place of the upgrade, and ends the connection.
///
/// # Errors
/// Those of the stream.
pub(super) async fn refuse<S: AsyncWrite + Unpin>(stream: &mut S, status: u16) -> io::Result<()> {
    let reason = hyper::StatusCode::from_u16(status).ok().and_then(|it| it.canonical_reason()).unwrap_or("Refused");
    let head = format!("HTTP/1.1 {status} {reason}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
    stream.write_all(head.as_bytes()).await?;
    stream.shutdown().await
}

fn parse(head: &[u8]) -> Option<Request> {
    let head = std::str::from_utf8(head).ok()?;
    let mut lines = head.split("\r\n");
    let mut asked = lines.next()?.split(' ');
    let (method, target, version) = (asked.next()?, asked.next()?, asked.next()?);
    if method != "GET" || version != "HTTP/1.1" || !target.starts_with('/') {
        return None;
    }
    let (mut key, mut upgrades, mut version) = (None, false, false);
    for line in lines.take_while(|line| !line.is_empty()) {
        let (name, value) = line.split_once(':')?;
        let value = value.trim();
        match name.to_ascii_lowercase().as_str() {
            "upgrade" => upgrades = value.eq_ignore_ascii_case("websocket"),
            "sec-websocket-version" => version = value == "13",
            "sec-websocket-key" => key = Some(value.to_owned()),
            _ => {}
        }
    }
    let path = target.split_once('?').map_or(target, |(path, _)| path).to_owned();
    Some(Request { path, key: key.filter(|_| upgrades && version)? })
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "GET /signaling?a=b HTTP/1.1\r\nHost: x\r\nUpgrade: WebSocket\r\nConnection: keep-alive, Upgrade\r\n\
        Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

    #[tokio::test]
    async fn the_answer_is_that_of_the_rfc() {
        let request = read(&mut HEAD.as_bytes()).await.unwrap().unwrap();
        let mut answer = Vec::new();
        grant(&mut answer, &request).await.unwrap();

        assert_eq!(request.path, "/signaling");
        let answer = String::from_utf8(answer).unwrap();
        assert!(answer.contains("sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"), "{answer}");
    }

    #[tokio::test]
    async fn what_asks_for_no_websocket_is_none() {
        for missing in ["Upgrade: WebSocket\r\n", "Sec-WebSocket-Version: 13\r\n", "/signaling?a=b "] {
            let head = HEAD.replace(missing, "");
            assert!(read(&mut head.as_bytes()).await.unwrap().is_none(), "{head}");
        }
        assert!(read(&mut b"GET / HTTP/1.1\r\nendless".as_slice()).await.is_err());
    }
}
