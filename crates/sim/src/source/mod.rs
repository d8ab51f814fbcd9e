//! What people in the meeting say and show, made from the seed: speech, lines of transcript, pictures.

pub mod audio_codec;
pub mod h264;
mod jpeg;
pub mod phrases;
pub mod slide;
pub mod speech;
