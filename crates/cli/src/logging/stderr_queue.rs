//! Lines on their way to standard error: a bounded buffer and a thread that writes it, so that a reader who is stuck holds
//! up nothing but that thread.

use std::{
    io::{self, Write},
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use tracing::Level;

use super::format::log_line;

/// Bytes of log that may wait for a slow reader: some seconds of a busy server.
const MAX_WAITING_BYTES: usize = 1 << 20;

/// Bytes that may wait if a command prints them: the report on ten thousand meetings fits.
const MAX_PRINTED_BYTES: usize = 64 << 20;

/// How long a writer that hurries waits for a reader that takes nothing.
pub(super) const LAST_LINES: Duration = Duration::from_millis(250);

/// Bytes that are written at a time. A pipe takes as many at once, so that a flush sees that it goes on.
const PIECE_BYTES: usize = 64 << 10;

/// Lines that wait to be written.
#[derive(Default)]
pub(crate) struct StderrQueue {
    waiting: Mutex<Waiting>,
    /// Notified when there is something to write.
    filled: Condvar,
    /// Notified when something was written.
    written: Condvar,
}

#[derive(Default)]
struct Waiting {
    bytes: Vec<u8>,
    is_writing: bool,
    /// Whether a reader that takes nothing is left at the end.
    is_hurried: bool,
    /// Bytes that were written since the beginning.
    written: u64,
    /// Lines that did not fit, and of which the reader does not know yet.
    dropped: u64,
}

impl StderrQueue {
    /// Adds whole lines of the log, or drops and counts them if too much waits.
    pub(crate) fn push(&self, text: &[u8]) {
        let waiting = self.waiting();
        let is_full = waiting.bytes.len() + text.len() > MAX_WAITING_BYTES;
        // Nothing comes before the note of what was dropped.
        let is_left_out = is_full || (waiting.dropped > 0 && !waiting.bytes.is_empty());
        self.add(waiting, text, is_left_out);
    }

    /// Adds whole lines that a command prints. They have far more room than the log.
    pub(crate) fn print(&self, text: &[u8]) {
        let waiting = self.waiting();
        let is_full = waiting.bytes.len() + text.len() > MAX_PRINTED_BYTES;
        self.add(waiting, text, is_full);
    }

    fn add(&self, mut waiting: MutexGuard<'_, Waiting>, text: &[u8], is_left_out: bool) {
        if is_left_out {
            waiting.dropped += 1;
            return;
        }
        waiting.note_dropped();
        waiting.bytes.extend_from_slice(text);
        drop(waiting);
        self.filled.notify_one();
    }

    /// Writes what comes, for ever. What cannot be written has no reader, and is forgotten.
    pub(crate) fn write_to(&self, mut out: impl Write) {
        loop {
            let mut waiting = self.waiting();
            while waiting.bytes.is_empty() {
                waiting = self.filled.wait(waiting).unwrap_or_else(PoisonError::into_inner);
            }
            let bytes = std::mem::take(&mut waiting.bytes);
            waiting.is_writing = true;
            drop(waiting);
            for piece in bytes.chunks(PIECE_BYTES) {
                let _ = out.write_all(piece).and_then(|()| out.flush());
                self.waiting().written += piece.len() as u64;
                self.written.notify_all();
            }
            let mut waiting = self.waiting();
            waiting.is_writing = false;
            let has_dropped = waiting.note_dropped();
            drop(waiting);
            if !has_dropped {
                self.written.notify_all();
            }
        }
    }

    /// Waits until all is written. A reader that takes nothing is left after `patience`, or after [`LAST_LINES`] once the
    /// program hurries; without patience it is waited for.
    pub(crate) fn flush(&self, patience: Option<Duration>) {
        let mut waiting = self.waiting();
        let (mut seen, mut since) = ((waiting.written, waiting.is_hurried), Instant::now());
        while waiting.is_writing || !waiting.bytes.is_empty() {
            let patience =
                if waiting.is_hurried { Some(LAST_LINES.min(patience.unwrap_or(LAST_LINES))) } else { patience };
            match patience.map(|patience| patience.saturating_sub(since.elapsed())) {
                Some(Duration::ZERO) => return,
                Some(left) => {
                    (waiting, _) = self.written.wait_timeout(waiting, left).unwrap_or_else(PoisonError::into_inner);
                }
                None => waiting = self.written.wait(waiting).unwrap_or_else(PoisonError::into_inner),
            }
            let now = (waiting.written, waiting.is_hurried);
            if now != seen {
                (seen, since) = (now, Instant::now());
            }
        }
    }

    /// Has every flush, also one that waits now, leave a reader that takes nothing.
    pub(crate) fn hurry(&self) {
        self.waiting().is_hurried = true;
        self.written.notify_all();
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        // Nothing panics while it is held, so it is whole even then.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiting {
    /// Adds a line about what was dropped, if there is any.
    fn note_dropped(&mut self) -> bool {
        let dropped = std::mem::take(&mut self.dropped);
        if dropped > 0 {
            let note = format!("{dropped} log lines were dropped, standard error was not read");
            let note = log_line(Level::WARN, &note);
            self.bytes.extend_from_slice(note.as_bytes());
        }
        dropped > 0
    }
}

/// A writer of whole lines, as a subscriber wants it.
pub(crate) struct LineWriter(pub(crate) &'static StderrQueue);

impl Write for LineWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.push(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "in a test, a panic is the answer")]
mod tests {
    use std::{
        sync::{Arc, mpsc},
        thread,
    };

    use super::*;

    /// A reader that takes a piece only when it is allowed one.
    struct Slow {
        allowed: mpsc::Receiver<()>,
        taken: Arc<Mutex<Vec<u8>>>,
    }

    impl Write for Slow {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.allowed.recv().map_err(|_| io::ErrorKind::BrokenPipe)?;
            self.taken.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_reader_that_is_stuck_costs_lines_and_no_time_and_learns_how_many() {
        let lines: &'static StderrQueue = Box::leak(Box::default());
        let (allow, allowed) = mpsc::channel();
        let taken = Arc::<Mutex<Vec<u8>>>::default();
        let out = Slow { allowed, taken: taken.clone() };
        thread::spawn(move || lines.write_to(out));
        let line = vec![b'x'; 1023].into_iter().chain([b'\n']).collect::<Vec<_>>();

        let begun = Instant::now();
        for _ in 0..4 * MAX_WAITING_BYTES / line.len() {
            lines.push(&line);
        }
        lines.flush(Some(Duration::from_millis(30)));
        assert!(begun.elapsed() < Duration::from_secs(5), "nobody waits for it");

        for _ in 0..4 * MAX_WAITING_BYTES / PIECE_BYTES {
            allow.send(()).unwrap();
        }
        lines.push(b"last\n");
        lines.flush(Some(Duration::from_secs(20)));
        let text = String::from_utf8(taken.lock().unwrap().clone()).unwrap();
        let whole = text.lines().filter(|line| line.len() == 1023).count();
        let dropped: usize = text
            .lines()
            .filter_map(|line| {
                line.split_once("WARN rtms: ")?.1.split_once(" log lines were dropped")?.0.parse::<usize>().ok()
            })
            .sum();
        let last = usize::from(text.ends_with("last\n"));
        assert_eq!(whole + dropped + last, 4 * MAX_WAITING_BYTES / line.len() + 1, "each is there or counted");
        assert!(dropped > 0 && text.len() < 3 * MAX_WAITING_BYTES, "{dropped} of {} bytes", text.len());
    }

    #[test]
    fn what_a_command_prints_is_waited_for_until_the_program_hurries() {
        let lines: &'static StderrQueue = Box::leak(Box::default());
        let (allow, allowed) = mpsc::channel();
        let taken = Arc::<Mutex<Vec<u8>>>::default();
        let out = Slow { allowed, taken: taken.clone() };
        thread::spawn(move || lines.write_to(out));
        let report = [vec![b'x'; 4 * MAX_WAITING_BYTES], b"\n".to_vec()].concat();
        lines.print(&report);
        let flushing = thread::spawn(|| lines.flush(None));
        for _ in 0..=report.len() / PIECE_BYTES {
            allow.send(()).unwrap();
        }
        flushing.join().unwrap();
        assert!(*taken.lock().unwrap() == report, "no limit of the log cuts a report");

        lines.print(b"stuck\n");
        let flushing = thread::spawn(|| lines.flush(None));
        lines.hurry();

        flushing.join().unwrap();
        assert!(*taken.lock().unwrap() == report);
    }
}
