//! What the answers of the API have in common.

use axum::http::{HeaderName, header};

/// The content type of JSON lines.
pub(crate) const NDJSON: &str = "application/x-ndjson";

/// Answers are about meetings of people, so nobody in between keeps them or guesses what they are.
pub(crate) const PRIVATE: [(HeaderName, &str); 2] =
    [(header::CACHE_CONTROL, "no-store"), (header::X_CONTENT_TYPE_OPTIONS, "nosniff")];
