//! What is fuzzed: a module per target, each with a `run` that takes any bytes and panics if something is wrong.
//!
//! libFuzzer calls them from `fuzz_targets`. The same files are a module of `crates/gateway/tests/fuzz_corpus.rs`, which
//! replays the corpora with every `cargo test`.

pub mod decode_message;
pub mod decode_webhook;
pub mod door;
pub mod journal_recovery;
pub mod replay_capture;
pub mod stream_inputs;
