//! A Zoom that errs: out of order, on the wrong channel, with unknown numbers, twice, or not at all. Nothing of it panics,
//! and whatever happens, what must hold of the outputs does.

#![allow(clippy::unwrap_used, clippy::wildcard_enum_match_arm, reason = "in a test, a panic is the answer")]

mod common;

use std::{sync::LazyLock, time::Duration};

use common::{
    Did, Ledger, LineState, Pair, Zoom, all_urls, audio, media, message, seconds, silent, start, unified, wanting,
};
use proptest::{prelude::*, sample::Index};
use rtms_proto::{
    config::StreamConfig,
    error::StreamError,
    event::{Ending, Event, Odd},
    input::Input,
    output::{ConnectionId, Output},
    role::Role,
    stream::Stream,
    time::Moment,
};
use rtms_wire::{
    codes::{message_type::MessageType, product::Product, stop_reason::StopReason},
    extra::Extra,
    ids::UserId,
    media::medium::{MediaTypes, Medium},
    message::{Message, OtherMessage},
    time::UnixMillis,
};
use serde_json::{Value, json};

// --- Out of words ---

#[test]
fn a_success_that_names_no_media_server_is_misbehaviour() {
    for answer in [
        json!({"msg_type": 2, "status_code": 0}),
        json!({"msg_type": 2, "status_code": 0, "media_server": {}}),
        json!({"msg_type": 2, "status_code": 0, "media_server": {"server_urls": {}}}),
        json!({"msg_type": 2, "status_code": 0, "media_server": {"server_urls": [1, 2]}}),
        json!({"msg_type": 2, "status_code": 0, "media_server": {"server_urls": null}}),
        json!({"msg_type": 2, "status_code": 0, "media_server": {"server_urls": {"audio": 7}}}),
    ] {
        let mut pair = Pair::new(start(Product::Meeting), StreamConfig::default(), silent(1));

        pair.hear(Role::Signaling, answer);

        assert!(matches!(pair.ending(), Some(Ending::Failed(StreamError::Misbehaved { role: Role::Signaling, .. }))));
    }
}

#[test]
fn urls_that_are_empty_are_no_urls() {
    let zoom = Zoom { urls: json!({"audio": "", "all": ""}), ..Zoom::default() };

    let pair = Pair::new(start(Product::Meeting), wanting([Medium::Audio]), zoom);

    assert_eq!(pair.ending(), Some(&Ending::Failed(StreamError::NothingGranted)));
}

// --- Silence ---

#[test]
fn a_server_that_falls_silent_at_any_step_is_left_after_ten_seconds_and_tried_again() {
    let unreachable = |url| Zoom { unreachable: vec![url], ..Zoom::default() };
    for (silence, role) in [
        (unreachable(common::SIGNALING_URL), Role::Signaling),
        (silent(1), Role::Signaling),
        (unreachable("wss://m/audio"), media(Medium::Audio)),
        (silent(3), media(Medium::Audio)),
    ] {
        let mut pair = Pair::new(start(Product::Meeting), wanting([Medium::Audio]), silence);

        pair.pass(just_below(10));
        assert!(!pair.did.contains(&Did::HangUp(role)));
        pair.pass(Duration::from_millis(1));
        assert!(pair.did.contains(&Did::HangUp(role)));
        let error = StreamError::TimedOut { role };
        assert!(matches!(pair.events.last(), Some(Event::AttemptFailed { error: it, .. }) if *it == error));
        pair.pass(seconds(1));

        assert_eq!(pair.dialed_at(role).len(), 2);
    }
}

#[test]
fn a_server_that_never_answers_is_left_when_the_window_closes() {
    let mut pair = Pair::new(start(Product::Meeting), StreamConfig::default(), silent(1));
    pair.pass(just_below(60));
    assert_eq!(pair.ending(), None);
    pair.pass(Duration::from_millis(1));
    assert_eq!(pair.ending(), Some(&Ending::Failed(StreamError::TimedOut { role: Role::Signaling })));

    let mut pair = Pair::new(start(Product::Meeting), wanting([Medium::Audio]), silent(3));
    pair.live(just_below(65));
    assert_eq!(pair.unavailable(), []);
    pair.live(Duration::from_millis(1));
    assert_eq!(pair.unavailable(), [Medium::Audio]);
    assert_eq!(pair.ending(), Some(&Ending::Failed(StreamError::TimedOut { role: media(Medium::Audio) })));
}

