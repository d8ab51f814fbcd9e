//! The configuration of the simulator on sockets.

use std::{
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

use rtms_sim::{
    config::{App, Timing, WebhookOptions},
    fault::{Incident, Temper},
    meeting::MeetingOptions,
    scenario::Scenario,
    webhook::WebhookPost,
};
use rtms_wire::{Uri, codes::product::Product, media::medium::MediaTypes};
use tokio::sync::mpsc;

use crate::limits::Limits;

/// The configuration of [`Simulator::start`](crate::Simulator::start).
#[derive(Clone, Debug)]
pub struct SimulatorConfig {
    /// Where signaling is served; port 0 takes a free one. Loopback unless somebody asks for more.
    pub listen: SocketAddr,
    /// Where media is served; the same as `listen` puts both on one port, none takes a free one at the same address.
    pub media_listen: Option<SocketAddr>,
    /// How many servers there are, at least one. All but the first take free ports; a stream goes there when its server
    /// fails.
    pub servers: usize,
    /// The host names of the servers in URLs, in turns; their address if there are none. Clients have to be able to
    /// resolve them.
    pub hosts: Vec<String>,
    /// Whether everything is served with TLS, by a certificate of the authority in
    /// [`Simulator::ca_pem`](crate::Simulator::ca_pem).
    pub tls: bool,
    /// The folder that keeps the authority over runs, as `ca.pem` and `ca-key.pem`; made where it is not there. None
    /// makes an authority for this run alone.
    pub ca_dir: Option<PathBuf>,
    /// Where the authority's certificate is written, as PEM, before any webhook is posted; without TLS nowhere.
    pub ca_out: Option<PathBuf>,
    /// Where webhooks are posted (`http` or `https`); none means that nothing is posted and the caller reads
    /// [`Simulator::start_webhook`](crate::Simulator::start_webhook).
    pub webhook_url: Option<Uri>,
    /// PEM files with certificate authorities to trust for `webhook_url`, beside the system's.
    pub webhook_ca: Vec<PathBuf>,
    /// Receives the webhooks that are posted nowhere, other than the first, at their time.
    pub unposted: Option<mpsc::UnboundedSender<WebhookPost>>,
    /// What is posted beside the stream's webhooks, and how fast time runs between posts; nothing without a URL.
    pub webhooks: WebhookOptions,
    /// Which product streams.
    pub product: Product,
    /// What happens in the meeting.
    pub meeting: MeetingOptions,
    /// The app that the stream is for.
    pub app: App,
    /// What the app was granted; none means what the product grants by default.
    pub granted: Option<MediaTypes>,
    /// How long things take.
    pub timing: Timing,
    /// What goes wrong when.
    pub incidents: Vec<Incident>,
    /// How Zoom behaves throughout.
    pub temper: Temper,
    /// When, since the start, the client's process is gone because its operator kills it.
    pub client_away: Option<std::ops::Range<Duration>>,
    /// By what the stream is judged at its end beside the protocol; [`SimulatorConfig::play`] sets what makes it come
    /// about.
    pub scenario: Option<Arc<Scenario>>,
    /// Bounds on what clients can make the simulator hold.
    pub limits: Limits,
    /// How long the simulator stays after the end, to see whether somebody comes again.
    pub linger: Duration,
    /// Whether [`Simulator::sent`](crate::Simulator::sent) is kept, payloads and all. Costs the memory of everything
    /// that is sent.
    pub keep_sent: bool,
}

impl Default for SimulatorConfig {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            media_listen: None,
            servers: 1,
            hosts: Vec::new(),
            tls: false,
            ca_dir: None,
            ca_out: None,
            webhook_url: None,
            webhook_ca: Vec::new(),
            unposted: None,
            webhooks: WebhookOptions::default(),
            product: Product::Meeting,
            meeting: MeetingOptions::default(),
            app: App::default(),
            granted: None,
            timing: Timing::default(),
            incidents: Vec::new(),
            temper: Temper::default(),
            client_away: None,
            scenario: None,
            limits: Limits::default(),
            linger: Duration::ZERO,
            keep_sent: true,
        }
    }
}

impl SimulatorConfig {
    /// Has this scenario played, on as many servers as it takes, and the stream judged by what it expects. What the
    /// scenario says of meeting, grant, timing and trouble takes the place of what was set; its `[network]` is left
    /// out, because the sockets have one.
    pub fn play(&mut self, scenario: Scenario) {
        self.servers = self.servers.max(1 + usize::from(scenario.standby));
        self.product = scenario.meeting.product;
        self.meeting = MeetingOptions { sources: self.meeting.sources.clone(), ..scenario.meeting_options() };
        self.granted = Some(scenario.granted());
        self.timing = scenario.timing();
        self.incidents.clone_from(&scenario.incidents);
        self.temper = Temper { strict: self.temper.strict | scenario.temper.strict, ..scenario.temper.clone() };
        self.client_away = scenario.client_away();
        let WebhookOptions { deliver_twice, forged_starts, .. } = scenario.webhook_options();
        self.webhooks.deliver_twice |= deliver_twice;
        self.webhooks.forged_starts |= forged_starts;
        self.scenario = Some(Arc::new(scenario));
    }
}
