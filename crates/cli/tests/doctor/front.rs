//! A proxy with TLS in front of the door, as users have one, and the ways in which such a proxy goes wrong.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    time::Duration,
};

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, date_time_ymd};
use serde_json::ser::{CompactFormatter, Formatter, PrettyFormatter};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        ServerConfig,
        crypto::aws_lc_rs,
        pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    },
};

/// What a proxy does to a request, its answer, or both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Habit {
    /// Passes everything on as it is.
    Honest,
    /// Parses JSON and writes it again, compact.
    Reserialises,
    /// Parses JSON and writes it again, with line breaks.
    PrettyPrints,
    /// Parses JSON and writes it again, its keys in another order.
    SortsKeys,
    /// Adds a newline to the body.
    AddsNewline,
    /// Drops the headers that it does not know.
    DropsHeaders,
    Redirects,
    /// Answers 200 and passes nothing on.
    AnswersItself,
    /// The same, for the paths of single apps.
    AnswersNamedPaths,
    /// Answers every POST as the first.
    Caches,
    /// Holds a request back for longer than Zoom waits.
    Buffers,
    /// Takes the first part of the path away.
    StripsPath,
    WantsPassword,
    /// Writes the answer again.
    RewritesAnswers,
    /// Passes paths of the API to the API.
    OpensApi,
    Forbids,
    LimitsRate,
    /// Finds nobody behind it.
    HasNobodyBehind,
    /// Closes without an answer.
    HangsUp,
    /// Its clock is an hour behind.
    LivesInThePast,
}

/// A proxy that runs.
pub(crate) struct Front {
    pub(crate) port: u16,
}

/// A certificate authority, and files with what it signs.
pub(crate) struct Authority {
    folder: PathBuf,
    issuer: Issuer<'static, KeyPair>,
    root: String,
}

/// What is wrong with a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Certificate {
    Good,
    Expired,
    OtherName,
}

impl Authority {
    pub(crate) fn new(folder: &Path) -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let root = params.self_signed(&key).unwrap().pem();
        std::fs::write(folder.join("ca.pem"), &root).unwrap();
        Self { folder: folder.to_owned(), issuer: Issuer::new(params, key), root }
    }

    /// The file with its certificate.
    pub(crate) fn file(&self) -> String {
        self.folder.join("ca.pem").display().to_string()
    }

    /// Signs a certificate; gives the files with the chain, the certificate alone, and the key.
    pub(crate) fn sign(&self, what: Certificate) -> [String; 3] {
        let name = if what == Certificate::OtherName { "elsewhere.example" } else { "localhost" };
        let mut params = CertificateParams::new(vec![name.into()]).unwrap();
        params.not_before = date_time_ymd(2020, 1, 1);
        params.not_after = date_time_ymd(if what == Certificate::Expired { 2021 } else { 2090 }, 1, 1);
        let key = KeyPair::generate().unwrap();
        let own = params.signed_by(&key, &self.issuer).unwrap().pem();
        let chain = format!("{own}{}", self.root);
        [("chain", chain), ("own", own), ("key", key.serialize_pem())].map(|(part, text)| {
            let path = self.folder.join(format!("{what:?}-{part}.pem"));
            std::fs::write(&path, text).unwrap();
            path.display().to_string()
        })
    }
}

impl Front {
    /// Starts a proxy with TLS.
    pub(crate) async fn start(
        habit: Habit,
        authority: &Authority,
        what: Certificate,
        door: SocketAddr,
        api: SocketAddr,
    ) -> Self {
        let [chain, _, key] = authority.sign(what);
        let chain = CertificateDer::pem_file_iter(chain).unwrap().collect::<Result<Vec<_>, _>>().unwrap();
        let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(chain, PrivateKeyDer::from_pem_file(key).unwrap())
            .unwrap();
        Self::listen(habit, Some(TlsAcceptor::from(Arc::new(config))), door, api).await
    }

    /// Starts one without TLS, which takes what TLS begins with for a bad request.
    pub(crate) async fn plain(door: SocketAddr, api: SocketAddr) -> Self {
        Self::listen(Habit::Honest, None, door, api).await
    }

    async fn listen(habit: Habit, tls: Option<TlsAcceptor>, door: SocketAddr, api: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let cache = Arc::new(Mutex::new(None));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (tls, cache) = (tls.clone(), cache.clone());
                tokio::spawn(async move {
                    match tls {
                        Some(tls) => {
                            if let Ok(stream) = tls.accept(stream).await {
                                serve(stream, habit, door, api, &cache).await;
                            }
                        }
                        None => refuse_tls(stream).await,
                    }
                });
            }
        });
        Self { port }
    }

    pub(crate) fn url(&self) -> String {
        format!("https://localhost:{}/webhook", self.port)
    }
}

/// A request, its head as lines.
struct Request {
    head: Vec<String>,
    body: Vec<u8>,
}

