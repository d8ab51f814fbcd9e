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

impl SinkError {
    /// Whether nothing that comes later can be delivered either: who read it is gone.
    pub fn is_final(&self) -> bool {
        match self {
            Self::Write(error) => error.kind() == std::io::ErrorKind::BrokenPipe,
            Self::Encode(_) => false,
        }
    }
}
