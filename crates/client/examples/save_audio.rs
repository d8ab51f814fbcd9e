//! Joins the stream that a webhook announces, and writes everybody's sound to a file of its own, as raw samples.
//!
//! The body of the webhook is one line of JSON on standard input; the app's credentials are in the environment. Without
//! them those of the simulator are taken. The folder to write to is the argument, the current one if there is none:
//!
//! ```sh
//! cargo build -p rtms-client --example save_audio    # first, because the meeting waits for nobody
//! rtms simulate --print-webhook | target/debug/examples/save_audio /tmp
//! ```
//!
//! Who is silent sends nothing, so the files hold speech without the pauses; `rtms serve` fills them by timestamp.

use std::{
    collections::BTreeMap,
    env,
    error::Error,
    fs::File,
    io::{self, Write},
    path::PathBuf,
    sync::Arc,
};

use rtms_client::{
    connect::TcpConnector,
    handle::{DEFAULT_QUEUE_BYTES, join},
};
use rtms_proto::{
    config::StreamConfig,
    event::{Ending, Event},
    signaling::StreamStart,
};
use rtms_wire::{
    ids::UserId,
    media::medium::{MediaTypes, Medium},
    secret::ClientSecret,
    signature::HandshakeSignature,
    webhook::{Webhook, WebhookBody, server_url::ServerUrlPolicy},
};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let folder = PathBuf::from(env::args_os().nth(1).unwrap_or_else(|| ".".into()));
    let config = StreamConfig { media: MediaTypes::of([Medium::Audio]), ..StreamConfig::default() };
    // A handshake is signed; it goes to Zoom, or to a simulator on this machine, and to nobody else.
    let policy = ServerUrlPolicy { allow_loopback: true, ..ServerUrlPolicy::default() };
    let connector = Arc::new(TcpConnector::new(policy, &[])?);
    // Dropping the handle would leave the stream.
    let (_handle, mut events) = join(read_start()?, config, connector, DEFAULT_QUEUE_BYTES)?;

    let mut files: BTreeMap<UserId, File> = BTreeMap::new();
    while let Some(event) = events.next().await {
        if let Event::MediaOpen { granted, .. } = event {
            // What counts is what Zoom granted, not what was asked for.
            let format = granted.audio.unwrap_or_default().format();
            let (rate, channels) = (format.hertz().unwrap_or_default(), format.channels().unwrap_or_default());
            eprintln!("play with: ffplay -f s16le -ar {rate} -ch_layout {channels}c FILE   ({})", format.codec);
        } else if let Event::Audio(packet) = event {
            // The Contact Center names channels where the others name people.
            let who = packet.user_id.or_else(|| packet.channel_id.map(|channel| UserId::new(channel.as_str())));
            let who = who.unwrap_or_default();
            if !files.contains_key(&who) {
                // An id is Zoom's, and no file name.
                let name: String = who.as_str().chars().filter(char::is_ascii_alphanumeric).collect();
                let path = folder.join(format!("{name}.pcm"));
                eprintln!("{} is {}", path.display(), packet.user_name.as_deref().unwrap_or("somebody"));
                files.insert(who.clone(), File::create(path)?);
            }
            if let Some(file) = files.get_mut(&who) {
                file.write_all(&packet.data)?;
            }
        } else if let Event::Ended(Ending::Failed(error)) = event {
            return Err(error.into());
        }
    }
    Ok(())
}

/// Makes of a start webhook what a stream needs to begin. A server verifies the webhook's signature before: see
/// `rtms_wire::webhook::verify`.
fn read_start() -> Result<StreamStart, Box<dyn Error>> {
    let mut body = String::new();
    io::stdin().read_line(&mut body)?;
    let webhook = Webhook::decode(body.as_bytes())?;
    let product = webhook.product().ok_or("the webhook is of no product")?;
    let instance = webhook.instance.ok_or("the webhook names nothing that is streamed")?;
    let stream_id = webhook.stream_id.ok_or("the webhook names no stream")?;
    let WebhookBody::RtmsStarted(started) = webhook.body else {
        return Err(format!("{} starts no stream", webhook.event).into());
    };

    let client_id = env::var("ZOOM_CLIENT_ID").unwrap_or_else(|_| "sim-client-id".into());
    let secret = env::var("ZOOM_CLIENT_SECRET").unwrap_or_else(|_| "sim-client-secret".into());
    let signature = HandshakeSignature::sign(&client_id, &ClientSecret::new(&secret)?, &instance, &stream_id);
    Ok(StreamStart { stream_id, instance, product, signature, server_urls: started.server_urls })
}
