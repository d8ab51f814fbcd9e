//! The way of a webhook through the user's own proxy, tried with URL validations, and what else the proxy lets through.

use std::{
    path::PathBuf,
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use hyper::{
    Request, StatusCode, Uri,
    header::{AUTHORIZATION, DATE, HeaderMap, HeaderName, HeaderValue, LOCATION, WWW_AUTHENTICATE},
};
use rtms_gateway::{
    apps::secrets::App,
    config::{Config, app::AppConfig},
};
use rtms_guide::explain::{kind::Kind, lookup};
use rtms_http::{
    client::{HttpClient, Limits},
    error::HttpError,
};
use rtms_wire::secret::SecretToken;

use crate::{
    doctor::{
        carried,
        certificate::{self, Chain},
        failure::{self, CERTIFICATE, ROUND_TRIP, TLS},
        finding::{Findings, Verdict},
        ports::reachable,
        probe::{self, Body, Judgement, Proof, Tried},
        running::Counts,
    },
    output::shown,
};

const CLOCK: &str = "clock";
const TIME: &str = "answer time";
const API: &str = "API";

/// Zoom's limit for an answer, and what should make somebody look. Basis: documented.
const ZOOM_WAITS: Duration = Duration::from_secs(3);
const SLOW: Duration = Duration::from_secs(1);

/// A clock that is this far off is worth a word: webhooks are refused beyond `webhook.tolerance`.
const SKEW: u64 = 30;

/// The server looks into one wrong signature at a time, and then not for 200 ms.
const NEXT_DIAGNOSIS: Duration = Duration::from_millis(250);

/// Characters of a header or a URL that are shown.
const SHOWN_CHARS: usize = 160;

/// What a round trip needs.
pub(super) struct RoundTrip<'a> {
    pub(super) findings: &'a mut Findings,
    pub(super) client: HttpClient,
    pub(super) url: Uri,
    pub(super) config: &'a Config,
    pub(super) apps: &'a [App],
}

/// An app's key, with what its subscription adds to each request.
struct Key<'a> {
    app: &'a str,
    tokens: &'a [SecretToken],
    more: Vec<(HeaderName, HeaderValue)>,
}

impl<'a> RoundTrip<'a> {
    pub(super) async fn run(mut self) -> anyhow::Result<()> {
        let apps: Vec<&App> = self.meant().into_iter().filter(|app| !app.secret_tokens.is_empty()).collect();
        let mut keys = Vec::new();
        for app in apps {
            let of = self.configured(&app.name);
            match carried::headers(&self.client, &self.url, of).await {
                Ok(more) => keys.push(Key { app: &app.name, tokens: &app.secret_tokens, more }),
                Err((found, remedy)) => self.findings.fault(ROUND_TRIP, found, remedy),
            }
        }
        let Some(first) = keys.first() else {
            return self.connection_only().await;
        };
        let Some(tried) = self.first(first).await? else { return Ok(()) };
        self.api().await;
        for (position, key) in keys.iter().enumerate() {
            // The first token of the first app is right already.
            self.tokens(key, usize::from(position == 0)).await?;
        }
        self.odd_body(first, &tried).await?;
        self.unsigned(first).await?;
        self.named_paths(&keys).await?;
        if self.findings.worst(ROUND_TRIP).is_none_or(|worst| worst <= Verdict::Note) {
            let apps: Vec<_> = keys.iter().map(|key| key.app).collect();
            self.findings.ok(
                ROUND_TRIP,
                format!("validated for {}: same secret, headers kept, body byte for byte", apps.join(", ")),
            );
        }
        Ok(())
    }

