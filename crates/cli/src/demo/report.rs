//! What the demo says besides captions: counters, cost, and where the files are.

use std::{borrow::Cow, path::Path, time::Duration};

use rtms_gateway::telemetry::{Metrics, WebhookResult};
use rtms_record::{Manifest, layout, manifest::FileEntry};
use rtms_wire::{ids::StreamId, media::medium::Medium};

use crate::demo::screen::Screen;

pub(super) fn opening(screen: &Screen, url: &str, duration: Duration) {
    screen.show(format!(
        "A simulated meeting of {} will be streamed to the gateway at {url}.\nCtrl-C ends it early.\n\n",
        humantime::format_duration(duration),
    ));
}

pub(super) fn counters(screen: &Screen, metrics: &Metrics, elapsed: Duration) {
    let of = |medium| (metrics.packets(medium), metrics.bytes(medium) / 1000);
    let ((audio, audio_kb), (video, video_kb)) = (of(Medium::Audio), of(Medium::Video));
    let (share, share_kb) = of(Medium::Deskshare);
    screen.show(format!(
        "{:6.1} s  [webhooks {} · audio {audio} packets {audio_kb} kB · video {video} frames {video_kb} kB · share {share} \
         frames {share_kb} kB · transcript {} · chat {}]\n",
        elapsed.as_secs_f64(),
        metrics.webhooks(WebhookResult::Stored),
        metrics.packets(Medium::Transcript),
        metrics.packets(Medium::Chat),
    ));
}

pub(super) fn cpu(screen: &Screen, metrics: &Metrics, receiving: Duration) {
    let packets: u64 = Medium::ALL.into_iter().map(|medium| metrics.packets(medium)).sum();
    if packets == 0 {
        return;
    }
    let micros = |time: Duration| time.as_secs_f64() * 1e6 / packets as f64;
    let recording = Duration::from_secs_f64(metrics.recording_seconds());
    screen.show(format!(
        "\nCPU per packet in a {profile} build: {:.1} µs to receive, with webhooks, joining and timers in it, and {:.1} µs to record ({packets} \
         packets of all media).\n",
        micros(receiving),
        micros(recording),
        profile = env!("RTMS_PROFILE"),
    ));
}

pub(super) fn files(screen: &Screen, recordings: &Path, stream: &StreamId) {
    let folder = layout::folder(recordings, stream);
    let manifest = match Manifest::read(&folder) {
        Ok(Some(manifest)) => manifest,
        Ok(None) => return screen.show("Nothing was recorded.\n".to_owned()),
        Err(error) => return screen.show(format!("The recording cannot be read: {error}\n")),
    };
    let mut text = format!("\nThe recording is in {}\n", folder.display());
    for file in &manifest.files {
        text.push_str(&format!("  {:>9} kB  {}\n", file.bytes.div_ceil(1000), file.path));
    }
    text.push_str(&suggestions(&folder, &manifest.files));
    screen.show(text);
}

/// What can be done with the files that there are.
fn suggestions(folder: &Path, files: &[FileEntry]) -> String {
    let find =
        |is_meant: &dyn Fn(&str) -> bool| files.iter().map(|file| file.path.as_str()).find(|path| is_meant(path));
    let suggested = [
        ("Read it:   less", find(&|path| path == "transcript.txt")),
        ("Hear it:   ffplay -autoexit", find(&|path| path == "audio/mixed.wav")),
        ("See it:    ffplay -autoexit", find(&|path| path.ends_with(".h264"))),
    ];
    let line = |(command, path): (&str, Option<&str>)| {
        let path = folder.join(path?).to_string_lossy().into_owned();
        Some(format!("{command} {}\n", quoted(&path)))
    };
    let lines: String = suggested.into_iter().filter_map(line).collect();
    if lines.is_empty() { lines } else { format!("\n{lines}") }
}

/// A path as a shell wants it: as it is if nothing in it means anything there, otherwise in single quotes.
fn quoted(path: &str) -> Cow<'_, str> {
    let is_plain = |character: char| character.is_alphanumeric() || "/._-+=:,@%".contains(character);
    // No command takes what begins with a folder for an option.
    let path = if path.starts_with('-') { Cow::from(format!("./{path}")) } else { Cow::from(path) };
    if path.chars().all(is_plain) { path } else { format!("'{}'", path.replace('\'', r"'\''")).into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str) -> FileEntry {
        FileEntry { path: path.to_owned(), bytes: 1, sha256: String::new() }
    }

    #[test]
    fn only_what_is_there_is_suggested() {
        let folder = Path::new("rtms-demo/recordings/7f3a");

        assert_eq!(suggestions(folder, &[file("events.jsonl")]), "");
        assert_eq!(
            suggestions(folder, &[file("audio/1.wav"), file("video/active.h264"), file("transcript.vtt")]),
            "\nSee it:    ffplay -autoexit rtms-demo/recordings/7f3a/video/active.h264\n"
        );
        assert_eq!(
            suggestions(folder, &[file("audio/mixed.wav"), file("transcript.txt")]),
            "\nRead it:   less rtms-demo/recordings/7f3a/transcript.txt\n\
             Hear it:   ffplay -autoexit rtms-demo/recordings/7f3a/audio/mixed.wav\n"
        );
    }

    #[test]
    fn what_means_something_to_a_shell_is_quoted() {
        for plain in ["rtms-demo/a_b+c=.wav", "/tmp/x:1,2@3%2F", "Käthe/會議"] {
            assert_eq!(quoted(plain), plain);
        }
        assert_eq!(quoted("my demo/a"), "'my demo/a'");
        assert_eq!(quoted("it's/a"), r"'it'\''s/a'");
        assert_eq!(quoted("$(x)`y`;\"*"), "'$(x)`y`;\"*'");
        assert_eq!(quoted("~/a"), "'~/a'");
        assert_eq!(quoted("-rf/a"), "./-rf/a");
        assert_eq!(quoted("- a"), "'./- a'");
    }
}
