//! `rtms webhook`: sign a webhook as Zoom would, and post it.

mod stdin;

use std::{path::PathBuf, process::ExitCode, time::SystemTime};

use anyhow::{Context, bail};
use clap::{Args, Subcommand};
use hyper::{Request, body::Bytes, header::CONTENT_TYPE};
use rtms_http::{
    client::{HttpClient, Limits},
    error::HttpError,
};
use rtms_sim::config::App;
use rtms_wire::{
    Uri,
    secret::SecretToken,
    signature::webhook_signature,
    webhook::verify::{SIGNATURE_HEADER, TIMESTAMP_HEADER},
};

use crate::logging::note;

const EXAMPLES: &str = "\
Examples:
  Print the headers for a body:
    rtms webhook sign started.json

  Post it to a gateway that runs here, and print the answer:
    ZOOM_SECRET_TOKEN=… rtms webhook send started.json --to http://127.0.0.1:8080/webhook

  Through a proxy that has a certificate of your own authority:
    ZOOM_SECRET_TOKEN=… rtms webhook send started.json --to https://rtms.example.com/webhook --ca ca.pem

  The same with bodies from standard input, each as soon as it is there, until the meeting is over:
    rtms simulate --print-webhook | rtms webhook send - --to http://127.0.0.1:8080/webhook

The bytes are signed as they stand in the file: a trailing newline belongs to them. On standard input a body ends with the \
line on which its JSON is complete, and that line's end does not belong to it; what is no JSON goes on to the end of the \
input and is taken as it stands.

Exit codes: 0 all were signed, or answered with 2xx; 1 one was answered with anything else, or not at all; 2 wrong arguments.";

/// Sign a webhook as Zoom does: print its headers, or post it.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct WebhookArgs {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand, Debug)]
enum Action {
    /// Post the body with its signature and print what comes back
    #[command(after_help = EXAMPLES)]
    Send {
        #[command(flatten)]
        body: BodyArgs,
        /// Where to (http or https)
        #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:8080/webhook", value_parser = web_url)]
        to: Uri,
        /// Trust the certificate authorities in this PEM file, beside the system's
        #[arg(long, value_name = "FILE")]
        ca: Vec<PathBuf>,
    },
    /// Print the headers, one per line
    #[command(after_help = EXAMPLES)]
    Sign {
        #[command(flatten)]
        body: BodyArgs,
    },
}

#[derive(Args, Debug)]
struct BodyArgs {
    /// The body, as JSON; `-` reads one body after another from standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The app's secret token
    #[arg(long, value_name = "TOKEN", env = "ZOOM_SECRET_TOKEN", hide_env_values = true, default_value = App::TEST_SECRET_TOKEN)]
    secret_token: String,
    /// Unix seconds to sign with, instead of now
    #[arg(long, value_name = "SECONDS")]
    timestamp: Option<u64>,
}

/// Reads a URL to which a webhook can be posted.
pub(crate) fn web_url(text: &str) -> Result<Uri, String> {
    let url: Uri = text.parse().map_err(|error| format!("{error}"))?;
    match (url.scheme_str(), url.host()) {
        (Some("http" | "https"), Some(host)) if !host.is_empty() => Ok(url),
        (Some(_) | None, _) => Err("it is not an http or https URL, as in https://HOST/webhook".to_owned()),
    }
}

/// What bodies are signed with.
struct Signer {
    secret: SecretToken,
    timestamp: Option<u64>,
}

struct Signed {
    body: Vec<u8>,
    timestamp: String,
    signature: String,
}

pub(crate) async fn run(args: WebhookArgs) -> anyhow::Result<ExitCode> {
    let (BodyArgs { file, secret_token, timestamp }, to) = match args.action {
        Action::Sign { body } => (body, None),
        Action::Send { body, to, ca } => (body, Some(Receiver { url: to, http: HttpClient::new(&ca)? })),
    };
    let secret = SecretToken::new(&secret_token).context("--secret-token or ZOOM_SECRET_TOKEN")?;
    let signer = Signer { secret, timestamp };
    if file.as_os_str() != "-" {
        let body = std::fs::read(&file).with_context(|| format!("cannot read {}", file.display()))?;
        let is_done = signer.sign(body)?.hand_over(to.as_ref()).await?;
        return Ok(exit_code(is_done));
    }
    let (mut input, mut bodies, mut all_done) = (std::io::stdin().lock(), 0, true);
    while let Some(body) = stdin::next_body(&mut input).context("cannot read standard input")? {
        bodies += 1;
        all_done &= signer.sign(body)?.hand_over(to.as_ref()).await?;
    }
    if bodies == 0 {
        bail!("there is no body on standard input; pipe one in, or name a file in place of `-`");
    }
    Ok(exit_code(all_done))
}

fn exit_code(is_done: bool) -> ExitCode {
    if is_done { ExitCode::SUCCESS } else { crate::exit_code::failed() }
}

impl Signer {
    fn sign(&self, body: Vec<u8>) -> anyhow::Result<Signed> {
        let now = || SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map(|since| since.as_secs());
        let timestamp = self.timestamp.map_or_else(now, Ok).context("this machine's clock is before 1970")?.to_string();
        let signature = webhook_signature(&self.secret, &timestamp, &body);
        Ok(Signed { body, timestamp, signature })
    }
}

impl Signed {
    /// Posts it, or prints its headers without a receiver. Returns whether it was accepted.
    async fn hand_over(self, to: Option<&Receiver>) -> anyhow::Result<bool> {
        let Some(to) = to else {
            let (timestamp, signature) = (self.timestamp, self.signature);
            crate::output::print(&format!("{TIMESTAMP_HEADER}: {timestamp}\n{SIGNATURE_HEADER}: {signature}\n"))?;
            return Ok(true);
        };
        send(self, to).await
    }
}

/// The receiver of a webhook.
struct Receiver {
    url: Uri,
    http: HttpClient,
}

async fn send(signed: Signed, to: &Receiver) -> anyhow::Result<bool> {
    let request = Request::post(to.url.clone())
        .header(CONTENT_TYPE, "application/json; charset=utf-8")
        .header(TIMESTAMP_HEADER, signed.timestamp)
        .header(SIGNATURE_HEADER, signed.signature)
        .body(Bytes::from(signed.body))?;
    let answer = to.http.send(request, Limits::default()).await.map_err(|error| {
        let remedy = remedy(&error);
        anyhow::Error::from(error).context(format!("cannot post to {}{remedy}", to.url))
    })?;
    note!("{}", answer.status());
    if !answer.body().is_empty() {
        crate::output::print(&format!("{}\n", String::from_utf8_lossy(answer.body())))?;
    }
    Ok(answer.status().is_success())
}

/// What to do about an error, if that is known.
fn remedy(error: &HttpError) -> &'static str {
    match error {
        HttpError::Exchange(_) => "; is TLS expected there? then the URL begins with https://",
        HttpError::Tls { .. } if error.certificate().is_some() => {
            "; if its authority is one of your own, name it with --ca FILE"
        }
        HttpError::Tls { .. } => "; is TLS served there? otherwise the URL begins with http://",
        HttpError::Url(_) | HttpError::Tcp { .. } | HttpError::TimedOut(_) | HttpError::TooLong(_) => "",
    }
}
