//! `rtms simulate --serve`: Zoom as a service for tests, with its OAuth and REST calls, until somebody stops it.

use std::{net::SocketAddr, process::ExitCode, time::Duration};

use anyhow::Context;
use clap::Args;
use rtms_sim::scenario::Scenario;
use rtms_sim_server::{
    SimulatorConfig,
    service::{Service, ServiceConfig},
};
use serde_json::json;

use crate::{logging::note, signals::Signals};

/// The service in place of meetings that are named in the arguments.
#[derive(Args, Debug, Default)]
#[command(next_help_heading = "Service")]
pub(crate) struct ServeArgs {
    /// Stay and play meetings on request, any number at once, with Zoom's OAuth and its REST calls for RTMS beside them.
    /// The first line on standard output is JSON with the addresses. Options about the meeting, the webhooks and the app
    /// hold for every meeting whose request does not say otherwise
    #[arg(long, conflicts_with_all = ["load", "replay", "scenario", "meetings", "sent", "grade", "report"])]
    pub(super) serve: bool,
    /// Serve the requests here; port 0 takes a free one [default: 127.0.0.1:0]
    #[arg(long, value_name = "ADDR", requires = "serve")]
    pub(super) control: Option<SocketAddr>,
    /// Expect this account in requests for a token with account_credentials [default: sim-account]
    #[arg(long, value_name = "ID", requires = "serve")]
    account_id: Option<String>,
    /// Give the app these scopes for REST and no others; a call that needs another one is refused with 403. Empty for none
    /// [default: all that the calls need]
    #[arg(long, value_name = "SCOPES", requires = "serve")]
    scopes: Option<String>,
}

impl ServeArgs {
    /// The configuration of the service, for which every meeting is like `meetings` unless its request says otherwise.
    pub(super) fn config(self, mut meetings: SimulatorConfig) -> ServiceConfig {
        // Every scenario can be asked for.
        let standby = Scenario::catalogue().into_iter().map(|scenario| usize::from(scenario.standby)).max();
        meetings.servers = meetings.servers.max(1 + standby.unwrap_or(0));
        let usual = ServiceConfig::default();
        let scopes = self
            .scopes
            .map(|scopes| scopes.split([',', ' ']).filter(|scope| !scope.is_empty()).map(str::to_owned).collect());
        ServiceConfig {
            control: self.control.unwrap_or(usual.control),
            account_id: self.account_id.unwrap_or(usual.account_id),
            scopes: scopes.unwrap_or(usual.scopes),
            meetings,
            ..usual
        }
    }
}

/// Runs until a signal asks to stop, and then ends the meetings in order.
pub(super) async fn run(
    config: ServiceConfig,
    mut signals: Signals,
    finish_within: Duration,
) -> anyhow::Result<ExitCode> {
    let service = Service::start(config).await?;
    let control = service.control_url();
    note!("meetings are made, looked at and stopped at {control}/v1/meetings");
    note!("in Zoom's place: {} for tokens, {} for REST", service.token_url(), service.api_url());
    note!("signaling is at {}, media at {}", service.signaling_address(), service.media_address());
    note!("to play a meeting: curl -s {control}/v1/meetings -d '{{\"duration\": \"10s\"}}'");
    let addresses = json!({
        "control": control,
        "oauth": service.token_url(),
        "api": service.api_url(),
        "signaling": service.signaling_address(),
        "media": service.media_address(),
    });
    let printed = async {
        let line = format!("{addresses}\n").into_bytes();
        crate::output::print_apart(line).await.context("failed to print the addresses")?;
        std::future::pending::<anyhow::Result<()>>().await
    };
    tokio::select! {
        biased;
        () = signals.stop() => {}
        printed = printed => printed?,
    }
    note!("stopping");
    if tokio::time::timeout(finish_within, service.stop()).await.is_err() {
        note!("meetings are left: they did not come to their end within {} s", finish_within.as_secs());
    }
    Ok(ExitCode::SUCCESS)
}
