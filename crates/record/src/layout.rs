//! Every path of a recording, made in this one place. Ids from Zoom are escaped here; names never reach a path.

use std::path::{Path, PathBuf};

use aws_lc_rs::digest::{SHA256, digest};
use data_encoding::HEXLOWER;
use percent_encoding::percent_decode_str;
use rtms_wire::{
    ids::{StreamId, UserId},
    media::medium::Medium,
};

use crate::who::Who;

/// Longest name made from an id, so that with every suffix it stays below the 255 bytes that file systems allow.
const MAX_NAME_BYTES: usize = 120;

/// Names that mean something else: devices of Windows, and files of ours.
const RESERVED: [&str; 28] = [
    "con", "prn", "aux", "nul", "com0", "com1", "com2", "com3", "com4", "com5", "com6", "com7", "com8", "com9", "lpt0",
    "lpt1", "lpt2", "lpt3", "lpt4", "lpt5", "lpt6", "lpt7", "lpt8", "lpt9", "mixed", "active", "index", "images",
];

/// The paths of one recording.
#[derive(Clone, Debug)]
pub(crate) struct Layout {
    folder: PathBuf,
}

impl Layout {
    /// Of a folder that is there, whatever it is called.
    pub(crate) fn of_folder(folder: &Path) -> Self {
        Self { folder: folder.to_owned() }
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    pub(crate) fn manifest_of(folder: &Path) -> PathBuf {
        folder.join("manifest.json")
    }

    pub(crate) fn manifest(&self) -> PathBuf {
        Self::manifest_of(&self.folder)
    }

    /// Where a manifest is written before it takes the place of the old one.
    pub(crate) fn manifest_draft(&self) -> PathBuf {
        self.folder.join("manifest.json.new")
    }

    pub(crate) fn events(&self) -> PathBuf {
        self.folder.join("events.jsonl")
    }

    /// A file of the journal, counted from 1: `journal.jsonl`, `journal.2.jsonl`.
    pub(crate) fn journal(&self, part: u64) -> PathBuf {
        self.folder.join(if part <= 1 { "journal.jsonl".to_owned() } else { format!("journal.{part}.jsonl") })
    }

    /// What changed in the ledger since the manifest was written; gone when the recording is finished.
    pub(crate) fn ledger(&self) -> PathBuf {
        self.folder.join("ledger.jsonl")
    }

    pub(crate) fn transcript_lines(&self) -> PathBuf {
        self.folder.join("transcript.jsonl")
    }

    pub(crate) fn transcript_vtt(&self) -> PathBuf {
        self.folder.join("transcript.vtt")
    }

    pub(crate) fn transcript_text(&self) -> PathBuf {
        self.folder.join("transcript.txt")
    }

    pub(crate) fn chat(&self) -> PathBuf {
        self.folder.join("chat.jsonl")
    }

    /// The stem of an audio file; the parts' names follow from it by [`wav_part`].
    ///
    /// `set` counts from 1 and tells apart what was recorded in different formats.
    pub(crate) fn audio(&self, stem: &str, set: usize) -> PathBuf {
        let suffix = if set <= 1 { String::new() } else { format!(".set{set}") };
        self.folder.join("audio").join(format!("{stem}{suffix}"))
    }

    /// Packets in a form that is only collected: `kind` is a codec's name or an extension.
    pub(crate) fn raw(&self, medium: Medium, stem: &str, kind: &str) -> PathBuf {
        self.folder.join(medium.as_str()).join(format!("{stem}.{kind}"))
    }

    /// A numbered picture.
    pub(crate) fn image(&self, medium: Medium, number: u64, extension: &str) -> PathBuf {
        self.folder.join(medium.as_str()).join("images").join(format!("{number:08}.{extension}"))
    }

    /// A picture that came without its end, by the number that it would have among the others.
    pub(crate) fn broken_image(&self, medium: Medium, number: u64, extension: &str) -> PathBuf {
        self.broken_images(medium).join(format!("{number:08}.{extension}"))
    }

    /// Where pictures without their end lie.
    pub(crate) fn broken_images(&self, medium: Medium) -> PathBuf {
        self.folder.join(medium.as_str()).join("broken")
    }

    /// Where the packets of a medium lie in its raw files and pictures.
    pub(crate) fn index(&self, medium: Medium) -> PathBuf {
        self.folder.join(medium.as_str()).join("index.jsonl")
    }

    pub(crate) fn aside(&self, medium: Medium) -> PathBuf {
        self.folder.join("aside").join(format!("{medium}.raw"))
    }

    pub(crate) fn aside_index(&self) -> PathBuf {
        self.folder.join("aside").join("index.jsonl")
    }

    /// Messages that were not read, or not all of them, as they came.
    pub(crate) fn flawed_messages(&self) -> PathBuf {
        self.folder.join("aside").join("messages.jsonl")
    }

    /// All files that consist of lines, which a killed process may have left half-written.
    pub(crate) fn line_files(&self) -> Vec<PathBuf> {
        let indexes = Medium::ALL.into_iter().map(|medium| self.index(medium));
        let others = [
            self.events(),
            self.transcript_lines(),
            self.chat(),
            self.aside_index(),
            self.flawed_messages(),
            self.ledger(),
        ];
        indexes.chain(others).collect()
    }

    /// Room on the disk for the end of a recording on a full one.
    pub(crate) fn reserve(&self) -> PathBuf {
        self.folder.join("reserve.bin")
    }

    /// Where the bytes of a manifest that cannot be read are kept.
    pub(crate) fn torn_manifest(&self, number: u64) -> PathBuf {
        numbered(&self.folder.join("manifest.json.torn"), number)
    }

    /// The stems of the audio files that are there, and the set of each, with the first part's path.
    pub(crate) fn audio_files(&self) -> std::io::Result<Vec<(String, usize, PathBuf)>> {
        let entries = match std::fs::read_dir(self.folder.join("audio")) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries?,
        };
        let mut files = Vec::new();
        for entry in entries {
            let path = entry?.path();
            let Some(name) = path.file_name().and_then(|name| name.to_str()?.strip_suffix(".wav")) else { continue };
            // A further part has two more points: `5.part2`, `5.set2.part2`.
            let (stem, set) = match name.split_once(".set") {
                Some((stem, set)) => (stem, set.parse().ok()),
                None => (name, Some(1)),
            };
            if let Some(set) = set.filter(|_| !stem.contains('.')) {
                files.push((stem.to_owned(), set, path.clone()));
            }
        }
        files.sort();
        Ok(files)
    }

