//! What kind of meeting is wanted.

use std::{sync::Arc, time::Duration};

use crate::source::{h264::Film, sound::Sound};

/// What kind of meeting is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MeetingOptions {
    /// Everything that is left open follows from this.
    pub seed: u64,
    /// How many people take part, some of them only for a while; at least one.
    pub participants: u16,
    /// How long the stream lasts.
    pub duration: Duration,
    /// What there is to hear and see.
    pub scene: Scene,
    /// What the payloads of sound and pictures are.
    pub detail: MediaDetail,
    /// How spoken lines become lines of transcript.
    pub transcript: TranscriptStyle,
    /// What is written in the chat.
    pub chat: ChatStyle,
    /// What sizes cameras send.
    pub cameras: CameraStyle,
    /// Sound and pictures that the user brought.
    pub sources: Sources,
}

impl Default for MeetingOptions {
    fn default() -> Self {
        Self {
            seed: 1,
            participants: 3,
            duration: Duration::from_secs(20),
            scene: Scene::default(),
            detail: MediaDetail::default(),
            transcript: TranscriptStyle::default(),
            chat: ChatStyle::default(),
            cameras: CameraStyle::default(),
            sources: Sources::default(),
        }
    }
}

impl MeetingOptions {
    /// The same meeting with all that can be in one: corrected lines of transcript, chat in every form, cameras that
    /// change their size.
    #[must_use]
    pub fn with_everything(self) -> Self {
        Self {
            transcript: TranscriptStyle::Corrected,
            chat: ChatStyle::EveryForm,
            cameras: CameraStyle::ChangingSizes,
            ..self
        }
    }
}

/// What there is to hear and see.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Scene {
    /// People talk, mostly in turns, come and go, and one of them shares a screen.
    #[default]
    Conversation,
    /// To measure sync by: the first participant beeps (1 kHz, 100 ms) at every full second after the stream's start,
    /// and every camera and screen shows one white picture with exactly that timestamp and dark ones between.
    FlashAndBeep,
    /// The most sound that Zoom sends: three people, or as many as there are, all talk at once and without a pause.
    /// Nobody knows the words.
    AllTalkAtOnce,
}

/// What the payloads of sound and pictures are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MediaDetail {
    /// Media of the format that was granted.
    #[default]
    Real,
    /// [`Marker`](crate::source::marker::Marker)s of 16 bytes, whatever was granted; owners, times and order are as with real media. Cheap
    /// enough for tens of thousands of meetings in virtual time.
    Markers,
}

/// How spoken lines become lines of transcript.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TranscriptStyle {
    /// One message for every line, when it has been said.
    #[default]
    WholeLines,
    /// A line appears half-heard while it is being said (NEW) and is put right afterwards (UPDATE), or taken back
    /// (DELETE, without words) and written again under a new `sentence_id`. A client that switches language detection
    /// off gets whole lines only.
    Corrected,
}

/// What is written in the chat.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ChatStyle {
    /// New lines to everyone, in turn as plain text and as JSON text.
    #[default]
    TwoForms,
    /// All that `websocket.md` §11.3 lists: every form and operation, threads, files, private and group messages.
    EveryForm,
}

/// What sizes cameras send.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CameraStyle {
    /// What was asked for, all the time.
    #[default]
    SteadySize,
    /// HD at first, SD for the middle third of the meeting as if the network were poor, HD again; never more than was
    /// asked for.
    ChangingSizes,
}

/// Sound and pictures that the user brought, in place of those that the simulator makes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sources {
    /// What the first participant says without a pause, from the start of the stream, again and again; nobody else
    /// speaks. There is no transcript of it, as nobody knows the words.
    pub sound: Option<Arc<Sound>>,
    /// What every camera shows when H.264 is asked for: one access unit for each picture that is due, from the first on
    /// for every new viewer, again and again. Its size is what it is.
    pub film: Option<Arc<Film>>,
}
