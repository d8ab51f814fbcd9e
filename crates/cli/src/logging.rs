//! Logs go to standard error, so that standard output stays for what a command prints.

use clap::Args;
use tracing_subscriber::EnvFilter;

#[derive(Args)]
pub(crate) struct LoggingArgs {
    /// What to log: a level, or a filter such as `info,rtms_client=debug` [default: info for serve, else warn]
    #[arg(long, global = true, value_name = "FILTER", env = "RTMS_LOG")]
    log: Option<String>,
}

impl LoggingArgs {
    pub(crate) fn start(&self, default: &str) {
        let filter = EnvFilter::builder().parse_lossy(self.log.as_deref().unwrap_or(default));
        let ansi = std::io::IsTerminal::is_terminal(&std::io::stderr());
        tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(ansi).init();
    }
}
