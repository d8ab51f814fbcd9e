//! Everything that must survive a crash.

pub mod class;
pub mod entry;
pub mod error;
pub mod folding;
pub mod inbox;
pub mod lease;
pub mod memory;
pub mod receipts;
pub mod sqlite;
pub mod store;
pub mod streams;
pub mod wanted;

pub use class::Class;
pub use entry::{Entry, EntryId, NewEntry, Verdict};
pub use error::StoreError;
pub use folding::{Change, FoldInput, Folded};
pub use inbox::Inbox;
pub use lease::{Lease, OwnerId};
pub use memory::MemoryStore;
pub use receipts::{NotedOn, Receipt, ReceiptFilter, Receipts, Step, Steps, UnixMicros};
pub use sqlite::{SqliteOptions, SqliteStore};
pub use store::{Pruned, Stats, Store};
pub use streams::{Ended, Outcome, StreamFilter, StreamRecord, Streams};
pub use wanted::{InstanceKey, Interruption, Start, Stop, Wanted, Wish};
