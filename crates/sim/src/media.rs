//! Zoom's side of a media connection: what is due on it when, made from the meeting.

#[cfg(feature = "opus")]
use std::collections::BTreeMap;
use std::{collections::VecDeque, sync::Arc, time::Duration};

use bytes::Bytes;
use rtms_wire::{
    SmolStr,
    codes::{
        chat::{ChatOperation, ChatSessionType},
        language::TranscriptLanguage,
        media::{MediaDataOption, MediaPayloadType},
        product::Product,
        status_code::StatusCode,
    },
    ids::UserId,
    media::{
        audio::AudioFormat,
        medium::{MediaTypes, Medium},
        params::MediaParams,
        video::VideoFormat,
    },
    message::{
        Extra, Message,
        data_handshake::DataHandShakeResp,
        event_update::Participant,
        media_data::MediaData,
        signaling_handshake::{PROTOCOL_VERSION, Reason},
        text_data::{ChatFields, ChatSession, MediaDataChat, MediaDataTranscript},
    },
    time::UnixMillis,
};

#[cfg(feature = "opus")]
use crate::source::audio_codec::OpusPackets;
use crate::{
    meeting::Meeting,
    seed::Seed,
    sent::{Payload, What},
    signaling::channel_id,
    source::{audio_codec, h264::Clip, phrases, slide::Slide},
};

/// What the media is made from and measured against. All times are milliseconds since the stream started.
pub(crate) struct Studio {
    pub(crate) meeting: Arc<Meeting>,
    pub(crate) start: UnixMillis,
    pub(crate) product: Product,
    seed: Seed,
    transcript_delay_ms: u64,
    /// Utterances as sound, those used last at the back.
    said: VecDeque<(usize, u32, Arc<[i16]>)>,
}

impl Studio {
    /// Sound of the last few utterances is kept; more than talk at once in any meeting.
    const KEPT: usize = 12;

    /// No utterance is longer; see `meeting.rs`.
    const LONGEST_MS: u64 = 4_500;

    pub(crate) fn new(
        meeting: Arc<Meeting>,
        product: Product,
        seed: Seed,
        start: UnixMillis,
        transcript_delay: Duration,
    ) -> Self {
        let transcript_delay_ms = u64::try_from(transcript_delay.as_millis()).unwrap_or(u64::MAX);
        Self { meeting, start, product, seed, transcript_delay_ms, said: VecDeque::new() }
    }

    fn at(&self, at_ms: u64) -> UnixMillis {
        self.start + Duration::from_millis(at_ms)
    }

    /// The sound of one utterance at a rate, made when it is first needed.
    fn sound(&mut self, utterance: usize, rate_hz: u32) -> Arc<[i16]> {
        if let Some((_, _, sound)) = self.said.iter().find(|(index, rate, _)| *index == utterance && *rate == rate_hz) {
            return Arc::clone(sound);
        }
        let sound: Arc<[i16]> = match self.meeting.utterances.get(utterance) {
            Some(said) => {
                let seed = self.seed.fork("utterance", utterance as u64);
                let voice = self.meeting.participants.get(said.speaker).map(|who| &who.voice);
                let syllables = phrases::syllables(&said.text);
                voice
                    .map(|voice| voice.speak(seed, said.end_ms - said.start_ms, syllables, rate_hz))
                    .unwrap_or_default()
                    .into()
            }
            None => Arc::default(),
        };
        if self.said.len() >= Self::KEPT {
            self.said.pop_front();
        }
        self.said.push_back((utterance, rate_hz, Arc::clone(&sound)));
        sound
    }

