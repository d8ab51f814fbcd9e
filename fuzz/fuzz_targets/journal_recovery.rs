//! libFuzzer's entrance to [`rtms_fuzz::journal_recovery`].
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| rtms_fuzz::journal_recovery::run(input));
