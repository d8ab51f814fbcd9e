//! Listening sockets that a service manager opened and passed to this process: systemd's socket activation.
//!
//! The manager keeps the sockets open across restarts. Connections wait in their backlogs while one process leaves and the
//! next one starts, so a restart refuses nobody.

use std::{
    io,
    net::{SocketAddr, TcpListener},
};

/// The name of the webhook door's socket (`FileDescriptorName=` of a socket unit). A socket that comes alone may have any
/// other name, too.
const DOOR: &str = "webhook";

/// The name of the API's socket.
const API: &str = "api";

/// The most sockets that can be passed: one for the door, one for the API.
const MOST_SOCKETS: usize = 2;

/// The sockets that were passed, by what is served on them.
#[derive(Debug, Default)]
pub struct PassedSockets {
    pub(crate) door: Option<TcpListener>,
    pub(crate) api: Option<TcpListener>,
}

/// Why a passed socket cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum PassedSocketsError {
    /// The number of sockets cannot be read.
    #[error(
        "LISTEN_FDS=\"{0}\" is not a number of sockets; unset it, or start the program by a systemd socket unit, which sets it"
    )]
    NotANumber(String),
    /// There are more than anything is served on.
    #[error(
        "{0} sockets were passed (LISTEN_FDS), and one for webhooks and one for the API can be used; remove the others"
    )]
    TooMany(usize),
    /// It is no TCP socket, or no socket at all.
    #[error(
        "socket {place} of those passed (LISTEN_FDS) is not a TCP socket: {source}; name an address in ListenStream="
    )]
    NotTcp {
        /// Its place among the sockets, from 1.
        place: usize,
        /// What it is instead.
        source: io::Error,
    },
    /// It is a TCP socket, and a connection rather than a listener.
    #[error(
        "socket {place} of those passed (LISTEN_FDS) does not listen; use ListenStream= with Accept=no in the socket unit"
    )]
    NotListening {
        /// Its place among the sockets, from 1.
        place: usize,
    },
    /// Its name says of no listener that it is for it.
    #[error(
        "the passed socket \"{0}\" (LISTEN_FDNAMES) is for no listener; set FileDescriptorName=webhook or FileDescriptorName=api"
    )]
    UnknownName(String),
    /// Two have one name.
    #[error("two passed sockets are named \"{0}\" (LISTEN_FDNAMES); keep one ListenStream= for it")]
    Twice(&'static str),
    /// Others could reach the API, which asks nobody for a password.
    #[error(
        "the socket passed for the API listens on {0}, which is not a loopback address; write ListenStream=127.0.0.1:8081"
    )]
    OpenApi(SocketAddr),
}

impl PassedSockets {
    /// Takes the sockets that the environment names (`LISTEN_FDS`, `LISTEN_PID`, `LISTEN_FDNAMES`), and `LISTEN_FDS` and
    /// `LISTEN_PID` out of it. Sockets for another process, such as a shell that started this one, are left alone.
    ///
    /// To be called once, before threads read the environment.
    ///
    /// # Errors
    /// [`PassedSocketsError`], which names what to change.
    #[cfg(unix)]
    pub fn from_environment() -> Result<Self, PassedSocketsError> {
        use std::env;

        let Ok(count) = env::var("LISTEN_FDS") else { return Ok(Self::default()) };
        let is_for_another = |pid: String| !pid.is_empty() && pid != std::process::id().to_string();
        if env::var("LISTEN_PID").is_ok_and(is_for_another) {
            return Ok(Self::default());
        }
        match count.parse::<usize>() {
            Ok(0..=MOST_SOCKETS) => {}
            Ok(more) => return Err(PassedSocketsError::TooMany(more)),
            Err(_) => return Err(PassedSocketsError::NotANumber(count)),
        }
        let names = env::var("LISTEN_FDNAMES").unwrap_or_default();
        let mut names = names.split(':');
        let mut passed = listenfd::ListenFd::from_env();
        let mut named = Vec::new();
        for index in 0..passed.len() {
            let place = index + 1;
            let socket =
                passed.take_tcp_listener(index).map_err(|source| PassedSocketsError::NotTcp { place, source })?;
            let Some(socket) = socket else { continue };
            if !rustix::net::sockopt::socket_acceptconn(&socket).is_ok_and(|listens| listens) {
                return Err(PassedSocketsError::NotListening { place });
            }
            named.push((names.next().unwrap_or_default().to_owned(), socket));
        }
        Self::by_name(named)
    }

    /// No socket is passed on this system.
    ///
    /// # Errors
    /// None.
    #[cfg(not(unix))]
    pub fn from_environment() -> Result<Self, PassedSocketsError> {
        Ok(Self::default())
    }

    fn by_name(named: Vec<(String, TcpListener)>) -> Result<Self, PassedSocketsError> {
        let is_alone = named.len() == 1;
        let mut sockets = Self::default();
        for (name, socket) in named {
            let (place, name) = match name.as_str() {
                API => (&mut sockets.api, API),
                DOOR => (&mut sockets.door, DOOR),
                _ if is_alone => (&mut sockets.door, DOOR),
                _ => return Err(PassedSocketsError::UnknownName(name)),
            };
            if place.replace(socket).is_some() {
                return Err(PassedSocketsError::Twice(name));
            }
        }
        let api = sockets.api.as_ref().and_then(|socket| socket.local_addr().ok());
        match api {
            Some(address) if !address.ip().to_canonical().is_loopback() => Err(PassedSocketsError::OpenApi(address)),
            _ => Ok(sockets),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn socket(address: &str, name: &str) -> (String, TcpListener) {
        (name.to_owned(), TcpListener::bind((address, 0)).unwrap())
    }

    #[test]
    fn a_socket_goes_to_the_listener_of_its_name_and_one_that_comes_alone_to_the_door() {
        for name in ["", "rtms.socket", "webhook"] {
            let alone = PassedSockets::by_name(vec![socket("0.0.0.0", name)]).unwrap();
            assert!(alone.door.is_some() && alone.api.is_none(), "{name:?}");
        }
        let both = PassedSockets::by_name(vec![socket("127.0.0.1", "api"), socket("0.0.0.0", "webhook")]).unwrap();
        assert!(both.api.unwrap().local_addr().unwrap().ip().is_loopback() && both.door.is_some());
        let api = PassedSockets::by_name(vec![socket("127.0.0.1", "api")]).unwrap();
        assert!(api.door.is_none() && api.api.is_some());
    }

    #[test]
    fn sockets_that_cannot_be_told_apart_and_an_open_api_are_refused() {
        let failed = |named| PassedSockets::by_name(named).unwrap_err().to_string();

        let unknown = failed(vec![socket("127.0.0.1", "webhook"), socket("127.0.0.1", "rtms.socket")]);
        assert!(unknown.contains("rtms.socket") && unknown.contains("FileDescriptorName=api"), "{unknown}");
        let twice = failed(vec![socket("127.0.0.1", "webhook"), socket("127.0.0.1", "webhook")]);
        assert!(twice.contains("two passed sockets are named \"webhook\""), "{twice}");
        let open = failed(vec![socket("0.0.0.0", "api")]);
        assert!(open.contains("0.0.0.0:") && open.contains("ListenStream=127.0.0.1:8081"), "{open}");
    }
}
