//! Messages that were not read, or not all of them, as they came: `aside/messages.jsonl`, a few of each kind.

use std::collections::BTreeMap;

use rtms_wire::{
    flaws::{Flaw, Flaws, RawMessage},
    media::medium::Medium,
    time::UnixMillis,
    wire_log::Frame,
};
use serde::Serialize;

use crate::{
    error::RecordError,
    file::{Appender, Files},
    layout::Layout,
    options::Options,
};

/// The size at which the file grows no more.
const MAX_FILE_BYTES: u64 = 4 << 20;

/// One line of the file.
#[derive(Serialize)]
struct FlawedLine<'a> {
    received_at: UnixMillis,
    #[serde(skip_serializing_if = "Option::is_none")]
    medium: Option<Medium>,
    /// None if nothing of it could be read.
    flaws: Vec<Flaw>,
    /// The number of bytes that came, of which the first are here.
    length: usize,
    #[serde(flatten)]
    frame: Frame<'a>,
}

/// The file of these messages.
#[derive(Debug)]
pub(crate) struct FlawedMessages {
    lines: Appender,
    kept: BTreeMap<(Option<Medium>, Flaws), u64>,
}

impl FlawedMessages {
    pub(crate) fn open(layout: &Layout, options: &Options) -> Result<Self, RecordError> {
        Ok(Self { lines: Appender::open(layout.flawed_messages(), options.max_held_bytes)?, kept: BTreeMap::new() })
    }

    /// Keeps a message if it is one of the first of its kind, without its secrets.
    pub(crate) fn keep(&mut self, raw: &RawMessage, now: UnixMillis, files: &mut Files) -> Result<(), RecordError> {
        let kept = self.kept.entry((raw.medium, raw.flaws)).or_default();
        *kept += 1;
        let has_bytes = !raw.bytes.is_empty() || raw.length == 0;
        if *kept > RawMessage::FEW || !has_bytes || self.lines.end() >= MAX_FILE_BYTES {
            return Ok(());
        }
        let line = FlawedLine {
            received_at: now,
            medium: raw.medium,
            flaws: raw.flaws.iter().collect(),
            length: raw.length,
            frame: Frame::text(&raw.bytes).without_secrets(),
        };
        self.lines.push_line(&line, files)
    }

    /// Lets go of what waits.
    pub(crate) fn give_up(&mut self, files: &mut Files, done: &mut Result<(), RecordError>) {
        self.lines.give_up_lines(files, done);
    }

    pub(crate) fn flush(&mut self, files: &mut Files) -> Result<(), RecordError> {
        self.lines.flush(files)
    }
}
