//! What a stream is joined by: a name of what is streamed, and the signature over it.

use rtms_wire::{ids::InstanceId, signature::HandshakeSignature};

/// A name of what is streamed, and the signature over it.
#[derive(Clone, Debug)]
pub struct Credentials {
    /// What is streamed, and the key under which both handshakes name it.
    pub instance: InstanceId,
    /// The signature over that value.
    pub signature: HandshakeSignature,
}
