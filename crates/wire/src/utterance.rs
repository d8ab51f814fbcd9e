//! What a message of the transcript does to the lines before it, so that a reader needs no guess.

use serde::{Deserialize, Serialize};

use crate::sequence::SequenceNumber;

/// What one message of the transcript does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Utterance {
    /// The line that the message is about: the number of the entry that brought it first. It stays the same after a
    /// restart.
    pub id: SequenceNumber,
    /// The line's revision after this message, from 1.
    pub revision: u64,
    /// The connection that brought the message, from 1; 0 if none was announced. Sentence ids are counted per
    /// connection.
    pub connection: u64,
    /// What changes.
    #[serde(flatten)]
    pub change: UtteranceChange,
}

/// What a message changes. In JSON the key `change` has the word.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "change", rename_all = "snake_case")]
pub enum UtteranceChange {
    /// A line is added.
    New,
    /// The message is the line's text and times from here on.
    Replaces {
        /// The revision that it replaces.
        replaces: u64,
    },
    /// Lines are deleted: the parts of one sentence.
    Deletes {
        /// Their ids; empty if they are not there: deleted before, or never received.
        deletes: Vec<SequenceNumber>,
    },
    /// The line has this text and these times already. Nothing changes.
    Repeat,
    /// An original after its correction, or anything after its deletion. Nothing changes.
    Late,
}
