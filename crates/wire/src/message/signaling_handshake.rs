//! `SIGNALING_HAND_SHAKE_REQ` (1) and `SIGNALING_HAND_SHAKE_RESP` (2): the first exchange on a signaling connection.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;
use smol_str::SmolStr;

use crate::{
    codes::{product::Product, status_code::StatusCode},
    extra::Extra,
    ids::{InstanceId, InstanceIdField, StreamId},
    lenient::{self, in_order, unite},
    media::medium::Medium,
    signature::HandshakeSignature,
};

/// The version of the protocol that this crate speaks.
pub const PROTOCOL_VERSION: u32 = 1;

/// `SIGNALING_HAND_SHAKE_REQ`, `msg_type` 1, to Zoom, first on a signaling connection. Basis: documented.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SignalingHandShakeReq {
    /// 1; vendor code leaves it out at times.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub protocol_version: Option<u32>,
    /// First value 1 by the document, anything in practice.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sequence: Option<i64>,
    /// What is streamed, under the key that the webhook used.
    #[serde(flatten)]
    pub instance: InstanceIds,
    /// The stream.
    pub rtms_stream_id: StreamId,
    /// See [`HandshakeSignature`].
    pub signature: HandshakeSignature,
    /// Whether the sound since the start webhook is wanted; true if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub buffer_data: Option<bool>,
    /// The fields that are not named here.
    #[serde(flatten)]
    pub extra: Extra,
}

/// The id fields of a handshake. Exactly one is allowed; the type can hold what a peer really sent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct InstanceIds {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    meeting_uuid: Option<SmolStr>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    webinar_uuid: Option<SmolStr>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    session_id: Option<SmolStr>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    engagement_id: Option<SmolStr>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    call_id: Option<SmolStr>,
}

impl InstanceIds {
    /// Those that are there.
    pub fn iter(&self) -> impl Iterator<Item = InstanceId> + '_ {
        InstanceIdField::ALL.into_iter().filter_map(|field| {
            let value = match field {
                InstanceIdField::MeetingUuid => &self.meeting_uuid,
                InstanceIdField::WebinarUuid => &self.webinar_uuid,
                InstanceIdField::SessionId => &self.session_id,
                InstanceIdField::EngagementId => &self.engagement_id,
                InstanceIdField::CallId => &self.call_id,
            };
            value.clone().map(|value| InstanceId { field, value })
        })
    }

    /// The one that is there, if it is exactly one.
    pub fn only(&self) -> Option<InstanceId> {
        let mut all = self.iter();
        all.next().filter(|_| all.next().is_none())
    }
}

impl From<&InstanceId> for InstanceIds {
    fn from(instance: &InstanceId) -> Self {
        let mut ids = Self::default();
        let place = match instance.field {
            InstanceIdField::MeetingUuid => &mut ids.meeting_uuid,
            InstanceIdField::WebinarUuid => &mut ids.webinar_uuid,
            InstanceIdField::SessionId => &mut ids.session_id,
            InstanceIdField::EngagementId => &mut ids.engagement_id,
            InstanceIdField::CallId => &mut ids.call_id,
        };
        *place = Some(instance.value.clone());
        ids
    }
}

/// `SIGNALING_HAND_SHAKE_RESP`, `msg_type` 2, from Zoom: where the media is, or why not. Basis: documented.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self")]
pub struct SignalingHandShakeResp {
    /// 1.
    #[serde(default, deserialize_with = "lenient::optional", skip_serializing_if = "Option::is_none")]
    pub protocol_version: Option<u32>,
    /// 0 in the documents.
    #[serde(default, deserialize_with = "lenient::optional", skip_serializing_if = "Option::is_none")]
    pub sequence: Option<i64>,
    /// How it went. One vendor library knows the name `status`.
    pub status_code: StatusCode,
    /// Free text; empty on success.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
    /// Where the media is, on success.
    #[serde(default, deserialize_with = "lenient::optional", skip_serializing_if = "Option::is_none")]
    pub media_server: Option<MediaServer>,
    /// The fields that are not named here.
    #[serde(flatten)]
    pub extra: Extra,
}

in_order!(SignalingHandShakeResp, |fields| unite::<StatusCode>(fields, &["status_code", "status"]));

/// `media_server` of message 2.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct MediaServer {
    /// Where to connect.
    #[serde(default)]
    pub server_urls: MediaUrls,
    /// Anything else, the SRTP keys of old mock servers among it.
    #[serde(flatten)]
    pub extra: Extra,
}

