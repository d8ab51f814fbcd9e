//! The addresses of settings and of the command line: where the server listens.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    str::FromStr,
};

use serde::{Deserialize, Deserializer, de::Error as _};

/// The API's address, if it has one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ApiListen {
    /// The socket in the data folder is enough.
    Off,
    /// An address that only this machine reaches.
    At(SocketAddr),
}

/// Why a text is no address to listen on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoAddress {
    /// It has no port, or no form that is known.
    #[error(
        "write an address and a port, as in 127.0.0.1:8080, localhost:8080 or :8080 (every IPv4 address of this machine)"
    )]
    Unreadable,
    /// It is a port alone.
    #[error("{0} is a port without an address: write :{0} for every IPv4 address of this machine, or 127.0.0.1:{0}")]
    PortAlone(u16),
    /// A name may have several addresses, and others tomorrow.
    #[error(
        "\"{0}\" is a name: write an address and a port, as in 127.0.0.1:8080; of names only localhost is accepted"
    )]
    Name(String),
}

/// Why the API cannot listen at an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoApiAddress {
    /// It is no address.
    #[error("write a loopback address and a port, as in 127.0.0.1:8081, or off")]
    Unreadable,
    /// Others could reach it.
    #[error(
        "{0} is not a loopback address, and the API asks nobody for a password: write 127.0.0.1 or [::1] and a port, or off; \
         from elsewhere use a tunnel, as in ssh -L 8081:127.0.0.1:8081 HOST"
    )]
    Open(SocketAddr),
}

/// Reads the address of `server.listen`: `localhost` is 127.0.0.1, and a port behind a colon is every IPv4 address. A
/// successor binds the same address again, so no other name is accepted.
///
/// # Errors
/// [`NoAddress`], which names the accepted forms.
pub fn address(text: &str) -> Result<SocketAddr, NoAddress> {
    if let Ok(address) = text.parse() {
        return Ok(address);
    }
    if let Ok(port) = text.parse() {
        return Err(NoAddress::PortAlone(port));
    }
    let (host, port) = text.rsplit_once(':').ok_or(NoAddress::Unreadable)?;
    let port = port.parse().map_err(|_| NoAddress::Unreadable)?;
    let is_name = |host: &str| host.bytes().any(|byte| byte.is_ascii_alphabetic()) && !host.contains([':', '/']);
    let ip = match host {
        "" => Ipv4Addr::UNSPECIFIED,
        host if host.eq_ignore_ascii_case("localhost") => Ipv4Addr::LOCALHOST,
        host if is_name(host) => return Err(NoAddress::Name(host.into())),
        _ => return Err(NoAddress::Unreadable),
    };
    Ok(SocketAddr::new(IpAddr::V4(ip), port))
}

impl fmt::Display for ApiListen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Off => f.write_str("off"),
            Self::At(address) => address.fmt(f),
        }
    }
}

impl FromStr for ApiListen {
    type Err = NoApiAddress;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.is_empty() || text == "off" {
            return Ok(Self::Off);
        }
        let address = address(text).map_err(|_| NoApiAddress::Unreadable)?;
        if address.ip().to_canonical().is_loopback() { Ok(Self::At(address)) } else { Err(NoApiAddress::Open(address)) }
    }
}

impl<'de> Deserialize<'de> for ApiListen {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

pub(super) fn deserialize_address<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SocketAddr, D::Error> {
    address(&String::deserialize(deserializer)?).map_err(D::Error::custom)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn localhost_and_a_port_behind_a_colon_are_addresses() {
        for (text, means) in [
            ("127.0.0.1:8080", "127.0.0.1:8080"),
            ("[::1]:8080", "[::1]:8080"),
            ("localhost:8080", "127.0.0.1:8080"),
            ("Localhost:0", "127.0.0.1:0"),
            (":8080", "0.0.0.0:8080"),
        ] {
            assert_eq!(address(text), Ok(means.parse().unwrap()), "{text}");
        }
    }

    #[test]
    fn what_is_no_address_is_answered_with_how_one_is_written() {
        assert_eq!(address("8080"), Err(NoAddress::PortAlone(8080)));
        assert_eq!(address("gateway.internal:8080"), Err(NoAddress::Name("gateway.internal".into())));
        for text in ["", ":", "127.0.0.1", "localhost", "::1:8080", ":80800", "http://127.0.0.1:8080", "1.2.3:8080"] {
            assert_eq!(address(text), Err(NoAddress::Unreadable), "{text}");
        }
    }

    #[test]
    fn the_api_listens_where_only_this_machine_can_ask_or_not_at_all() {
        let of = |text: &str| text.parse::<ApiListen>();
        for loopback in ["127.0.0.1:8081", "127.7.7.7:1", "[::1]:9000", "[::ffff:127.0.0.1]:9000"] {
            assert_eq!(of(loopback), Ok(ApiListen::At(loopback.parse().unwrap())));
        }
        assert_eq!(of("localhost:8081"), of("127.0.0.1:8081"));
        assert_eq!([of(""), of("off")], [Ok(ApiListen::Off); 2]);
        for open in ["0.0.0.0:8081", "[::]:8081", ":8081", "10.0.0.7:8081", "[::ffff:10.0.0.7]:1", "[fe80::1]:1"] {
            assert!(matches!(of(open), Err(NoApiAddress::Open(_))), "{open}");
        }
        for wrong in ["gateway.internal:8081", "8081", "on"] {
            assert_eq!(of(wrong), Err(NoApiAddress::Unreadable), "{wrong}");
        }
    }
}
