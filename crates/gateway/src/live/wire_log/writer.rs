//! The thread that writes a wire log: takes what was seen, takes the secrets out, and keeps the file whole and bounded.

use std::{
    borrow::Cow,
    fs::File,
    io::{self, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
    sync::{Arc, atomic::Ordering},
};

use rtms_client::wire_log::Seen;
use rtms_proto::{output::ConnectionId, role::Role};
use rtms_record::layout;
use rtms_wire::{
    ids::StreamId,
    plain::one_line,
    wire_log::{
        Channel, Frame, MAX_LINE_BYTES, Side, What, WireLogHeader, WireLogLine, without_query_values, without_secrets,
    },
};
use serde::Serialize;
use tokio::sync::{mpsc, oneshot};
use tracing::{info, warn};

use crate::{
    live::wire_log::queue::{Item, Shared, payload_bytes},
    telemetry::LineLoss,
};

/// The bytes that are collected before they are written.
const BATCH_BYTES: usize = 256 << 10;

/// The bytes kept free below the bound for the lines that note how the file ends.
const LAST_LINES_BYTES: u64 = 4096;

/// The most files of one stream in one folder.
const MAX_JOINS: u32 = 10_000;

/// The code that our WebSockets close with.
const CLOSE_NORMAL: u16 = 1000;

pub(super) struct Writer {
    file: File,
    path: PathBuf,
    max_file_bytes: u64,
    shared: Arc<Shared>,
    /// The bytes of the whole lines in the file.
    written: u64,
    /// Lines that wait to be written together, how many they are, and how many they say are lost.
    batch: Vec<u8>,
    batch_lines: u64,
    batch_lost: u64,
    is_failing: bool,
    is_full: bool,
}

impl Writer {
    /// Creates the file with its first line; only its owner can read it.
    ///
    /// # Errors
    /// The error of the system.
    pub(super) fn create(
        folder: &Path,
        header: &WireLogHeader,
        max_file_bytes: u64,
        shared: Arc<Shared>,
    ) -> io::Result<Self> {
        let mut how = rtms_private::file();
        how.write(true).create_new(true);
        let mut join = 1;
        let (path, file) = loop {
            let path = path(folder, &header.rtms_stream_id, join);
            match how.open(&path) {
                Ok(file) => break (path, file),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists && join < MAX_JOINS => join += 1,
                Err(error) => return Err(error),
            }
        };
        let mut writer = Self {
            file,
            path,
            max_file_bytes,
            shared,
            written: 0,
            batch: Vec::new(),
            batch_lines: 0,
            batch_lost: 0,
            is_failing: false,
            is_full: false,
        };
        let line = encoded(header)?;
        writer.file.write_all(&line)?;
        writer.written = line.len() as u64;
        info!(file = %writer.path.display(), "writing a wire log; it holds what is said and shown");
        Ok(writer)
    }

    /// Writes items until the stream is over.
    pub(super) fn run(mut self, mut items: mpsc::Receiver<Item>) {
        while let Some(first) = items.blocking_recv() {
            let mut next = Some(first);
            while let Some(item) = next {
                if let Some(done) = self.take(item) {
                    self.write();
                    // The waiting side may have given up.
                    let _ = done.send(());
                    return;
                }
                next = if self.batch.len() < BATCH_BYTES { items.try_recv().ok() } else { None };
            }
            self.write();
        }
    }

    /// Takes one item. Returns the sender to notify if it was the last.
    fn take(&mut self, item: Item) -> Option<oneshot::Sender<()>> {
        match item {
            Item::Seen { ms, connection, role, seen } => {
                let bytes = payload_bytes(&seen);
                self.add_lost(ms);
                self.add(&WireLogLine { ms, what: what(connection, role, &seen) });
                self.shared.waiting_bytes.fetch_sub(bytes, Ordering::Relaxed);
                None
            }
            Item::End { ms, stop_reason, why, done } => {
                self.add_lost(ms);
                self.add_last(&WireLogLine {
                    ms,
                    what: What::Ended { stop_reason, why: text_of(why.as_str().into()) },
                });
                Some(done)
            }
        }
    }

    /// Says what is missing before what comes now.
    fn add_lost(&mut self, ms: u64) {
        let lines = self.shared.lost.swap(0, Ordering::Relaxed);
        if lines > 0 && !self.is_full {
            if !self.is_failing {
                warn!(lines, file = %self.path.display(), "lines of the wire log are lost: they came faster than they were written");
            }
            self.add_last(&WireLogLine { ms, what: What::Lost { lines } });
            self.batch_lost += lines;
        }
    }

    fn add(&mut self, line: &WireLogLine<'_>) {
        if self.is_full {
            return self.shared.count(1, LineLoss::FileFull);
        }
        match encoded(line) {
            Ok(text) if text.len() > MAX_LINE_BYTES => self.shared.lose(1, LineLoss::TooLong),
            Ok(text) => {
                let end = self.written + (self.batch.len() + text.len()) as u64;
                if end + LAST_LINES_BYTES > self.max_file_bytes {
                    self.shared.count(1, LineLoss::FileFull);
                    self.stop(line.ms);
                } else {
                    self.batch.extend_from_slice(&text);
                    self.batch_lines += 1;
                }
            }
            // Our own types; nothing of theirs refuses to be written.
            Err(error) => warn!(%error, "cannot write a line of the wire log"),
        }
    }

    /// Ends the file at its bound.
    fn stop(&mut self, ms: u64) {
        self.is_full = true;
        let why = format!("the file has reached its bound of {} bytes", self.max_file_bytes);
        warn!(why, file = %self.path.display(), "the wire log ends here, the stream continues");
        self.add_last(&WireLogLine { ms, what: What::Stopped { why: why.into() } });
    }

    /// Adds a short line of ours, which fits below the bound too. It is not counted as one of the log's.
    fn add_last(&mut self, line: &WireLogLine<'_>) {
        let end = |text: &[u8]| self.written + (self.batch.len() + text.len()) as u64;
        if let Ok(text) = encoded(line)
            && end(&text) <= self.max_file_bytes
        {
            self.batch.extend_from_slice(&text);
        }
    }

    /// Writes what was collected. What the disk does not take is lost, and the file stays whole lines.
    fn write(&mut self) {
        if self.batch.is_empty() {
            return;
        }
        match self.file.write_all(&self.batch) {
            Ok(()) => {
                self.written += self.batch.len() as u64;
                if std::mem::take(&mut self.is_failing) {
                    warn!(file = %self.path.display(), "the wire log can be written again");
                }
            }
            Err(error) => {
                if !std::mem::replace(&mut self.is_failing, true) {
                    warn!(%error, file = %self.path.display(), "cannot write the wire log, lines are lost");
                }
                self.shared.lose(self.batch_lines, LineLoss::Disk);
                // If that cannot be written either, they are still lost, and were counted before.
                self.shared.lost.fetch_add(self.batch_lost, Ordering::Relaxed);
                // If this fails as well, the next line lands behind a torn one, and readers name its number.
                let _ = self.file.set_len(self.written).and_then(|()| self.file.seek(SeekFrom::Start(self.written)));
            }
        }
        self.batch.clear();
        // One long message leaves no memory behind.
        self.batch.shrink_to(2 * BATCH_BYTES);
        self.batch_lines = 0;
        self.batch_lost = 0;
    }
}

/// Returns a line with its line end.
fn encoded(line: &impl Serialize) -> serde_json::Result<Vec<u8>> {
    let mut text = serde_json::to_vec(line)?;
    text.push(b'\n');
    Ok(text)
}

fn what(connection: ConnectionId, role: Role, seen: &Seen) -> What<'_> {
    let on = match role {
        Role::Signaling => Channel::Signaling,
        Role::Media(types) => Channel::Media(types),
    };
    let ConnectionId(connection) = connection;
    match seen {
        Seen::Dialed(url) => What::Dialed { connection, on, url: without_query_values(url) },
        // It may name the URL.
        Seen::Unreached(why) => What::Unreached { connection, on, why: text_of(without_secrets(why)) },
        Seen::Opened => What::Opened { connection, on },
        Seen::Sent(text) => What::Sent { connection, on, frame: Frame::text(text.as_bytes()).without_secrets() },
        Seen::Received { payload, is_text, is_media } => {
            let frame = if *is_text { Frame::text(payload) } else { Frame::binary(payload) };
            // URLs in media are what people wrote.
            let frame = if *is_media { frame.without_secret_fields() } else { frame.without_secrets() };
            What::Received { connection, on, frame }
        }
        Seen::Closed { code, reason } => {
            let reason = text_of(without_secrets(reason));
            What::Closed { connection, on, by: Side::Zoom, code: *code, reason }
        }
        Seen::Cut(why) => What::Cut { connection, on, why: text_of(why.into()) },
        Seen::Left => What::Closed { connection, on, by: Side::Client, code: Some(CLOSE_NORMAL), reason: "".into() },
    }
}

