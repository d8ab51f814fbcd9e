//! Why something could not be delivered.

/// Why an envelope could not be delivered.
#[derive(Debug, thiserror::Error)]
pub enum SinkError {
    /// It cannot be written where it should go.
    #[error("write: {0}")]
    Write(#[from] std::io::Error),
    /// It cannot be put into JSON.
    #[error("encode: {0}")]
    Encode(#[from] serde_json::Error),
}
