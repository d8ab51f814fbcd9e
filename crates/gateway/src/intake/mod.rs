//! The other intake: Zoom's events over a WebSocket that we open, for those without a public address.
//!
//! An app with an `[app.websocket]` has a task here. It gets an access token, connects, and puts each event that comes
//! into the store's inbox, as the webhook door does; TLS and the token stand for the signature. From there on the two
//! are one: an event that arrives by both is folded as a repeat.
//!
//! Zoom never sends an event again here, so every event that arrives is kept. A connection that is to be replaced
//! because its token ages is heard to its end while the next one stands. While the store fails, events are held up to a
//! bound, then nothing more is read, and what waits in the network waits there; all of it is stored when the store
//! takes it again.

mod frame;
mod held;
mod session;

use std::{convert::Infallible, future, sync::Arc, time::Duration};

use rtms_client::connect::TcpConnector;
use rtms_http::client::HttpClient;
use rtms_store::{
    entry::NewEntry,
    error::StoreError,
    receipts::{NotedOn, Step},
    store::Store,
};
use rtms_wire::{
    SmolStr,
    webhook::server_url::{ServerUrlPolicy, UrlRefused},
};
use rtms_zoom_api::token::{self, Token};
use tokio::{
    sync::mpsc,
    task::JoinSet,
    time::{Instant, sleep, sleep_until},
};
use tracing::{error, info, warn};

use crate::{
    apps::Apps,
    clock,
    config::websocket::WebSocketConfig,
    intake::{
        held::{Arrived, Held},
        session::{Ended, Outlet, Session},
    },
    label::IntakeEnd,
    stop::Stop,
    telemetry::{IntakeResult, Metrics},
};

/// JSON text within JSON text: at worst six bytes stand for one. A longer message ends the connection unread.
const FRAME_BYTES_PER_BODY_BYTE: usize = 6;

/// The bytes around the content: headers and names.
const FRAME_BYTES_AROUND: usize = 16 << 10;

/// The first pause after a connection ended. Short, since what happens meanwhile is never sent.
const FIRST_PAUSE: Duration = Duration::from_millis(250);

/// The longest pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// The pause between two tries to store an event.
const STORE_AGAIN: Duration = Duration::from_millis(500);

/// The time for which a server that stops goes on trying.
const STORE_BEFORE_STOP: Duration = Duration::from_secs(2);

/// Why an app's WebSocket cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum IntakeUnusable {
    /// A URL is not one to which a token or the client secret may be sent.
    #[error("app {app}: websocket.{setting}: cannot connect to {url}: {source}")]
    Url {
        /// The name of the app.
        app: SmolStr,
        /// The setting.
        setting: &'static str,
        /// The URL.
        url: String,
        /// The fault.
        source: UrlRefused,
    },
}

/// The event WebSockets of all apps that have one.
pub(crate) struct Intakes(Vec<Intake>);

/// The event WebSocket of one app.
struct Intake {
    app: SmolStr,
    config: Arc<WebSocketConfig>,
    apps: Apps,
    connector: TcpConnector,
    http: HttpClient,
    store: Arc<dyn Store>,
    metrics: Arc<Metrics>,
    max_body_bytes: usize,
}

impl Intakes {
    /// Checks the settings of the apps, without connecting yet.
    ///
    /// # Errors
    /// [`IntakeUnusable`], which names the setting.
    pub(crate) fn of(
        apps: &Apps,
        policy: &ServerUrlPolicy,
        connector: &TcpConnector,
        http: &HttpClient,
        store: &Arc<dyn Store>,
        metrics: &Arc<Metrics>,
        max_body_bytes: usize,
    ) -> Result<Self, IntakeUnusable> {
        let max_message_bytes =
            max_body_bytes.saturating_mul(FRAME_BYTES_PER_BODY_BYTE).saturating_add(FRAME_BYTES_AROUND);
        let connector = connector.with_max_message_bytes(max_message_bytes);
        let wanted = apps.now();
        let wanted = wanted.iter().filter_map(|app| Some((&app.name, app.websocket.clone()?)));
        let intakes = wanted.map(|(app, config)| {
            let refused = |setting, url: &str, source| IntakeUnusable::Url {
                app: app.clone(),
                setting,
                url: url.to_owned(),
                source,
            };
            policy.check(&config.url).map_err(|why| refused("url", &config.url, why))?;
            policy.check_http(&config.token_url).map_err(|why| refused("token_url", &config.token_url, why))?;
            Ok(Intake {
                app: app.clone(),
                config,
                apps: apps.clone(),
                connector: connector.clone(),
                http: http.clone(),
                store: store.clone(),
                metrics: metrics.clone(),
                max_body_bytes,
            })
        });
        Ok(Self(intakes.collect::<Result<_, _>>()?))
    }

