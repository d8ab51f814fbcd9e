//! A media connection whose handshake succeeded: what is due on it when, made from the meeting.

use rtms_wire::{
    codes::media::MediaDataOption,
    media::{
        medium::{MediaTypes, Medium},
        params::MediaParams,
    },
};

use crate::{
    media::{
        audio::AudioTrack,
        due::Due,
        picture::PictureTrack,
        studio::Studio,
        text::{self, TextTrack},
    },
    meeting::transcript::TranscriptLine,
};

/// A media connection whose handshake succeeded.
#[derive(Debug)]
pub(crate) struct Media {
    /// What it was opened for: 32 if for everything.
    pub(crate) asked: MediaTypes,
    /// What it carries.
    pub(crate) carries: MediaTypes,
    params: MediaParams,
    tracks: Option<Tracks>,
}

#[derive(Debug, Default)]
struct Tracks {
    audio: Option<AudioTrack>,
    video: Option<PictureTrack>,
    deskshare: Option<PictureTrack>,
    transcript: Option<TextTrack<TranscriptLine>>,
    /// Lines of the meeting's chat, by index.
    chat: Option<TextTrack<usize>>,
}

impl Media {
    pub(crate) fn new(asked: MediaTypes, carries: MediaTypes, params: MediaParams) -> Self {
        Self { asked, carries, params, tracks: None }
    }

    /// Whether media flows already.
    pub(crate) fn is_ready(&self) -> bool {
        self.tracks.is_some()
    }

    /// Whether this is where one person's camera of choice is shown.
    pub(crate) fn is_individual_video(&self) -> bool {
        let data_opt = self.params.video.as_ref().and_then(|video| video.data_opt);
        data_opt == Some(MediaDataOption::VideoSingleIndividualStream)
    }

    /// Opens the gate: from now on media flows, sound from `audio_from_ms` on.
    pub(crate) fn start(&mut self, studio: &Studio, now_ms: u64, audio_from_ms: u64) {
        let params = &self.params;
        let meeting = &studio.meeting;
        self.tracks = Some(Tracks {
            audio: params.audio.as_ref().map(|audio| AudioTrack::new(audio.format(), audio_from_ms, now_ms)),
            video: params
                .video
                .as_ref()
                .map(|video| PictureTrack::new(video.format(Medium::Video), Medium::Video, now_ms)),
            deskshare: params
                .deskshare
                .as_ref()
                .map(|share| PictureTrack::new(share.format(Medium::Deskshare), Medium::Deskshare, now_ms)),
            transcript: params.transcript.as_ref().map(|params| {
                let lines = meeting.transcript(params.enable_lid != Some(false)).into_iter();
                TextTrack::new(lines.map(|line| (line.at_ms + studio.transcript_delay_ms, line)), now_ms)
            }),
            chat: params.chat.as_ref().map(|_| {
                TextTrack::new(meeting.chat.iter().enumerate().map(|(index, line)| (line.at_ms, index)), now_ms)
            }),
        });
    }

    /// When something is due next.
    pub(crate) fn next_ms(&self) -> Option<u64> {
        let tracks = self.tracks.as_ref()?;
        let audio = tracks.audio.iter().filter_map(AudioTrack::next_ms);
        let pictures = [&tracks.video, &tracks.deskshare].into_iter().flatten().filter_map(PictureTrack::next_ms);
        let transcript = tracks.transcript.iter().filter_map(TextTrack::next_ms);
        let chat = tracks.chat.iter().filter_map(TextTrack::next_ms);
        audio.chain(pictures).chain(transcript).chain(chat).min()
    }

    /// Up to which moment sound was handed out, so that a later connection can go on from there.
    pub(crate) fn audio_sent_ms(&self) -> Option<u64> {
        self.tracks.as_ref()?.audio.as_ref().map(AudioTrack::sent_ms)
    }

    /// Everything that is due by now. `selected` is whose camera was chosen.
    pub(crate) fn due(&mut self, studio: &mut Studio, now_ms: u64, selected: Option<usize>) -> Vec<Due> {
        let mut out = Vec::new();
        let told = self.params.transcript.clone().unwrap_or_default();
        let Some(tracks) = &mut self.tracks else { return out };
        if let Some(audio) = &mut tracks.audio {
            audio.due(studio, now_ms, &mut out);
        }
        if let Some(video) = &mut tracks.video {
            video.due(studio, now_ms, selected, &mut out);
        }
        if let Some(share) = &mut tracks.deskshare {
            share.due(studio, now_ms, None, &mut out);
        }
        if let Some(transcript) = &mut tracks.transcript {
            let lines = transcript.take(now_ms).into_iter();
            out.extend(lines.filter_map(|line| text::transcript_line(studio, line, &told)));
        }
        if let Some(chat) = &mut tracks.chat {
            out.extend(chat.take(now_ms).into_iter().filter_map(|index| text::chat_line(studio, index)));
        }
        out
    }
}
