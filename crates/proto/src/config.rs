//! What is wanted of a stream, with defaults.

use rtms_wire::{
    codes::{
        event_type::EventType,
        media::{MediaDataOption, MediaPayloadType, MediaResolution},
        product::{EventNumbers, Product},
    },
    media::{
        audio::AudioParams,
        medium::{MediaTypes, Medium},
        params::MediaParams,
        text::{ChatParams, TranscriptParams},
        video::VideoParams,
    },
};

use crate::error::Misuse;

/// What is wanted of a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamConfig {
    /// The media.
    pub media: MediaTypes,
    /// In which form; media that are not wanted are ignored.
    pub params: MediaParams,
    /// Whether each medium has a connection of its own.
    pub layout: MediaLayout,
    /// Whether the sound since the start webhook is wanted, up to 60 s of it.
    pub buffer_data: bool,
}

/// How media are spread over connections.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MediaLayout {
    /// One connection per medium: what is lost with a connection is one medium, and a large picture delays no sound.
    #[default]
    Split,
    /// Everything on one connection: fewer sockets.
    Unified,
}

impl Default for StreamConfig {
    /// Everything, for recording: one L16 16 kHz track per speaker in 20 ms packets, H.264 of the active speaker.
    fn default() -> Self {
        Self {
            media: MediaTypes::of(Medium::ALL),
            params: MediaParams {
                audio: Some(AudioParams {
                    data_opt: Some(MediaDataOption::AudioMultiStreams),
                    ..AudioParams::default().format().into()
                }),
                video: Some(
                    VideoParams {
                        codec: Some(MediaPayloadType::H264),
                        resolution: Some(MediaResolution::Hd),
                        fps: Some(25),
                        ..VideoParams::default()
                    }
                    .format(Medium::Video)
                    .into(),
                ),
                deskshare: Some(VideoParams::default().format(Medium::Deskshare).into()),
                transcript: Some(TranscriptParams::default().with_defaults()),
                chat: Some(ChatParams::default().with_defaults()),
            },
            layout: MediaLayout::Split,
            buffer_data: true,
        }
    }
}

impl StreamConfig {
    /// Checks the request before anything is sent.
    ///
    /// # Errors
    /// [`Misuse`] with the row of Zoom's matrix that is broken, or when nothing is wanted.
    pub fn check(&self) -> Result<(), Misuse> {
        if !self.media.is_valid() {
            return Err(Misuse::NoMedia);
        }
        self.params.check(self.media).map_err(Misuse::Params)
    }

    /// The events to subscribe to. Numbers 1 and 7 come by themselves, and asking for them is documented as harmful. What
    /// subscribes to Phone's events is not published; the numbers of meetings do not.
    pub(crate) fn events(&self, product: Product) -> Vec<i64> {
        match product.event_numbers() {
            EventNumbers::Meeting => {}
            EventNumbers::Voice => return (8..=29).collect(),
            EventNumbers::Unpublished => return Vec::new(),
        }
        let mut events = vec![
            EventType::ActiveSpeakerChange,
            EventType::ParticipantJoin,
            EventType::ParticipantLeave,
            EventType::SharingStart,
            EventType::SharingStop,
            EventType::ParticipantVideoOn,
            EventType::ParticipantVideoOff,
        ];
        if self.media.contains(Medium::Chat) {
            events.extend([
                EventType::ChatGroupCreate,
                EventType::ChatGroupDelete,
                EventType::ChatGroupMembersAdd,
                EventType::ChatGroupMembersDelete,
                EventType::ChatGroupMemberStatusUpdate,
            ]);
        }
        events.into_iter().map(EventType::code).collect()
    }
}
