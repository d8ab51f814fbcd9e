//! Who is in the meeting, as far as media, transcripts and events have told.

use std::collections::BTreeMap;

use rtms_wire::{
    SmolStr,
    codes::{event_type::EventType, product::Product},
    extra::Extra,
    ids::{ChannelId, UserId},
    message::event_update::EventUpdate,
    time::UnixMillis,
};
use serde::Deserialize;

use crate::{
    manifest::{Named, Participant},
    readable::is_blank,
    who::Who,
};

/// People remembered. Webinars have more viewers, but viewers are not heard; who comes later is in `events.jsonl`.
const MAX_PEOPLE: usize = 10_000;

/// Names of one id. A meeting's ids are used again a few times at most; of more the oldest are forgotten.
const MAX_NAMES: usize = 32;

/// Everybody, with each name and its time: an id is used again by somebody else, and people are renamed.
#[derive(Debug, Default)]
pub(crate) struct People {
    names: BTreeMap<Who, Vec<Named>>,
    changed: bool,
}

impl People {
    /// Whether somebody was learnt of since the last time this was asked.
    pub(crate) fn take_changed(&mut self) -> bool {
        std::mem::take(&mut self.changed)
    }

    /// The name of somebody at a time. The first one serves for the time before it, for names come late.
    pub(crate) fn name_at(&self, who: &Who, at: UnixMillis) -> Option<SmolStr> {
        let names = self.names.get(who)?;
        let named = names.iter().rev().find(|named| named.from <= at).or_else(|| names.first())?;
        named.name.clone()
    }

    /// Somebody is there at this time, and may have a name.
    pub(crate) fn learn(&mut self, who: &Who, name: Option<&SmolStr>, at: UnixMillis) {
        if *who == Who::Everyone || (self.names.len() >= MAX_PEOPLE && !self.names.contains_key(who)) {
            return;
        }
        let is_new = !self.names.contains_key(who);
        let names = self.names.entry(who.clone()).or_default();
        let named = name.filter(|name| !is_blank(name)).is_some_and(|name| put(names, name, at));
        self.changed |= is_new || named;
    }

    /// Somebody joins: after somebody of the same id has left, they are somebody else until their name says otherwise.
    fn join(&mut self, who: &Who, name: Option<&SmolStr>, at: UnixMillis) {
        let has_name = name.is_some_and(|name| !is_blank(name));
        if let Some(names) = self.names.get_mut(who).filter(|_| !has_name)
            && names.last().is_some_and(|last| last.until.is_some_and(|left| left <= at))
        {
            names.push(Named { name: None, from: at, until: None });
            self.changed = true;
        }
        self.learn(who, name, at);
    }

    /// Somebody leaves. Media of the next one of that id may have come before the event.
    fn leave(&mut self, who: &Who, at: UnixMillis) {
        let names = self.names.get_mut(who);
        let named = names.and_then(|names| names.iter_mut().rev().find(|named| named.from <= at));
        if let Some(named) = named.filter(|named| named.until.is_none()) {
            named.until = Some(at);
            self.changed = true;
        }
    }

    /// Learns from message 6.
    pub(crate) fn learn_event(&mut self, update: &EventUpdate, product: Product, at: UnixMillis) {
        // What a number means decides what its fields do: an unknown event is kept as it came, and teaches nothing.
        if !update.event.is_known(product) {
            return;
        }
        let kind = update.event.meeting(product);
        for person in update.event.people() {
            let (who, name) = (Who::of(Some(&person.user_id), None), person.user_name.as_ref());
            if kind == Some(EventType::ParticipantJoin) {
                self.join(&who, name, at);
            } else {
                self.learn(&who, name, at);
            }
            if kind == Some(EventType::ParticipantLeave) {
                self.leave(&who, at);
            }
        }
        if let Some(party) = &update.event.participant_info {
            // The user id of a party is not the one that media carry; its channel is.
            let who = match &party.channel_id {
                Some(channel) => Who::Channel(channel.clone()),
                None => Who::of(party.user_id.as_ref(), None),
            };
            self.learn(&who, party.display_name.as_ref(), at);
        }
    }

    /// Learns from a note's fields, where they name somebody in Zoom's words.
    pub(crate) fn learn_fields(&mut self, fields: &Extra, at: UnixMillis) {
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
            let who = Who::of(person.user_id.as_ref(), person.channel_id.as_ref());
            self.learn(&who, person.user_name.as_ref(), at);
        }
    }

    /// Takes those of a manifest. Older ones have a name without its time.
    pub(crate) fn resume(&mut self, known: &[Participant], started_at: UnixMillis) {
        for person in known {
            if person.names.is_empty() {
                self.learn(&person.who, person.name.as_ref(), started_at);
            } else if self.names.len() < MAX_PEOPLE {
                self.names.insert(person.who.clone(), person.names.clone());
                self.changed = true;
            }
        }
    }

    pub(crate) fn describe(&self) -> Vec<Participant> {
        let describe = |(who, names): (&Who, &Vec<Named>)| {
            let name = names.iter().rev().find_map(|named| named.name.clone());
            let is_plain = names.len() <= 1 && names.iter().all(|named| named.until.is_none());
            let names = if is_plain { Vec::new() } else { names.clone() };
            Participant { who: who.clone(), name, names }
        };
        self.names.iter().map(describe).collect()
    }
}

