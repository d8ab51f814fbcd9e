//! Media in the form they came in: packets end to end in a file, pictures in a file each, and an index that says which
//! is where. Nothing is decoded and nothing is lost; players' formats are made from these files.

use std::{
    collections::{BTreeMap, btree_map::Entry},
    hash::{DefaultHasher, Hash, Hasher},
    path::{Path, PathBuf},
};

use rtms_wire::{media::medium::Medium, message::media_data::MediaData, time::UnixMillis};

use crate::{
    content::Format,
    error::RecordError,
    file::{Appender, Files, failed, keep_first},
    index_line::{Broken, IndexLine},
    layout::{Layout, stem},
    manifest::AsideReason,
    options::Options,
    repeats::RecordedPackets,
    who::Who,
};

/// Timestamps remembered to find duplicates of coded audio: 61 s of three speakers.
const MAX_REMEMBERED: usize = 3 * 3072;

/// The raw files of one medium.
#[derive(Debug)]
pub(crate) struct Raw {
    medium: Medium,
    index: Appender,
    files: BTreeMap<(String, &'static str), Appender>,
    max_files: usize,
    max_held_bytes: usize,
    pictures: Option<u64>,
    /// Of an earlier process.
    recorded: RecordedPackets,
    /// By timestamp, owner and a hash of the content.
    remembered: BTreeMap<(UnixMillis, Who, u64), Copies>,
    /// Counted, as a packet comes again by another connection only.
    connection: u64,
}

/// Packets of coded audio that are all the same, as several pauses with one timestamp are.
#[derive(Debug, Default)]
struct Copies {
    kept: u64,
    /// Which connection brought the last.
    connection: u64,
    /// How many came by that connection.
    here: u64,
}

/// Packets that belong in no other file.
#[derive(Debug)]
pub(crate) struct Aside {
    index: Appender,
    files: BTreeMap<Medium, Appender>,
    max_held_bytes: usize,
    /// Of an earlier process.
    recorded: RecordedPackets,
}

impl Raw {
    pub(crate) fn open(medium: Medium, layout: &Layout, options: &Options) -> Result<Self, RecordError> {
        Ok(Self {
            medium,
            index: Appender::open(layout.index(medium), options.max_held_bytes)?,
            files: BTreeMap::new(),
            max_files: options.max_tracks,
            max_held_bytes: options.max_held_bytes,
            pictures: None,
            recorded: RecordedPackets::read(&layout.index(medium))?,
            remembered: BTreeMap::new(),
            connection: 0,
        })
    }

    /// Writes the packets before an index that is about to be written by itself.
    fn keep_order(&mut self, files: &mut Files) {
        if self.index.is_full() && self.flush(files).is_err() {
            // What could not be written waits in memory, and the next sync tells of it.
        }
    }

    /// Another connection brings what comes from here on.
    pub(crate) fn begin_connection(&mut self) {
        self.connection += 1;
    }

    /// Whether an earlier process recorded this packet.
    pub(crate) fn was_recorded(&mut self, data: &MediaData, layout: &Layout) -> bool {
        self.recorded.take(data, layout)
    }

    /// Whether an earlier process or connection brought this packet of this owner, with this timestamp and content.
    pub(crate) fn is_repeat(&mut self, data: &MediaData, layout: &Layout) -> bool {
        let was_recorded = self.was_recorded(data, layout);
        let who = Who::of(data.user_id.as_ref(), data.channel_id.as_ref());
        let mut content = DefaultHasher::new();
        data.data.hash(&mut content);
        let copies = self.remembered.entry((data.timestamp, who, content.finish())).or_default();
        if copies.connection != self.connection {
            copies.connection = self.connection;
            copies.here = 0;
        }
        copies.here += 1;
        let is_repeat = was_recorded || copies.here <= copies.kept;
        copies.kept += u64::from(was_recorded || !is_repeat);
        if self.remembered.len() > MAX_REMEMBERED {
            self.remembered.pop_first();
        }
        is_repeat
    }