    /// The path as the manifest gives it: relative, with `/`.
    pub(crate) fn relative(&self, path: &Path) -> String {
        let inside = path.strip_prefix(&self.folder).unwrap_or(path);
        let parts: Vec<_> = inside.components().map(|part| part.as_os_str().to_string_lossy()).collect();
        parts.join("/")
    }
}

/// The folder of a stream's recording under the root of all recordings.
pub fn folder(root: &Path, stream_id: &StreamId) -> PathBuf {
    root.join(escape(stream_id.as_str()))
}

/// Folders of one stream at most: each beside the first was made because those before it cannot be gone on with.
const MAX_FOLDERS: u64 = 100;

/// The folder of a stream that recording goes on in: the newest, or the first if there is none.
pub fn newest_folder(root: &Path, stream_id: &StreamId) -> PathBuf {
    folders(root, stream_id).pop().unwrap_or_else(|| folder(root, stream_id))
}

/// The folders of a stream that are there, the oldest first.
pub(crate) fn folders(root: &Path, stream_id: &StreamId) -> Vec<PathBuf> {
    let all = (1..=MAX_FOLDERS).map(|number| numbered(&folder(root, stream_id), number));
    all.filter(|folder| std::fs::symlink_metadata(folder).is_ok()).collect()
}

/// The next folder of a stream that is not there yet; none if there are too many.
pub(crate) fn next_folder(root: &Path, stream_id: &StreamId) -> Option<PathBuf> {
    let mut free = (2..=MAX_FOLDERS).map(|number| numbered(&folder(root, stream_id), number));
    free.find(|folder| std::fs::symlink_metadata(folder).is_err())
}

/// `7f3a`, `7f3a.2`: an escaped id has no dot, so no two streams meet here.
pub(crate) fn numbered(folder: &Path, number: u64) -> PathBuf {
    let mut name = folder.as_os_str().to_owned();
    if number > 1 {
        name.push(format!(".{number}"));
    }
    PathBuf::from(name)
}

/// The same for where a recording lies while it is deleted.
pub(crate) fn deletion_contents(root: &Path, stream_id: &StreamId) -> Vec<PathBuf> {
    let all = (1..=MAX_FOLDERS).map(|number| numbered(&deletion_content(root, stream_id), number));
    all.filter(|folder| std::fs::symlink_metadata(folder).is_ok()).collect()
}

/// Where deletions are written down, beside the recordings. No escaped id begins with a dot.
pub(crate) fn deletions(root: &Path) -> PathBuf {
    root.join(".deletions")
}

/// What is known of the deletion of a stream's recording.
pub fn deletion_record(root: &Path, stream_id: &StreamId) -> PathBuf {
    deletions(root).join(format!("{}.json", escape(stream_id.as_str())))
}

