//! Sound that a user brings as a WAV file, at whatever rate a client asks for.

use std::{io::Cursor, path::Path};

use crate::source::file::{ReadError, read_bounded};

/// A stretch of mono sound.
#[derive(Clone, PartialEq, Eq)]
pub struct Sound {
    samples: Vec<i16>,
    rate_hz: u32,
}

/// Why a file is not sound that can be played.
#[derive(Debug, thiserror::Error)]
pub enum SoundError {
    /// The file cannot be read, or is too large.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// It is no WAV file, or a damaged one.
    #[error("not a WAV file")]
    NotWav(#[source] hound::Error),
    /// It holds something else than PCM of 16 bits.
    #[error("{bits} bits of {kind} a sample; 16-bit PCM is needed, as `ffmpeg -c:a pcm_s16le` writes it")]
    NotPcm16 {
        /// Bits of a sample.
        bits: u16,
        /// `integers` or `floats`.
        kind: &'static str,
    },
    /// A rate that no sound has.
    #[error("{rate_hz} samples a second; 4000 to 192000 are possible")]
    Rate {
        /// What the file says.
        rate_hz: u32,
    },
    /// There is not one sample in it.
    #[error("no sound in it")]
    Empty,
}

impl Sound {
    /// A file of sound is at most this large, because it is held in memory: half an hour at 16 kHz mono.
    pub const MOST_BYTES: u64 = 64 << 20;

    /// Reads a WAV file of 16-bit PCM at any usual rate; several channels are mixed into one.
    ///
    /// # Errors
    /// [`SoundError`] says what is wrong with the file.
    pub fn load(path: &Path) -> Result<Self, SoundError> {
        Self::from_wav(&read_bounded(path, Self::MOST_BYTES)?)
    }

    /// The same from the bytes of such a file.
    ///
    /// # Errors
    /// [`SoundError`] says what is wrong with them.
    pub fn from_wav(bytes: &[u8]) -> Result<Self, SoundError> {
        let mut reader = hound::WavReader::new(Cursor::new(bytes)).map_err(SoundError::NotWav)?;
        let spec = reader.spec();
        let kind = match spec.sample_format {
            hound::SampleFormat::Int if spec.bits_per_sample == 16 => None,
            hound::SampleFormat::Int => Some("integers"),
            hound::SampleFormat::Float => Some("floats"),
        };
        if let Some(kind) = kind {
            return Err(SoundError::NotPcm16 { bits: spec.bits_per_sample, kind });
        }
        if !(4_000..=192_000).contains(&spec.sample_rate) {
            return Err(SoundError::Rate { rate_hz: spec.sample_rate });
        }
        let interleaved: Vec<i16> = reader.samples::<i16>().collect::<Result<_, _>>().map_err(SoundError::NotWav)?;
        let channels = usize::from(spec.channels.max(1));
        let samples: Vec<i16> = interleaved.chunks_exact(channels).map(mean).collect();
        if samples.is_empty() { Err(SoundError::Empty) } else { Ok(Self { samples, rate_hz: spec.sample_rate }) }
    }

    /// How long it is.
    pub fn duration_ms(&self) -> u64 {
        self.samples.len() as u64 * 1000 / u64::from(self.rate_hz)
    }

    /// The sound of a stretch of time, at a rate, exactly `duration_ms * rate_hz / 1000` samples; after its end it
    /// starts again.
    ///
    /// Neighbouring samples are joined by straight lines when there are too few of them and averaged when there are too
    /// many: good enough to listen to, and the same on every machine, because only whole numbers are used. At its own
    /// rate it is exact.
    pub fn play(&self, from_ms: u64, duration_ms: u64, rate_hz: u32) -> Vec<i16> {
        let (own, wanted) = (u64::from(self.rate_hz), u64::from(rate_hz.max(1)));
        let first = from_ms * wanted / 1000;
        let count = duration_ms * wanted / 1000;
        (first..first + count).map(|n| self.at(n * own, own, wanted)).collect()
    }

