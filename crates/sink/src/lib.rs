//! A stream to somebody else: words and events leave as [`envelope::Envelope`]s through [`sink::Sink`]s.
//!
//! Each sink has a queue and tasks of its own ([`delivery::Delivery`]), so that a slow one delays neither the stream nor
//! another sink. The queue is in memory and lossy, or in a [`backlog::Backlog`] and durable. Queueing, retrying, counting and
//! taking back are done there, once for all sinks; a sink takes a batch or says why not.
//!
//! ```
//! use std::sync::Arc;
//! use rtms_sink::{delivery::{DEFAULT_QUEUE, Delivery}, envelope::{Body, Envelope, VERSION}, jsonl::Jsonl};
//! # use rtms_wire::{codes::product::Product, ids::{InstanceId, InstanceIdField, StreamId}};
//! # use rtms_wire::{sequence::Numbering, time::UnixMillis};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! # let mut numbering = Numbering::new(1);
//! let delivery = Delivery::lossy(Jsonl::new("stdout", tokio::io::sink()), DEFAULT_QUEUE);
//! delivery.offer(Arc::new(Envelope {
//!     version: VERSION,
//!     rtms_stream_id: StreamId::from("3f6a0c9e"),
//!     product: Product::Meeting,
//!     instance: InstanceId::new(InstanceIdField::MeetingUuid, "gPkqeuK3m0UGeK+QdgAH/Q=="),
//!     sequence: 1,
//!     id: numbering.give(),
//!     received_at: UnixMillis(1_795_420_800_000),
//!     body: Body::Started,
//! }));
//! delivery.finish().await;
//! assert_eq!(delivery.counts().delivered, 1);
//! # }
//! ```

mod attempt;
pub mod backlog;
pub mod counts;
pub mod delivery;
mod durable;
pub mod envelope;
pub mod error;
pub mod jsonl;
mod lossy;
pub mod recall;
pub mod sink;