#[test]
fn a_medium_whose_handshake_is_not_answered_is_given_up_and_the_others_run() {
    let mut pair = Pair::new(start(Product::Meeting), wanting([Medium::Audio, Medium::Video]), silent(3));
    pair.hear(media(Medium::Audio), json!({"msg_type": 4, "status_code": 0}));

    pair.live(seconds(65));

    assert!(pair.events.contains(&Event::MediumUnavailable {
        medium: Medium::Video,
        error: StreamError::TimedOut { role: media(Medium::Video) },
    }));
    assert_eq!(pair.unavailable(), [Medium::Video]);
    assert!(!pair.stream.is_ended());
}

#[test]
fn a_server_that_hangs_up_instead_of_answering_is_asked_again_soon() {
    let mut pair = Pair::new(start(Product::Meeting), StreamConfig::default(), silent(1));
    pair.lose(Role::Signaling);
    pair.pass(seconds(1));
    assert_eq!(pair.said(Role::Signaling), [1, 1]);

    let mut pair = Pair::new(start(Product::Meeting), wanting([Medium::Audio, Medium::Chat]), silent(3));
    pair.hear(media(Medium::Audio), json!({"msg_type": 4, "status_code": 0}));
    pair.lose(media(Medium::Chat));
    pair.pass(seconds(1));
    assert_eq!(pair.said(media(Medium::Chat)), [3, 3]);
    assert_eq!(pair.interrupted(), [], "what never stood is not interrupted");
}

// --- Out of order, out of place ---

#[test]
fn a_second_answer_changes_nothing() {
    let mut pair = Pair::running();
    pair.did.clear();
    pair.events.clear();

    for status in [0, 3] {
        let two = json!({"msg_type": 2, "status_code": status, "media_server": {"server_urls": all_urls()}});
        pair.hear(Role::Signaling, two);
        pair.hear(media(Medium::Audio), json!({"msg_type": 4, "status_code": status}));
    }

    assert_eq!(pair.did, []);
    assert_eq!(
        pair.events,
        [MessageType::SignalingHandShakeResp, MessageType::DataHandShakeResp]
            .repeat(2)
            .iter()
            .map(|it| odd(*it))
            .collect::<Vec<_>>()
    );
}

#[test]
fn answers_on_the_wrong_channel_open_nothing() {
    let mut pair = Pair::new(start(Product::Meeting), wanting([Medium::Audio]), silent(1));
    pair.hear(Role::Signaling, json!({"msg_type": 4, "status_code": 0}));
    assert_eq!(pair.dialed().len(), 1);
    assert_eq!(pair.events, [odd(MessageType::DataHandShakeResp)]);

    let mut pair = Pair::new(start(Product::Meeting), wanting([Medium::Audio]), silent(3));
    pair.events.clear();
    pair.hear(
        media(Medium::Audio),
        json!({"msg_type": 2, "status_code": 0, "media_server": {"server_urls": all_urls()}}),
    );
    assert_eq!(pair.events, [odd(MessageType::SignalingHandShakeResp)]);
    assert_eq!(pair.said(Role::Signaling), [1], "no ready");
}

#[test]
fn what_only_we_may_say_is_counted_and_not_answered() {
    let mut pair = Pair::running();
    pair.did.clear();
    pair.events.clear();
    let ours = [
        json!({"msg_type": 1, "meeting_uuid": "x", "rtms_stream_id": "x", "signature": "x"}),
        json!({"msg_type": 3, "meeting_uuid": "x", "rtms_stream_id": "x", "signature": "x", "media_type": 32}),
        json!({"msg_type": 5, "events": []}),
        json!({"msg_type": 7, "rtms_stream_id": "x"}),
        json!({"msg_type": 10, "rtms_session_id": "x"}),
        json!({"msg_type": 13, "timestamp": 1}),
        json!({"msg_type": 19, "rtms_stream_id": "x"}),
        json!({"msg_type": 21, "rtms_stream_id": "x"}),
        json!({"msg_type": 28, "user_id": 1, "subscribe": true, "timestamp": 1}),
    ];

    for json in ours.clone() {
        pair.hear(Role::Signaling, json.clone());
        pair.hear(media(Medium::Audio), json);
    }

    assert_eq!(pair.did, []);
    assert_eq!(pair.events.len(), 2 * ours.len());
    assert!(pair.events.iter().all(|event| matches!(event, Event::Odd(Odd::UnknownMessage(_)))));
}

