//! The scenarios that are in the program, in the order in which they are told.

use crate::scenario::definition::Scenario;

impl Scenario {
    /// All of them, from the plain to the bad.
    pub fn catalogue() -> Vec<Self> {
        let read = |(file, text): &(&str, &str)| {
            #[expect(clippy::expect_used, reason = "a test reads every file of the catalogue")]
            Self::parse(file, text).expect("the catalogue is well written")
        };
        FILES.iter().map(read).collect()
    }
}

/// Names their files.
macro_rules! files {
    ($($name:literal,)+) => {
        &[$((concat!($name, ".toml"), include_str!(concat!("../../scenarios/", $name, ".toml")))),+]
    };
}

const FILES: &[(&str, &str)] = files![
    "plain-meeting",
    "plain-webinar",
    "plain-session",
    "plain-contact-center",
    "plain-phone",
    "everything-said-and-written",
    "one-connection-for-all",
    "only-sound-granted",
    "webhooks-posted-twice",
    "forged-starts",
    "webhooks-nested",
    "slow-network",
    "stop-meeting-ended",
    "stop-revoked",
    "stop-all-apps-disabled",
    "stop-internal-exception",
    "stop-instance-interrupted",
    "stop-exit-signal",
    "stop-authentication-failure",
    "stop-admin-disabled",
    "stop-not-supported",
    "stop-told-by-webhook-first",
    "stop-told-by-state-only",
    "stop-told-by-webhook-only",
    "stop-while-reconnecting",
    "meeting-ends-while-reconnecting",
    "stop-before-anybody-joined",
    "stop-by-a-session-that-was-the-last",
    "cut-signaling",
    "close-signaling-1000",
    "cut-audio",
    "close-audio-1000",
    "cut-media",
    "close-media-1000",
    "cut-everything",
    "close-everything-1000",
    "close-everything-1011",
    "close-signaling-1011",
    "cut-again-and-again",
    "freeze-signaling-70s",
    "freeze-audio-70s",
    "freeze-everything-20s",
    "freeze-everything-70s",
    "vanish-audio",
    "vanish-signaling",
    "vanish-everything",
    "keep-alive-skipped-signaling-70s",
    "keep-alive-skipped-everywhere-70s",
    "failover",
    "failover-with-overlap",
    "failover-twice",
    "failover-at-once",
    "failover-in-the-first-handshake",
    "failover-there-and-back",
    "failover-while-reconnecting",
    "interrupted-with-urls",
    "interrupted-without-urls",
    "interrupted-about-nothing",
    "interrupted-storm",
    "stop-during-an-interruption",
    "pause-during-an-interruption",
    "refused-duplicate-three-times",
    "refused-internal-four-times",
    "refused-unknown-stream",
    "refused-signature",
    "upgrade-403",
    "upgrade-503",
    "upgrade-reset",
    "upgrade-silence",
    "media-upgrade-503",
    "media-upgrade-silence",
    "message-2-never-comes",
    "message-4-never-comes",
    "handshake-closed-without-a-word",
    "media-handshake-cut",
    "ready-lost",
    "media-refused-14",
    "media-refused-16",
    "media-refused-15",
    "media-refused-18",
    "media-refused-27",
    "media-refused-10",
    "media-refused-47",
    "media-refused-45-then-granted",
    "reconnect-refused-duplicate",
    "second-signaling-kicks-the-first",
    "grant-mixed",
    "encrypted-unasked",
    "media-urls-without-all",
    "media-urls-only-all",
    "media-urls-as-text",
    "answers-version-2",
    "extra-fields",
    "event-code-only",
    "event-code-beside-the-type",
    "phone-call-events",
    "srt-url",
    "binary-frames",
    "keep-alive-timestamp-only",
    "keep-alive-bare",
    "keep-alive-only-when-idle",
    "pause-and-resume",
    "pause-for-two-minutes",
    "several-sessions-one-stops",
    "the-first-session-stops-and-another-starts",
    "start-repeated",
    "start-outdated",
    "start-after-a-stop",
    "start-repeated-after-the-stop",
    "start-after-a-stop-and-the-old-one-again",
    "nonsense-broken-json",
    "nonsense-binary",
    "nonsense-protobuf",
    "stray-binary",
    "nonsense-unknown-message",
    "nonsense-unknown-event",
    "nonsense-unknown-state",
    "nonsense-broken-payload",
    "nonsense-wrong-length",
    "nonsense-deep-nesting",
    "nonsense-nothing",
    "gap-in-the-sound",
    "sound-sent-twice",
    "close-by-client",
    "close-answered-last",
    "close-answered-never",
    "close-not-answered",
    "late-join-with-backlog",
    "late-join-without-backlog",
    "first-window-missed",
    "signaling-window-missed",
    "media-window-missed",
    "back-at-the-last-moment",
    "killed-and-restarted",
    "killed-in-the-handshake",
    "camera-of-choice",
    "camera-of-choice-off-and-on",
    "camera-of-choice-after-a-reconnect",
    "bad-day",
];

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, path::Path};

    use super::*;

    #[test]
    fn every_file_is_in_the_catalogue_under_its_name() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios");
        let there: BTreeSet<String> =
            std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();

        assert_eq!(FILES.iter().map(|(file, _)| (*file).to_owned()).collect::<BTreeSet<_>>(), there);
        for (file, text) in FILES {
            let scenario = Scenario::parse(file, text).unwrap();
            assert_eq!(format!("{}.toml", scenario.name), *file);
        }
    }

    #[test]
    fn every_scenario_says_in_a_sentence_what_happens_and_what_to_do() {
        for scenario in Scenario::catalogue() {
            for sentence in [&scenario.what, &scenario.client] {
                assert!(sentence.ends_with('.') && sentence.len() < 160, "{}: {sentence}", scenario.name);
            }
        }
    }
}
