//! The servers that meetings share, and the handle of a meeting that is played on them.

use std::{
    io::Write,
    sync::{Arc, Mutex},
};

use rtms_sim::{
    config::{self, WebhookOptions, ZoomConfig},
    meeting::Meeting,
    seed::Seed,
    zoom::{Control, NotNow, Zoom},
};
use rtms_wire::{codes::stop_reason::StopReason, ids::InstanceId, time::UnixMillis};
use tokio::sync::{mpsc, oneshot, watch};

use crate::{
    abort_on_drop::AbortOnDrop,
    clock::Clock,
    config::SimulatorConfig,
    door::{Addresses, Door, OpenDoor},
    observed::Observed,
    post,
    progress::Progress,
    pump::{Clients, Order, PlayedScenario, Pump, Record},
    run_number::run_number,
    start_error::StartError,
    tls::Tls,
};

/// Events of its connections that wait for a meeting's pump.
const EVENTS: usize = 1_024;

/// What streams a meeting has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Streams {
    /// One, from the meeting's start; with it the meeting ends.
    One,
    /// One after the other, as they are asked for while the meeting lasts.
    OnRequest {
        /// Whether the first starts with the meeting.
        first_at_once: bool,
    },
}

/// Zoom's servers, open for the clients of any number of meetings.
#[derive(Debug)]
pub(crate) struct Stage {
    pub(crate) door: Arc<OpenDoor>,
    /// The authority's certificate as PEM; none without TLS.
    pub(crate) ca_pem: Option<Arc<str>>,
}

impl Stage {
    /// Listens where the config says. `most_meetings` is how many there may be at once; without `is_numbered`, paths
    /// name no meeting, and there can be one only.
    pub(crate) async fn open(
        config: &SimulatorConfig,
        most_meetings: usize,
        is_numbered: bool,
    ) -> Result<Self, StartError> {
        let tls = match config.tls {
            true => Some(Tls::new(config.listen.ip(), &config.hosts, config.ca_dir.as_deref())?),
            false => None,
        };
        let door = Door::bind(Addresses {
            signaling: config.listen,
            media: config.media_listen,
            servers: config.servers,
            hosts: &config.hosts,
            tls: config.tls,
        })
        .await?;
        if let (Some(tls), Some(path)) = (&tls, &config.ca_out) {
            std::fs::write(path, &tls.ca_pem).map_err(|source| StartError::CaOut { path: path.clone(), source })?;
        }
        let (ca_pem, acceptor) = tls.map(|tls| (Arc::from(tls.ca_pem), tls.acceptor)).unzip();
        Ok(Self { door: door.open(acceptor, &config.limits, most_meetings, is_numbered), ca_pem })
    }

    /// Plays a meeting, in a task of the current runtime. Its start webhook is on its way when this returns.
    ///
    /// # Errors
    /// [`StartError::WebhookUrl`] if the URL cannot be posted to; nothing is played then.
    pub(crate) async fn play(
        &self,
        config: &SimulatorConfig,
        streams: Streams,
        number: usize,
        record: Option<Record>,
    ) -> Result<Playing, StartError> {
        let target = config.webhook_url.clone().map(|url| post::Target::new(url, &config.webhook_ca)).transpose()?;
        let (events_in, events) = mpsc::channel(EVENTS);
        let entry = self.door.enter(number, events_in.clone());
        let clock = Clock::start();
        let zoom = Zoom::new(self.zoom_config(config, streams, number, target.is_some()), clock.now());
        let played = config.scenario.clone().map(|scenario| PlayedScenario::new(scenario, zoom.start()));
        let (progress_in, progress) = watch::channel(Progress::default());
        let mut pump = Pump {
            zoom,
            clock,
            played,
            limits: config.limits.clone(),
            keep_sent: config.keep_sent,
            linger: config.linger,
            record,
            target,
            // The caller has the first webhook.
            unposted: None,
            events_in,
            seen: Arc::default(),
            progress: progress_in,
            _entry: entry,
            clients: Clients::default(),
        };
        pump.carry_out().await;
        pump.unposted.clone_from(&config.unposted);
        let (meeting, start) = (Arc::clone(pump.zoom.meeting()), pump.zoom.start());
        let instance = pump.zoom.instance().clone();
        let meeting_number = pump.zoom.meeting_number().map(str::to_owned);
        let seen = Arc::clone(&pump.seen);
        let (orders, ordered) = mpsc::channel(1);
        let task = tokio::spawn(pump.run(events, ordered));
        let pump = AbortOnDrop(task.abort_handle());
        Ok(Playing { meeting, start, instance, meeting_number, seen, orders, progress, _pump: pump })
    }

