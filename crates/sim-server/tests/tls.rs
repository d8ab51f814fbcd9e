//! The simulator over TLS: whoever trusts its authority is served, by every name; nobody else is.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

use std::{sync::Arc, time::Duration};

use futures_util::{SinkExt, StreamExt};
use rtms_sim::{config::App, meeting::MeetingOptions};
use rtms_sim_server::{Simulator, SimulatorConfig, StartError};
use rtms_wire::{Uri, secret::ClientSecret, signature::HandshakeSignature};
use rustls::{
    ClientConfig, RootCertStore, SupportedProtocolVersion,
    pki_types::{CertificateDer, ServerName, pem::PemObject},
    version::{TLS12, TLS13},
};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_rustls::{TlsConnector, client::TlsStream};
use tokio_websockets::{ClientBuilder, Message as Frame};

#[tokio::test]
async fn a_client_that_trusts_the_authority_hears_the_meeting_over_tls_1_2_and_1_3() {
    for version in [&TLS12, &TLS13] {
        let simulator = Simulator::start(config(&[])).await.unwrap();
        assert!(simulator.signaling_url().starts_with("wss://127.0.0.1:"));
        let trusted = trusting(simulator.ca_pem().unwrap(), version);

        let mut signaling = connect(simulator.signaling_url(), "127.0.0.1", &trusted).await.unwrap();
        signaling.send(Frame::text(request(&simulator, 1).to_string())).await.unwrap();
        let welcome: Value = serde_json::from_slice(signaling.next().await.unwrap().unwrap().as_payload()).unwrap();
        let url = welcome["media_server"]["server_urls"]["audio"].as_str().unwrap();
        assert!(url.starts_with("wss://127.0.0.1:"));
        let mut media = connect(url, "127.0.0.1", &trusted).await.unwrap();
        let mut ask = request(&simulator, 3);
        ask["media_type"] = 1.into();
        media.send(Frame::text(ask.to_string())).await.unwrap();
        let ready = json!({"msg_type": 7, "rtms_stream_id": simulator.stream().as_str()});
        let granted: Value = serde_json::from_slice(media.next().await.unwrap().unwrap().as_payload()).unwrap();
        assert_eq!(granted["status_code"], 0);
        signaling.send(Frame::text(ready.to_string())).await.unwrap();

        let sound: Value = serde_json::from_slice(media.next().await.unwrap().unwrap().as_payload()).unwrap();
        assert_eq!(sound["msg_type"], 14);
    }
}

#[tokio::test]
async fn the_certificate_names_loopback_and_the_hosts_of_the_servers() {
    let simulator = Simulator::start(config(&["rtms-sjc1.localhost", "rtms-iad2.localhost"])).await.unwrap();
    let trusted = trusting(simulator.ca_pem().unwrap(), &TLS13);
    let port = simulator.address().port();
    assert_eq!(simulator.signaling_url(), format!("wss://rtms-sjc1.localhost:{port}/signaling"));

    for name in ["127.0.0.1", "localhost", "rtms-sjc1.localhost", "rtms-iad2.localhost"] {
        connect(simulator.signaling_url(), name, &trusted).await.unwrap();
    }
    connect(simulator.signaling_url(), "rtms.example.com", &trusted).await.unwrap_err();
}

#[tokio::test]
async fn every_run_has_an_authority_of_its_own() {
    let (one, other) = (Simulator::start(config(&[])).await.unwrap(), Simulator::start(config(&[])).await.unwrap());
    let trusted = trusting(one.ca_pem().unwrap(), &TLS13);

    connect(other.signaling_url(), "127.0.0.1", &trusted).await.unwrap_err();
    connect(one.signaling_url(), "127.0.0.1", &trusted).await.unwrap();
}

