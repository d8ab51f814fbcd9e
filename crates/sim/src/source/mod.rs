//! What people in the meeting say and show: made from the seed (speech, lines of transcript, pictures) or brought by
//! the user.

pub mod audio_codec;
pub mod file;
pub mod h264;
mod jpeg;
pub mod marker;
pub mod phrases;
pub mod slide;
pub mod sound;
pub mod speech;
