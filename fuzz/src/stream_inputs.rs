//! The stream machine: any sequence of inputs that a driver may give it. It keeps the order of its outputs, always has a
//! deadline in the future, comes to an end, and says nothing after it.
//!
//! The input is text, a step a line; a line that is none is skipped. The number is that of the connection.
//!
//! ```text
//! unified              on the first line: all media on one connection
//! c0                   it stands
//! f0 refused           it could not be made
//! r0 {"msg_type":12}   this came
//! l0 cut               it is gone
//! s 6                  a stop webhook, with or without a reason
//! n wss://…            a newer start webhook
//! i wss://…            an interrupted webhook, with or without URLs
//! v 17 on              one person's camera is wanted
//! x                    we want the end
//! a                    we leave
//! w 500                milliseconds pass
//! d                    the time of the deadline comes
//! ```

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use rtms_proto::{
    config::{MediaLayout, StreamConfig},
    event::Event,
    input::Input,
    output::{ConnectionId, Output},
    role::Role,
    signaling::StreamStart,
    stream::Stream,
    time::Moment,
};
use rtms_wire::{
    codes::{product::Product, stop_reason::StopReason},
    ids::{InstanceId, InstanceIdField, StreamId, UserId},
    message::Message,
    secret::ClientSecret,
    signature::HandshakeSignature,
    time::UnixMillis,
};

/// Steps that an input may have, so that none takes long.
const MAX_STEPS: usize = 2_000;

/// Steps to the end when every dial fails and nothing is heard: a few per connection that stands.
const MAX_STEPS_TO_THE_END: usize = 1_000;

/// Takes the steps.
pub fn run(script: &[u8]) {
    let unified = script.starts_with(b"unified");
    let mut driven = Driven::start(if unified { MediaLayout::Unified } else { MediaLayout::Split });
    for line in script.split(|byte| *byte == b'\n').take(MAX_STEPS) {
        driven.step(line);
    }
    driven.comes_to_an_end();
}

/// The machine with what a driver knows of it.
struct Driven {
    stream: Stream,
    now: Moment,
    connections: BTreeMap<ConnectionId, State>,
    urls: BTreeSet<String>,
    has_ended: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Dialing,
    Standing,
    Gone,
}

impl Driven {
    fn start(layout: MediaLayout) -> Self {
        let (stream_id, instance) = (StreamId::from("s"), InstanceId::new(InstanceIdField::MeetingUuid, "m=="));
        let secret = ClientSecret::new("not a secret").expect("not empty");
        let urls = ["wss://one.zoom.us", "wss://two.zoom.us"].map(String::from);
        let start = StreamStart {
            signature: HandshakeSignature::sign("client", &secret, &instance, &stream_id),
            stream_id,
            instance,
            product: Product::Meeting,
            server_urls: urls.to_vec(),
        };
        let config = StreamConfig { layout, ..StreamConfig::default() };
        let mut driven = Self {
            stream: Stream::new(start, config, Moment::default()).expect("the defaults can be had"),
            now: Moment::default(),
            connections: BTreeMap::new(),
            urls: urls.into(),
            has_ended: false,
        };
        driven.look();
        driven
    }

    fn step(&mut self, line: &[u8]) {
        let Some((step, rest)) = line.split_first() else { return };
        let (number, rest) = number(rest);
        let text = String::from_utf8_lossy(rest);
        let id = ConnectionId(u32::try_from(number.unwrap_or_default()).unwrap_or(u32::MAX));
        let state = self.connections.get(&id).copied();
        let input = match step {
            b'c' if state != Some(State::Standing) => Input::Connected(id),
            b'f' if state != Some(State::Standing) => Input::ConnectFailed(id, text.into()),
            b'r' if state != Some(State::Dialing) => match Message::decode(rest) {
                Ok(message) => Input::Received(id, message),
                Err(error) => Input::Undecodable(id, error),
            },
            b'l' if state != Some(State::Dialing) => Input::Lost(id, text.into()),
            b's' => Input::Stopped(number.and_then(|code| i64::try_from(code).ok()).map(StopReason::from_code)),
            b'n' => Input::Restarted { server_urls: self.urls_in(&text) },
            b'i' => Input::Interrupted { server_urls: self.urls_in(&text) },
            b'v' => Input::SubscribeVideo {
                user_id: UserId::from(number.unwrap_or_default()),
                subscribe: text.ends_with("on"),
                timestamp: UnixMillis(1),
            },
            b'x' => Input::Close,
            b'a' => Input::Abandon,
            b'w' => {
                self.now = self.now + Duration::from_millis(number.unwrap_or_default().min(1_000_000));
                Input::TimePassed
            }
            b'd' => {
                self.now = self.stream.next_deadline().unwrap_or(self.now);
                Input::TimePassed
            }
            _ => return,
        };
        self.give(input);
    }

