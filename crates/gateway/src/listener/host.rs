//! Requests that name two hosts are refused before anything is done with them.
//!
//! A proxy may have looked at one name and the server at the other. HTTP/1.1 has the name in the header `Host`, and in the
//! request line if that has the absolute form; HTTP/2 has it in `:authority`, and some clients send `host` too.

use axum::{
    extract::Request,
    http::{HeaderMap, StatusCode, Uri, header, uri::Authority},
    middleware::Next,
    response::{IntoResponse, Response},
};

/// Answers 400 to a request that names two hosts, and passes on any other.
pub(crate) async fn one(request: Request, next: Next) -> Response {
    if is_one(request.uri(), request.headers()) {
        next.run(request).await
    } else {
        StatusCode::BAD_REQUEST.into_response()
    }
}

/// The host that a request was sent to; none if it names none, or nothing that can be a host.
pub(crate) fn of(uri: &Uri, headers: &HeaderMap) -> Option<Authority> {
    let host = || headers.get(header::HOST)?.to_str().ok()?.parse().ok();
    uri.authority().cloned().or_else(host)
}

fn is_one(uri: &Uri, headers: &HeaderMap) -> bool {
    let mut hosts = headers.get_all(header::HOST).iter();
    let (host, another) = (hosts.next(), hosts.next());
    if another.is_some() {
        return false;
    }
    let (Some(host), Some(authority)) = (host, uri.authority()) else { return true };
    let host = host.to_str().ok().and_then(|host| host.parse::<Authority>().ok());
    host.is_some_and(|host| is_same(&host, authority))
}

/// Whether two names mean the same. A port counts where both have one.
fn is_same(one: &Authority, other: &Authority) -> bool {
    let ports = one.port_u16().zip(other.port_u16());
    one.host().eq_ignore_ascii_case(other.host()) && ports.is_none_or(|(one, other)| one == other)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accepts(uri: &str, hosts: &[&str]) -> bool {
        let headers = hosts.iter().map(|host| (header::HOST, host.parse().unwrap())).fold(
            HeaderMap::new(),
            |mut headers, (name, value)| {
                headers.append(name, value);
                headers
            },
        );
        is_one(&uri.parse().unwrap(), &headers)
    }

    #[test]
    fn one_name_is_accepted_however_often_and_however_it_is_spelled() {
        assert!(accepts("/webhook", &[]) && accepts("/webhook", &["gateway.example:8080"]));
        assert!(accepts("http://gateway.example/webhook", &[]));
        assert!(accepts("http://gateway.example:8080/webhook", &["Gateway.Example"]));
        assert!(accepts("http://[::1]:8080/webhook", &["[::1]:8080"]));
    }

    #[test]
    fn two_names_are_refused() {
        assert!(!accepts("/webhook", &["gateway.example", "gateway.example"]), "twice the same is a fault too");
        assert!(!accepts("/webhook", &["gateway.example", "localhost"]));
        assert!(!accepts("http://gateway.example/webhook", &["localhost"]));
        assert!(!accepts("http://localhost/webhook", &["localhost.example"]));
        assert!(!accepts("http://localhost:80/webhook", &["localhost:81"]));
        assert!(!accepts("http://localhost/webhook", &[""]) && !accepts("http://localhost/webhook", &["a, b"]));
    }
}
