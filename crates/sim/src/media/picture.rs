//! Pictures of a camera or of a shared screen, on a grid that starts with the stream.

use bytes::Bytes;
use rtms_wire::{
    codes::media::{MediaDataOption, MediaPayloadType, MediaResolution},
    media::{medium::Medium, video::VideoFormat},
    message::Message,
};

use crate::{
    media::{due::Due, studio::Studio},
    meeting::options::Scene,
    sent::{Payload, What},
    source::{h264::Film, slide::Slide},
};

/// The pictures of one medium on one connection.
#[derive(Debug)]
pub(super) struct PictureTrack {
    format: VideoFormat,
    medium: Medium,
    /// The next picture of the grid; its number is in the picture.
    tick: u64,
    /// Nothing can follow: no screen is shared any more.
    is_over: bool,
    /// Whose picture was sent last, and how large.
    showing: Option<Shot>,
    /// Pictures since the last key frame that was not due by itself.
    shown: u64,
    /// Whether the last key frame was a flash.
    flashed: bool,
}

/// What a run of pictures shows; each begins with a key frame and its parameter sets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Shot {
    whose: usize,
    size: MediaResolution,
}

/// How often a flash comes.
const FLASH_EVERY_MS: u64 = 1_000;

impl PictureTrack {
    pub(super) fn new(format: VideoFormat, medium: Medium, now_ms: u64) -> Self {
        let mut track = Self { format, medium, tick: 0, is_over: false, showing: None, shown: 0, flashed: false };
        track.tick = track.tick_at(now_ms);
        track
    }

    fn fps(&self) -> u64 {
        u64::from(self.format.fps.max(1))
    }

    /// The first picture of the grid that is not before a moment.
    fn tick_at(&self, at_ms: u64) -> u64 {
        (at_ms * self.fps()).div_ceil(1000)
    }

    fn tick_ms(&self) -> u64 {
        self.tick * 1000 / self.fps()
    }

    pub(super) fn next_ms(&self) -> Option<u64> {
        (!self.is_over).then(|| self.tick_ms())
    }

    pub(super) fn due(&mut self, studio: &Studio, now_ms: u64, selected: Option<usize>, out: &mut Vec<Due>) {
        while !self.is_over && self.tick_ms() <= now_ms {
            let at_ms = self.tick_ms();
            let shot = self.shot(studio, at_ms, selected);
            if shot != self.showing {
                self.restart(false);
                self.showing = shot;
            }
            if let Some(shot) = shot {
                if studio.scene() == Scene::FlashAndBeep && at_ms.is_multiple_of(FLASH_EVERY_MS) {
                    self.restart(true);
                }
                out.extend(self.picture(studio, shot, at_ms));
                self.shown += 1;
            }
            self.tick += 1;
            if shot.is_none() && self.medium == Medium::Deskshare {
                // Most of the time nobody shares.
                match studio.meeting.next_share(at_ms) {
                    Some(start_ms) => self.tick = self.tick.max(self.tick_at(start_ms)),
                    None => self.is_over = true,
                }
            }
        }
    }

    fn restart(&mut self, with_flash: bool) {
        self.shown = 0;
        self.flashed = with_flash;
    }

    fn shot(&self, studio: &Studio, at_ms: u64, selected: Option<usize>) -> Option<Shot> {
        let meeting = &studio.meeting;
        let size = self.format.resolution;
        if self.medium == Medium::Deskshare {
            return meeting.sharer(at_ms).map(|whose| Shot { whose, size });
        }
        let individual = self.format.data_opt == Some(MediaDataOption::VideoSingleIndividualStream);
        let whose = if individual { selected } else { meeting.active_speaker(at_ms) }?;
        // A camera that is off gives no pictures.
        let who = meeting.participants.get(whose).filter(|who| who.camera_is_on(at_ms))?;
        let size = who.camera_size(at_ms).map_or(size, |camera| smaller(camera, size));
        Some(Shot { whose, size })
    }

    fn picture(&self, studio: &Studio, shot: Shot, at_ms: u64) -> Option<Due> {
        let who = studio.meeting.participants.get(shot.whose)?;
        let letter = if self.medium == Medium::Deskshare { b'S' } else { b'V' };
        let marker = studio.marker(letter, Some(shot.whose), self.tick, self.shown == 0);
        let bytes = marker.unwrap_or_else(|| match self.format.codec {
            MediaPayloadType::H264 => self.access_unit(studio, shot),
            MediaPayloadType::Png => self.slide(studio, shot, &who.name, at_ms).to_png().into(),
            MediaPayloadType::Jpg
            | MediaPayloadType::Undefined
            | MediaPayloadType::L16
            | MediaPayloadType::G711
            | MediaPayloadType::G722
            | MediaPayloadType::Opus
            | MediaPayloadType::Unknown(_) => self.slide(studio, shot, &who.name, at_ms).to_jpeg().into(),
        });
        let data = studio.media_data(Some(shot.whose), bytes, studio.at(at_ms));
        let payload = Payload::new(who.user_id.clone(), data.timestamp, Bytes::clone(&data.data));
        Some(match self.medium {
            Medium::Deskshare => (Message::MediaDataShare(data), What::Deskshare(payload)),
            Medium::Audio | Medium::Video | Medium::Transcript | Medium::Chat => {
                (Message::MediaDataVideo(data), What::Video(payload))
            }
        })
    }

    fn access_unit(&self, studio: &Studio, shot: Shot) -> Bytes {
        let of_camera = self.medium != Medium::Deskshare;
        match (studio.scene(), &studio.meeting.options.sources.film) {
            (Scene::FlashAndBeep, _) if self.flashed => Film::of_flash(shot.size).access_unit(self.shown),
            (Scene::FlashAndBeep, _) => Film::of_dark(shot.size).access_unit(self.shown),
            (Scene::Conversation | Scene::AllTalkAtOnce, Some(film)) if of_camera => film.access_unit(self.shown),
            (Scene::Conversation | Scene::AllTalkAtOnce, _) => {
                let film = if of_camera { Film::of_person(shot.whose, shot.size) } else { Film::of_slides() };
                film.access_unit_of_two_seconds(self.shown, self.format.fps)
            }
        }
    }

    fn slide(&self, studio: &Studio, shot: Shot, name: &str, at_ms: u64) -> Slide {
        let flash_and_beep = studio.scene() == Scene::FlashAndBeep;
        if flash_and_beep && self.flashed && self.shown == 0 {
            return Slide::white(shot.size);
        }
        let time = format!("{:02}:{:02}.{:03}", at_ms / 60_000, at_ms / 1000 % 60, at_ms % 1000);
        let title = if self.medium == Medium::Deskshare {
            // A presenter who turns the page every four seconds.
            format!("Slide {}", at_ms / 4_000 + 1)
        } else {
            format!("Camera {}", shot.whose + 1)
        };
        let slide = Slide::draw(shot.size, shot.whose as u64, &title, &[name.to_owned(), time], self.tick);
        if flash_and_beep { slide.dark() } else { slide }
    }
}

/// The one of two sizes that has fewer pixels.
fn smaller(a: MediaResolution, b: MediaResolution) -> MediaResolution {
    let rank = |size| match size {
        MediaResolution::Sd => 0,
        MediaResolution::Hd => 1,
        MediaResolution::Fhd => 2,
        MediaResolution::Qhd => 3,
        MediaResolution::Unknown(_) => 4,
    };
    if rank(a) <= rank(b) { a } else { b }
}
