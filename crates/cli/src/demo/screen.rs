//! Where the demo shows what happens, and whether anybody looks.

use std::io;

use tokio::sync::watch;

use crate::output::print_to_reader;

/// Standard output, shared by those who have something to show.
#[derive(Clone, Default)]
pub(super) struct Screen {
    is_closed: watch::Sender<bool>,
}

impl Screen {
    /// Shows text as it is. Without a reader it is noted that there is none, which is no error.
    pub(super) fn show(&self, text: &str) -> io::Result<()> {
        if !print_to_reader(text.as_bytes())? {
            self.is_closed.send_replace(true);
        }
        Ok(())
    }

    /// Waits until the reader is gone, as when `head` has seen enough.
    pub(super) async fn closed(&self) {
        // It fails when no sender is left, and this is one.
        let _ = self.is_closed.subscribe().wait_for(|is_closed| *is_closed).await;
    }
}
