//! What the words say: lines of transcript and their corrections, chat in all its forms.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

mod common;

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use common::{Run, START, config};
use rtms_sim::{
    config::ZoomConfig,
    meeting::{
        MeetingOptions,
        chat::ChatForm,
        options::{ChatStyle, TranscriptStyle},
    },
    sent::{ChatSent, What},
};
use rtms_wire::{
    codes::{
        chat::{ChatOperation, ChatSessionType},
        product::Product,
    },
    message::{Message, text_data::MediaDataChat},
};
use serde_json::{Value, json};

#[test]
fn transcript_lines_are_the_utterances_word_for_word() {
    let mut run = Run::of_seconds(30);
    let signaling = run.join();
    let transcript = run.open_media(8, json!({"transcript": {"src_language": -1}}));
    run.ready(signaling);
    run.live_until(30_000);

    let lines: Vec<_> = run.heard(transcript).into_iter().filter(|message| message["msg_type"] == 17).collect();
    let meeting = run.zoom.meeting();
    assert_eq!(lines.len(), meeting.utterances.len());
    for line in &lines {
        let content = &line["content"];
        let said = meeting.utterances.iter().find(|said| content["start_time"] == START.0 + said.start_ms).unwrap();
        assert_eq!(content["data"], said.text.as_str());
        assert_eq!(content["end_time"], START.0 + said.end_ms);
        assert_eq!(content["timestamp"], content["start_time"]);
        assert_eq!(content["language"], said.language.code());
        assert_eq!(content["user_name"], meeting.participants[said.speaker].name.as_str());
    }
}

#[test]
fn for_thirty_seconds_lines_claim_the_language_that_zoom_was_told_and_then_the_one_that_is_detected() {
    for (params, claimed) in [(Value::Null, 9), (json!({"transcript": {"src_language": 14}}), 14)] {
        let mut run = Run::of_seconds(70);
        let signaling = run.join();
        let transcript = run.open_media(8, params);
        run.ready(signaling);
        run.live_until(70_000);

        let lines: Vec<_> = run.heard(transcript).into_iter().filter(|message| message["msg_type"] == 17).collect();
        let (mut early, mut late) = (0, BTreeSet::new());
        for line in &lines {
            let content = &line["content"];
            let meeting = run.zoom.meeting();
            let said = meeting.utterances.iter().find(|said| content["start_time"] == START.0 + said.start_ms).unwrap();
            if said.start_ms < 30_000 {
                assert_eq!(content["language"], claimed);
                early += 1;
            } else {
                assert_eq!(content["language"], said.language.code());
                late.insert(said.language);
            }
        }
        assert!(early > 0 && late.len() >= 2, "{early} early lines, {late:?}");
    }
}

#[test]
fn without_language_detection_every_line_claims_the_language_that_was_asked_for() {
    let mut run = Run::of_seconds(20);
    let signaling = run.join();
    let transcript = run.open_media(8, json!({"transcript": {"src_language": 14, "enable_lid": false}}));
    run.ready(signaling);
    run.live_until(20_000);

    let lines: Vec<_> = run.heard(transcript).into_iter().filter(|message| message["msg_type"] == 17).collect();
    assert!(!lines.is_empty() && lines.iter().all(|line| line["content"]["language"] == 14));
}

#[test]
fn chat_comes_as_words_and_as_structured_text() {
    let mut run = Run::of_seconds(60);
    let signaling = run.join();
    let chat = run.open_media(16, json!({}));
    run.ready(signaling);
    run.live_until(60_000);

    let lines: Vec<_> = run.wire.iter().filter(|(connection, ..)| *connection == chat).collect();
    let lines: Vec<_> = lines
        .iter()
        .filter_map(|(_, _, text)| {
            let Message::MediaDataChat(chat) = Message::decode(text.as_bytes()).unwrap() else { return None };
            Some(chat.message())
        })
        .collect();
    let written: Vec<_> = run.zoom.meeting().chat.iter().map(|line| line.text.clone()).collect();
    assert_eq!(lines.iter().map(|line| line.text.clone()).collect::<Vec<_>>(), written);
    assert!(lines.iter().any(|line| line.fields.message_id.is_some()));
    assert!(lines.iter().any(|line| line.fields.message_id.is_none()));
}

#[test]
fn a_large_meeting_is_transcribed_in_eight_languages_or_more() {
    let meeting = MeetingOptions { participants: 10, duration: Duration::from_secs(120), ..MeetingOptions::default() };
    let (_, lines) = transcript(ZoomConfig { meeting, ..ZoomConfig::default() }, Value::Null);

    let languages: BTreeSet<_> = lines.iter().map(|line| line["language"].as_i64().unwrap()).collect();
    assert!(languages.len() >= 8, "{languages:?}");
}

