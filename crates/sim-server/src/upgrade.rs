//! The WebSocket upgrade, read and answered apart: between the two, the simulator may decide to refuse.

use std::io;

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use rtms_wire::base64;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// Bytes of a request's head; rightful ones have a few hundred.
const MAX_HEAD: usize = 16 << 10;

/// Headers of a request; rightful ones have about ten.
const MAX_HEADERS: usize = 64;

/// What RFC 6455 has every server put behind the client's key.
const KEY_SUFFIX: &str = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// Someone who asks for a WebSocket.
#[derive(Debug)]
pub(crate) struct Request {
    /// What they ask for, without the query.
    pub(crate) path: String,
    key: String,
}

/// Reads a request up to its blank line; none if it asks for no WebSocket.
///
/// # Errors
/// Those of the stream, and one for a head that has no end.
pub(crate) async fn read<S: AsyncRead + Unpin>(stream: &mut S) -> io::Result<Option<Request>> {
    let mut head = Vec::with_capacity(1_024);
    loop {
        if stream.read_buf(&mut head).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
        let mut request = httparse::Request::new(&mut headers);
        match request.parse(&head) {
            // Frames come after our answer, so whoever has sent more already is no WebSocket client.
            Ok(httparse::Status::Complete(length)) => return Ok(asked(&request).filter(|_| length == head.len())),
            Ok(httparse::Status::Partial) if head.len() <= MAX_HEAD => {}
            Ok(httparse::Status::Partial) => {
                return Err(io::Error::new(io::ErrorKind::InvalidData, "the request has no end"));
            }
            Err(_) => return Ok(None),
        }
    }
}

/// Grants it.
///
/// # Errors
/// Those of the stream.
pub(crate) async fn grant<S: AsyncWrite + Unpin>(stream: &mut S, request: &Request) -> io::Result<()> {
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
pub(crate) async fn refuse<S: AsyncWrite + Unpin>(stream: &mut S, status: u16) -> io::Result<()> {
    let reason = hyper::StatusCode::from_u16(status).ok().and_then(|it| it.canonical_reason()).unwrap_or("Refused");
    let head = format!("HTTP/1.1 {status} {reason}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
    stream.write_all(head.as_bytes()).await?;
    stream.shutdown().await
}

fn asked(request: &httparse::Request<'_, '_>) -> Option<Request> {
    let header = |name: &str| {
        let found = request.headers.iter().find(|header| header.name.eq_ignore_ascii_case(name))?;
        std::str::from_utf8(found.value).ok()
    };
    let target = request.path.filter(|target| target.starts_with('/'))?;
    let is_websocket = request.method == Some("GET")
        && request.version == Some(1)
        && header("upgrade").is_some_and(|to| to.eq_ignore_ascii_case("websocket"))
        && header("sec-websocket-version") == Some("13");
    let path = target.split_once('?').map_or(target, |(path, _)| path).to_owned();
    Some(Request { path, key: header("sec-websocket-key").filter(|_| is_websocket)?.to_owned() })
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
        for more in ["GET / HTTP/1.1\r\nno header\r\n\r\n".to_owned(), format!("{HEAD}\u{1}")] {
            assert!(read(&mut more.as_bytes()).await.unwrap().is_none(), "{more}");
        }
    }

    #[tokio::test]
    async fn a_head_that_does_not_end_is_an_error() {
        let cut = "GET / HTTP/1.1\r\ncut: o";
        let endless = format!("GET / HTTP/1.1\r\nendless: {}", "a".repeat(MAX_HEAD));

        assert_eq!(read(&mut cut.as_bytes()).await.unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
        assert_eq!(read(&mut endless.as_bytes()).await.unwrap_err().kind(), io::ErrorKind::InvalidData);
    }
}
