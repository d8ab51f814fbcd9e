//! What the simulator costs under load: many streams from one process, joined by a reader that only counts.
//!
//! `bench-simulator [STREAMS] [RATE] [SECONDS]` starts itself a second time as the simulator, which is what
//! `rtms simulate --load` runs, so that each can tell its own CPU. It prints rows for the table in docs/performance.md.

use std::{
    process::Stdio,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::Context;
use cpu_time::ProcessTime;
use futures_util::{SinkExt, StreamExt};
use rtms_sim::config::App;
use rtms_sim_server::load::{LoadConfig, LoadServer};
use rtms_wire::{
    ids::{InstanceId, InstanceIdField, StreamId},
    secret::ClientSecret,
    signature::HandshakeSignature,
};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::TcpStream,
    process::Command,
    task::JoinSet,
    time::{sleep, timeout},
};
use tokio_websockets::{ClientBuilder, MaybeTlsStream, Message, WebSocketStream};

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// Streams that are joined at a time.
const JOIN_AT_ONCE: usize = 64;

/// Before the middle is measured, and after it: joining and leaving are not what the row is about.
const MARGIN: Duration = Duration::from_secs(2);

/// How the simulator is asked for.
const SERVE: &str = "--serve";

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let mut arguments: Vec<String> = std::env::args().skip(1).collect();
    let serves = arguments.first().is_some_and(|first| first == SERVE);
    if serves {
        arguments.remove(0);
    }
    let number = |index: usize, default: u32| match arguments.get(index) {
        Some(text) => text.parse().with_context(|| format!("{text} is no number")),
        None => Ok(default),
    };
    let (streams, rate, seconds) = (number(0, 2_000)?, number(1, 50)?, number(2, 30)?);
    let duration = Duration::from_secs(seconds.into());
    if serves { serve(streams, rate, duration).await } else { read(streams, rate, duration).await }
}

/// The simulator: prints the webhooks, and in the end what it did and what that cost.
#[expect(clippy::print_stdout, reason = "the reader listens there")]
async fn serve(streams: u32, rate: u32, duration: Duration) -> anyhow::Result<()> {
    let config = LoadConfig { streams: usize::try_from(streams)?, rate, duration, ..LoadConfig::default() };
    let server = LoadServer::start(config).await?;
    for webhook in server.start_webhooks() {
        println!("{}", String::from_utf8_lossy(webhook));
    }
    while server.counts().ready < u64::from(streams) {
        sleep(Duration::from_millis(20)).await;
    }
    let joined_cpu = ProcessTime::now();
    sleep(MARGIN).await;
    let (at, cpu, before) = (Instant::now(), ProcessTime::now(), server.counts());
    let end = server.finished();
    let before_end = duration.saturating_sub(before.ready_after.map_or(MARGIN, |(_, last)| last) + MARGIN * 2);
    sleep(before_end).await;
    let (took, cpu, after) = (at.elapsed().as_secs_f64(), cpu.elapsed().as_secs_f64(), server.counts());
    end.await;
    let last = server.counts();
    let pace = last.ready_after.map_or(0.0, |(first, last)| f64::from(streams) / (last - first).as_secs_f64());
    let packets = (after.offered - before.offered) as f64;
    println!(
        "| {streams} | {rate} | {:.0} | {:.2} | {:.1} | {:.0} | {} | {} | {:.1} |",
        packets / took,
        cpu / took,
        cpu / packets * 1e6,
        pace,
        last.held_back + last.lost,
        last.delayed,
        last.behind.as_secs_f64() * 1e3,
    );
    let program = std::env::current_exe()?;
    let profile = program.parent().and_then(|folder| folder.file_name()).unwrap_or_default();
    eprintln!("built with the profile {}", profile.to_string_lossy());
    eprintln!("{last:?}");
    eprintln!("findings: {:?}", server.findings());
    eprintln!("CPU after the joins, in all: {:.2} s", joined_cpu.elapsed().as_secs_f64());
    Ok(())
}

/// The reader: joins every stream and counts.
#[expect(clippy::print_stdout, reason = "it prints figures")]
async fn read(streams: u32, rate: u32, duration: Duration) -> anyhow::Result<()> {
    let mut child = Command::new(std::env::current_exe()?)
        .args([SERVE, &streams.to_string(), &rate.to_string(), &duration.as_secs().to_string()])
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;
    let mut lines = BufReader::new(child.stdout.take().context("no standard output")?).lines();
    let packets = Arc::new(AtomicU64::new(0));
    let mut joining = JoinSet::new();
    let mut tasks = JoinSet::new();
    for _ in 0..streams {
        let webhook = lines.next_line().await?.context("the simulator ended")?;
        if joining.len() >= JOIN_AT_ONCE
            && let Some(joined) = joining.join_next().await
        {
            tasks.spawn(follow(joined??, Arc::clone(&packets)));
        }
        joining.spawn(join(webhook));
    }
    while let Some(joined) = joining.join_next().await {
        tasks.spawn(follow(joined??, Arc::clone(&packets)));
    }
    let (at, cpu) = (Instant::now(), ProcessTime::now());
    println!(
        "| Streams | Packets/s each | Packets/s | Cores | CPU µs a packet | Joins/s | Held back or lost | 20 ms late | Latest ms |"
    );
    println!("|---:|---:|---:|---:|---:|---:|---:|---:|---:|");
    if let Some(row) = timeout(duration * 2, lines.next_line()).await?? {
        println!("{row}");
    }
    let took = at.elapsed().as_secs_f64();
    eprintln!(
        "the reader: {:.2} of a core, {} packets",
        cpu.elapsed().as_secs_f64() / took,
        packets.load(Ordering::Relaxed)
    );
    child.wait().await?;
    Ok(())
}

