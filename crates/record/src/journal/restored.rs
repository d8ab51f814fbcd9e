//! [`Restored`]: what an owner that goes on with a stream learns from its journal.

use std::{collections::VecDeque, time::Duration};

use rtms_wire::{message::text_data::MediaDataChat, sequence::SequenceNumber, time::UnixMillis};

use crate::{
    journal::{
        entry::{Entry, Word},
        error::JournalError,
        read::Entries,
    },
    repeats::RecordedLines,
    utterance::Utterances,
};

/// How long before the newest entry a message of the chat may have come that Zoom sends again: twice the 60 s for which
/// it keeps a stream.
const AGAIN_WITHIN: Duration = Duration::from_secs(120);

/// What the journal of an earlier owner tells.
#[derive(Debug)]
pub struct Restored {
    /// The last number in it; 0-0 if it has no entry.
    pub last: SequenceNumber,
    /// The utterances so far. Another connection has begun.
    pub utterances: Utterances,
    /// Lines that are no entries, and were skipped.
    pub bad_lines: u64,
    chat: RecordedLines,
}

impl Restored {
    /// Reads a journal from its beginning.
    ///
    /// # Errors
    /// If a file cannot be read.
    pub fn read(entries: Entries, max_lines: usize) -> Result<Self, JournalError> {
        let (mut last, mut bad_lines) = (SequenceNumber::default(), 0);
        let mut utterances = Utterances::new(max_lines);
        let mut newest = UnixMillis::default();
        let mut chats: VecDeque<(UnixMillis, MediaDataChat)> = VecDeque::new();
        for entry in entries {
            let entry = match entry {
                Err(error) if error.is_of_line() => {
                    bad_lines += 1;
                    continue;
                }
                entry => entry?,
            };
            let Entry { number, at, word } = &*entry;
            (last, newest) = (last.max(*number), newest.max(*at));
            match word {
                Word::Transcript { message, utterance } => utterances.restore(message, utterance),
                Word::Chat(chat) => chats.push_back((*at, chat.clone())),
                Word::Event(_) | Word::Note(_) | Word::Unlisted(_) | Word::Span(_) => {}
            }
            while chats.front().is_some_and(|(at, _)| *at + AGAIN_WITHIN < newest) {
                chats.pop_front();
            }
        }
        utterances.begin_connection();
        let mut chat = RecordedLines::default();
        chats.iter().for_each(|(_, message)| chat.add(message));
        Ok(Self { last, utterances, bad_lines, chat })
    }

    /// Whether a message of the chat is in the journal already, as Zoom sent it again. Each message there is one
    /// message's original, so one that comes more often is new.
    pub fn is_repeat(&mut self, chat: &MediaDataChat) -> bool {
        self.chat.take(chat)
    }
}
