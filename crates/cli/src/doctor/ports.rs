//! Whether the addresses of the settings are free, or held by the server that ought to hold them.

use std::{
    io::ErrorKind,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener},
    path::Path,
    time::Duration,
};

use bytes::Bytes;
use hyper::Request;
use rtms_gateway::config::{Config, listen::ApiListen};
use rtms_http::client::{HttpClient, Limits};
use rtms_store::engine;

use crate::doctor::{finding::Findings, running};

const CHECK: &str = "ports";

pub(super) async fn check(findings: &mut Findings, config: &Config) {
    let folder = &config.server.data_dir;
    let has_tls = config.server.tls_certificate.is_some();
    port(findings, "webhook address", "server.listen or --listen", config.server.listen, folder, has_tls).await;
    if let ApiListen::At(address) = config.api.listen {
        port(findings, "API address", "api.listen or --api-listen", address, folder, false).await;
    }
}

async fn port(findings: &mut Findings, what: &str, setting: &str, address: SocketAddr, folder: &Path, has_tls: bool) {
    let Err(error) = TcpListener::bind(address) else {
        findings.ok(CHECK, format!("{what} {address} is free"));
        return;
    };
    let kind = error.kind();
    if kind == ErrorKind::AddrInUse {
        held(findings, what, setting, address, folder, has_tls).await;
    } else if kind == ErrorKind::AddrNotAvailable {
        let found = format!("{what} {address}: this machine does not have that address");
        findings.fault(CHECK, found, format!("write one that it has, or 0.0.0.0 for all: {setting}"));
    } else if kind == ErrorKind::PermissionDenied {
        let found = format!("{what} {address}: this user may not listen on a port below 1024");
        let remedy = format!(
            "choose a higher port ({setting}) behind a proxy, or AmbientCapabilities=CAP_NET_BIND_SERVICE in the unit"
        );
        findings.fault(CHECK, found, remedy);
    } else {
        let found = format!("cannot listen on the {what} {address}: {error}");
        findings.fault(CHECK, found, format!("choose another: {setting}"));
    }
}

/// The port is taken: by the server on the data folder, by another rtms, or by something else.
async fn held(findings: &mut Findings, what: &str, setting: &str, address: SocketAddr, folder: &Path, has_tls: bool) {
    let readiness = running::readiness(folder).await;
    // With TLS the name in the certificate is another one than this address.
    if readiness.is_none() && !engine::is_in_use(folder) && Path::new(BOOTED_BY_SYSTEMD).exists() {
        // To connect could start a server for which systemd holds the port.
        let found =
            format!("{what} {address} is held by another program, or by systemd for a server that does not run");
        let remedy = format!(
            "start rtms.service if it is systemd (ss -ltnp names who it is); else stop it, or choose another address: {setting}"
        );
        findings.fault(CHECK, found, remedy);
        return;
    }
    let is_rtms = if has_tls { readiness.is_some() } else { answers_as_rtms(address).await };
    let shown = folder.display();
    match (is_rtms, readiness) {
        (true, Some(Ok(()))) => {
            findings.ok(CHECK, format!("{what} {address} is held by the rtms that runs on {shown}"))
        }
        (true, Some(Err(why))) => {
            let found = format!("the rtms that runs on {shown} is not ready: {why}");
            findings.fault(CHECK, found, "look at its log: mostly the disk is full or failing");
        }
        (true, None) => {
            let found =
                format!("{what} {address} is held by an rtms that runs on another data folder, or for another user");
            let remedy = format!(
                "name its settings (--config, --data-dir) to check that one, or choose another address: {setting}"
            );
            findings.fault(CHECK, found, remedy);
        }
        (false, _) => {
            let found = format!("{what} {address} is held by another program");
            let remedy = format!("stop it (ss -ltnp names it), or choose another address: {setting}");
            findings.fault(CHECK, found, remedy);
        }
    }
}

/// What is there if systemd runs this machine: the test of `sd_booted`.
const BOOTED_BY_SYSTEMD: &str = "/run/systemd/system";

/// How long a program on this machine may take to say that it is alive.
const ALIVE_WITHIN: Duration = Duration::from_secs(2);

async fn answers_as_rtms(address: SocketAddr) -> bool {
    let Ok(client) = HttpClient::new(&[]) else { return false };
    let url = format!("http://{}/healthz", reachable(address));
    let Ok(request) = Request::get(url).body(Bytes::new()) else { return false };
    let limits = Limits { answer_within: ALIVE_WITHIN, ..Limits::default() };
    client.send(request, limits).await.is_ok_and(|answer| answer.status().is_success() && **answer.body() == *b"ok\n")
}

/// Where a listener can be reached on this machine.
pub(super) fn reachable(address: SocketAddr) -> SocketAddr {
    let loopback = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip @ (IpAddr::V4(_) | IpAddr::V6(_)) => ip,
    };
    SocketAddr::new(loopback, address.port())
}
