//! The part of a track that is in memory: a few blocks of samples, read when they are needed and written when they are
//! left or synced. Packets cost no system call, and late ones are no special case.

use crate::{error::RecordError, file::Files, wav::Wav};

/// Blocks in memory. Two for a packet on the edge, two more for a backlog that comes between live packets.
const MAX_BLOCKS: usize = 4;

/// Blocks in memory while a file cannot be written: a disk that fails for a quarter of a minute loses nothing.
const MAX_HELD_BLOCKS: usize = 32;

/// Blocks a second: half a second each, 16 KB at 16 kHz mono.
const BLOCKS_A_SECOND: usize = 2;

/// A sample in memory.
pub(crate) trait Sample: Copy + Default {
    /// What is written for it.
    fn narrow(self) -> i16;
}

/// As it was received.
impl Sample for i16 {
    fn narrow(self) -> i16 {
        self
    }
}

/// A sum that is not yet saturated, so that it stays exact while its parts still change.
impl Sample for i32 {
    fn narrow(self) -> i16 {
        i16::try_from(self).unwrap_or(if self < 0 { i16::MIN } else { i16::MAX })
    }
}

/// Some blocks of a track.
#[derive(Debug)]
pub(crate) struct Window<S> {
    blocks: Vec<Block<S>>,
    block_frames: usize,
    channels: usize,
    uses: u64,
    synced_at_use: u64,
}

#[derive(Debug)]
struct Block<S> {
    number: u64,
    samples: Vec<S>,
    /// Samples that are not written yet, from and to.
    unwritten: Option<(usize, usize)>,
    last_use: u64,
}

impl<S: Sample> Window<S> {
    pub(crate) fn new(wav: &Wav) -> Self {
        let format = wav.format();
        Self {
            blocks: Vec::new(),
            block_frames: (format.sample_rate as usize / BLOCKS_A_SECOND).max(1),
            channels: usize::from(format.channels),
            uses: 0,
            synced_at_use: 0,
        }
    }

    /// Which block a frame is in, and which sample of it comes first.
    pub(crate) fn locate(&self, frame: u64) -> (u64, usize) {
        let frames = self.block_frames as u64;
        (frame / frames, (frame % frames) as usize * self.channels)
    }

    /// The first frame of a block.
    pub(crate) fn first_frame(&self, number: u64) -> u64 {
        number * self.block_frames as u64
    }

    pub(crate) fn block_samples(&self) -> usize {
        self.block_frames * self.channels
    }

    /// The samples of a block, if it is in memory.
    pub(crate) fn peek(&self, number: u64) -> Option<&[S]> {
        self.blocks.iter().find(|block| block.number == number).map(|block| block.samples.as_slice())
    }

    pub(crate) fn has(&self, number: u64) -> bool {
        self.blocks.iter().any(|block| block.number == number)
    }

    /// Takes a block in; the one unused for longest is written and leaves. If it cannot be written it stays for a later
    /// try, as long as there is room.
    pub(crate) fn insert(
        &mut self,
        number: u64,
        samples: Vec<S>,
        wav: &mut Wav,
        files: &mut Files,
    ) -> Result<(), RecordError> {
        if self.blocks.len() >= MAX_BLOCKS {
            let oldest = self.blocks.iter().enumerate().min_by_key(|(_, block)| block.last_use);
            if let Some((place, _)) = oldest {
                match self.write_block(place, wav, files) {
                    Ok(()) => drop(self.blocks.swap_remove(place)),
                    // The next sync reports it.
                    Err(_) if self.blocks.len() < MAX_HELD_BLOCKS => {}
                    Err(error) => return Err(error),
                }
            }
        }
        self.uses += 1;
        self.blocks.push(Block { number, samples, unwritten: None, last_use: self.uses });
        Ok(())
    }

    /// Samples of a block that is in memory, to be changed.
    pub(crate) fn change(&mut self, number: u64, from: usize, count: usize) -> Option<&mut [S]> {
        self.uses += 1;
        let block = self.blocks.iter_mut().find(|block| block.number == number)?;
        block.last_use = self.uses;
        let (first, last) = block.unwritten.unwrap_or((from, from + count));
        block.unwritten = Some((first.min(from), last.max(from + count)));
        block.samples.get_mut(from..from + count)
    }

    /// Writes all that is not written, then the headers. Blocks that were not used since the last time leave memory.
    pub(crate) fn sync(&mut self, wav: &mut Wav, files: &mut Files) -> Result<(), RecordError> {
        for place in 0..self.blocks.len() {
            self.write_block(place, wav, files)?;
        }
        wav.sync(files)?;
        // The newest stays if it was used: the next packet goes there, and reading it back would cost more.
        let newest = self.uses.max(self.synced_at_use + 1);
        self.blocks.retain(|block| block.last_use == newest);
        self.synced_at_use = self.uses;
        if self.blocks.is_empty() {
            self.blocks = Vec::new();
        }
        Ok(())
    }

    /// The first frame that is not written yet; none if all are.
    pub(crate) fn first_unwritten(&self) -> Option<u64> {
        let first = |block: &Block<S>| {
            let (from, _) = block.unwritten?;
            Some(self.first_frame(block.number) + (from / self.channels) as u64)
        };
        self.blocks.iter().filter_map(first).min()
    }

    /// Lets go of the blocks from this one on, written or not.
    pub(crate) fn forget_from(&mut self, number: u64) {
        self.blocks.retain(|block| block.number < number);
    }

    fn write_block(&mut self, place: usize, wav: &mut Wav, files: &mut Files) -> Result<(), RecordError> {
        let (block_frames, channels) = (self.block_frames as u64, self.channels);
        let Some(block) = self.blocks.get_mut(place) else { return Ok(()) };
        let Some((from, to)) = block.unwritten else { return Ok(()) };
        let samples = block.samples.get(from..to).unwrap_or_default();
        let mut bytes = Vec::with_capacity(2 * samples.len());
        bytes.extend(samples.iter().flat_map(|sample| sample.narrow().to_le_bytes()));
        wav.write(block.number * block_frames + (from / channels) as u64, &bytes, files)?;
        block.unwritten = None;
        Ok(())
    }
}
