//! Why there is no answer at all: name, connection, certificate, TLS, time. Each with its remedy.

use std::io::ErrorKind;

use rtms_http::error::{HttpError, Phase};
use rustls::{AlertDescription, CertificateError};

/// A fault: the check, what was found, the remedy.
pub(super) type Fault = (&'static str, String, String);

pub(super) const CONNECTION: &str = "connection";
pub(super) const CERTIFICATE: &str = "certificate";
pub(super) const TLS: &str = "TLS";
pub(super) const ROUND_TRIP: &str = "round trip";

/// Says what an error means for a webhook.
pub(super) fn of(error: &HttpError) -> Fault {
    match error {
        HttpError::Url(_) => (CONNECTION, error.to_string(), "write https://HOST/webhook".into()),
        HttpError::Tcp { host, source } => tcp(host, source.kind(), error),
        HttpError::Tls { host, .. } => tls(host, error),
        HttpError::TimedOut(Phase::Connect) => (
            CONNECTION,
            "no connection within 5 s: something drops the packets".into(),
            "open the port in the firewall and in the network's rules, and check that the name leads to this host"
                .into(),
        ),
        HttpError::TimedOut(Phase::Tls) => (
            TLS,
            "the TLS handshake was not finished within 5 s".into(),
            "check that the port speaks TLS, and what stands in front of it".into(),
        ),
        HttpError::TimedOut(Phase::Answer) => (
            ROUND_TRIP,
            "no answer within 10 s; Zoom waits for 3 s".into(),
            "check that the proxy reaches rtms (server.listen), and that it does not hold requests back".into(),
        ),
        HttpError::Exchange(error) => (
            ROUND_TRIP,
            format!("the connection was closed without an answer: {error}"),
            "check that the proxy speaks HTTP there, and reaches rtms (server.listen)".into(),
        ),
        HttpError::TooLong(bytes) => (
            ROUND_TRIP,
            format!("the answer is longer than {bytes} bytes: it is not from rtms"),
            "let the proxy pass this path on to rtms".into(),
        ),
    }
}

fn tcp(host: &str, kind: ErrorKind, error: &HttpError) -> Fault {
    let (found, remedy) = if kind == ErrorKind::ConnectionRefused {
        (
            format!("nobody listens at {host}: the connection is refused"),
            "start the proxy, or correct host and port of the URL",
        )
    } else if matches!(kind, ErrorKind::HostUnreachable | ErrorKind::NetworkUnreachable) {
        (format!("{host} cannot be reached"), "check the address of the name, and the network")
    } else if kind == ErrorKind::TimedOut {
        (
            format!("{host} does not answer: something drops the packets"),
            "open the port in the firewall and in the network's rules",
        )
    } else {
        (error.to_string(), "check the proxy and the network")
    };
    (CONNECTION, found, remedy.into())
}

fn tls(host: &str, error: &HttpError) -> Fault {
    if let Some(why) = error.certificate() {
        let (found, remedy) = certificate(host, why);
        return (CERTIFICATE, found, remedy.into());
    }
    let (found, remedy) = match error.rustls() {
        Some(rustls::Error::InvalidMessage(_)) => {
            (format!("{host} does not speak TLS"), "serve https there: Zoom posts to https only")
        }
        Some(rustls::Error::AlertReceived(AlertDescription::ProtocolVersion) | rustls::Error::PeerIncompatible(_)) => (
            format!("{host} speaks no TLS version that Zoom uses (1.2 or 1.3)"),
            "enable TLS 1.2 and 1.3 in the proxy (ssl_protocols TLSv1.2 TLSv1.3)",
        ),
        Some(rustls::Error::AlertReceived(AlertDescription::UnrecognisedName | AlertDescription::InternalError)) => (
            format!("{host} has no certificate for this name"),
            "add the name to the proxy's sites, and let it get a certificate",
        ),
        Some(rustls::Error::AlertReceived(AlertDescription::HandshakeFailure)) => (
            format!("{host} refuses every cipher that is offered"),
            "allow the usual ciphers of TLS 1.2 and 1.3 in the proxy",
        ),
        _ => (error.to_string(), "check that the port speaks TLS, and the proxy's log"),
    };
    (TLS, found, remedy.into())
}

fn certificate(host: &str, why: &CertificateError) -> (String, &'static str) {
    if matches!(why, CertificateError::Expired | CertificateError::ExpiredContext { .. }) {
        (format!("the certificate of {host} has expired"), "renew it, and let the proxy load the new one")
    } else if matches!(why, CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. }) {
        (format!("the certificate of {host} is not valid yet"), "check the clocks of both machines, or wait")
    } else if matches!(why, CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. }) {
        (
            format!("the certificate of {host} is for another name"),
            "get a certificate for the host of the URL, or use the name that the certificate has",
        )
    } else if *why == CertificateError::UnknownIssuer {
        (
            format!("the certificate of {host} is signed by an unknown authority, or its chain is not whole"),
            "use a certificate of a public authority, and serve the whole chain (fullchain.pem); to try with an authority of \
             your own, name it with --ca FILE",
        )
    } else {
        (format!("the certificate of {host} is not accepted: {why}"), "use a certificate of a public authority")
    }
}
