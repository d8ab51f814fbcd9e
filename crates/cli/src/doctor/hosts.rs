//! Where a webhook may send us, and whom we trust there.

use rtms_gateway::config::Zoom;
use rustls::pki_types::{CertificateDer, pem::PemObject};

use crate::doctor::finding::Findings;

const HOSTS: &str = "allowed hosts";
const EXTRA_CA: &str = "extra_ca";

/// Zoom's own domain, without which no stream can be joined.
const ZOOM: &str = "zoom.us";

/// The domains that the defaults allow.
const USUAL: [&str; 2] = [ZOOM, "zoomgov.com"];

pub(super) fn check(findings: &mut Findings, zoom: &Zoom) {
    let hosts: Vec<_> = zoom.allowed_hosts.iter().map(|host| host.to_ascii_lowercase()).collect();
    let mut is_well = true;
    for host in &hosts {
        // A signed handshake would go to whoever has a name below it.
        if is_everybodys(host) {
            let found =
                format!("zoom.allowed_hosts allows all of {host:?}: a forged webhook could send us anywhere below it");
            findings.fault(
                HOSTS,
                found,
                format!("remove {host:?}; write the domain whose hosts are Zoom's, as in {ZOOM:?}"),
            );
            is_well = false;
        } else if !USUAL.contains(&host.as_str()) && !host.ends_with(".zoom.us") && !host.ends_with(".zoomgov.com") {
            let found = format!("zoom.allowed_hosts allows {host:?}, which is not Zoom's");
            findings.warning(HOSTS, found, "remove it, unless it is a test server of yours");
            is_well = false;
        }
    }
    let covers_zoom = hosts.iter().any(|host| host == ZOOM || is_everybodys(host));
    if !covers_zoom && !zoom.allow_loopback {
        let narrow = hosts.iter().any(|host| host.ends_with(".zoom.us") || host.ends_with("zoomgov.com"));
        let found = format!("zoom.allowed_hosts lacks {ZOOM:?}: streams on Zoom's usual servers are refused");
        let remedy = format!("add {ZOOM:?} to zoom.allowed_hosts, or leave the setting out");
        if narrow {
            findings.warning(HOSTS, found, remedy)
        } else {
            findings.fault(HOSTS, found, remedy)
        }
        is_well = false;
    }
    if zoom.allow_loopback {
        let found = "--dev allows unencrypted connections to this machine when a webhook says so";
        findings.warning(HOSTS, found, "leave --dev out when Zoom's webhooks are served");
        is_well = false;
    }
    if is_well {
        findings.ok(HOSTS, hosts.join(", "));
    }
    for path in &zoom.extra_ca {
        let read = CertificateDer::pem_file_iter(path).and_then(|found| found.collect::<Result<Vec<_>, _>>());
        match read {
            Ok(found) if found.is_empty() => {
                findings.fault(
                    EXTRA_CA,
                    format!("{} holds no certificate", path.display()),
                    "name a PEM file with certificate authorities",
                );
            }
            Ok(found) => findings.ok(EXTRA_CA, format!("{}: {} certificates", path.display(), found.len())),
            Err(error) => {
                let found = format!("cannot read the certificate authorities in {}: {error}", path.display());
                findings.fault(EXTRA_CA, found, "name a PEM file that the user that runs rtms can read");
            }
        }
    }
}

/// Whether anybody can have a name below it: a top-level domain, or one of the usual double ones and hosting services.
fn is_everybodys(host: &str) -> bool {
    const SHARED: [&str; 8] =
        ["co.uk", "com.au", "co.jp", "com.cn", "github.io", "ngrok.io", "amazonaws.com", "herokuapp.com"];
    !host.contains('.') && host != "localhost" || SHARED.contains(&host)
}
