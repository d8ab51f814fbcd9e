//! How far a stream came, for the account of its end.

use rtms_proto::event::Event;

/// What was open in a run of a stream, and why it was not opened before.
#[derive(Debug, Default)]
pub(crate) struct Reached {
    /// Whether signaling was open.
    is_connected: bool,
    /// Whether a medium was open.
    is_open: bool,
    /// Why the last try to connect failed.
    last_failure: Option<String>,
}

impl Reached {
    /// Takes note of an event.
    pub(crate) fn take(&mut self, event: &Event) {
        if let Event::AttemptFailed { error, .. } = event {
            self.last_failure = Some(error.to_string());
        }
        self.is_connected |= matches!(event, Event::SignalingOpen);
        self.is_open |= matches!(event, Event::MediaOpen { .. });
    }

    /// Whether a medium was open.
    pub(crate) fn is_open(&self) -> bool {
        self.is_open
    }

    /// Returns why a stream that Zoom stopped had no medium open by then; none if it had.
    pub(crate) fn why_not_open(&self) -> Option<String> {
        let why = match &self.last_failure {
            _ if self.is_open => return None,
            Some(failure) => format!("until then Zoom could not be reached: {failure}"),
            None if self.is_connected => "no medium was open by then".into(),
            None => "Zoom could not be reached by then".into(),
        };
        Some(why)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use rtms_proto::{error::StreamError, role::Role};
    use rtms_wire::media::{medium::MediaTypes, params::MediaParams};

    use super::*;

    #[test]
    fn a_stream_that_was_stopped_before_a_medium_was_open_says_how_far_it_came() {
        let mut reached = Reached::default();
        assert_eq!(reached.why_not_open().as_deref(), Some("Zoom could not be reached by then"));
        reached.take(&Event::SignalingOpen);
        assert_eq!(reached.why_not_open().as_deref(), Some("no medium was open by then"));

        let error = StreamError::TimedOut { role: Role::Signaling };
        let told = format!("until then Zoom could not be reached: {error}");
        reached.take(&Event::AttemptFailed { role: Role::Signaling, error, again_in: Some(Duration::ZERO) });
        assert_eq!(reached.why_not_open(), Some(told));

        reached.take(&Event::MediaOpen { media: MediaTypes::ALL, granted: MediaParams::default() });
        assert_eq!(reached.why_not_open(), None);
    }
}
