//! What the client did wrong, as values: seen by the checks, kept in order, to be judged later.

pub(crate) mod advice;
pub(crate) mod finding;
pub(crate) mod mistake;
pub(crate) mod suspect;

pub use self::{
    advice::{Kind, Severity},
    finding::{Finding, Findings},
    mistake::{KeepAliveFault, Mistake},
    suspect::Suspect,
};
