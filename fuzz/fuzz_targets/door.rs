//! libFuzzer's entrance to [`rtms_fuzz::door`].
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| rtms_fuzz::door::run(input));
