//! What happens to a stream, in the log.

use rtms_proto::event::Event;
use rtms_wire::time::millis;
use tokio::time::Instant;
use tracing::{info, trace, warn};

use crate::{
    clock,
    live::{
        ledger_input::LedgerInput,
        repeats::{RepeatGate, RepeatLog},
        unknown_messages::UnknownMessageLog,
    },
};

/// Logs the events of one stream, and never so many that they fill the log.
#[derive(Debug, Default)]
pub(crate) struct EventLog {
    unknown_messages: UnknownMessageLog,
    repeats: RepeatLog,
}

impl EventLog {
    /// Logs an event. `ledger` knows what Zoom need not offer, and `gate` is that of all streams.
    pub(crate) fn take(&mut self, event: &Event, ledger: &LedgerInput, gate: &RepeatGate) {
        match event {
            Event::SignalingOpen => info!("signaling open"),
            Event::MediaOpen { media, .. } => {
                for medium in media.iter() {
                    info!(%medium, "medium open");
                }
            }
            Event::GrantDiffers { medium } => warn!(%medium, "Zoom granted other parameters than requested"),
            Event::MediumUnavailable { medium, error } if ledger.is_not_offered(*medium, error) => {
                info!(%medium, %error, "medium not offered by Zoom");
            }
            Event::MediumUnavailable { medium, error } => warn!(%medium, %error, "medium not available"),
            Event::StreamState { state, reason, timestamp: _ } => {
                info!(%state, reason = reason.map(tracing::field::display), "Zoom reports the state of the stream");
            }
            Event::SessionState { state, reason, .. } => {
                info!(%state, reason = reason.map(tracing::field::display), "Zoom reports the state of a session");
            }
            Event::VideoSubscription { user_id: _, status } => info!(%status, "Zoom answered the video subscription"),
            Event::VideoAsked { .. } => info!("video subscription requested"),
            Event::VideoVoid { .. } => info!("the chosen camera is off"),
            Event::Interrupted { role, cause, unheard, why } => {
                let last_message = format!("{} ago", clock::readable(*unheard));
                warn!(%role, %cause, last_message, why, "connection lost");
            }
            Event::Reconnecting => info!("connecting again"),
            Event::AttemptFailed { role, error, again_in: Some(pause) } => {
                warn!(%role, %error, "connection failed, retrying in {} ms", millis(*pause));
            }
            Event::AttemptFailed { role, error, again_in: None } => {
                warn!(%role, %error, "connection failed, and Zoom's window leaves no time for another try");
            }
            Event::DuplicatesRemoved { medium, count } => self.repeats.take(*medium, *count, gate, Instant::now()),
            Event::Odd(odd) => self.unknown_messages.take(odd, Instant::now()),
            Event::Transcript(line) => trace!(text = line.data, "transcript"),
            // The end is logged with what follows from it.
            Event::Audio(_)
            | Event::Video(_)
            | Event::Deskshare(_)
            | Event::Chat(_)
            | Event::Update(_)
            | Event::Ended(_) => {}
        }
    }

    /// Logs the sums that are left at the end of the stream.
    pub(crate) fn finish(self) {
        self.unknown_messages.finish();
    }
}
