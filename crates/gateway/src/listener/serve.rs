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
        share::ConnectionLimits,
    },
    stop::Stop,
    trouble::Trouble,
};

/// The time for answering the active requests when the program stops.
const FINISH_WITHIN: Duration = Duration::from_secs(3);

/// The routes of each listener. Nothing but webhooks, tokens for them and health belongs at the door: anybody may reach
/// it.
pub(crate) struct Routers {
    pub(crate) door: Router,
    pub(crate) api: Router,
}

/// Limits of the listeners.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Connections at a time.
    pub(crate) connections: ConnectionLimits,
    pub(crate) header_within: Duration,
}

/// Serves door and API until the server stops, then lets the active requests finish.
pub(crate) async fn run(
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
    listeners: ApiListeners,
    routers: Routers,
    active: ActiveRequests,
    limits: Limits,
    stop: Stop,
) {
    let [door, api] = [routers.door, routers.api].map(|router| router.layer(from_fn(host::one)));
    let Limits { connections, header_within } = limits;
    let at_address = async {
        if let Some(listener) = listeners.tcp {
            let router = api.clone().layer(from_fn(local::only));
            serve(listener, None, router, connections.api, header_within, active.clone(), stop.clone()).await;
        }
    };
    let at_socket = async {
        #[cfg(unix)]
        if let Some(listener) = listeners.socket {
            serve(listener, None, api.clone(), connections.api, header_within, active.clone(), stop.clone()).await;
        }
    };
    let at_door = serve(listener, tls, door, connections.door, header_within, active.clone(), stop.clone());
    tokio::join!(at_door, at_address, at_socket);
}

/// Accepts connections until the server stops, then lets the active requests finish.
async fn serve(
    listener: impl Listener,
    tls: Option<TlsAcceptor>,
    router: Router,
    connections: usize,
    header_within: Duration,
    active: ActiveRequests,
    mut stop: Stop,
) {
    let slots = ConnectionSlots::new(connections);
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
        let served = connection::serve(stream, tls.clone(), service, header_within, active, slot, stop);
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