async fn serve(
    mut client: impl AsyncRead + AsyncWrite + Unpin,
    habit: Habit,
    door: SocketAddr,
    api: SocketAddr,
    cache: &Mutex<Option<Vec<u8>>>,
) {
    let Some(mut request) = read(&mut client).await else { return };
    let path = request.head[0].split(' ').nth(1).unwrap().to_owned();
    let canned = |status: &str| {
        Some(format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").into_bytes())
    };
    let is_post = request.head[0].starts_with("POST");
    let own = match habit {
        Habit::Redirects => canned("301 Moved Permanently\r\nlocation: https://www.example.com/webhook/"),
        Habit::AnswersItself => canned("200 OK"),
        Habit::AnswersNamedPaths if path != "/webhook" => canned("200 OK"),
        Habit::WantsPassword => canned("401 Unauthorized\r\nwww-authenticate: Basic realm=\"staging\""),
        Habit::Forbids => canned("403 Forbidden"),
        Habit::LimitsRate => canned("429 Too Many Requests"),
        Habit::HasNobodyBehind => canned("502 Bad Gateway"),
        Habit::HangsUp => return,
        Habit::Caches if is_post => cache.lock().unwrap().clone(),
        _ => None,
    };
    let answer = match own {
        Some(answer) => answer,
        None => {
            change(habit, &mut request);
            let to = if habit == Habit::OpensApi && !path.starts_with("/webhook") { api } else { door };
            let mut answer = forward(to, &request).await;
            if habit == Habit::RewritesAnswers {
                answer = String::from_utf8(answer)
                    .unwrap()
                    .replace("\",\"", "\", \"")
                    .replace("content-length", "x-length")
                    .into_bytes();
            }
            if habit == Habit::LivesInThePast {
                let text = String::from_utf8(answer).unwrap();
                let lines = text
                    .split("\r\n")
                    .map(|line| if line.starts_with("date:") { "date: Sun, 01 Nov 2026 10:00:00 GMT" } else { line });
                answer = lines.collect::<Vec<_>>().join("\r\n").into_bytes();
            }
            if habit == Habit::Caches && is_post {
                *cache.lock().unwrap() = Some(answer.clone());
            }
            if habit == Habit::Buffers {
                tokio::time::sleep(Duration::from_secs(4)).await;
            }
            answer
        }
    };
    // The client may have gone meanwhile.
    let _ = client.write_all(&answer).await;
    let _ = client.shutdown().await;
}

async fn refuse_tls(mut client: TcpStream) {
    let _ = client.read(&mut [0; 1024]).await;
    let _ = client.write_all(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").await;
}

fn change(habit: Habit, request: &mut Request) {
    match habit {
        Habit::Reserialises => request.body = again(&request.body, CompactFormatter),
        Habit::PrettyPrints => request.body = again(&request.body, PrettyFormatter::new()),
        Habit::SortsKeys => {
            if let Ok(value) = serde_json::from_slice::<serde_json::Value>(&request.body) {
                request.body = serde_json::to_vec(&value).unwrap();
            }
        }
        Habit::AddsNewline => request.body.push(b'\n'),
        Habit::DropsHeaders => request.head.retain(|line| !line.to_ascii_lowercase().starts_with("x-zm-")),
        Habit::StripsPath => request.head[0] = request.head[0].replace("/webhook", "/"),
        _ => {}
    }
}

/// JSON as a program writes it that has read it, its keys in their order.
fn again(json: &[u8], format: impl Formatter) -> Vec<u8> {
    let mut out = Vec::new();
    let mut to = serde_json::Serializer::with_formatter(&mut out, format);
    match serde_transcode::transcode(&mut serde_json::Deserializer::from_slice(json), &mut to) {
        Ok(()) => out,
        Err(_) => json.to_vec(),
    }
}

async fn forward(to: SocketAddr, request: &Request) -> Vec<u8> {
    let mut head = request.head.clone();
    head.retain(|line| {
        let line = line.to_ascii_lowercase();
        !line.starts_with("content-length:") && !line.starts_with("connection:")
    });
    head.push(format!("content-length: {}", request.body.len()));
    head.push("connection: close".into());
    let mut server = TcpStream::connect(to).await.unwrap();
    server.write_all(format!("{}\r\n\r\n", head.join("\r\n")).as_bytes()).await.unwrap();
    server.write_all(&request.body).await.unwrap();
    let mut answer = Vec::new();
    server.read_to_end(&mut answer).await.unwrap();
    answer
}

async fn read(client: &mut (impl AsyncRead + Unpin)) -> Option<Request> {
    let mut bytes = Vec::new();
    loop {
        if let Some(end) = bytes.windows(4).position(|part| part == b"\r\n\r\n") {
            let head: Vec<_> = std::str::from_utf8(&bytes[..end]).ok()?.split("\r\n").map(str::to_owned).collect();
            let length = head
                .iter()
                .find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length:")?.trim().parse().ok());
            let whole = end + 4 + length.unwrap_or(0);
            if bytes.len() >= whole {
                return Some(Request { head, body: bytes[end + 4..whole].to_vec() });
            }
        }
        if client.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    }
}
