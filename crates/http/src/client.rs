//! One request over one connection, and its answer.

use std::{fmt, io, path::PathBuf, sync::Arc, time::Duration};

use bytes::Bytes;
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::{Request, Response, Uri, body::Incoming, client::conn::http1, header, http::HeaderValue};
use hyper_util::rt::TokioIo;
use rustls::{
    ProtocolVersion,
    pki_types::{CertificateDer, InvalidDnsNameError, ServerName},
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    time::timeout,
};
use tokio_rustls::{TlsConnector, client::TlsStream};

use crate::{
    error::{HttpError, Phase, TlsSetupError},
    lookup::Lookups,
    tls,
};

/// The bounds of one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The longest time for name look-up and TCP connection, and the same for the TLS handshake.
    pub connect_within: Duration,
    /// The longest time from the request to the end of the answer.
    pub answer_within: Duration,
    /// The longest body of an answer, in bytes.
    pub max_body_bytes: usize,
}

impl Default for Limits {
    /// 5 s, 10 s and 64 KiB: enough for an answer in words.
    fn default() -> Self {
        Self {
            connect_within: Duration::from_secs(5),
            answer_within: Duration::from_secs(10),
            max_body_bytes: 64 << 10,
        }
    }
}

/// What was agreed upon with a server that speaks TLS; an extension of its [`Response`].
#[derive(Clone, Debug)]
pub struct PeerTls {
    /// The version of TLS.
    pub version: Option<ProtocolVersion>,
    /// The server's certificates, its own first.
    pub certificates: Vec<CertificateDer<'static>>,
}

/// Sends requests. Clones share what is trusted and the look-ups.
#[derive(Clone)]
pub struct HttpClient {
    tls: TlsConnector,
    lookups: Lookups,
}

impl fmt::Debug for HttpClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpClient").finish_non_exhaustive()
    }
}

impl HttpClient {
    /// Makes a client that trusts the system's certificate authorities, and those in the PEM files.
    ///
    /// # Errors
    /// [`TlsSetupError`] when a file cannot be read or the system's store is unusable.
    pub fn new(extra_ca: &[PathBuf]) -> Result<Self, TlsSetupError> {
        let mut config = tls::client_config(extra_ca)?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self { tls: TlsConnector::from(Arc::new(config)), lookups: Lookups::default() })
    }

    /// Sends a request to the absolute URL in it, and reads the answer to its end. The header `host` is added if it is missing.
    ///
    /// # Errors
    /// [`HttpError`]. An answer with any status is no error.
    pub async fn send(&self, request: Request<Bytes>, limits: Limits) -> Result<Response<Bytes>, HttpError> {
        self.exchange(request, limits, async |body| {
            let body = Limited::new(body, limits.max_body_bytes).collect().await;
            Ok(body.map_err(|error| unreadable(error, limits.max_body_bytes))?.to_bytes())
        })
        .await
    }

    /// Sends a request and reads status and headers of the answer, but not its body.
    ///
    /// # Errors
    /// [`HttpError`]. An answer with any status is no error.
    pub async fn send_for_head(&self, request: Request<Bytes>, limits: Limits) -> Result<Response<()>, HttpError> {
        self.exchange(request, limits, async |_| Ok(())).await
    }

    async fn exchange<T>(
        &self,
        request: Request<Bytes>,
        limits: Limits,
        read: impl AsyncFnOnce(Incoming) -> Result<T, HttpError>,
    ) -> Result<Response<T>, HttpError> {
        let target = Target::of(request.uri())?;
        let tcp = timeout(limits.connect_within, self.dial(&target))
            .await
            .map_err(|_| HttpError::TimedOut(Phase::Connect))?
            .map_err(|source| HttpError::Tcp { host: target.to_string(), source })?;
        if !target.secure {
            return finish(tcp, request, &target, limits, read).await;
        }
        let tls = timeout(limits.connect_within, self.secure(&target, tcp))
            .await
            .map_err(|_| HttpError::TimedOut(Phase::Tls))?
            .map_err(|source| HttpError::Tls { host: target.to_string(), source })?;
        let session = tls.get_ref().1;
        let peer = PeerTls {
            version: session.protocol_version(),
            certificates: session
                .peer_certificates()
                .unwrap_or_default()
                .iter()
                .map(|it| it.clone().into_owned())
                .collect(),
        };
        let mut response = finish(tls, request, &target, limits, read).await?;
        response.extensions_mut().insert(peer);
        Ok(response)
    }

    async fn dial(&self, target: &Target) -> io::Result<TcpStream> {
        let tcp = TcpStream::connect(&*self.lookups.addresses(&target.host, target.port).await?).await?;
        tcp.set_nodelay(true)?;
        Ok(tcp)
    }

    async fn secure(&self, target: &Target, tcp: TcpStream) -> io::Result<TlsStream<TcpStream>> {
        let name = ServerName::try_from(target.host.clone())
            .map_err(|error: InvalidDnsNameError| io::Error::new(io::ErrorKind::InvalidInput, error))?;
        self.tls.connect(name, tcp).await
    }
}

