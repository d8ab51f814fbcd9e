//! The simulated Zoom on real sockets: [`Simulator`] runs a [`Zoom`](rtms_sim::zoom::Zoom) in real time.
//!
//! What Zoom does is in `rtms-sim`. Here are the servers: sockets, TLS, HTTP for webhooks, and the loops that carry
//! what comes in to the model and what goes out away from it. [`load`] serves thousands of streams, [`replay`] plays a
//! wire log, [`intake`] serves webhooks over Zoom's event WebSocket, and [`service`] plays meetings on request, with
//! Zoom's OAuth and REST.
//!
//! ```
//! use std::time::Duration;
//! use rtms_sim::meeting::MeetingOptions;
//! use rtms_sim_server::{Simulator, SimulatorConfig};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let config = SimulatorConfig {
//!     meeting: MeetingOptions { duration: Duration::from_millis(200), ..MeetingOptions::default() },
//!     ..SimulatorConfig::default()
//! };
//! let simulator = Simulator::start(config).await?;
//! println!("{}", String::from_utf8_lossy(simulator.start_webhook()));
//! simulator.finished().await;
//! assert_eq!(simulator.counts().joins, 0);
//! # Ok(())
//! # }
//! ```

mod abort_on_drop;
mod authority;
mod clock;
mod config;
mod connection;
mod door;
mod from_connection;
pub mod intake;
mod limits;
pub mod load;
mod oauth;
mod observed;
mod playing;
mod post;
mod progress;
mod pump;
pub mod replay;
mod run_number;
pub mod service;
mod simulator;
mod socket;
mod start_error;
mod tls;
mod transport;
mod upgrade;

pub use self::{
    authority::AuthorityError, config::SimulatorConfig, limits::Limits, simulator::Simulator, start_error::StartError,
    tls::TlsError,
};
