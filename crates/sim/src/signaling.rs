//! Zoom's side of a signaling connection: what it says there, and which events were asked for.

use std::collections::BTreeSet;

use rtms_wire::{
    codes::{
        chat::ChatGroupType,
        event_type::{EventType, VoiceEventType},
        product::Product,
    },
    extra::Extra,
    ids::ChannelId,
    message::{
        Message,
        event_subscription::EventChange,
        event_update::{EventBody, EventUpdate, Participant, VoiceParticipant},
    },
    time::UnixMillis,
};
use serde_json::json;

use crate::{
    findings::mistake::Mistake,
    meeting::{groups::GroupChange, happening::Change, story::Meeting},
};

/// A signaling connection whose handshake succeeded.
#[derive(Clone, Debug, Default)]
pub(crate) struct Signaling {
    subscribed: BTreeSet<i64>,
}

impl Signaling {
    /// Changes one subscription; each entry of message 5 changes one event and leaves the others.
    ///
    /// `Ok(true)` if it is newly on.
    pub(crate) fn subscribe(&mut self, product: Product, change: EventChange) -> Result<bool, Mistake> {
        let refuse = |why| Err(Mistake::BadSubscription { event_type: change.event_type, why });
        let known = if product.has_voice_events() {
            // 30 to 34 exist without names. 2 to 4 do not exist here, but Zoom's SDK asks for them whatever the product
            // is.
            matches!(change.event_type, 2..=4 | 8..=34)
        } else {
            match EventType::from_code(change.event_type) {
                EventType::FirstPacketTimestamp | EventType::MediaConnectionInterrupted => {
                    return Err(Mistake::SubscribedToAutomatic { event_type: change.event_type });
                }
                EventType::Undefined | EventType::Unknown(_) => false,
                EventType::ActiveSpeakerChange
                | EventType::ParticipantJoin
                | EventType::ParticipantLeave
                | EventType::SharingStart
                | EventType::SharingStop
                | EventType::ParticipantVideoOn
                | EventType::ParticipantVideoOff
                | EventType::ChatGroupCreate
                | EventType::ChatGroupDelete
                | EventType::ChatGroupMembersAdd
                | EventType::ChatGroupMembersDelete
                | EventType::ChatGroupMemberStatusUpdate => true,
            }
        };
        if !known {
            return refuse("there is no such event");
        }
        if change.subscribe {
            Ok(self.subscribed.insert(change.event_type))
        } else {
            self.subscribed.remove(&change.event_type);
            Ok(false)
        }
    }

    pub(crate) fn wants(&self, event_type: i64) -> bool {
        self.subscribed.contains(&event_type)
    }
}

/// Event 1: time zero of the stream.
pub(crate) fn first_packet(timestamp: UnixMillis) -> EventBody {
    event(EventType::FirstPacketTimestamp, timestamp)
}

/// Event 7: a media connection is lost. Which one is documented to be told, in a field that is not.
pub(crate) fn media_interrupted(timestamp: UnixMillis) -> EventBody {
    event(EventType::MediaConnectionInterrupted, timestamp)
}

/// The event that a change in the meeting is told by; none where the product has no words for it.
pub(crate) fn change(product: Product, meeting: &Meeting, what: Change, at: UnixMillis) -> Option<EventBody> {
    match product {
        Product::Meeting | Product::Webinar | Product::Session => meeting_change(product, meeting, what, at),
        Product::ContactCenter => voice_change(meeting, what, at),
        Product::Phone => phone_change(what, at),
    }
}

