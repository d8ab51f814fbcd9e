//! Values in the log: on one line, with nothing that moves the cursor, and not longer than a bound.

use std::fmt::{self, Write};

use rtms_wire::plain::is_unsafe;

/// Bytes of a value that are shown. Names and ids have some dozens; whoever sends more does not get to fill the log.
pub(super) const MAX_VALUE_BYTES: usize = 1024;

/// A value as lines of the log have it: on one line, and not longer than [`MAX_VALUE_BYTES`].
pub(super) fn escaped(value: &dyn fmt::Display) -> String {
    let mut text = String::new();
    // A value that cannot be written is shown as far as it was.
    let _ = write!(Escaped::new(&mut text), "{value}");
    text
}

/// What is written to it, on one line.
pub(super) struct Escaped<'a, W> {
    writer: &'a mut W,
    /// Bytes that may still come.
    left: usize,
}

impl<'a, W> Escaped<'a, W> {
    pub(super) fn new(writer: &'a mut W) -> Self {
        Self { writer, left: MAX_VALUE_BYTES }
    }
}

impl<W: Write> Write for Escaped<'_, W> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for symbol in text.chars() {
            if self.left == 0 {
                return Ok(());
            }
            self.left = self.left.saturating_sub(symbol.len_utf8());
            if self.left == 0 {
                return self.writer.write_char('…');
            }
            if is_unsafe(symbol) {
                write!(self.writer, "{}", symbol.escape_default())?;
            } else {
                self.writer.write_char(symbol)?;
            }
        }
        Ok(())
    }
}
