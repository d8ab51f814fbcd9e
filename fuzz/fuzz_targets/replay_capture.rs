//! libFuzzer's entrance to [`rtms_fuzz::replay_capture`].
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| rtms_fuzz::replay_capture::run(input));
