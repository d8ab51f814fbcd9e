//! Planted bugs: each perverts what goes into the machine or comes out of it, as a machine with that bug would.

use std::{collections::VecDeque, time::Duration};

use rtms_sim::world::{FromClient, Link, ToClient};
use rtms_wire::time::UnixMillis;

use crate::{
    watch::msg_type,
    world::{Gateway, log::Log},
};

/// What is wrong with the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Mutation {
    /// Message 7 is not said again once a media connection was lost.
    NotReadyAgain,
    /// A newer start webhook is not read.
    FailoverIgnored,
    /// Every failure gives the window more time.
    DeadlineMoves,
    /// The machine's clock runs ahead while something is lost, so that it gives up too soon.
    GivesUpEarly,
    /// Every 50th packet is lost inside.
    PacketsLost,
    /// Now and then a packet is told twice.
    PacketsTwice,
    /// State 4 and the stop webhook are not understood, and what is lost is dialed again.
    EndIgnored,
    /// The stop webhook is not read.
    StopIgnored,
    /// Keep-alive requests are answered five seconds later.
    KeepAliveLate,
    /// Keep-alive requests on media connections are not answered.
    KeepAliveMissing,
    /// Signaling is dialed twice.
    SignalingTwice,
    /// A connection that is left is not closed.
    NotClosed,
    /// Events are subscribed to on the first signaling connection only.
    NotSubscribedAgain,
    /// The interrupted medium is not dialed again.
    MediaNotDialed,
    /// An end of the stream is told twice.
    EndedTwice,
    /// How the stream ended is not in the store when the process starts again.
    EndNotWritten,
}

impl Mutation {
    pub(crate) const ALL: [Self; 16] = [
        Self::NotReadyAgain,
        Self::FailoverIgnored,
        Self::DeadlineMoves,
        Self::GivesUpEarly,
        Self::PacketsLost,
        Self::PacketsTwice,
        Self::EndIgnored,
        Self::StopIgnored,
        Self::KeepAliveLate,
        Self::KeepAliveMissing,
        Self::SignalingTwice,
        Self::NotClosed,
        Self::NotSubscribedAgain,
        Self::MediaNotDialed,
        Self::EndedTwice,
        Self::EndNotWritten,
    ];
}

/// The bug at work; without one, everything passes.
#[derive(Debug)]
pub(crate) struct Mutant {
    mutation: Option<Mutation>,
    /// Starts that were read, connections that were lost, packets that came, subscriptions, second dials.
    starts: u32,
    losses: u32,
    packets: u32,
    subscriptions: u32,
    extra_links: u64,
    media_dials: u32,
    /// What is said later.
    later: VecDeque<(UnixMillis, FromClient)>,
    /// How far the machine's clock is behind or ahead of the world's.
    behind: Duration,
    ahead: Duration,
    was: UnixMillis,
    told: usize,
    endings: usize,
}

impl Mutant {
    pub(crate) fn new(mutation: Option<Mutation>) -> Self {
        Self {
            mutation,
            starts: 0,
            losses: 0,
            packets: 0,
            subscriptions: 0,
            extra_links: 0,
            media_dials: 0,
            later: VecDeque::new(),
            behind: Duration::ZERO,
            ahead: Duration::ZERO,
            was: UnixMillis(0),
            told: 0,
            endings: 0,
        }
    }

    fn is(&self, mutation: Mutation) -> bool {
        self.mutation == Some(mutation)
    }

    pub(crate) fn killed(&mut self, gateway: &mut Gateway) {
        self.later.clear();
        if self.is(Mutation::EndNotWritten) {
            gateway.forget_the_end();
        }
    }

    /// The machine's time.
    pub(crate) fn time(&mut self, now: UnixMillis) -> UnixMillis {
        if self.mutation.is_none() {
            return now;
        }
        let behind = u64::try_from(self.behind.as_millis()).unwrap_or(0);
        self.was = self.was.max(UnixMillis(now.0.saturating_sub(behind)) + self.ahead);
        self.was
    }