    /// Runs until the server stops. All events that arrived are stored then.
    pub(crate) async fn run(self, mut stop: Stop) {
        let mut tasks: JoinSet<()> = self.0.into_iter().map(|intake| intake.run(stop.clone())).collect();
        while let Some(ended) = tasks.join_next().await {
            if let Err(error) = ended {
                error!(%error, "the task of an event WebSocket broke");
            }
        }
        stop.given().await;
    }
}

impl Intake {
    async fn run(self, mut stop: Stop) {
        let (queue, held) = mpsc::unbounded_channel();
        let outlet = Outlet::new(self.app.clone(), queue, self.metrics.clone(), self.max_body_bytes);
        let mut listen_until = stop.clone();
        // Nothing more comes after it, so the writer ends when it has stored what did.
        let listening = self.listen(Arc::new(outlet), &mut listen_until);
        tokio::join!(listening, self.write(held, &mut stop));
    }

    /// Keeps one connection open.
    async fn listen(&self, outlet: Arc<Outlet>, stop: &mut Stop) {
        let mut token: Option<Token> = None;
        let mut session: Option<Session> = None;
        let mut replaced = JoinSet::new();
        let mut pauses = Pauses::default();
        loop {
            // If there is a session still, its token ages and it is to be replaced.
            let opened = tokio::select! {
                biased;
                () = stop.given() => break,
                opened = self.open(&mut token, &outlet) => opened,
                never = self.hear(&mut session, &outlet) => match never {},
            };
            match opened {
                Ok(fresh) => {
                    info!(app = %self.app, "event WebSocket open");
                    self.metrics.intake_opened();
                    if let Some(former) = session.replace(fresh) {
                        let leaving = former.leave(outlet.clone(), stop.clone());
                        let metrics = self.metrics.clone();
                        replaced.spawn(async move {
                            leaving.await;
                            metrics.intake_closed(IntakeEnd::Replaced);
                        });
                    }
                }
                Err(ended) => {
                    // It may be the token's fault.
                    token = None;
                    let pause = pauses.next();
                    warn!(app = %self.app, why = %ended, "cannot open the event WebSocket, retrying in {}", clock::readable(pause));
                    self.metrics.intake_failed(ended.word());
                    tokio::select! {
                        biased;
                        () = stop.given() => break,
                        () = sleep(pause) => {}
                        never = self.hear(&mut session, &outlet) => match never {},
                    }
                    continue;
                }
            }
            let (Some(current), Some(opened_with)) = (&mut session, &token) else { continue };
            let since = current.since;
            tokio::select! {
                biased;
                () = stop.given() => break,
                ended = current.serve(&outlet) => {
                    session = None;
                    // One that ends at once, again and again, is not to be opened as fast.
                    if clock::unix_millis().since(since) >= self.config.heartbeat_every {
                        pauses = Pauses::default();
                    }
                    let pause = pauses.next();
                    warn!(app = %self.app, why = %ended, "event WebSocket lost, retrying in {}", clock::readable(pause));
                    self.metrics.intake_closed(ended.word());
                    if matches!(ended, Ended::Refused(_)) {
                        token = None;
                    }
                    tokio::select! {
                        biased;
                        () = stop.given() => break,
                        () = sleep(pause) => {}
                    }
                }
                () = async {
                    sleep_until(opened_with.renew_at).await;
                    // One at a time: while the store fails, the one that was replaced last still holds what came.
                    while replaced.join_next().await.is_some() {}
                } => {
                    info!(app = %self.app, "the access token expires soon, replacing the event WebSocket");
                    token = None;
                }
            }
        }
        if let Some(session) = session {
            session.leave(outlet, stop.clone()).await;
            self.metrics.intake_closed(IntakeEnd::Stopping);
        }
        while replaced.join_next().await.is_some() {}
    }

