//! The answers of `/v1/` as types: what the server writes, what the command line reads, and what is promised to users.
//!
//! A line about a stream is made from the store's record ([`StreamLine::of_record`](stream::StreamLine::of_record)); a server that
//! runs the stream adds what only it knows. So the command line says the same of a data folder without a server.
//!
//! Nothing here asks for the time or waits. [`RecordingLine::read`](recording::RecordingLine::read) reads files and blocks.

pub mod ended;
pub mod receipt;
pub mod recording;
pub mod since;
pub mod standing;
pub mod stream;
pub mod video;
