//! What is counted of a client while a stream runs.

use std::{collections::BTreeSet, fmt};

use rtms_wire::media::medium::Medium;
use serde::Serialize;

use crate::sent::SentCounts;

/// What is counted while a stream runs.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tally {
    pub(crate) counts: SentCounts,
    pub(crate) keep_alives: KeepAlives,
    pub(crate) refused: u64,
    /// Connections that were asked for, those in vain too.
    pub(crate) attempts: u64,
    /// Media that were asked for, those in vain too.
    pub(crate) asked: BTreeSet<Medium>,
    /// What was not sent because of the client's own disconnects.
    pub(crate) missed: Missed,
}

/// Media that a client missed by its own disconnects. Sound that Zoom kept and sent later is not among it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Missed {
    /// The number of packets of sound.
    pub audio: u64,
    /// The number of pictures of cameras.
    pub video: u64,
    /// The number of pictures of a screen.
    pub deskshare: u64,
    /// The number of lines of transcript.
    pub transcript: u64,
    /// The number of lines of chat.
    pub chat: u64,
}

impl Missed {
    /// Whether nothing was missed.
    pub fn is_nothing(&self) -> bool {
        *self == Self::default()
    }

    pub(crate) fn count(&mut self, medium: Medium) {
        let count = match medium {
            Medium::Audio => &mut self.audio,
            Medium::Video => &mut self.video,
            Medium::Deskshare => &mut self.deskshare,
            Medium::Transcript => &mut self.transcript,
            Medium::Chat => &mut self.chat,
        };
        *count += 1;
    }
}

impl fmt::Display for Missed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { audio, video, deskshare, transcript, chat } = self;
        write!(
            f,
            "missed by the client's own disconnects: {audio} audio, {video} video, {deskshare} deskshare, {transcript} transcript, \
             {chat} chat"
        )
    }
}

/// Keep-alive requests and their answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct KeepAlives {
    /// The number of messages 12.
    pub asked: u64,
    /// The number of messages 13 that repeat one of them.
    pub answered: u64,
    /// The mean time to the answer, in milliseconds.
    pub mean_ms: u64,
    /// The longest time to an answer, in milliseconds.
    pub longest_ms: u64,
    #[serde(skip)]
    total_ms: u64,
}

impl KeepAlives {
    pub(crate) fn answered(&mut self, after_ms: u64) {
        self.answered += 1;
        self.total_ms = self.total_ms.saturating_add(after_ms);
        self.mean_ms = self.total_ms / self.answered;
        self.longest_ms = self.longest_ms.max(after_ms);
    }
}

impl fmt::Display for KeepAlives {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { asked, answered, mean_ms, longest_ms, total_ms: _ } = self;
        write!(f, "keep-alives: {asked} asked, {answered} answered")?;
        if *answered > 0 {
            write!(f, " after {mean_ms} ms on average and {longest_ms} ms at most")?;
        }
        Ok(())
    }
}
