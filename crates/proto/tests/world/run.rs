//! One whole stream in virtual time.

use std::{
    hash::{DefaultHasher, Hash as _, Hasher as _},
    time::Duration,
};

use rtms_sim::{
    config::ZoomConfig,
    findings::Finding,
    seed::Seed,
    sent::Sent,
    world::{FromClient, Network, Step, ToClient, World},
};
use rtms_wire::time::UnixMillis;

use super::{Gateway, Options, log::Log};

/// When every stream starts.
pub(crate) const START: UnixMillis = UnixMillis(1_795_420_800_000);

/// How long Zoom is listened to after its end.
const AFTER: Duration = Duration::from_secs(30);

/// No stream lasts longer.
const AT_MOST: Duration = Duration::from_secs(4 * 3_600);

/// What is known of a stream afterwards, from both sides.
#[derive(Debug)]
pub(crate) struct Outcome {
    /// Zoom, as it was left.
    pub(crate) world: World,
    /// What the client did and learned.
    pub(crate) log: Log,
    /// What Zoom sent.
    pub(crate) sent: Vec<Sent>,
    /// Whether Zoom came to its end, and when.
    pub(crate) finished_at: Option<UnixMillis>,
    /// A hash of everything that went either way, and when.
    pub(crate) digest: u64,
    /// How many steps it took.
    pub(crate) steps: u64,
}

impl Outcome {
    /// What Zoom found wrong, as names.
    pub(crate) fn findings(&self) -> Vec<&Finding> {
        self.world.zoom().findings().iter().collect()
    }
}

/// Plays a stream to its end.
pub(crate) fn run(config: ZoomConfig, network: Network, seed: u64, options: Options) -> Outcome {
    run_with(config, network, seed, options, &mut |_, _, _| {})
}

/// Plays a stream to its end, and has somebody look at world and client after every step.
pub(crate) fn run_with(
    config: ZoomConfig,
    network: Network,
    seed: u64,
    options: Options,
    look: &mut dyn FnMut(&World, &mut Gateway, &[Step]),
) -> Outcome {
    let mut gateway = Gateway::new(config.app.clone(), options, START);
    let mut world = World::new(config, network, &Seed::new(seed), START);
    let mut sent = Vec::new();
    let mut digest = Digest::default();
    let mut finished_at = None;
    let mut steps = 0;
    let mut seen = Vec::new();
    while world.now() < START + AT_MOST {
        seen.clear();
        let goes_on = world.step(&mut gateway, &mut |at, step| {
            digest.add(at, &step);
            if let Step::Sent(one) = &step {
                sent.push(one.clone());
            }
            seen.push(step);
        });
        steps += 1;
        if gateway.is_to_be_killed(world.now()) {
            world.kill();
            gateway.killed(world.now());
        }
        look(&world, &mut gateway, &seen);
        if finished_at.is_none() && world.zoom().is_finished() {
            finished_at = Some(world.now());
        }
        if !goes_on || finished_at.is_some_and(|at| world.now() >= at + AFTER) {
            break;
        }
    }
    Outcome { world, log: gateway.log, sent, finished_at, digest: digest.0.finish(), steps }
}

/// A hash over what goes either way.
#[derive(Default)]
struct Digest(DefaultHasher);

impl Digest {
    fn add(&mut self, at: UnixMillis, step: &Step) {
        match step {
            Step::Arrived(event) => {
                self.bytes(&at.0.to_be_bytes());
                match event {
                    ToClient::Webhook(post) => {
                        self.bytes(b"w");
                        self.bytes(&post.body);
                        for (name, value) in &post.headers {
                            self.bytes(name.as_bytes());
                            self.bytes(value.as_bytes());
                        }
                    }
                    ToClient::Message(link, payload) => {
                        self.bytes(&link.0.to_be_bytes());
                        self.bytes(payload);
                    }
                    ToClient::Opened(link) => self.end(b'o', link.0),
                    ToClient::Refused(link, why) => {
                        self.end(b'r', link.0);
                        self.bytes(why.as_bytes());
                    }
                    ToClient::Closed(link) => self.end(b'c', link.0),
                    ToClient::Cut(link) => self.end(b'x', link.0),
                    ToClient::Time => self.bytes(b"t"),
                }
            }
            Step::Did(done) => {
                self.bytes(&at.0.to_be_bytes());
                match done {
                    FromClient::Answer(webhook, status) => {
                        self.end(b'A', webhook.0);
                        self.bytes(&status.to_be_bytes());
                    }
                    FromClient::Dial(link, url) => {
                        self.end(b'D', link.0);
                        self.bytes(url.as_bytes());
                    }
                    FromClient::Send(link, text) => {
                        self.end(b'S', link.0);
                        self.bytes(text.as_bytes());
                    }
                    FromClient::Close(link) => self.end(b'C', link.0),
                    FromClient::Cut(link) => self.end(b'X', link.0),
                }
            }
            Step::Sent(_) => {}
        }
    }

    fn end(&mut self, letter: u8, number: u64) {
        self.bytes(&[letter]);
        self.bytes(&number.to_be_bytes());
    }

    fn bytes(&mut self, bytes: &[u8]) {
        bytes.hash(&mut self.0);
    }
}
