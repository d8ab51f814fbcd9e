//! Media into files: where each packet goes by what was granted, and what becomes of one that has no place.

use std::{collections::BTreeMap, time::Duration};

use rtms_wire::{
    codes::media::MediaPayloadType,
    media::{audio::AudioParams, medium::Medium, params::MediaParams},
    message::media_data::MediaData,
    time::UnixMillis,
};

use crate::{
    audio::{Audio, Outcome, set::NoRepeat},
    belief::Doubt,
    content::{Picture, picture, sound_container},
    error::RecordError,
    layout::Layout,
    ledger::word::Queue,
    manifest::{AsideReason, Grant, MAX_LISTED, Received},
    options::Options,
    raw::{Aside, Raw, stem_or},
    recorder::Recorder,
    timeline::Voices,
    wav::PcmFormat,
    who::Who,
};

impl Recorder {
    pub(super) fn grant(&mut self, medium: Medium, params: MediaParams, now: UnixMillis) {
        self.apply_grant(medium, &params);
        if medium == Medium::Transcript {
            self.transcript.begin_connection();
        }
        if let Some(raw) = self.raw.get_mut(&medium) {
            raw.begin_connection();
        }
        let last = self.manifest.granted.iter().rev().find(|grant| grant.medium == medium);
        if last.is_none_or(|last| last.params != params) {
            if self.manifest.granted.len() >= MAX_LISTED {
                self.manifest.granted.remove(0);
            }
            self.manifest.granted.push(Grant { at: now, medium, params });
            self.manifest_stale = true;
        }
    }

    pub(super) fn apply_grant(&mut self, medium: Medium, params: &MediaParams) {
        self.book.learn_grant(medium, params);
        match medium {
            Medium::Audio => {}
            Medium::Video | Medium::Deskshare => {
                let granted = if medium == Medium::Video { &params.video } else { &params.deskshare };
                if let Some(granted) = granted {
                    let format = granted.format(medium);
                    self.picture_codecs.insert(medium, format.codec);
                    if medium == Medium::Video {
                        use rtms_wire::codes::media::MediaDataOption::VideoSingleIndividualStream;
                        self.active_speaker_video = format.data_opt != Some(VideoSingleIndividualStream);
                    }
                }
            }
            Medium::Transcript | Medium::Chat => {}
        }
    }

    pub(super) fn audio(&mut self, data: &MediaData, doubt: Option<Doubt>, now: UnixMillis) -> Result<(), RecordError> {
        if let Some(doubt) = doubt {
            // Counted, and its time is not listed.
            let received = self.manifest.media.entry(Medium::Audio).or_default();
            received.packets += 1;
            received.bytes += data.data.len() as u64;
            let reason = match doubt {
                Doubt::NoTime => AsideReason::NoTime,
                Doubt::FarAhead => AsideReason::FarAhead,
                Doubt::FarBehind => AsideReason::FarBehind,
            };
            return self.keep_aside(Medium::Audio, reason, data, now);
        }
        self.received(Medium::Audio, data.timestamp, data.data.len());
        if let Some(container) = sound_container(&data.data) {
            return self.coded_audio(container, data, now);
        }
        let Some(pcm) = pcm_format(self.book.audio_params(), data.data.len()) else {
            let kind = coded_kind(self.book.audio_params());
            return self.coded_audio(kind, data, now);
        };

        let origin = match &self.audio {
            Some(audio) => audio.origin(),
            None => {
                let origin = origin(self.manifest.about.started_at, data.timestamp, now, &self.options);
                self.manifest.origin = Some(origin);
                self.log_origin()?;
                self.manifest_stale = true;
                self.transcript.change_all();
                origin
            }
        };
        let audio = self.audio.get_or_insert_with(|| Audio::new(origin, &self.options));
        if data.timestamp.since(origin) > self.options.max_length {
            return self.keep_aside(Medium::Audio, AsideReason::TooLong, data, now);
        }
        let who = Who::of(data.user_id.as_ref(), data.channel_id.as_ref());
        let Some((track, is_new)) = audio.track(&who, pcm, &self.layout, &mut self.files)? else {
            return self.keep_aside(Medium::Audio, AsideReason::TooManyTracks, data, now);
        };
        if audio.is_new_name(track, data.user_name.as_ref()) || is_new {
            self.learn(&who, data.user_name.as_ref(), Some(data.timestamp), now);
        }
        if is_new {
            // Before any of it reaches a file: whoever resumes must know the origin and the track.
            self.manifest_stale = true;
            if self.write_manifest(now).is_err() {
                // The packet is not lost for that. The next sync tries again, and reports it.
            }
        }
        let Some(audio) = &mut self.audio else { return Ok(()) };
        let whole = data.data.len() / pcm.frame_bytes() * pcm.frame_bytes();
        let samples = data.data.get(..whole).unwrap_or_default();
        let outcome = audio.place(track, data.timestamp, samples, Voices::of(data), &mut self.files)?;
        self.count_no_repeats();
        match outcome {
            Outcome::Placed(from) => {
                self.placed_from = Some(from);
                if whole == data.data.len() {
                    return Ok(());
                }
                self.keep_aside(Medium::Audio, AsideReason::TornSamples, data, now)
            }
            Outcome::Duplicate => {
                self.manifest.media.entry(Medium::Audio).or_default().duplicates += 1;
                Ok(())
            }
            Outcome::Aside(reason) => self.keep_aside(Medium::Audio, reason, data, now),
        }
    }

