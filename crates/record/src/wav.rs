//! WAV files of 16-bit PCM: 44 bytes of header, then samples, little-endian and interleaved.
//!
//! The header tells the length in 32 bits, so a long track goes on in the next part. Sizes are brought up to date by
//! [`Wav::sync`]; in between a file holds more than its header tells, never less, so it can be played at any moment.

use std::path::PathBuf;

use crate::{
    error::RecordError,
    file::{Files, length},
    layout::wav_part,
};

pub(crate) const HEADER_BYTES: u64 = 44;

/// How a track's samples lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct PcmFormat {
    /// Frames a second.
    pub(crate) sample_rate: u32,
    /// Samples in a frame.
    pub(crate) channels: u16,
}

impl PcmFormat {
    pub(crate) fn frame_bytes(self) -> usize {
        2 * usize::from(self.channels)
    }

    /// How long so many frames last.
    pub(crate) fn millis(self, frames: u64) -> u64 {
        frames * 1000 / u64::from(self.sample_rate)
    }
}

/// One track on disk, in as many parts as it needs.
#[derive(Debug)]
pub(crate) struct Wav {
    stem: PathBuf,
    format: PcmFormat,
    part_frames: u64,
    /// Frames of the track, those still in memory too.
    end: u64,
    /// Frames the headers tell of.
    told: u64,
    /// Frames that were there when it was opened or synced.
    synced: u64,
    /// Parts that have a header.
    parts: u64,
}

impl Wav {
    /// Goes on with the track at this stem, or begins it; none if what is there has another format.
    pub(crate) fn open(
        stem: PathBuf,
        format: PcmFormat,
        limit_bytes: u64,
        files: &mut Files,
    ) -> Result<Option<Self>, RecordError> {
        let frame_bytes = format.frame_bytes() as u64;
        let fit = limit_bytes.min(u64::from(u32::MAX)).saturating_sub(HEADER_BYTES) / frame_bytes;
        let mut wav = Self { stem, format, part_frames: fit.max(1), end: 0, told: 0, synced: 0, parts: 0 };
        loop {
            let path = wav_part(&wav.stem, wav.parts + 1);
            let bytes = length(&path)?;
            if bytes <= HEADER_BYTES {
                break;
            }
            let mut found = [0; HEADER_BYTES as usize];
            files.read_at(&path, 0, &mut found)?;
            if found == [0; HEADER_BYTES as usize] {
                // A power cut left the length of the file and not its beginning; the next sync tells its length.
                found.copy_from_slice(&header(format, 0));
                files.write_at(&path, 0, &found)?;
            }
            if found.get(20..36) != header(format, 0).get(20..36) {
                return Ok(None);
            }
            let frames = (bytes - HEADER_BYTES) / frame_bytes;
            if wav.parts == 1 {
                // There is a second part, so the first is full: that is how long parts are here, whatever the limit is now.
                wav.part_frames = wav.end.max(1);
            }
            wav.end = wav.parts * wav.part_frames + frames;
            wav.parts += 1;
        }
        if wav.parts == 1 {
            wav.part_frames = wav.part_frames.max(wav.end);
        }
        wav.synced = wav.end;
        Ok(Some(wav))
    }

    pub(crate) fn format(&self) -> PcmFormat {
        self.format
    }

    /// Frames of the track, those that are still to be written too.
    pub(crate) fn end(&self) -> u64 {
        self.end
    }

    /// The track reaches at least to here; the caller will write what belongs there.
    pub(crate) fn extend_to(&mut self, frame: u64) {
        self.end = self.end.max(frame);
    }

    /// The paths of all parts.
    pub(crate) fn paths(&self) -> impl Iterator<Item = PathBuf> {
        (1..=self.end.div_ceil(self.part_frames).max(1)).map(|part| wav_part(&self.stem, part))
    }

    /// Writes samples from this frame on.
    pub(crate) fn write(&mut self, frame: u64, samples: &[u8], files: &mut Files) -> Result<(), RecordError> {
        let mut rest = samples;
        let mut frame = frame;
        while !rest.is_empty() {
            let (part, path, offset, bytes) = self.locate(frame, rest.len());
            self.begin_parts(part, files)?;
            let (here, behind) = rest.split_at(bytes);
            files.write_at(&path, offset, here)?;
            rest = behind;
            frame += (bytes / self.format.frame_bytes()) as u64;
        }
        Ok(())
    }

    /// Reads samples from this frame on; what was never written is silence.
    pub(crate) fn read(&self, frame: u64, samples: &mut [u8], files: &mut Files) -> Result<(), RecordError> {
        let mut rest = samples;
        let mut frame = frame;
        while !rest.is_empty() {
            let (part, path, offset, bytes) = self.locate(frame, rest.len());
            let (here, behind) = rest.split_at_mut(bytes);
            if part <= self.parts {
                files.read_at(&path, offset, here)?;
            } else {
                here.fill(0);
            }
            rest = behind;
            frame += (bytes / self.format.frame_bytes()) as u64;
        }
        Ok(())
    }

