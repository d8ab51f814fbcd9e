//! HTTP by hand: requests are bytes, so that a test can send what no client library would.

use std::{
    net::SocketAddr,
    time::{SystemTime, UNIX_EPOCH},
};

use rtms_wire::{
    secret::SecretToken,
    signature::webhook_signature,
    webhook::verify::{SIGNATURE_HEADER, TIMESTAMP_HEADER},
};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use super::PATIENCE;

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// Status line and headers.
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().skip(1).find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then_some(value.trim())
        })
    }
}

pub(crate) fn unix_seconds() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

/// The headers of Zoom for a body, signed at this time.
pub(crate) fn signed_headers(secret: &SecretToken, seconds: u64, body: &[u8]) -> Vec<(&'static str, String)> {
    let timestamp = seconds.to_string();
    let signature = webhook_signature(secret, &timestamp, body);
    vec![
        ("content-type", "application/json; charset=utf-8".into()),
        (TIMESTAMP_HEADER, timestamp),
        (SIGNATURE_HEADER, signature),
    ]
}

/// `POST /webhook` with these headers and the length of the body.
pub(crate) fn post<N: AsRef<str>, V: AsRef<str>>(headers: &[(N, V)], body: &[u8]) -> Vec<u8> {
    let mut request = head(headers);
    request.extend_from_slice(format!("content-length: {}\r\n\r\n", body.len()).as_bytes());
    request.extend_from_slice(body);
    request
}

/// `POST /webhook` with these headers; the empty line is not there yet.
pub(crate) fn head<N: AsRef<str>, V: AsRef<str>>(headers: &[(N, V)]) -> Vec<u8> {
    let mut head = String::from("POST /webhook HTTP/1.1\r\nhost: gateway.test\r\n");
    for (name, value) in headers {
        head.push_str(&format!("{}: {}\r\n", name.as_ref(), value.as_ref()));
    }
    head.into_bytes()
}

/// `POST /webhook`, signed now.
pub(crate) fn signed_now(secret: &SecretToken, body: &[u8]) -> Vec<u8> {
    post(&signed_headers(secret, unix_seconds(), body), body)
}

/// Sends a request on a connection of its own and reads the answer.
pub(crate) async fn exchange(address: SocketAddr, request: &[u8]) -> Answer {
    let (mut from, mut to) = TcpStream::connect(address).await.unwrap().into_split();
    let request = request.to_vec();
    // A server that refuses early may not read all of it, so the answer is read while the request is being sent.
    let sending = tokio::spawn(async move {
        let _ = to.write_all(&request).await;
        to
    });
    let answer = read_answer(&mut from).await.expect("an answer");
    let _ = sending.await;
    answer
}

/// Reads one answer; none if the connection ends before its first byte.
pub(crate) async fn read_answer(from: &mut (impl AsyncRead + Unpin)) -> Option<Answer> {
    timeout(PATIENCE, read(from)).await.expect("an answer in time")
}

async fn read(from: &mut (impl AsyncRead + Unpin)) -> Option<Answer> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match from.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) if head.is_empty() => return None,
            Err(error) => panic!("the answer broke off after {:?}: {error}", String::from_utf8_lossy(&head)),
        }
    }
    let head = String::from_utf8(head).unwrap();
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
    let mut answer = Answer { status, head, body: Vec::new() };
    if status >= 200 {
        let length = answer.header("content-length").expect("a length").parse().unwrap();
        answer.body.resize(length, 0);
        from.read_exact(&mut answer.body).await.unwrap();
    }
    Some(answer)
}