#[test]
fn unknown_numbers_of_messages_events_states_and_reasons_end_nothing() {
    let mut pair = Pair::running();
    pair.did.clear();

    for number in [0, 23, 24, 27, 30, 99, -1, i64::MAX] {
        pair.hear(Role::Signaling, json!({"msg_type": number, "anything": [1, {"at": "all"}]}));
        pair.hear(media(Medium::Audio), json!({"msg_type": number}));
    }
    for number in [7, 99, -4] {
        pair.hear(Role::Signaling, json!({"msg_type": 8, "state": number, "reason": number, "timestamp": 1}));
        pair.hear(Role::Signaling, json!({"msg_type": 9, "state": number, "rtms_session_id": "x"}));
        pair.hear(Role::Signaling, json!({"msg_type": 6, "event": {"event_type": number}}));
        pair.hear(Role::Signaling, json!({"msg_type": 20, "state": number, "rtms_stream_id": "x"}));
    }

    assert_eq!(pair.did, []);
    assert!(!pair.stream.is_ended());
}

#[test]
fn an_unknown_reason_of_the_end_is_kept() {
    let mut pair = Pair::running();

    pair.hear(Role::Signaling, json!({"msg_type": 8, "state": 4, "reason": 4_711}));
    pair.pass(seconds(2));

    assert_eq!(pair.ending(), Some(&Ending::Stopped { reason: Some(StopReason::Unknown(4_711)) }));
}

#[test]
fn bytes_that_are_no_message_are_counted_and_the_connection_stays() {
    let mut pair = Pair::running();
    pair.did.clear();
    pair.events.clear();

    let strange = [&b""[..], b"\x00\x01", b"\x0a\x04\x08", b"[]", b"{}"];
    let of_sound =
        [&b"{\"msg_type\":14,\"content\":{\"da"[..], b"{\"msg_type\":14,\"content\":{\"data\":\"?\",\"timestamp\":1}}"];
    for bytes in strange.into_iter().chain(of_sound) {
        let connection = pair.line(media(Medium::Audio));
        pair.input(Input::Undecodable(connection, Message::decode(bytes).unwrap_err()));
    }

    assert_eq!(pair.did, []);
    assert_eq!(pair.events.len(), 7);
    let is_sound = |event: &Event| matches!(event, Event::Odd(Odd::Undecodable { medium: Some(Medium::Audio), .. }));
    let (of_nothing, of_sound) = pair.events.split_at(strange.len());
    assert!(of_sound.iter().all(is_sound), "{of_sound:?}");
    assert!(!of_nothing.iter().any(is_sound), "what is no message costs no sound: {of_nothing:?}");
}

#[test]
fn states_before_the_handshake_is_answered_are_told_and_state_4_ends() {
    let mut pair = Pair::new(start(Product::Meeting), StreamConfig::default(), silent(1));

    pair.hear(Role::Signaling, json!({"msg_type": 9, "state": 1, "rtms_session_id": "x"}));
    pair.hear(Role::Signaling, json!({"msg_type": 8, "state": 1, "timestamp": 1}));
    assert_eq!(pair.events.len(), 2);
    pair.hear(Role::Signaling, json!({"msg_type": 8, "state": 4, "reason": 11, "timestamp": 2}));

    assert_eq!(pair.ending(), Some(&Ending::Stopped { reason: Some(StopReason::ConnectionTimeout) }));
}

#[test]
fn media_before_the_answer_to_its_handshake_is_not_lost() {
    let mut pair = Pair::new(start(Product::Meeting), wanting([Medium::Audio]), silent(3));

    pair.hear(media(Medium::Audio), audio(1));

    assert!(matches!(pair.events.last(), Some(Event::Audio(_))));
}

