//! Zoom's REST API, as far as streams need it: access tokens, and the calls that start, stop, pause and resume a stream.
//!
//! A [`ZoomApi`](api::ZoomApi) holds the [`Credentials`](credentials::Credentials) of one app. It fetches a
//! token, keeps it until shortly before it expires, and sends a [`Control`](control::Control). Zoom answers with any 2xx;
//! the stream itself is then announced by a webhook, as if somebody in the meeting had started it. For Video SDK sessions the
//! token is a [JWT](jwt) of ours.
//!
//! The calls and their scopes stand in `docs/protocol.md`. Nothing here retries: a [`ControlError`](error::ControlError) knows
//! whether that is worth it.

pub mod api;
pub mod control;
pub mod credentials;
pub mod error;
pub mod jwt;
pub mod token;