/// Who is there, as the first event 3 after a subscription tells; in the Contact Center one event a party.
pub(crate) fn present(
    product: Product,
    meeting: &Meeting,
    event_type: i64,
    now_ms: u64,
    at: UnixMillis,
) -> Vec<EventBody> {
    let there = || meeting.participants.iter().enumerate().filter(|(_, who)| who.is_present(now_ms));
    match product {
        Product::Meeting | Product::Webinar | Product::Session => match EventType::from_code(event_type) {
            EventType::ParticipantJoin => {
                let participants = there().map(|(index, _)| person(meeting, index, true)).collect();
                vec![EventBody { participants, ..event(EventType::ParticipantJoin, at) }]
            }
            // Whether Zoom lists the cameras that are on is not documented; without it nobody could choose one.
            EventType::ParticipantVideoOn => {
                let participants: Vec<_> = there()
                    .filter(|(_, who)| who.camera_is_on(now_ms))
                    .map(|(index, _)| person(meeting, index, false))
                    .collect();
                let on = EventBody { participants, ..event(EventType::ParticipantVideoOn, at) };
                if on.participants.is_empty() { Vec::new() } else { vec![on] }
            }
            EventType::Undefined
            | EventType::FirstPacketTimestamp
            | EventType::ActiveSpeakerChange
            | EventType::ParticipantLeave
            | EventType::SharingStart
            | EventType::SharingStop
            | EventType::MediaConnectionInterrupted
            | EventType::ParticipantVideoOff
            | EventType::ChatGroupCreate
            | EventType::ChatGroupDelete
            | EventType::ChatGroupMembersAdd
            | EventType::ChatGroupMembersDelete
            | EventType::ChatGroupMemberStatusUpdate
            | EventType::Unknown(_) => Vec::new(),
        },
        Product::ContactCenter => there()
            .filter_map(|(index, _)| voice_change(meeting, Change::Join(index), at))
            .filter(|body| body.event_type == Some(event_type))
            .collect(),
        Product::Phone => Vec::new(),
    }
}

fn meeting_change(product: Product, meeting: &Meeting, what: Change, at: UnixMillis) -> Option<EventBody> {
    let one = |kind, index| {
        let who = person(meeting, index, true);
        EventBody { user_id: Some(who.user_id), user_name: who.user_name, ..event(kind, at) }
    };
    let list = |kind, index, named| EventBody { participants: vec![person(meeting, index, named)], ..event(kind, at) };
    match what {
        Change::Join(index) => Some(list(EventType::ParticipantJoin, index, true)),
        Change::Leave(index) => Some(list(EventType::ParticipantLeave, index, false)),
        Change::CameraOn(index) => Some(list(EventType::ParticipantVideoOn, index, false)),
        Change::CameraOff(index) => Some(list(EventType::ParticipantVideoOff, index, false)),
        Change::ActiveSpeaker(index) => Some(one(EventType::ActiveSpeakerChange, index)),
        Change::SharingStart(index) => Some(one(EventType::SharingStart, index)),
        Change::SharingStop(_) => Some(event(EventType::SharingStop, at)),
        // Chat is for meetings and webinars. Basis: documented.
        Change::ChatGroup(_) if product == Product::Session => None,
        Change::ChatGroup(index) => {
            meeting.group_changes.get(index).map(|change| chat_group_change(meeting, change, at))
        }
        Change::Call(_) => None,
    }
}

/// Events 10 to 14. That the lists are there is documented; what is in them is known from vendor code alone.
fn chat_group_change(meeting: &Meeting, change: &GroupChange, at: UnixMillis) -> EventBody {
    let created = change.event == EventType::ChatGroupCreate;
    let tells_status = created || change.event == EventType::ChatGroupMemberStatusUpdate;
    let tells_name = created || change.event == EventType::ChatGroupMembersAdd;
    let members = change.members.iter().map(|(index, status)| {
        let mut member = person(meeting, *index, tells_name);
        if tells_status {
            member.extra.insert("status".into(), status.code().into());
        }
        json!(member)
    });
    let mut group = json!({"id": change.id});
    if created {
        group["type"] = ChatGroupType::PrivateChatGroup.code().into();
        group["name"] = change.name.into();
    }
    if change.event != EventType::ChatGroupDelete {
        group["members"] = members.collect();
    }
    let groups = Some(json!([group]));
    let told = event(change.event, at);
    match change.event {
        EventType::ChatGroupMembersAdd | EventType::ChatGroupMembersDelete => {
            EventBody { members_update_list: groups, ..told }
        }
        EventType::ChatGroupMemberStatusUpdate => EventBody { member_status_update_list: groups, ..told },
        EventType::ChatGroupCreate
        | EventType::ChatGroupDelete
        | EventType::Undefined
        | EventType::FirstPacketTimestamp
        | EventType::ActiveSpeakerChange
        | EventType::ParticipantJoin
        | EventType::ParticipantLeave
        | EventType::SharingStart
        | EventType::SharingStop
        | EventType::MediaConnectionInterrupted
        | EventType::ParticipantVideoOn
        | EventType::ParticipantVideoOff
        | EventType::Unknown(_) => EventBody { chat_groups: groups, ..told },
    }
}

