//! The client as the world meets it: webhooks are read when the plan says, a mutation may pervert what goes in and out, and
//! the watch sees both.

use std::collections::{BTreeMap, VecDeque};

use rtms_sim::{
    plan::Post,
    webhook::WebhookPost,
    world::{Client, FromClient, ToClient},
};
use rtms_wire::time::UnixMillis;

use crate::{
    mutation::{Mutant, Mutation},
    watch::Watch,
    world::Gateway,
};

/// The client, with all that is around it.
pub(crate) struct Rig {
    pub(crate) gateway: Gateway,
    pub(crate) watch: Watch,
    mutant: Mutant,
    post: Post,
    /// Webhooks that came and are not read yet.
    inbox: BTreeMap<(UnixMillis, u64), WebhookPost>,
    arrived: u64,
    did: VecDeque<FromClient>,
    now: UnixMillis,
}

impl Rig {
    pub(crate) fn new(gateway: Gateway, watch: Watch, post: Post, mutation: Option<Mutation>, now: UnixMillis) -> Self {
        let mutant = Mutant::new(mutation);
        Self { gateway, watch, mutant, post, inbox: BTreeMap::new(), arrived: 0, did: VecDeque::new(), now }
    }

    /// Whether nothing is to be read or done any more. A process that was killed starts again.
    pub(crate) fn is_idle(&self) -> bool {
        self.is_alive() && self.inbox.is_empty() && self.gateway.stream().is_none()
    }

    /// Its process was killed.
    pub(crate) fn killed(&mut self, now: UnixMillis) {
        self.gateway.killed(now);
        self.watch.killed(self.gateway.has_open_wish(), now);
        self.mutant.killed(&mut self.gateway);
    }

    fn is_alive(&self) -> bool {
        self.gateway.log.kills.len() == self.gateway.log.restarts.len()
    }

    /// Puts a webhook into the inbox and answers it. A process that is not there answers nothing.
    fn take(&mut self, post: WebhookPost, now: UnixMillis) {
        if !self.is_alive() {
            return self.did.push_back(FromClient::Answer(post.id, 503));
        }
        self.did.push_back(FromClient::Answer(post.id, 200));
        let number = self.arrived;
        self.arrived += 1;
        let late = usize::try_from(number).ok().and_then(|number| self.post.late.get(number).copied());
        let mut at = now + late.unwrap_or_default();
        if post.event.ends_with("rtms_stopped") {
            at = at + self.post.stop_late;
        }
        self.inbox.insert((at, number), post);
    }

    /// Reads what is due.
    fn read(&mut self, now: UnixMillis) {
        while self.is_alive()
            && let Some(entry) = self.inbox.first_entry().filter(|entry| entry.key().0 <= now)
        {
            let post = entry.remove();
            self.give(ToClient::Webhook(post), now);
        }
    }

    fn gateway_deadline(&self) -> Option<UnixMillis> {
        self.gateway.next_deadline().map(|at| self.mutant.time_back(at, self.now))
    }

    fn give(&mut self, event: ToClient, now: UnixMillis) {
        if !self.is_alive() {
            self.gateway.handle(event, now);
            // It may just have started again.
            return self.listen(now);
        }
        let (ran, told) = (self.gateway.stream().is_some(), self.gateway.log.delivered.len());
        self.watch.heard(&event, ran, now);
        let link = if let ToClient::Message(link, _) = &event { Some(*link) } else { None };
        for event in self.mutant.heard(event, now) {
            let now = self.mutant.time(now);
            self.gateway.handle(event, now);
        }
        if let Some(link) = link.filter(|_| self.gateway.stream().is_none() && self.gateway.log.delivered.len() == told)
        {
            self.watch.too_late(link);
        }
        self.listen(now);
        self.mutant.told(&mut self.gateway.log);
    }

    /// Takes what the client does.
    fn listen(&mut self, now: UnixMillis) {
        self.watch.told(&self.gateway, now);
        while let Some(done) = self.gateway.poll() {
            // Webhooks were answered when they came.
            if matches!(done, FromClient::Answer(..)) {
                continue;
            }
            for done in self.mutant.did(done, now) {
                self.watch.did(&done, &self.gateway.log, now);
                self.did.push_back(done);
            }
        }
        self.watch.done(&self.gateway, now);
    }
}

impl Client for Rig {
    fn handle(&mut self, event: ToClient, now: UnixMillis) {
        self.now = now;
        self.watch.time(now);
        for done in self.mutant.late(now) {
            self.watch.did(&done, &self.gateway.log, now);
            self.did.push_back(done);
        }
        // What is due in this very moment comes before what is read in it: the machine sees to that, too.
        if self.gateway_deadline().is_some_and(|at| at <= now) {
            self.give(ToClient::Time, now);
        }
        self.read(now);
        match event {
            ToClient::Webhook(post) => {
                self.take(post, now);
                self.read(now);
            }
            event => self.give(event, now),
        }
        self.read(now);
    }

    fn poll(&mut self) -> Option<FromClient> {
        self.did.pop_front()
    }

    fn next_deadline(&self) -> Option<UnixMillis> {
        let inbox = self.inbox.first_key_value().map(|((at, _), _)| *at).filter(|_| self.is_alive());
        self.gateway_deadline().into_iter().chain(inbox).chain(self.mutant.next_deadline()).min()
    }
}
