//! Everything served over HTTP: the webhook door, health, metrics, receipts, streams.

pub mod auth;
mod connection;
mod crowd;
pub(crate) mod diagnosis;
pub mod health;
mod idle;
mod local;
pub mod receipts;
pub mod streams;
pub mod tls;
pub mod webhook;

use std::{net::SocketAddr, sync::Arc, time::Duration};

use axum::{
    Router,
    extract::State,
    response::IntoResponse,
    routing::{get, post},
};
use hyper_util::service::TowerToHyperService;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
};
use tokio_rustls::TlsAcceptor;
use tracing::{debug, warn};

use crate::{http::webhook::Door, stop::Stop, telemetry::Metrics};

/// How long connections may take to finish their request when the program stops.
const FINISH_WITHIN: Duration = Duration::from_secs(3);

/// What the handlers share.
pub(crate) struct Shared {
    pub(crate) door: Door,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) health: health::Health,
    pub(crate) streams: streams::Streams,
}

pub(crate) fn router(shared: Arc<Shared>) -> Router {
    Router::new()
        .route("/webhook", post(webhook::receive))
        .route("/webhook/{app}", post(webhook::receive_for))
        .route("/webhook/{app}/token", post(webhook::token))
        .route("/healthz", get(health::healthz))
        .route("/readyz", get(health::readyz))
        .route("/metrics", get(metrics))
        .merge(receipts::routes())
        .merge(streams::routes())
        .with_state(shared)
}

async fn metrics(State(shared): State<Arc<Shared>>) -> impl IntoResponse {
    let content_type = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([(hyper::header::CONTENT_TYPE, content_type)], shared.metrics.render(shared.health.store.stats()))
}

/// Limits of the listener.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) connections: usize,
    pub(crate) header_within: Duration,
}

/// Accepts connections until told to stop, then lets the open requests finish.
pub(crate) async fn serve(
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
    router: Router,
    limits: Limits,
    mut stop: Stop,
) {
    let places = Arc::new(Semaphore::new(limits.connections));
    loop {
        let accepted = tokio::select! {
            biased;
            () = stop.given() => break,
            accepted = accept(&listener, &places) => accepted,
        };
        let Some((stream, peer, place)) = accepted else { continue };
        let service = local::from_peer(TowerToHyperService::new(router.clone()), peer);
        let served = connection::serve(stream, tls.clone(), service, limits.header_within, stop.clone());
        tokio::spawn(async move {
            if let Err(error) = served.await {
                debug!(%peer, %error, "connection ended early");
            }
            drop(place);
        });
    }
    drop(listener);
    // Each connection has its place until it is closed.
    let all = u32::try_from(limits.connections).unwrap_or(u32::MAX);
    if tokio::time::timeout(FINISH_WITHIN, places.acquire_many(all)).await.is_err() {
        warn!("some requests did not finish in time");
    }
}

async fn accept(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
) -> Option<(TcpStream, SocketAddr, OwnedSemaphorePermit)> {
    let place = places.clone().acquire_owned().await.ok()?;
    match listener.accept().await {
        Ok((stream, peer)) => Some((stream, peer, place)),
        Err(error) => {
            // Mostly a lack of descriptors, which only time cures; without a pause this would spin.
            warn!(%error, "cannot accept a connection");
            tokio::time::sleep(Duration::from_millis(100)).await;
            None
        }
    }
}
