//! Wire logs: any bytes as a file of `rtms serve --capture`, read, cleaned of secrets, and played.
//!
//! Reading comes to an end. What was read comes back the same when it is written. What was cleaned has no secret left and is
//! otherwise what it was. A wire log is played to a client that does what the wire log's own client did: nothing is said on a
//! connection that does not stand, nothing is waited for that has passed, and the end comes. Bytes alone can never be a signed
//! handshake, so empty signatures in what the client says are replaced by right ones, as they are empty in every wire log.

use std::collections::BTreeSet;

use rtms_sim::{
    config::App,
    replay::{
        Act, Played, Replay, Step,
        wire_log::{Contents, Lines, WireLogError},
    },
    zoom::{ConnectionId, Endpoint},
};
use rtms_wire::{
    signature::HandshakeSignature,
    time::UnixMillis,
    wire_log::{Channel, Frame, Side, What, WireLogHeader, WireLogLine, without_secrets},
};
use serde_json::Value;

/// When the wire log is played.
const NOW: UnixMillis = UnixMillis(1_795_428_000_000);

/// The longest time that passes from one line to the next.
const LONGEST_STEP_MS: u64 = 60_000;

/// For each medium of a line a window, a time for its handshake, and a time to be ready; and the same again.
const MOST_WAITS: usize = 64;

/// Reads and plays the input.
pub fn run(input: &[u8]) {
    play(input);
}

/// The same; what was played, if the input is a wire log.
pub fn play(input: &[u8]) -> Option<Played> {
    if let Ok(text) = std::str::from_utf8(input) {
        is_cleaned(text);
    }
    let failed = comes_back(input);
    match (Contents::read(input), failed) {
        (Ok(contents), None) => Some(Stage::new(contents).play_all(input)),
        // Base64 that is none is found by the one that looks into frames.
        (Err(_), _) => None,
        (Ok(_), Some(error)) => panic!("it was read, and then not: {error}"),
    }
}

