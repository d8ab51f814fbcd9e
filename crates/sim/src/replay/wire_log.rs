//! Reads a wire log ([`rtms_wire::wire_log`]) line by line, and says by its number what is wrong with a line.

use std::io::{BufRead, Read};

use rtms_wire::{
    Bytes,
    codes::stop_reason::StopReason,
    wire_log::{Channel, FORMAT, MAX_LINE_BYTES, VERSION, What, WireLogHeader, WireLogLine},
};

/// Why a wire log cannot be played.
#[derive(Debug, thiserror::Error)]
pub enum WireLogError {
    /// The file cannot be read on.
    #[error("line {line}: it cannot be read: {source}")]
    Read {
        /// Counted from 1.
        line: u64,
        /// What the system says.
        source: std::io::Error,
    },
    /// The first line is not what `rtms serve --capture` writes there.
    #[error("line 1: this is no wire log of `rtms serve --capture`: {why}")]
    NotACapture {
        /// What is wrong.
        why: String,
    },
    /// The file is of a newer program.
    #[error("line 1: the format has version {found}, and this program knows {VERSION}: use a newer one")]
    TooNew {
        /// The version that was found.
        found: u32,
    },
    /// A line is longer than any that is written.
    #[error("line {line}: it is longer than {MAX_LINE_BYTES} bytes")]
    TooLong {
        /// Counted from 1.
        line: u64,
    },
    /// A line is none.
    #[error("line {line}: {why}")]
    NotALine {
        /// Counted from 1.
        line: u64,
        /// What is wrong.
        why: String,
    },
}

/// The lines of a wire log, one after the other; only one is in memory.
#[derive(Debug)]
pub struct Lines<R> {
    input: R,
    text: Vec<u8>,
    number: u64,
    is_torn: bool,
}

impl<R: BufRead> Lines<R> {
    /// Reads the first line.
    ///
    /// # Errors
    /// [`WireLogError`] if it is not that of a wire log, or of a newer one.
    pub fn open(input: R) -> Result<(WireLogHeader, Self), WireLogError> {
        let mut lines = Self { input, text: Vec::new(), number: 0, is_torn: false };
        if !lines.read()? {
            return Err(WireLogError::NotACapture { why: "the file is empty".to_owned() });
        }
        #[derive(serde::Deserialize)]
        struct Version {
            format: String,
            version: u32,
        }
        let not_a_capture = |error: serde_json::Error| WireLogError::NotACapture { why: told(&error) };
        let Version { format, version } = serde_json::from_slice(&lines.text).map_err(not_a_capture)?;
        if format != FORMAT {
            return Err(WireLogError::NotACapture { why: format!("its format is {format:?}") });
        }
        if version > VERSION {
            return Err(WireLogError::TooNew { found: version });
        }
        let header = serde_json::from_slice(&lines.text).map_err(not_a_capture)?;
        Ok((header, lines))
    }

    /// The next line; none at the end. A last line that is cut off, as a killed process leaves it, counts as the end.
    ///
    /// # Errors
    /// [`WireLogError`], with the number of the line.
    #[expect(
        clippy::should_implement_trait,
        reason = "an iterator of results goes on after an error, and this does not"
    )]
    pub fn next(&mut self) -> Result<Option<WireLogLine<'static>>, WireLogError> {
        if !self.read()? {
            return Ok(None);
        }
        match serde_json::from_slice::<WireLogLine<'static>>(&self.text) {
            Ok(line) => Ok(Some(line)),
            Err(_) if !self.text.ends_with(b"\n") => {
                self.is_torn = true;
                Ok(None)
            }
            Err(error) => Err(WireLogError::NotALine { line: self.number, why: told(&error) }),
        }
    }

    /// The number of the line that was read last, counted from 1.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// Whether the last line was cut off.
    pub fn is_torn(&self) -> bool {
        self.is_torn
    }

    fn read(&mut self) -> Result<bool, WireLogError> {
        self.number += 1;
        self.text.clear();
        let most = MAX_LINE_BYTES as u64 + 1;
        let read = self.input.by_ref().take(most).read_until(b'\n', &mut self.text);
        let read = read.map_err(|source| WireLogError::Read { line: self.number, source })?;
        if self.text.len() > MAX_LINE_BYTES {
            return Err(WireLogError::TooLong { line: self.number });
        }
        Ok(read > 0)
    }
}

/// What the library says, without the line, of which there is always one.
fn told(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let what = text.rsplit_once(" at line ").map_or(text.as_str(), |(what, _)| what);
    format!("{what}, column {}", error.column())
}

/// What is in a wire log, gathered before it is played.
#[derive(Clone, Debug)]
pub struct Contents {
    /// The first line.
    pub header: WireLogHeader,
    /// Its connections on which Zoom said something, in the order of their first lines.
    pub connections: Vec<Recorded>,
    /// The time of the last line, in milliseconds.
    pub length_ms: u64,
    /// Lines that the log says are missing.
    pub lost: u64,
    /// Why Zoom ended the stream, if the log says that.
    pub stop_reason: Option<StopReason>,
    /// Whether the log goes to the end of the stream.
    pub is_whole: bool,
}

