//! A stream under load on its sockets.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use rtms_sim::{
    load::{LoadEvent, LoadOutput, LoadSettings, LoadStream},
    webhook::WebhookPost,
    zoom::{ConnectionId, Endpoint},
};
use rtms_wire::{codes::stop_reason::StopReason, time::UnixMillis};

use crate::load::{frame, pipe::Pipe};

/// A stream and its connections. What it does is carried out before the next call, so that nothing overtakes anything.
pub(crate) struct Stream {
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    stream: LoadStream,
    /// Connections from their first message to their end.
    pipes: BTreeMap<ConnectionId, Arc<Pipe>>,
}

impl Stream {
    pub(crate) fn new(
        settings: &LoadSettings,
        seed: u64,
        signaling_url: String,
        media_url: String,
        now: UnixMillis,
    ) -> Self {
        let stream = LoadStream::new(settings, seed, signaling_url, media_url, now);
        Self { state: Mutex::new(State { stream, pipes: BTreeMap::new() }) }
    }

    /// Returns the start webhook, signed now.
    pub(crate) fn start_webhook(&self, now: UnixMillis) -> Option<WebhookPost> {
        self.state().stream.start_webhook(now)
    }

    /// Returns the stop webhook, signed now.
    pub(crate) fn stop_webhook(&self, reason: StopReason, now: UnixMillis) -> Option<WebhookPost> {
        self.state().stream.stop_webhook(reason, now)
    }

    /// Takes a message from a client.
    pub(crate) fn received(&self, pipe: &Arc<Pipe>, endpoint: Endpoint, payload: &[u8], now: UnixMillis) -> LoadEvent {
        let mut state = self.state();
        state.pipes.entry(pipe.id).or_insert_with(|| Arc::clone(pipe));
        let event = state.stream.received(pipe.id, endpoint, payload, now);
        state.carry_out();
        event
    }

    /// Returns the connection with this number, if it has not ended.
    pub(crate) fn pipe(&self, connection: ConnectionId) -> Option<Arc<Pipe>> {
        self.state().pipes.get(&connection).cloned()
    }

    /// Forgets a connection. Returns whether its handshake had succeeded.
    pub(crate) fn closed(&self, pipe: &Pipe) -> bool {
        let mut state = self.state();
        state.pipes.remove(&pipe.id);
        state.stream.closed(pipe.id)
    }

    /// Sends the keep-alive requests that are due. Returns how many there were and how many connections were given up.
    pub(crate) fn keep_alive(&self, now: UnixMillis) -> (u64, u64) {
        let mut state = self.state();
        let counts = state.stream.keep_alive(now);
        state.carry_out();
        counts
    }

    /// Tells the client that the end is near.
    pub(crate) fn begin_end(&self, reason: StopReason, now: UnixMillis) {
        let mut state = self.state();
        state.stream.begin_end(reason, now);
        state.carry_out();
    }

    /// Ends the stream and closes its connections.
    pub(crate) fn end(&self, reason: StopReason, now: UnixMillis) {
        let mut state = self.state();
        state.stream.end(reason, now);
        state.carry_out();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // What is behind the lock is whole after every statement, so a panic elsewhere does not spoil it.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn carry_out(&mut self) {
        while let Some(output) = self.stream.poll_output() {
            match output {
                LoadOutput::Send { connection, text } => {
                    self.pipes.get(&connection).map(|pipe| pipe.send(&frame::text(&text)));
                }
                LoadOutput::Close { connection } => {
                    self.pipes.get(&connection).map(|pipe| pipe.send(&frame::close()));
                }
                LoadOutput::Cut { connection } => {
                    if let Some(pipe) = self.pipes.get(&connection) {
                        pipe.end();
                    }
                }
            }
        }
    }
}
