//! The settings as types. How they come about is in [`settings`].
//!
//! A new setting has three places: a field here, a line in `default.toml`, and, if it is a path or has no default, the lists at
//! the top of `settings.rs`.

pub mod app;
pub mod error;
pub mod listen;
pub mod media;
mod names;
mod print;
pub mod settings;
mod tree;
mod typed;
pub mod websocket;

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use rtms_store::engine::Engine;
use rtms_wire::webhook::server_url::ServerUrlPolicy;
use rtms_zoom_api::api::Endpoints;
use serde::Deserialize;

use crate::config::{
    app::AppConfig,
    error::{ConfigError, Unusable},
    listen::ApiListen,
    media::Media,
    settings::Settings,
};

/// The shortest limit of a body: Zoom's have a few hundred bytes, and nothing is gained by less.
const LEAST_BODY_BYTES: usize = 16 << 10;

/// The longest limit of a body. It is held in memory.
const MOST_BODY_BYTES: usize = 64 << 20;

/// The highest limit of connections: more than one address and port can have.
const MOST_CONNECTIONS: usize = 1_000_000;

/// All settings.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Addresses and folders.
    pub server: Server,
    /// The API for this machine.
    pub api: Api,
    /// The webhook door.
    pub webhook: Webhook,
    /// The hosts that may be connected to.
    pub zoom: Zoom,
    /// The media that are requested of Zoom.
    pub media: Media,
    /// The recording to files.
    pub recording: Recording,
    /// The ownership of streams.
    pub streams: Streams,
    /// The store.
    pub store: Store,
    /// The disk of the data folder.
    pub disk: DiskLimits,
    /// The apps, if secrets come from files.
    #[serde(default)]
    pub app: Vec<AppConfig>,
    /// The sinks for transcripts, chat and events.
    #[serde(default)]
    pub sink: Vec<Sink>,
}

/// `[server]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Server {
    /// The address of the webhook door, which serves health too.
    #[serde(deserialize_with = "listen::deserialize_address")]
    pub listen: SocketAddr,
    /// The folder of the store and the recordings.
    pub data_dir: PathBuf,
    /// A PEM file with the door's certificate chain, if the door speaks TLS itself.
    #[serde(default)]
    pub tls_certificate: Option<PathBuf>,
    /// A PEM file with its key.
    #[serde(default)]
    pub tls_key: Option<PathBuf>,
    /// The longest time that a graceful stop takes.
    #[serde(with = "humantime_serde")]
    pub stop_within: Duration,
    /// The folder of wire logs, if they are kept; set by `--capture`, never by a file: what people say and show is in
    /// them.
    #[serde(skip)]
    pub capture: Option<PathBuf>,
}

/// `[api]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Api {
    /// The address for streams, receipts and metrics, beside the socket in the data folder.
    pub listen: ApiListen,
}

/// `[webhook]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Webhook {
    /// The largest difference between a timestamp and our clock.
    #[serde(with = "humantime_serde")]
    pub tolerance: Duration,
    /// The longest body.
    pub max_body_bytes: usize,
    /// The longest time for the headers, and for the body.
    #[serde(with = "humantime_serde")]
    pub read_within: Duration,
    /// Connections at a time.
    pub max_connections: usize,
}

/// `[zoom]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Zoom {
    /// Domains under which hosts may be connected to.
    pub allowed_hosts: Vec<String>,
    /// PEM files with more certificate authorities.
    pub extra_ca: Vec<PathBuf>,
    /// Whether Zoom is asked for a new stream when one was lost beyond its windows.
    pub request_again: bool,
    /// The address of Zoom's REST API.
    pub api_url: String,
    /// The address for access tokens of the REST API.
    pub token_url: String,
    /// Whether `ws://` and loopback hosts are allowed too; set by `--dev`, never by a file.
    #[serde(skip)]
    pub allow_loopback: bool,
}

