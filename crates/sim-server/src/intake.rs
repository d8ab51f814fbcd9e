//! Zoom's event WebSocket on loopback: a token endpoint, and a server that pushes webhook bodies to whoever holds a
//! token.

use std::{
    collections::BTreeMap,
    convert::Infallible,
    io,
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use http_body_util::Full;
use hyper::{Method, Request, Response, StatusCode, body::Incoming, header, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use rtms_sim::config::App;
use serde_json::{Value, json};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::mpsc,
    task::JoinSet,
    time::timeout,
};
use tokio_websockets::{CloseCode, Message, ServerBuilder};

use crate::{
    abort_on_drop::AbortOnDrop,
    oauth::{self, TOKEN_PATH, Tokens},
};

const EVENTS_PATH: &str = "/ws";

/// How long a client may take for its upgrade, and for its answer to a close frame.
const PATIENCE: Duration = Duration::from_secs(5);

/// What [`EventServer::start`] is told.
#[derive(Clone, Debug)]
pub struct EventServerConfig {
    /// Whose client id and client secret get a token.
    pub app: App,
    /// The only subscription there is.
    pub subscription_id: String,
    /// How long a token opens a connection. It is told in whole seconds, rounded up.
    pub token_life: Duration,
    /// The account that a request with `account_credentials` has to name.
    pub account_id: String,
}

impl Default for EventServerConfig {
    fn default() -> Self {
        Self {
            app: App::default(),
            subscription_id: "sim-subscription".into(),
            token_life: Duration::from_secs(3600),
            account_id: "sim-account".into(),
        }
    }
}

/// What was seen so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EventServerCounts {
    /// Tokens given out.
    pub tokens: u64,
    /// Requests for a token that were refused.
    pub tokens_refused: u64,
    /// Connections that were told `build_connection` with success.
    pub connections: u64,
    /// Connections that were told it without.
    pub refused: u64,
    /// Heartbeats that came.
    pub heartbeats: u64,
}

/// A running event server. A subscription has one connection: a new one closes the former. Dropping the server cuts it
/// off.
#[derive(Debug)]
pub struct EventServer {
    events: SocketAddr,
    tokens: SocketAddr,
    shared: Arc<Shared>,
    _tasks: [AbortOnDrop; 2],
}

#[derive(Debug)]
struct Shared {
    subscription_id: String,
    tokens: Tokens,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    counts: EventServerCounts,
    current: Option<mpsc::UnboundedSender<Order>>,
    silent: bool,
}

/// What a connection is to do.
#[derive(Debug)]
enum Order {
    Say(String),
    Close,
    Cut,
}

impl EventServer {
    /// Listens on two free ports of loopback.
    ///
    /// # Errors
    /// When there is none.
    pub async fn start(config: EventServerConfig) -> io::Result<Self> {
        let EventServerConfig { app, subscription_id, token_life, account_id } = config;
        let tokens = Tokens::new(app, account_id, token_life, Vec::new());
        let shared = Arc::new(Shared { subscription_id, tokens, state: Mutex::default() });
        let (for_events, for_tokens) =
            (TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?, TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?);
        let (events, tokens) = (for_events.local_addr()?, for_tokens.local_addr()?);
        let serving_events = tokio::spawn(accept(for_events, shared.clone(), serve_events));
        let serving_tokens = tokio::spawn(accept(for_tokens, shared.clone(), serve_tokens));
        let tasks = [serving_events, serving_tokens].map(|task| AbortOnDrop(task.abort_handle()));
        Ok(Self { events, tokens, shared, _tasks: tasks })
    }

    /// Where events are had, without the query.
    pub fn url(&self) -> String {
        format!("ws://{}{EVENTS_PATH}", self.events)
    }

    /// Where tokens are had.
    pub fn token_url(&self) -> String {
        format!("http://{}{TOKEN_PATH}", self.tokens)
    }

    /// Sends what would be the body of a webhook; false if nobody is connected, and then it is gone, as with Zoom.
    pub fn push(&self, body: &[u8]) -> bool {
        let content = String::from_utf8_lossy(body);
        self.say(json!({ "module": "message", "content": content }).to_string())
    }

    /// Sends a message as it is; false if nobody is connected.
    pub fn say(&self, text: impl Into<String>) -> bool {
        self.order(Order::Say(text.into()))
    }

    /// Ends the connection without a word; false if there is none.
    pub fn cut(&self) -> bool {
        self.order(Order::Cut)
    }

    /// From now on heartbeats are echoed, or not.
    pub fn echo(&self, echo: bool) {
        self.shared.state().silent = !echo;
    }