    /// Appends a packet to the file of this stem and kind.
    pub(crate) fn append(
        &mut self,
        name: String,
        kind: &'static str,
        data: &MediaData,
        now: UnixMillis,
        layout: &Layout,
        files: &mut Files,
    ) -> Result<(), RecordError> {
        self.keep_order(files);
        // Beyond the bound all share a file; the index still tells them apart.
        let full = self.files.len() >= self.max_files && !self.files.contains_key(&(name.clone(), kind));
        let name = if full { "others+".to_owned() } else { name };
        let path = layout.raw(self.medium, &name, kind);
        let file = match self.files.entry((name, kind)) {
            Entry::Occupied(there) => there.into_mut(),
            Entry::Vacant(free) => free.insert(Appender::open(path, self.max_held_bytes)?),
        };
        let offset = file.end();
        file.push(&data.data, files)?;
        let line = line(data, now, layout.relative(file.path()), offset);
        self.index.hold_line(&line)
    }

    /// Puts a picture in a file of its own.
    pub(crate) fn picture(
        &mut self,
        format: Format,
        data: &MediaData,
        now: UnixMillis,
        layout: &Layout,
        files: &mut Files,
    ) -> Result<(), RecordError> {
        let number = self.next_picture(layout)?;
        let path = layout.image(self.medium, number, format.extension());
        files.create(&path, &data.data)?;
        self.pictures = Some(number);
        self.index.hold_line(&line(data, now, layout.relative(&path), 0))
    }

    /// Puts a picture without its end in a file of its own, apart from the whole ones.
    pub(crate) fn broken_picture(
        &mut self,
        format: Format,
        data: &MediaData,
        now: UnixMillis,
        layout: &Layout,
        files: &mut Files,
    ) -> Result<(), RecordError> {
        let number = self.next_picture(layout)?;
        let path = layout.broken_image(self.medium, number, format.extension());
        files.create(&path, &data.data)?;
        self.pictures = Some(number);
        let line = IndexLine { broken: Some(Broken::CutOff), ..line(data, now, layout.relative(&path), 0) };
        self.index.hold_line(&line)
    }

    /// Notes a message without a byte. It has no file; its line names the folder of what is broken.
    pub(crate) fn empty(&mut self, data: &MediaData, now: UnixMillis, layout: &Layout) -> Result<(), RecordError> {
        let folder = layout.relative(&layout.broken_images(self.medium));
        let line = IndexLine { broken: Some(Broken::Empty), ..line(data, now, folder, 0) };
        self.index.hold_line(&line)
    }

    fn next_picture(&self, layout: &Layout) -> Result<u64, RecordError> {
        let last = match self.pictures {
            Some(number) => number,
            None => {
                let whole = last_picture(&layout.image(self.medium, 0, "jpg"))?;
                whole.max(last_picture(&layout.broken_image(self.medium, 0, "jpg"))?)
            }
        };
        Ok(last + 1)
    }

    /// Writes what waits.
    pub(crate) fn flush(&mut self, files: &mut Files) -> Result<(), RecordError> {
        flush(self.files.values_mut(), &mut self.index, files)
    }

    /// Lets go of what waits and cannot be written; the lines of the packets that are in no file.
    pub(crate) fn give_up(
        &mut self,
        layout: &Layout,
        files: &mut Files,
        done: &mut Result<(), RecordError>,
    ) -> Vec<IndexLine> {
        give_up(self.files.values_mut(), &mut self.index, layout, files, done)
    }
}

impl Aside {
    pub(crate) fn open(layout: &Layout, options: &Options) -> Result<Self, RecordError> {
        let index = Appender::open(layout.aside_index(), options.max_held_bytes)?;
        let recorded = RecordedPackets::read(&layout.aside_index())?;
        Ok(Self { index, files: BTreeMap::new(), max_held_bytes: options.max_held_bytes, recorded })
    }

    /// Whether an earlier process kept this packet.
    pub(crate) fn was_recorded(&mut self, data: &MediaData, layout: &Layout) -> bool {
        self.recorded.take(data, layout)
    }