/// Returns text that the other side may have written, on one line.
fn text_of(text: Cow<'_, str>) -> Cow<'_, str> {
    match text {
        Cow::Borrowed(text) => one_line(text),
        Cow::Owned(text) => Cow::Owned(one_line(&text).into_owned()),
    }
}

/// The file of a stream's join; the first has no number.
pub(super) fn path(folder: &Path, stream_id: &StreamId, join: u32) -> PathBuf {
    let number = if join <= 1 { String::new() } else { format!(".{join}") };
    folder.join(format!("{}{number}.jsonl", layout::escape(stream_id.as_str())))
}

#[cfg(test)]
mod tests {
    use rtms_wire::{
        codes::product::Product,
        ids::{InstanceId, InstanceIdField},
        time::UnixMillis,
    };

    use super::{super::WireLogs, *};

    #[test]
    fn what_the_disk_does_not_take_is_counted_when_it_takes_something_again() {
        let folder = tempfile::tempdir().unwrap();
        let header = WireLogHeader {
            format: "rtms-capture".into(),
            version: 1,
            product: Product::Phone,
            instance: InstanceId::new(InstanceIdField::CallId, "7"),
            rtms_stream_id: "a".into(),
            started_at: UnixMillis(0),
            program: "test".into(),
            start_webhook: None,
        };
        let wire_logs = WireLogs::new(folder.path().into(), "nowhere".into(), Arc::default()).unwrap();
        let shared = wire_logs.queue().0.shared;
        let mut writer = Writer::create(folder.path(), &header, 1 << 20, shared).unwrap();
        let opened = |ms| Item::Seen { ms, connection: ConnectionId(1), role: Role::Signaling, seen: Seen::Opened };
        // A handle that cannot be written to is as good as a disk that is full.
        let good = std::mem::replace(&mut writer.file, File::open(&writer.path).unwrap());
        for ms in 0..3 {
            writer.take(opened(ms));
            writer.write();
        }
        writer.file = good;
        writer.take(opened(3));
        writer.write();

        let text = std::fs::read_to_string(folder.path().join("a.jsonl")).unwrap();
        let lines: Vec<_> = text.lines().skip(1).collect();
        assert_eq!(
            lines,
            [r#"{"ms":3,"what":"lost","lines":3}"#, r#"{"ms":3,"what":"opened","connection":1,"on":"signaling"}"#]
        );
        // Each is counted once, however often the disk refused the line that reports it.
        assert_eq!(wire_logs.metrics.capture_lost_lines("disk"), 3);

        // As after a message of many megabytes.
        writer.batch.reserve(64 << 20);
        writer.take(opened(4));
        writer.write();
        assert!(writer.batch.capacity() <= 2 * BATCH_BYTES);
    }
}
