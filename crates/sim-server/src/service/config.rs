//! The configuration of the service.

use std::net::{Ipv4Addr, SocketAddr};

use rtms_wire::codes::product::Product;

use crate::{config::SimulatorConfig, service::scope::scope};

/// The configuration of [`Service::start`](crate::service::Service::start).
#[derive(Clone, Debug)]
pub struct ServiceConfig {
    /// Where Zoom's REST and the service's own control are served; port 0 takes a free one. Loopback unless somebody
    /// asks for more.
    pub control: SocketAddr,
    /// Where clients find the servers, and what a meeting is like unless its request says otherwise.
    pub meetings: SimulatorConfig,
    /// The account that a request for a token with `account_credentials` has to name.
    pub account_id: String,
    /// What the app may do by REST; [`ServiceConfig::all_scopes`] unless a refusal is to be seen.
    pub scopes: Vec<String>,
    /// The number of meetings at once; one more is refused.
    pub most_meetings: usize,
    /// The number of finished meetings that can still be looked at; of more, the oldest are forgotten.
    pub most_finished: usize,
    /// The number of streams that one meeting may have, one after the other.
    pub most_streams: usize,
}

impl ServiceConfig {
    /// The scopes that Zoom's calls for RTMS need, each once. Basis: documented, but for that of webinars, which is
    /// taken to be that of meetings.
    pub fn all_scopes() -> Vec<String> {
        let mut scopes: Vec<_> = Product::ALL.into_iter().filter_map(scope).map(str::to_owned).collect();
        scopes.dedup();
        scopes
    }
}

impl Default for ServiceConfig {
    fn default() -> Self {
        Self {
            control: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            meetings: SimulatorConfig { keep_sent: false, ..SimulatorConfig::default() },
            account_id: "sim-account".to_owned(),
            scopes: Self::all_scopes(),
            most_meetings: 1_000,
            most_finished: 1_000,
            most_streams: 100,
        }
    }
}