    /// The apps whose webhooks may come to the URL.
    fn meant(&self) -> Vec<&'a App> {
        let named = self.url.path().rsplit_once("/webhook/").map(|(_, name)| name.trim_end_matches('/'));
        let of_name: Vec<_> = self.apps.iter().filter(|app| named == Some(app.name.as_str())).collect();
        if of_name.is_empty() { self.apps.iter().collect() } else { of_name }
    }

    fn configured(&self, name: &str) -> Option<&'a AppConfig> {
        self.config.app.iter().find(|app| app.name == name)
    }

    /// Without a secret, only the connection can be tried.
    async fn connection_only(&mut self) -> anyhow::Result<()> {
        let request = Request::get(self.url.clone()).body(Bytes::new())?;
        if let Err(error) = self.client.send_for_head(request, Limits::default()).await {
            self.failed(&error);
        } else {
            self.findings.note(ROUND_TRIP, "connected; without a secret token nothing more can be tried");
        }
        Ok(())
    }

    fn failed(&mut self, error: &HttpError) {
        let (check, found, remedy) = failure::of(error);
        self.findings.fault(check, found, remedy);
    }

    /// The validation that decides whether the others make sense.
    async fn first(&mut self, key: &Key<'_>) -> anyhow::Result<Option<Tried>> {
        let Some(secret) = key.tokens.first() else { return Ok(None) };
        let tried = match self.validate(&self.url, secret, Proof::Signed, Body::Compact, &key.more).await? {
            Ok(tried) => tried,
            Err(error) => {
                self.failed(&error);
                return Ok(None);
            }
        };
        self.certificate(&tried);
        self.time(&tried);
        self.clock(&tried.headers);
        let is_through = match tried.judge(None) {
            Judgement::Right => true,
            Judgement::Rewritten => {
                self.rewritten();
                true
            }
            Judgement::Refused(StatusCode::UNAUTHORIZED) => {
                self.unauthorized(key, secret, &tried).await?;
                false
            }
            Judgement::Refused(StatusCode::NOT_FOUND) => {
                self.not_found(key, secret).await?;
                false
            }
            Judgement::Refused(status) => {
                self.refused(status, &tried.headers);
                false
            }
            judgement @ (Judgement::Old | Judgement::OtherSecret | Judgement::NoAnswer) => {
                self.not_the_answer(judgement, &tried);
                false
            }
        };
        // Each further try would take as long, and prove nothing more.
        Ok((is_through && tried.took < ZOOM_WAITS).then_some(tried))
    }

    fn rewritten(&mut self) {
        self.findings.warning(
            ROUND_TRIP,
            "the answer is right, but not byte for byte what rtms writes: the proxy changes answers",
            "switch off what rewrites answers (filters, minifiers, scripts) for /webhook",
        );
    }

    fn not_the_answer(&mut self, judgement: Judgement, tried: &Tried) {
        let status = tried.status;
        let (found, remedy) = match judgement {
            Judgement::Old => (
                "the answer is that to an earlier request: the proxy caches answers to POST".to_owned(),
                "switch caching off for /webhook: every webhook but the first would be lost",
            ),
            Judgement::OtherSecret => (
                "the answer is made with another secret token".to_owned(),
                "give the server there the same secret token, or check that the URL leads to this one; rtms would have refused it",
            ),
            Judgement::Right | Judgement::Rewritten | Judgement::NoAnswer | Judgement::Refused(_) => (
                format!(
                    "{status} without the answer to the validation: something in front of rtms answers by itself, and webhooks are lost"
                ),
                "let the proxy pass /webhook and all below it on to rtms (server.listen)",
            ),
        };
        self.findings.fault(ROUND_TRIP, found, remedy);
    }

    /// Any other status, in the words of `rtms explain`.
    fn refused(&mut self, status: StatusCode, headers: &HeaderMap) {
        let known = lookup::find(status.as_str(), Some(Kind::WebhookAnswer));
        let (meaning, remedy) = known
            .first()
            .map_or(("It is not rtms that answers so.", "Let the proxy pass the request on to rtms."), |entry| {
                (entry.meaning, entry.remedy)
            });
        let to = headers
            .get(LOCATION)
            .map(|to| format!(" (to {})", shown(&String::from_utf8_lossy(to.as_bytes()), SHOWN_CHARS)));
        self.findings.fault(ROUND_TRIP, format!("answered with {status}{}. {meaning}", to.unwrap_or_default()), remedy);
    }

    /// Finds a path that does answer.
    async fn not_found(&mut self, key: &Key<'_>, secret: &SecretToken) -> anyhow::Result<()> {
        let paths =
            std::iter::once("/webhook".to_owned()).chain(self.apps.iter().map(|app| format!("/webhook/{}", app.name)));
        let mut right = None;
        for path in paths.filter(|path| *path != self.url.path()) {
            let Some(url) = probe::sibling(&self.url, &path) else { continue };
            let tried = self.validate(&url, secret, Proof::Signed, Body::Compact, &key.more).await?;
            if tried.is_ok_and(|tried| matches!(tried.judge(None), Judgement::Right | Judgement::Rewritten)) {
                right = Some(url);
                break;
            }
        }
        let found = format!("{} is not found (404): Zoom does not send a webhook again after that", self.url.path());
        let remedy = match right {
            Some(url) => format!("use {url} at Zoom: there rtms answers"),
            None => "let the proxy pass /webhook on to rtms with its path as it is; nothing answers as rtms at /webhook either".into(),
        };
        self.findings.fault(ROUND_TRIP, found, remedy);
        Ok(())
    }

    /// 401: the proxy's own, another secret, or something that is changed on the way.
    async fn unauthorized(&mut self, key: &Key<'_>, secret: &SecretToken, tried: &Tried) -> anyhow::Result<()> {
        if tried.headers.contains_key(WWW_AUTHENTICATE) {
            self.findings.fault(
                ROUND_TRIP,
                "401 with WWW-Authenticate: the proxy demands a password",
                "exempt /webhook from the proxy's authentication: the signature protects it",
            );
            return Ok(());
        }
        let direct = self.directly(key, secret).await?;
        tokio::time::sleep(NEXT_DIAGNOSIS).await;
        let (suspects, came) = self.diagnosed(key, secret).await?;
        let changed = "let the proxy pass the body and the x-zm-* headers on as they come";
        let (found, remedy) = match (direct, suspects) {
            (_, Some("stale")) => (
                "the signature is right, but the server finds its timestamp too old or ahead".to_owned(),
                "set the clocks of this machine and of the server's by NTP; or the proxy holds requests back",
            ),
            (_, Some("bad_auth")) => (
                "the signature is right, but the authentication of [app.auth] does not arrive".to_owned(),
                "let the proxy pass the authorization header, or the header of [app.auth], on",
            ),
            (_, Some("suspect reserialised")) => {
                ("the proxy rewrites the JSON of the body".to_owned(), "let the proxy pass the body on byte for byte")
            }
            (_, Some("suspect newline")) => (
                "the proxy adds or strips a newline at the end of the body".to_owned(),
                "let the proxy pass the body on byte for byte",
            ),
            (_, Some("suspect verification_token")) => (
                "the proxy drops the headers x-zm-signature and x-zm-request-timestamp".to_owned(),
                "let the proxy pass all headers on, or name these two in its list",
            ),
            (_, Some("suspect client_secret")) => (
                "the server there has the two secrets swapped: our secret token is its client secret".to_owned(),
                "put the secret token and the client secret in their places, and restart or reload the server",
            ),
            // Dropped headers would be another suspect.
            (Some(true), Some("suspect unknown")) => (
                "the headers arrive, but not the body that was sent: the proxy rewrites it".to_owned(),
                "let the proxy pass the body on byte for byte",
            ),
            (Some(true), _) if came == Some(false) => (
                "the request does not arrive at the rtms that runs here: the proxy answers 401 itself, or passes it elsewhere".to_owned(),
                "point the proxy at server.listen, and exempt /webhook from its authentication",
            ),
            (Some(true), _) => {
                ("rtms accepts the same request directly: the proxy changes the body or drops headers".to_owned(), changed)
            }
            (Some(false), _) => (
                "the server that runs here refuses it as well: it has another secret token than these settings".to_owned(),
                "start it with the same settings and environment, or reload its secrets (SIGHUP)",
            ),
            (None, _) => (
                "the server refuses the signature (401): another secret token there, or the proxy changes the body or drops the \
                 x-zm-* headers"
                    .to_owned(),
                "compare the secret token with that of the server; run this on the server's machine to find out which; the log of \
                 rtms has `suspect` and `advice`",
            ),
        };
        self.findings.fault(ROUND_TRIP, found, remedy);
        Ok(())
    }

    /// Whether the door on this machine accepts the request without the proxy; none if it cannot be asked.
    async fn directly(&self, key: &Key<'_>, secret: &SecretToken) -> anyhow::Result<Option<bool>> {
        let listen = self.config.server.listen;
        // With TLS the door's certificate is for another name than the address.
        if listen.port() == 0 || self.config.server.tls_certificate.is_some() {
            return Ok(None);
        }
        let url: Uri = format!("http://{}/webhook", reachable(listen)).parse()?;
        let tried = self.validate(&url, secret, Proof::Signed, Body::Compact, &key.more).await?;
        Ok(tried.ok().map(|tried| tried.status.is_success()))
    }

    /// What the server on the data folder says of one more try, and whether anything came to it. An `authorization` beside the
    /// signature tells headers that were dropped from those that are wrong.
    async fn diagnosed(
        &self,
        key: &Key<'_>,
        secret: &SecretToken,
    ) -> anyhow::Result<(Option<&'static str>, Option<bool>)> {
        const WORDS: [&str; 7] = [
            "stale",
            "bad_auth",
            "suspect reserialised",
            "suspect newline",
            "suspect verification_token",
            "suspect client_secret",
            "suspect unknown",
        ];
        let folder = self.folder();
        let Some(before) = Counts::read(&folder).await else { return Ok((None, None)) };
        let mut more = key.more.clone();
        if !more.iter().any(|(name, _)| *name == AUTHORIZATION) {
            more.push((AUTHORIZATION, HeaderValue::from_static("rtms-doctor")));
        }
        let _ = self.validate(&self.url, secret, Proof::Signed, Body::Compact, &more).await?;
        let Some(after) = Counts::read(&folder).await else { return Ok((None, None)) };
        let word = WORDS.into_iter().find(|word| after.rose(&before, word));
        Ok((word, Some(after.any_came(&before))))
    }

    fn folder(&self) -> PathBuf {
        let folder = &self.config.server.data_dir;
        std::path::absolute(folder).unwrap_or_else(|_| folder.clone())
    }

    /// The tokens of an app, from one on.
    async fn tokens(&mut self, key: &Key<'_>, from: usize) -> anyhow::Result<()> {
        for (position, secret) in key.tokens.iter().enumerate().skip(from) {
            let tried = self.validate(&self.url, secret, Proof::Signed, Body::Compact, &key.more).await?;
            if tried.is_ok_and(|tried| matches!(tried.judge(None), Judgement::Right | Judgement::Rewritten)) {
                continue;
            }
            let found = format!("the server there does not know secret token {} of app {:?}", position + 1, key.app);
            self.findings.fault(ROUND_TRIP, found, "start it with the same settings, or reload its secrets (SIGHUP)");
        }
        Ok(())
    }

    /// A body that does not survive being parsed and written again.
    async fn odd_body(&mut self, key: &Key<'_>, earlier: &Tried) -> anyhow::Result<()> {
        let Some(secret) = key.tokens.first() else { return Ok(()) };
        let tried = match self.validate(&self.url, secret, Proof::Signed, Body::Odd, &key.more).await? {
            Ok(tried) => tried,
            Err(error) => {
                self.failed(&error);
                return Ok(());
            }
        };
        match tried.judge(Some(earlier)) {
            Judgement::Right | Judgement::Rewritten => {}
            Judgement::Refused(StatusCode::UNAUTHORIZED | StatusCode::BAD_REQUEST) => self.findings.fault(
                ROUND_TRIP,
                "a body with unusual but legal JSON is refused: the proxy rewrites the body",
                "let the proxy pass the body on byte for byte: the signature is over the bytes",
            ),
            Judgement::Refused(status) => self.refused(status, &tried.headers),
            judgement @ (Judgement::Old | Judgement::OtherSecret | Judgement::NoAnswer) => {
                self.not_the_answer(judgement, &tried);
            }
        }
        Ok(())
    }

    /// Without a signature, nothing may be answered: the answer would sign what the asker likes.
    async fn unsigned(&mut self, key: &Key<'_>) -> anyhow::Result<()> {
        let Some(secret) = key.tokens.first() else { return Ok(()) };
        let tried = self.validate(&self.url, secret, Proof::Nothing, Body::Compact, &key.more).await?;
        if tried.is_ok_and(|tried| tried.status.is_success()) {
            self.findings.fault(
                ROUND_TRIP,
                "a validation without a signature is answered: whoever answers there signs anything for anybody",
                "let rtms answer at this URL, and nothing in front of it",
            );
        }
        Ok(())
    }

    /// The path of each app that the settings name, where a proxy may know /webhook alone.
    async fn named_paths(&mut self, keys: &[Key<'_>]) -> anyhow::Result<()> {
        let Some(base) = self.url.path().strip_suffix("/webhook").map(str::to_owned) else { return Ok(()) };
        for key in keys {
            let (Some(_), Some(secret)) = (self.configured(key.app), key.tokens.first()) else { continue };
            let path = format!("{base}/webhook/{}", key.app);
            let Some(url) = probe::sibling(&self.url, &path) else { continue };
            let tried = self.validate(&url, secret, Proof::Signed, Body::Compact, &key.more).await?;
            let is_right =
                tried.as_ref().is_ok_and(|tried| matches!(tried.judge(None), Judgement::Right | Judgement::Rewritten));
            if !is_right {
                let answer = tried.map_or_else(|error| error.to_string(), |tried| tried.status.to_string());
                let found = format!("{path} does not reach rtms ({answer}), though /webhook does");
                let remedy = "let the proxy pass /webhook/* on as well, or do not use that path at Zoom";
                self.findings.warning(ROUND_TRIP, found, remedy);
            }
        }
        Ok(())
    }

    /// The API, which nobody outside may reach.
    async fn api(&mut self) {
        let mut open = Vec::new();
        for path in ["/metrics", "/v1/streams"] {
            let Some(answer) = probe::get(&self.client, &self.url, path).await else { continue };
            let type_of = answer.headers().get(hyper::header::CONTENT_TYPE);
            let is_ours = match path {
                "/metrics" => answer.body().windows(5).any(|part| part == b"rtms_"),
                _ => type_of.is_some_and(|it| it == "application/x-ndjson"),
            };
            if answer.status().is_success() && is_ours {
                open.push(path);
            }
        }
        if open.is_empty() {
            self.findings.ok(API, "not reachable through this host");
        } else {
            let found = format!(
                "{} can be read through this host: meetings and people are shown to anybody",
                open.join(" and ")
            );
            let remedy =
                "let the proxy pass /webhook alone to server.listen, and nothing to the API address (api.listen)";
            self.findings.fault(API, found, remedy);
        }
    }

    fn certificate(&mut self, tried: &Tried) {
        let Some(tls) = &tried.tls else { return };
        if certificate::judge(&tls.certificates) == Chain::ExpiresSoon {
            let remedy = "renew it, and let the proxy load the new one";
            self.findings.warning(CERTIFICATE, "the certificate expires within 14 days", remedy);
        } else {
            self.findings.ok(CERTIFICATE, format!("valid; {} sent", tls.certificates.len()));
        }
        // Older ones are not offered.
        let is_newest = tls.version == Some(rustls::ProtocolVersion::TLSv1_3);
        self.findings.ok(TLS, if is_newest { "1.3" } else { "1.2" });
    }

    fn time(&mut self, tried: &Tried) {
        let seconds = tried.took.as_secs_f64();
        let remedy =
            "let the proxy pass requests on at once (no buffering, no inspection), and look at the disk of rtms";
        if tried.took >= ZOOM_WAITS {
            let found =
                format!("the answer took {seconds:.1} s, and Zoom waits for 3 s: every webhook counts as failed");
            self.findings.fault(TIME, found, remedy);
        } else if tried.took >= SLOW {
            self.findings.warning(TIME, format!("the answer took {seconds:.1} s, and Zoom waits for 3 s"), remedy);
        } else {
            self.findings.ok(TIME, format!("{:.0} ms", seconds * 1000.0));
        }
    }

    /// The clock of the answer beside ours.
    fn clock(&mut self, headers: &HeaderMap) {
        let date =
            headers.get(DATE).and_then(|date| date.to_str().ok()).and_then(|date| httpdate::parse_http_date(date).ok());
        let Some(date) = date else { return };
        let now = SystemTime::now();
        let apart = now.duration_since(date).unwrap_or_else(|error| error.duration()).as_secs();
        let found = format!("this machine's clock and that of the server at the URL are {apart} s apart");
        let remedy = "let NTP keep both clocks (timedatectl set-ntp true)";
        if apart > self.config.webhook.tolerance.as_secs() {
            self.findings.fault(CLOCK, found, remedy);
        } else if apart > SKEW {
            self.findings.warning(CLOCK, found, remedy);
        } else {
            self.findings.ok(CLOCK, "agrees with that of the server at the URL");
        }
    }

    async fn validate(
        &self,
        url: &Uri,
        secret: &SecretToken,
        proof: Proof,
        body: Body,
        more: &[(HeaderName, HeaderValue)],
    ) -> anyhow::Result<Result<Tried, HttpError>> {
        probe::validate(&self.client, url, secret, proof, body, more).await
    }
}
