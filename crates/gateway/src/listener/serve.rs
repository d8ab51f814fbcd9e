//! Everything served over HTTP: webhooks and health at the door; health, metrics, receipts and streams at the API.
//!
//! Door and API are two routers on listeners of their own. The door faces the world; the API faces this machine.

use std::{net::SocketAddr, time::Duration};

use axum::{Router, middleware::from_fn};
use hyper_util::service::TowerToHyperService;
use tokio::{net::TcpListener, time::Instant};
use tokio_rustls::TlsAcceptor;
use tracing::{debug, info, warn};

use crate::{
    listener::{
        accept::Listener,
        active_requests::ActiveRequests,
        api_listeners::ApiListeners,
        connection,
        connection_slots::{ConnectionSlot, ConnectionSlots},
        host, local,
    },
    stop::Stop,
    trouble::Trouble,
};

/// The time for answering the active requests when the program stops.
const FINISH_WITHIN: Duration = Duration::from_secs(3);

/// Limits of a listener.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Connections at a time.
    pub(crate) connections: usize,
    /// The time for the head of a request.
    pub(crate) header_within: Duration,
}

/// Serves the door until the server stops, then lets the active requests finish.
///
/// Nothing but webhooks, tokens for them and health belongs into its router: anybody may reach it.
pub(crate) async fn door(
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
    router: Router,
    limits: Limits,
    active: ActiveRequests,
    stop: Stop,
) {
    serve(listener, tls, router.layer(from_fn(host::one)), limits, active, stop).await;
}

/// Serves the API until the server stops, then lets the active requests finish. The limits are those of each of its
/// listeners.
pub(crate) async fn api(listeners: ApiListeners, router: Router, limits: Limits, active: ActiveRequests, stop: Stop) {
    let router = router.layer(from_fn(host::one));
    let at_address = async {
        if let Some(listener) = listeners.tcp {
            let router = router.clone().layer(from_fn(local::only));
            serve(listener, None, router, limits, active.clone(), stop.clone()).await;
        }
    };
    let at_socket = async {
        #[cfg(unix)]
        if let Some(listener) = listeners.socket {
            serve(listener, None, router.clone(), limits, active.clone(), stop.clone()).await;
        }
    };
    tokio::join!(at_address, at_socket);
}

/// Accepts connections until the server stops, then lets the active requests finish.
async fn serve(
    listener: impl Listener,
    tls: Option<TlsAcceptor>,
    router: Router,
    limits: Limits,
    active: ActiveRequests,
    mut stop: Stop,
) {
    let slots = ConnectionSlots::new(limits.connections);
    let mut trouble = Trouble::default();
    loop {
        let accepted = tokio::select! {
            biased;
            () = stop.given() => break,
            accepted = accept(&listener, &slots, &mut trouble) => accepted,
        };
        let Some((stream, peer, slot)) = accepted else { continue };
        let service = local::from_peer(TowerToHyperService::new(router.clone()), peer);
        let (active, stop) = (active.clone(), stop.clone());
        let served = connection::serve(stream, tls.clone(), service, limits.header_within, active, slot, stop);
        tokio::spawn(async move {
            if let Err(error) = served.await {
                debug!(peer = peer.map(tracing::field::display), %error, "connection ended early");
            }
        });
    }
    drop(listener);
    // Each connection has its slot until it is closed.
    if tokio::time::timeout(FINISH_WITHIN, slots.all_free()).await.is_err() {
        warn!("some requests did not finish in time");
    }
}

async fn accept<L: Listener>(
    listener: &L,
    slots: &ConnectionSlots,
    trouble: &mut Trouble,
) -> Option<(L::Stream, Option<SocketAddr>, ConnectionSlot)> {
    match listener.accept().await {
        Ok((stream, peer)) => {
            if trouble.ends(Instant::now()) {
                info!("connections are accepted again");
            }
            Some((stream, peer, slots.take().await))
        }
        Err(error) => {
            // Mostly a lack of descriptors, which only time cures; without a pause this would spin.
            if trouble.begins(Instant::now()) {
                warn!(%error, "cannot accept connections, trying again");
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
            None
        }
    }
}