/// A stream after its handshakes: signaling, and media whose bytes from now on are read without ceremony.
async fn join(webhook: String) -> anyhow::Result<(Socket, Socket)> {
    let webhook: Value = serde_json::from_str(&webhook)?;
    let text = |pointer: &str| webhook.pointer(pointer).and_then(Value::as_str).context("a field is missing");
    let (meeting, stream) = (text("/payload/meeting_uuid")?, text("/payload/rtms_stream_id")?);
    let signature = HandshakeSignature::sign(
        App::TEST_CLIENT_ID,
        &ClientSecret::new(App::TEST_CLIENT_SECRET)?,
        &InstanceId::new(InstanceIdField::MeetingUuid, meeting),
        &StreamId::new(stream),
    );
    let request = |msg_type: u32| {
        json!({
            "msg_type": msg_type, "protocol_version": 1, "meeting_uuid": meeting, "rtms_stream_id": stream,
            "signature": signature.as_str(), "media_type": 1,
        })
    };
    let mut signaling = connect(text("/payload/server_urls")?).await?;
    let welcome = ask(&mut signaling, &request(1)).await?;
    let media = welcome.pointer("/media_server/server_urls/audio").and_then(Value::as_str);
    let mut media = connect(media.context("no URL of media")?).await?;
    anyhow::ensure!(ask(&mut media, &request(3)).await?["status_code"] == 0, "message 3 was refused");
    signaling.send(Message::text(json!({"msg_type": 7, "rtms_stream_id": stream}).to_string())).await?;
    Ok((signaling, media))
}

async fn connect(url: &str) -> anyhow::Result<Socket> {
    Ok(ClientBuilder::from_uri(url.parse()?).connect().await?.0)
}

async fn ask(socket: &mut Socket, request: &Value) -> anyhow::Result<Value> {
    socket.send(Message::text(request.to_string())).await?;
    let answer = socket.next().await.context("no answer")??;
    Ok(serde_json::from_slice(answer.as_payload())?)
}

/// Counts packets and answers keep-alives until the stream is over.
async fn follow((mut signaling, mut media): (Socket, Socket), packets: Arc<AtomicU64>) {
    let media = media.get_mut();
    let mut buffer = Vec::new();
    loop {
        tokio::select! {
            said = signaling.next() => {
                let Some(Ok(message)) = said else { return };
                if let Some(answer) = alive(message.as_payload())
                    && signaling.send(Message::text(answer)).await.is_err()
                {
                    return;
                }
            }
            read = media.read_buf(&mut buffer) => {
                if !read.is_ok_and(|read| read > 0) {
                    return;
                }
                while let Some((payload, whole)) = frame(&buffer) {
                    if let Some(answer) = alive(payload) {
                        // Masked with zeros, which is allowed and leaves it as it is.
                        let mut frame = vec![0x81, 0x80 | u8::try_from(answer.len()).unwrap_or(0), 0, 0, 0, 0];
                        frame.extend(answer.as_bytes());
                        if media.write_all(&frame).await.is_err() {
                            return;
                        }
                    } else {
                        packets.fetch_add(1, Ordering::Relaxed);
                    }
                    buffer.drain(..whole);
                }
            }
        }
    }
}

/// The payload of the first frame of a server, and how many bytes the frame has.
fn frame(buffer: &[u8]) -> Option<(&[u8], usize)> {
    let (header, length) = match *buffer.get(1)? {
        126 => (4, usize::from(u16::from_be_bytes([*buffer.get(2)?, *buffer.get(3)?]))),
        length => (2, usize::from(length)),
    };
    Some((buffer.get(header..header + length)?, header + length))
}

/// The answer to a keep-alive request.
fn alive(payload: &[u8]) -> Option<String> {
    payload.starts_with(br#"{"msg_type":12,"#).then(|| {
        let asked: Value = serde_json::from_slice(payload).unwrap_or_default();
        json!({"msg_type": 13, "timestamp": asked["timestamp"], "sequence": asked["sequence"]}).to_string()
    })
}