/// Puts a name among those of an id, in order of time. Whether that changed what is known.
fn put(names: &mut Vec<Named>, name: &SmolStr, at: UnixMillis) -> bool {
    let place = names.partition_point(|named| named.from <= at);
    let is_it = |named: &Named| named.name.as_ref() == Some(name);
    if let Some(now) = place.checked_sub(1).and_then(|last| names.get_mut(last)) {
        if is_it(now) {
            // Back again.
            return now.until.take_if(|until| *until <= at).is_some();
        }
        if now.name.is_none() {
            now.name = Some(name.clone());
            return true;
        }
    }
    if let Some(next) = names.get_mut(place).filter(|next| is_it(next)) {
        // It came earlier than was known.
        next.from = at;
        return false;
    }
    names.insert(place, Named { name: Some(name.clone()), from: at, until: None });
    if names.len() > MAX_NAMES {
        names.remove(0);
    }
    true
}

#[cfg(test)]
mod tests {
    use super::{MAX_NAMES, MAX_PEOPLE, People};
    use crate::who::Who;
    use rtms_wire::{SmolStr, time::UnixMillis};

    fn learn(people: &mut People, name: &str, at: u64) {
        people.learn(&Who::User(1.into()), Some(&SmolStr::new(name)), UnixMillis(at));
    }

    fn at(people: &People, at: u64) -> String {
        people.name_at(&Who::User(1.into()), UnixMillis(at)).map(String::from).unwrap_or_default()
    }

    #[test]
    fn people_have_a_bound_and_names_of_those_inside_still_change() {
        let mut people = People::default();
        for user in 0..=MAX_PEOPLE as u64 {
            people.learn(&Who::User(user.into()), None, UnixMillis(5));
        }
        assert_eq!(people.describe().len(), MAX_PEOPLE);
        learn(&mut people, "Ines", 5);
        assert_eq!(at(&people, 5), "Ines");
        assert!(people.take_changed() && !people.take_changed());
    }

    #[test]
    fn a_name_holds_from_its_time_to_the_next_and_the_first_also_before() {
        let mut people = People::default();
        learn(&mut people, "Ines", 100);
        learn(&mut people, "Bo", 300);
        // Sound that was caught up, in no order.
        learn(&mut people, "Ines", 200);
        learn(&mut people, "Bo", 290);
        learn(&mut people, "\u{200b} ", 400);
        assert_eq!([0, 100, 289, 290, 900].map(|time| at(&people, time)), ["Ines", "Ines", "Ines", "Bo", "Bo"]);
        let described = people.describe();
        assert_eq!((described[0].name.as_deref(), described[0].names.len()), (Some("Bo"), 2));

        let mut resumed = People::default();
        resumed.resume(&described, UnixMillis(0));
        assert_eq!(resumed.describe(), described);
    }

    #[test]
    fn who_comes_under_the_id_of_somebody_who_left_is_somebody_else() {
        let (mut people, who) = (People::default(), Who::User(1.into()));
        people.join(&who, Some(&"Ines".into()), UnixMillis(100));
        people.leave(&who, UnixMillis(200));
        people.join(&who, None, UnixMillis(300));
        assert_eq!([250, 350].map(|time| at(&people, time)), ["Ines", ""]);
        learn(&mut people, "Bo", 320);
        assert_eq!([250, 310].map(|time| at(&people, time)), ["Ines", "Bo"]);
        // The next one is heard before the event says that they left.
        learn(&mut people, "Cy", 410);
        people.leave(&who, UnixMillis(400));
        people.leave(&who, UnixMillis(450));
        learn(&mut people, "Bo", 500);
        people.leave(&who, UnixMillis(600));
        people.join(&who, Some(&"Bo".into()), UnixMillis(700));
        let names = people.describe().remove(0).names;
        let until: Vec<_> = names.iter().map(|named| named.until.map_or(0, |until| until.0)).collect();
        assert_eq!(until, [200, 400, 450, 0]);
    }

    #[test]
    fn names_of_one_id_have_a_bound() {
        let mut people = People::default();
        for turn in 0..10_000 {
            learn(&mut people, if turn % 2 == 0 { "Ines" } else { "Bo" }, turn);
        }
        assert_eq!(people.describe()[0].names.len(), MAX_NAMES);
        assert_eq!(at(&people, 9_999), "Bo");
    }
}
