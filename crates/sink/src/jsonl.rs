//! One JSON object per line, on standard output or wherever else bytes can go.

use std::{io, sync::Arc};

use async_trait::async_trait;
use tokio::io::{AsyncWrite, AsyncWriteExt};

use crate::{envelope::Envelope, error::SinkError, sink::Sink};

/// Writes each envelope as one line of JSON.
///
/// After a write that failed, the lines of its batch are written again. Where the failure left part of a line, a line break
/// ends it, so that what follows can be read.
pub struct Jsonl<W> {
    name: String,
    out: W,
    /// Whether part of a line may have been written last.
    is_torn: bool,
}

impl<W: AsyncWrite + Unpin + Send + 'static> Jsonl<W> {
    /// Writes to `out`; `name` is for logs and metrics.
    pub fn new(name: impl Into<String>, out: W) -> Self {
        Self { name: name.into(), out, is_torn: false }
    }

    async fn write(&mut self, lines: &[u8]) -> io::Result<()> {
        let mut left = lines;
        while !left.is_empty() {
            let written = self.out.write(left).await?;
            if written == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
            self.is_torn = true;
            left = left.split_at_checked(written).map_or(&[][..], |(_, left)| left);
        }
        self.out.flush().await?;
        self.is_torn = false;
        Ok(())
    }
}

#[async_trait]
impl<W: AsyncWrite + Unpin + Send + 'static> Sink for Jsonl<W> {
    fn name(&self) -> &str {
        &self.name
    }

    async fn deliver(&mut self, batch: &[Arc<Envelope>]) -> Result<(), SinkError> {
        let mut lines = if self.is_torn { vec![b'\n'] } else { Vec::new() };
        for envelope in batch {
            serde_json::to_writer(&mut lines, &**envelope).map_err(SinkError::reject)?;
            lines.push(b'\n');
        }
        self.write(&lines).await.map_err(|error| {
            let is_gone = error.kind() == io::ErrorKind::BrokenPipe;
            if is_gone { SinkError::Gone { why: error.into() } } else { SinkError::retry(error) }
        })
    }
}
