//! The end of a recording that cannot be written to its end: what is in the files stays, and the rest is counted as lost.

use std::time::Duration;

use rtms_wire::{media::medium::Medium, time::UnixMillis};
use serde::Deserialize;

use super::Recorder;
use crate::{
    error::RecordError,
    ledger::{MAX_MESSAGE_MS, Queue},
    manifest::AsideReason,
    raw::IndexLine,
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
    /// If a file cannot be looked at or cut. What it holds is counted as far as it is known.
    pub fn give_up(&mut self) -> Result<(), RecordError> {
        self.files.remove(&self.layout.reserve())?;
        let sound = match &mut self.audio {
            Some(audio) => audio.give_up(&mut self.files)?,
            None => Vec::new(),
        };
        for sound in sound {
            self.lost(Medium::Audio, sound.times, sound.packets);
        }
        let mut packets = Vec::new();
        for (medium, raw) in &mut self.raw {
            let lost = raw.give_up(&self.layout, &mut self.files)?;
            packets.extend(lost.into_iter().map(|line| (*medium, line)));
        }
        let aside = match &mut self.aside {
            Some(aside) => aside.give_up(&self.layout, &mut self.files)?,
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
            let lines = if medium == Medium::Chat { &mut self.chat } else { &mut self.transcript_lines };
            for line in lines.give_up_lines(&mut self.files)? {
                let Ok(times) = serde_json::from_slice::<Times>(&line) else { continue };
                let came_at = self.book.ledger.to_zoom(times.received_at);
                let from = times.start_time.or(times.timestamp).unwrap_or(came_at);
                let ms = times.end_time.map_or(1, |end| end.0.saturating_sub(from.0).clamp(1, MAX_MESSAGE_MS));
                self.lost(medium, [(from, from + Duration::from_millis(ms))], 1);
            }
        }
        let events = self.events.give_up_lines(&mut self.files)?.len() as u64;
        self.manifest.events = self.manifest.events.saturating_sub(events);
        self.manifest.refused += events;
        self.odd.give_up(&mut self.files)
    }

    /// Counts packets that were told as received, and that no file has.
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
