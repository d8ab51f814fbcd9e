//! Who is in the meeting, as far as media, transcripts and events have told.

use std::collections::BTreeMap;

use rtms_wire::{
    SmolStr,
    ids::{ChannelId, UserId},
    message::{Extra, event_update::EventUpdate},
};
use serde::Deserialize;

use crate::{input::Who, manifest::Participant};

/// People remembered. Webinars have more viewers, but viewers are not heard; who comes later is in `events.jsonl`.
const MAX_PEOPLE: usize = 10_000;

/// Everybody, with the last name given.
#[derive(Debug, Default)]
pub(crate) struct People {
    names: BTreeMap<Who, Option<SmolStr>>,
    changed: bool,
}

impl People {
    /// Whether somebody was learnt of since the last time this was asked.
    pub(crate) fn take_changed(&mut self) -> bool {
        std::mem::take(&mut self.changed)
    }

    pub(crate) fn name(&self, who: &Who) -> Option<SmolStr> {
        self.names.get(who).cloned().flatten()
    }

    /// Somebody is there, and may have a name.
    pub(crate) fn learn(&mut self, who: &Who, name: Option<&SmolStr>) {
        if *who == Who::Everyone {
            return;
        }
        let name = name.filter(|name| !name.is_empty());
        let has_room = self.names.len() < MAX_PEOPLE;
        match self.names.get_mut(who) {
            Some(known) if name.is_none() || known.as_ref() == name => {}
            Some(known) => {
                *known = name.cloned();
                self.changed = true;
            }
            None if has_room => {
                self.names.insert(who.clone(), name.cloned());
                self.changed = true;
            }
            None => {}
        }
    }

    /// Learns from message 6.
    pub(crate) fn learn_event(&mut self, update: &EventUpdate) {
        for person in update.event.people() {
            self.learn(&Who::of(Some(&person.user_id), None), person.user_name.as_ref());
        }
        if let Some(party) = &update.event.participant_info {
            // The user id of a party is not the one that media carry; its channel is.
            let who = match &party.channel_id {
                Some(channel) => Who::Channel(channel.clone()),
                None => Who::of(party.user_id.as_ref(), None),
            };
            self.learn(&who, party.display_name.as_ref());
        }
    }

    /// Learns from a note's fields, where they name somebody in Zoom's words.
    pub(crate) fn learn_fields(&mut self, fields: &Extra) {
        #[derive(Deserialize)]
        struct Person {
            user_id: Option<UserId>,
            channel_id: Option<ChannelId>,
            user_name: Option<SmolStr>,
        }
        let people = fields.get("participants").and_then(|list| list.as_array()).map(Vec::as_slice).unwrap_or_default();
        let people = people.iter().filter_map(|person| Person::deserialize(person).ok());
        let itself = fields.contains_key("user_id") || fields.contains_key("channel_id");
        let itself = itself.then(|| Person::deserialize(fields).ok()).flatten();
        for person in people.chain(itself) {
            self.learn(&Who::of(person.user_id.as_ref(), person.channel_id.as_ref()), person.user_name.as_ref());
        }
    }

    pub(crate) fn resume(&mut self, known: &[Participant]) {
        for person in known {
            self.learn(&person.who, person.name.as_ref());
        }
    }

    pub(crate) fn describe(&self) -> Vec<Participant> {
        self.names.iter().map(|(who, name)| Participant { who: who.clone(), name: name.clone() }).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::{MAX_PEOPLE, People};
    use crate::input::Who;
    use rtms_wire::SmolStr;

    #[test]
    fn people_have_a_bound_and_names_of_those_inside_still_change() {
        let mut people = People::default();
        for user in 0..=MAX_PEOPLE as u64 {
            people.learn(&Who::User(user.into()), None);
        }
        assert_eq!(people.describe().len(), MAX_PEOPLE);
        people.learn(&Who::User(1.into()), Some(&SmolStr::new("Ines")));
        assert_eq!(people.name(&Who::User(1.into())).as_deref(), Some("Ines"));
        assert!(people.take_changed() && !people.take_changed());
    }
}
