//! Our half of the conversation with Zoom, as a state machine. No socket, clock, thread or randomness.
//!
//! # The life of a stream
//!
//! A start webhook names a stream and a signaling server. [`stream::Stream`] asks its driver to **connect** there,
//! shakes hands (message 1, answered by 2) and learns where the media is. It connects there too, one connection per
//! medium or one for all, shakes hands on each (3, answered by 4), and reports each success on signaling as **ready**
//! (7). Media flows. Events are subscribed to (5) and told (6); states of the stream and its sessions come by
//! themselves (8, 9). Zoom asks on every connection every ten seconds whether we live (12), and is answered on the
//! same connection with the same numbers (13).
//!
//! It **ends** when Zoom says so (state 4, or a stop webhook), when we do (21, answered by 22), or when it cannot be
//! had or kept. After an end by Zoom what was sent before is still read, as the end travels on another socket than the
//! media. Whichever way, exactly one [`event::Event::Ended`] is told, and nothing after it.
//!
//! A newer start webhook makes the stream dial anew. So does an interrupted one, unless the signaling connection that
//! stands answers (19, answered by 20) that all is well: the word may be about a connection that is long replaced.
//!
//! # The run loop
//!
//! One way in, one way out. Whoever drives the machine does what the outputs ask, reports what happens, and wakes up
//! at the deadline:
//!
//! ```
//! use rtms_proto::{config::StreamConfig, input::Input, output::Output, signaling::StreamStart, stream::Stream, time::Moment};
//! # use rtms_wire::{codes::product::Product, ids::*, secret::ClientSecret, signature::HandshakeSignature};
//! # let stream_id = StreamId::from("3f6a0c9e");
//! # let instance = InstanceId::new(InstanceIdField::MeetingUuid, "gPkqeuK3m0UGeK+QdgAH/Q==");
//! # let secret = ClientSecret::new("not a secret").unwrap();
//! # let signature = HandshakeSignature::sign("client", &secret, &instance, &stream_id);
//! let start = StreamStart {
//!     stream_id, instance, signature,
//!     product: Product::Meeting,
//!     server_urls: vec!["wss://zoomsjc203-0-113-24zssgw.sjc.zoom.us:443".into()],
//! };
//! let mut stream = Stream::new(start, StreamConfig::default(), Moment::default())?;
//!
//! while let Some(output) = stream.poll_output() {
//!     match output {
//!         Output::Connect { connection, .. } => {
//!             // … and when it failed:
//!             stream.handle(Input::ConnectFailed(connection, "connection refused".into()), Moment::default());
//!         }
//!         Output::Send { .. } | Output::Disconnect(_) => {}
//!         Output::Event(event) => println!("{event:?}"),
//!     }
//! }
//! assert!(stream.is_ended());
//! # Ok::<(), rtms_proto::error::Misuse>(())
//! ```

pub mod config;
mod connection;
pub mod error;
pub mod event;
pub mod input;
pub mod keep_alive;
mod media;
pub mod output;
pub mod signaling;
pub mod stream;
pub mod time;