/// `server_urls` of message 2: a URL per medium that the app was granted, and `all` for everything on one connection.
///
/// Where several URLs stand under a key, in a list, with commas between or in an object by transport, they are kept as one
/// text with commas. Version 2 can name an SRT endpoint among them, in which form is not published: URLs of another scheme than
/// a WebSocket's are skipped.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct MediaUrls(pub BTreeMap<String, String>);

impl MediaUrls {
    /// The key of the unified connection.
    pub const ALL: &str = "all";

    /// The URL under a medium's own key.
    pub fn own(&self, medium: Medium) -> Option<&str> {
        self.key(medium.as_str())
    }

    /// The URL of the unified connection.
    pub fn all(&self) -> Option<&str> {
        self.key(Self::ALL)
    }

    /// The URL by which a medium can be reached on a connection of its own.
    ///
    /// Its own key, then (Contact Center) `audio`, then `all`: several keys may hold the same URL, and `media_type`
    /// selects what flows. A medium whose key is missing may simply not be granted: message 4 then says so.
    pub fn for_medium(&self, medium: Medium, product: Product) -> Option<&str> {
        let by_audio = (product == Product::ContactCenter).then(|| self.own(Medium::Audio)).flatten();
        self.own(medium).or(by_audio).or_else(|| self.all())
    }

    /// Whether a medium has a key of its own, even if no URL there can be connected to.
    pub fn lists(&self, medium: Medium) -> bool {
        self.under(medium.as_str()).next().is_some()
    }

    /// The URLs that are no WebSocket's, each with its key.
    pub fn skipped(&self) -> impl Iterator<Item = (&str, &str)> {
        let keys = self.0.keys().map(String::as_str);
        keys.flat_map(|key| self.under(key).filter(|url| is_of_another_transport(url)).map(move |url| (key, url)))
    }

    fn key(&self, key: &str) -> Option<&str> {
        self.under(key).find(|url| !is_of_another_transport(url))
    }

    fn under(&self, key: &str) -> impl Iterator<Item = &str> {
        self.0.get(key).map(String::as_str).into_iter().flat_map(urls).filter(|url| !url.is_empty())
    }
}

/// The URLs of a text: a comma parts them where another scheme follows it.
pub(crate) fn urls(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let text = rest.take()?;
        let parting = text.match_indices(',').find(|(at, _)| scheme(text[at + 1..].trim_start()).is_some());
        let (url, others) = parting.map_or((text, None), |(at, _)| (&text[..at], Some(&text[at + 1..])));
        rest = others;
        Some(url.trim_matches([' ', '\t', '\r', '\n', ',']))
    })
}

fn scheme(url: &str) -> Option<&str> {
    let (scheme, _) = url.split_once("://")?;
    let is_scheme = scheme.chars().all(|letter| letter.is_ascii_alphanumeric() || "+-.".contains(letter));
    (is_scheme && scheme.starts_with(|first: char| first.is_ascii_alphabetic())).then_some(scheme)
}

pub(crate) fn is_of_another_transport(url: &str) -> bool {
    scheme(url).is_some_and(|scheme| !["wss", "ws"].iter().any(|known| scheme.eq_ignore_ascii_case(known)))
}

impl<'de> Deserialize<'de> for MediaUrls {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // A bare string means one connection for all; values that are not text are no URLs.
        Ok(match Value::deserialize(deserializer)? {
            Value::Object(urls) => {
                Self(urls.iter().filter_map(|(key, url)| Some((key.clone(), text_of(url)?))).collect())
            }
            bare @ (Value::String(_) | Value::Array(_)) => {
                Self(text_of(&bare).map(|urls| (Self::ALL.into(), urls)).into_iter().collect())
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => Self::default(),
        })
    }
}

/// One URL, or those of a list or an object with commas between.
fn text_of(value: &Value) -> Option<String> {
    let joined = |urls: Vec<String>| (!urls.is_empty()).then(|| urls.join(","));
    match value {
        Value::String(url) => Some(url.clone()),
        Value::Array(list) => joined(list.iter().filter_map(text_of).collect()),
        // Beside the URLs there may be anything, such as a key length.
        Value::Object(fields) => {
            joined(fields.values().filter_map(text_of).filter(|text| scheme(text.trim_start()).is_some()).collect())
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => None,
    }
}

/// `reason`: free text that explains a status. Numbers, seen in vendor code, become their digits.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Reason(pub String);

impl From<&str> for Reason {
    fn from(text: &str) -> Self {
        Self(text.into())
    }
}

impl<'de> Deserialize<'de> for Reason {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(match Value::deserialize(deserializer)? {
            Value::String(text) => Self(text),
            Value::Null => Self::default(),
            other @ (Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_)) => Self(other.to_string()),
        })
    }
}