    /// The sound of everybody who speaks in a stretch of time, by speaker in the order in which they began; at most three.
    ///
    /// Mono samples for the whole stretch, silent where nothing is said. The stretch is whole milliseconds at a rate that divides them.
    fn speakers(&mut self, from_ms: u64, to_ms: u64, rate_hz: u32) -> Vec<(usize, Vec<i16>)> {
        /// Zoom's limit of voices at a time. Basis: documented.
        const MOST: usize = 3;
        let meeting = Arc::clone(&self.meeting);
        let per_ms = (rate_hz / 1000) as usize;
        let end = meeting.utterances.partition_point(|said| said.start_ms < to_ms);
        let begin = meeting.utterances.partition_point(|said| said.start_ms + Self::LONGEST_MS < from_ms);
        let mut speakers: Vec<(usize, Vec<i16>)> = Vec::new();
        for index in begin..end {
            let Some(said) = meeting.utterances.get(index).filter(|said| said.end_ms > from_ms) else { continue };
            let known = speakers.iter().position(|(speaker, _)| *speaker == said.speaker);
            if known.is_none() && speakers.len() == MOST {
                continue;
            }
            if known.is_none() {
                speakers.push((said.speaker, vec![0; (to_ms - from_ms) as usize * per_ms]));
            }
            let place = known.unwrap_or(speakers.len() - 1);
            let sound = self.sound(index, rate_hz);
            let first = from_ms.max(said.start_ms);
            let last = to_ms.min(said.end_ms);
            let source = sound.get((first - said.start_ms) as usize * per_ms..(last - said.start_ms) as usize * per_ms);
            let target = speakers.get_mut(place).and_then(|(_, samples)| {
                samples.get_mut((first - from_ms) as usize * per_ms..(last - from_ms) as usize * per_ms)
            });
            if let (Some(source), Some(target)) = (source, target) {
                for (to, from) in target.iter_mut().zip(source) {
                    *to = to.saturating_add(*from);
                }
            }
        }
        speakers
    }
}

impl std::fmt::Debug for Studio {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Studio").field("start", &self.start).finish_non_exhaustive()
    }
}

/// A message that is due, and what it is in the record.
pub(crate) type Due = (Message, What);

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
    transcript: Option<TextTrack>,
    chat: Option<TextTrack>,
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
        let delay = studio.transcript_delay_ms;
        let lines = |lines: Vec<(u64, usize)>| {
            let mut lines: Vec<_> = lines.into_iter().filter(|(due_ms, _)| *due_ms >= now_ms).collect();
            lines.sort_unstable();
            TextTrack { due: lines.into() }
        };
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
            transcript: params.transcript.as_ref().map(|_| {
                lines(meeting.utterances.iter().enumerate().map(|(index, said)| (said.end_ms + delay, index)).collect())
            }),
            chat: params
                .chat
                .as_ref()
                .map(|_| lines(meeting.chat.iter().enumerate().map(|(index, line)| (line.at_ms, index)).collect())),
        });
    }

    /// When something is due next.
    pub(crate) fn next_ms(&self) -> Option<u64> {
        let tracks = self.tracks.as_ref()?;
        let texts = [&tracks.transcript, &tracks.chat].into_iter().flatten().filter_map(TextTrack::next_ms);
        let pictures = [&tracks.video, &tracks.deskshare].into_iter().flatten().map(PictureTrack::next_ms);
        tracks.audio.iter().map(AudioTrack::next_ms).chain(pictures).chain(texts).min()
    }

    /// Up to which moment sound was handed out, so that a later connection can go on from there.
    pub(crate) fn audio_sent_ms(&self) -> Option<u64> {
        self.tracks.as_ref()?.audio.as_ref().map(AudioTrack::sent_ms)
    }

    /// Everything that is due by now. `selected` is whose camera was chosen.
    pub(crate) fn due(&mut self, studio: &mut Studio, now_ms: u64, selected: Option<usize>) -> Vec<Due> {
        let mut out = Vec::new();
        let language =
            self.params.transcript.as_ref().filter(|it| it.enable_lid == Some(false)).and_then(|it| it.src_language);
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
            out.extend(
                transcript.take(now_ms).into_iter().filter_map(|index| transcript_line(studio, index, language)),
            );
        }
        if let Some(chat) = &mut tracks.chat {
            out.extend(chat.take(now_ms).into_iter().filter_map(|index| chat_line(studio, index)));
        }
        out
    }
}

/// Message 4 on success.
pub(crate) fn welcome(media_params: MediaParams) -> Message {
    Message::DataHandShakeResp(DataHandShakeResp {
        protocol_version: Some(PROTOCOL_VERSION),
        status_code: StatusCode::Ok,
        reason: Some(Reason::default()),
        sequence: Some(0),
        payload_encrypted: Some(false),
        media_params: Some(media_params),
        extra: Extra::new(),
    })
}