    /// The world's time of one of the machine's.
    pub(crate) fn time_back(&self, at: UnixMillis, now: UnixMillis) -> UnixMillis {
        if self.behind.is_zero() && self.ahead.is_zero() {
            return at;
        }
        let ahead = u64::try_from(self.ahead.as_millis()).unwrap_or(0);
        // Its clock may say that something is overdue that the world's does not know of yet.
        (UnixMillis(at.0.saturating_sub(ahead)) + self.behind).max(now + Duration::from_millis(1))
    }

    pub(crate) fn next_deadline(&self) -> Option<UnixMillis> {
        self.later.front().map(|(at, _)| *at)
    }

    /// What the machine does only now.
    pub(crate) fn late(&mut self, now: UnixMillis) -> Vec<FromClient> {
        let mut late = Vec::new();
        while let Some((_, done)) = self.later.pop_front_if(|(at, _)| *at <= now) {
            late.push(done);
        }
        late
    }

    /// What the machine hears of what happens.
    pub(crate) fn heard(&mut self, event: ToClient, _now: UnixMillis) -> Vec<ToClient> {
        let lost = matches!(event, ToClient::Refused(..) | ToClient::Closed(_) | ToClient::Cut(_));
        if lost {
            self.losses += 1;
            if self.is(Mutation::DeadlineMoves) {
                self.behind += Duration::from_secs(4);
            }
            if self.is(Mutation::GivesUpEarly) {
                self.ahead += Duration::from_secs(20);
            }
        }
        let dropped = match &event {
            ToClient::Webhook(post) if post.event.ends_with("rtms_started") => {
                self.starts += 1;
                self.is(Mutation::FailoverIgnored) && self.starts > 1
            }
            ToClient::Webhook(post) if post.event.ends_with("rtms_stopped") => {
                self.is(Mutation::StopIgnored) || self.is(Mutation::EndIgnored)
            }
            ToClient::Message(_, payload) => match msg_type(payload) {
                Some(14..=18) => {
                    self.packets += 1;
                    self.is(Mutation::PacketsLost) && self.packets.is_multiple_of(50)
                }
                Some(8) => {
                    let text = String::from_utf8_lossy(payload);
                    self.is(Mutation::EndIgnored) && (text.contains("\"state\":4") || text.contains("\"state\":3"))
                }
                Some(12) => false,
                _ => false,
            },
            _ => false,
        };
        if dropped { Vec::new() } else { vec![event] }
    }

    /// What the machine does.
    pub(crate) fn did(&mut self, done: FromClient, now: UnixMillis) -> Vec<FromClient> {
        let said = if let FromClient::Send(_, text) = &done { msg_type(text.as_bytes()) } else { None };
        match (&done, said) {
            (FromClient::Send(..), Some(7)) if self.is(Mutation::NotReadyAgain) && self.losses > 0 => Vec::new(),
            (FromClient::Send(..), Some(5)) => {
                self.subscriptions += 1;
                if self.is(Mutation::NotSubscribedAgain) && self.subscriptions > 1 { Vec::new() } else { vec![done] }
            }
            (FromClient::Send(..), Some(13)) if self.is(Mutation::KeepAliveLate) => {
                self.later.push_back((now + Duration::from_secs(5), done));
                Vec::new()
            }
            (FromClient::Send(..), Some(13)) if self.is(Mutation::KeepAliveMissing) => Vec::new(),
            (FromClient::Dial(_, url), _) if self.is(Mutation::SignalingTwice) && url.contains("/signaling") => {
                self.extra_links += 1;
                let extra = FromClient::Dial(Link(u64::MAX - self.extra_links), url.clone());
                vec![done, extra]
            }
            (FromClient::Dial(_, url), _) if self.is(Mutation::MediaNotDialed) && url.contains("/media") => {
                self.media_dials += 1;
                if self.media_dials > 5 { Vec::new() } else { vec![done] }
            }
            (FromClient::Close(_), _) if self.is(Mutation::NotClosed) => Vec::new(),
            _ => vec![done],
        }
    }

    /// What the application is told.
    pub(crate) fn told(&mut self, log: &mut Log) {
        if self.is(Mutation::PacketsTwice) && log.delivered.len() >= self.told + 60 {
            self.told = log.delivered.len();
            log.delivered.extend(log.delivered.last().cloned());
        }
        if self.is(Mutation::EndedTwice) && log.endings.len() > self.endings {
            log.endings.extend(log.endings.last().cloned());
            self.endings = log.endings.len();
        }
    }
}
