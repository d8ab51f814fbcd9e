//! What an earlier process had recorded and Zoom sends again: recognized by the ends of the files that it left.

use std::{
    collections::BTreeMap,
    fs::File,
    hash::{DefaultHasher, Hash, Hasher},
    io::{Read, Seek, SeekFrom},
    path::Path,
    time::Duration,
};

use rtms_wire::{SmolStr, message::media_data::MediaData, time::UnixMillis};
use serde::Serialize;
use serde_json::Value;

use crate::{error::RecordError, file::last_lines, index_line::IndexLine, layout::Layout, who::Who};

/// How much of the end of a file of lines is read: more than the 60 s that Zoom sends again at most, of 25 pictures a
/// second or three speakers.
const TAIL_BYTES: u64 = 2 << 20;

/// How long after the newest packet there is none that comes again.
const FORGET_AFTER: Duration = Duration::from_secs(120);

/// The packets at the end of an index.
#[derive(Debug)]
pub(crate) struct RecordedPackets {
    packets: BTreeMap<(UnixMillis, Who), Vec<Lies>>,
    newest: UnixMillis,
}

/// Where a packet lies.
#[derive(Debug)]
struct Lies {
    file: SmolStr,
    offset: u64,
    length: u64,
}

impl RecordedPackets {
    pub(crate) fn read(index: &Path) -> Result<Self, RecordError> {
        let mut packets = BTreeMap::<_, Vec<_>>::new();
        let mut newest = UnixMillis::default();
        for line in last_lines(index, TAIL_BYTES)? {
            let Ok(line) = serde_json::from_slice::<IndexLine>(&line) else { continue };
            let who = Who::of(line.user_id.as_ref(), line.channel_id.as_ref());
            newest = newest.max(line.timestamp);
            let lies = Lies { file: line.file, offset: line.offset, length: line.length };
            packets.entry((line.timestamp, who)).or_default().push(lies);
        }
        Ok(Self { packets, newest })
    }

    /// Whether this packet is there. Each is one packet's original, so one that comes more often is new.
    pub(crate) fn take(&mut self, data: &MediaData, layout: &Layout) -> bool {
        if self.packets.is_empty() {
            return false;
        }
        if data.timestamp.since(self.newest) > FORGET_AFTER {
            self.packets = BTreeMap::new();
            return false;
        }
        let who = Who::of(data.user_id.as_ref(), data.channel_id.as_ref());
        let key = (data.timestamp, who);
        let Some(there) = self.packets.get_mut(&key) else { return false };
        let Some(found) = there.iter().position(|lies| lies.holds(&data.data, layout)) else { return false };
        there.remove(found);
        if there.is_empty() {
            self.packets.remove(&key);
        }
        true
    }
}

impl Lies {
    /// Whether these bytes lie there. A file that cannot be read holds nothing: rather twice than not at all.
    fn holds(&self, bytes: &[u8], layout: &Layout) -> bool {
        if self.length != bytes.len() as u64 {
            return false;
        }
        if bytes.is_empty() {
            return true;
        }
        let mut found = vec![0; bytes.len()];
        let read = File::open(layout.folder().join(self.file.as_str())).and_then(|mut file| {
            file.seek(SeekFrom::Start(self.offset))?;
            file.read_exact(&mut found)
        });
        read.is_ok() && found == bytes
    }
}

/// The messages at the end of a file of lines, by a hash of what came.
#[derive(Debug, Default)]
pub(crate) struct RecordedLines(BTreeMap<u64, u64>);

impl RecordedLines {
    pub(crate) fn read(path: &Path) -> Result<Self, RecordError> {
        let mut lines = BTreeMap::new();
        for key in last_lines(path, TAIL_BYTES)?.iter().filter_map(|line| key(line)) {
            *lines.entry(key).or_default() += 1;
        }
        Ok(Self(lines))
    }

    /// Adds a message that is there.
    pub(crate) fn add(&mut self, message: &impl Serialize) {
        if let Some(key) = serde_json::to_vec(message).ok().and_then(|line| key(&line)) {
            *self.0.entry(key).or_default() += 1;
        }
    }

    /// Whether this message is there. Each line is one message's original, so one that comes more often is new.
    pub(crate) fn take(&mut self, message: &impl Serialize) -> bool {
        if self.0.is_empty() {
            return false;
        }
        let Some(key) = serde_json::to_vec(message).ok().and_then(|line| key(&line)) else { return false };
        let Some(left) = self.0.get_mut(&key) else { return false };
        *left -= 1;
        if *left == 0 {
            self.0.remove(&key);
        }
        true
    }
}

/// A message without what its line adds; none for one without a time, as the same may be written twice.
fn key(line: &[u8]) -> Option<u64> {
    let mut fields: BTreeMap<String, Value> = serde_json::from_slice(line).ok()?;
    for ours in ["received_at", "connection", "n", "utterance"] {
        fields.remove(ours);
    }
    if ["timestamp", "start_time"].iter().all(|name| fields.get(*name).is_none_or(Value::is_null)) {
        return None;
    }
    let mut hasher = DefaultHasher::new();
    serde_json::to_string(&fields).ok()?.hash(&mut hasher);
    Some(hasher.finish())
}
