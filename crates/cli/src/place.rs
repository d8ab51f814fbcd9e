//! Where a command looks: at a server, or in the data folder of one that is stopped.

use std::{
    io,
    path::{Path, PathBuf},
};

use anyhow::{Context, bail};
use clap::Args;
use rtms_gateway::config::Config;
use rtms_store::{StoreReader, engine, error::StoreError};
use rtms_wire::Uri;

use crate::{
    api_client::{Server, http_url},
    logging::note,
};

/// Which server, or which folder.
#[derive(Args, Debug)]
pub(crate) struct PlaceArgs {
    /// Ask the server that runs on this data folder [default: that of `rtms serve`]
    #[arg(long, value_name = "DIR", conflicts_with = "server")]
    data_dir: Option<PathBuf>,
    /// Take the data folder from this settings file, as `rtms serve --config` does
    #[arg(long, value_name = "FILE", conflicts_with = "server")]
    config: Option<PathBuf>,
    /// Ask the server whose API has this URL (http)
    #[arg(long, value_name = "URL", value_parser = http_url)]
    server: Option<Uri>,
}

/// What was found.
#[derive(Debug)]
pub(crate) enum Place {
    /// A server answers there.
    Server(Server),
    /// No server of ours does, and the store can be read.
    Store(PathBuf),
}

/// What connecting to the server of a folder came to.
enum Found {
    Server,
    NoServer,
    /// The folder, or its server, belongs to another user.
    NotOurs,
}

impl PlaceArgs {
    /// Finds out where to read, and reports it to people on standard error.
    pub(crate) async fn find(&self, is_for_people: bool) -> anyhow::Result<Place> {
        let report = |text: String| {
            if is_for_people {
                note!("{text}");
            }
        };
        if let Some(url) = &self.server {
            report(format!("asking {url}"));
            return Ok(Place::Server(Server::At(url.clone())));
        }
        let folder = self.folder()?;
        let shown = folder.display();
        let found = look(&folder).await?;
        match found {
            Found::Server => report(format!("asking the server on {shown}")),
            Found::NoServer => report(format!("reading {shown}: no server runs there")),
            Found::NotOurs => report(format!("reading {shown}: it belongs to {}", owner(&folder))),
        }
        Ok(match found {
            Found::Server => Place::Server(Server::On(folder)),
            Found::NoServer | Found::NotOurs => Place::Store(folder),
        })
    }

    /// Finds the server to send a command to, and reports it to people on standard error.
    pub(crate) async fn find_server(&self, is_for_people: bool) -> anyhow::Result<Server> {
        let server = match &self.server {
            Some(url) => Server::At(url.clone()),
            None => {
                let folder = self.folder()?;
                let shown = folder.display();
                match look(&folder).await? {
                    Found::Server => {}
                    Found::NoServer => bail!(
                        "no server runs on {shown}; is it running? name its data folder with --data-dir or --config, or its \
                         URL with --server"
                    ),
                    Found::NotOurs => bail!("the server on {shown} is not ours to ask: {}", as_owner(&folder)),
                }
                Server::On(folder)
            }
        };
        if is_for_people {
            note!("asking {server}");
        }
        Ok(server)
    }

    /// The data folder that is meant: the one that was named, or that of `rtms serve` with the same settings.
    fn folder(&self) -> anyhow::Result<PathBuf> {
        let folder = match &self.data_dir {
            Some(folder) => folder.clone(),
            None => Config::load(self.config.as_deref())?.server.data_dir,
        };
        std::path::absolute(&folder).with_context(|| format!("{} is no path", folder.display()))
    }
}

#[cfg(unix)]
async fn look(folder: &Path) -> anyhow::Result<Found> {
    use io::ErrorKind::{ConnectionRefused, NotADirectory, NotFound, PermissionDenied};

    let Err(error) = rtms_gateway::listener::socket::connect(folder).await else { return Ok(Found::Server) };
    if error.kind() == PermissionDenied {
        Ok(Found::NotOurs)
    } else if matches!(error.kind(), NotFound | ConnectionRefused | NotADirectory) {
        let shown = folder.display();
        if engine::is_in_use(folder) {
            let socket = folder.join(rtms_gateway::listener::socket::FILE_NAME);
            bail!(
                "{shown} is in use by a running server, but its socket {} is not there; name the URL of its API (`api` in its \
                 log line `listening`) with --server, or try again if it is about to start or stop",
                socket.display()
            );
        }
        // Whether the folder holds a store, reading it shows.
        Ok(Found::NoServer)
    } else {
        let shown = folder.display();
        Err(error).with_context(|| format!("cannot ask the server on {shown}; name its URL with --server"))
    }
}

#[cfg(not(unix))]
async fn look(_: &Path) -> anyhow::Result<Found> {
    Ok(Found::NoServer)
}

/// Opens the store in a data folder for reading.
pub(crate) fn open_store(folder: &Path) -> anyhow::Result<Box<dyn StoreReader>> {
    engine::read(folder).map_err(|error| {
        let is_refused =
            |path: &Path| std::fs::File::open(path).is_err_and(|error| error.kind() == io::ErrorKind::PermissionDenied);
        let context = if matches!(error, StoreError::Absent { .. }) {
            "name the data folder with --data-dir or --config, or a running server with --server".to_owned()
        } else if is_refused(folder) || is_refused(&engine::file_in(folder)) {
            format!("cannot read the store in {}: {}", folder.display(), as_owner(folder))
        } else {
            format!("cannot read the store in {}", folder.display())
        };
        anyhow::Error::from(error).context(context)
    })
}

fn as_owner(folder: &Path) -> String {
    let owner = owner(folder);
    format!(
        "it belongs to {owner}; run this as that user, as in `sudo -u {} rtms …`",
        owner.trim_start_matches("the user ")
    )
}

/// The user that a folder belongs to: by name, or by number if the machine's list has none.
#[cfg(unix)]
fn owner(folder: &Path) -> String {
    let Ok(folder) = std::fs::metadata(folder) else { return "another user".to_owned() };
    let id = std::os::unix::fs::MetadataExt::uid(&folder).to_string();
    let users = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    let name = users.lines().find_map(|user| {
        let mut fields = user.split(':');
        let name = fields.next()?;
        (fields.nth(1)? == id).then(|| name.to_owned())
    });
    format!("the user {}", name.unwrap_or_else(|| format!("#{id}")))
}

#[cfg(not(unix))]
fn owner(_: &Path) -> String {
    "another user".to_owned()
}
