//! What the demo says besides captions: counters, cost, and where the files are.

use std::{io, path::Path, time::Duration};

use rtms_gateway::telemetry::{Metrics, WebhookResult};
use rtms_record::{Manifest, layout};
use rtms_wire::{ids::StreamId, media::medium::Medium};

use crate::{demo::DemoArgs, output::print};

pub(super) fn opening(url: &str, args: &DemoArgs) -> io::Result<()> {
    print(&format!(
        "A simulated meeting of {} will be streamed to the gateway at {url}.\nCtrl-C ends it early.\n\n",
        humantime::format_duration(args.duration),
    ))
}

pub(super) fn counters(metrics: &Metrics, elapsed: Duration) -> io::Result<()> {
    let of = |medium| (metrics.packets(medium), metrics.bytes(medium) / 1000);
    let ((audio, audio_kb), (video, video_kb)) = (of(Medium::Audio), of(Medium::Video));
    let (share, share_kb) = of(Medium::Deskshare);
    print(&format!(
        "{:6.1} s  [webhooks {} · audio {audio} packets {audio_kb} kB · video {video} frames {video_kb} kB · share {share} \
         frames {share_kb} kB · transcript {} · chat {}]\n",
        elapsed.as_secs_f64(),
        metrics.webhooks(WebhookResult::Stored),
        metrics.packets(Medium::Transcript),
        metrics.packets(Medium::Chat),
    ))
}

pub(super) fn cpu(metrics: &Metrics, receiving: Duration) -> io::Result<()> {
    let packets: u64 = Medium::ALL.into_iter().map(|medium| metrics.packets(medium)).sum();
    if packets == 0 {
        return Ok(());
    }
    let micros = |time: Duration| time.as_secs_f64() * 1e6 / packets as f64;
    let recording = Duration::from_secs_f64(metrics.recording_seconds());
    print(&format!(
        "\nCPU per packet: {:.1} µs to receive, with webhooks, joining and timers in it, and {:.1} µs to record ({packets} \
         packets of all media).\n",
        micros(receiving),
        micros(recording),
    ))
}

pub(super) fn files(data_dir: &Path, stream: &StreamId) -> io::Result<()> {
    let folder = layout::folder(&super::recordings(data_dir), stream);
    let manifest = match Manifest::read(&folder) {
        Ok(Some(manifest)) => manifest,
        Ok(None) => return print("Nothing was recorded.\n"),
        Err(error) => return print(&format!("The recording cannot be read: {error}\n")),
    };
    let mut text = format!("\nThe recording is in {}\n", folder.display());
    for file in &manifest.files {
        text.push_str(&format!("  {:>9} kB  {}\n", file.bytes.div_ceil(1000), file.path));
    }
    let shown = folder.display();
    text.push_str(&format!(
        "\nRead it:   less {shown}/transcript.txt\nHear it:   ffplay -autoexit {shown}/audio/mixed.wav\n"
    ));
    if let Some(video) = manifest.files.iter().find(|file| file.path.ends_with(".h264")) {
        text.push_str(&format!("See it:    ffplay -autoexit {shown}/{}\n", video.path));
    }
    print(&text)
}
