//! Requests over real sockets: what is trusted, what is bounded, and what an answer is.
#![expect(clippy::unwrap_used, reason = "in a test, a panic is the answer")]

use std::{net::SocketAddr, sync::Arc, time::Duration};

use bytes::Bytes;
use hyper::{Request, StatusCode};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rtms_http::{
    client::{HttpClient, Limits, PeerTls},
    error::{HttpError, Phase, TlsSetupError},
};
use rustls::{CertificateError, ProtocolVersion, ServerConfig, crypto::aws_lc_rs, pki_types::PrivatePkcs8KeyDer};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};
use tokio_rustls::TlsAcceptor;

const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}";

#[tokio::test]
async fn an_answer_counts_whatever_its_status_and_its_redirect_is_not_followed() {
    let at = serve(async |mut peer| {
        let request = read_head(&mut peer).await;
        assert!(request.starts_with("POST /a?b=c HTTP/1.1\r\n"), "{request}");
        assert!(request.contains("\r\nhost: 127.0.0.1:"), "{request}");
        peer.write_all(b"HTTP/1.1 302 Found\r\nlocation: /b\r\ncontent-length: 5\r\n\r\nhello").await.unwrap();
    })
    .await;
    let request = Request::post(format!("http://{at}/a?b=c")).body(Bytes::from_static(b"body")).unwrap();

    let answer = client().send(request, Limits::default()).await.unwrap();

    assert_eq!((answer.status(), &answer.body()[..]), (StatusCode::FOUND, &b"hello"[..]));
    assert!(answer.extensions().get::<PeerTls>().is_none());
}

#[tokio::test]
async fn a_status_is_enough_where_the_body_never_ends() {
    let at = serve(async |mut peer| {
        read_head(&mut peer).await;
        peer.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n").await.unwrap();
        std::future::pending::<()>().await;
    })
    .await;

    let answer = client().send_for_head(get(at), Limits::default()).await.unwrap();

    assert_eq!(answer.status(), StatusCode::OK);
}

#[tokio::test]
async fn every_step_has_its_bound() {
    let silent = serve(async |_| std::future::pending::<()>().await).await;
    let short = Limits { answer_within: Duration::from_millis(50), ..Limits::default() };
    let error = client().send(get(silent), short).await.unwrap_err();
    assert!(matches!(error, HttpError::TimedOut(Phase::Answer)), "{error}");

    let short = Limits { connect_within: Duration::from_millis(50), ..Limits::default() };
    let over_tls = Request::get(format!("https://{silent}/")).body(Bytes::new()).unwrap();
    let error = client().send(over_tls, short).await.unwrap_err();
    assert!(matches!(error, HttpError::TimedOut(Phase::Tls)), "{error}");

    let long = serve(async |mut peer| {
        read_head(&mut peer).await;
        peer.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n123456789").await.unwrap();
    })
    .await;
    let bounded = Limits { max_body_bytes: 8, ..Limits::default() };
    let error = client().send(get(long), bounded).await.unwrap_err();
    assert!(matches!(error, HttpError::TooLong(8)), "{error}");
}

#[tokio::test]
async fn what_is_no_web_address_is_refused_before_anything_is_dialed() {
    for url in ["wss://127.0.0.1/", "/path", "ftp://127.0.0.1/"] {
        let request = Request::get(url).body(Bytes::new()).unwrap();
        let error = client().send(request, Limits::default()).await.unwrap_err();
        assert!(matches!(error, HttpError::Url(_)), "{url}: {error}");
    }
}

#[tokio::test]
async fn an_exchange_that_breaks_off_is_an_error() {
    let at = serve(async |mut peer| {
        read_head(&mut peer).await;
        peer.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n1").await.unwrap();
    })
    .await;

    let error = client().send(get(at), Limits::default()).await.unwrap_err();

    assert!(matches!(error, HttpError::Exchange(_)), "{error}");
}