#[test]
fn inputs_of_unknown_connections_are_ignored() {
    let mut pair = Pair::running();
    pair.did.clear();
    pair.events.clear();
    let stranger = ConnectionId(4_711);

    for input in [
        Input::Connected(stranger),
        Input::ConnectFailed(stranger, "?".into()),
        Input::Received(stranger, message(audio(1))),
        Input::Received(stranger, message(json!({"msg_type": 12, "timestamp": 1}))),
        Input::Received(stranger, message(json!({"msg_type": 8, "state": 4}))),
        Input::Received(stranger, message(json!({"msg_type": 2, "status_code": 3}))),
        Input::Undecodable(stranger, Message::decode(b"?").unwrap_err()),
        Input::Lost(stranger, "?".into()),
    ] {
        pair.input(input);
    }

    assert_eq!((pair.did, pair.events), (vec![], vec![]));
}

// --- Anything at all ---

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn whatever_the_network_does_the_outputs_keep_their_promises(
        wants in 1_u32..32, is_unified in any::<bool>(), urls in 1_usize..4,
        steps in proptest::collection::vec(step(), 0..60),
    ) {
        let mut world = World::new(wants, is_unified, urls);
        for step in steps {
            world.take(step);
        }
        world.fall_silent();
    }

    #[test]
    fn inputs_that_make_no_sense_do_not_panic_and_nothing_follows_the_end(
        wants in 1_u32..32, is_unified in any::<bool>(),
        inputs in proptest::collection::vec((nonsense(), 0_u64..20_000), 0..60),
    ) {
        let mut world = World::new(wants, is_unified, 2);
        let mut ended = 0;
        for (input, milliseconds) in inputs {
            world.now = world.now + Duration::from_millis(milliseconds);
            world.stream.handle(input.input(), world.now);
            while let Some(output) = world.stream.poll_output() {
                prop_assert_eq!(ended, 0, "nothing follows the end, but {:?} did", output);
                ended += usize::from(matches!(output, Output::Event(Event::Ended(_))));
            }
            prop_assert_eq!(world.stream.is_ended(), ended == 1);
        }
    }
}

/// One thing that a network or an application can do to a stream.
#[derive(Clone, Debug)]
enum Step {
    /// An attempt to connect comes to its end.
    Dialed {
        which: Index,
        succeeds: bool,
    },
    /// Something arrives on a connection, also on one that is gone or was never there.
    Heard {
        which: Index,
        what: Index,
    },
    Garbled {
        which: Index,
    },
    Lost {
        which: Index,
    },
    Told {
        what: Index,
    },
    Waited {
        milliseconds: u64,
    },
    Deadline,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (any::<Index>(), prop::bool::weighted(0.85)).prop_map(|(which, succeeds)| Step::Dialed { which, succeeds }),
        12 => (any::<Index>(), any::<Index>()).prop_map(|(which, what)| Step::Heard { which, what }),
        1 => any::<Index>().prop_map(|which| Step::Garbled { which }),
        1 => any::<Index>().prop_map(|which| Step::Lost { which }),
        1 => any::<Index>().prop_map(|what| Step::Told { what }),
        2 => (0_u64..12_000).prop_map(|milliseconds| Step::Waited { milliseconds }),
        1 => Just(Step::Deadline),
    ]
}

/// Deadlines until silence is the end: a window has a dozen tries, each with its wait and its handshake, at several URLs
/// and for each medium; and a window may follow another.
const MAX_DEADLINES: usize = 1_000;

/// Silence until the end: 65 s until it is noticed, and the longest window.
const MAX_SILENCE: Duration = Duration::from_secs(2 * 65 + 2);

/// A machine with a driver that keeps its side of the contract, and a network that keeps to nothing.
struct World {
    stream: Stream,
    ledger: Ledger,
    now: Moment,
}

impl World {
    fn new(wants: u32, is_unified: bool, urls: usize) -> Self {
        let config = if is_unified { unified() } else { StreamConfig::default() };
        let wanted = Medium::ALL.into_iter().filter(|medium| wants & medium.bit() != 0);
        let config = StreamConfig { media: MediaTypes::of(wanted), ..config };
        let mut start = start(Product::Meeting);
        start.server_urls = (0..urls).map(|number| format!("wss://s{number}")).collect();
        let stream = Stream::new(start, config, Moment::default()).unwrap();
        let mut world = Self { stream, ledger: Ledger::default(), now: Moment::default() };
        world.settle();
        world
    }

