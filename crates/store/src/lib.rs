//! What must survive a crash: one contract, [`Store`], and two engines for it.
//!
//! A webhook's way through it:
//!
//! 1. [`Inbox::append`] keeps its bytes. When that returns they are on disk, so Zoom may be told 200. Appends at the same
//!    time share one sync.
//! 2. [`Operations::fold`] adds it to what is known of its stream, then settles the entry. What is known,
//!    [`Wanted`], is a join-semilattice: repeats and reorderings of webhooks change nothing. The [`Class`] says what the
//!    webhook was, `first`, `repeat`, `failover`, `late` …, and is kept with a reason. What is about no stream is settled
//!    by [`Inbox::settle`].
//! 3. A worker that watches [`Streams::changes`] finds the stream among the [`Streams::claimable`] and claims it.
//!    The [`Lease`] has a term and a fencing token. What the worker has to bring about is the record's [`Wish`]; when
//!    that changes while it runs, it is a failover or an interruption, and the worker tells its lease that it
//!    [saw](Lease::saw) it. What people wish for, an end or a camera, is in the record too.
//! 4. [`Operations::release`] ends it, and only a newer wish opens it again; or hands it over to whoever claims it next.
//!
//! All of these are pure changes of a record over one primitive of the engine, [`Streams::save`]: a record takes the place of the
//! revision that it was read at, or nothing changes. So nothing spans several records, and whatever fails may be done again.
//! [`Queue`] keeps work to be done later, such as deliveries.
//!
//! Beside it, each step's time is noted on the webhook's [`Receipt`], and [`Store::queue`] keeps work to be done later.
//!
//! The engines: [`SqliteStore`], one file, the default; its layout and versions are described in `sqlite/schema.rs`. And
//! [`MemoryStore`], which keeps the same promises but for durability. `tests/contract.rs` runs one suite against both.
//!
//! Nothing here asks for the time: `now` is an argument. Times from Zoom and times of ours meet only where a webhook does
//! not say when it happened.
//!
//! ```
//! use std::{sync::Arc, time::Duration};
//!
//! use rtms_store::{Class, FoldInput, NewEntry, Operations, OwnerId, SqliteStore, Store, StoreError};
//! use rtms_wire::{time::UnixMillis, webhook::Webhook};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let directory = tempfile::tempdir()?;
//! # let now = UnixMillis(1_795_428_000_500);
//! let store: Arc<dyn Store> = Arc::new(SqliteStore::open(directory.path())?);
//!
//! // The door, after the signature: keep it, then answer 200.
//! let body = br#"{"event":"meeting.rtms_started","event_ts":1795428000412,"payload":{"meeting_uuid":"m==",
//!     "rtms_stream_id":"s","server_urls":"wss://a.sjc.zoom.us:443"}}"#;
//! let id = store.append(NewEntry { received_at: now, app: "main".into(), body: body.to_vec().into() }).await?;
//!
//! // The dispatcher: read it, check its URLs, fold it.
//! let entry = store.pending(1).await?.remove(0);
//! let webhook = Webhook::decode(&entry.body)?;
//! let checked_urls = vec!["wss://a.sjc.zoom.us:443".to_owned()];
//! let input = FoldInput::from_webhook(&webhook, checked_urls).expect("it is about a stream");
//! assert_eq!(store.fold(id, input, now).await?.class, Class::First);
//!
//! // A worker: claim what is wanted and nobody's.
//! let (term, me) = (Duration::from_secs(10), OwnerId::new("worker-1"));
//! let stream = store.claimable(now).await?.remove(0);
//! let lease = store.claim(&stream.stream_id, &me, term, now).await?.expect("nobody else is here");
//! assert_eq!(stream.open_wish().expect("it is claimable").server_urls, ["wss://a.sjc.zoom.us:443"]);
//! let lease = store.renew(&lease, term, now + term / 3).await?;
//!
//! // Who comes too late gets nothing and learns it.
//! assert!(matches!(store.renew(&lease, term, now + 5 * term).await, Err(StoreError::LeaseLost { .. })));
//! # store.close().await;
//! # Ok(())
//! # }
//! ```

pub mod changes;
pub mod class;
pub mod engine;
pub mod entry;
pub mod error;
pub mod faulty;
pub mod folding;
pub mod inbox;
pub mod lease;
mod locked;
pub mod memory;
pub mod operations;
pub mod outcome;
pub mod queue;
pub mod reader;
pub mod receipts;
pub mod sqlite;
pub mod store;
pub mod stream_record;
pub mod streams;
pub mod summary;
mod takes;
pub mod wanted;

pub use changes::{Changes, StreamChange};
pub use class::Class;
pub use engine::Engine;
pub use entry::{Entry, EntryHead, EntryId, NewEntry, Settled, Taken, Verdict};
pub use error::{Cause, StoreError};
pub use faulty::{Faults, FaultyStore};
pub use folding::{Change, FoldInput, Folded};
pub use inbox::Inbox;
pub use lease::{Lease, OwnerId};
pub use memory::MemoryStore;
pub use operations::Operations;
pub use outcome::Outcome;
pub use queue::{Claimed, Job, Queue, QueueBounds, QueueCount, Ticket};
pub use reader::StoreReader;
pub use receipts::{NotedOn, Receipt, ReceiptFilter, Receipts, Step, Steps, UnixMicros};
pub use sqlite::{SqliteOptions, SqliteStore, reader::SqliteReader};
pub use store::{Pruned, Stats, Store};
pub use stream_record::{CameraWish, Ended, InstanceStop, Revision, StreamRecord};
pub use streams::{RecordChange, Safety, Saved, StreamFilter, Streams};
pub use summary::{Lost, Recorded, RunSummary, Unclosed};
pub use wanted::{InstanceKey, Interruption, Start, Stop, Wanted, Wish};