/// `[recording]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recording {
    /// Whether streams are recorded.
    pub enabled: bool,
    /// The time between two syncs of the files.
    #[serde(with = "humantime_serde")]
    pub sync_every: Duration,
    /// Whether a sync waits for the disk.
    pub wait_for_disk: bool,
}

/// `[streams]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Streams {
    /// The time for which a claim holds without being renewed.
    #[serde(with = "humantime_serde")]
    pub lease_term: Duration,
    /// The time between two renewals.
    #[serde(with = "humantime_serde")]
    pub lease_renew_every: Duration,
}

/// `[store]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Store {
    /// The engine that keeps it.
    pub engine: Engine,
    /// The time for which webhooks, receipts and ended streams are kept.
    #[serde(with = "humantime_serde")]
    pub keep: Duration,
}

/// `[disk]`: the free bytes below which the disk of the data folder counts as nearly full, and as full.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DiskLimits {
    /// Below this it is nearly full, which is logged.
    pub warn_below_bytes: u64,
    /// Below this it is full, and the server is not ready.
    pub full_below_bytes: u64,
}

/// `[[sink]]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Sink {
    /// One JSON object per line on standard output.
    Stdout {
        /// The queue in which envelopes wait for the reader.
        #[serde(default)]
        delivery: SinkDelivery,
    },
}

/// `delivery` of a `[[sink]]`: the queue in which its envelopes wait, and so whether they can be lost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SinkDelivery {
    /// In memory: dropped and counted when there are too many, and lost with the process.
    #[default]
    Lossy,
    /// In the store, until the sink has taken them: each is delivered at least once.
    Durable,
}

impl Config {
    /// Reads the defaults, then the file, then the environment.
    ///
    /// # Errors
    /// [`ConfigError`], with the place and the name of each setting that cannot be used.
    pub fn load(file: Option<&Path>) -> Result<Self, ConfigError> {
        Self::of(&Settings::load(file)?)
    }

    /// Gives settings their types.
    ///
    /// # Errors
    /// [`ConfigError::Unusable`], with the place and the name of each setting that cannot be used.
    pub fn of(settings: &Settings) -> Result<Self, ConfigError> {
        settings.typed(Self::check)
    }

    /// Finds what is wrong with values that are right by themselves.
    fn check(&self) -> Vec<Unusable> {
        let mut found = app::check(&self.app);
        let mut check = |is_usable: bool, settings: &[&str], why: &str| {
            if !is_usable {
                found.push(Unusable::new(settings, why));
            }
        };
        check(
            self.streams.lease_renew_every * 2 <= self.streams.lease_term,
            &["streams.lease_renew_every", "streams.lease_term"],
            "must be less than half of lease_term, to survive a miss",
        );
        check(
            self.store.keep >= Duration::from_secs(24 * 3600),
            &["store.keep"],
            "must be at least 24h: Zoom's repeats must be recognised",
        );
        check(
            self.disk.full_below_bytes <= self.disk.warn_below_bytes,
            &["disk.full_below_bytes", "disk.warn_below_bytes"],
            "must not be above warn_below_bytes: people are to hear of it before",
        );
        let Webhook { tolerance, max_body_bytes, read_within, max_connections } = self.webhook;
        check(
            (LEAST_BODY_BYTES..=MOST_BODY_BYTES).contains(&max_body_bytes),
            &["webhook.max_body_bytes"],
            "must be from 16384 to 67108864: too long is a loss for Zoom",
        );
        check(
            read_within >= Duration::from_millis(100),
            &["webhook.read_within"],
            "must be at least 100ms: too slow is a loss for Zoom",
        );
        check(
            tolerance >= Duration::from_secs(1),
            &["webhook.tolerance"],
            "must be at least 1s: timestamps have whole seconds, and clocks differ",
        );
        check(
            (1..=MOST_CONNECTIONS).contains(&max_connections),
            &["webhook.max_connections"],
            "must be from 1 to 1000000",
        );
        for (setting, url) in [("zoom.api_url", &self.zoom.api_url), ("zoom.token_url", &self.zoom.token_url)] {
            let is_plain = !url.contains(['?', '#']) && (url.starts_with("https://") || url.starts_with("http://"));
            check(
                is_plain,
                &[setting],
                "must be a URL with https:// and without a query, as in https://zoom.us/oauth/token",
            );
        }
        for (position, host) in self.zoom.allowed_hosts.iter().enumerate().filter(|(_, host)| !is_domain(host)) {
            let why = format!("{host:?} is not a domain: write it as in \"zoom.us\", which is meant with all under it");
            check(false, &[&format!("zoom.allowed_hosts.{position}")], &why);
        }
        found.extend(self.server.tls_files().err());
        found.extend(self.media.checked().err());
        found
    }
}

