//! Zoom's side of a media connection.

mod audio;
pub(crate) mod due;
pub(crate) mod flow;
mod picture;
pub(crate) mod studio;
mod text;