/// Message 4 on failure.
pub(crate) fn refusal(status: StatusCode, reason: &str) -> Message {
    Message::DataHandShakeResp(DataHandShakeResp {
        protocol_version: Some(PROTOCOL_VERSION),
        status_code: status,
        reason: Some(Reason::from(reason)),
        sequence: Some(0),
        payload_encrypted: None,
        media_params: None,
        extra: Extra::new(),
    })
}

/// Sound on a grid of packets that starts with the stream.
#[derive(Debug)]
struct AudioTrack {
    format: AudioFormat,
    rate_hz: u32,
    channels: u16,
    /// The next packet of the grid.
    slot: u64,
    /// Not before this moment, while a backlog is handed out.
    not_before_ms: u64,
    #[cfg(feature = "opus")]
    opus: BTreeMap<UserId, OpusPackets>,
}

impl AudioTrack {
    /// A backlog goes out in bites of this much sound …
    const BITE_MS: u64 = 500;
    /// … this often: 25 times as fast as it was said, but not so fast that it fills queues.
    const BITE_EVERY_MS: u64 = 20;

    fn new(format: AudioFormat, from_ms: u64, now_ms: u64) -> Self {
        let packet_ms = u64::from(format.send_rate).max(1);
        Self {
            format,
            // The checks let only listed rates and channels through.
            rate_hz: format.hertz().unwrap_or(16_000),
            channels: format.channels().unwrap_or(1),
            slot: from_ms.div_ceil(packet_ms),
            not_before_ms: now_ms,
            #[cfg(feature = "opus")]
            opus: BTreeMap::new(),
        }
    }

    fn packet_ms(&self) -> u64 {
        u64::from(self.format.send_rate).max(1)
    }

    fn sent_ms(&self) -> u64 {
        self.slot * self.packet_ms()
    }

    fn next_ms(&self) -> u64 {
        // A packet is complete when its time is over.
        (self.sent_ms() + self.packet_ms()).max(self.not_before_ms)
    }

    fn due(&mut self, studio: &mut Studio, now_ms: u64, out: &mut Vec<Due>) {
        let packet_ms = self.packet_ms();
        let mut bite_ms = 0;
        while self.next_ms() <= now_ms {
            if bite_ms >= Self::BITE_MS {
                self.not_before_ms = now_ms + Self::BITE_EVERY_MS;
                return;
            }
            let from_ms = self.slot * packet_ms;
            let speakers = studio.speakers(from_ms, from_ms + packet_ms, self.rate_hz);
            let mixed = self.format.data_opt == MediaDataOption::AudioMixedStream;
            if mixed && !speakers.is_empty() {
                let mut sum = vec![0i16; (packet_ms * u64::from(self.rate_hz) / 1000) as usize];
                for (_, samples) in &speakers {
                    for (to, from) in sum.iter_mut().zip(samples) {
                        *to = to.saturating_add(*from);
                    }
                }
                out.push(self.packet(studio, None, &sum, from_ms));
            } else if !mixed {
                for (speaker, samples) in &speakers {
                    out.push(self.packet(studio, Some(*speaker), samples, from_ms));
                }
            }
            self.slot += 1;
            bite_ms += packet_ms;
        }
    }

    fn packet(&mut self, studio: &Studio, speaker: Option<usize>, mono: &[i16], from_ms: u64) -> Due {
        let user_id = speaker
            .and_then(|index| studio.meeting.participants.get(index))
            .map_or_else(UserId::mixed, |who| who.user_id.clone());
        let samples = interleave(mono, self.channels);
        let bytes = match self.format.codec {
            MediaPayloadType::G711 => audio_codec::a_law(&samples),
            #[cfg(feature = "opus")]
            MediaPayloadType::Opus => match self.opus.entry(user_id.clone()) {
                std::collections::btree_map::Entry::Occupied(packets) => packets.into_mut().encode(&samples),
                std::collections::btree_map::Entry::Vacant(place) => match OpusPackets::new(self.channels) {
                    Some(packets) => place.insert(packets).encode(&samples),
                    None => Vec::new(),
                },
            },
            #[cfg(not(feature = "opus"))]
            MediaPayloadType::Opus => Vec::new(),
            MediaPayloadType::L16
            | MediaPayloadType::Undefined
            | MediaPayloadType::G722
            | MediaPayloadType::Jpg
            | MediaPayloadType::Png
            | MediaPayloadType::H264
            | MediaPayloadType::Unknown(_) => audio_codec::l16(&samples),
        };
        let data = media_data(studio, speaker, Bytes::from(bytes), studio.at(from_ms));
        let payload = Payload::new(user_id, data.timestamp, data.data.clone());
        (Message::MediaDataAudio(data), What::Audio(payload))
    }
}

