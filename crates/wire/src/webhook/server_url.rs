//! Where a webhook may send us. A start says where a signed handshake goes, so its URLs are checked, not trusted.

use std::net::IpAddr;

use http::Uri;

/// Which hosts a signed handshake may be sent to.
#[derive(Clone, Debug)]
pub struct ServerUrlPolicy {
    /// Domains under which hosts are allowed, in lower case and without a leading dot.
    pub allowed_suffixes: Vec<String>,
    /// Whether `ws://` and loopback hosts are allowed too, and `0.0.0.0` and `[::]` as such: for the simulator and for tests.
    pub allow_loopback: bool,
}

impl Default for ServerUrlPolicy {
    /// Zoom's domains, `wss` only.
    fn default() -> Self {
        Self { allowed_suffixes: vec!["zoom.us".into(), "zoomgov.com".into()], allow_loopback: false }
    }
}

/// Why a URL is not connected to.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UrlRefused {
    /// It is not a URL.
    #[error("not a URL")]
    NotAUrl,
    /// It names a user, which hides the real host from a reader.
    #[error("it holds user info, which hides the real host")]
    UserInfo,
    /// What stands behind the colon of the host.
    #[error("\"{0}\" is not a port")]
    Port(String),
    /// It has a fragment.
    #[error("it has a fragment")]
    Fragment,
    /// The scheme is not the encrypted one that is wanted: `wss`, or `https`.
    #[error("the scheme \"{0}\" is not allowed here")]
    Scheme(String),
    /// The host is an address that means "any" to a listener and no machine to a caller.
    #[error("{0} is an address to listen on, not a host to connect to; the sender should name its host, as 127.0.0.1")]
    Unspecified(String),
    /// The host is under none of the allowed domains.
    #[error("the host \"{0}\" is under none of the allowed domains")]
    ForeignHost(String),
}

impl ServerUrlPolicy {
    /// Checks one URL, with the parser that also connects.
    ///
    /// # Errors
    /// [`UrlRefused`] with the first thing that is wrong.
    pub fn check(&self, url: &str) -> Result<Uri, UrlRefused> {
        self.check_scheme(url, "wss", "ws")
    }

    /// The same for a URL that is asked by HTTP: `https`, or `http` where loopback is allowed.
    ///
    /// # Errors
    /// [`UrlRefused`] with the first thing that is wrong.
    pub fn check_http(&self, url: &str) -> Result<Uri, UrlRefused> {
        self.check_scheme(url, "https", "http")
    }

    fn check_scheme(&self, url: &str, encrypted: &str, plain: &str) -> Result<Uri, UrlRefused> {
        if url.contains('#') {
            return Err(UrlRefused::Fragment);
        }
        let uri: Uri = url.parse().map_err(|_| UrlRefused::NotAUrl)?;
        let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
            return Err(UrlRefused::NotAUrl);
        };
        if authority.as_str().contains('@') {
            return Err(UrlRefused::UserInfo);
        }
        // The parser takes anything for a port, and would connect to the usual one instead.
        if let Some(port) = authority.as_str().strip_prefix(authority.host()).filter(|rest| !rest.is_empty()) {
            let digits = port.strip_prefix(':').filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()));
            if digits.and_then(|digits| digits.parse::<u16>().ok()).is_none_or(|number| number == 0) {
                return Err(UrlRefused::Port(port.trim_start_matches(':').into()));
            }
        }
        let host = authority.host().to_ascii_lowercase();
        let loopback = self.allow_loopback && is_loopback(&host);
        if !loopback && address_of(&host).is_some_and(|address| address.is_unspecified()) {
            return Err(UrlRefused::Unspecified(host));
        }
        let is = |allowed: &str| scheme.eq_ignore_ascii_case(allowed);
        if !(is(encrypted) || is(plain) && loopback) {
            return Err(UrlRefused::Scheme(scheme.into()));
        }
        if !loopback && !self.allowed_suffixes.iter().any(|suffix| is_under(&host, suffix)) {
            return Err(UrlRefused::ForeignHost(host));
        }
        // Whoever connects compares it letter by letter.
        let scheme = scheme.to_ascii_lowercase().parse().map_err(|_| UrlRefused::NotAUrl)?;
        let mut parts = uri.into_parts();
        parts.scheme = Some(scheme);
        Uri::from_parts(parts).map_err(|_| UrlRefused::NotAUrl)
    }
}

fn is_under(host: &str, suffix: &str) -> bool {
    // Label by label: `evilzoom.us` is not under `zoom.us`, and nothing is under no domain.
    !suffix.is_empty() && (host == suffix || host.strip_suffix(suffix).is_some_and(|rest| rest.ends_with('.')))
}

/// Whether a host is this machine. A connection to an unspecified address, `0.0.0.0` or `::`, ends here too.
fn is_loopback(host: &str) -> bool {
    let by_address = address_of(host).is_some_and(|address| address.is_loopback() || address.is_unspecified());
    by_address || host == "localhost" || host.ends_with(".localhost")
}

/// The address that a host is, if it is no name. One of IPv4 that is written as one of IPv6 counts as what it is.
fn address_of(host: &str) -> Option<IpAddr> {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host.parse::<IpAddr>().ok().map(|address| address.to_canonical())
}