#[test]
fn corrections_add_up_to_what_was_said() {
    let (run, lines) = transcript(corrected(Product::Meeting), json!({}));

    let mut standing: BTreeMap<i64, &Value> = BTreeMap::new();
    let mut seen = BTreeSet::new();
    for line in &lines {
        let sentence = line["sentence_id"].as_i64().unwrap();
        let attribute = line["attribute"].as_i64().unwrap();
        seen.insert(attribute);
        match attribute {
            1 => assert!(standing.insert(sentence, line).is_none(), "a new sentence has a new number"),
            2 => assert_ne!(standing.insert(sentence, line).unwrap()["data"], line["data"]),
            3 => {
                assert_eq!(line["data"], "");
                standing.remove(&sentence).unwrap();
            }
            other => panic!("attribute {other}"),
        }
    }
    assert_eq!(seen, BTreeSet::from([1, 2, 3]));
    let mut read: Vec<_> = standing.values().map(|line| (line["start_time"].clone(), line["data"].clone())).collect();
    read.sort_by_key(|(start, _)| start.as_u64());
    let said = run.zoom.meeting().utterances.iter();
    assert_eq!(read, said.map(|said| (json!(START.0 + said.start_ms), json!(said.text))).collect::<Vec<_>>());
}

#[test]
fn corrections_vanish_without_language_detection() {
    let (run, lines) = transcript(corrected(Product::Meeting), json!({"transcript": {"enable_lid": false}}));

    assert_eq!(lines.len(), run.zoom.meeting().utterances.len());
    assert!(lines.iter().all(|line| line["attribute"] == 1 && line["data"] != ""));
}

#[test]
fn a_calls_corrections_come_by_channel_and_are_on_record() {
    let (run, lines) = transcript(corrected(Product::ContactCenter), json!({}));

    assert!(lines.iter().all(|line| line["channel_id"].is_string() && line.get("user_id").is_none()));
    let recorded = run.sent.iter().filter_map(|sent| {
        let What::Transcript { text, attribute, sentence_id, channel_id, .. } = &sent.what else { return None };
        Some(json!({"data": text, "attribute": attribute, "sentence_id": sentence_id, "channel_id": channel_id}))
    });
    let heard = lines.iter().map(|line| {
        json!({
            "data": line["data"], "attribute": line["attribute"], "sentence_id": line["sentence_id"],
            "channel_id": line["channel_id"],
        })
    });
    assert!(recorded.eq(heard));
}

#[test]
fn chat_comes_in_every_form_and_with_every_operation() {
    for seed in 0..20 {
        let (run, messages) = chat(MeetingOptions { seed, ..every_form() });

        let meeting = run.zoom.meeting();
        let operations: BTreeSet<_> = meeting.chat.iter().map(|line| line.operation).collect();
        assert!(operations.into_iter().map(ChatOperation::code).eq(1..=5), "seed {seed}");
        let sessions: BTreeSet<_> = messages
            .iter()
            .filter_map(|message| message.message().fields.chat_session)
            .map(|session| session.kind.code())
            .collect();
        assert!(sessions.into_iter().eq(1..=5), "seed {seed}");
        assert!(messages.iter().any(|message| message.data.is_object()));
        assert!(messages.iter().any(|message| message.fields.message_id.is_some()), "fields stand beside the words");
        assert!(messages.iter().any(|message| message.user_id.is_none()));

        // Whatever the form, the parts of a message are found by the rules of the wire.
        assert_eq!(messages.len(), meeting.chat.len());
        for (message, line) in messages.iter().zip(&meeting.chat) {
            let united = message.message();
            assert_eq!(united.text, line.text);
            let has_fields = line.form.has_fields();
            assert_eq!(united.fields.message_id.is_some(), has_fields);
            if has_fields {
                assert_eq!(united.fields.operation_type, Some(line.operation));
                assert_eq!(united.fields.message_id.as_deref(), Some(line.message_id.as_str()));
                assert_eq!(united.fields.parent_message_id.as_deref(), line.parent_message_id.as_deref());
                assert_eq!(united.fields.sender.unwrap().user_id, meeting.participants[line.author].user_id);
            }
        }
    }
}

