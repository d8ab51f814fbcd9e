//! What kind of meeting `rtms simulate` plays, and which sound and film from files is in it.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use anyhow::{Context, anyhow};
use clap::Args;
use rtms_sim::{
    meeting::{
        MeetingOptions,
        options::{Scene, Sources},
    },
    source::{
        h264::{Film, FilmError},
        sound::{Sound, SoundError},
    },
};
use rtms_wire::{
    codes::product::Product,
    media::medium::{MediaTypes, Medium},
};

/// The meeting.
#[derive(Args, Debug)]
#[command(next_help_heading = "Meeting")]
pub(crate) struct MeetingArgs {
    /// What streams: meeting, webinar, session, contact_center or phone
    #[arg(long, default_value = "meeting")]
    pub(super) product: Product,
    /// How many people take part
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..))]
    participants: u16,
    /// How long the stream lasts, such as 20s or 5m
    #[arg(long, default_value = "20s", value_parser = humantime::parse_duration)]
    pub(super) duration: Duration,
    /// The same seed is the same meeting: who is there, what they say in which language, who shares and writes what
    #[arg(long, default_value_t = 1)]
    pub(super) seed: u64,
    /// What the app was granted, such as audio,transcript; all that the product has if absent
    #[arg(long, value_name = "MEDIA", value_delimiter = ',')]
    media: Vec<Medium>,
    /// Let the first participant say this without a pause, again and again, and nobody else anything: a WAV file of 16-bit PCM,
    /// at any rate. It is sent at the rate and in the codec that the client asks for; there is no transcript of it
    #[arg(long, value_name = "FILE", conflicts_with = "flash_and_beep")]
    audio_from: Option<PathBuf>,
    /// Let every camera show this, again and again, to clients that ask for H.264: a raw H.264 stream (Annex B). JPG and PNG are
    /// made by the simulator as ever
    #[arg(long, value_name = "FILE", conflicts_with = "flash_and_beep")]
    video_from: Option<PathBuf>,
    /// Beep for 100 ms at every full second, and show one white picture with exactly that timestamp: to measure sync by
    #[arg(long)]
    flash_and_beep: bool,
    /// Have all in the meeting that there can be: corrected and deleted lines of transcript, chat in every form, cameras that
    /// change their size
    #[arg(long)]
    everything: bool,
}

impl MeetingArgs {
    /// The meeting, with its files read.
    ///
    /// # Errors
    /// If a file cannot be read or played; the text says how to make one that can.
    pub(super) fn options(&self) -> anyhow::Result<MeetingOptions> {
        let options = MeetingOptions {
            seed: self.seed,
            participants: self.participants,
            duration: self.duration,
            scene: if self.flash_and_beep { Scene::FlashAndBeep } else { Scene::default() },
            sources: self.sources()?,
            ..MeetingOptions::default()
        };
        Ok(if self.everything { options.with_everything() } else { options })
    }

    /// What the app was granted, if that is said.
    pub(super) fn granted(&self) -> Option<MediaTypes> {
        (!self.media.is_empty()).then(|| MediaTypes::of(self.media.iter().copied()))
    }

    fn sources(&self) -> anyhow::Result<Sources> {
        Ok(Sources {
            sound: self.audio_from.as_deref().map(sound).transpose()?,
            film: self.video_from.as_deref().map(film).transpose()?,
        })
    }
}

fn sound(path: &Path) -> anyhow::Result<Arc<Sound>> {
    match Sound::load(path) {
        Ok(sound) => Ok(Arc::new(sound)),
        Err(SoundError::Read(error)) => Err(error).context("--audio-from"),
        Err(error) => Err(unplayable("--audio-from", path, error.into(), "-ac 1 -c:a pcm_s16le speech.wav")),
    }
}

fn film(path: &Path) -> anyhow::Result<Arc<Film>> {
    match Film::load(path) {
        Ok(film) => Ok(Arc::new(film)),
        Err(FilmError::Read(error)) => Err(error).context("--video-from"),
        // Pictures are sent in the order of the file, so none may refer to a later one.
        Err(error) => Err(unplayable("--video-from", path, error.into(), "-an -c:v libx264 -bf 0 -f h264 film.h264")),
    }
}

/// What is wrong with a file, and how to make one of it that can be played.
fn unplayable(option: &str, path: &Path, why: anyhow::Error, how: &str) -> anyhow::Error {
    let path = path.display();
    anyhow!("{option} {path} cannot be played: {why:#}; this makes a file that can be: ffmpeg -i {path} {how}")
}