    /// Ends all tokens given out so far, without a word to connections that stand.
    pub fn revoke(&self) {
        self.shared.tokens.revoke();
    }

    /// What was seen so far.
    pub fn counts(&self) -> EventServerCounts {
        let Shared { tokens, .. } = &*self.shared;
        EventServerCounts { tokens: tokens.given(), tokens_refused: tokens.refused(), ..self.shared.state().counts }
    }

    fn order(&self, order: Order) -> bool {
        self.shared.state().current.as_ref().is_some_and(|current| current.send(order).is_ok())
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        // What is behind the lock is whole after every statement, so a panic elsewhere does not spoil it.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A token for whoever asks rightly.
    fn answer(&self, request: &Request<Incoming>) -> (StatusCode, Value) {
        if request.method() != Method::POST || request.uri().path() != TOKEN_PATH {
            return (StatusCode::NOT_FOUND, json!({}));
        }
        let authorization = request.headers().get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        self.tokens.grant(authorization, &query(request.uri().query()))
    }

    /// Whether a connection with this query may stand, and if not, why not.
    fn admit(&self, query: &BTreeMap<String, String>) -> Result<(), &'static str> {
        if query.get("subscriptionId") != Some(&self.subscription_id) {
            return Err("Invalid Subscription");
        }
        let is_valid = query.get("access_token").is_some_and(|token| self.tokens.is_valid(token));
        if is_valid { Ok(()) } else { Err("Invalid Token") }
    }
}

fn query(text: Option<&str>) -> BTreeMap<String, String> {
    oauth::fields(text.unwrap_or_default().as_bytes()).collect()
}

async fn accept<F: Future<Output = ()> + Send + 'static>(
    listener: TcpListener,
    shared: Arc<Shared>,
    serve: impl Fn(TcpStream, Arc<Shared>) -> F,
) {
    let mut tasks = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    tasks.spawn(serve(stream, shared.clone()));
                }
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    // Out of file descriptors, most likely; without a pause this would spin.
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
            },
            Some(_) = tasks.join_next(), if !tasks.is_empty() => {}
        }
    }
}

async fn serve_tokens(stream: TcpStream, shared: Arc<Shared>) {
    let service = service_fn(async |request: Request<Incoming>| {
        let (status, answer) = shared.answer(&request);
        let mut response = Response::new(Full::new(Bytes::from(answer.to_string())));
        *response.status_mut() = status;
        Ok::<_, Infallible>(response)
    });
    if let Err(error) = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await {
        tracing::debug!(%error, "a request for a token broke off");
    }
}

async fn serve_events(stream: TcpStream, shared: Arc<Shared>) {
    let Ok(Ok((request, mut socket))) = timeout(PATIENCE, ServerBuilder::new().accept(stream)).await else {
        tracing::debug!("a connection was no WebSocket");
        return;
    };
    let built = |content: &str, success| {
        Message::text(json!({ "module": "build_connection", "success": success, "content": content }).to_string())
    };
    if let Err(why) = shared.admit(&query(request.uri().query())) {
        shared.state().counts.refused += 1;
        // The client may be gone already.
        let _ = socket.send(built(why, false)).await;
        let _ = timeout(PATIENCE, socket.close()).await;
        return;
    }
    if socket.send(built("", true)).await.is_err() {
        return;
    }
    let (orders, mut ordered) = mpsc::unbounded_channel();
    {
        let mut state = shared.state();
        state.counts.connections += 1;
        if let Some(former) = state.current.replace(orders) {
            // It fails if that one is over.
            let _ = former.send(Order::Close);
        }
    }
    loop {
        tokio::select! {
            biased;
            order = ordered.recv() => match order {
                Some(Order::Say(text)) => {
                    if socket.send(Message::text(text)).await.is_err() {
                        return;
                    }
                }
                Some(Order::Close) => {
                    let _ = socket.send(Message::close(Some(CloseCode::NORMAL_CLOSURE), "replaced")).await;
                    let _ = timeout(PATIENCE, socket.close()).await;
                    return;
                }
                Some(Order::Cut) | None => return,
            },
            said = socket.next() => match said {
                Some(Ok(message)) if message.as_text() == Some(r#"{"module":"heartbeat"}"#) => {
                    let silent = {
                        let mut state = shared.state();
                        state.counts.heartbeats += 1;
                        state.silent
                    };
                    if !silent && socket.send(message).await.is_err() {
                        return;
                    }
                }
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return,
            },
        }
    }
}