    fn take(&mut self, step: Step) {
        match step {
            Step::Dialed { which, succeeds } => {
                let Some(connection) = self.pick(which, |state| state == LineState::Dialing) else { return };
                let failed = || Input::ConnectFailed(connection, "refused".into());
                self.input(if succeeds { Input::Connected(connection) } else { failed() });
            }
            Step::Heard { which, what } => {
                let Some(connection) = self.pick(which, |state| state != LineState::Dialing) else { return };
                self.input(Input::Received(connection, what.get(&VOCABULARY).clone()));
            }
            Step::Garbled { which } => {
                let Some(connection) = self.pick(which, |state| state != LineState::Dialing) else { return };
                self.input(Input::Undecodable(connection, Message::decode(b"?").unwrap_err()));
            }
            Step::Lost { which } => {
                let Some(connection) = self.pick(which, |state| state == LineState::Up) else { return };
                self.input(Input::Lost(connection, "cut".into()));
            }
            Step::Told { what } => self.input(told(what.index(TOLD))),
            Step::Waited { milliseconds } => {
                self.now = self.now + Duration::from_millis(milliseconds);
                self.input(Input::TimePassed);
            }
            Step::Deadline => {
                let Some(deadline) = self.stream.next_deadline() else { return };
                self.now = self.now.max(deadline);
                self.input(Input::TimePassed);
                assert!(self.stream.next_deadline().is_none_or(|next| next > self.now), "what is due is done");
            }
        }
    }

    /// Nothing comes any more: only deadlines do, and they lead to the end.
    fn fall_silent(&mut self) {
        let silent_from = self.now;
        for _ in 0..MAX_DEADLINES {
            if self.stream.is_ended() {
                return;
            }
            self.take(Step::Deadline);
            assert!(self.now <= silent_from + MAX_SILENCE, "the windows are closed");
        }
        panic!("silence is the end");
    }

    fn input(&mut self, input: Input) {
        self.ledger.reported(&input);
        self.stream.handle(input, self.now);
        self.settle();
    }

    fn settle(&mut self) {
        while let Some(output) = self.stream.poll_output() {
            self.ledger.told(&output);
        }
        assert_eq!(self.stream.is_ended(), self.ledger.ended);
        assert_eq!(self.stream.next_deadline().is_none(), self.ledger.ended, "there is a deadline until the end");
        let machine_is_done = self.ledger.ended;
        let open = self.ledger.lines.values().filter(|(_, state)| *state != LineState::Gone).count();
        assert!(!machine_is_done || open == 0);
    }

    fn pick(&self, which: Index, wanted: impl Fn(LineState) -> bool) -> Option<ConnectionId> {
        let fitting: Vec<_> =
            self.ledger.lines.iter().filter(|(_, (_, state))| wanted(*state)).map(|(id, _)| *id).collect();
        (!fitting.is_empty()).then(|| *which.get(&fitting))
    }
}

