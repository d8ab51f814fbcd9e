//! What store and disk need from time to time: old entries removed, a proof that the store works again after a failure, and a
//! look at the space that is left.

use std::{sync::Arc, time::Duration};

use rtms_store::store::{Pruned, Store};
use rtms_wire::time::{UnixMillis, millis};
use tokio::time::{MissedTickBehavior, interval};
use tracing::{debug, warn};

use crate::{clock, disk::Disk, stop::Stop, telemetry::Metrics};

/// The time between two removals of old entries.
const PRUNE_EVERY: Duration = Duration::from_secs(3600);

/// The time between two tries of a store that failed.
const PROVE_EVERY: Duration = Duration::from_secs(1);

/// Removes entries older than `keep`, tries a store that failed and watches the disk, until the server stops.
pub(crate) async fn run(store: Arc<dyn Store>, keep: Duration, disk: Arc<Disk>, metrics: Arc<Metrics>, mut stop: Stop) {
    tokio::select! {
        biased;
        () = stop.given() => {}
        ((), (), ()) = async { tokio::join!(prune(&*store, keep), prove(&*store), disk.watch(&*store, &metrics)) } => {}
    }
}

/// Has a store that failed prove itself again. It does so with the next thing to write, and a balancer sends nothing to
/// a server that is not ready.
async fn prove(store: &dyn Store) {
    let mut every = interval(PROVE_EVERY);
    every.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        every.tick().await;
        if store.stats().is_failing {
            // Nothing is older than the epoch: it writes and changes nothing. Its failure shows in the same figure.
            let _ = store.prune(UnixMillis(0)).await;
        }
    }
}

async fn prune(store: &dyn Store, keep: Duration) {
    let mut every = interval(PRUNE_EVERY);
    every.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        every.tick().await;
        let now = clock::unix_millis();
        let older_than = UnixMillis(now.0.saturating_sub(millis(keep)));
        match store.prune(older_than).await {
            Ok(pruned) => {
                let Pruned { entries, streams, stops } = pruned;
                debug!(entries, streams, stops, "removed what is older than store.keep from the store");
            }
            Err(error) => warn!(%error, "cannot remove old entries from the store"),
        }
    }
}
