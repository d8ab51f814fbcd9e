//! The bounds of a recording, with defaults that say why.

use std::time::Duration;

/// The bounds of a recording. Tests lower them; the defaults suit every stream of Zoom's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Files held open at once; others are reopened when they are written again.
    ///
    /// Files are touched once per block or sync, not per packet, so few are enough, and thousands of streams share the
    /// process's limit of descriptors.
    pub max_open_files: usize,
    /// Audio files at once, one per participant. Who comes later is kept aside.
    pub max_tracks: usize,
    /// The size at which a WAV file goes on in the next part. A WAV counts its bytes in 32 bits.
    pub wav_limit_bytes: u64,
    /// How long after the origin audio may still be placed. Zoom ends a meeting after 30 hours.
    pub max_length: Duration,
    /// Transcript lines kept in memory, so that updates find them; older ones stay in the files as they are.
    pub max_lines: usize,
    /// Bytes that may wait for one file that cannot be written.
    pub max_held_bytes: usize,
    /// How often the manifest's counters are brought up to date by a sync; changes of structure are written at once.
    ///
    /// Replacing a file makes ext4 start writing it, some 0.3 ms of processor: every five seconds that would cost a
    /// stream more than all of its sound.
    pub manifest_every: Duration,
    /// Whether a sync also waits for the disk (`fdatasync`), which a power cut needs and `kill -9` does not.
    pub wait_for_disk: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            max_open_files: 8,
            max_tracks: 1024,
            wav_limit_bytes: (1 << 32) - (1 << 16),
            max_length: Duration::from_secs(72 * 3600),
            max_lines: 50_000,
            max_held_bytes: 8 << 20,
            manifest_every: Duration::from_secs(30),
            wait_for_disk: false,
        }
    }
}