/// One channel into `channels`; the right one is a little quieter, so that the two can be told apart.
fn interleave(mono: &[i16], channels: u16) -> Vec<i16> {
    if channels == 1 {
        return mono.to_vec();
    }
    mono.iter().flat_map(|&left| [left, left - left / 4]).collect()
}

/// Pictures of a camera or of a shared screen.
#[derive(Debug)]
struct PictureTrack {
    format: VideoFormat,
    medium: Medium,
    clip: Clip,
    started_ms: u64,
    /// Pictures that were due since the start, sent or not.
    ticks: u64,
    /// Whose picture was sent last.
    showing: Option<usize>,
    /// Pictures of that person since the last key frame.
    shown: u64,
}

impl PictureTrack {
    fn new(format: VideoFormat, medium: Medium, now_ms: u64) -> Self {
        let clip = if medium == Medium::Deskshare { Clip::of_slides() } else { Clip::of_speaker(format.resolution) };
        Self { format, medium, clip, started_ms: now_ms, ticks: 0, showing: None, shown: 0 }
    }

    fn next_ms(&self) -> u64 {
        self.started_ms + self.ticks * 1000 / u64::from(self.format.fps.max(1))
    }

    fn due(&mut self, studio: &Studio, now_ms: u64, selected: Option<usize>, out: &mut Vec<Due>) {
        while self.next_ms() <= now_ms {
            let at_ms = self.next_ms();
            self.ticks += 1;
            let whose = self.whose(studio, at_ms, selected);
            if whose != self.showing {
                // A new picture begins with a key frame.
                self.shown = 0;
                self.showing = whose;
            }
            if let Some(index) = whose {
                out.extend(self.picture(studio, index, at_ms));
                self.shown += 1;
            }
        }
    }

    fn whose(&self, studio: &Studio, at_ms: u64, selected: Option<usize>) -> Option<usize> {
        let meeting = &studio.meeting;
        if self.medium == Medium::Deskshare {
            return meeting.sharer(at_ms);
        }
        let individual = self.format.data_opt == Some(MediaDataOption::VideoSingleIndividualStream);
        let whose = if individual { selected } else { meeting.active_speaker(at_ms) };
        // A camera that is off gives no pictures.
        whose.filter(|index| meeting.participants.get(*index).is_some_and(|who| who.camera_is_on(at_ms)))
    }

    fn picture(&self, studio: &Studio, index: usize, at_ms: u64) -> Option<Due> {
        let who = studio.meeting.participants.get(index)?;
        let bytes = match self.format.codec {
            MediaPayloadType::H264 => Bytes::from_static(self.clip.access_unit(self.shown, self.format.fps)),
            MediaPayloadType::Png => self.slide(index, &who.name, at_ms).to_png().into(),
            MediaPayloadType::Jpg
            | MediaPayloadType::Undefined
            | MediaPayloadType::L16
            | MediaPayloadType::G711
            | MediaPayloadType::G722
            | MediaPayloadType::Opus
            | MediaPayloadType::Unknown(_) => self.slide(index, &who.name, at_ms).to_jpeg().into(),
        };
        let data = media_data(studio, Some(index), bytes, studio.at(at_ms));
        let payload = Payload::new(who.user_id.clone(), data.timestamp, data.data.clone());
        Some(match self.medium {
            Medium::Deskshare => (Message::MediaDataShare(data), What::Deskshare(payload)),
            Medium::Audio | Medium::Video | Medium::Transcript | Medium::Chat => {
                (Message::MediaDataVideo(data), What::Video(payload))
            }
        })
    }

    fn slide(&self, index: usize, name: &str, at_ms: u64) -> Slide {
        let time = format!("{:02}:{:02}.{:03}", at_ms / 60_000, at_ms / 1000 % 60, at_ms % 1000);
        let title = if self.medium == Medium::Deskshare {
            // A presenter who turns the page every four seconds.
            format!("Slide {}", at_ms / 4_000 + 1)
        } else {
            format!("Camera {}", index + 1)
        };
        let resolution = self.format.resolution;
        Slide::draw(resolution, index as u64, &title, &[name.to_owned(), time], self.ticks)
    }
}

