//! The app that `rtms simulate` serves: its name and what it signs with.

use anyhow::Context;
use clap::Args;
use rtms_sim::config::App;

/// The app.
#[derive(Args, Debug)]
#[command(next_help_heading = "App")]
pub(crate) struct AppArgs {
    /// Sign webhooks with this token
    #[arg(long, value_name = "TOKEN", env = "ZOOM_SECRET_TOKEN", hide_env_values = true, default_value = App::TEST_SECRET_TOKEN)]
    secret_token: String,
    /// Expect handshakes of this app
    #[arg(long, value_name = "ID", env = "ZOOM_CLIENT_ID", default_value = App::TEST_CLIENT_ID)]
    client_id: String,
    /// Expect handshakes signed with this secret
    #[arg(long, value_name = "SECRET", env = "ZOOM_CLIENT_SECRET", hide_env_values = true, default_value = App::TEST_CLIENT_SECRET)]
    client_secret: String,
}

impl AppArgs {
    /// The same for a simulator.
    pub(super) fn app(&self) -> anyhow::Result<App> {
        App::new(&self.client_id, &self.client_secret, &self.secret_token)
            .context("the client secret and the secret token must not be empty")
    }
}
