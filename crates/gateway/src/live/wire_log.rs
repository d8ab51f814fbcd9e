//! `rtms serve --capture`: a stream's wire log ([`rtms_wire::wire_log`]), kept by a thread of its own so that neither the
//! sockets nor the stream ever wait for it.
//!
//! One file for each time that a stream is joined: `DIR/<stream id, escaped>.jsonl`, then `….2.jsonl` and so on. Frames
//! that arrive faster than they can be written are left out, and the file has their number.

mod queue;
mod writer;

use std::{
    fs, io,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use rtms_client::wire_log::{Seen, WireLog};
use rtms_proto::{output::ConnectionId, role::Role};
use rtms_record::layout;
use rtms_wire::{codes::stop_reason::StopReason, ids::StreamId, time::millis, wire_log::WireLogHeader};
use tokio::{
    sync::{mpsc, oneshot},
    time::{Instant, timeout},
};
use tracing::{Span, warn};

use crate::{
    live::wire_log::{
        queue::{Item, Shared, payload_bytes},
        writer::Writer,
    },
    telemetry::{LineLoss, Metrics},
};

/// The longest file of one join. A day of everything is more, but a wire log is for finding a fault, which shows
/// sooner.
const MAX_FILE_BYTES: u64 = 1 << 30;

/// The bytes that may wait for the disk: some seconds of everything that a meeting has.
const MAX_WAITING_BYTES: usize = 16 << 20;

/// The same in lines, so that many small ones cannot take more memory than a few large ones.
const MAX_WAITING_LINES: usize = 8192;

/// The longest wait of an ended stream for the end of its file.
const FINISH_WITHIN: Duration = Duration::from_secs(5);

/// Begins and deletes the wire logs of this process.
#[derive(Debug)]
pub(crate) struct WireLogs {
    folder: PathBuf,
    /// The folder of the recordings. A stream whose recording was deleted on demand gets no wire log either.
    recordings: PathBuf,
    metrics: Arc<Metrics>,
    max_file_bytes: u64,
}

/// The wire log of one join. All clones write the same file.
#[derive(Clone, Debug)]
pub(crate) struct WireLogHandle {
    begun: Instant,
    queue: mpsc::Sender<Item>,
    shared: Arc<Shared>,
}

impl WireLogs {
    /// Creates the folder if it is missing.
    ///
    /// # Errors
    /// The error of the system.
    pub(crate) fn new(folder: PathBuf, recordings: PathBuf, metrics: Arc<Metrics>) -> io::Result<Self> {
        rtms_private::make_folders(&folder)?;
        Ok(Self { folder, recordings, metrics, max_file_bytes: MAX_FILE_BYTES })
    }

    /// Begins a log. If it cannot be written, that is logged, and the stream goes on.
    pub(crate) fn begin(&self, header: WireLogHeader) -> WireLogHandle {
        let (wire_log, items) = self.queue();
        let shared = wire_log.shared.clone();
        let (folder, max_file_bytes, span) = (self.folder.clone(), self.max_file_bytes, Span::current());
        let revoked = layout::deletion_record(&self.recordings, &header.rtms_stream_id);
        let write = move || {
            let _entered = span.enter();
            if revoked.exists() {
                return warn!("the stream was revoked: no wire log is written");
            }
            match Writer::create(&folder, &header, max_file_bytes, shared.clone()) {
                Ok(writer) => writer.run(items),
                Err(error) => {
                    warn!(%error, folder = %folder.display(), "cannot write the wire log");
                    lose_all(items, &shared);
                }
            }
        };
        if let Err(error) = std::thread::Builder::new().name("capture".into()).spawn(write) {
            warn!(%error, "cannot start a thread for the wire log");
        }
        wire_log
    }

    /// Returns both ends of a new queue.
    fn queue(&self) -> (WireLogHandle, mpsc::Receiver<Item>) {
        let (queue, items) = mpsc::channel(MAX_WAITING_LINES);
        let metrics = self.metrics.clone();
        let shared = Shared { metrics, waiting_bytes: AtomicUsize::new(0), lost: AtomicU64::new(0) };
        (WireLogHandle { begun: Instant::now(), queue, shared: Arc::new(shared) }, items)
    }

    /// Deletes every log of a stream.
    ///
    /// # Errors
    /// The error of the system for the first file that cannot be deleted.
    pub(crate) fn delete(&self, stream_id: &StreamId) -> io::Result<()> {
        let escaped = layout::escape(stream_id.as_str());
        let entries = match fs::read_dir(&self.folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            entries => entries?,
        };
        for entry in entries {
            let path = entry?.path();
            // An escaped id has no dot, so this is no other stream's.
            let is_its = path.file_name().and_then(|name| name.to_str()).is_some_and(|name| {
                name.strip_prefix(&escaped).is_some_and(|rest| rest.starts_with('.') && rest.ends_with(".jsonl"))
            });
            if is_its {
                fs::remove_file(path)?;
            }
        }
        Ok(())
    }
}

/// Counts every item as lost until the stream is over, because there is no file.
fn lose_all(mut items: mpsc::Receiver<Item>, shared: &Shared) {
    while let Some(Item::Seen { seen, .. }) = items.blocking_recv() {
        shared.waiting_bytes.fetch_sub(payload_bytes(&seen), Ordering::Relaxed);
        shared.count(1, LineLoss::Disk);
    }
}

impl WireLogHandle {
    /// Ends the log. Returns when the file is written, or when that takes too long.
    pub(crate) async fn finish(self, stop_reason: Option<StopReason>, why: String) {
        let (done, is_done) = oneshot::channel();
        let end = Item::End { ms: self.ms(), stop_reason, why, done };
        let finished = async {
            if self.queue.send(end).await.is_ok() {
                // It fails only when the thread is gone, which has logged why.
                let _ = is_done.await;
            }
        };
        if timeout(FINISH_WITHIN, finished).await.is_err() {
            warn!("the wire log was not written in time, its end may be missing");
        }
    }

    fn ms(&self) -> u64 {
        millis(self.begun.elapsed())
    }
}

impl WireLog for WireLogHandle {
    fn saw(&mut self, connection: ConnectionId, role: Role, seen: Seen) {
        let bytes = payload_bytes(&seen);
        // Only this end adds, so nothing comes between this look and what follows from it.
        let waiting = self.shared.waiting_bytes.load(Ordering::Relaxed);
        // One large frame may always wait if nothing else does.
        if waiting == 0 || waiting + bytes <= MAX_WAITING_BYTES {
            self.shared.waiting_bytes.fetch_add(bytes, Ordering::Relaxed);
            let item = Item::Seen { ms: self.ms(), connection, role, seen };
            match self.queue.try_send(item) {
                // The thread is gone, and has logged why.
                Ok(()) | Err(mpsc::error::TrySendError::Closed(_)) => return,
                Err(mpsc::error::TrySendError::Full(_)) => {
                    self.shared.waiting_bytes.fetch_sub(bytes, Ordering::Relaxed);
                }
            }
        }
        self.shared.lose(1, LineLoss::TooFast);
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use rtms_store::store::Stats;
    use rtms_wire::{
        Bytes,
        codes::product::Product,
        ids::{InstanceId, InstanceIdField},
        media::medium::{MediaTypes, Medium},
        time::UnixMillis,
        wire_log::{FORMAT, Frame, VERSION, What, WireLogLine},
    };

    use super::{writer::path, *};

    const SOUND: Role = Role::Media(MediaTypes::ALL);

    fn header(stream_id: &str) -> WireLogHeader {
        WireLogHeader {
            format: FORMAT.into(),
            version: VERSION,
            product: Product::Meeting,
            instance: InstanceId::new(InstanceIdField::MeetingUuid, "4/a+B=="),
            rtms_stream_id: stream_id.into(),
            started_at: UnixMillis(1_795_428_000_000),
            program: "rtms test".into(),
            start_webhook: None,
        }
    }

    fn received(payload: &'static [u8]) -> Seen {
        Seen::Received { payload: Bytes::from_static(payload), is_text: true, is_media: false }
    }

    fn wire_logs(folder: &Path) -> WireLogs {
        WireLogs::new(folder.join("captures"), folder.join("recordings"), Arc::default()).unwrap()
    }

    /// The lines behind the header.
    fn lines(path: &Path) -> Vec<String> {
        let text = fs::read_to_string(path).unwrap();
        assert!(text.ends_with('\n'));
        text.lines().skip(1).map(str::to_owned).collect()
    }

    fn what(line: &str) -> What<'_> {
        serde_json::from_str::<WireLogLine<'_>>(line).unwrap().what
    }

    #[tokio::test]
    async fn a_file_has_everything_in_order_and_nobody_else_can_read_it() {
        let folder = tempfile::tempdir().unwrap();
        let wire_logs = wire_logs(folder.path());
        let mut wire_log = wire_logs.begin(header("AbC"));
        let (one, two) = (ConnectionId(1), ConnectionId(2));
        wire_log.saw(one, Role::Signaling, Seen::Dialed("ws://x/?token=abc".into()));
        wire_log.saw(one, Role::Signaling, Seen::Opened);
        wire_log.saw(one, Role::Signaling, Seen::Sent(r#"{"msg_type":1,"signature":"abc"}"#.into()));
        wire_log.saw(two, Role::Media(MediaTypes::of([Medium::Chat])), received(br#"{"msg_type":4,"token":"abc"}"#));
        let said = br#"{"msg_type":18,"content":{"data":"signature: ws://x/?a=b"},"srt_passphrase":"abc"}"#;
        wire_log.saw(two, SOUND, Seen::Received { payload: Bytes::from_static(said), is_text: true, is_media: true });
        wire_log.saw(two, SOUND, received(br#"{"msg_type":96,"all":"srt://x?p=abc","n":{"srt_passphrase":"abc"}}"#));
        wire_log.saw(two, SOUND, Seen::Left);
        wire_log.finish(Some(StopReason::MeetingEnded), "over".into()).await;

        let path = path(&folder.path().join("captures"), &"AbC".into(), 1);
        let lines = lines(&path);
        assert!(!fs::read_to_string(&path).unwrap().contains("abc"), "{lines:#?}");
        assert_eq!(lines.len(), 8, "{lines:#?}");
        // What was said is no secret of ours.
        let What::Received { connection: 2, frame: Frame::Text(text), .. } = what(&lines[4]) else {
            panic!("{}", lines[4])
        };
        assert_eq!(text, r#"{"msg_type":18,"content":{"data":"signature: ws://x/?a=b"},"srt_passphrase":""}"#);
        assert_eq!(what(&lines[7]), What::Ended { stop_reason: Some(StopReason::MeetingEnded), why: "over".into() });
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        }
    }

    #[tokio::test]
    async fn what_the_other_side_says_when_it_closes_stays_in_its_line() {
        let folder = tempfile::tempdir().unwrap();
        let wire_logs = wire_logs(folder.path());
        let mut wire_log = wire_logs.begin(header("a"));
        let said = "bye\n{\"ms\":1}\u{2028}\u{1b}[2J\u{202e}\u{9b}";
        wire_log.saw(ConnectionId(1), SOUND, Seen::Closed { code: Some(1008), reason: said.into() });
        wire_log.saw(ConnectionId(2), SOUND, Seen::Cut(said.into()));
        wire_log.saw(ConnectionId(3), SOUND, Seen::Unreached(said.into()));
        wire_log.finish(None, "over".into()).await;

        let lines = lines(&path(&folder.path().join("captures"), &"a".into(), 1));
        let shown = r#"bye\n{"ms":1}\u{2028}\u{1b}[2J\u{202e}\u{9b}"#;
        assert!(matches!(what(&lines[0]), What::Closed { code: Some(1008), reason, .. } if reason == shown));
        assert!(matches!(what(&lines[1]), What::Cut { why, .. } if why == shown), "{}", lines[1]);
        assert!(matches!(what(&lines[2]), What::Unreached { why, .. } if why == shown), "{}", lines[2]);
    }

    #[tokio::test]
    async fn a_file_at_its_bound_says_so_and_ends() {
        let folder = tempfile::tempdir().unwrap();
        let wire_logs = WireLogs { max_file_bytes: 16 << 10, ..wire_logs(folder.path()) };
        let mut wire_log = wire_logs.begin(header("a"));
        for _ in 0..1000 {
            wire_log.saw(ConnectionId(1), SOUND, received(br#"{"msg_type":14,"content":{"data":"AAAAAAAAAAAAAAAA"}}"#));
        }
        wire_log.finish(None, "over".into()).await;

        let path = path(&folder.path().join("captures"), &"a".into(), 1);
        assert!(fs::metadata(&path).unwrap().len() <= 16 << 10);
        let lines = lines(&path);
        let [written @ .., stopped, ended] = &lines[..] else { panic!("{lines:#?}") };
        let Some(before) = written.last() else { panic!("{lines:#?}") };
        assert!(matches!(what(before), What::Received { .. }), "{before}");
        let What::Stopped { why } = what(stopped) else { panic!("{stopped}") };
        assert_eq!(why, "the file has reached its bound of 16384 bytes");
        assert!(matches!(what(ended), What::Ended { .. }), "{ended}");
        assert_eq!(wire_logs.metrics.capture_lost_lines("file_full"), 1000 - written.len() as u64);
    }

    /// Sees all of this before the disk takes anything; how many lines the file has and says that it lacks.
    async fn seen_before_anything_is_written(wire_logs: &WireLogs, seen: impl IntoIterator<Item = Seen>) -> (u64, u64) {
        let (mut wire_log, items) = wire_logs.queue();
        for seen in seen {
            wire_log.saw(ConnectionId(1), SOUND, seen);
        }
        let writer = Writer::create(&wire_logs.folder, &header("a"), MAX_FILE_BYTES, wire_log.shared.clone()).unwrap();
        let writing = std::thread::spawn(move || writer.run(items));
        // Waits for room, behind all that was seen.
        wire_log.finish(None, "over".into()).await;
        writing.join().unwrap();

        let (mut received, mut lost) = (0, 0);
        for line in lines(&path(&wire_logs.folder, &"a".into(), 1)) {
            if let What::Lost { lines } = what(&line) {
                lost += lines;
            } else {
                received += u64::from(matches!(what(&line), What::Received { .. }));
            }
        }
        (received, lost)
    }

    #[tokio::test]
    async fn lines_that_do_not_fit_into_the_queue_are_counted_and_the_stream_does_not_wait() {
        let folder = tempfile::tempdir().unwrap();
        let wire_logs = wire_logs(folder.path());
        let seen = (0..MAX_WAITING_LINES + 3).map(|_| received(b"{}"));

        let (received, lost) = seen_before_anything_is_written(&wire_logs, seen).await;

        assert_eq!((received, lost), (MAX_WAITING_LINES as u64, 3));
        assert_eq!(wire_logs.metrics.capture_lost_lines("too_fast"), 3);
    }

    #[tokio::test]
    async fn bytes_that_do_not_fit_into_the_queue_are_counted_and_what_comes_later_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        let wire_logs = wire_logs(folder.path());
        let picture = Bytes::from(vec![b'x'; MAX_WAITING_BYTES / 4]);
        let pictures = (0..7).map(|_| Seen::Received { payload: picture.clone(), is_text: true, is_media: true });

        let (received, lost) = seen_before_anything_is_written(&wire_logs, pictures).await;

        assert_eq!((received, lost), (4, 3));
        assert_eq!(wire_logs.metrics.capture_lost_lines("too_fast"), 3);
        assert!(
            wire_logs.metrics.render(Stats::default()).contains(r#"rtms_capture_lost_lines_total{why="too_fast"} 3"#)
        );
    }

    #[tokio::test]
    async fn a_log_that_cannot_be_made_loses_every_line() {
        let folder = tempfile::tempdir().unwrap();
        let wire_logs = wire_logs(folder.path());
        fs::remove_dir(&wire_logs.folder).unwrap();

        let mut wire_log = wire_logs.begin(header("a"));
        for _ in 0..5 {
            wire_log.saw(ConnectionId(1), SOUND, received(b"{}"));
        }
        wire_log.finish(None, "over".into()).await;

        assert_eq!(wire_logs.metrics.capture_lost_lines("disk"), 5);
    }

    #[tokio::test]
    async fn each_join_has_a_file_and_all_are_deleted_together() {
        let folder = tempfile::tempdir().unwrap();
        let wire_logs = wire_logs(folder.path());
        for stream in ["a", "a", "a.2", "b"] {
            wire_logs.begin(header(stream)).finish(None, "over".into()).await;
        }
        let names = || {
            let entries = fs::read_dir(folder.path().join("captures")).unwrap();
            let mut names: Vec<_> = entries.map(|it| it.unwrap().file_name().into_string().unwrap()).collect();
            names.sort();
            names
        };
        assert_eq!(names(), ["a%2e2.jsonl", "a.2.jsonl", "a.jsonl", "b.jsonl"]);

        wire_logs.delete(&"a".into()).unwrap();

        assert_eq!(names(), ["a%2e2.jsonl", "b.jsonl"]);
    }

    #[tokio::test]
    async fn what_was_revoked_is_not_kept_again() {
        let folder = tempfile::tempdir().unwrap();
        let note = layout::deletion_record(&folder.path().join("recordings"), &"a".into());
        fs::create_dir_all(note.parent().unwrap()).unwrap();
        fs::write(note, "{}").unwrap();

        let mut wire_log = wire_logs(folder.path()).begin(header("a"));
        wire_log.saw(ConnectionId(1), SOUND, Seen::Opened);
        wire_log.finish(None, "over".into()).await;

        assert_eq!(fs::read_dir(folder.path().join("captures")).unwrap().count(), 0);
    }
}