impl Server {
    /// Returns the files of the certificate and of its key, if the door speaks TLS.
    pub(crate) fn tls_files(&self) -> Result<Option<(&Path, &Path)>, Unusable> {
        match (&self.tls_certificate, &self.tls_key) {
            (Some(certificate), Some(key)) => Ok(Some((certificate, key))),
            (None, None) => Ok(None),
            (Some(_), None) | (None, Some(_)) => {
                let settings = ["server.tls_certificate", "server.tls_key"];
                Err(Unusable::new(&settings, "name both tls_certificate and tls_key, or neither"))
            }
        }
    }
}

impl Zoom {
    /// Returns the addresses of Zoom's REST API.
    pub fn endpoints(&self) -> Endpoints {
        Endpoints { api_url: self.api_url.clone(), token_url: self.token_url.clone() }
    }

    /// Returns the rule for the hosts that may be connected to.
    pub fn policy(&self) -> ServerUrlPolicy {
        ServerUrlPolicy {
            allowed_suffixes: self.allowed_hosts.iter().map(|host| host.to_ascii_lowercase()).collect(),
            allow_loopback: self.allow_loopback,
        }
    }
}

/// Whether it may stand in a certificate: labels of letters, digits and hyphens.
fn is_domain(text: &str) -> bool {
    let is_label = |label: &str| !label.is_empty() && label.bytes().all(|it| it.is_ascii_alphanumeric() || it == b'-');
    text.split('.').all(is_label)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_printed_defaults_are_the_defaults_and_zoom_would_take_them() {
        let config = Config::load(None).unwrap();

        assert_eq!(config.server.listen.port(), 8080);
        assert_eq!(config.media.stream_config().unwrap(), rtms_proto::config::StreamConfig::default());
    }

    #[test]
    fn what_zoom_would_refuse_is_refused_before_anything_is_dialed_in_the_words_of_the_settings() {
        let refused: [(&str, &[&str]); 13] = [
            ("audio.codec = \"opus\"", &["media.audio.sample_rate: 16000 ", "opus goes with 48000"]),
            ("audio.codec = \"g711\"\naudio.sample_rate = 48000", &["media.audio.sample_rate: 48000 ", "with 8000"]),
            ("audio.codec = \"g722\"\naudio.channels = 2", &["media.audio.channels: 2 ", "g722 goes with 1"]),
            (
                "audio.codec = \"opus\"\naudio.sample_rate = 48000\naudio.send_rate = 40",
                &["media.audio.send_rate: 40 ", "opus goes with 20"],
            ),
            ("audio.send_rate = 30", &["media.audio.send_rate: 30 ", "steps of 20"]),
            ("audio.codec = \"h264\"", &["media.audio.codec: \"h264\" ", "l16, opus, g711 or g722"]),
            ("audio.sample_rate = 44100", &["media.audio.sample_rate: ", "8000, 16000, 32000 or 48000"]),
            ("video.fps = 99", &["media.video.fps: 99 ", "1 to 30"]),
            ("video.codec = \"jpg\"", &["media.video.codec: \"jpg\" ", "fps = 25", "up to 5"]),
            ("video.codec = \"l16\"", &["media.video.codec: \"l16\" ", "h264, jpg or png"]),
            ("deskshare.codec = \"h264\"", &["media.deskshare.codec: \"h264\" ", "fps = 1", "from 2 on"]),
            ("transcript.language = 77", &["media.transcript.language: 77 ", "9 is English"]),
            ("want = []", &["media.want: ", "audio"]),
        ];
        for (settings, words) in refused {
            let error = refusal(&format!("[media]\n{settings}\n"));

            assert!(words.iter().all(|word| error.contains(word)), "{settings}: {error}");
            assert!(!error.contains("STATUS_"), "{settings}: {error}");
        }
    }

    #[test]
    fn a_word_that_is_none_is_answered_with_those_that_are() {
        let unknown: [(&str, &[&str]); 7] = [
            ("want = [\"chat\", \"audi\"]", &["`audi`", "media.want[1]", "`audio`", "`deskshare`", "`chat`"]),
            ("layout = \"both\"", &["`both`", "media.layout", "`split`", "`unified`"]),
            ("audio.codec = \"mp3\"", &["`mp3`", "media.audio.codec", "`l16`", "`opus`"]),
            ("audio.streams = \"active\"", &["`active`", "media.audio.streams", "`multi`", "`mixed`"]),
            ("video.streams = \"multi\"", &["`multi`", "media.video.streams", "`active`", "`individual`"]),
            ("video.resolution = \"4k\"", &["`4k`", "media.video.resolution", "`fhd`"]),
            ("deskshare.codec = \"gif\"", &["`gif`", "media.deskshare.codec", "`png`"]),
        ];
        for (setting, words) in unknown {
            let error = refusal(&format!("[media]\n{setting}\n"));

            assert!(words.iter().all(|word| error.contains(word)), "{setting}: {error}");
        }
    }

    #[test]
    fn a_sink_is_lossy_unless_it_is_to_be_durable() {
        let of = |settings: &str| {
            let file = tempfile::NamedTempFile::new().unwrap();
            std::fs::write(file.path(), format!("[[sink]]\nkind = \"stdout\"\n{settings}\n")).unwrap();
            let Sink::Stdout { delivery } = Config::load(Some(file.path())).unwrap().sink.remove(0);
            delivery
        };
        assert_eq!([of(""), of("delivery = \"lossy\"")], [SinkDelivery::Lossy; 2]);
        assert_eq!(of("delivery = \"durable\""), SinkDelivery::Durable);
        let error = refusal("[[sink]]\nkind = \"stdout\"\ndelivery = \"sure\"\n");
        assert!(error.contains("`sure`") && error.contains("`lossy`") && error.contains("`durable`"), "{error}");
    }

    #[test]
    fn a_value_out_of_range_is_named_before_it_loses_webhooks() {
        let unusable = [
            ("webhook", "max_connections = 0"),
            ("webhook", "max_body_bytes = 0"),
            ("webhook", "max_body_bytes = 1099511627776"),
            ("webhook", "read_within = \"0s\""),
            ("webhook", "tolerance = \"0s\""),
            ("zoom", "allowed_hosts = [\"\"]"),
            ("zoom", "allowed_hosts = [\"zoom.us\", \"*\"]"),
            ("zoom", "allowed_hosts = [\".zoom.us\"]"),
            ("zoom", "allowed_hosts = [\"zoom.us.\"]"),
            ("zoom", "allowed_hosts = [\"https://zoom.us\"]"),
        ];
        for (section, line) in unusable {
            let error = refusal(&format!("[{section}]\n{line}\n"));

            let setting = line.split_once(' ').unwrap().0;
            assert!(error.contains(&format!("toml:2: {section}.{setting}")), "{line}: {error}");
        }
    }

    #[test]
    fn an_unknown_setting_is_named() {
        let error = refusal("[server]\nlisen = \"127.0.0.1:1\"\n");

        assert!(error.contains("lisen"), "{error}");
    }

    /// Returns the error text for a file that cannot be used.
    fn refusal(text: &str) -> String {
        let file = tempfile::Builder::new().suffix(".toml").tempfile().unwrap();
        std::fs::write(file.path(), text).unwrap();
        Config::load(Some(file.path())).unwrap_err().to_string()
    }
}
