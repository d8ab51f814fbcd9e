//! libFuzzer's entrance to [`rtms_fuzz::stream_inputs`].
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| rtms_fuzz::stream_inputs::run(input));