/// Where a recording lies from the moment on at which it is gone for everybody, until it is gone from the disk.
pub(crate) fn deletion_content(root: &Path, stream_id: &StreamId) -> PathBuf {
    deletions(root).join(format!("{}.content", escape(stream_id.as_str())))
}

/// A WAV file's part, counted from 1: `5.wav`, `5.part2.wav`. An escaped id has no dot, so no two ids meet here.
pub(crate) fn wav_part(stem: &Path, part: u64) -> PathBuf {
    let mut name = stem.as_os_str().to_owned();
    name.push(if part <= 1 { ".wav".to_owned() } else { format!(".part{part}.wav") });
    PathBuf::from(name)
}

/// The stem of a participant's files. A plus never comes out of [`escape`], so no user id is taken for a channel.
pub(crate) fn stem(who: &Who) -> String {
    match who {
        Who::Everyone => "everyone+".to_owned(),
        Who::User(user) => escape(user.as_str()),
        Who::Channel(channel) => format!("channel+{}", escape(channel.as_str())),
    }
}

/// Whose files have this stem; none if the stem does not tell.
pub(crate) fn who_of(text: &str) -> Option<Who> {
    let who = match text.strip_prefix("channel+") {
        Some(channel) => Who::Channel(unescape(channel)?.as_str().into()),
        None if text == "everyone+" => Who::Everyone,
        None => Who::User(UserId::new(unescape(text)?)),
    };
    (stem(&who) == text).then_some(who)
}

/// Returns the text that an escaped name was made of, if the name still has it.
fn unescape(name: &str) -> Option<String> {
    percent_decode_str(name).decode_utf8().ok().map(Into::into)
}

/// Makes a file name of any text, a different one for every text.
///
/// ASCII letters, digits, `-` and `_` stay; every other byte becomes `%` and two digits. A name that is too long, empty,
/// reserved, or has capitals (which some file systems do not tell from small letters) gets `~` and a checksum of the
/// text, so it stays apart from all others.
pub fn escape(text: &str) -> String {
    let mut name = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_' {
            name.push(char::from(byte));
        } else {
            // In small letters, which the libraries do not write: a name with capitals gets the checksum too.
            name.push_str(&format!("%{byte:02x}"));
        }
    }
    let plain = !name.is_empty()
        && name.len() <= MAX_NAME_BYTES
        && !RESERVED.contains(&name.as_str())
        && !name.bytes().any(|byte| byte.is_ascii_uppercase());
    if !plain {
        // Escaped text is ASCII, so every length is a boundary.
        name.truncate(MAX_NAME_BYTES);
        name.push('~');
        name.push_str(HEXLOWER.encode(digest(&SHA256, text.as_bytes()).as_ref()).get(..16).unwrap_or_default());
    }
    name
}

#[cfg(test)]
mod tests {
    use super::{escape, stem, who_of};
    use rtms_wire::ids::UserId;

    use crate::who::Who;

    #[test]
    fn plain_ids_stay_as_they_are() {
        assert_eq!(escape("16778240"), "16778240");
        assert_eq!(escape("b7d2-x_1"), "b7d2-x_1");
    }

    #[test]
    fn what_could_leave_the_folder_is_escaped() {
        assert_eq!(escape("../a/b"), "%2e%2e%2fa%2fb");
        assert_eq!(escape(".."), "%2e%2e");
        assert_eq!(escape("\0"), "%00");
        assert!(escape("").starts_with('~'));
    }

    #[test]
    fn ids_that_differ_in_case_alone_get_names_that_differ_in_more() {
        assert_ne!(escape("aB").to_ascii_lowercase(), escape("Ab").to_ascii_lowercase());
        assert_ne!(escape("aB").to_ascii_lowercase(), escape("ab"));
    }

    #[test]
    fn a_stem_names_its_owner_or_nobody() {
        let owners = [
            Who::User(UserId::new("16778240")),
            Who::User(UserId::new("a b/ü")),
            Who::Channel("3%x".into()),
            Who::Everyone,
        ];
        for who in owners {
            assert_eq!(who_of(&stem(&who)), Some(who));
        }
        let hashed = [stem(&Who::User(UserId::new("Ab"))), "a%2".into(), "a%zz".into(), "~0123".into()];
        assert_eq!(hashed.map(|stem| who_of(&stem)), [None, None, None, None]);
    }

    #[test]
    fn long_and_reserved_ids_are_told_apart_by_a_checksum() {
        let (one, other) = ("a".repeat(300), "a".repeat(301));
        assert_ne!(escape(&one), escape(&other));
        assert!(escape(&one).len() < 150);
        assert!(escape("con").starts_with("con~"));
        assert!(escape("CON").starts_with("CON~"));
        assert_ne!(escape("mixed"), "mixed");
    }
}
