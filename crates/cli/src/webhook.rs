//! `rtms webhook`: sign a webhook as Zoom would, and post it.

mod stdin;

use std::{path::PathBuf, process::ExitCode, time::SystemTime};

use anyhow::{Context, bail};
use clap::{Args, Subcommand};
use http_body_util::{BodyExt, Full};
use hyper::{Request, body::Bytes, header::CONTENT_TYPE};
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use rtms_sim::config::App;
use rtms_wire::{
    Uri,
    secret::SecretToken,
    signature::webhook_signature,
    webhook::verify::{SIGNATURE_HEADER, TIMESTAMP_HEADER},
};

use crate::{api_client::http_url, logging::note};

const EXAMPLES: &str = "\
Examples:
  Print the headers for a body:
    rtms webhook sign started.json

  Post it to a gateway that runs here, and print the answer:
    ZOOM_SECRET_TOKEN=… rtms webhook send started.json --to http://127.0.0.1:8080/webhook

  The same with bodies from standard input, each as soon as it is there, until the meeting is over:
    rtms simulate --print-webhook | rtms webhook send - --to http://127.0.0.1:8080/webhook

The bytes are signed as they stand in the file: a trailing newline belongs to them. On standard input a body ends with the
line on which its JSON is complete, and that line's end does not belong to it; what is no JSON goes on to the end of the
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
        /// Where to (http)
        #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:8080/webhook", value_parser = http_url)]
        to: Uri,
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
        Action::Send { body, to } => (body, Some(to)),
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
    /// Posts it, or prints its headers where there is nobody to post it to. Whether it was taken.
    async fn hand_over(self, to: Option<&Uri>) -> anyhow::Result<bool> {
        let Some(to) = to else {
            let (timestamp, signature) = (self.timestamp, self.signature);
            crate::output::print(&format!("{TIMESTAMP_HEADER}: {timestamp}\n{SIGNATURE_HEADER}: {signature}\n"))?;
            return Ok(true);
        };
        send(self, to).await
    }
}

async fn send(signed: Signed, to: &Uri) -> anyhow::Result<bool> {
    let request = Request::post(to.clone())
        .header(CONTENT_TYPE, "application/json; charset=utf-8")
        .header(TIMESTAMP_HEADER, signed.timestamp)
        .header(SIGNATURE_HEADER, signed.signature)
        .body(Full::new(Bytes::from(signed.body)))?;
    let client = Client::builder(TokioExecutor::new()).build_http();
    let response = client.request(request).await.map_err(|error| {
        let way_out = if error.is_connect() { "" } else { "; does it expect TLS, which this command does not speak?" };
        anyhow::Error::from(error).context(format!("cannot post to {to}{way_out}"))
    })?;
    let status = response.status();
    let body = response.into_body().collect().await.context("the answer broke off")?.to_bytes();
    note!("{status}");
    if !body.is_empty() {
        crate::output::print(&format!("{}\n", String::from_utf8_lossy(&body)))?;
    }
    Ok(status.is_success())
}