#[test]
fn what_is_changed_deleted_or_answered_was_written_before_by_the_right_person() {
    for seed in 0..50 {
        let (run, _) = chat(MeetingOptions { seed, ..every_form() });

        let mut written: BTreeMap<&str, usize> = BTreeMap::new();
        for line in run.zoom.meeting().chat.iter().filter(|line| line.form.has_fields()) {
            if let Some(parent) = &line.parent_message_id {
                assert!(written.contains_key(parent.as_str()) || line.operation != ChatOperation::New);
            }
            match line.operation {
                ChatOperation::New => assert!(written.insert(&line.message_id, line.author).is_none()),
                ChatOperation::Update => assert_eq!(written[line.message_id.as_str()], line.author),
                ChatOperation::Delete => {
                    assert_eq!(written.remove(line.message_id.as_str()), Some(line.author));
                    assert!(line.text.is_empty() && !line.deleted_files.is_empty());
                }
                ChatOperation::AddEmojiReaction | ChatOperation::RemoveEmojiReaction => {
                    assert!(written.contains_key(line.message_id.as_str()));
                }
                ChatOperation::Unknown(_) => panic!("no such operation"),
            }
        }
    }
}

#[test]
fn private_messages_files_and_groups_are_on_record() {
    let (run, messages) = chat(every_form());

    let recorded = run.sent.iter().filter_map(|sent| {
        let What::Chat { sent, .. } = &sent.what else { return None };
        sent.as_ref()
    });
    let recorded: Vec<&ChatSent> = recorded.collect();
    let with_fields: Vec<_> =
        messages.iter().map(|message| message.message().fields).filter(|it| it.message_id.is_some()).collect();
    assert_eq!(recorded.len(), with_fields.len());
    for (recorded, sent) in recorded.iter().zip(with_fields) {
        assert_eq!(Some(recorded.message_id.as_str()), sent.message_id.as_deref());
        assert_eq!(recorded.receiver, sent.receiver.map(|receiver| receiver.user_id));
        let files: Vec<String> = sent
            .files
            .iter()
            .flat_map(|files| files.as_array().unwrap())
            .map(|file| file["file_id"].as_str().unwrap().to_owned())
            .collect();
        assert_eq!(recorded.file_ids, files);
        assert_eq!(
            recorded.deleted_file_ids,
            serde_json::from_value::<Vec<String>>(sent.delete_file_id_list.unwrap_or(json!([]))).unwrap()
        );
    }
    assert!(recorded.iter().any(|it| it.session == ChatSessionType::Individual && it.receiver.is_some()));
    assert!(
        recorded.iter().any(|it| it.session == ChatSessionType::ChatGroup && it.session_id.as_deref() == Some("grp-1"))
    );
    assert!(recorded.iter().any(|it| !it.file_ids.is_empty()));
    let line = run.sent.iter().find(|sent| matches!(&sent.what, What::Chat { sent: Some(_), .. })).unwrap();
    assert_eq!(serde_json::to_value(line).unwrap()["message_id"], recorded[0].message_id.as_str());
}

#[test]
fn words_that_look_like_json_stay_words() {
    let (run, messages) = chat(every_form());

    let index =
        run.zoom.meeting().chat.iter().position(|it| it.form == ChatForm::Words && it.text.starts_with('{')).unwrap();
    assert_eq!(messages[index].message().text, run.zoom.meeting().chat[index].text);
}

/// Every line of transcript of a meeting.
fn transcript(config: ZoomConfig, params: Value) -> (Run, Vec<Value>) {
    let until = u64::try_from(config.meeting.duration.as_millis()).unwrap();
    let mut run = Run::new(config);
    let signaling = run.join();
    let transcript = run.open_media(8, params);
    run.ready(signaling);
    run.live_until(until);
    let lines = run.heard(transcript).into_iter().filter(|message| message["msg_type"] == 17);
    let lines = lines.map(|mut message| message["content"].take()).collect();
    (run, lines)
}

/// Every chat message of a meeting.
fn chat(meeting: MeetingOptions) -> (Run, Vec<MediaDataChat>) {
    let until = u64::try_from(meeting.duration.as_millis()).unwrap();
    let mut run = Run::new(ZoomConfig { meeting, ..ZoomConfig::default() });
    let signaling = run.join();
    let chat = run.open_media(16, json!({}));
    run.ready(signaling);
    run.live_until(until);
    let on_it = run.wire.iter().filter(|(connection, ..)| *connection == chat);
    let messages = on_it.filter_map(|(_, _, text)| {
        let Message::MediaDataChat(chat) = Message::decode(text.as_bytes()).unwrap() else { return None };
        Some(chat)
    });
    let messages = messages.collect();
    (run, messages)
}

fn corrected(product: Product) -> ZoomConfig {
    let meeting = MeetingOptions { transcript: TranscriptStyle::Corrected, ..config(30).meeting };
    ZoomConfig { product, meeting, ..ZoomConfig::default() }
}

fn every_form() -> MeetingOptions {
    MeetingOptions { chat: ChatStyle::EveryForm, ..config(20).meeting }
}
