//! What happens to a Contact Center call beside people coming and going: hold, monitoring, takeover, conference,
//! transfer.

use rtms_wire::codes::event_type::VoiceEventType;

use crate::meeting::{participant::Participant, utterance::GRID_MS};

/// One step of a call's story.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CallStep {
    /// When it happens, in milliseconds since the stream started.
    pub at_ms: u64,
    /// The event that tells of it.
    pub event: VoiceEventType,
    /// Whom it is about, as an index into the participants.
    pub party: usize,
}

/// Who is meant by a step, before the meeting's people are known.
#[derive(Clone, Copy)]
enum Part {
    /// The agent who took the call.
    Agent,
    /// A second agent, who listens in, joins or takes over; the agent again if there is none.
    Second,
}

/// The story: the agent puts the customer on hold, a supervisor listens and takes over, a conference is tried in every
/// way that it can fail until somebody joins it, and the call is handed on in the end. The customer's and the agents'
/// coming and going is told apart from it.
const STORY: [(VoiceEventType, Part); 26] = [
    (VoiceEventType::UserHold, Part::Agent),
    (VoiceEventType::UserUnhold, Part::Agent),
    (VoiceEventType::MonitorStarted, Part::Second),
    (VoiceEventType::MonitorTransitioned, Part::Second),
    (VoiceEventType::MonitorEnded, Part::Second),
    (VoiceEventType::TakeoverStarted, Part::Second),
    (VoiceEventType::ConferenceParticipantInvited, Part::Second),
    (VoiceEventType::ConferenceParticipantCanceled, Part::Second),
    (VoiceEventType::ConferenceParticipantInvited, Part::Second),
    (VoiceEventType::ConferenceParticipantRejected, Part::Second),
    (VoiceEventType::ConferenceParticipantInvited, Part::Second),
    (VoiceEventType::ConferenceParticipantTimeout, Part::Second),
    (VoiceEventType::ConferenceParticipantInvited, Part::Second),
    (VoiceEventType::ConferenceCanceled, Part::Agent),
    (VoiceEventType::ConferenceParticipantInvited, Part::Second),
    (VoiceEventType::ConferenceParticipantLeft, Part::Second),
    (VoiceEventType::TransferInitiated, Part::Agent),
    (VoiceEventType::TransferCanceled, Part::Agent),
    (VoiceEventType::TransferInitiated, Part::Agent),
    (VoiceEventType::TransferRejected, Part::Agent),
    (VoiceEventType::TransferInitiated, Part::Agent),
    (VoiceEventType::TransferTimeout, Part::Agent),
    (VoiceEventType::UserHold, Part::Agent),
    (VoiceEventType::TransferInitiated, Part::Agent),
    (VoiceEventType::TransferAccepted, Part::Agent),
    (VoiceEventType::TransferCompleted, Part::Agent),
];

/// The first participant is the customer, the second the agent; without an agent nothing happens.
pub(super) fn plan(participants: &[Participant], duration_ms: u64) -> Vec<CallStep> {
    if participants.len() < 2 {
        return Vec::new();
    }
    // Everybody who is ever there is there between these moments.
    let (from, to) = (duration_ms * 37 / 100, duration_ms * 73 / 100);
    let second = if participants.len() > 2 { 2 } else { 1 };
    let steps = STORY.len() as u64;
    (0..)
        .zip(STORY)
        .map(|(step, (event, part))| CallStep {
            at_ms: (from + (to - from) * step / steps) / GRID_MS * GRID_MS,
            event,
            party: match part {
                Part::Agent => 1,
                Part::Second => second,
            },
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_that_can_happen_to_a_call_happens() {
        let coming_and_going = [8, 9, 10, 11];
        let told: std::collections::BTreeSet<i64> =
            STORY.iter().map(|(event, _)| event.code()).chain(coming_and_going).collect();

        assert!(told.into_iter().eq(8..=29));
    }
}
