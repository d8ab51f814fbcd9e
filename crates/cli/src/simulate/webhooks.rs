//! How `rtms simulate` posts its webhooks, and what it posts beside them.

use clap::Args;
use rtms_sim::config::WebhookOptions;

/// The webhooks.
#[derive(Args, Debug)]
#[command(next_help_heading = "Webhooks")]
pub(crate) struct WebhookArgs {
    /// Shorten the waits before a webhook's next attempt and before the next URL validation by this factor, and nothing else
    #[arg(long, value_name = "FACTOR", default_value_t = 1, conflicts_with_all = ["print_webhook", "event_websocket"])]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    time_compression: u32,
    /// Send endpoint.url_validation at the start and every 72 hours, check the answers, and stop after six failures in a row
    #[arg(long, conflicts_with_all = ["print_webhook", "event_websocket"])]
    validate_url: bool,
    /// Post every webhook twice at once, as Zoom does after its internal code -10
    #[arg(long, conflicts_with = "print_webhook")]
    deliver_twice: bool,
    /// Send URL validations that Zoom did not sign, one of them made to get a webhook's signature, and report answers
    #[arg(long, conflicts_with_all = ["print_webhook", "event_websocket"])]
    probe_oracle: bool,
    /// Post start webhooks that Zoom did not send: unsigned, signed with another secret, and a day old, each for a stream of its own.
    /// A 2xx answer is a warning, a handshake for such a stream a fault
    #[arg(long, conflicts_with_all = ["print_webhook", "event_websocket"])]
    probe_forged_starts: bool,
    /// Stay after the end of the stream until every webhook is delivered or given up
    #[arg(long, conflicts_with_all = ["print_webhook", "event_websocket"])]
    wait_for_retries: bool,
}

impl WebhookArgs {
    /// The same for a simulator.
    pub(super) fn options(&self) -> WebhookOptions {
        WebhookOptions {
            time_compression: self.time_compression,
            validate_url: self.validate_url,
            deliver_twice: self.deliver_twice,
            probe_oracle: self.probe_oracle,
            forged_starts: self.probe_forged_starts,
            wait_for_retries: self.wait_for_retries,
        }
    }
}
