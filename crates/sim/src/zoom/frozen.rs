//! Connections whose server hangs: nothing is read on them and nothing said, until it goes on where it was.

use bytes::Bytes;
use rtms_wire::time::UnixMillis;

use crate::{
    connection::ConnectionId,
    sent::Sent,
    zoom::{live::Frozen, machine::Zoom, output::Output},
};

impl Zoom {
    /// Whether the server of a connection hangs now.
    pub fn is_frozen(&self, connection: ConnectionId) -> bool {
        self.frozen.contains_key(&connection)
    }

    /// What a client says, if its server does not hang and the network does not lose it.
    pub(super) fn heard(&mut self, connection: ConnectionId, payload: Bytes, now: UnixMillis) {
        /// Messages that a hanging server keeps for later; a client that says more is not listened to.
        const UNREAD: usize = 1_024;
        if self.is_void(connection) {
            return;
        }
        match self.frozen.get_mut(&connection) {
            Some(frozen) if frozen.unread.len() < UNREAD => frozen.unread.push(payload),
            Some(_) => {}
            None => self.received(connection, &payload, now),
        }
    }

    /// Says something on a connection, if its server does not hang.
    pub(super) fn say(&mut self, connection: ConnectionId, output: Output, sent: Option<Sent>) {
        match self.frozen.get_mut(&connection) {
            Some(frozen) => frozen.unsaid.push((output, sent)),
            None => self.write(output, sent),
        }
    }

    /// Goes on with what a server that hung has left undone.
    pub(super) fn thaw(&mut self, now: UnixMillis) {
        let thawed: Vec<_> = self.frozen.extract_if(.., |_, frozen| frozen.until <= now).collect();
        // All of them first: what is read on one may end the stream.
        for (connection, _) in &thawed {
            let known = self.connections.get_mut(connection);
            if let Some(keep_alive) = known.and_then(|known| known.keep_alive.as_mut()) {
                keep_alive.skip(now);
                keep_alive.excuse(now);
            }
        }
        for (connection, Frozen { unread, unsaid, .. }) in thawed {
            // The network may have begun to lose everything meanwhile.
            if !self.is_void(connection) {
                for (output, sent) in unsaid {
                    self.write(output, sent.map(|sent| Sent { at: now, ..sent }));
                }
            }
            for payload in unread {
                self.heard(connection, payload, now);
            }
        }
    }
}
