//! A chat group: a few people who write among themselves. It is made, grows, shrinks and goes.

use rtms_wire::codes::{chat::ChatGroupMemberStatus, event_type::EventType};

use crate::meeting::{participant::Participant, utterance::GRID_MS};

/// A change to a chat group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupChange {
    /// When it happens, in milliseconds since the stream started.
    pub at_ms: u64,
    /// Which of the events 10 to 14 tells of it.
    pub event: EventType,
    /// The group.
    pub id: String,
    /// Its name.
    pub name: &'static str,
    /// Whom it is about, as indices into the participants, and where they are afterwards.
    pub members: Vec<(usize, ChatGroupMemberStatus)>,
}

impl GroupChange {
    /// The group that people can write to at that moment.
    pub(super) fn open_at(changes: &[GroupChange], at_ms: u64) -> Option<&str> {
        let last = changes.iter().take_while(|change| change.at_ms <= at_ms).last()?;
        (last.event != EventType::ChatGroupDelete).then_some(last.id.as_str())
    }
}

/// One group in the middle of the meeting, where everybody is there who is ever there; none for somebody alone.
pub(super) fn plan(participants: &[Participant], duration_ms: u64) -> Vec<GroupChange> {
    let at = |percent: u64| duration_ms * percent / 100 / GRID_MS * GRID_MS;
    let (from, to) = (at(38), at(70));
    let mut members = (0..participants.len())
        .filter(|index| participants.get(*index).is_some_and(|who| who.is_present_all(from, to)));
    let (Some(first), Some(second)) = (members.next(), members.next()) else { return Vec::new() };
    let third = members.next();
    let here = ChatGroupMemberStatus::InChatGroup;
    let change = |percent, event, members| GroupChange {
        at_ms: at(percent),
        event,
        id: "grp-1".to_owned(),
        name: "Side talk",
        members,
    };
    let mut changes = vec![change(38, EventType::ChatGroupCreate, vec![(first, here), (second, here)])];
    if let Some(third) = third {
        changes.push(change(44, EventType::ChatGroupMembersAdd, vec![(third, here)]));
    }
    let away = ChatGroupMemberStatus::InBreakoutRoom;
    changes.push(change(50, EventType::ChatGroupMemberStatusUpdate, vec![(second, away)]));
    changes.push(change(56, EventType::ChatGroupMemberStatusUpdate, vec![(second, here)]));
    if let Some(third) = third {
        changes.push(change(62, EventType::ChatGroupMembersDelete, vec![(third, here)]));
    }
    changes.push(change(70, EventType::ChatGroupDelete, Vec::new()));
    changes
}
