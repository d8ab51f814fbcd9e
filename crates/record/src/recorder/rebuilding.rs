//! A manifest that cannot be read, as a power cut may leave it, is made anew from what the folder holds.
//!
//! `ledger.jsonl` repeats the manifest that it goes on from, so nothing is lost with it. If that line is not there either,
//! tracks are named by their files, messages are counted by their lines, names are learnt again as people speak. Then the
//! account of the time before is lost: what the files hold is `received` from the first message of a medium to its last, and
//! what lies outside counts as lost. Without the instant at which all audio files begin, which `ledger.jsonl` has apart, a
//! folder with sound is left alone.

use std::{
    fs::File,
    io::{BufRead, BufReader, ErrorKind, Read},
    path::Path,
};

use rtms_wire::{
    extra::Extra,
    media::medium::Medium,
    message::{event_update::EventUpdate, text_data::MediaDataTranscript},
    time::UnixMillis,
};
use serde::Deserialize;

use crate::{
    error::RecordError,
    file::{Files, failed, length},
    input::RecordingAbout,
    layout::{Layout, who_of},
    manifest::{Manifest, ManifestLine, OriginLine, Placed, Track, TrackSource},
    people::People,
    recorder::Recorder,
    wav::{HEADER_BYTES, PcmFormat, header},
    who::Who,
};

/// Manifests that are kept of one folder because they could not be read.
const MAX_TORN: u64 = 100;

/// The manifest of a folder, none if it is new; and if it was made anew, the name under which the old one is kept.
pub(super) fn read(
    about: &RecordingAbout,
    layout: &Layout,
    files: &mut Files,
) -> Result<(Option<Manifest>, Option<String>), RecordError> {
    let error = match Manifest::read(layout.folder()) {
        Ok(Some(found)) => return Ok((Some(found), None)),
        Ok(None) if is_new(layout)? => return Ok((None, None)),
        Ok(None) => None,
        Err(error @ RecordError::BadManifest { .. }) => Some(error),
        Err(error) => return Err(error),
    };
    let Some(manifest) = rebuilt(about, layout)? else {
        return Err(error.unwrap_or_else(|| {
            let source = std::io::Error::new(ErrorKind::InvalidData, "there is sound, and nothing says when it began");
            failed("continue without", &layout.manifest(), source)
        }));
    };
    let kept = match error {
        Some(_) => keep(layout, files)?,
        None => String::new(),
    };
    Ok((Some(manifest), Some(kept)))
}

/// Whether nothing was ever recorded in this folder.
fn is_new(layout: &Layout) -> Result<bool, RecordError> {
    for path in layout.line_files() {
        if length(&path)? > 0 {
            return Ok(false);
        }
    }
    Ok(audio_files(layout)?.is_empty())
}

/// Copies the manifest that is about to be replaced; gives the name of the copy.
fn keep(layout: &Layout, files: &mut Files) -> Result<String, RecordError> {
    let path = layout.manifest();
    let bytes = std::fs::read(&path).map_err(|source| failed("read", &path, source))?;
    let free = (1..MAX_TORN).map(|number| layout.torn_manifest(number)).find(|path| !path.exists());
    let copy = free.unwrap_or_else(|| layout.torn_manifest(MAX_TORN));
    files.create(&copy, &bytes)?;
    Ok(layout.relative(&copy))
}