/// The code of the data centre in a host name, for example `SJC`: a hint for placement, never a condition.
///
/// Zoom's hosts read `zoomsjc144-195-19-86zssgw.sjc.zoom.us`. Basis: one observed host, documents for the rest.
pub fn region(url: &str) -> Option<String> {
    let uri: Uri = url.parse().ok()?;
    let host = uri.host()?.to_ascii_lowercase();
    let inner = host.strip_suffix(".zoom.us").or_else(|| host.strip_suffix(".zoomgov.com"))?;
    let letters = |text: &str| text.len() == 3 && text.bytes().all(|byte| byte.is_ascii_lowercase());

    let last = inner.rsplit('.').next()?;
    let by_label = letters(last).then_some(last);
    let by_rtms_name = || {
        let code =
            last.strip_prefix("rtms-")?.rsplit('-').next()?.trim_end_matches(|digit: char| digit.is_ascii_digit());
        letters(code).then_some(code)
    };
    let by_first_label = || {
        let rest = inner.split('.').next()?.strip_prefix("zoom")?;
        let code = rest.get(..3)?;
        (letters(code) && rest.as_bytes().get(3)?.is_ascii_digit()).then_some(code)
    };
    by_label.or_else(by_rtms_name).or_else(by_first_label).map(str::to_ascii_uppercase)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn regions_are_read_as_the_reference_table_says() {
        let rows = [
            ("wss://zoomsjc144-195-19-86zssgw.sjc.zoom.us:443", Some("SJC")),
            ("wss://rtms-sjc1.zoom.us", Some("SJC")),
            ("wss://rtms-sjc.zoom.us", Some("SJC")),
            ("wss://iad.zoom.us", Some("IAD")),
            ("wss://rtms.zoom.us", None),
            ("wss://127.0.0.1:443", None),
            ("wss://zoomfra198-51-100-7zssgw.fra.zoomgov.com", Some("FRA")),
        ];
        for (url, expected) in rows {
            assert_eq!(region(url).as_deref(), expected, "{url}");
        }
    }

    #[test]
    fn hosts_are_compared_label_by_label() {
        let policy = ServerUrlPolicy::default();

        assert!(policy.check("wss://a.zoom.us/x").is_ok());
        assert_eq!(policy.check("WSS://A.Zoom.US/x").unwrap().scheme_str(), Some("wss"));
        assert!(matches!(policy.check("wss://evilzoom.us/x"), Err(UrlRefused::ForeignHost(_))));
        assert!(matches!(policy.check("wss://zoom.us.evil.example"), Err(UrlRefused::ForeignHost(_))));
        assert!(matches!(policy.check("wss://zoom.us@evil.example"), Err(UrlRefused::UserInfo)));
        assert!(matches!(policy.check("wss://zoom.us/#x"), Err(UrlRefused::Fragment)));
        assert!(matches!(policy.check("ws://a.zoom.us/x"), Err(UrlRefused::Scheme(_))));
        assert!(matches!(policy.check("ws://127.0.0.1:9/x"), Err(UrlRefused::Scheme(_))));
    }

    #[test]
    fn a_port_is_a_number_or_not_there() {
        let policy = ServerUrlPolicy { allow_loopback: true, ..ServerUrlPolicy::default() };

        for url in ["wss://a.zoom.us:443/x", "wss://a.zoom.us", "ws://[::1]:1/x"] {
            assert!(policy.check(url).is_ok(), "{url}");
        }
        for url in ["wss://a.zoom.us:443abc/x", "wss://a.zoom.us:0/x", "wss://a.zoom.us:65536", "wss://a.zoom.us:+443"]
        {
            assert!(policy.check(url).is_err(), "{url}");
        }
        assert_eq!(policy.check("wss://a.zoom.us:44x/x").err(), Some(UrlRefused::Port("44x".into())));
    }

    #[test]
    fn http_is_held_to_the_same_rules() {
        let policy = ServerUrlPolicy::default();

        assert!(policy.check_http("https://zoom.us/oauth/token").is_ok());
        assert!(matches!(policy.check_http("wss://zoom.us/oauth/token"), Err(UrlRefused::Scheme(_))));
        assert!(matches!(policy.check_http("http://127.0.0.1:9/oauth/token"), Err(UrlRefused::Scheme(_))));
        assert!(matches!(policy.check_http("https://evilzoom.us/"), Err(UrlRefused::ForeignHost(_))));
        let policy = ServerUrlPolicy { allow_loopback: true, ..policy };
        assert!(policy.check_http("http://127.0.0.1:9/oauth/token").is_ok());
        assert!(matches!(policy.check_http("http://zoom.us/oauth/token"), Err(UrlRefused::Scheme(_))));
    }

    #[test]
    fn an_address_to_listen_on_is_refused_as_that_and_is_this_machine_where_loopback_is_allowed() {
        let (strict, dev) =
            (ServerUrlPolicy::default(), ServerUrlPolicy { allow_loopback: true, ..Default::default() });
        for host in ["0.0.0.0", "[::]", "[0:0:0:0:0:0:0:0]", "[::ffff:0.0.0.0]"] {
            for url in [format!("ws://{host}:4567/x"), format!("wss://{host}/x")] {
                assert_eq!(strict.check(&url), Err(UrlRefused::Unspecified(host.into())), "{url}");
                assert!(dev.check(&url).is_ok(), "{url}");
            }
        }
        assert!(dev.check("ws://[::ffff:127.0.0.1]:9/x").is_ok());
        assert!(matches!(dev.check("wss://0.0.0.1/x"), Err(UrlRefused::ForeignHost(_))));
    }

    #[test]
    fn the_switch_for_tests_allows_loopback_and_nothing_else() {
        let policy = ServerUrlPolicy { allow_loopback: true, ..ServerUrlPolicy::default() };

        assert!(policy.check("ws://127.0.0.1:9/x").is_ok());
        assert!(policy.check("ws://[::1]:9/x").is_ok());
        assert!(policy.check("ws://sjc.localhost:9/x").is_ok());
        assert!(matches!(policy.check("ws://a.zoom.us/x"), Err(UrlRefused::Scheme(_))));
        assert!(matches!(policy.check("wss://evil.example"), Err(UrlRefused::ForeignHost(_))));
    }
}
