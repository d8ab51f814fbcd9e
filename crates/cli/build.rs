//! Tells the program with which profile of cargo it is built, for the figures that it prints.

use std::{env, path::PathBuf};

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    // Cargo's own `PROFILE` is `release` for every profile that inherits from it. The folder of the build has the name:
    // `target/dist/build/rtms-0123456789abcdef/out`.
    let out = env::var_os("OUT_DIR").map(PathBuf::from).unwrap_or_default();
    let profile = out.ancestors().nth(3).and_then(|folder| folder.file_name()).unwrap_or_default();
    println!("cargo::rustc-env=RTMS_PROFILE={}", profile.to_string_lossy());
}
