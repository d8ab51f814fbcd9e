//! Where `rtms simulate` is reached: addresses, names, ports and TLS.

use std::{
    net::{Ipv6Addr, SocketAddr},
    path::PathBuf,
};

use clap::Args;
use rtms_sim_server::SimulatorConfig;

/// The servers.
#[derive(Args, Debug)]
#[command(next_help_heading = "Servers")]
pub(crate) struct ServerArgs {
    /// Serve signaling here; port 0 takes a free one
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:0")]
    pub(super) listen: SocketAddr,
    /// Serve media here; the same as --listen puts both on one port [default: a free port at the same address]
    #[arg(long, value_name = "ADDR")]
    pub(super) media_listen: Option<SocketAddr>,
    /// Listen as this many of Zoom's servers; a stream moves to the next when its server fails. All but the first take free ports
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=16))]
    servers: u16,
    /// Name the servers so in URLs, in turns. The client has to be able to resolve it: localhost always, *.localhost not
    /// everywhere (Zoom's SDK does not) [default: the address]
    #[arg(long = "host", value_name = "NAME", value_parser = host)]
    pub(super) hosts: Vec<String>,
    /// Serve wss:// with a certificate for 127.0.0.1, localhost, *.localhost and the --host names, made for this run
    #[arg(long, requires = "authority")]
    tls: bool,
    /// Keep the authority that the client has to trust over runs: ca.pem in this folder, and its key, which nobody else should get.
    /// Both are made in the first run [default: an authority for this run alone]
    #[arg(long, value_name = "DIR", requires = "tls", group = "authority")]
    ca_dir: Option<PathBuf>,
    /// Write the certificate of the authority that the client has to trust to this file (PEM)
    #[arg(long, value_name = "FILE", requires = "tls", group = "authority")]
    ca_out: Option<PathBuf>,
}

impl ServerArgs {
    /// Says it to a simulator.
    pub(super) fn configure(self, config: &mut SimulatorConfig) {
        config.listen = self.listen;
        config.media_listen = self.media_listen;
        config.servers = usize::from(self.servers);
        config.hosts = self.hosts;
        config.tls = self.tls;
        config.ca_dir = self.ca_dir;
        config.ca_out = self.ca_out;
    }
}

/// A name as it stands in a URL; an IPv6 address has its brackets there.
fn host(text: &str) -> Result<String, String> {
    let is_of_a_name = |letter: char| letter.is_ascii_alphanumeric() || "-._".contains(letter);
    let inside = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let is_name = !text.is_empty() && text.chars().all(is_of_a_name);
    if is_name || inside.is_some_and(|address| address.parse::<Ipv6Addr>().is_ok()) {
        Ok(text.to_owned())
    } else {
        Err("a host has letters, digits, dots and hyphens, or is an IPv6 address in brackets, without a port"
            .to_owned())
    }
}
