//! The end of a recording that cannot be written to its end: what is in the files stays, and the rest is counted as lost.

use std::{path::Path, time::Duration};

use rtms_wire::{media::medium::Medium, time::UnixMillis};
use serde::Deserialize;

use crate::{
    error::RecordError,
    file::Files,
    index_line::IndexLine,
    input::{Ending, Input},
    layout::Layout,
    ledger::{
        Ledger, MAX_MESSAGE_MS,
        change::{Change, When},
        word::Queue,
    },
    manifest::{AsideReason, Manifest, RecordingState},
    options::Options,
    recorder::{Recorder, Summary},
};

/// The room that a recording keeps on the disk for its last manifest, in bytes.
pub(super) const RESERVE_BYTES: usize = 128 << 10;

/// The times of a line of words or of chat.
#[derive(Deserialize)]
struct Times {
    received_at: UnixMillis,
    timestamp: Option<UnixMillis>,
    start_time: Option<UnixMillis>,
    end_time: Option<UnixMillis>,
}

impl Recorder {
    /// Lets go of what waits in memory for files that cannot be written, and counts it as lost. For when
    /// [`Recorder::try_finish`] has failed for too long; it may be called again then, and needs next to no room on the disk.
    ///
    /// # Errors
    /// If a file cannot be looked at or cut. All is counted then, too.
    pub fn give_up(&mut self) -> Result<(), RecordError> {
        let mut done = self.files.remove(&self.layout.reserve());
        let sound = match &mut self.audio {
            Some(audio) => audio.give_up(&mut self.files, &mut done),
            None => Vec::new(),
        };
        for sound in sound {
            self.lost(Medium::Audio, sound.times, sound.packets);
        }
        let mut packets = Vec::new();
        for (medium, raw) in &mut self.raw {
            let lost = raw.give_up(&self.layout, &mut self.files, &mut done);
            packets.extend(lost.into_iter().map(|line| (*medium, line)));
        }
        let aside = match &mut self.aside {
            Some(aside) => aside.give_up(&self.layout, &mut self.files, &mut done),
            None => Vec::new(),
        };
        for line in &aside {
            let Some(kept) = line.reason.and_then(|reason| self.manifest.aside.get_mut(&reason)) else { continue };
            kept.packets = kept.packets.saturating_sub(1);
            kept.bytes = kept.bytes.saturating_sub(line.length);
        }
        // The rest of a torn packet is in its track.
        let aside = aside.into_iter().filter(|line| line.reason != Some(AsideReason::TornSamples));
        packets.extend(aside.map(|line| (line.medium.unwrap_or(Medium::Audio), line)));
        for (medium, line) in packets {
            let from = self.time_of(&line);
            self.lost(medium, [(from, from + Duration::from_millis(self.book.usual_ms(medium)))], 1);
        }
        for medium in [Medium::Transcript, Medium::Chat] {
            let lines = if medium == Medium::Chat { &mut self.views.chat } else { &mut self.views.transcript };
            for line in lines.give_up_lines(&mut self.files, &mut done) {
                let Ok(times) = serde_json::from_slice::<Times>(&line) else { continue };
                let came_at = self.book.ledger.to_zoom(times.received_at);
                let from = times.start_time.or(times.timestamp).unwrap_or(came_at);
                let ms = times.end_time.map_or(1, |end| end.0.saturating_sub(from.0).clamp(1, MAX_MESSAGE_MS));
                self.lost(medium, [(from, from + Duration::from_millis(ms))], 1);
            }
        }
        let events = self.views.events.give_up_lines(&mut self.files, &mut done).len() as u64;
        self.manifest.events = self.manifest.events.saturating_sub(events);
        self.manifest.refused += events;
        self.flawed.give_up(&mut self.files, &mut done);
        done
    }

    /// Closes a recording that was given up and could not be closed then, as its folder could not take the last manifest.
    /// `told` is [`Recorder::describe`] from after [`Recorder::give_up`]; its counts and its ledger are what was reported
    /// of the stream. None if there is nothing in the folder any more.
    ///
    /// # Errors
    /// If a file cannot be written or read. It may be called again then.
    pub fn close_given_up(
        folder: &Path,
        mut told: Manifest,
        options: Options,
        ending: &Ending,
        now: UnixMillis,
        may_read: &dyn Fn() -> bool,
    ) -> Result<Option<Summary>, RecordError> {
        match Manifest::read(folder) {
            Ok(None) => return Ok(None),
            Ok(Some(manifest)) if manifest.state == RecordingState::Finished => {
                return Ok(Some(Summary { folder: folder.to_owned(), duration: Duration::ZERO, manifest }));
            }
            Ok(Some(_)) | Err(RecordError::BadManifest { .. }) => {}
            Err(error) => return Err(error),
        }
        // What is in `ledger.jsonl` is in it already.
        told.ledger_revision += 1;
        let mut files = Files::new(folder, options.max_open_files, options.wait_for_disk);
        told.write(&Layout::of_folder(folder), &mut files)?;
        let mut recorder = Self::open_folder(folder, told.about, options, None, now)?;
        if let Some(report) = told.ledger {
            // It reaches to the end: nothing was missed since.
            recorder.book.ledger = Ledger::resume(&report, &[]);
            recorder.handle(Input::Change(Change::Stopped, When::Zoom(report.to)), now)?;
        }
        recorder.try_finish(ending, may_read).map(Some)
    }

    /// Counts packets that were counted as received, and that no file has.
    fn lost(&mut self, medium: Medium, times: impl IntoIterator<Item = (UnixMillis, UnixMillis)>, packets: u64) {
        self.manifest.media.entry(medium).or_default().lost_disk += packets;
        self.manifest.refused += packets;
        for (from, to) in times {
            self.book.ledger.not_kept(medium, from, to, Queue::Disk);
        }
    }

    /// The time that a packet is for; when it came if its own is not believed.
    fn time_of(&self, line: &IndexLine) -> UnixMillis {
        match line.reason {
            Some(AsideReason::NoTime | AsideReason::FarAhead | AsideReason::FarBehind | AsideReason::TooLong) => {
                self.book.ledger.to_zoom(line.received_at)
            }
            Some(_) | None => line.timestamp,
        }
    }
}