    /// Keeps audio that is not PCM as it is.
    fn coded_audio(&mut self, kind: &'static str, data: &MediaData, now: UnixMillis) -> Result<(), RecordError> {
        let who = Who::of(data.user_id.as_ref(), data.channel_id.as_ref());
        self.learn(&who, data.user_name.as_ref(), Some(data.timestamp), now);
        let raw = raw(&mut self.raw, Medium::Audio, &self.layout, &self.options)?;
        if raw.is_repeat(data, &self.layout) {
            self.manifest.media.entry(Medium::Audio).or_default().duplicates += 1;
            return Ok(());
        }
        raw.append(stem_or(&who, "mixed"), kind, data, now, &self.layout, &mut self.files)?;
        self.placed_from = self.book.heard_from(data);
        Ok(())
    }

    pub(super) fn pictures(&mut self, medium: Medium, data: &MediaData, now: UnixMillis) -> Result<(), RecordError> {
        self.received(medium, data.timestamp, data.data.len());
        let who = Who::of(data.user_id.as_ref(), data.channel_id.as_ref());
        self.learn(&who, data.user_name.as_ref(), Some(data.timestamp), now);
        let granted = self.picture_codecs.get(&medium).copied().unwrap_or(MediaPayloadType::Undefined);
        // The active speaker's pictures are one sequence, whoever it is.
        let stem = if medium == Medium::Video && self.active_speaker_video {
            "active".to_owned()
        } else {
            stem_or(&who, "active")
        };
        let raw = raw(&mut self.raw, medium, &self.layout, &self.options)?;
        let (layout, files) = (&self.layout, &mut self.files);
        let received = self.manifest.media.entry(medium).or_default();
        if raw.was_recorded(data, layout) {
            received.duplicates += 1;
            return Ok(());
        }
        let is_h264 = granted == MediaPayloadType::H264;
        match picture(&data.data) {
            Picture::Empty => {
                received.empty += 1;
                raw.empty(data, now, layout)
            }
            Picture::H264 => raw.append(stem, "h264", data, now, layout, files),
            Picture::Whole(format) => raw.picture(format, data, now, layout, files),
            Picture::Unknown if is_h264 => raw.append(stem, "h264", data, now, layout, files),
            Picture::CutOff(format) => {
                received.cut_off += 1;
                raw.broken_picture(format, data, now, layout, files)
            }
            Picture::Unknown | Picture::Foreign => raw.append(stem, "unknown.raw", data, now, layout, files),
        }
    }

    /// Packets that counted as repeats and are in a track now, or should be, are none.
    pub(super) fn count_no_repeats(&mut self) {
        for NoRepeat { from, ms, is_lost } in self.audio.as_mut().map(Audio::take_no_repeats).unwrap_or_default() {
            let received = self.manifest.media.entry(Medium::Audio).or_default();
            received.duplicates = received.duplicates.saturating_sub(1);
            let to = from + Duration::from_millis(ms);
            if is_lost {
                received.lost_disk += 1;
                self.manifest.refused += 1;
                self.book.ledger.dropped(Medium::Audio, from, to, Queue::Disk);
            } else {
                self.book.ledger.found(Medium::Audio, from, to);
            }
        }
    }