/// A connection in a wire log.
#[derive(Clone, Debug)]
pub struct Recorded {
    /// Its number there.
    pub connection: u32,
    /// What it was for.
    pub on: Channel,
    /// What Zoom said first: message 2 or 4.
    pub answer: Bytes,
}

impl Contents {
    /// Reads all of a wire log.
    ///
    /// # Errors
    /// [`WireLogError`] for the first line that is none.
    pub fn read(input: impl BufRead) -> Result<Self, WireLogError> {
        let (header, mut lines) = Lines::open(input)?;
        let (connections, stop_reason) = (Vec::new(), None);
        let mut contents = Self { header, connections, length_ms: 0, lost: 0, stop_reason, is_whole: false };
        while let Some(WireLogLine { ms, what }) = lines.next()? {
            contents.length_ms = contents.length_ms.max(ms);
            match what {
                What::Received { connection, on, frame } => {
                    let not_base64 =
                        |error| WireLogError::NotALine { line: lines.number(), why: format!("binary_base64: {error}") };
                    let payload = frame.payload().map_err(not_base64)?;
                    if contents.connections.iter().all(|known| known.connection != connection) {
                        let answer = Bytes::copy_from_slice(&payload);
                        contents.connections.push(Recorded { connection, on, answer });
                    }
                }
                What::Lost { lines } => contents.lost = contents.lost.saturating_add(lines),
                What::Ended { stop_reason, .. } => {
                    contents.stop_reason = stop_reason;
                    contents.is_whole = true;
                }
                What::Dialed { .. }
                | What::Unreached { .. }
                | What::Opened { .. }
                | What::Sent { .. }
                | What::Closed { .. }
                | What::Cut { .. }
                | What::Stopped { .. } => {}
            }
        }
        Ok(contents)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: &str = r#"{"format":"rtms-capture","version":1,"product":"meeting","instance":{"field":"meeting_uuid","value":"m=="},"rtms_stream_id":"s","started_at":1795428000000,"program":"rtms 0.1.0"}"#;

    fn error(text: &str) -> String {
        Contents::read(text.as_bytes()).unwrap_err().to_string()
    }

    #[test]
    fn what_is_no_wire_log_is_told_by_line() {
        assert_eq!(error(""), "line 1: this is no wire log of `rtms serve --capture`: the file is empty");
        assert!(error("hello\n").starts_with("line 1: this is no wire log of `rtms serve --capture`: expected value"));
        assert!(error("{\"format\":\"zip\",\"version\":1}\n").contains("its format is \"zip\""));
        let newer = HEADER.replace("\"version\":1", "\"version\":2");
        assert!(error(&newer).contains("version 2, and this program knows 1"), "{}", error(&newer));
        let good = r#"{"ms":1,"what":"opened","connection":1,"on":"signaling"}"#;
        assert_eq!(
            error(&format!("{HEADER}\n{good}\n{{\"ms\":2}}\n{good}\n")),
            "line 3: missing field `what`, column 8"
        );
        let strange = good.replace("signaling", "smell");
        assert!(error(&format!("{HEADER}\n{strange}\n")).starts_with("line 2: unknown medium \"smell\""));
        let not_base64 = r#"{"ms":1,"what":"received","connection":1,"on":"audio","binary_base64":"?"}"#;
        assert!(error(&format!("{HEADER}\n{not_base64}\n")).starts_with("line 2: binary_base64: not base64"));
    }

    #[test]
    fn a_line_without_end_is_not_read_to_its_end() {
        let endless = HEADER.as_bytes().chain(b"\n".as_slice()).chain(std::io::repeat(b'x'));

        let error = Contents::read(std::io::BufReader::new(endless)).unwrap_err();

        assert!(matches!(error, WireLogError::TooLong { line: 2 }), "{error}");
    }

    #[test]
    fn what_a_killed_process_left_is_read_up_to_its_last_whole_line() {
        let text = format!(
            "{HEADER}\n{}\n{}\n{}",
            r#"{"ms":7,"what":"received","connection":3,"on":"audio","text":"{\"msg_type\":4}"}"#,
            r#"{"ms":9,"what":"lost","lines":2}"#,
            r#"{"ms":11,"what":"rec"#,
        );

        let contents = Contents::read(text.as_bytes()).unwrap();

        assert_eq!((contents.length_ms, contents.lost, contents.is_whole), (9, 2, false));
        let [only] = &contents.connections[..] else { panic!("{contents:?}") };
        assert_eq!((only.connection, &only.answer[..]), (3, &b"{\"msg_type\":4}"[..]));
    }
}