/// In a call the first party is the customer, all others are agents.
fn voice_change(meeting: &Meeting, what: Change, at: UnixMillis) -> Option<EventBody> {
    let (kind, index) = match what {
        Change::Join(0) => (VoiceEventType::ConsumerAnswered, 0),
        Change::Leave(0) => (VoiceEventType::ConsumerEnd, 0),
        Change::Join(index) => (VoiceEventType::UserAnswered, index),
        Change::Leave(index) => (VoiceEventType::UserEnd, index),
        Change::Call(step) => meeting.call.get(step).map(|step| (step.event, step.party))?,
        Change::CameraOn(_)
        | Change::CameraOff(_)
        | Change::ActiveSpeaker(_)
        | Change::SharingStart(_)
        | Change::SharingStop(_)
        | Change::ChatGroup(_) => return None,
    };
    let who = meeting.participants.get(index)?;
    let mut extra = Extra::new();
    extra.insert("queue_id".into(), "q_sim".into());
    extra.insert("queue_name".into(), "Simulated queue".into());
    extra.insert("account_id".into(), "acc_sim".into());
    extra.insert("division_id".into(), "div_sim".into());
    let is_customer = index == 0;
    if is_customer {
        extra.insert("phone_number".into(), "+442079460123".into());
    }
    let id = if is_customer { format!("contact_{index}") } else { format!("agent_{index}") };
    Some(EventBody {
        event_type: Some(kind.code()),
        event_ts: Some(at),
        participant_info: Some(VoiceParticipant {
            channel_id: Some(channel_id(index)).filter(|_| kind != VoiceEventType::ConsumerEnd),
            participant_mode: Some(if is_customer { "caller" } else { "callee" }.into()),
            user_id: Some(rtms_wire::ids::UserId::new(id)),
            display_name: Some(who.name.as_str().into()),
            extra,
        }),
        ..EventBody::default()
    })
}

/// A call event of Phone. They have an `event_code` alone, and neither its numbers nor other fields are published: all
/// but the name of the code is ours.
fn phone_change(what: Change, at: UnixMillis) -> Option<EventBody> {
    let (code, index) = match what {
        Change::Join(index) => (910_001, index),
        Change::Leave(index) => (910_002, index),
        Change::Call(_)
        | Change::CameraOn(_)
        | Change::CameraOff(_)
        | Change::ActiveSpeaker(_)
        | Change::SharingStart(_)
        | Change::SharingStop(_)
        | Change::ChatGroup(_) => return None,
    };
    let extra = Extra::from_iter([("channel_id".to_owned(), json!(phone_channel_id(index)))]);
    Some(EventBody { event_code: Some(json!(code)), timestamp: Some(at), extra, ..EventBody::default() })
}

/// The channel of a party of a Contact Center call, which its media is named by.
pub(crate) fn channel_id(index: usize) -> ChannelId {
    ChannelId::new(format!("ch-{index}"))
}

/// Which of the two parties of a Phone call somebody is: the first, or all at the other end of the line.
pub(crate) fn phone_party(index: usize) -> usize {
    index.min(1)
}

/// The channel of a party of a Phone call, which its sound is named by.
pub(crate) fn phone_channel_id(index: usize) -> ChannelId {
    ChannelId::new(phone_party(index).to_string())
}

/// Message 6 around an event.
pub(crate) fn event_update(event: EventBody) -> Message {
    Message::EventUpdate(EventUpdate { event, extra: Extra::new() })
}

fn event(kind: EventType, timestamp: UnixMillis) -> EventBody {
    EventBody { event_type: Some(kind.code()), timestamp: Some(timestamp), ..EventBody::default() }
}

fn person(meeting: &Meeting, index: usize, named: bool) -> Participant {
    let who = meeting.participants.get(index);
    Participant {
        user_id: who.map(|who| who.user_id.clone()).unwrap_or_default(),
        user_name: who.filter(|_| named).map(|who| who.name.as_str().into()),
        extra: Extra::new(),
    }
}
