//! What a server answers, read and written on.

use std::time::Duration;

use anyhow::Context;
use serde::{Serialize, de::DeserializeOwned};

/// How often a server is asked what became of a wish.
pub(super) const LOOK_EVERY: Duration = Duration::from_millis(200);

/// Reads an answer.
pub(super) fn understood<T: DeserializeOwned>(answer: &[u8]) -> anyhow::Result<T> {
    serde_json::from_slice(answer).context("the server's answer is not what was asked for")
}

/// Writes it as one line of JSON.
pub(super) fn json_line(value: &impl Serialize) -> anyhow::Result<String> {
    Ok(serde_json::to_string(value)? + "\n")
}