    /// Makes the headers tell all that was written. The caller has written it all.
    pub(crate) fn sync(&mut self, files: &mut Files) -> Result<(), RecordError> {
        if self.told == self.end || self.parts == 0 {
            return Ok(());
        }
        let before = (self.parts - 1) * self.part_frames;
        self.write_header(self.parts, self.end.saturating_sub(before).min(self.part_frames), files)?;
        self.told = self.end;
        self.synced = self.end;
        Ok(())
    }

    /// Frames that are in the files for sure: those of the last sync.
    pub(crate) fn synced_end(&self) -> u64 {
        self.synced
    }

    /// Cuts the track off here, in its files too. The next sync makes the header right.
    pub(crate) fn cut_to(&mut self, frame: u64, files: &mut Files) -> Result<(), RecordError> {
        self.end = self.end.min(frame);
        self.synced = self.synced.min(self.end);
        let parts = self.end.div_ceil(self.part_frames);
        // A part may be there of which not even the header could be written.
        for part in (parts + 1..=self.parts + 1).rev() {
            files.remove(&wav_part(&self.stem, part))?;
        }
        self.parts = self.parts.min(parts);
        if self.parts == 0 {
            self.told = 0;
            return Ok(());
        }
        let inside = self.end - (self.parts - 1) * self.part_frames;
        let bytes = HEADER_BYTES + inside * self.format.frame_bytes() as u64;
        let path = wav_part(&self.stem, self.parts);
        if length(&path)? > bytes {
            // Before it, as a header never tells of more than there is.
            self.write_header(self.parts, inside, files)?;
            files.set_len(&path, bytes)?;
            self.told = self.end;
        }
        self.told = self.told.min(self.end);
        Ok(())
    }

    /// Part, path, byte and how many of the bytes lie in that part.
    fn locate(&self, frame: u64, bytes: usize) -> (u64, PathBuf, u64, usize) {
        let frame_bytes = self.format.frame_bytes();
        let part = frame / self.part_frames + 1;
        let inside = frame % self.part_frames;
        let room = usize::try_from(self.part_frames - inside).unwrap_or(usize::MAX).saturating_mul(frame_bytes);
        (part, wav_part(&self.stem, part), HEADER_BYTES + inside * frame_bytes as u64, bytes.min(room))
    }

    /// Gives every part up to this one its header. All before it become full: what they lack is silence.
    fn begin_parts(&mut self, part: u64, files: &mut Files) -> Result<(), RecordError> {
        while self.parts < part {
            if self.parts > 0 {
                let full = HEADER_BYTES + self.part_frames * self.format.frame_bytes() as u64;
                files.set_len(&wav_part(&self.stem, self.parts), full)?;
                self.write_header(self.parts, self.part_frames, files)?;
            }
            self.write_header(self.parts + 1, 0, files)?;
            self.parts += 1;
            // The new header tells of nothing yet, so the next sync has work to do.
            self.told = (self.parts - 1) * self.part_frames;
        }
        Ok(())
    }

    fn write_header(&self, part: u64, frames: u64, files: &mut Files) -> Result<(), RecordError> {
        let bytes = frames * self.format.frame_bytes() as u64;
        files.write_at(&wav_part(&self.stem, part), 0, &header(self.format, u32::try_from(bytes).unwrap_or(u32::MAX)))
    }
}

/// The RIFF header of one `fmt ` and one `data` chunk: all that every player understands.
pub(crate) fn header(format: PcmFormat, data_bytes: u32) -> Vec<u8> {
    let frame_bytes = u16::try_from(format.frame_bytes()).unwrap_or(u16::MAX);
    let mut header = Vec::with_capacity(HEADER_BYTES as usize);
    header.extend_from_slice(b"RIFF");
    header.extend_from_slice(&data_bytes.saturating_add(HEADER_BYTES as u32 - 8).to_le_bytes());
    header.extend_from_slice(b"WAVEfmt ");
    header.extend_from_slice(&16u32.to_le_bytes());
    header.extend_from_slice(&1u16.to_le_bytes());
    header.extend_from_slice(&format.channels.to_le_bytes());
    header.extend_from_slice(&format.sample_rate.to_le_bytes());
    header.extend_from_slice(&(format.sample_rate * u32::from(frame_bytes)).to_le_bytes());
    header.extend_from_slice(&frame_bytes.to_le_bytes());
    header.extend_from_slice(&16u16.to_le_bytes());
    header.extend_from_slice(b"data");
    header.extend_from_slice(&data_bytes.to_le_bytes());
    header
}
