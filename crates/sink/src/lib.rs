//! A stream to somebody else: words and events leave as [`envelope::Envelope`]s through [`sink::Sink`]s.
//!
//! Each sink has a bounded queue and a task of its own ([`delivery::Delivery`]), so that a slow one delays neither the
//! stream nor another sink; what does not fit is dropped and counted.
//!
//! ```
//! use std::sync::Arc;
//! use rtms_sink::{delivery::{DEFAULT_QUEUE, Delivery}, envelope::{Body, Envelope, VERSION}, jsonl::Jsonl};
//! # use rtms_wire::{codes::product::Product, ids::{InstanceId, InstanceIdField, StreamId}, time::UnixMillis};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! let delivery = Delivery::start(Jsonl::new("stdout", tokio::io::sink()), DEFAULT_QUEUE);
//! delivery.offer(Arc::new(Envelope {
//!     version: VERSION,
//!     rtms_stream_id: StreamId::from("3f6a0c9e"),
//!     product: Product::Meeting,
//!     instance: InstanceId::new(InstanceIdField::MeetingUuid, "gPkqeuK3m0UGeK+QdgAH/Q=="),
//!     sequence: 1,
//!     received_at: UnixMillis(1_795_420_800_000),
//!     body: Body::Started,
//! }));
//! delivery.finish().await;
//! # }
//! ```

pub mod delivery;
pub mod envelope;
pub mod error;
pub mod jsonl;
pub mod sink;