/// A manifest of what the folder holds; none if its files do not tell enough to go on with them.
fn rebuilt(about: &RecordingAbout, layout: &Layout) -> Result<Option<Manifest>, RecordError> {
    let mut kept = None;
    lines::<ManifestLine>(&layout.ledger(), |line| kept = Some(line.manifest))?;
    let is_kept = kept.is_some();
    let mut manifest = kept.unwrap_or_else(|| Manifest::new(about.clone(), about.started_at));
    let mut people = People::default();
    people.resume(&manifest.participants, manifest.about.started_at);
    #[derive(Deserialize)]
    struct EventLine {
        kind: String,
        #[serde(flatten)]
        fields: Extra,
    }
    lines::<EventLine>(&layout.events(), |line| {
        if line.kind == "event_update"
            && let Ok(update) = serde_json::from_value::<EventUpdate>(line.fields.into())
        {
            let at = update.event.timestamp.unwrap_or(about.started_at);
            people.learn_event(&update, about.product, at);
        }
    })?;
    lines::<OriginLine>(&layout.ledger(), |line| manifest.origin = Some(line.origin))?;
    lines::<MediaDataTranscript>(&layout.transcript_lines(), |said| {
        let at = said.start_time.or(said.timestamp).unwrap_or(about.started_at);
        people.learn(&Who::of(said.user_id.as_ref(), said.channel_id.as_ref()), said.user_name.as_ref(), at);
    })?;
    manifest.participants = people.describe();

    let mut end_ms = 0;
    for (stem, set, path) in audio_files(layout)? {
        let bytes = length(&path)?;
        if bytes <= HEADER_BYTES {
            continue;
        }
        let (Some(format), Some(_)) = (format_of(&path)?, manifest.origin) else { return Ok(None) };
        let who = if stem == "mixed" { Some(Who::Everyone) } else { who_of(&stem) };
        let Some(who) = who else { return Ok(None) };
        if manifest.tracks.iter().any(|known| known.set == set && known.who == who) {
            continue;
        }
        let frames = (bytes - HEADER_BYTES) / format.frame_bytes() as u64;
        end_ms = format.millis(frames).max(end_ms);
        manifest.tracks.push(Track {
            source: if stem == "mixed" { TrackSource::ReceivedMix } else { TrackSource::Participant },
            who,
            set,
            sample_rate: format.sample_rate,
            channels: format.channels,
            files: vec![layout.relative(&path)],
            duration_ms: 0,
            placed: Placed::default(),
        });
    }
    // Where participants have tracks of their own, the mix was made here.
    let apart: Vec<_> = manifest.tracks.iter().filter(|track| track.source == TrackSource::Participant).collect();
    let apart: Vec<_> = apart.iter().map(|track| track.set).collect();
    for track in manifest.tracks.iter_mut().filter(|track| track.source == TrackSource::ReceivedMix) {
        if apart.contains(&track.set) {
            track.source = TrackSource::ComputedMix;
        }
    }
    manifest.tracks.sort_by_key(|track| (track.set, track.source != TrackSource::ComputedMix));
    if let Some(origin) = manifest.origin.filter(|_| end_ms > 0 && !is_kept) {
        let received = manifest.media.entry(Medium::Audio).or_default();
        received.first_timestamp = Some(origin);
        received.last_timestamp = Some(UnixMillis(origin.0.saturating_add(end_ms)));
    }
    Ok(Some(manifest))
}

fn audio_files(layout: &Layout) -> Result<Vec<(String, usize, std::path::PathBuf)>, RecordError> {
    layout.audio_files().map_err(|source| failed("list the sound of", layout.folder(), source))
}

/// How the samples of a WAV file lie; none if its header does not tell.
fn format_of(path: &Path) -> Result<Option<PcmFormat>, RecordError> {
    let mut head = [0; HEADER_BYTES as usize];
    File::open(path).and_then(|mut file| file.read_exact(&mut head)).map_err(|source| failed("read", path, source))?;
    let channels = head.get(22..24).and_then(|bytes| bytes.try_into().ok()).map_or(0, u16::from_le_bytes);
    let sample_rate = head.get(24..28).and_then(|bytes| bytes.try_into().ok()).map_or(0, u32::from_le_bytes);
    if channels == 0 || sample_rate == 0 {
        return Ok(None);
    }
    let format = PcmFormat { sample_rate, channels };
    Ok((head.get(20..36) == header(format, 0).get(20..36)).then_some(format))
}

/// Gives each line of a file that can be read; none if there is no file.
fn lines<T: for<'a> Deserialize<'a>>(path: &Path, mut each: impl FnMut(T)) -> Result<(), RecordError> {
    let file = match File::open(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        file => file.map_err(|source| failed("open", path, source))?,
    };
    let (mut reader, mut line) = (BufReader::new(file), Vec::new());
    while reader.read_until(b'\n', &mut line).map_err(|source| failed("read", path, source))? > 0 {
        if let Ok(read) = serde_json::from_slice(&line) {
            each(read);
        }
        line.clear();
    }
    Ok(())
}

impl Recorder {
    /// Puts into `ledger.jsonl`, which is empty, the manifest that it goes on from.
    pub(super) fn log_manifest(&mut self) -> Result<(), RecordError> {
        let line = ManifestLine { revision: self.manifest.ledger_revision, manifest: self.describe_synced() };
        self.ledger_log.push_line(&line, &mut self.files)?;
        self.ledger_log_base = self.ledger_log.end();
        // If it cannot be written it waits in memory, as the sound does.
        self.ledger_log.flush(&mut self.files).or(Ok(()))
    }

    /// Puts into `ledger.jsonl` where all audio files begin, before any of them is there. From then on its first line has it.
    pub(super) fn log_origin(&mut self) -> Result<(), RecordError> {
        let Some(origin) = self.manifest.origin else { return Ok(()) };
        let line = OriginLine { revision: self.manifest.ledger_revision, origin };
        self.ledger_log.push_line(&line, &mut self.files)?;
        // If it cannot be written it waits in memory, as the sound does.
        self.ledger_log.flush(&mut self.files).or(Ok(()))
    }
}
