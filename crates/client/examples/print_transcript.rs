//! Joins the stream that a webhook announces, and prints what is said.
//!
//! The body of the webhook is one line of JSON on standard input; the app's credentials are in the environment. Without
//! them those of the simulator are taken:
//!
//! ```sh
//! cargo build -p rtms-client --example print_transcript    # first, because the meeting waits for nobody
//! rtms simulate --print-webhook | target/debug/examples/print_transcript
//! ```

#![expect(clippy::print_stdout, reason = "the transcript is what this program is for")]

use std::{env, error::Error, io, sync::Arc};

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
    media::medium::{MediaTypes, Medium},
    secret::ClientSecret,
    signature::HandshakeSignature,
    webhook::{Webhook, WebhookBody, server_url::ServerUrlPolicy},
};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let config = StreamConfig { media: MediaTypes::of([Medium::Transcript]), ..StreamConfig::default() };
    // A handshake is signed; it goes to Zoom, or to a simulator on this machine, and to nobody else.
    let policy = ServerUrlPolicy { allow_loopback: true, ..ServerUrlPolicy::default() };
    let connector = Arc::new(TcpConnector::new(policy, &[])?);
    // Dropping the handle would leave the stream.
    let (_handle, mut events) = join(read_start()?, config, connector, DEFAULT_QUEUE_BYTES)?;

    while let Some(event) = events.next().await {
        if let Event::Transcript(line) = event {
            println!("{}: {}", line.user_name.as_deref().unwrap_or("somebody"), line.data);
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
