//! Which entries of the inbox are taken, for engines that one process has.

use std::{collections::BTreeMap, time::Duration};

use rtms_wire::time::UnixMillis;

use crate::entry::EntryId;

/// The entries that are taken, each until when and how often it was.
#[derive(Debug, Default)]
pub(crate) struct Takes(BTreeMap<EntryId, (UnixMillis, u32)>);

impl Takes {
    /// Takes an entry that is pending, unless somebody has it. Returns how often it was taken then.
    pub(crate) fn take(&mut self, id: EntryId, term: Duration, now: UnixMillis) -> Option<u32> {
        let (until, deliveries) = self.0.entry(id).or_default();
        // A clock that was set back must not leave an entry to nobody.
        let is_taken = *until > now && *until <= now + term;
        if is_taken {
            return None;
        }
        (*until, *deliveries) = (now + term, *deliveries + 1);
        Some(*deliveries)
    }

    /// Frees an entry. How often it was taken is still known.
    pub(crate) fn put_back(&mut self, id: EntryId) {
        if let Some((until, _)) = self.0.get_mut(&id) {
            *until = UnixMillis::default();
        }
    }

    /// Forgets an entry that is settled.
    pub(crate) fn settled(&mut self, id: EntryId) {
        self.0.remove(&id);
    }

    /// How many entries are taken: so many of the oldest need not be looked at for free ones.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }
}
