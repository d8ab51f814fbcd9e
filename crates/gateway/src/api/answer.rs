//! The headers that the API's answers share.

use axum::http::{HeaderName, header};

/// The content type of JSON lines.
pub(crate) const NDJSON: &str = "application/x-ndjson";

/// Headers against caching and content sniffing: answers are about meetings of people.
pub(crate) const PRIVATE: [(HeaderName, &str); 2] =
    [(header::CACHE_CONTROL, "no-store"), (header::X_CONTENT_TYPE_OPTIONS, "nosniff")];
