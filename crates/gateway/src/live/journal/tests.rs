//! A journal on real files: in time, late, failing, gone on with, and in memory.

#![expect(clippy::wildcard_enum_match_arm, reason = "in a test, a panic is the answer")]

use rtms_record::Note;
use rtms_wire::{
    extra::Extra,
    message::text_data::{MediaDataChat, MediaDataTranscript},
};

use super::*;
use crate::live::tenure::{self, TenureSender, Term};

const AT: UnixMillis = UnixMillis(1_795_420_800_000);

fn owner(token: u64) -> (TenureSender, Tenure) {
    let term = Term::new(Duration::from_secs(3600), Duration::from_secs(1));
    tenure::begin(token, term, Instant::now())
}

fn journal(tenure: &Tenure) -> StreamJournal {
    let syncing = Syncing { wait_for_disk: true, every: Duration::from_millis(20) };
    StreamJournal::recorded("s".into(), syncing, Arc::default(), tenure.clone())
}

fn said(text: &str) -> Said {
    Said::Note(Note { at: AT, kind: text.into(), fields: Extra::new() })
}

/// The kinds of the notes that can be heard now, with their numbers.
fn heard(journal: &mut StreamJournal) -> Vec<String> {
    let word = |input| match input {
        Input::Word(entry) => match &entry.word {
            Word::Note(note) | Word::Unlisted(note) => format!("{} {}", entry.number, note.kind),
            other => panic!("{other:?}"),
        },
        other => panic!("{other:?}"),
    };
    journal.take_ready().into_iter().map(word).collect()
}

/// The same of the file.
fn written(folder: &Path) -> Vec<String> {
    let word = |entry: Arc<Entry>| match &entry.word {
        Word::Note(note) | Word::Unlisted(note) => format!("{} {}", entry.number, note.kind),
        other => panic!("{other:?}"),
    };
    JournalReader::open(folder).unwrap().entries().map(|entry| word(entry.unwrap())).collect()
}

async fn settle(journal: &mut StreamJournal) {
    while !journal.is_settled() {
        journal.turn().await;
    }
}

#[tokio::test]
async fn nothing_is_heard_before_it_is_in_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let (_sender, tenure) = owner(7);
    let mut journal = journal(&tenure);
    journal.say(said("one"), AT);
    assert_eq!(heard(&mut journal), [""; 0], "the recording is not open");
    journal.keep_in(folder.path());
    for number in 0..50 {
        journal.say(said(&format!("word{number}")), AT);
        while !journal.is_settled() {
            journal.turn().await;
            let written = written(folder.path());
            let heard = heard(&mut journal);
            assert!(heard.iter().all(|word| written.contains(word)), "{heard:?} {written:?}");
        }
    }
    assert_eq!(written(folder.path()).len(), 51);
    assert_eq!(journal.numbering.last().count, 51);
}

#[tokio::test(start_paused = true)]
async fn a_disk_that_fails_holds_up_nobody_and_has_all_of_it_in_the_end() {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("recording");
    let (_sender, tenure) = owner(7);
    let mut journal = journal(&tenure);
    journal.say(said("one"), AT);
    // It is not there, so the journal cannot be opened.
    journal.keep_in(&folder);
    let begun = Instant::now();
    settle(&mut journal).await;
    assert!(begun.elapsed() <= PATIENCE);
    assert_eq!(heard(&mut journal), ["7-1 one"]);
    journal.say(said("two"), AT);
    assert_eq!(heard(&mut journal), ["7-2 two"], "at once");

    std::fs::create_dir(&folder).unwrap();
    while journal.is_failing {
        journal.turn().await;
    }
    assert_eq!(written(&folder), ["7-1 one", "7-2 two"]);
    assert_eq!(heard(&mut journal), [""; 0], "nothing is heard twice");
    journal.say(said("three"), AT);
    assert_eq!(heard(&mut journal), [""; 0], "it waits for the disk again");
    settle(&mut journal).await;
    assert_eq!(heard(&mut journal), ["7-3 three"]);
}

#[tokio::test(start_paused = true)]
async fn what_waits_for_a_disk_that_fails_is_bounded_and_the_gap_is_told() {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("recording");
    let (_sender, tenure) = owner(7);
    let mut journal = journal(&tenure);
    journal.keep_in(&folder);
    journal.go_without();
    for number in 0..MAX_UNWRITTEN + 100 {
        journal.say(said(&number.to_string()), AT);
        assert!(journal.unwritten.len() <= MAX_UNWRITTEN);
    }
    settle(&mut journal).await;
    assert_eq!(heard(&mut journal).len(), MAX_UNWRITTEN + 100);

    std::fs::create_dir(&folder).unwrap();
    while journal.is_failing || !journal.is_settled() {
        journal.turn().await;
    }
    let written = written(&folder);
    assert_eq!(written.len(), MAX_UNWRITTEN + 1);
    assert_eq!(written.first().unwrap(), "7-101 100");
    assert_eq!(written.last().unwrap(), &format!("7-{} journal_gap", MAX_UNWRITTEN + 101));
}

