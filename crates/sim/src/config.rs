//! The configuration of the simulated Zoom: which app it serves, what it grants, how long it waits.

use std::time::Duration;

use rtms_wire::{
    codes::product::Product,
    media::medium::{MediaTypes, Medium},
    secret::{ClientSecret, EmptySecret, SecretToken},
};

use crate::{
    fault::{Incident, Temper},
    meeting::options::MeetingOptions,
    seed::Seed,
};

/// Everything that [`Zoom`](crate::zoom::Zoom) is configured with.
#[derive(Clone, Debug)]
pub struct ZoomConfig {
    /// Which of Zoom's products streams; decides ids, webhook names and events.
    pub product: Product,
    /// What happens in the meeting.
    pub meeting: MeetingOptions,
    /// The app that the stream is for.
    pub app: App,
    /// The media that the app was granted; others are refused with status 9 to 13.
    pub granted: MediaTypes,
    /// Where the webhook says signaling is.
    pub signaling_url: String,
    /// Where message 2 says media is; a slash and the medium's key are put behind it.
    pub media_url: String,
    /// The servers that a failover goes to, one after the other, and back to the first after the last.
    pub standby: Vec<Server>,
    /// What happens when.
    pub incidents: Vec<Incident>,
    /// How Zoom behaves throughout.
    pub temper: Temper,
    /// When, since the start, the client's process is gone because its operator kills it: what it leaves undone then is
    /// no mistake of its own.
    pub client_away: Option<std::ops::Range<Duration>>,
    /// Zoom's deadlines and intervals.
    pub timing: Timing,
    /// What is posted beside the stream's webhooks, and how fast time runs between posts.
    pub webhooks: WebhookOptions,
    /// Whether anybody gets the webhooks, so that the client can know what only they report.
    pub webhooks_are_posted: bool,
    /// Whether a stream starts with the meeting. Without it, the first one starts by
    /// [`Control::Start`](crate::zoom::Control::Start).
    pub starts_with_stream: bool,
    /// Whether the meeting goes on when its stream has ended, so that another stream can be started while it lasts.
    pub outlives_streams: bool,
    /// Distinguishes this run from another one with the same seed that starts in the same millisecond, as two programs
    /// on one machine may: the ids follow from it too, and nothing else does. Without it, virtual time gives the same
    /// bytes.
    pub run: u64,
}

impl ZoomConfig {
    /// What every id follows from, beside the time.
    pub(crate) fn ids(&self) -> Seed {
        Seed::new(self.meeting.seed).fork("ids", self.run)
    }
}

impl Default for ZoomConfig {
    fn default() -> Self {
        Self {
            product: Product::Meeting,
            meeting: MeetingOptions::default(),
            app: App::default(),
            granted: granted_by_default(Product::Meeting),
            signaling_url: "ws://127.0.0.1:1/signaling".to_owned(),
            media_url: "ws://127.0.0.1:1/media".to_owned(),
            standby: Vec::new(),
            incidents: Vec::new(),
            temper: Temper::default(),
            client_away: None,
            timing: Timing::default(),
            webhooks: WebhookOptions::default(),
            webhooks_are_posted: true,
            starts_with_stream: true,
            outlives_streams: false,
            run: 0,
        }
    }
}

/// Where one of Zoom's servers is, as [`ZoomConfig::signaling_url`] and [`ZoomConfig::media_url`] say of the first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// Where signaling is.
    pub signaling_url: String,
    /// Where media is.
    pub media_url: String,
}

/// What is posted beside the stream's webhooks, and how fast time runs between posts.
#[derive(Clone, Debug)]
pub struct WebhookOptions {
    /// By how much the waits before a webhook's next attempt and before the next validation are shortened; nothing else
    /// is. Zoom's is 1.
    pub time_compression: u32,
    /// Whether the URL is validated at the start and every 72 hours, as Zoom does.
    pub validate_url: bool,
    /// Whether every webhook is posted a second time at once, as Zoom does after its internal code -10.
    pub deliver_twice: bool,
    /// Whether validations that Zoom did not sign are sent at the start, to see whether they are answered.
    pub probe_oracle: bool,
    /// Whether start webhooks that Zoom did not send are posted a second after the start, each of a stream of its own:
    /// unsigned, wrongly signed, stale. It shows whether the receiver accepts them and joins.
    pub forged_starts: bool,
    /// Whether the end of the stream waits until each webhook is delivered or given up.
    pub wait_for_retries: bool,
}

