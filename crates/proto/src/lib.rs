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
//! # What is lost comes back
//!
//! A socket that closes is not the end. Zoom keeps the stream for a while, the **window**, and the machine uses all of it:
//! a try at once, then tries after waits that grow and jitter, the last one early enough to succeed. A window closes at
//! a fixed moment that later trouble does not move ([`reconnect`]).
//!
//! | what happened | what is done | window |
//! |---|---|---|
//! | nothing yet: the first connect | signaling, then media | 60 s from the start webhook |
//! | a newer start webhook: Zoom **failed over** | both kinds of connection are left for the new URLs at once | 60 s from it |
//! | signaling was lost, or an **interrupted** webhook says so | signaling, then all media, subscription and video wish | 60 s from the loss, media 65 s |
//! | **one media connection** was lost | only that one | 65 s from the loss |
//!
//! A signaling connection that goes without a word waits two seconds for the word that explains it: a stop, a newer
//! start. An interrupted webhook may be about a connection that is long replaced, so a connection that stands is asked
//! first (19, answered by 20) and left only if it does not answer. Event 7, state 2 and the close of a socket are one
//! interruption. What is silent for 65 s is lost ([`keep_alive`]). What both the old and the new connection carry is told
//! once ([`dedupe`]); sound that Zoom kept meanwhile comes late and is told. States that changed while signaling was away are
//! asked for when all is back (19 and, for each session, 10), and told if they are news.
//!
//! A **refusal** decides by its number: the same again later, something else at once (Zoom's default parameters, another
//! name of a webinar, a connection for each medium), or without that medium.
//!
//! # The end
//!
//! It **ends** when Zoom says so (state 4, or a stop webhook), when we do (21, answered by 22), or when it cannot be
//! had or kept. Once it is announced (state 3) or known, nothing is dialed any more. A session that stops is not the
//! stream's end ([`sessions`]). After an end by Zoom what was sent before is still read, as the end travels on another
//! socket than the media. Whichever way, exactly one [`event::Event::Ended`] is told, and nothing after it; its
//! [`next_step`] says whether Zoom should be asked for a new stream.
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
//! let mut now = Moment::default();
//! while !stream.is_ended() {
//!     while let Some(output) = stream.poll_output() {
//!         match output {
//!             Output::Connect { connection, .. } => {
//!                 // … and when it failed:
//!                 stream.handle(Input::ConnectFailed(connection, "connection refused".into()), now);
//!             }
//!             Output::Send { .. } | Output::Disconnect(_) => {}
//!             Output::Event(event) => println!("{event:?}"),
//!         }
//!     }
//!     // … and when nothing else happened until then:
//!     now = stream.next_deadline().unwrap_or(now);
//!     stream.handle(Input::TimePassed, now);
//! }
//! # Ok::<(), rtms_proto::error::Misuse>(())
//! ```

pub mod config;
mod connection;
pub mod credentials;
pub mod dedupe;
pub mod error;
pub mod event;
pub mod input;
pub mod join_options;
pub mod keep_alive;
pub mod load;
mod media;
pub mod next_step;
pub mod output;
mod pace;
pub mod reconnect;
mod refusal;
pub mod role;
pub mod sessions;
pub mod signaling;
pub mod stream;
pub mod time;
mod video;
