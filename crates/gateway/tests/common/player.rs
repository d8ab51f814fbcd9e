//! A player's opinion of a recording, where `RTMS_FFPROBE` names the program (such as `ffprobe`).

use std::{path::Path, process::Command};

/// A player sees sound of this form in a WAV file, and is not surprised by anything; gives its duration in its words.
pub(crate) fn assert_plays(file: &Path, sample_rate: u32, channels: u16) -> Option<String> {
    let Ok(ffprobe) = std::env::var("RTMS_FFPROBE") else {
        eprintln!("ffprobe was NOT run: set RTMS_FFPROBE=ffprobe to have WAV files judged by it");
        return None;
    };
    let show = "stream=codec_name,sample_rate,channels,duration";
    let output = Command::new(&ffprobe)
        .args(["-v", "error", "-show_entries", show, "-of", "csv=p=0"])
        .arg(file)
        .output()
        .expect("ffprobe runs");
    assert!(output.stderr.is_empty(), "{}: {}", file.display(), String::from_utf8_lossy(&output.stderr));
    let said = String::from_utf8_lossy(&output.stdout);
    let form = format!("pcm_s16le,{sample_rate},{channels},");
    let duration = said.trim().strip_prefix(&form);
    Some(duration.unwrap_or_else(|| panic!("{}: {said}", file.display())).to_owned())
}