    pub(crate) fn keep(
        &mut self,
        medium: Medium,
        reason: AsideReason,
        data: &MediaData,
        now: UnixMillis,
        layout: &Layout,
        files: &mut Files,
    ) -> Result<(), RecordError> {
        if self.index.is_full() && self.flush(files).is_err() {
            // What could not be written waits in memory, and the next sync tells of it.
        }
        let file = match self.files.entry(medium) {
            Entry::Occupied(there) => there.into_mut(),
            Entry::Vacant(free) => free.insert(Appender::open(layout.aside(medium), self.max_held_bytes)?),
        };
        let offset = file.end();
        file.push(&data.data, files)?;
        let mut line = line(data, now, layout.relative(file.path()), offset);
        line.medium = Some(medium);
        line.reason = Some(reason);
        self.index.hold_line(&line)
    }

    pub(crate) fn flush(&mut self, files: &mut Files) -> Result<(), RecordError> {
        flush(self.files.values_mut(), &mut self.index, files)
    }

    /// As [`Raw::give_up`].
    pub(crate) fn give_up(
        &mut self,
        layout: &Layout,
        files: &mut Files,
        done: &mut Result<(), RecordError>,
    ) -> Vec<IndexLine> {
        give_up(self.files.values_mut(), &mut self.index, layout, files, done)
    }
}

/// Writes what waits: packets first, so that the index never tells of bytes that are not there.
fn flush<'a>(
    packets: impl Iterator<Item = &'a mut Appender>,
    index: &mut Appender,
    files: &mut Files,
) -> Result<(), RecordError> {
    let mut done = Ok(());
    for file in packets {
        keep_first(&mut done, file.flush(files));
    }
    done.and_then(|()| index.flush(files))
}

/// Lets go of what waits for these files of packets. Lines of packets that are in the files wait on for the index.
fn give_up<'a>(
    packets: impl Iterator<Item = &'a mut Appender>,
    index: &mut Appender,
    layout: &Layout,
    files: &mut Files,
    done: &mut Result<(), RecordError>,
) -> Vec<IndexLine> {
    let mut ends = BTreeMap::new();
    for file in packets {
        keep_first(done, file.give_up());
        ends.insert(layout.relative(file.path()), file.end());
    }
    let (mut kept, mut lost) = (Vec::new(), Vec::new());
    for text in index.give_up_lines(files, done) {
        let Ok(line) = serde_json::from_slice::<IndexLine>(&text) else { continue };
        // Pictures have files of their own, which are whole.
        if ends.get(line.file.as_str()).is_none_or(|end| line.offset + line.length <= *end) {
            kept.extend_from_slice(&text);
        } else {
            lost.push(line);
        }
    }
    if index.push(&kept, files).and_then(|()| index.flush(files)).is_err() {
        let more = index.give_up_lines(files, done);
        lost.extend(more.iter().filter_map(|text| serde_json::from_slice(text).ok()));
    }
    lost
}

/// The stem for somebody's packets, `shared` for those of all.
pub(crate) fn stem_or(who: &Who, shared: &str) -> String {
    if *who == Who::Everyone { shared.to_owned() } else { stem(who) }
}

fn line(data: &MediaData, now: UnixMillis, file: String, offset: u64) -> IndexLine {
    IndexLine {
        received_at: now,
        timestamp: data.timestamp,
        user_id: data.user_id.clone(),
        channel_id: data.channel_id.clone(),
        medium: None,
        reason: None,
        broken: None,
        file: file.into(),
        offset,
        length: data.data.len() as u64,
        extra: data.extra.clone(),
    }
}

/// The highest number among the pictures that lie beside this one.
fn last_picture(one: &Path) -> Result<u64, RecordError> {
    let folder: PathBuf = one.parent().map(Path::to_owned).unwrap_or_default();
    let entries = match std::fs::read_dir(&folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(0),
        Err(source) => return Err(failed("list", &folder, source)),
    };
    let mut last = 0;
    for entry in entries {
        let name = entry.map_err(|source| failed("list", &folder, source))?.file_name();
        let number = Path::new(&name).file_stem().and_then(|stem| stem.to_str()).and_then(|stem| stem.parse().ok());
        last = last.max(number.unwrap_or(0));
    }
    Ok(last)
}
