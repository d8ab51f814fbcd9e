//! What a client misses because it ended a connection itself: what would have been sent on it until it was back, or to the end.

use std::collections::BTreeSet;

use rtms_wire::{media::medium::Medium, time::UnixMillis};

use crate::{
    media::{due::Due, flow::Media},
    sent::What,
    zoom::{live::Absent, machine::Zoom, phase::Phase},
};

impl Zoom {
    /// The client has ended a media connection itself.
    pub(super) fn goes_without(&mut self, media: Media, now: UnixMillis) {
        if media.is_ready() && self.phase == Phase::Joined && !self.is_client_away(now) {
            let without = media.carries.iter().collect();
            self.absent.push(Absent { media, without, sound: Vec::new() });
        }
    }

    /// When something would be sent that is missed.
    pub(super) fn next_missed(&self) -> Option<UnixMillis> {
        let absent = self.absent.iter().filter(|_| self.phase == Phase::Joined);
        absent.filter_map(|absent| absent.media.next_ms()).min().map(|ms| self.at(ms))
    }

    /// Everything that would have been sent by now.
    pub(super) fn pass_missed(&mut self, now_ms: u64) {
        for Absent { media, without, sound } in &mut self.absent {
            let due: Vec<Due> = media.due(&mut self.studio, now_ms, self.selected);
            for (_, what) in due {
                let Some(medium) = what.medium().filter(|medium| without.contains(medium)) else { continue };
                // What Zoom itself does not take down or loses is nobody's to miss.
                if self.is_paused || self.gaps.iter().any(|(lost, _)| *lost == medium) {
                    continue;
                }
                if let What::Audio(payload) = what {
                    sound.push(payload.timestamp.0.saturating_sub(self.start.0));
                } else {
                    self.conduct.tally.missed.count(medium);
                }
            }
        }
    }

    /// These media flow again, sound from `audio_from_ms` on.
    pub(super) fn is_back_with(&mut self, back: &BTreeSet<Medium>, audio_from_ms: u64) {
        let missed = &mut self.conduct.tally.missed;
        self.absent.retain_mut(|absent| {
            absent.without.retain(|medium| !back.contains(medium));
            if back.contains(&Medium::Audio) {
                missed.audio += absent.sound.drain(..).filter(|said_ms| *said_ms < audio_from_ms).count() as u64;
            }
            !absent.without.is_empty()
        });
    }

    /// The stream is over, and nothing is sent any more.
    pub(super) fn is_missed_for_good(&mut self) {
        for absent in std::mem::take(&mut self.absent) {
            self.conduct.tally.missed.audio += absent.sound.len() as u64;
        }
    }
}