    /// Counts a message for this time.
    pub(super) fn received(&mut self, medium: Medium, timestamp: UnixMillis, bytes: usize) {
        let received = self.manifest.media.entry(medium).or_default();
        received.packets += 1;
        received.bytes += bytes as u64;
        let Received { first_timestamp, last_timestamp, .. } = received;
        *first_timestamp = Some(first_timestamp.map_or(timestamp, |first| first.min(timestamp)));
        *last_timestamp = Some(last_timestamp.map_or(timestamp, |last| last.max(timestamp)));
    }

    fn keep_aside(
        &mut self,
        medium: Medium,
        reason: AsideReason,
        data: &MediaData,
        now: UnixMillis,
    ) -> Result<(), RecordError> {
        let aside = match &mut self.aside {
            Some(aside) => aside,
            None => self.aside.insert(Aside::open(&self.layout, &self.options)?),
        };
        // What is torn is in its track too, so it is no repeat there.
        if reason != AsideReason::TornSamples && aside.was_recorded(data, &self.layout) {
            self.manifest.media.entry(medium).or_default().duplicates += 1;
            return Ok(());
        }
        let kept = self.manifest.aside.entry(reason).or_default();
        kept.packets += 1;
        kept.bytes += data.data.len() as u64;
        aside.keep(medium, reason, data, now, &self.layout, &mut self.files)
    }
}

/// How far the first sound may lie before the start in any case.
const MAX_EARLY: Duration = Duration::from_secs(3600);

/// Where all tracks begin: at `started_at`, or earlier if the first sound is.
///
/// The two may be too far apart for both to be meant; tracks would begin with days of silence, or never. Then a first
/// sound before the start is believed only if it is nearer to our clock.
fn origin(started_at: UnixMillis, first: UnixMillis, now: UnixMillis, options: &Options) -> UnixMillis {
    let believe_first = if first >= started_at {
        first.since(started_at) > options.max_length
    } else {
        started_at.since(first) <= MAX_EARLY || now.0.abs_diff(first.0) < now.0.abs_diff(started_at.0)
    };
    if believe_first { first } else { started_at }
}

/// How the samples of a packet lie; none if they are coded or nobody knows.
fn pcm_format(granted: Option<&AudioParams>, bytes: usize) -> Option<PcmFormat> {
    match granted.map(AudioParams::format) {
        Some(format) if format.codec == MediaPayloadType::L16 => {
            Some(PcmFormat { sample_rate: format.hertz()?, channels: format.channels()? })
        }
        Some(_) => None,
        // Zoom's default, if the length fits: whole packets of 20 ms at 16 kHz mono.
        None => (bytes > 0 && bytes.is_multiple_of(640)).then_some(PcmFormat { sample_rate: 16_000, channels: 1 }),
    }
}

/// The name of the form that sound was granted in and that is only collected.
fn coded_kind(granted: Option<&AudioParams>) -> &'static str {
    match granted.map(|params| params.format().codec) {
        Some(MediaPayloadType::Opus) => "opus.raw",
        Some(MediaPayloadType::G711) => "g711.raw",
        Some(MediaPayloadType::G722) => "g722.raw",
        Some(
            MediaPayloadType::L16
            | MediaPayloadType::Undefined
            | MediaPayloadType::Jpg
            | MediaPayloadType::Png
            | MediaPayloadType::H264
            | MediaPayloadType::Unknown(_),
        )
        | None => "unknown.raw",
    }
}

fn raw<'a>(
    raw: &'a mut BTreeMap<Medium, Raw>,
    medium: Medium,
    layout: &Layout,
    options: &Options,
) -> Result<&'a mut Raw, RecordError> {
    use std::collections::btree_map::Entry;
    match raw.entry(medium) {
        Entry::Occupied(there) => Ok(there.into_mut()),
        Entry::Vacant(free) => Ok(free.insert(Raw::open(medium, layout, options)?)),
    }
}