#[tokio::test]
async fn the_next_owner_goes_on_with_larger_numbers_and_says_nothing_twice() {
    let folder = tempfile::tempdir().unwrap();
    let line = |id| MediaDataTranscript {
        user_id: Some(5.into()),
        sentence_id: Some(id),
        start_time: Some(AT),
        data: format!("line {id}"),
        ..MediaDataTranscript::default()
    };
    let chat = |text: &str| MediaDataChat { data: text.into(), timestamp: Some(AT), ..MediaDataChat::default() };
    let (_sender, tenure) = owner(7);
    let mut first = journal(&tenure);
    first.keep_in(folder.path());
    for said in [Said::TranscriptConnection, Said::Transcript(line(1)), Said::Chat(chat("hello"))] {
        first.say(said, AT);
    }
    settle(&mut first).await;
    let old = first.take_ready();
    drop(first);

    let (_sender, tenure) = owner(8);
    let mut second = journal(&tenure);
    second.say(Said::TranscriptConnection, AT);
    // Zoom sends what it kept once more.
    second.say(Said::Transcript(line(1)), AT);
    second.say(Said::Chat(chat("hello")), AT);
    second.say(Said::Transcript(line(2)), AT);
    second.keep_in(folder.path());
    settle(&mut second).await;
    let new = second.take_ready();

    let numbers = |inputs: &[Input]| -> Vec<String> {
        let number = |input: &Input| match input {
            Input::Word(entry) => entry.number.to_string(),
            Input::Repeats { medium, count } => format!("{count} of {medium}"),
            other => panic!("{other:?}"),
        };
        inputs.iter().map(number).collect()
    };
    assert_eq!(numbers(&old), ["7-1", "7-2"]);
    let mut told = numbers(&new);
    told.sort_unstable();
    assert_eq!(told, ["1 of chat", "1 of transcript", "8-1"]);

    let (_sender, tenure) = owner(7);
    let mut stale = journal(&tenure);
    stale.say(said("late"), AT);
    stale.keep_in(folder.path());
    settle(&mut stale).await;
    assert!(matches!(stale.place, Place::Memory(_)), "an old owner writes nothing");
    assert_eq!(JournalReader::open(folder.path()).unwrap().entries().count(), 3);
}

#[tokio::test(start_paused = true)]
async fn what_the_disk_did_not_take_is_written_when_the_recording_is_closed() {
    let root = tempfile::tempdir().unwrap();
    for is_tried in [false, true] {
        let folder = root.path().join(format!("recording {is_tried}"));
        let (_sender, tenure) = owner(7);
        let mut journal = journal(&tenure);
        if is_tried {
            journal.keep_in(&folder);
        }
        journal.go_without();
        for number in 0..MAX_UNWRITTEN + 5 {
            journal.say(said(&number.to_string()), AT);
        }
        settle(&mut journal).await;
        let mut last_words = journal.into_last_words();
        last_words.wait().await;
        let ended = note(AT, "ended", json!({}));
        last_words.conclude([], ended.clone());
        last_words.conclude([], ended);
        last_words.write(&folder).unwrap_err();

        std::fs::create_dir(&folder).unwrap();
        last_words.write(&folder).unwrap();
        last_words.write(&folder).unwrap();
        let written = written(&folder);
        let first = MAX_UNWRITTEN as u64 + 5 + 1;
        // The note of the gap has taken a place, too.
        assert_eq!(written.first().unwrap(), "7-7 6");
        assert_eq!(written[written.len() - 2..], [format!("7-{first} journal_gap"), format!("7-{} ended", first + 1)]);
        assert_eq!(written.len(), MAX_UNWRITTEN + 1);
        assert_eq!(last_words.into_entries().len(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn an_owner_that_spoke_before_it_could_read_knows_what_comes_again() {
    let folder = tempfile::tempdir().unwrap();
    let line = MediaDataTranscript {
        user_id: Some(5.into()),
        sentence_id: Some(1),
        start_time: Some(AT),
        data: "hello".into(),
        ..MediaDataTranscript::default()
    };
    let chat = MediaDataChat { data: "hi".into(), timestamp: Some(AT), ..MediaDataChat::default() };
    let (_sender, tenure) = owner(7);
    let mut first = journal(&tenure);
    first.keep_in(folder.path());
    for said in [Said::TranscriptConnection, Said::Transcript(line.clone()), Said::Chat(chat.clone())] {
        first.say(said, AT);
    }
    settle(&mut first).await;
    drop(first);

    let (_sender, tenure) = owner(8);
    let mut second = journal(&tenure);
    second.say(said("started"), AT);
    second.go_without();
    second.say(Said::TranscriptConnection, AT);
    second.keep_in(folder.path());
    while second.is_failing {
        second.turn().await;
    }
    assert_eq!(heard(&mut second), ["8-1 started"]);
    second.say(Said::Transcript(line), AT);
    second.say(Said::Chat(chat), AT);
    let again = [Medium::Transcript, Medium::Chat].map(|medium| Input::Repeats { medium, count: 1 });
    assert_eq!(second.take_ready(), again);
}

#[tokio::test]
async fn a_stream_that_is_not_recorded_has_its_words_in_memory_under_the_same_numbers() {
    let (_sender, tenure) = owner(7);
    let mut journal = StreamJournal::in_memory("s".into(), Arc::default(), tenure);
    for number in 0..2_000 {
        journal.say(said(&number.to_string()), AT);
    }
    assert_eq!(heard(&mut journal).last().unwrap(), "7-2000 1999");
    let Place::Memory(memory) = &journal.place else { panic!("it has no file") };
    let kept = memory.after(SequenceNumber::default());
    assert_eq!(kept.len(), MemoryOptions::default().max_entries);
    assert_eq!(kept.last().unwrap().number, SequenceNumber { token: 7, count: 2_000 });
}
