//! Base64 of the standard alphabet with padding, as all of Zoom's payloads are. The one place that names the library.

/// Bytes that are not base64.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not base64 of the standard alphabet with padding")]
pub struct NotBase64;

/// Writes bytes as text.
pub fn encode(bytes: &[u8]) -> String {
    base64_turbo::encode(bytes)
}

/// Reads text as bytes.
///
/// # Errors
/// [`NotBase64`], also for padding that is missing or not canonical.
pub fn decode(text: &[u8]) -> Result<Vec<u8>, NotBase64> {
    base64_turbo::decode(text).map_err(|_| NotBase64)
}
