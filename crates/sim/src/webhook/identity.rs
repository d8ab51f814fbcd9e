//! The ids of one stream, made up from the seed and the time of its start.

use rtms_wire::{
    codes::product::Product,
    ids::{InstanceId, InstanceIdField, StreamId},
    time::UnixMillis,
};

use crate::seed::Seed;

/// Who and what a stream is, made up from the seed and the time of its start.
#[derive(Clone, Debug)]
pub(crate) struct Identity {
    pub(crate) instance: InstanceId,
    pub(crate) stream: StreamId,
    pub(super) account_id: String,
    pub(super) operator_id: String,
    pub(super) meeting_number: String,
    pub(super) session_key: String,
}

impl Identity {
    /// What else the webhook names, and nobody signs.
    pub(crate) fn other_ids(&self) -> [&str; 4] {
        [&self.meeting_number, &self.session_key, &self.account_id, &self.operator_id]
    }

    /// The same meeting, and another stream of it that starts now; `number` counts them.
    pub(crate) fn with_another_stream(&self, ids: &Seed, number: u64, now: UnixMillis) -> Self {
        let mut chance = ids.fork("another stream", now.0).fork("number", number);
        Self { stream: StreamId::new(chance.hex(32)), ..self.clone() }
    }

    /// The number of the meeting or webinar; nothing for a product that has none.
    pub(crate) fn meeting_number(&self, product: Product) -> Option<&str> {
        match product {
            Product::Meeting | Product::Webinar => Some(&self.meeting_number),
            Product::Session | Product::ContactCenter | Product::Phone => None,
        }
    }

    pub(crate) fn new(product: Product, ids: &Seed, start: UnixMillis) -> Self {
        // The time goes in so that one seed played twice is the same meeting but not the same stream.
        let mut chance = ids.fork("identity", start.0);
        let field = instance_field(product);
        let value = match product {
            Product::Meeting | Product::Webinar | Product::Session => padded_base64(&mut chance),
            // Padded base64 in Zoom's reference, unpadded base64url in Zoom's blog.
            Product::ContactCenter if chance.one_in(2) => padded_base64(&mut chance),
            Product::ContactCenter => unpadded_base64url(&mut chance),
            // Digits beyond what a double can hold were seen.
            Product::Phone => format!("7{:018}", chance.below(1_000_000_000_000_000_000)),
        };
        Self {
            instance: InstanceId::new(field, value),
            stream: StreamId::new(chance.hex(32)),
            account_id: base64_text(&mut chance, 22).replace(['+', '/'], "x"),
            operator_id: base64_text(&mut chance, 22).replace(['+', '/'], "x"),
            meeting_number: format!("8{:010}", chance.below(10_000_000_000)),
            session_key: format!("sim-session-{}", chance.below(1_000_000)),
        }
    }
}

/// The id field that Zoom's schema has for a product's webhooks.
fn instance_field(product: Product) -> InstanceIdField {
    match product {
        Product::Meeting => InstanceIdField::MeetingUuid,
        Product::Webinar => InstanceIdField::WebinarUuid,
        Product::Session => InstanceIdField::SessionId,
        Product::ContactCenter => InstanceIdField::EngagementId,
        Product::Phone => InstanceIdField::CallId,
    }
}

pub(super) fn base64_text(chance: &mut Seed, length: usize) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    (0..length).filter_map(|_| chance.pick(ALPHABET)).copied().map(char::from).collect()
}

/// Sixteen bytes as base64 that hold `/` and `+`, because ids do and clients trip over them.
fn padded_base64(chance: &mut Seed) -> String {
    let last = chance.pick(&['A', 'Q', 'g', 'w']).copied().unwrap_or('A');
    format!("{}/{}+{}{last}==", base64_text(chance, 6), base64_text(chance, 9), base64_text(chance, 4))
}

/// Sixteen bytes as base64url without padding.
fn unpadded_base64url(chance: &mut Seed) -> String {
    let padded = padded_base64(chance);
    padded.trim_end_matches('=').replace('+', "-").replace('/', "_")
}