    async fn open(&self, token: &mut Option<Token>, outlet: &Outlet) -> Result<Session, Ended> {
        if token.as_ref().is_some_and(|token| token.renew_at <= Instant::now()) {
            *token = None;
        }
        let token = match token {
            Some(token) => token,
            None => {
                let apps = self.apps.now();
                // The secret may have been rotated since the start.
                let app = apps.iter().find(|app| app.name == self.app);
                let app = app.ok_or_else(|| Ended::NotConnected("the app is gone from the settings".into()))?;
                let credentials = app.credentials(self.config.account_id.clone());
                token.insert(token::fetch(&self.http, &self.config.token_url, &credentials).await?)
            }
        };
        Session::open(&self.connector, self.url(token), self.config.heartbeat_every, outlet).await
    }

    /// Returns the URL with its token: never to be logged.
    fn url(&self, token: &Token) -> String {
        let secret = String::from_utf8_lossy(token.secret.expose());
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.append_pair("subscriptionId", self.config.subscription_id.trim()).append_pair("access_token", &secret);
        format!("{}?{}", self.config.url, query.finish())
    }

    /// Reads a session that is about to be replaced, if there is one, to its end.
    async fn hear(&self, session: &mut Option<Session>, outlet: &Outlet) -> Infallible {
        if let Some(former) = session {
            let ended = former.serve(outlet).await;
            *session = None;
            warn!(app = %self.app, why = %ended, "event WebSocket lost before its replacement was open");
            self.metrics.intake_closed(ended.word());
        }
        future::pending().await
    }

    /// Stores events in order. While the store fails it is tried again, because Zoom does not send the event again.
    async fn write(&self, mut held: mpsc::UnboundedReceiver<Held>, stop: &mut Stop) {
        let mut tries_end: Option<Instant> = None;
        while let Some(Held { arrived, _share }) = held.recv().await {
            let mut failed = false;
            loop {
                match self.append(&arrived).await {
                    Ok(()) if failed => {
                        info!(app = %self.app, "events by WebSocket are stored again");
                        break;
                    }
                    Ok(()) => break,
                    Err(why) if tries_end.is_some_and(|end| end <= Instant::now()) => {
                        error!(%why, app = %self.app, "an event received by WebSocket is lost: it could not be stored");
                        self.metrics.intake_message(IntakeResult::NotStored);
                        break;
                    }
                    Err(why) => {
                        error!(%why, app = %self.app, "cannot store an event received by WebSocket yet, trying again")
                    }
                }
                failed = true;
                tokio::select! {
                    biased;
                    () = stop.given(), if tries_end.is_none() => tries_end = Some(Instant::now() + STORE_BEFORE_STOP),
                    () = sleep(STORE_AGAIN) => {}
                }
            }
        }
    }

    async fn append(&self, arrived: &Arrived) -> Result<(), StoreError> {
        let &Arrived { received_at, received, ref body } = arrived;
        let entry = NewEntry { received_at, app: self.app.clone(), body: body.clone() };
        let id = self.store.append(entry).await.inspect_err(|_| self.metrics.store_error())?;
        self.store.note_step(NotedOn::from(id), Step::Received, received);
        self.store.note_step(NotedOn::from(id), Step::Stored, clock::unix_micros());
        self.metrics.intake_message(IntakeResult::Stored);
        self.metrics.webhook_stored_at(received_at);
        Ok(())
    }
}

/// The pauses between tries: each twice as long as the last, and different on every server.
#[derive(Default)]
struct Pauses {
    made: u32,
}

impl Pauses {
    fn next(&mut self) -> Duration {
        let longest = FIRST_PAUSE.saturating_mul(1 << self.made.min(16)).min(LONGEST_PAUSE);
        self.made = self.made.saturating_add(1);
        let mut chance = [0; 2];
        // Without chance there is still a pause.
        let _ = aws_lc_rs::rand::fill(&mut chance);
        let half = longest / 2;
        half + half.mul_f64(f64::from(u16::from_le_bytes(chance)) / f64::from(u16::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_a_minute_and_never_overflow() {
        let mut pauses = Pauses::default();

        let first = pauses.next();
        assert!(first >= FIRST_PAUSE / 2 && first <= FIRST_PAUSE, "{first:?}");
        let later: Vec<_> = (0..40).map(|_| pauses.next()).collect();
        assert!(later.iter().all(|pause| *pause <= LONGEST_PAUSE), "{later:?}");
        assert!(later.iter().skip(10).all(|pause| *pause >= LONGEST_PAUSE / 2), "{later:?}");
    }
}