// Elsewhere a reset may overtake the bytes before it.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn an_answer_counts_if_the_connection_is_reset_right_behind_it() {
    let at = serve(async |mut peer: TcpStream| {
        peer.read_buf(&mut Vec::with_capacity(1024)).await.unwrap();
        peer.write_all(ANSWER).await.unwrap();
        peer.set_zero_linger().unwrap();
    })
    .await;

    let answer = client().send(get(at), Limits::default()).await.unwrap();

    assert_eq!((answer.status(), &answer.body()[..]), (StatusCode::OK, &b"{}"[..]));
}

#[tokio::test]
async fn a_certificate_counts_only_if_its_authority_and_its_name_do() {
    let (authority, at) = serve_tls().await;
    let folder = tempfile::tempdir().unwrap();
    let ca = folder.path().join("ca.pem");
    std::fs::write(&ca, authority).unwrap();
    let trusting = HttpClient::new(&[ca]).unwrap();
    let named = |host: &str| Request::get(format!("https://{host}:{}/", at.port())).body(Bytes::new()).unwrap();

    let answer = trusting.send(named("localhost"), Limits::default()).await.unwrap();
    assert_eq!(answer.body(), "{}");
    let peer = answer.extensions().get::<PeerTls>().unwrap();
    assert_eq!((peer.version, peer.certificates.len()), (Some(ProtocolVersion::TLSv1_3), 1));

    let error = trusting.send(named("127.0.0.1"), Limits::default()).await.unwrap_err();
    let is_name = matches!(
        error.certificate(),
        Some(CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. })
    );
    assert!(is_name, "{error}");
    let error = client().send(named("localhost"), Limits::default()).await.unwrap_err();
    assert!(matches!(error.certificate(), Some(CertificateError::UnknownIssuer)), "{error}");
}

#[test]
fn a_file_without_an_authority_is_refused_by_its_name() {
    let folder = tempfile::tempdir().unwrap();
    let empty = folder.path().join("ca.pem");
    std::fs::write(&empty, "").unwrap();

    let error = HttpClient::new(std::slice::from_ref(&empty)).unwrap_err();

    assert!(matches!(&error, TlsSetupError::NoCertificate(path) if *path == empty), "{error}");
    let missing = folder.path().join("missing.pem");
    let error = HttpClient::new(std::slice::from_ref(&missing)).unwrap_err();
    assert!(matches!(&error, TlsSetupError::ReadCa { path, .. } if *path == missing), "{error}");
}

fn client() -> HttpClient {
    HttpClient::new(&[]).unwrap()
}

fn get(at: SocketAddr) -> Request<Bytes> {
    Request::get(format!("http://{at}/")).body(Bytes::new()).unwrap()
}

/// Serves every connection so, until the test ends.
async fn serve<F>(answer: impl Fn(TcpStream) -> F + Send + 'static) -> SocketAddr
where
    F: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (peer, _) = listener.accept().await.unwrap();
            tokio::spawn(answer(peer));
        }
    });
    at
}

/// Serves TLS with a certificate for localhost. Returns the certificate of its authority as PEM.
async fn serve_tls() -> (String, SocketAddr) {
    let mut authority = CertificateParams::default();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().unwrap();
    let pem = authority.self_signed(&key).unwrap().pem();
    let issuer = Issuer::new(authority, key);
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(vec!["localhost".to_owned()]).unwrap().signed_by(&key, &issuer).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], PrivatePkcs8KeyDer::from(key.serialize_der()).into())
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let at = serve(move |peer| {
        let acceptor = acceptor.clone();
        async move {
            // A client that does not trust the certificate leaves.
            if let Ok(mut tls) = acceptor.accept(peer).await {
                read_head(&mut tls).await;
                tls.write_all(ANSWER).await.unwrap();
            }
        }
    })
    .await;
    (pem, at)
}

async fn read_head(peer: &mut (impl AsyncRead + AsyncWrite + Unpin)) -> String {
    let mut read = Vec::new();
    while !read.windows(4).any(|end| end == b"\r\n\r\n") {
        assert_ne!(peer.read_buf(&mut read).await.unwrap(), 0);
    }
    String::from_utf8(read).unwrap()
}
