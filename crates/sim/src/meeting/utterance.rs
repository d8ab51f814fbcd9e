//! What people say, line by line.

use rtms_wire::codes::language::TranscriptLanguage;

/// Somebody saying one line.
#[derive(Clone, Debug)]
pub struct Utterance {
    /// Who, as an index into [`Meeting::participants`](crate::meeting::Meeting::participants).
    pub speaker: usize,
    /// First moment of sound.
    pub start_ms: u64,
    /// First moment of silence after it.
    pub end_ms: u64,
    /// The words.
    pub text: String,
    /// Their language.
    pub language: TranscriptLanguage,
}

/// The smallest packet of sound; speech starts and ends on this grid, so that no packet holds half a moment.
pub const GRID_MS: u64 = 20;

/// No utterance is longer, so that its sound can be made as a whole.
pub(crate) const LONGEST_UTTERANCE_MS: u64 = 4_500;