    /// What the machine of one meeting is configured with.
    fn zoom_config(&self, config: &SimulatorConfig, streams: Streams, number: usize, is_posted: bool) -> ZoomConfig {
        let in_paths = self.door.in_paths(number);
        let mut urls = self.door.servers.iter().map(|server| config::Server {
            signaling_url: server.signaling_url(in_paths),
            media_url: server.media_url(in_paths),
        });
        let Some(first) = urls.next() else { unreachable!("there is a server at least") };
        ZoomConfig {
            product: config.product,
            meeting: config.meeting.clone(),
            app: config.app.clone(),
            granted: config.granted.unwrap_or_else(|| config::granted_by_default(config.product)),
            signaling_url: first.signaling_url,
            media_url: first.media_url,
            standby: urls.collect(),
            incidents: config.incidents.clone(),
            temper: config.temper.clone(),
            client_away: config.client_away.clone(),
            timing: config.timing.clone(),
            // Nobody can answer what is not posted.
            webhooks: if is_posted { config.webhooks.clone() } else { WebhookOptions::default() },
            webhooks_are_posted: is_posted,
            starts_with_stream: streams != Streams::OnRequest { first_at_once: false },
            outlives_streams: streams != Streams::One,
            run: run_number(),
        }
    }
}

/// The seed of one of several meetings, which follows from that of the first, whose number is 0.
pub(crate) fn seed_of(first: u64, number: usize) -> u64 {
    match u64::try_from(number) {
        Ok(number @ 1..) => Seed::new(first).fork("another meeting", number).number(),
        Ok(0) | Err(_) => first,
    }
}

/// Shares a record among meetings.
pub(crate) fn shared(record: Box<dyn Write + Send>) -> Record {
    Arc::new(Mutex::new(record))
}

/// A meeting that is played. Dropping it ends it at once, without a word to clients.
#[derive(Debug)]
pub(crate) struct Playing {
    pub(crate) meeting: Arc<Meeting>,
    pub(crate) start: UnixMillis,
    pub(crate) instance: InstanceId,
    pub(crate) meeting_number: Option<String>,
    pub(crate) seen: Arc<Mutex<Observed>>,
    orders: mpsc::Sender<Order>,
    progress: watch::Receiver<Progress>,
    /// Aborts the pump, and with it all connections, when the handle is dropped.
    _pump: AbortOnDrop,
}

impl Playing {
    /// Ends the stream, and does not wait for retries of webhooks.
    pub(crate) async fn stop(&self, reason: StopReason) {
        // It fails only when the pump has ended, which is what was wanted.
        let _ = self.orders.send(Order::Stop(reason)).await;
    }

    /// Does what is asked; when it returns, [`Playing::progress`] shows it.
    ///
    /// # Errors
    /// [`NotNow`] if it cannot be done in the present state.
    pub(crate) async fn control(&self, control: Control) -> Result<(), NotNow> {
        let (answer, answered) = oneshot::channel();
        // Either fails only when the pump has ended, and with it the meeting.
        let sent = self.orders.send(Order::Control { control, answer }).await;
        sent.map_err(|_| NotNow::MeetingOver)?;
        answered.await.unwrap_or(Err(NotNow::MeetingOver))
    }

    /// Returns how far the meeting is.
    pub(crate) fn progress(&self) -> Progress {
        self.progress.borrow().clone()
    }

    /// Whether everything of the meeting is over.
    pub(crate) fn is_finished(&self) -> bool {
        self.progress.borrow().is_finished
    }

    /// Waits until it is so far.
    pub(crate) async fn until(&self, is_so_far: impl FnMut(&Progress) -> bool) {
        let mut progress = self.progress.clone();
        // An error means that the pump is gone, which is as far as it can be.
        let _ = progress.wait_for(is_so_far).await;
    }
}
