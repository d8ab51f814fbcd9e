//! The URL by itself, and its name: what Zoom demands of an endpoint, and where it leads.

use std::net::{IpAddr, SocketAddr};

use rtms_wire::Uri;

use crate::doctor::{
    failure::CONNECTION,
    finding::{Findings, Verdict},
};

const CHECK: &str = "URL";

/// Checks scheme, host and path, and resolves the name. Whether it makes sense to connect.
pub(super) async fn check(findings: &mut Findings, url: &Uri) -> bool {
    let host = url.host().unwrap_or_default().trim_matches(['[', ']']);
    let is_secure = url.scheme_str() == Some("https");
    let port = url.port_u16().unwrap_or(if is_secure { 443 } else { 80 });
    let addresses: Vec<SocketAddr> = match tokio::net::lookup_host((host, port)).await {
        Ok(found) => found.collect(),
        Err(error) => {
            let found = format!("the name {host} has no address: {error}");
            findings.fault(CONNECTION, found, "correct the name, or add an A or AAAA record for it");
            return false;
        }
    };
    let is_here = addresses.iter().all(|address| address.ip().to_canonical().is_loopback());
    if is_here {
        findings.note(CHECK, format!("{host} is this machine: what stands between it and Zoom is not tried"));
    } else if let Some(private) = addresses.iter().find(|address| is_private(address.ip().to_canonical())) {
        let found = format!("{host} leads to {}, which Zoom cannot reach", private.ip());
        findings.warning(CHECK, found, "give the name a public address, or run this from outside your network");
    }
    if !is_secure {
        let remedy =
            "put a proxy with TLS in front, or set server.tls_certificate and server.tls_key; then use https://";
        findings.fault(CHECK, "it begins with http://, and Zoom posts to https only", remedy);
    }
    if !is_here && host.parse::<IpAddr>().is_ok() {
        findings.fault(
            CHECK,
            format!("{host} is an address, and Zoom demands a host name"),
            "use a name that leads to it",
        );
    }
    if findings.worst(CHECK).is_none_or(|worst| worst <= Verdict::Note) {
        findings.ok(CHECK, format!("{url}"));
    }
    true
}

/// Whether an address is reached from inside a network only.
fn is_private(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(ip) => {
            let [first, second, ..] = ip.octets();
            ip.is_private() || ip.is_link_local() || ip.is_unspecified() || first == 100 && (64..128).contains(&second)
        }
        IpAddr::V6(ip) => ip.is_unique_local() || ip.is_unicast_link_local() || ip.is_unspecified(),
    }
}
