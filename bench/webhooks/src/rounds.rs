//! One measurement, and the medians of several.

use crate::{
    figures::{Figures, median},
    servers::{Stored, Which},
};

/// Connections at a time.
pub(crate) const CONNECTIONS: [usize; 5] = [1, 8, 16, 64, 256];

/// One measurement of one receiver with so many connections.
pub(crate) struct Round {
    pub(crate) figures: Figures,
    /// CPU time for each answer in microseconds, of receiver and generator. None where the system does not say.
    pub(crate) cpu_micros: Option<(f64, f64)>,
    /// What the store did meanwhile; only ours has one.
    pub(crate) stored: Option<Stored>,
}

/// The measurements of one receiver with so many connections. What is asked of it is the median.
pub(crate) struct Row {
    pub(crate) which: Which,
    pub(crate) connections: usize,
    pub(crate) rounds: Vec<Round>,
}

impl Row {
    pub(crate) fn per_second(&self) -> f64 {
        self.median(|round| round.figures.per_second())
    }

    /// The slowest and the fastest round.
    pub(crate) fn per_second_range(&self) -> (f64, f64) {
        let all = || self.rounds.iter().map(|round| round.figures.per_second());
        (all().fold(f64::INFINITY, f64::min), all().fold(0.0, f64::max))
    }

    /// The seconds within which so many of a thousand answers came.
    pub(crate) fn permille(&self, permille: usize) -> f64 {
        self.median(|round| round.figures.permille(permille).as_secs_f64())
    }

    /// CPU time for each answer in microseconds, of receiver and generator.
    pub(crate) fn cpu_micros(&self) -> Option<(f64, f64)> {
        let all: Option<Vec<_>> = self.rounds.iter().map(|round| round.cpu_micros).collect();
        let all = all?;
        Some((median(all.iter().map(|(receiver, _)| *receiver)), median(all.iter().map(|(_, generator)| *generator))))
    }

    /// Syncs of the disk for each webhook, those of folding included.
    pub(crate) fn syncs(&self) -> Option<f64> {
        self.stored_share(|stored| stored.syncs)
    }

    /// How much of what was stored was folded by the end of the round.
    pub(crate) fn folded(&self) -> Option<f64> {
        self.stored_share(|stored| stored.folded)
    }

    pub(crate) fn refused(&self) -> usize {
        self.rounds.iter().map(|round| round.figures.refused.len()).sum()
    }

    pub(crate) fn unanswered(&self) -> usize {
        self.rounds.iter().map(|round| round.figures.unanswered).sum()
    }

    fn median(&self, figure: impl Fn(&Round) -> f64) -> f64 {
        median(self.rounds.iter().map(figure))
    }

    fn stored_share(&self, count: impl Fn(&Stored) -> u64) -> Option<f64> {
        let all: Option<Vec<_>> = self.rounds.iter().map(|round| round.stored.as_ref()).collect();
        Some(median(all?.into_iter().map(|stored| count(stored) as f64 / stored.appends.max(1) as f64)))
    }
}

impl std::fmt::Display for Round {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.figures.fmt(f)?;
        if let Some((receiver, generator)) = self.cpu_micros {
            write!(f, ", CPU {receiver:.0} µs (generator {generator:.0} µs)")?;
        }
        match self.stored {
            Some(Stored { appends, syncs, folded }) => {
                write!(f, ", {appends} stored with {syncs} syncs, {folded} folded")
            }
            None => Ok(()),
        }
    }
}
