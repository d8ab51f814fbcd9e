//! Bytes into [`Message`]s: the short way for media data, the general way for everything, and the lenient way for what Zoom
//! sends.

mod general;
mod leniency;
mod scan;

use crate::{error::DecodeError, flaws::Flaws, message::Message};

impl Message {
    /// Reads one message from the payload of a WebSocket frame, text or binary.
    ///
    /// Media data takes a path of its own that does not build a JSON tree; whatever is unusual about it (escapes,
    /// unknown keys, another order of nesting) takes the general path and gives the same.
    ///
    /// # Errors
    /// [`DecodeError`] says what is wrong; the caller counts it and goes on, as nothing after it is affected.
    pub fn decode(payload: &[u8]) -> Result<Self, DecodeError> {
        match scan::media_data(payload) {
            Some(found) => found,
            None => general::decode(payload),
        }
    }

    /// Reads a message of Zoom's as far as it can be read, and returns what was wrong with it.
    ///
    /// Broken text, values and base64 are mended, and a field that cannot be read is left out. An ordinary message takes the
    /// same short path as in [`Self::decode`].
    ///
    /// # Errors
    /// [`DecodeError`] if nothing can be read, or not what the message is for.
    pub fn decode_leniently(payload: &[u8]) -> Result<(Self, Flaws), DecodeError> {
        match scan::media_data(payload) {
            Some(Ok(message)) => Ok((message, Flaws::default())),
            Some(Err(_)) | None => leniency::read(payload),
        }
    }
}