/// Where a URL leads.
struct Target {
    /// Without the brackets of IPv6, which do not resolve.
    host: String,
    port: u16,
    secure: bool,
    authority: HeaderValue,
}

impl Target {
    fn of(url: &Uri) -> Result<Self, HttpError> {
        let unusable = || HttpError::Url(url.to_string());
        let secure = match url.scheme_str() {
            Some("http") => false,
            Some("https") => true,
            Some(_) | None => return Err(unusable()),
        };
        let host = url.host().filter(|host| !host.is_empty()).ok_or_else(unusable)?;
        let authority = url.authority().map_or(host, |authority| authority.as_str());
        // A user and password in a URL are for nobody's logs.
        let authority = authority.rsplit('@').next().unwrap_or(host);
        Ok(Self {
            host: host.trim_matches(['[', ']']).to_owned(),
            port: url.port_u16().unwrap_or(if secure { 443 } else { 80 }),
            secure,
            authority: HeaderValue::from_str(authority).map_err(|_| unusable())?,
        })
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

fn unreadable(error: Box<dyn std::error::Error + Send + Sync>, max_body_bytes: usize) -> HttpError {
    if error.is::<LengthLimitError>() {
        return HttpError::TooLong(max_body_bytes);
    }
    match error.downcast::<hyper::Error>() {
        Ok(error) => HttpError::Exchange(*error),
        Err(_) => HttpError::TooLong(max_body_bytes),
    }
}

/// Sends the request over a connection that stands, and reads the answer.
async fn finish<T>(
    stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
    request: Request<Bytes>,
    target: &Target,
    limits: Limits,
    read: impl AsyncFnOnce(Incoming) -> Result<T, HttpError>,
) -> Result<Response<T>, HttpError> {
    let (mut head, body) = request.into_parts();
    let path = head.uri.path_and_query().map_or("/", |path| path.as_str()).parse();
    head.uri = path.map_err(|_| HttpError::Url(head.uri.to_string()))?;
    head.headers.entry(header::HOST).or_insert_with(|| target.authority.clone());
    let request = Request::from_parts(head, Full::new(body));
    let all = async {
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        let exchange = async {
            let (head, body) = sender.send_request(request).await?.into_parts();
            Ok(Response::from_parts(head, read(body).await?))
        };
        tokio::pin!(exchange);
        tokio::pin!(connection);
        // The connection has to be driven while the answer is awaited, and is done with after it.
        tokio::select! {
            biased;
            answer = &mut exchange => answer,
            // The exchange reports its error, too, unless the answer was whole before.
            _ = &mut connection => exchange.await,
        }
    };
    timeout(limits.answer_within, all).await.map_err(|_| HttpError::TimedOut(Phase::Answer))?
}
