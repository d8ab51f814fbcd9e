//! What we ask for and what Zoom grants: a file per medium, and the check against Zoom's matrix.

pub mod audio;
pub mod medium;
pub mod params;
pub mod text;
pub mod video;
