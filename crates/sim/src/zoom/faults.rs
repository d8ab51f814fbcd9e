//! What goes wrong with the servers: incidents that are to come, requests that are to be refused, which server is up.

use std::{ops::Range, time::Duration};

use rtms_wire::time::UnixMillis;

use crate::{
    config::{Server, ZoomConfig},
    fault::{Answer, Incident, Refused, Request, Trouble},
    zoom::phase::Phase,
};

/// What goes wrong in one run.
#[derive(Debug)]
pub(super) struct Faults {
    start: UnixMillis,
    /// By time.
    incidents: Vec<Incident>,
    /// Incidents before this one have happened.
    happened: usize,
    /// Requests that are refused although they are right.
    refusals: Vec<Refused>,
    /// How many messages 7 are ignored from now on.
    ready_ignored: u32,
    /// The first server and those that a failover goes to.
    servers: Vec<Server>,
    /// Which of them is the stream's now.
    server: usize,
    /// Until when no server takes connections.
    down_until: Option<UnixMillis>,
    /// When, since the start, the client's process is gone because its operator kills it.
    client_away: Option<Range<Duration>>,
}

impl Faults {
    pub(super) fn new(config: &ZoomConfig, start: UnixMillis) -> Self {
        let mut incidents = config.incidents.clone();
        incidents.sort_by_key(|incident| incident.at);
        let first = Server { signaling_url: config.signaling_url.clone(), media_url: config.media_url.clone() };
        Self {
            start,
            incidents,
            happened: 0,
            refusals: config.temper.refusals.clone(),
            ready_ignored: config.temper.ready_ignored,
            servers: [first].into_iter().chain(config.standby.iter().cloned()).collect(),
            server: 0,
            down_until: None,
            client_away: config.client_away.clone(),
        }
    }

    /// Returns when the next incident happens; when the stream is over, only what can happen then.
    pub(super) fn next_at(&self, phase: Phase) -> Option<UnixMillis> {
        self.next(phase).map(|(_, incident)| self.start + incident.at)
    }

    /// Takes the next incident that is due.
    pub(super) fn due(&mut self, phase: Phase, now: UnixMillis) -> Option<Trouble> {
        let (index, incident) = self.next(phase).filter(|(_, incident)| self.start + incident.at <= now)?;
        let what = incident.what.clone();
        self.happened = index + 1;
        Some(what)
    }

    fn next(&self, phase: Phase) -> Option<(usize, &Incident)> {
        let mut rest = self.incidents.iter().enumerate().skip(self.happened);
        match phase {
            Phase::Announced | Phase::Joined => rest.next(),
            Phase::Ending { .. } => None,
            Phase::Ended => rest.find(|(_, incident)| incident.what.outlives_the_stream()),
        }
    }

    /// Returns what a right request gets in place of what it should, if it is to be refused.
    pub(super) fn refuse(&mut self, request: Request, now: UnixMillis) -> Option<Answer> {
        let since_start = now.since(self.start);
        let is_due = |it: &&mut Refused| it.request == request && it.times > 0 && it.after <= since_start;
        let refused = self.refusals.iter_mut().find(is_due)?;
        refused.times -= 1;
        Some(refused.answer)
    }

    /// Whether a message 7 that came now is to be ignored.
    pub(super) fn ignores_ready(&mut self) -> bool {
        let is_ignored = self.ready_ignored > 0;
        self.ready_ignored = self.ready_ignored.saturating_sub(1);
        is_ignored
    }

    /// Returns the server that is the stream's now.
    pub(super) fn server(&self) -> Server {
        match self.servers.get(self.server) {
            Some(server) => server.clone(),
            None => unreachable!("a failover goes to one of the servers"),
        }
    }

    /// Whether a server, counted from 0, is the stream's now and takes connections.
    pub(super) fn is_up(&self, server: usize, now: UnixMillis) -> bool {
        server == self.server && self.down_until.is_none_or(|until| now >= until)
    }

    /// Makes the next server the stream's.
    pub(super) fn fail_over(&mut self) {
        self.server = (self.server + 1) % self.servers.len();
    }

    /// Lets no server take connections until then.
    pub(super) fn take_down(&mut self, until: UnixMillis) {
        self.down_until = self.down_until.max(Some(until));
    }

    /// Whether a client had no fair chance to connect before this moment, because no server took connections until it,
    /// or nearly so.
    pub(super) fn was_down_until(&self, moment: UnixMillis) -> bool {
        /// What a client needs at least: it tries every few seconds.
        const FAIR: Duration = Duration::from_secs(8);
        self.down_until.is_some_and(|until| until + FAIR > moment)
    }

    /// Whether the client's process may be gone at that moment because its operator was told to kill it.
    pub(super) fn is_client_away(&self, moment: UnixMillis) -> bool {
        /// An operator who kills it by hand needs a while.
        const BY_HAND: Duration = Duration::from_secs(5);
        self.client_away.as_ref().is_some_and(|away| {
            let since_start = moment.since(self.start);
            (away.start.saturating_sub(BY_HAND)..away.end.saturating_add(BY_HAND)).contains(&since_start)
        })
    }

    /// Returns when the client's process is there again, if it may have been gone at that moment for that reason.
    pub(super) fn client_back_after(&self, moment: UnixMillis) -> Option<UnixMillis> {
        let away = self.client_away.as_ref().filter(|_| self.is_client_away(moment))?;
        Some(self.start + away.end)
    }
}
