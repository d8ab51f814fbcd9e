//! What a run of a stream brought and what it lost: the facts from which its last state is derived.
//!
//! Words for causes come from the caller, which knows what was received; the store keeps them as they are.

use rtms_wire::{media::medium::Medium, time::UnixMillis};
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

/// The facts of a run that has ended. Fields are only ever added.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunSummary {
    /// Whether a medium was opened, now or in an earlier run of the same stream.
    pub connected: bool,
    /// Whether Zoom refused the handshake's signature: another client secret may mend that.
    #[serde(default)]
    pub refused_signature: bool,
    /// Whether somebody here asked for its end.
    #[serde(default)]
    pub asked_to_end: bool,
    /// From when the stream is accounted for, on Zoom's clock; none if it is not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<UnixMillis>,
    /// The end of that time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<UnixMillis>,
    /// What was lost, by medium and cause; what was meant to be so is not in it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lost: Vec<Lost>,
    /// Whether it was recorded.
    #[serde(default)]
    pub recorded: Recorded,
    /// Whether it ended before Zoom stopped the stream: its account ends where the run did, until the stop is known.
    #[serde(default)]
    pub awaits_stop: bool,
    /// What was being lost when it ended, by medium and cause: it goes on until Zoom stops the stream.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lasting: Vec<Lasting>,
}

/// What is being lost of a medium, by one cause.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lasting {
    /// The medium.
    pub medium: Medium,
    /// Why, in a word.
    pub cause: SmolStr,
}

/// What was lost of a medium by one cause.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lost {
    /// The medium.
    pub medium: Medium,
    /// Why, in a word.
    pub cause: SmolStr,
    /// How much of its time, in milliseconds.
    pub ms: u64,
    /// How many messages, where they were counted.
    #[serde(default)]
    pub packets: u64,
}

/// Whether a run was recorded.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub enum Recorded {
    /// Recording is switched off, or nothing is known of it.
    #[default]
    Unwanted,
    /// In this folder.
    Done {
        /// Its path.
        folder: String,
    },
    /// It was wanted, and there is none that is whole.
    Failed {
        /// Why, for people.
        why: String,
        /// What is closed as soon as the disk takes it; none if there is nothing to close.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        unclosed: Option<Box<Unclosed>>,
    },
}

/// A recording that could not be closed when its stream ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unclosed {
    /// Its folder.
    pub folder: String,
    /// Its manifest as it was reported, in the form of `manifest.json`.
    pub manifest: serde_json::Value,
}

impl RunSummary {
    /// Of a run that opened nothing.
    pub fn never_connected() -> Self {
        Self::default()
    }

    /// The recording that is still to be closed.
    pub fn unclosed(&self) -> Option<&Unclosed> {
        match &self.recorded {
            Recorded::Failed { unclosed, .. } => unclosed.as_deref(),
            Recorded::Unwanted | Recorded::Done { .. } => None,
        }
    }

    /// The same, with its account ending where Zoom stopped the stream.
    pub fn until_stop(mut self, stopped_at: UnixMillis) -> Self {
        self.awaits_stop = false;
        let lasting = std::mem::take(&mut self.lasting);
        let Some(to) = self.to.replace(stopped_at) else { return Self { to: None, ..self } };
        let (more, less) = (stopped_at.0.saturating_sub(to.0), to.0.saturating_sub(stopped_at.0));
        for Lasting { medium, cause } in lasting {
            match self.lost.iter_mut().find(|lost| lost.medium == medium && lost.cause == cause) {
                Some(lost) => lost.ms = (lost.ms + more).saturating_sub(less),
                None if more > 0 => self.lost.push(Lost { medium, cause, ms: more, packets: 0 }),
                None => {}
            }
        }
        self.lost.retain(|lost| lost.ms > 0 || lost.packets > 0);
        self
    }

    /// Whether it opened a medium and lost nothing of what was wanted.
    pub fn is_complete(&self) -> bool {
        let is_recorded = match self.recorded {
            Recorded::Unwanted | Recorded::Done { .. } => true,
            Recorded::Failed { .. } => false,
        };
        self.connected && is_recorded && self.lost.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_that_awaits_the_stop_ends_there_and_what_lasts_is_lost_until_then() {
        let lost = |medium, cause: &str, ms| Lost { medium, cause: cause.into(), ms, packets: 0 };
        let lasting = |medium| Lasting { medium, cause: "refused".into() };
        let run = RunSummary {
            from: Some(UnixMillis(1_000)),
            to: Some(UnixMillis(3_000)),
            lost: vec![lost(Medium::Audio, "refused", 2_000), lost(Medium::Chat, "frozen", 40)],
            awaits_stop: true,
            lasting: vec![lasting(Medium::Audio), lasting(Medium::Chat)],
            ..RunSummary::default()
        };
        let told = |stopped_at| {
            let RunSummary { to, lost, awaits_stop, lasting, .. } = run.clone().until_stop(UnixMillis(stopped_at));
            assert!(!awaits_stop && lasting.is_empty());
            (to, lost)
        };
        let (chat, later) = (lost(Medium::Chat, "frozen", 40), lost(Medium::Chat, "refused", 4_000));
        assert_eq!(
            told(7_000),
            (Some(UnixMillis(7_000)), vec![lost(Medium::Audio, "refused", 6_000), chat.clone(), later])
        );
        // The stop was on its way when the run failed.
        assert_eq!(told(2_500), (Some(UnixMillis(2_500)), vec![lost(Medium::Audio, "refused", 1_500), chat]));
    }
}