/// Lines of text, each at its time.
#[derive(Debug)]
struct TextTrack {
    due: VecDeque<(u64, usize)>,
}

impl TextTrack {
    fn next_ms(&self) -> Option<u64> {
        self.due.front().map(|(due_ms, _)| *due_ms)
    }

    fn take(&mut self, now_ms: u64) -> Vec<usize> {
        let count = self.due.iter().take_while(|(due_ms, _)| *due_ms <= now_ms).count();
        self.due.drain(..count).map(|(_, index)| index).collect()
    }
}

fn transcript_line(studio: &Studio, index: usize, forced: Option<TranscriptLanguage>) -> Option<Due> {
    let said = studio.meeting.utterances.get(index)?;
    let who = studio.meeting.participants.get(said.speaker)?;
    // Without detection Zoom stays with the language it was told.
    let language = forced.unwrap_or(said.language);
    let (start_time, end_time) = (studio.at(said.start_ms), studio.at(said.end_ms));
    let (user_id, user_name, channel) = owner(studio, said.speaker);
    let message = Message::MediaDataTranscript(MediaDataTranscript {
        user_id,
        user_name,
        channel_id: channel,
        data: said.text.clone(),
        language: Some(language),
        start_time: Some(start_time),
        end_time: Some(end_time),
        timestamp: Some(start_time),
        attribute: None,
        sentence_id: None,
        extra: Extra::new(),
    });
    let what = What::Transcript {
        user_id: who.user_id.clone(),
        user_name: who.name.clone(),
        text: said.text.clone(),
        language,
        start_time,
        end_time,
    };
    Some((message, what))
}

fn chat_line(studio: &Studio, index: usize) -> Option<Due> {
    let line = studio.meeting.chat.get(index)?;
    let who = studio.meeting.participants.get(line.author)?;
    let timestamp = studio.at(line.at_ms);
    let author =
        Participant { user_id: who.user_id.clone(), user_name: Some(who.name.as_str().into()), extra: Extra::new() };
    let data = if line.structured {
        let mut fields = match serde_json::to_value(ChatFields {
            chat_session: Some(ChatSession { kind: ChatSessionType::Everyone, id: None, extra: Extra::new() }),
            operation_type: Some(ChatOperation::New),
            message_id: Some(SmolStr::new(format!("msg-{index:04}"))),
            sender: Some(author),
            ..ChatFields::default()
        }) {
            Ok(serde_json::Value::Object(fields)) => fields,
            Ok(_) | Err(_) => Extra::new(),
        };
        fields.insert("data".into(), line.text.as_str().into());
        serde_json::Value::Object(fields).to_string()
    } else {
        line.text.clone()
    };
    let message = Message::MediaDataChat(MediaDataChat {
        user_id: Some(who.user_id.clone()),
        user_name: Some(who.name.as_str().into()),
        timestamp: Some(timestamp),
        data: data.into(),
        fields: ChatFields::default(),
    });
    let what =
        What::Chat { user_id: who.user_id.clone(), user_name: who.name.clone(), text: line.text.clone(), timestamp };
    Some((message, what))
}

fn media_data(studio: &Studio, whose: Option<usize>, data: Bytes, timestamp: UnixMillis) -> MediaData {
    let (user_id, user_name, channel_id) = match whose {
        Some(index) => owner(studio, index),
        None => (Some(UserId::mixed()), None, None),
    };
    MediaData { user_id, user_name, channel_id, data, timestamp, attribute: None, extra: Extra::new() }
}

/// How media names its owner: by number and name, in the Contact Center by channel.
fn owner(studio: &Studio, index: usize) -> (Option<UserId>, Option<SmolStr>, Option<rtms_wire::ids::ChannelId>) {
    let who = studio.meeting.participants.get(index);
    if studio.product == Product::ContactCenter {
        (None, None, Some(channel_id(index)))
    } else {
        (who.map(|who| who.user_id.clone()), who.map(|who| who.name.as_str().into()), None)
    }
}
