//! Why a run of a stream ended, in a line for people.

use rtms_api::ended::EndedLine;

use crate::output::{REASON_CHARS, one_line, shown};

/// Why a run ended. Some of our reasons name Zoom's in their own text; it is not said twice.
pub(super) fn why(ended: &EndedLine) -> String {
    let why = shown(&ended.why, REASON_CHARS);
    match &ended.stop_reason_name {
        Some(name) if !ended.why.contains(name.as_str()) => format!("{why} ({})", one_line(name)),
        Some(_) | None => why,
    }
}
