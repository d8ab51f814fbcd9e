//! The door as a whole: any bytes of a connection, over a socket, to a server with all its parts.
//!
//! Nothing panics, the connection comes to an end, nothing is stored but what was signed, and no secret and no proof
//! made with one comes back. Bytes alone can never be a signed request, so two words in the input are replaced: `{now}`
//! by the time, and `{signature}` by a signature over [`SIGNED`] at that time, and over nothing else.

use std::{
    io,
    net::SocketAddr,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use rtms_gateway::{
    apps::{Apps, secrets::App},
    config::{Config, listen::ApiListen},
    server::Server,
};
use rtms_store::{
    memory::MemoryStore,
    receipts::{ReceiptFilter, Receipts},
    store::Store,
};
use rtms_wire::{
    secret::{ClientSecret, SecretToken},
    signature::webhook_signature,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    runtime::Runtime,
    time::timeout,
};

/// The only body that is ever signed. It names no stream, so that nothing is dialed.
pub const SIGNED: &[u8] = br#"{"event":"door.fuzzed","event_ts":1795428000412}"#;

const TOKEN: &str = "canary-of-the-secret-token";
const CLIENT_SECRET: &str = "canary-of-the-client-secret";

/// How long the server waits for headers and bodies that do not come.
const READ_WITHIN: Duration = Duration::from_millis(100);

/// How long the door may be silent before the target takes it that no answer will come.
const SILENCE: Duration = Duration::from_millis(20);

/// A connection that still stands after this hangs: both sides have nothing left to wait for.
const HANGS_AFTER: Duration = Duration::from_secs(20);

static PANICS: AtomicUsize = AtomicUsize::new(0);

/// Sends the input on a connection of its own.
pub fn run(input: &[u8]) {
    exchange(input, SILENCE);
}

/// Sends the input, waits for an answer as long as is said, and gives the answer and how many bodies were stored.
pub fn exchange(input: &[u8], patience: Duration) -> (Vec<u8>, u64) {
    static DOOR: OnceLock<Door> = OnceLock::new();
    let door = DOOR.get_or_init(Door::open);
    door.runtime.block_on(door.exchange(input, patience))
}

struct Door {
    runtime: Runtime,
    address: SocketAddr,
    store: Arc<MemoryStore>,
    _server: Server,
    /// One connection at a time, so that what is stored can be told to be its own.
    turn: tokio::sync::Mutex<()>,
}

impl Door {
    fn open() -> Self {
        // A panic in a task of the server reaches nobody else.
        let hook = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            PANICS.fetch_add(1, Ordering::SeqCst);
            hook(panic);
        }));
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
        let runtime = runtime.expect("a runtime");
        let store = Arc::new(MemoryStore::new());
        let mut config = Config::load(None).expect("the defaults");
        config.server.listen = SocketAddr::from(([127, 0, 0, 1], 0));
        config.api.listen = ApiListen::Off;
        // Nothing is recorded; the folder holds the API's socket.
        config.server.data_dir = std::env::temp_dir().join(format!("rtms-fuzz-door-{}", std::process::id()));
        config.recording.enabled = false;
        config.webhook.read_within = READ_WITHIN;
        config.webhook.max_body_bytes = 4096;
        let secret = ClientSecret::new(CLIENT_SECRET).expect("not empty");
        let apps = Apps::fixed(vec![App::new("app", vec![token()], "client", secret)]);
        let server = runtime.block_on(Server::start_on(config, apps, Vec::new(), store.clone())).expect("a server");
        Self { address: server.address(), _server: server, runtime, store, turn: tokio::sync::Mutex::default() }
    }

    async fn exchange(&self, input: &[u8], patience: Duration) -> (Vec<u8>, u64) {
        let _turn = self.turn.lock().await;
        let (stored_before, panics_before) = (self.store.stats().appends, PANICS.load(Ordering::SeqCst));
        let (request, is_signed) = signed(input);

        let answer = timeout(HANGS_AFTER, send(self.address, &request, patience)).await.expect("the connection hangs");

        let stored = self.store.stats().appends - stored_before;
        assert_eq!(PANICS.load(Ordering::SeqCst), panics_before, "the server panicked");
        // One signature can serve several requests: HTTP/2 repeats a header by its number.
        assert!(stored == 0 || is_signed, "{stored} stored, nothing signed");
        let limit = usize::try_from(stored).expect("few");
        for receipt in self.store.receipts(ReceiptFilter { limit, ..ReceiptFilter::default() }).await.expect("receipts")
        {
            let body = self.store.receipt_body(receipt.id).await.expect("a store that works").expect("a body");
            assert_eq!(body, SIGNED, "stored without having been signed");
        }
        for secret in [TOKEN, CLIENT_SECRET, "encryptedToken", "access_token"] {
            let leaked = answer.windows(secret.len()).any(|window| window == secret.as_bytes());
            assert!(
                !leaked || input.windows(secret.len()).any(|window| window == secret.as_bytes()),
                "{secret:?} leaked"
            );
        }
        (answer, stored)
    }
}

/// Errors are the other side's right: it may refuse and close at any byte.
async fn send(address: SocketAddr, request: &[u8], patience: Duration) -> Vec<u8> {
    let (mut from, mut to) = TcpStream::connect(address).await.expect("the door is open").into_split();
    let mut answer = Vec::new();
    let writing = async {
        let _ = to.write_all(request).await;
        to
    };
    let reading = async {
        let mut wait = patience;
        while let Ok(Ok(1..)) = timeout(wait, from.read_buf(&mut answer)).await {
            wait = SILENCE;
        }
    };
    let (to, ()) = tokio::join!(writing, reading);
    // Both halves of the connection are needed until here: the server takes the end of one for the end of both.
    drop(to);
    let _: io::Result<usize> = from.read_to_end(&mut answer).await;
    answer
}

/// The input with its words replaced, and whether a signature is in it.
fn signed(input: &[u8]) -> (Vec<u8>, bool) {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs().to_string();
    let signature = webhook_signature(&token(), &now, SIGNED);
    let mut request = Vec::with_capacity(input.len() + signature.len());
    let (mut rest, mut is_signed) = (input, false);
    while let Some((first, after)) = rest.split_first() {
        if let Some(after) = rest.strip_prefix(b"{now}") {
            request.extend_from_slice(now.as_bytes());
            rest = after;
        } else if let Some(after) = rest.strip_prefix(b"{signature}") {
            request.extend_from_slice(signature.as_bytes());
            is_signed = true;
            rest = after;
        } else {
            request.push(*first);
            rest = after;
        }
    }
    (request, is_signed)
}

fn token() -> SecretToken {
    SecretToken::new(TOKEN).expect("not empty")
}