    fn urls_in(&mut self, text: &str) -> Vec<String> {
        let urls: Vec<_> = text.split_whitespace().map(String::from).collect();
        self.urls.extend(urls.iter().cloned());
        urls
    }

    fn give(&mut self, input: Input) {
        // A driver takes what is due before it reads on, so that a connection does not end twice.
        self.stream.handle(Input::TimePassed, self.now);
        self.look();
        let about = match &input {
            Input::Connected(id) => Some((*id, State::Standing)),
            Input::ConnectFailed(id, _) | Input::Lost(id, _) => Some((*id, State::Gone)),
            Input::Received(id, _) | Input::Undecodable(id, _) => Some((*id, State::Standing)),
            Input::Stopped(_)
            | Input::Restarted { .. }
            | Input::Interrupted { .. }
            | Input::Close
            | Input::Abandon
            | Input::SubscribeVideo { .. }
            | Input::TimePassed => None,
        };
        let mut is_moot = false;
        if let Some((id, becomes)) = about {
            match self.connections.get_mut(&id) {
                Some(state) if *state != State::Gone => *state = becomes,
                Some(_) | None => is_moot = true,
            }
        }
        self.stream.handle(input, self.now);
        let outputs = self.look();
        assert!(!is_moot || outputs == 0, "an input of a connection that is gone has {outputs} outputs");
    }

    /// Checks the outputs against what is known, and counts them.
    fn look(&mut self) -> usize {
        let mut count = 0;
        while let Some(output) = self.stream.poll_output() {
            count += 1;
            assert!(!self.has_ended, "after the end: {output:?}");
            match output {
                Output::Connect { connection, role, url } => {
                    let former = self.connections.insert(connection, State::Dialing);
                    assert_eq!(former, None, "a name is given twice");
                    assert!(role != Role::Signaling || self.urls.contains(&url), "nobody named {url:?}");
                }
                Output::Send { connection, message } => {
                    let state = self.connections.get(&connection);
                    assert_eq!(state, Some(&State::Standing), "sent on {connection:?}: {message:?}");
                }
                Output::Disconnect(connection) => {
                    let former = self.connections.insert(connection, State::Gone);
                    assert!(matches!(former, Some(State::Dialing | State::Standing)), "{connection:?} was {former:?}");
                }
                Output::Event(Event::Ended(_)) => self.has_ended = true,
                Output::Event(_) => {}
            }
        }
        assert_eq!(self.stream.is_ended(), self.has_ended);
        match self.stream.next_deadline() {
            Some(deadline) => assert!(!self.has_ended && deadline > self.now, "the driver would spin"),
            None => assert!(self.has_ended, "nothing wakes the driver"),
        }
        if self.has_ended {
            let left = self.connections.values().filter(|state| **state != State::Gone).count();
            assert_eq!(left, 0, "connections are left over after the end");
        }
        count
    }

    /// Whatever happened: with nobody at the other end it is over at some point.
    fn comes_to_an_end(&mut self) {
        for _ in 0..MAX_STEPS_TO_THE_END {
            let dialing = self.connections.iter().find(|(_, state)| **state == State::Dialing).map(|(id, _)| *id);
            match (dialing, self.stream.next_deadline()) {
                (Some(id), _) => self.give(Input::ConnectFailed(id, "nobody is there".into())),
                (None, Some(deadline)) => {
                    self.now = deadline;
                    self.give(Input::TimePassed);
                }
                (None, None) => return,
            }
        }
        panic!("it does not end");
    }
}

/// The digits at the start, after spaces, and what follows them and one space.
fn number(text: &[u8]) -> (Option<u64>, &[u8]) {
    let text = text.trim_ascii_start();
    let length = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (digits, rest) = text.split_at(length);
    let number = std::str::from_utf8(digits).ok().and_then(|digits| digits.parse().ok());
    (number, rest.strip_prefix(b" ").unwrap_or(rest))
}
