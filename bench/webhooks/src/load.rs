//! The load generator: so many connections, each with one request under way, bodies signed beforehand.

use std::{
    cell::Cell,
    io::{self, ErrorKind},
    net::SocketAddr,
    rc::Rc,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use anyhow::{Context, ensure};
use rtms_wire::{secret::SecretToken, signature::webhook_signature};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::LocalSet,
    time::{sleep, timeout},
};

use crate::figures::Figures;

pub(crate) const SECRET_TOKEN: &str = "bench-secret-token";

/// Requests signed beforehand for each second, all different: more than any receiver here answers.
const SIGNED_PER_SECOND: u64 = 40_000;
/// Not measured: code and caches warm up.
const WARM_UP: Duration = Duration::from_millis(1500);
/// An answer that takes longer counts as failed.
const GIVE_UP: Duration = Duration::from_secs(10);

/// Stops of different streams: stored, folded, and nothing to connect to.
pub(crate) fn signed(address: SocketAddr, time: Duration) -> anyhow::Result<Vec<Vec<u8>>> {
    let count = SIGNED_PER_SECOND * (WARM_UP + time).as_millis() as u64 / 1000;
    let secret = SecretToken::new(SECRET_TOKEN).ok().context("the secret token is empty")?;
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs().to_string();
    let requests = (0..count).map(|number| {
        let body = format!(
            r#"{{"event":"meeting.rtms_stopped","event_ts":1795428000412,"payload":{{"account_id":"AbCdEfGhIjKlMnOpQrStUv","object":{{"meeting_id":"95{number:09}","meeting_uuid":"m{number:08}pd8y/dPFbg==","operator_id":"xxxxxxxxxxxxxxxxxxxxxx","rtms_stream_id":"{number:032x}","stop_reason":6}}}}}}"#
        );
        let signature = webhook_signature(&secret, &seconds, body.as_bytes());
        format!(
            "POST /webhook HTTP/1.1\r\nhost: {address}\r\nuser-agent: Zoom Marketplace/1.0a\r\n\
             content-type: application/json; charset=utf-8\r\nx-zm-request-timestamp: {seconds}\r\n\
             x-zm-signature: {signature}\r\nclientid: AbCdEfGhIjKlMnOpQrStUv\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        )
        .into_bytes()
    });
    Ok(requests.collect())
}

/// Drives a receiver for so long with what was [`signed`] for that time.
pub(crate) async fn drive(
    address: SocketAddr,
    requests: Vec<Vec<u8>>,
    connections: usize,
    time: Duration,
) -> anyhow::Result<Figures> {
    let requests = Rc::new(requests);
    let next = Rc::new(Cell::new(0));
    let measured_from = Instant::now() + WARM_UP;
    let until = measured_from + time;
    let local = LocalSet::new();
    let connections: Vec<_> = (0..connections)
        .map(|_| {
            let connection = Connection {
                address,
                requests: requests.clone(),
                next: next.clone(),
                socket: None,
                read: Vec::with_capacity(1024),
            };
            local.spawn_local(connection.run(measured_from, until))
        })
        .collect();
    let mut seen = Seen::default();
    local
        .run_until(async {
            for connection in connections {
                let its = connection.await.context("a connection's task broke")?;
                seen.took.extend(its.took);
                seen.warm_up += its.warm_up;
                seen.refused.extend(its.refused);
                seen.unanswered += its.unanswered;
            }
            anyhow::Ok(())
        })
        .await?;
    ensure!(next.get() <= requests.len(), "faster than expected: sign more than {SIGNED_PER_SECOND} requests a second");
    let Seen { took, warm_up, refused, unanswered } = seen;
    let mut figures = Figures::new(took, time);
    figures.all_answered += warm_up;
    (figures.refused, figures.unanswered) = (refused, unanswered);
    Ok(figures)
}

/// What one connection saw.
#[derive(Default)]
struct Seen {
    /// How long each answer of 200 took that was asked for in the measured time.
    took: Vec<Duration>,
    /// Answers of 200 before that.
    warm_up: usize,
    /// Other statuses, at any time.
    refused: Vec<u16>,
    unanswered: usize,
}

struct Connection {
    address: SocketAddr,
    requests: Rc<Vec<Vec<u8>>>,
    next: Rc<Cell<usize>>,
    socket: Option<TcpStream>,
    read: Vec<u8>,
}

impl Connection {
    /// Sends and reads, one after the other, until the time is over.
    async fn run(mut self, measured_from: Instant, until: Instant) -> Seen {
        let mut seen = Seen::default();
        loop {
            let number = self.next.get();
            self.next.set(number + 1);
            let begun = Instant::now();
            let answered = timeout(GIVE_UP, self.exchange(number)).await;
            let ended = Instant::now();
            if ended >= until {
                return seen;
            }
            match answered {
                Ok(Ok(200)) if begun >= measured_from => seen.took.push(ended - begun),
                Ok(Ok(200)) => seen.warm_up += 1,
                Ok(Ok(status)) => seen.refused.push(status),
                Ok(Err(_)) | Err(_) => {
                    seen.unanswered += 1;
                    self.socket = None;
                    sleep(Duration::from_millis(1)).await;
                }
            }
        }
    }

    /// One request and its whole answer. A server that closes after each pays for connecting, as it does with Zoom.
    async fn exchange(&mut self, number: usize) -> io::Result<u16> {
        let socket = match self.socket.take() {
            Some(socket) => self.socket.insert(socket),
            None => {
                let socket = TcpStream::connect(self.address).await?;
                socket.set_nodelay(true)?;
                self.socket.insert(socket)
            }
        };
        let request = &self.requests[number % self.requests.len()];
        socket.write_all(request).await?;
        self.read.clear();
        loop {
            let is_closed = socket.read_buf(&mut self.read).await? == 0;
            match Answer::parse(&self.read) {
                Some(answer) if !answer.closes && self.read.len() >= answer.length => return Ok(answer.status),
                Some(answer) if answer.closes && is_closed => {
                    self.socket = None;
                    return Ok(answer.status);
                }
                Some(_) | None if is_closed => return Err(ErrorKind::UnexpectedEof.into()),
                Some(_) | None => {}
            }
        }
    }
}

struct Answer {
    status: u16,
    /// Of head and body.
    length: usize,
    /// Whether its end is the end of the connection.
    closes: bool,
}

impl Answer {
    fn parse(read: &[u8]) -> Option<Self> {
        let end = read.windows(4).position(|window| window == b"\r\n\r\n")?;
        let head = std::str::from_utf8(&read[..end]).ok()?;
        let (version, rest) = head.split_once(' ')?;
        let status = rest.get(..3)?.parse().ok()?;
        let body = head
            .split("\r\n")
            .filter_map(|line| line.split_once(':'))
            .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
            .and_then(|(_, value)| value.trim().parse::<usize>().ok())
            .unwrap_or(0);
        Some(Self { status, length: end + 4 + body, closes: version == "HTTP/1.0" })
    }
}
