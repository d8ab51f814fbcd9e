//! One JSON object per line, on standard output or wherever else bytes can go.

use async_trait::async_trait;
use tokio::io::{AsyncWrite, AsyncWriteExt, BufWriter};

use crate::{envelope::Envelope, error::SinkError, sink::Sink};

/// Writes each envelope as one line of JSON.
pub struct Jsonl<W> {
    name: String,
    out: BufWriter<W>,
}

impl<W: AsyncWrite + Unpin + Send + 'static> Jsonl<W> {
    /// Writes to `out`; `name` is for logs and metrics.
    pub fn new(name: impl Into<String>, out: W) -> Self {
        Self { name: name.into(), out: BufWriter::new(out) }
    }
}

#[async_trait]
impl<W: AsyncWrite + Unpin + Send + 'static> Sink for Jsonl<W> {
    fn name(&self) -> &str {
        &self.name
    }

    async fn deliver(&mut self, envelope: &Envelope) -> Result<(), SinkError> {
        let mut line = serde_json::to_vec(envelope)?;
        line.push(b'\n');
        self.out.write_all(&line).await?;
        Ok(())
    }

    async fn flush(&mut self) -> Result<(), SinkError> {
        Ok(self.out.flush().await?)
    }
}
