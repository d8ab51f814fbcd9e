//! What Zoom and we say to each other: bytes in, types out, and back. No clock, socket, file or thread.
//!
//! Two conversations:
//!
//! - **Webhooks**, over HTTP. Zoom posts, we answer. [`webhook::verify::Delivery`] becomes
//!   [`webhook::verify::Verified`] by its signature, and only then is read as a [`webhook::Webhook`].
//! - **WebSocket**, JSON in text or binary frames. We connect, first for signaling, then for media. Every frame is one
//!   [`message::Message`].
//!
//! Numbers and fields that Zoom has and this crate does not know are kept, in [`extra::Extra`] and in the `Unknown`
//! variant of each of the [`codes`]; they come out of `encode` as they went into `decode`.
//!
//! ```
//! use rtms_wire::message::Message;
//!
//! let Message::KeepAliveReq(request) = Message::decode(br#"{"msg_type":12,"timestamp":1795420810000}"#)? else {
//!     unreachable!();
//! };
//! let answer = Message::KeepAliveResp(request.answer());
//! assert_eq!(answer.encode(), r#"{"msg_type":13,"timestamp":1795420810000}"#);
//! # Ok::<(), rtms_wire::error::DecodeError>(())
//! ```

pub mod base64;
pub mod codes;
mod decode;
pub mod error;
pub mod extra;
pub mod flaws;
pub mod ids;
mod lenient;
pub mod media;
pub mod mend;
pub mod message;
pub mod plain;
mod redact;
pub mod secret;
pub mod sequence;
pub mod signature;
mod text_or_number;
pub mod time;
pub mod utterance;
pub mod webhook;
pub mod wire_log;

pub use bytes::Bytes;
pub use http::Uri;
pub use smol_str::SmolStr;