/// Each line as it was; why they end before the end.
fn comes_back(input: &[u8]) -> Option<WireLogError> {
    let (header, mut lines) = match Lines::open(input) {
        Ok(opened) => opened,
        Err(error) => return Some(error),
    };
    let written = serde_json::to_string(&header).expect("a header can be written");
    assert_eq!(serde_json::from_str::<WireLogHeader>(&written).ok(), Some(header), "{written}");
    loop {
        let line = match lines.next() {
            Ok(Some(line)) => line,
            Ok(None) => return None,
            Err(error) => return Some(error),
        };
        let written = serde_json::to_string(&line).expect("a line can be written");
        assert!(!written.contains('\n'), "{written}");
        assert_eq!(serde_json::from_str::<WireLogLine<'_>>(&written).ok().as_ref(), Some(&line), "{written}");
        if let What::Sent { frame, .. } | What::Received { frame, .. } = line.what {
            keeps_its_payload(frame);
        }
    }
}

fn keeps_its_payload(frame: Frame<'_>) {
    let is_text = frame.is_text();
    if let Ok(payload) = frame.payload() {
        let again = if is_text { Frame::text(&payload) } else { Frame::binary(&payload) };
        assert_eq!(again.payload().as_deref(), Ok(&*payload));
    }
    if let Frame::Text(text) | Frame::Binary(text) = &frame {
        is_cleaned(text);
    }
    let cleaned = frame.without_secrets();
    assert_eq!(cleaned.clone().without_secrets(), cleaned);
}

/// Nothing is left that is a secret, and all else is there.
fn is_cleaned(text: &str) {
    let cleaned = without_secrets(text);
    assert_eq!(without_secrets(&cleaned), cleaned, "cleaned again");
    if let Ok(before) = serde_json::from_str::<Value>(text) {
        let after = serde_json::from_str::<Value>(&cleaned).expect("still JSON");
        is_cleaned_value(&before, &after, false);
    }
}

fn is_cleaned_value(before: &Value, after: &Value, is_secret: bool) {
    match (before, after) {
        (Value::Object(before), Value::Object(after)) => {
            assert!(before.keys().eq(after.keys()), "{before:?}\n{after:?}");
            for (key, value) in before {
                let letters = key.to_ascii_lowercase().replace(['_', '-'], "");
                let words = ["signature", "secret", "token", "password", "passphrase", "srtpkey", "apikey"];
                let names_one = words.iter().any(|it| letters.contains(it));
                is_cleaned_value(value, &after[key], is_secret || names_one);
            }
        }
        (Value::Array(before), Value::Array(after)) => {
            assert_eq!(before.len(), after.len());
            before.iter().zip(after).for_each(|(before, after)| is_cleaned_value(before, after, is_secret));
        }
        (Value::String(_), Value::String(after)) if is_secret => assert_eq!(after, ""),
        (Value::Number(_), Value::Number(after)) if is_secret => assert_eq!(after.as_u64(), Some(0)),
        (Value::String(before), Value::String(after)) => match before.split_once('?') {
            Some((place, query)) if before.contains("://") => {
                let kept = after.strip_prefix(place).and_then(|rest| rest.strip_prefix('?')).expect("the same place");
                let names = |pair: &str| pair.split_once('=').map_or(String::new(), |(name, _)| format!("{name}="));
                assert!(query.split('&').map(names).eq(kept.split('&')), "{before:?}\n{after:?}");
            }
            Some(_) | None => assert_eq!(before, after),
        },
        (before, after) => assert_eq!(before, after),
    }
}

/// A wire log, and the client that it is played to.
struct Stage {
    replay: Replay,
    signed: String,
    stands: BTreeSet<ConnectionId>,
    now: UnixMillis,
    at_ms: u64,
}

impl Stage {
    fn new(contents: Contents) -> Self {
        let app = App::default();
        let WireLogHeader { instance, rtms_stream_id, .. } = &contents.header;
        let signature = HandshakeSignature::sign(&app.client_id, &app.client_secret, instance, rtms_stream_id);
        let signed = format!(r#""signature":"{}""#, signature.as_str());
        let replay = Replay::new(contents, app, "wss://media.test/media", NOW);
        Self { replay, signed, stands: BTreeSet::new(), now: NOW, at_ms: 0 }
    }

    fn play_all(mut self, input: &[u8]) -> Played {
        let start = self.replay.start_webhook("wss://signaling.test/signaling", self.now);
        let start: Value = serde_json::from_slice(&start.body).expect("JSON");
        let url = start.pointer("/payload/object/server_urls").or_else(|| start.pointer("/payload/server_urls"));
        assert_eq!(url.and_then(Value::as_str), Some("wss://signaling.test/signaling"), "{start}");

        let (_, mut lines) = Lines::open(input).expect("it was read before");
        while let Some(line) = lines.next().expect("it was read before") {
            let passed_ms = line.ms.saturating_sub(self.at_ms).min(LONGEST_STEP_MS);
            self.at_ms = self.at_ms.max(line.ms);
            self.now = UnixMillis(self.now.0 + passed_ms);
            self.client_does(&line.what);
            if !self.plays(&line) {
                break;
            }
        }
        let stop = self.replay.stop_webhook(self.now);
        let stop: Value = serde_json::from_slice(&stop.body).expect("JSON");
        assert!(stop["event_ts"].is_u64(), "{stop}");
        self.replay.played().clone()
    }

    /// What the client did then, it does again.
    fn client_does(&mut self, what: &What<'_>) {
        match what {
            What::Dialed { connection, on, .. } => {
                let endpoint = match on {
                    Channel::Signaling => Endpoint::Signaling,
                    Channel::Media(_) => Endpoint::Media,
                };
                let connection = ConnectionId((*connection).into());
                if self.stands.insert(connection) {
                    self.replay.connected(connection, endpoint);
                }
            }
            What::Sent { connection, frame, .. } => {
                let connection = ConnectionId((*connection).into());
                if let (true, Ok(payload)) = (self.stands.contains(&connection), frame.payload()) {
                    let said = String::from_utf8_lossy(&payload).replace(r#""signature":"""#, &self.signed);
                    let acts = self.replay.received(connection, said.as_bytes(), self.now);
                    self.carry_out(acts);
                }
            }
            What::Closed { connection, by: Side::Client, .. } => {
                let connection = ConnectionId((*connection).into());
                if self.stands.remove(&connection) {
                    self.replay.closed(connection, self.now);
                }
            }
            What::Unreached { .. }
            | What::Opened { .. }
            | What::Received { .. }
            | What::Closed { by: Side::Zoom, .. }
            | What::Cut { .. }
            | What::Lost { .. }
            | What::Stopped { .. }
            | What::Ended { .. } => {}
        }
    }

    /// Whether it goes on.
    fn plays(&mut self, line: &WireLogLine<'_>) -> bool {
        for _ in 0..MOST_WAITS {
            match self.replay.play(line, self.now) {
                Step::Do(acts) => {
                    self.carry_out(acts);
                    return true;
                }
                Step::Wait(until) => {
                    assert!(until > self.now, "waits for what has passed");
                    self.now = until;
                }
                Step::Over(_) => return false,
            }
        }
        panic!("waits for ever at {line:?}")
    }

    fn carry_out(&mut self, acts: Vec<Act>) {
        for act in acts {
            match act {
                Act::Send { connection, .. } => assert!(self.stands.contains(&connection), "{connection:?} is gone"),
                Act::Close { connection, .. } | Act::Cut { connection } => {
                    assert!(self.stands.remove(&connection), "{connection:?} is gone");
                }
            }
        }
    }
}
