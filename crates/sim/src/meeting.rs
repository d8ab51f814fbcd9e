//! What is true in the meeting: who is there, who says what when, who shares, what is written. A plan that follows from
//! a seed.
//!
//! All times are milliseconds since the stream started. The plan is finished before the first byte is sent, so whoever
//! compares what a client received with what happened needs nothing but the seed and the options.

pub mod call;
pub mod chat;
pub mod groups;
pub(crate) mod happening;
pub mod options;
pub(crate) mod participant;
pub(crate) mod story;
pub mod transcript;
pub(crate) mod utterance;

pub use self::{
    happening::{Change, Happening},
    options::MeetingOptions,
    participant::Participant,
    story::{Meeting, Share},
    utterance::{GRID_MS, Utterance},
};
