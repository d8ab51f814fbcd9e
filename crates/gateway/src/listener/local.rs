//! Access to the API's address: requests from this machine, and no others.
//!
//! An answer goes only to a peer on loopback, and only if the request shows no sign of having come from further away
//! through a program on this machine: a proxy that names its client, or a browser that was led here by a foreign name.
//! The socket in the data folder needs none of this: the system keeps others out.

use std::net::{IpAddr, SocketAddr};

use axum::{
    extract::Request,
    http::{HeaderMap, Method, StatusCode, Uri, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use hyper::service::Service;

use crate::listener::host;

const REFUSAL: &str = "this is answered only to local requests: ask from the machine that the server runs on, \
    at a loopback address, without a proxy\n";

const PAGE_REFUSAL: &str = "this is not done for a page in a browser\n";

/// The peer of a connection, which each of its requests carries. A Unix socket's has no address.
#[derive(Clone, Copy, Debug)]
struct Peer(Option<SocketAddr>);

/// A service whose requests carry their peer.
#[derive(Clone, Debug)]
pub(crate) struct FromPeer<S> {
    service: S,
    peer: Peer,
}

/// Has each request carry its peer.
pub(crate) fn from_peer<S>(service: S, peer: Option<SocketAddr>) -> FromPeer<S> {
    FromPeer { service, peer: Peer(peer) }
}

impl<B, S: Service<hyper::Request<B>>> Service<hyper::Request<B>> for FromPeer<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn call(&self, mut request: hyper::Request<B>) -> S::Future {
        request.extensions_mut().insert(self.peer);
        self.service.call(request)
    }
}

/// Answers 403 to a request that is not from this machine, or that a page in a browser sends to change something.
pub(crate) async fn only(request: Request, next: Next) -> Response {
    match refusal(&request) {
        Some(why) => (StatusCode::FORBIDDEN, why).into_response(),
        None => next.run(request).await,
    }
}

fn refusal<B>(request: &hyper::Request<B>) -> Option<&'static str> {
    let (uri, headers) = (request.uri(), request.headers());
    // Without a peer nothing is known, so nothing is answered.
    let peer = request.extensions().get::<Peer>().and_then(|Peer(peer)| *peer);
    let is_near = peer.is_some_and(|peer| is_loopback(peer.ip()));
    if !is_near || is_forwarded(headers) || !names_this_machine(uri, headers) {
        return Some(REFUSAL);
    }
    // Browsers send it with everything that may change something.
    let changes = !matches!(*request.method(), Method::GET | Method::HEAD);
    (changes && headers.contains_key(header::ORIGIN)).then_some(PAGE_REFUSAL)
}

/// Whether a proxy names the client that it asks for. There is a standard header, and one for each maker of proxies.
fn is_forwarded(headers: &HeaderMap) -> bool {
    let is_of_a_proxy = |name: &str| {
        name == "via"
            || ["forwarded", "x-forwarded", "x-original"].iter().any(|prefix| name.starts_with(prefix))
            || ["-real-ip", "client-ip", "connecting-ip"].iter().any(|suffix| name.ends_with(suffix))
    };
    headers.keys().any(|name| is_of_a_proxy(name.as_str()))
}

/// Whether a request was sent to this machine by a name that can mean no other.
fn names_this_machine(uri: &Uri, headers: &HeaderMap) -> bool {
    let Some(authority) = host::of(uri, headers) else { return false };
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

    fn may_ask(peer: Option<&str>, headers: &[(&str, &str)]) -> bool {
        let mut request = hyper::Request::builder().uri("/v1/receipts");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let mut request = request.body(()).unwrap();
        if let Some(peer) = peer {
            request.extensions_mut().insert(Peer(Some(SocketAddr::new(peer.parse().unwrap(), 50_000))));
        }
        refusal(&request).is_none()
    }

    #[test]
    fn this_machine_may_ask_by_any_of_its_loopback_names() {
        for peer in ["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"] {
            for host in ["localhost", "LOCALHOST:8080", "127.0.0.1:8080", "[::1]:8080", "[::1]"] {
                assert!(may_ask(Some(peer), &[("host", host)]), "{peer} {host}");
            }
        }
    }

    #[test]
    fn a_peer_that_is_elsewhere_or_unknown_may_not_ask() {
        for peer in [None, Some("10.0.0.7"), Some("::ffff:10.0.0.7"), Some("fe80::1"), Some("0.0.0.0")] {
            assert!(!may_ask(peer, &[("host", "127.0.0.1")]), "{peer:?}");
        }
    }

    #[test]
    fn a_request_for_another_client_or_by_a_foreign_name_is_refused() {
        let of_proxies = [
            "forwarded",
            "x-forwarded-for",
            "x-forwarded-host",
            "x-forwarded-proto",
            "x-real-ip",
            "via",
            "cf-connecting-ip",
            "true-client-ip",
            "x-cluster-client-ip",
            "x-original-host",
        ];
        for name in of_proxies {
            assert!(!may_ask(Some("127.0.0.1"), &[("host", "localhost"), (name, "127.0.0.1")]), "{name}");
        }
        for host in ["rebound.example:8080", "localhost.example", "127.0.0.1.example", "10.0.0.7", "", "@"] {
            assert!(!may_ask(Some("127.0.0.1"), &[("host", host)]), "{host}");
        }
        assert!(!may_ask(Some("127.0.0.1"), &[]), "no host at all");
    }
}