impl WebhookOptions {
    /// A wait of Zoom's, shortened; never to nothing.
    pub(crate) fn compressed(&self, wait: Duration) -> Duration {
        (wait / self.time_compression.max(1)).max(Duration::from_millis(1))
    }
}

impl Default for WebhookOptions {
    fn default() -> Self {
        Self {
            time_compression: 1,
            validate_url: false,
            deliver_twice: false,
            probe_oracle: false,
            forged_starts: false,
            wait_for_retries: false,
        }
    }
}

/// What an app is granted on a product unless somebody says otherwise. Basis: documented.
pub fn granted_by_default(product: Product) -> MediaTypes {
    match product {
        Product::Meeting | Product::Webinar => MediaTypes::of(Medium::ALL),
        Product::Session | Product::ContactCenter | Product::Phone => {
            MediaTypes::of([Medium::Audio, Medium::Transcript])
        }
    }
}

/// An app of the Zoom Marketplace: who it is and what it signs with.
#[derive(Clone, Debug)]
pub struct App {
    /// Client id, or SDK key.
    pub client_id: String,
    /// Signs handshakes.
    pub client_secret: ClientSecret,
    /// Signs webhooks.
    pub secret_token: SecretToken,
}

impl App {
    /// The client id that is used when none is named.
    pub const TEST_CLIENT_ID: &str = "sim-client-id";
    /// The client secret that is used when none is named; known to everybody, so worth nothing.
    pub const TEST_CLIENT_SECRET: &str = "sim-client-secret";
    /// The secret token that is used when none is named; known to everybody, so worth nothing.
    pub const TEST_SECRET_TOKEN: &str = "sim-secret-token";

    /// An app with these credentials.
    ///
    /// # Errors
    /// [`EmptySecret`] if one of the secrets is empty.
    pub fn new(client_id: &str, client_secret: &str, secret_token: &str) -> Result<Self, EmptySecret> {
        Ok(Self {
            client_id: client_id.to_owned(),
            client_secret: ClientSecret::new(client_secret)?,
            secret_token: SecretToken::new(secret_token)?,
        })
    }
}

impl Default for App {
    fn default() -> Self {
        #[expect(clippy::expect_used, reason = "the test secrets stand above and are not empty")]
        Self::new(Self::TEST_CLIENT_ID, Self::TEST_CLIENT_SECRET, Self::TEST_SECRET_TOKEN)
            .expect("test secrets are not empty")
    }
}

/// How long Zoom waits and how often it asks. The defaults are Zoom's; `websocket.md` §8.1 has the sources.
#[derive(Clone, Debug)]
pub struct Timing {
    /// From the start webhook to the first signaling handshake; later the stream is gone.
    pub join_within: Duration,
    /// From a connection's opening to its handshake. Not documented; ours, so that idle sockets do not pile up.
    pub handshake_within: Duration,
    /// Between two keep-alive requests on a connection.
    pub keep_alive: Duration,
    /// Keep-alive requests without an answer before the connection counts as lost.
    pub keep_alive_misses: usize,
    /// From the loss of signaling to its return.
    pub signaling_window: Duration,
    /// From the loss of a media connection to its return.
    pub media_window: Duration,
    /// How much sound is kept for a client that is not there.
    pub backlog: Duration,
    /// From the end of an utterance to its line of transcript.
    pub transcript_delay: Duration,
    /// From the last media to the end of the stream, while the state is TERMINATING. Not documented; ours.
    pub farewell: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            join_within: Duration::from_secs(60),
            handshake_within: Duration::from_secs(10),
            keep_alive: Duration::from_secs(10),
            keep_alive_misses: 3,
            signaling_window: Duration::from_secs(60),
            media_window: Duration::from_secs(65),
            backlog: Duration::from_secs(60),
            transcript_delay: Duration::from_millis(300),
            farewell: Duration::from_millis(300),
        }
    }
}
