//! The query thread: answers questions from what is durable, without waiting for the commit thread.

use std::{path::Path, sync::mpsc::Receiver};

use rusqlite::Connection;

use crate::{
    error::StoreError,
    sqlite::{failure::store_error, schema},
};

/// A question; it answers its caller by itself.
pub(super) type Query = Box<dyn FnOnce(Result<&Connection, StoreError>) + Send>;

/// Answers until nobody can ask any more.
pub(super) fn run(path: &Path, queries: &Receiver<Query>) {
    let mut connection = schema::open_reader(path).ok();
    while let Ok(query) = queries.recv() {
        query(connected(&mut connection, path).map_err(|error| store_error(error, path)));
    }
}

fn connected<'a>(connection: &'a mut Option<Connection>, path: &Path) -> rusqlite::Result<&'a Connection> {
    let open = match connection.take() {
        Some(open) => open,
        None => schema::open_reader(path)?,
    };
    Ok(connection.insert(open))
}
