//! Fields of media packets that no document names: those of a person's packet if they differ from the packet before.

use std::{collections::BTreeMap, time::Duration};

use rtms_record::Note;
use rtms_wire::{
    extra::Extra,
    ids::{ChannelId, UserId},
    media::medium::Medium,
    message::media_data::MediaData,
    time::{self, UnixMillis},
};
use serde_json::json;

/// The people of a stream whose last fields are remembered. Beyond that all are forgotten, and reported once more.
const MAX_PEOPLE: usize = 1024;

/// The changes of a person's fields that are reported as they come. A field that counts packets differs in each of them.
const FIRST_CHANGES: u32 = 16;

/// The least time between two later reports of a person's fields.
const REPORT_EVERY: Duration = Duration::from_secs(1);

/// The last fields of each person's packets.
#[derive(Debug, Default)]
pub(crate) struct PacketFields(BTreeMap<(Medium, Option<UserId>, Option<ChannelId>), Reported>);

/// What was reported last of a person's fields.
#[derive(Debug, Default)]
struct Reported {
    fields: Extra,
    at: UnixMillis,
    changes: u32,
}

impl PacketFields {
    /// Returns what a packet that came at this time has beyond the documented fields; none if that is what the packet
    /// before it had.
    pub(crate) fn news(&mut self, medium: Medium, data: &MediaData, at: UnixMillis) -> Option<Note> {
        if data.extra.is_empty() && self.0.is_empty() {
            return None;
        }
        // A time as it was sent is a field of ours, and differs in every packet.
        let sent = data.extra.iter().filter(|(name, _)| !time::is_as_sent(name));
        let extra: Extra = sent.map(|(name, value)| (name.clone(), value.clone())).collect();
        let who = (medium, data.user_id.clone(), data.channel_id.clone());
        let known = self.0.get(&who);
        if known.map_or(extra.is_empty(), |known| known.fields == extra) {
            return None;
        }
        let changes = known.map_or(0, |known| known.changes);
        if known.is_some_and(|known| changes >= FIRST_CHANGES && at < known.at + REPORT_EVERY) {
            return None;
        }
        if self.0.len() >= MAX_PEOPLE {
            self.0.clear();
        }
        self.0.insert(who, Reported { fields: extra.clone(), at, changes: changes.saturating_add(1) });
        let mut fields = Extra::new();
        fields.insert("medium".into(), json!(medium));
        fields.extend(data.user_id.as_ref().map(|user_id| ("user_id".into(), json!(user_id))));
        fields.extend(data.user_name.as_ref().map(|user_name| ("user_name".into(), json!(user_name))));
        fields.extend(data.channel_id.as_ref().map(|channel_id| ("channel_id".into(), json!(channel_id))));
        fields.insert("timestamp".into(), json!(data.timestamp));
        fields.insert("extra".into(), extra.into());
        Some(Note { at, kind: "packet_fields".into(), fields })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn packet(user_id: u64, extra: serde_json::Value) -> MediaData {
        let serde_json::Value::Object(extra) = extra else { panic!("an object") };
        MediaData { user_id: Some(UserId::from(user_id)), extra, ..MediaData::default() }
    }

    #[test]
    fn fields_are_reported_when_they_differ_from_those_of_the_packet_before() {
        let mut fields = PacketFields::default();
        let mut told = |user_id, extra| {
            let note = fields.news(Medium::Audio, &packet(user_id, extra), UnixMillis(5))?;
            assert_eq!(
                (note.fields["medium"].clone(), note.fields["user_id"].clone()),
                (json!("audio"), json!(user_id))
            );
            note.fields.get("extra").cloned()
        };

        assert_eq!(told(1, json!({})), None);
        assert_eq!(told(1, json!({"timestamp_as_sent": 5})), None, "a field of ours");
        assert_eq!(told(1, json!({"gain": 1, "timestamp_as_sent": 6})), Some(json!({"gain": 1})));
        assert_eq!(told(1, json!({"gain": 1, "timestamp_as_sent": 7})), None);
        assert_eq!(told(2, json!({"gain": 1})), Some(json!({"gain": 1})), "another person");
        assert_eq!(told(1, json!({"gain": 2})), Some(json!({"gain": 2})));
        assert_eq!(told(1, json!({})), Some(json!({})), "they are gone");
        assert_eq!(told(1, json!({})), None);
    }

    #[test]
    fn fields_that_differ_in_every_packet_are_reported_once_a_second() {
        let mut fields = PacketFields::default();
        let mut told = Vec::new();
        for number in 0..500_u64 {
            let at = UnixMillis(20 * number);
            let news = fields.news(Medium::Audio, &packet(1, json!({ "number": number })), at);
            told.extend(news.map(|note| note.fields["extra"]["number"].clone()));
        }
        let first = u64::from(FIRST_CHANGES);
        let expected = (0..first).chain((first - 1..500).step_by(50).skip(1));
        assert_eq!(told, expected.map(Value::from).collect::<Vec<_>>());
    }

    #[test]
    fn people_without_number_do_not_fill_the_memory() {
        let mut fields = PacketFields::default();
        for user_id in 0..5_000 {
            assert!(fields.news(Medium::Video, &packet(user_id, json!({"gain": 1})), UnixMillis(5)).is_some());
            assert!(fields.0.len() <= MAX_PEOPLE);
        }
    }
}
