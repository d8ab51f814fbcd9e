//! `*.rtms_started`, `*.rtms_stopped`, `*.rtms_interrupted`: the life of a stream as webhooks tell it.

use serde_json::{Value, value::RawValue};

use crate::{
    codes::stop_reason::StopReason,
    signature::HandshakeSignature,
    webhook::fields::{self, Fields},
};

/// `*.rtms_started`: a stream began, or moved to another server. Basis: documented.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RtmsStarted {
    /// Where to connect, in Zoom's order, unchecked: see [`crate::webhook::server_url`].
    pub server_urls: Vec<String>,
    /// Whether the operator is the original host.
    pub is_original_host: Option<bool>,
    /// A handshake signature made by Zoom, which a few secondary sources show; ours is computed.
    pub signature: Option<HandshakeSignature>,
}

impl RtmsStarted {
    pub(super) fn from_fields(fields: &Fields<'_>) -> Self {
        Self {
            server_urls: server_urls(fields),
            is_original_host: fields.flag("is_original_host"),
            signature: fields.text("signature").map(|signature| HandshakeSignature::from_webhook(&signature)),
        }
    }
}

/// `*.rtms_stopped`: a stream is over. Basis: documented.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RtmsStopped {
    /// Why; absent in the nested form.
    pub stop_reason: Option<StopReason>,
}

impl RtmsStopped {
    pub(super) fn from_fields(fields: &Fields<'_>) -> Self {
        let reason = fields.raw("stop_reason").and_then(|raw| serde_json::from_str(raw.get()).ok());
        Self { stop_reason: reason }
    }
}

/// `*.rtms_interrupted`: the signaling connection broke; connect again. Basis: documented.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RtmsInterrupted {
    /// New places to connect to, if there are any; the schema has none.
    pub server_urls: Vec<String>,
}

impl RtmsInterrupted {
    pub(super) fn from_fields(fields: &Fields<'_>) -> Self {
        Self { server_urls: server_urls(fields) }
    }
}

/// Reads `server_urls`: text, text with commas, a list, or an object.
fn server_urls(payload: &Fields<'_>) -> Vec<String> {
    let Some(raw) = payload.raw("server_urls") else {
        return Vec::new();
    };
    if let Some(text) = fields::text(raw) {
        return split(&text);
    }
    if let list @ [_, ..] = &*Fields::elements(raw) {
        return list.iter().flat_map(|raw| all_urls(raw)).collect();
    }
    // In an object only these keys can mean signaling; `audio` and the like name media servers.
    let object = Fields::new(RawValue::get(raw));
    let mut named = ["signaling", "signal", "all", "wss", "url"].into_iter().filter_map(|key| object.raw(key));
    named.find_map(|raw| Some(all_urls(raw)).filter(|urls| !urls.is_empty())).unwrap_or_default()
}

/// The URLs of a text, of a list, or of an object by transport. Those of no use are refused when they are checked.
fn all_urls(raw: &RawValue) -> Vec<String> {
    let texts: Vec<String> = match serde_json::from_str(raw.get()) {
        Ok(Value::String(text)) => return split(&text),
        Ok(Value::Array(list)) => list.iter().filter_map(Value::as_str).map(String::from).collect(),
        Ok(Value::Object(fields)) => {
            fields.values().filter_map(Value::as_str).filter(|text| text.contains("://")).map(String::from).collect()
        }
        Ok(Value::Null | Value::Bool(_) | Value::Number(_)) | Err(_) => Vec::new(),
    };
    texts.iter().flat_map(|text| split(text)).collect()
}

fn split(text: &str) -> Vec<String> {
    text.split(',').map(str::trim).filter(|url| !url.is_empty()).map(String::from).collect()
}