#[tokio::test]
async fn an_authority_in_a_folder_is_the_same_in_every_run_and_its_key_is_its_owners_alone() {
    let folder = tempfile::tempdir().unwrap();
    let kept = || SimulatorConfig { ca_dir: Some(folder.path().join("ca")), ..config(&[]) };
    let first = Simulator::start(kept()).await.unwrap();
    let trusted = trusting(first.ca_pem().unwrap(), &TLS13);
    drop(first);

    let second = Simulator::start(kept()).await.unwrap();

    connect(second.signaling_url(), "127.0.0.1", &trusted).await.unwrap();
    assert_eq!(std::fs::read_to_string(folder.path().join("ca/ca.pem")).unwrap(), second.ca_pem().unwrap());
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = std::fs::metadata(folder.path().join("ca/ca-key.pem")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
}

#[tokio::test]
async fn a_certificate_without_its_key_is_refused_and_one_that_is_gone_is_written_again() {
    let folder = tempfile::tempdir().unwrap();
    let kept = || SimulatorConfig { ca_dir: Some(folder.path().to_owned()), ..config(&[]) };
    let (certificate, key) = (folder.path().join("ca.pem"), folder.path().join("ca-key.pem"));
    let first = Simulator::start(kept()).await.unwrap();
    let trusted = trusting(first.ca_pem().unwrap(), &TLS13);
    drop(first);

    std::fs::remove_file(&certificate).unwrap();
    let second = Simulator::start(kept()).await.unwrap();
    connect(second.signaling_url(), "127.0.0.1", &trusted).await.unwrap();
    let other = Simulator::start(config(&[])).await.unwrap();
    std::fs::write(&certificate, other.ca_pem().unwrap()).unwrap();
    let of_another_key = why(Simulator::start(kept()).await);
    std::fs::write(&key, "no key").unwrap();
    let no_key = why(Simulator::start(kept()).await);
    std::fs::remove_file(&key).unwrap();
    let without_key = why(Simulator::start(kept()).await);

    assert!(
        of_another_key.contains("ca.pem is not the certificate of the key beside it; remove it"),
        "{of_another_key}"
    );
    assert!(no_key.contains("ca-key.pem is no private key; remove it"), "{no_key}");
    assert!(without_key.contains("there is no ca-key.pem for "), "{without_key}");
}

/// The cause of a failed start.
fn why(started: Result<Simulator, StartError>) -> String {
    std::error::Error::source(&started.unwrap_err()).unwrap().to_string()
}

fn config(hosts: &[&str]) -> SimulatorConfig {
    SimulatorConfig {
        tls: true,
        servers: hosts.len(),
        hosts: hosts.iter().map(|host| (*host).to_owned()).collect(),
        meeting: MeetingOptions { duration: Duration::from_secs(60), ..MeetingOptions::default() },
        ..SimulatorConfig::default()
    }
}

fn trusting(ca_pem: &str, version: &'static SupportedProtocolVersion) -> TlsConnector {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(ca_pem.as_bytes()).unwrap()).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
        .with_protocol_versions(&[version])
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    TlsConnector::from(Arc::new(config))
}

/// To the URL's port of loopback, whether or not the platform resolves the name.
async fn connect(
    url: &str,
    name: &str,
    trusted: &TlsConnector,
) -> std::io::Result<tokio_websockets::WebSocketStream<TlsStream<TcpStream>>> {
    let uri: Uri = url.parse().unwrap();
    let tcp = TcpStream::connect(("127.0.0.1", uri.port_u16().unwrap())).await?;
    let tls = trusted.connect(ServerName::try_from(name.to_owned()).unwrap(), tcp).await?;
    let (socket, _) = ClientBuilder::from_uri(uri).connect_on(tls).await.map_err(std::io::Error::other)?;
    Ok(socket)
}

fn request(simulator: &Simulator, msg_type: u32) -> Value {
    let secret = ClientSecret::new(App::TEST_CLIENT_SECRET).unwrap();
    let signature = HandshakeSignature::sign(App::TEST_CLIENT_ID, &secret, simulator.instance(), simulator.stream());
    json!({
        "msg_type": msg_type,
        "protocol_version": 1,
        "meeting_uuid": simulator.instance().value.as_str(),
        "rtms_stream_id": simulator.stream().as_str(),
        "signature": signature.as_str(),
    })
}
