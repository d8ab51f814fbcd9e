//! Proxies with TLS in front of the door, set up by the files in `deploy/proxy`, and sockets as systemd passes them.

use std::{
    fs,
    net::{SocketAddr, TcpListener},
    os::fd::OwnedFd,
    path::{Path, PathBuf},
    process::Stdio,
    sync::Arc,
};

use rustls::pki_types::{CertificateDer, ServerName, pem::PemObject};
use tempfile::TempDir;
use tokio::{
    net::TcpStream,
    process::{Child, Command},
};
use tokio_rustls::{TlsConnector, client::TlsStream};

use super::{door::Kept, until, with_secrets};

/// What the documents say where a webhook address stands.
pub(crate) const HOST: &str = "rtms.example.com";

/// Where the documents say that the door is.
const DOOR: &str = "127.0.0.1:8080";

/// How often a proxy is started when its port was taken meanwhile.
const TRIES: usize = 5;

/// A proxy with TLS in front of the door. It ends with the test.
pub(crate) struct Front {
    pub(crate) name: &'static str,
    address: SocketAddr,
    authority: PathBuf,
    _child: Child,
    _folder: TempDir,
}

impl Front {
    /// Caddy with the block of the documents, in front of a door; none if the tester has no Caddy.
    pub(crate) async fn caddy(door: SocketAddr) -> Option<Self> {
        let caddy = program("RTMS_CADDY", "caddy")?;
        let block = deployed("Caddyfile").replace(DOOR, &door.to_string());
        let start = |folder: &Path, at: SocketAddr| {
            // A certificate by its own authority, and nothing that listens elsewhere.
            let options = format!(
                "{{\n admin off\n persist_config off\n local_certs\n skip_install_trust\n auto_https disable_redirects\n \
                 default_bind 127.0.0.1\n https_port {}\n servers {{\n protocols h1 h2\n }}\n}}\n",
                at.port()
            );
            fs::write(folder.join("Caddyfile"), options + &block).unwrap();
            let mut command = Command::new(&caddy);
            command.args(["run", "--adapter", "caddyfile", "--config"]).arg(folder.join("Caddyfile"));
            for variable in ["HOME", "XDG_DATA_HOME", "XDG_CONFIG_HOME"] {
                command.env(variable, folder);
            }
            (command, folder.join("caddy/pki/authorities/local/root.crt"))
        };
        Some(Self::start("Caddy", start).await)
    }

    /// nginx with the block of the documents, in front of a door; none if the tester has no nginx.
    pub(crate) async fn nginx(door: SocketAddr) -> Option<Self> {
        let nginx = program("RTMS_NGINX", "nginx")?;
        let start = |folder: &Path, at: SocketAddr| {
            let certified = rcgen::generate_simple_self_signed([HOST.to_owned()]).unwrap();
            let (certificate, key) = (folder.join("fullchain.pem"), folder.join("privkey.pem"));
            fs::write(&certificate, certified.cert.pem()).unwrap();
            fs::write(&key, certified.signing_key.serialize_pem()).unwrap();
            let block = deployed("nginx.conf")
                .replace(DOOR, &door.to_string())
                .replace("listen 443", &format!("listen {at}"))
                .replace(&format!("/etc/letsencrypt/live/{HOST}"), folder.to_str().unwrap());
            let temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
                .map(|kind| format!("{kind}_temp_path {}/{kind};", folder.display()))
                .join(" ");
            let settings = format!(
                "daemon off; master_process off; pid {}/pid; events {{ }} http {{ access_log off; {temporary}\n{block}\n}}",
                folder.display()
            );
            fs::write(folder.join("nginx.conf"), settings).unwrap();
            let mut command = Command::new(&nginx);
            command.arg("-p").arg(folder).args(["-c", "nginx.conf", "-e", "error.log"]);
            (command, certificate)
        };
        Some(Self::start("nginx", start).await)
    }

    /// Starts a proxy on a free port, and waits until it speaks TLS.
    async fn start(name: &'static str, command: impl Fn(&Path, SocketAddr) -> (Command, PathBuf)) -> Self {
        for _ in 0..TRIES {
            let folder = tempfile::tempdir().unwrap();
            // It takes no port of ours, so this one is free only most probably.
            let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
            let (mut command, authority) = command(folder.path(), address);
            command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
            let child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
            let mut front = Self { name, address, authority, _child: child, _folder: folder };
            let speaks = until("the proxy speaks TLS", async || {
                let has_ended = front._child.try_wait().unwrap().is_some();
                if has_ended || front.connect().await.is_some() { Some(!has_ended) } else { None }
            });
            if speaks.await {
                return front;
            }
        }
        panic!("{name} does not start");
    }

    /// Opens a connection as Zoom does: TLS, with the host's name.
    pub(crate) async fn open(&self) -> Kept<TlsStream<TcpStream>> {
        Kept::over(self.connect().await.unwrap_or_else(|| panic!("{} takes no connections", self.name)))
    }

    async fn connect(&self) -> Option<TlsStream<TcpStream>> {
        let mut roots = rustls::RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(&self.authority).ok()?).ok()?;
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let socket = TcpStream::connect(self.address).await.ok()?;
        socket.set_nodelay(true).ok()?;
        let host = ServerName::try_from(HOST).unwrap();
        TlsConnector::from(Arc::new(config)).connect(host, socket).await.ok()
    }
}

/// A file of `deploy/proxy`.
pub(crate) fn deployed(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/proxy").join(name);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The program that the environment names; says so if there is none.
pub(crate) fn program(variable: &str, name: &str) -> Option<PathBuf> {
    let found = std::env::var_os(variable).map(PathBuf::from);
    if found.is_none() {
        eprintln!("{name} was NOT run: set {variable}={name} to have it tried");
    }
    found
}

/// `rtms serve` with a socket as systemd passes it: as file descriptor 3, and with the process's own id in `LISTEN_PID`.
pub(crate) fn activated(socket: &TcpListener, data_dir: &Path, more: &[&str]) -> Command {
    let mut arguments = vec!["serve", "--data-dir", data_dir.to_str().unwrap()];
    arguments.extend(more);
    let plain = with_secrets(&arguments);
    let environment = plain.as_std().get_envs().filter_map(|(name, value)| Some((name, value?)));
    let mut command = Command::new("/bin/sh");
    // The shell becomes the program, so its process is the one that the socket is for.
    command.args(["-c", "LISTEN_PID=$$ exec \"$0\" \"$@\" 3<&0 0</dev/null"]);
    command.arg(env!("CARGO_BIN_EXE_rtms")).args(&arguments);
    command.env_clear().envs(environment).env("LISTEN_FDS", "1").kill_on_drop(true);
    command.stdin(Stdio::from(OwnedFd::from(socket.try_clone().unwrap())));
    command
}
