//! The sinks that the settings name.

use std::{collections::BTreeSet, io, sync::Arc};

use rtms_sink::{
    delivery::{DEFAULT_QUEUE, Delivery},
    jsonl::Jsonl,
    sink::Sink,
};
use rtms_store::{lease::OwnerId, store::Store};

use crate::{
    backlog::StoreBacklog,
    config::{self, SinkDelivery},
};

/// Starts every sink of the settings. What is durable waits in the store.
///
/// # Errors
/// The system's, if standard output cannot be had; or that two durable sinks have one name.
pub(crate) fn start(sinks: &[config::Sink], store: &Arc<dyn Store>, owner: &OwnerId) -> io::Result<Vec<Delivery>> {
    let start = |sink: &config::Sink| match sink {
        config::Sink::Stdout { delivery } => Ok(deliver(Jsonl::new("stdout", stdout()?), *delivery, store, owner)),
    };
    let started = sinks.iter().map(start).collect::<io::Result<Vec<_>>>()?;
    let mut names = BTreeSet::new();
    for sink in started.iter().filter(|sink| sink.is_durable()) {
        if !names.insert(sink.name()) {
            let why = format!("two durable sinks named {} would take from one queue; remove one", sink.name());
            return Err(io::Error::new(io::ErrorKind::InvalidInput, why));
        }
    }
    Ok(started)
}

fn deliver(sink: impl Sink, delivery: SinkDelivery, store: &Arc<dyn Store>, owner: &OwnerId) -> Delivery {
    match delivery {
        SinkDelivery::Lossy => Delivery::lossy(sink, DEFAULT_QUEUE),
        SinkDelivery::Durable => {
            let backlog = StoreBacklog::new(store.clone(), owner.clone(), format!("sink:{}", sink.name()));
            Delivery::durable(sink, DEFAULT_QUEUE, backlog)
        }
    }
}

/// Standard output without a buffer of its own: at the end of the program nothing is left to be written to a reader that is
/// stuck.
#[cfg(unix)]
fn stdout() -> io::Result<tokio::fs::File> {
    use std::os::fd::AsFd;
    let descriptor = io::stdout().as_fd().try_clone_to_owned()?;
    Ok(tokio::fs::File::from_std(std::fs::File::from(descriptor)))
}

#[cfg(not(unix))]
fn stdout() -> io::Result<tokio::io::Stdout> {
    Ok(tokio::io::stdout())
}
