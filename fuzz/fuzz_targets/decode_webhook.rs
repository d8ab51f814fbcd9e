//! libFuzzer's entrance to [`rtms_fuzz::decode_webhook`].
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| rtms_fuzz::decode_webhook::run(input));
