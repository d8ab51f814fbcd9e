//! What we note of a stream ourselves: states, gaps, interruptions, repeats.

use rtms_wire::{SmolStr, extra::Extra, time::UnixMillis};
use serde::{Deserialize, Serialize};

/// A line of `events.jsonl` in our own words.
///
/// Names are learnt from `user_id` (or `channel_id`) with `user_name`, and from a list `participants` of such objects.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Note {
    /// When it happened.
    pub at: UnixMillis,
    /// What happened, in snake case.
    pub kind: SmolStr,
    /// More of it. The keys `at` and `kind` are the note's own and lose against them.
    pub fields: Extra,
}
