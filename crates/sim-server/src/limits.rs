//! Bounds on what clients can make the simulator hold.

use std::time::Duration;

/// Bounds on what clients can make the simulator hold.
#[derive(Clone, Debug)]
pub struct Limits {
    /// WebSockets at a time for each stream; a rightful client has six at most. A client that finds no room waits for
    /// it as long as an upgrade may take.
    pub connections: usize,
    /// TCP connections at a time that have not asked for a WebSocket yet; with more the oldest is closed. As many as
    /// there may be WebSockets are let wait in any case.
    pub without_upgrade: usize,
    /// Bytes of one message from a client; the longest rightful one is about a kilobyte.
    pub message_bytes: usize,
    /// From a TCP connection to the end of its WebSocket upgrade.
    pub upgrade_within: Duration,
    /// Bytes that wait for a client that reads slowly; with more it is cut off. A minute of 48 kHz stereo from three
    /// people fits.
    pub waiting_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 64,
            // Many more than come at once, and few enough for a system that lets a process have a thousand files.
            without_upgrade: 256,
            message_bytes: 1 << 20,
            upgrade_within: Duration::from_secs(10),
            waiting_bytes: 64 << 20,
        }
    }
}
