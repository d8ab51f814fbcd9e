//! `rtms doctor`: what is wrong with a set-up, and what to do about it; and what an app needs in Zoom's Marketplace.

mod address;
mod carried;
mod certificate;
mod checklist;
mod failure;
mod finding;
mod hosts;
mod machine;
mod ports;
mod probe;
mod round_trip;
mod running;
mod secrets;

use std::{net::SocketAddr, path::PathBuf, process::ExitCode};

use clap::Args;
use rtms_gateway::{
    apps::secrets::App,
    config::{
        Config,
        listen::{ApiListen, address},
    },
};
use rtms_http::{client::HttpClient, error::TlsSetupError};
use rtms_wire::{Uri, codes::product::Product};

use crate::{
    doctor::{finding::Findings, round_trip::RoundTrip},
    output,
    webhook::web_url,
};

const EXAMPLES: &str = "\
Examples:
  Check settings, secrets and machine:
    rtms doctor --config rtms.toml

  The same, and the whole way of a webhook through your own proxy:
    rtms doctor https://rtms.example.com/webhook --config rtms.toml

  With a certificate of your own authority:
    rtms doctor https://localhost:8443/webhook --ca ca.pem

  What to tick and to add in Zoom's Marketplace, for meetings or for every product:
    rtms doctor --checklist meeting
    rtms doctor --checklist

Run it as the user that runs `rtms serve`, with the same environment, settings file, --listen and --data-dir. With a URL it sends
a few signed URL validations, as Zoom does every 72 hours, which leave receipts, and one unsigned, which leaves a log line. With `rtms serve` running
on the same machine, it tells more exactly what a proxy changes.

Exit codes: 0 no fault (there may be warnings); 1 a fault; 2 wrong arguments.";

/// Check a set-up: secrets, settings, machine, and the way through your proxy
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct DoctorArgs {
    /// The event notification endpoint URL that Zoom has, to be tried as Zoom does
    #[arg(value_name = "URL", value_parser = web_url)]
    url: Option<Uri>,
    /// Read settings from this TOML file, as `rtms serve --config` does
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The webhook address, if `rtms serve` is given one
    #[arg(long, value_name = "ADDR", value_parser = address)]
    listen: Option<SocketAddr>,
    /// The API address, if `rtms serve` is given one
    #[arg(long, value_name = "ADDR")]
    api_listen: Option<ApiListen>,
    /// The data folder, if `rtms serve` is given one
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// Trust the certificate authorities in this PEM file for the URL, beside the system's
    #[arg(long, value_name = "FILE")]
    ca: Vec<PathBuf>,
    /// Print what an app needs in Zoom's Marketplace instead: for meeting, webinar, session, contact_center or phone, or for all
    #[arg(long, value_name = "PRODUCT", num_args = 0..=1, conflicts_with = "url")]
    checklist: Option<Option<Product>>,
    /// One JSON object
    #[arg(long)]
    json: bool,
}

pub(crate) async fn run(args: DoctorArgs) -> anyhow::Result<ExitCode> {
    if let Some(product) = args.checklist {
        let products = product.map_or(Product::ALL.to_vec(), |product| vec![product]);
        let text = if args.json { format!("{}\n", checklist::json(&products)) } else { checklist::text(&products) };
        output::print(&text)?;
        return Ok(ExitCode::SUCCESS);
    }
    let trip = args.url.map(|url| Ok::<_, TlsSetupError>((url, HttpClient::new(&args.ca)?))).transpose()?;
    let config = Config::load(args.config.as_deref()).map_err(anyhow::Error::from).map(|mut config| {
        config.server.listen = args.listen.unwrap_or(config.server.listen);
        config.api.listen = args.api_listen.unwrap_or(config.api.listen);
        config.server.data_dir = args.data_dir.unwrap_or(config.server.data_dir);
        config
    });
    let mut findings = Findings::default();
    let found = local(&mut findings, config).await;
    if let (Some((url, client)), Some((config, apps))) = (trip, &found) {
        if !args.ca.is_empty() {
            findings.note("URL", "authorities of --ca are trusted here; Zoom trusts public ones only");
        }
        if address::check(&mut findings, &url).await {
            RoundTrip { findings: &mut findings, client, url, config, apps }.run().await?;
        }
    }
    report(&findings, args.json)
}

/// `rtms serve --check`: the checks that need no URL, on the settings that a server would start with.
pub(crate) async fn check_settings(config: anyhow::Result<Config>) -> anyhow::Result<ExitCode> {
    let mut findings = Findings::default();
    local(&mut findings, config).await;
    report(&findings, false)
}

fn report(findings: &Findings, as_json: bool) -> anyhow::Result<ExitCode> {
    let text = if as_json { findings.json()? } else { findings.text() };
    output::print(&text)?;
    Ok(if findings.is_healthy() { ExitCode::SUCCESS } else { crate::exit_code::failed() })
}

/// The checks on this machine. Returns settings and apps, if the settings can be used.
async fn local(findings: &mut Findings, config: anyhow::Result<Config>) -> Option<(Config, Vec<App>)> {
    machine::clock(findings);
    let config = match config {
        Ok(config) => config,
        Err(error) => {
            let remedy = "change that setting; `rtms serve --print-defaults` prints every setting with its default";
            findings.fault("settings", format!("{error:#}"), remedy);
            return None;
        }
    };
    findings.ok("settings", "loaded");
    let apps = secrets::check(findings, &config.app, &|name| std::env::var_os(name));
    hosts::check(findings, &config.zoom);
    certificate::files(findings, &config.server);
    machine::data_folder(findings, &config.server.data_dir);
    machine::descriptors(findings);
    ports::check(findings, &config).await;
    Some((config, apps))
}
