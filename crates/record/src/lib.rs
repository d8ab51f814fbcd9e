//! A stream as files. What Zoom sends goes in, and a folder comes out that people can open with ordinary tools.
//!
//! Blocking file work without a clock, threads or sockets: [`Recorder`] is called in batches from one thread that may
//! block, time is an argument or comes from Zoom's timestamps, and the same input gives the same files.
//!
//! # The folder
//!
//! ```text
//! recordings/<stream id, escaped>/
//!   manifest.json                     what, who, when, what was granted, counts, ledger; at the end sizes and checksums
//!   ledger.jsonl                      the manifest, and what changed in ledger and counts since; gone at the end
//!   journal.jsonl                     all words of the stream, numbered; written before anybody hears them
//!   journal.2.jsonl                   goes on where the first would become too long
//!   events.jsonl                      joins, states, gaps, in order of arrival; a view of the journal
//!   transcript.jsonl · .vtt · .txt    as received, a view of the journal · as it reads after corrections
//!   chat.jsonl                        messages as received; a view of the journal
//!   audio/mixed.wav                   what Zoom mixed, or the sum of all participants
//!   audio/<user>.wav                  one participant; audio/channel+<id>.wav one party of a call
//!   audio/<user>.part2.wav            goes on where a WAV file would become too long
//!   audio/<user>.set2.wav             another format, granted later in the same stream
//!   audio/<user>.opus.raw             coded audio as it came, with audio/index.jsonl
//!   video/active.h264, <user>.h264    pictures as they came, with video/index.jsonl; deskshare/ likewise
//!   video/images/00000001.jpg         the same as single pictures
//!   video/broken/00000002.jpg         pictures that came without their end
//!   aside/audio.raw                   packets that have no place above, with aside/index.jsonl that says why
//!   aside/messages.jsonl              messages that were not read, or not all of them: the first few of each kind
//!   manifest.json.torn                a manifest that could not be read and was made anew from the files
//! recordings/<stream id, escaped>.2/  goes on with a recording that cannot be gone on with; its manifest says which and why
//! ```
//!
//! # The promises
//!
//! - **Sound lies where its timestamp says**, whenever it arrived. All WAV files begin at the same instant, `origin` in
//!   the manifest, so tracks played together are in step. What was not received is silence of its length, and timestamps
//!   that jitter lose nothing; see `timeline.rs`. A time that cannot be meant is not believed; see `belief.rs`.
//! - **After `kill -9`** everything up to the last [`Recorder::sync`] is readable, and [`Recorder::open`] goes on in
//!   the same files.
//! - **What was heard is in the journal**, under a number that never repeats and never goes back, see [`journal`]. What a
//!   process that died had not brought into the views is added to them by [`Recorder::open`].
//! - **Every second has a word**: the ledger tiles the time from `rtms_started` to the end, see [`ledger`].
//! - **What is revoked is deleted**, also when the process dies in the middle, see [`deletion`].
//! - **Nothing is thrown away**: what cannot be placed lies aside and is counted; only repeats of sound, the
//!   same in time and content, are not kept twice.
//! - **Ids never leave the folder**: they are escaped in `layout.rs`, the only place that makes paths, and names reach
//!   no path at all.
//! - **Everything has a bound**, in [`Options`] or beside the code that keeps it.
//!
//! # Use
//!
//! ```
//! use rtms_record::{Ending, Input, Recorder, RecordingAbout};
//! use rtms_wire::{
//!     codes::{product::Product, stop_reason::StopReason},
//!     ids::{InstanceId, InstanceIdField, StreamId, UserId},
//!     message::media_data::MediaData,
//!     time::UnixMillis,
//! };
//!
//! let root = tempfile::tempdir()?;
//! let instance = InstanceId::new(InstanceIdField::MeetingUuid, "4444AAAiAAAAAiAiAiiAii==");
//! let started_at = UnixMillis(1_795_420_800_000);
//! let about = RecordingAbout::new(StreamId::new("7f3a/stream=="), Product::Meeting, instance, started_at);
//! let now = UnixMillis(1_795_420_800_250);
//! let mut recorder = Recorder::open(root.path(), about, now)?;
//!
//! // 20 ms of sound, one second after the start.
//! recorder.handle(
//!     Input::Audio(MediaData {
//!         user_id: Some(UserId::from(16_778_240)),
//!         user_name: Some("Ines Okafor".into()),
//!         data: vec![1; 640].into(),
//!         timestamp: UnixMillis(1_795_420_801_000),
//!         ..MediaData::default()
//!     }),
//!     now,
//! )?;
//! recorder.sync(now)?;
//!
//! let at = UnixMillis(1_795_420_805_000);
//! let why = "the meeting ended".to_owned();
//! let summary = recorder.finish(Ending { stop_reason: Some(StopReason::MeetingEnded), why, at })?;
//! assert_eq!(summary.duration.as_millis(), 1020);
//! assert!(summary.folder.join("audio/16778240.wav").is_file());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod audio;
mod belief;
mod bookkeeper;
pub mod check;
mod checksum;
mod content;
mod counts;
pub mod deletion;
pub mod error;
mod file;
mod flawed_messages;
pub mod index_line;
pub mod input;
pub mod journal;
pub mod layout;
pub mod ledger;
pub mod loss;
pub mod manifest;
pub mod note;
pub mod options;
mod people;
pub mod raw;
mod readable;
pub mod recorder;
mod repeats;
mod text;
mod timeline;
pub mod utterance;
mod views;
mod wav;
pub mod who;
mod window;

pub use bookkeeper::Bookkeeper;
pub use error::RecordError;
pub use input::{Dropped, Ending, Input, RecordingAbout};
pub use loss::Loss;
pub use manifest::Manifest;
pub use note::Note;
pub use options::Options;
pub use recorder::{Recorder, Summary};
pub use who::Who;