    /// The sample at `position / wanted` of our own samples; the next one is `own / wanted` later.
    fn at(&self, position: u64, own: u64, wanted: u64) -> i16 {
        let sample = |index: u64| {
            let index = usize::try_from(index % self.samples.len() as u64).unwrap_or(0);
            self.samples.get(index).copied().map_or(0, i64::from)
        };
        let (index, rest) = (position / wanted, (position % wanted) as i64);
        let value = if own > wanted {
            let count = own.div_ceil(wanted);
            (index..index + count).map(sample).sum::<i64>() / count as i64
        } else {
            (sample(index) * (wanted as i64 - rest) + sample(index + 1) * rest) / wanted as i64
        };
        i16::try_from(value).unwrap_or(0)
    }
}

impl std::fmt::Debug for Sound {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sound").field("rate_hz", &self.rate_hz).field("duration_ms", &self.duration_ms()).finish()
    }
}

fn mean(frame: &[i16]) -> i16 {
    let sum: i64 = frame.iter().map(|&sample| i64::from(sample)).sum();
    i16::try_from(sum / frame.len().max(1) as i64).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wav(rate_hz: u32, channels: u16, bits: u16, samples: &[i16]) -> Vec<u8> {
        let mut bytes = Cursor::new(Vec::new());
        let spec = hound::WavSpec {
            channels,
            sample_rate: rate_hz,
            bits_per_sample: bits,
            sample_format: hound::SampleFormat::Int,
        };
        let mut writer = hound::WavWriter::new(&mut bytes, spec).unwrap();
        samples.iter().for_each(|&sample| writer.write_sample(sample).unwrap());
        writer.finalize().unwrap();
        bytes.into_inner()
    }

    #[test]
    fn at_its_own_rate_a_sound_is_exact_and_starts_again() {
        let samples: Vec<i16> = (0..320).collect();
        let sound = Sound::from_wav(&wav(16_000, 1, 16, &samples)).unwrap();

        assert_eq!(sound.duration_ms(), 20);
        assert_eq!(sound.play(0, 20, 16_000), samples);
        assert_eq!(sound.play(50, 10, 16_000), samples[160..]);
    }

    #[test]
    fn other_rates_keep_the_shape() {
        let triangle: Vec<i16> = (0..4_410).map(|n: i16| (n % 441 - 220).abs() * 40).collect();
        let sound = Sound::from_wav(&wav(44_100, 1, 16, &triangle)).unwrap();

        for rate_hz in [8_000, 16_000, 32_000, 48_000] {
            let played = sound.play(0, 100, rate_hz);
            assert_eq!(played.len(), rate_hz as usize / 10);
            for (n, &sample) in played.iter().enumerate() {
                let there = triangle[n * 44_100 / rate_hz as usize % 4_410];
                assert!(sample.abs_diff(there) < 400, "{rate_hz}: sample {n} is {sample}, not {there}");
            }
        }
    }

    #[test]
    fn channels_are_mixed_into_one() {
        let sound = Sound::from_wav(&wav(8_000, 2, 16, &[100, 300, -7, 7])).unwrap();

        assert_eq!(sound.samples, [200, 0]);
    }

    #[test]
    fn what_cannot_be_played_is_refused_by_name() {
        assert!(matches!(Sound::from_wav(b"OggS").unwrap_err(), SoundError::NotWav(_)));
        assert!(matches!(
            Sound::from_wav(&wav(8_000, 1, 24, &[1])).unwrap_err(),
            SoundError::NotPcm16 { bits: 24, kind: "integers" }
        ));
        assert!(matches!(Sound::from_wav(&wav(8, 1, 16, &[1])).unwrap_err(), SoundError::Rate { rate_hz: 8 }));
        assert!(matches!(Sound::from_wav(&wav(8_000, 1, 16, &[])).unwrap_err(), SoundError::Empty));
        let mut cut = wav(8_000, 1, 16, &[1, 2, 3]);
        cut.truncate(cut.len() - 3);
        assert!(matches!(Sound::from_wav(&cut).unwrap_err(), SoundError::NotWav(_)));
    }
}
