//! Standard error, for logs and notes, so that standard output stays for what a command is asked to print. A thread writes
//! it: nothing else waits for its reader.

mod escaped;
mod format;
mod json;
mod stderr_queue;

use std::{
    fmt::{self, Write},
    panic,
    sync::OnceLock,
    thread,
    time::Duration,
};

use clap::Args;
use tracing::{Level, field::Field, level_filters::LevelFilter};
use tracing_subscriber::{
    field::MakeExt,
    filter::Targets,
    fmt::format::{FormatFields, Writer, debug_fn},
    layer::SubscriberExt,
    util::SubscriberInitExt,
};

use self::{
    escaped::Escaped,
    format::LogFormat,
    json::JsonLayer,
    stderr_queue::{LineWriter, StderrQueue},
};

/// What is on its way to standard error. One process has one standard error.
static STDERR: OnceLock<StderrQueue> = OnceLock::new();

#[derive(Args)]
pub(crate) struct LoggingArgs {
    /// What to log: a level, or a filter such as `info,rtms_client=debug` [default: info for serve, else warn]
    #[arg(long, global = true, value_name = "FILTER", env = "RTMS_LOG")]
    log: Option<Targets>,
    /// How each line on standard error is written
    #[arg(long, global = true, value_enum, value_name = "FORMAT", env = "RTMS_LOG_FORMAT", default_value_t)]
    log_format: LogFormat,
}

impl LoggingArgs {
    pub(crate) fn start(&self, default: LevelFilter) {
        // An empty variable is as good as none.
        let asked = self.log.clone().filter(|asked| *asked != Targets::new());
        let filter = asked.unwrap_or_else(|| Targets::new().with_default(default));
        self.log_format.choose();
        // A filter of its own for the layer would look up the span of a stream with every packet.
        let filtered = tracing_subscriber::registry().with(filter);
        match self.log_format {
            LogFormat::Text => {
                let ansi = std::io::IsTerminal::is_terminal(&std::io::stderr());
                let lines = tracing_subscriber::fmt::layer().with_writer(|| LineWriter(stderr())).with_ansi(ansi);
                filtered.with(lines.fmt_fields(fields())).init();
            }
            LogFormat::Json => {
                // What Rust prints of a panic has many lines, and none is JSON.
                panic::set_hook(Box::new(|panic| {
                    stderr().print(format::log_line(Level::ERROR, &panic.to_string()).as_bytes());
                }));
                filtered.with(JsonLayer(|line: &str| stderr().push(line.as_bytes()))).init();
            }
        }
    }
}

/// The lines that go to standard error, with the thread that writes them.
fn stderr() -> &'static StderrQueue {
    STDERR.get_or_init(|| {
        // It waits until the lines are there.
        let writing = thread::Builder::new().name("log".into()).spawn(|| STDERR.wait().write_to(std::io::stderr()));
        if let Err(error) = writing {
            use std::io::Write;
            let _ = writeln!(std::io::stderr(), "error: cannot log, no thread can be started: {error}");
            let lines = StderrQueue::default();
            // Nobody will write what is waited for.
            lines.hurry();
            return lines;
        }
        StderrQueue::default()
    })
}

/// Prints a line on standard error, behind what was logged, as `eprintln!` does but without waiting for the reader.
macro_rules! note {
    ($($text:tt)*) => { $crate::logging::print_line(&format!($($text)*)) };
}
pub(crate) use note;

/// Prints text on standard error, behind what was logged. With [`LogFormat::Json`] it is one object, however many lines it has.
pub(crate) fn print_line(text: &str) {
    stderr().print(format::printed(Level::INFO, text).as_bytes());
}

/// Prints why the command failed.
pub(crate) fn print_error(why: &str) {
    stderr().print(format::printed(Level::ERROR, &format!("error: {why}")).as_bytes());
}

/// Waits until what was logged and printed is written. A reader that takes nothing is left if the program hurries.
pub(crate) fn flush() {
    if let Some(lines) = STDERR.get() {
        lines.flush(None);
    }
}

/// The same, but a reader that takes nothing is left after `patience` in any case.
pub(crate) fn flush_within(patience: Duration) {
    if let Some(lines) = STDERR.get() {
        lines.flush(Some(patience));
    }
}

/// Has the end of the program leave a reader of standard error that takes nothing.
pub(crate) fn hurry() {
    stderr().hurry();
}

/// Writes fields so that nothing in a value looks like another line, moves the cursor or goes on for ever: names and ids come
/// from outside.
fn fields() -> impl for<'writer> FormatFields<'writer> + 'static {
    debug_fn(|writer: &mut Writer<'_>, field: &Field, value: &dyn fmt::Debug| {
        if field.name() != "message" {
            write!(writer, "{}=", field.name())?;
        }
        write!(Escaped::new(writer), "{value:?}")
    })
    .delimited(" ")
}

#[cfg(test)]
mod tests {
    use std::{
        io,
        sync::{Arc, Mutex},
    };

    use super::{escaped::MAX_VALUE_BYTES, *};

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().map_err(|_| io::ErrorKind::Other)?.write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    #[expect(clippy::unwrap_used, reason = "in a test, a panic is the answer")]
    fn whatever_is_in_a_value_stays_in_its_line_and_has_an_end() {
        let lines = Lines::default();
        let writer = lines.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_writer(move || writer.clone())
            .with_ansi(false)
            .without_time()
            .fmt_fields(fields())
            .finish();
        tracing::subscriber::with_default(subscriber, || {
            let _stream = tracing::info_span!("stream", stream_id = %"a\nb").entered();
            tracing::info!(event = %"x\nINFO forged\u{1b}[2J\u{202e}\u{2028}", long = %"é".repeat(100_000), count = 7, "webhook");
        });

        let text = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
        let line = text.strip_suffix('\n').unwrap();
        assert!(line.len() < 2 * MAX_VALUE_BYTES && !line.contains(char::is_control), "{line}");
        assert!(
            line.contains(r"stream_id=a\nb") && line.contains(r"event=x\nINFO forged\u{1b}[2J\u{202e}\u{2028} long=éé"),
            "{line}"
        );
        assert!(line.contains("… count=7") && line.contains("webhook"), "{line}");
    }
}
