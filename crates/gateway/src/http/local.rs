//! Who may ask what Zoom does not ask: this machine, and nobody else.
//!
//! An answer goes only to a peer on loopback, and only if the request shows no sign of having come from further away
//! through somebody on this machine: a proxy that says for whom it asks, or a browser that was led here by a name that
//! is not ours. A proxy that says nothing cannot be told from a local client; docs/operating.md says what it must not
//! pass on.

use std::net::{IpAddr, SocketAddr};

use axum::{
    extract::FromRequestParts,
    http::{HeaderMap, StatusCode, Uri, header, request::Parts, uri::Authority},
};
use hyper::{Request, body::Incoming, service::Service};

/// Headers by which a proxy tells that it asks for somebody else.
const FORWARDED: [&str; 5] = ["forwarded", "x-forwarded-for", "x-forwarded-host", "x-real-ip", "via"];

const REFUSAL: &str = "this is answered only to local requests: ask from the machine that the server runs on, \
    at a loopback address, without a proxy\n";

/// Proof that a request is from this machine. As the first argument of a handler it goes before all else.
pub(crate) struct Local;

/// The peer of a connection, which each of its requests carries.
#[derive(Clone, Copy, Debug)]
struct Peer(SocketAddr);

/// A service whose requests carry their peer.
#[derive(Clone, Debug)]
pub(crate) struct FromPeer<S> {
    service: S,
    peer: Peer,
}

/// Has each request carry its peer.
pub(crate) fn from_peer<S>(service: S, peer: SocketAddr) -> FromPeer<S> {
    FromPeer { service, peer: Peer(peer) }
}

impl<S: Service<Request<Incoming>>> Service<Request<Incoming>> for FromPeer<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn call(&self, mut request: Request<Incoming>) -> S::Future {
        request.extensions_mut().insert(self.peer);
        self.service.call(request)
    }
}

impl<S: Sync> FromRequestParts<S> for Local {
    type Rejection = (StatusCode, &'static str);

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        // Without a peer nothing is known, so nothing is answered.
        let is_near = parts.extensions.get::<Peer>().is_some_and(|Peer(peer)| is_loopback(peer.ip()));
        let is_forwarded = FORWARDED.iter().any(|name| parts.headers.contains_key(*name));
        if is_near && !is_forwarded && names_this_machine(&parts.uri, &parts.headers) {
            Ok(Self)
        } else {
            Err((StatusCode::FORBIDDEN, REFUSAL))
        }
    }
}

/// Whether a request was sent to this machine by a name that cannot be anybody's but its own. HTTP/2 has the name in the
/// URI.
fn names_this_machine(uri: &Uri, headers: &HeaderMap) -> bool {
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()?.parse::<Authority>().ok());
    let Some(authority) = uri.authority().cloned().or(host) else { return false };
    let host = authority.host();
    let address = host.trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost") || address.parse().is_ok_and(is_loopback)
}

fn is_loopback(address: IpAddr) -> bool {
    address.to_canonical().is_loopback()
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn may_ask(peer: Option<&str>, headers: &[(&str, &str)]) -> bool {
        let mut request = Request::builder().uri("/v1/receipts");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let (mut parts, ()) = request.body(()).unwrap().into_parts();
        if let Some(peer) = peer {
            parts.extensions.insert(Peer(SocketAddr::new(peer.parse().unwrap(), 50_000)));
        }
        Local::from_request_parts(&mut parts, &()).await.is_ok()
    }

    #[tokio::test]
    async fn this_machine_may_ask_by_any_of_its_loopback_names() {
        for peer in ["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"] {
            for host in ["localhost", "LOCALHOST:8080", "127.0.0.1:8080", "[::1]:8080", "[::1]"] {
                assert!(may_ask(Some(peer), &[("host", host)]).await, "{peer} {host}");
            }
        }
    }

    #[tokio::test]
    async fn whoever_is_elsewhere_or_unknown_may_not_ask() {
        for peer in [None, Some("10.0.0.7"), Some("::ffff:10.0.0.7"), Some("fe80::1"), Some("0.0.0.0")] {
            assert!(!may_ask(peer, &[("host", "127.0.0.1")]).await, "{peer:?}");
        }
    }

    #[tokio::test]
    async fn who_asks_for_somebody_else_or_by_a_foreign_name_may_not_ask() {
        for name in FORWARDED {
            assert!(!may_ask(Some("127.0.0.1"), &[("host", "localhost"), (name, "127.0.0.1")]).await, "{name}");
        }
        for host in ["rebound.example:8080", "localhost.example", "127.0.0.1.example", "10.0.0.7", "", "@"] {
            assert!(!may_ask(Some("127.0.0.1"), &[("host", host)]).await, "{host}");
        }
        assert!(!may_ask(Some("127.0.0.1"), &[]).await, "no host at all");
    }
}