/// Everything that Zoom can say, and some that it cannot. Answers are there more often, so that streams come to run.
static VOCABULARY: LazyLock<Vec<Message>> = LazyLock::new(|| {
    let two = |urls: Value| json!({"msg_type": 2, "status_code": 0, "media_server": {"server_urls": urls}});
    let mut words = vec![
        two(all_urls()),
        two(all_urls()),
        two(json!("wss://m/all")),
        two(json!({"audio": "wss://m/audio"})),
        two(json!({})),
        json!({"msg_type": 2, "status_code": 8}),
        json!({"msg_type": 2, "status_code": 45}),
        json!({"msg_type": 4, "status_code": 2}),
        json!({"msg_type": 4, "status_code": 9}),
        json!({"msg_type": 4, "status_code": 10}),
        json!({"msg_type": 4, "status_code": 14}),
        json!({"msg_type": 4, "status_code": 16}),
        json!({"msg_type": 4, "status_code": 17}),
        json!({"msg_type": 4, "status_code": 22}),
        json!({"msg_type": 4, "status_code": 0, "media_params": {"audio": {"codec": 4}, "video": {}}}),
        json!({"msg_type": 6, "event": {"event_type": 7}}),
        json!({"msg_type": 6, "event": {"event_type": 8, "participants": [{"user_id": 1}]}}),
        json!({"msg_type": 6, "event": {"event_type": 9, "participants": [{"user_id": 1}]}}),
        json!({"msg_type": 8, "state": 2, "reason": 14}),
        json!({"msg_type": 8, "state": 3}),
        json!({"msg_type": 8, "state": 4, "reason": 6}),
        json!({"msg_type": 9, "state": 5, "stop_reason": 3, "rtms_session_id": "x"}),
        json!({"msg_type": 11, "state": 2, "rtms_session_id": "x"}),
        json!({"msg_type": 12, "timestamp": 1}),
        json!({"msg_type": 12, "sequence": 1}),
        audio(1),
        json!({"msg_type": 15, "content": {"data": "", "timestamp": 1}}),
        json!({"msg_type": 16, "content": {"data": "", "timestamp": 1}}),
        json!({"msg_type": 17, "content": {"data": "x"}}),
        json!({"msg_type": 18, "content": {"data": {}}}),
        json!({"msg_type": 20, "state": 4, "rtms_stream_id": "x"}),
        json!({"msg_type": 22, "status_code": 0, "rtms_stream_id": "x"}),
        json!({"msg_type": 22, "status_code": 2, "rtms_stream_id": "x"}),
        json!({"msg_type": 29, "status_code": 44, "user_id": 1}),
        json!({"msg_type": 1, "rtms_stream_id": "x", "signature": "x"}),
        json!({"msg_type": 7, "rtms_stream_id": "x"}),
        json!({"msg_type": 21, "rtms_stream_id": "x"}),
        json!({"msg_type": 4_711}),
    ];
    words.extend(std::iter::repeat_n(json!({"msg_type": 4, "status_code": 0}), 12));
    words.into_iter().map(message).collect()
});

const TOLD: usize = 9;

/// What comes from elsewhere than the network.
fn told(which: usize) -> Input {
    match which {
        0 => Input::Stopped(None),
        1 => Input::Stopped(Some(StopReason::StreamRevoked)),
        2 => Input::Restarted { server_urls: vec!["wss://new".into(), "wss://other".into()] },
        3 => Input::Restarted { server_urls: vec![] },
        4 => Input::Interrupted { server_urls: vec![] },
        5 => Input::Interrupted { server_urls: vec!["wss://new".into()] },
        6 => Input::Close,
        7 => Input::Abandon,
        _ => Input::SubscribeVideo { user_id: UserId::from(1), subscribe: true, timestamp: UnixMillis(1) },
    }
}

/// An input with no regard for what was asked.
#[derive(Clone, Debug)]
enum Nonsense {
    Connected(u32),
    ConnectFailed(u32),
    Received(u32, Index),
    Undecodable(u32),
    Lost(u32),
    Told(Index),
}

fn nonsense() -> impl Strategy<Value = Nonsense> {
    let connection = || prop_oneof![9 => 0_u32..8, 1 => any::<u32>()];
    prop_oneof![
        4 => connection().prop_map(Nonsense::Connected),
        1 => connection().prop_map(Nonsense::ConnectFailed),
        12 => (connection(), any::<Index>()).prop_map(|(connection, what)| Nonsense::Received(connection, what)),
        1 => connection().prop_map(Nonsense::Undecodable),
        1 => connection().prop_map(Nonsense::Lost),
        1 => any::<Index>().prop_map(Nonsense::Told),
    ]
}

impl Nonsense {
    fn input(self) -> Input {
        match self {
            Self::Connected(connection) => Input::Connected(ConnectionId(connection)),
            Self::ConnectFailed(connection) => Input::ConnectFailed(ConnectionId(connection), "?".into()),
            Self::Received(connection, what) => {
                Input::Received(ConnectionId(connection), what.get(&VOCABULARY).clone())
            }
            Self::Undecodable(connection) => {
                Input::Undecodable(ConnectionId(connection), Message::decode(b"?").unwrap_err())
            }
            Self::Lost(connection) => Input::Lost(ConnectionId(connection), "?".into()),
            Self::Told(what) => told(what.index(TOLD)),
        }
    }
}

// --- Helpers ---

fn odd(number: MessageType) -> Event {
    Event::Odd(Odd::UnknownMessage(OtherMessage { msg_type: number, fields: Extra::new() }))
}

fn just_below(limit: u64) -> Duration {
    seconds(limit) - Duration::from_millis(1)
}
