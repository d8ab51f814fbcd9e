//! A wire log: what went over the WebSockets of one stream, as lines of JSON. The first line is a [`WireLogHeader`], every other a
//! [`WireLogLine`].
//!
//! ```text
//! {"format":"rtms-capture","version":1,"product":"meeting","instance":{"field":"meeting_uuid","value":"4/a+B=="},…}
//! {"ms":0,"what":"dialed","connection":1,"on":"signaling","url":"wss://rtms.zoom.us/signaling"}
//! {"ms":31,"what":"sent","connection":1,"on":"signaling","text":"{\"msg_type\":1,…,\"signature\":\"\"}"}
//! {"ms":45,"what":"received","connection":1,"on":"signaling","text":"{\"msg_type\":2,…}"}
//! ```
//!
//! Whoever writes one passes what may hold a secret through [`without_secrets`] first.

use std::{borrow::Cow, fmt, str::FromStr};

use bytes::Bytes;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

use crate::{
    base64,
    codes::{product::Product, stop_reason::StopReason},
    ids::{InstanceId, StreamId},
    media::medium::{MediaTypes, Medium, UnknownMedium},
    message::signaling_handshake::{is_of_another_transport, urls},
    redact::{names_a_passphrase, names_a_secret},
    time::UnixMillis,
};

/// The value of [`WireLogHeader::format`].
pub const FORMAT: &str = "rtms-capture";

/// The version this program writes, and the newest it reads.
pub const VERSION: u32 = 1;

/// Bytes of the longest line, its end included: twice the longest message that our client takes, since quotes are escaped.
pub const MAX_LINE_BYTES: usize = 64 << 20;

/// The first line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WireLogHeader {
    /// [`FORMAT`].
    pub format: String,
    /// [`VERSION`] of the program that wrote it.
    pub version: u32,
    /// The product that streams.
    pub product: Product,
    /// The meeting, session or call, under the key that handshakes use.
    pub instance: InstanceId,
    /// The stream.
    pub rtms_stream_id: StreamId,
    /// When the log begins, on the clock of whoever wrote it; every [`WireLogLine::ms`] counts from here.
    pub started_at: UnixMillis,
    /// The program that wrote it, and its version.
    pub program: String,
    /// The body of the start webhook but for its secrets, if it was at hand.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start_webhook: Option<String>,
}

/// Any line but the first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WireLogLine<'a> {
    /// Milliseconds since [`WireLogHeader::started_at`], by a clock that never goes back.
    pub ms: u64,
    /// The event.
    #[serde(flatten)]
    pub what: What<'a>,
}

/// What a line tells. `connection` is a running number: an attempt at a connection, and the connection it becomes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "snake_case")]
pub enum What<'a> {
    /// A connection is tried.
    Dialed {
        /// The number of the connection.
        connection: u32,
        /// What it is for.
        on: Channel,
        /// The destination.
        url: Cow<'a, str>,
    },
    /// It could not be made.
    Unreached {
        /// The number of the connection.
        connection: u32,
        /// What it was for.
        on: Channel,
        /// The reason.
        why: Cow<'a, str>,
    },
    /// The WebSocket stands.
    Opened {
        /// The number of the connection.
        connection: u32,
        /// What it is for.
        on: Channel,
    },
    /// A frame of the client's was handed to its WebSocket.
    Sent {
        /// On which connection.
        connection: u32,
        /// What that is for.
        on: Channel,
        /// The payload.
        #[serde(flatten)]
        frame: Frame<'a>,
    },
    /// A frame came from Zoom.
    Received {
        /// On which connection.
        connection: u32,
        /// What that is for.
        on: Channel,
        /// The payload.
        #[serde(flatten)]
        frame: Frame<'a>,
    },
    /// A close frame ended it.
    Closed {
        /// The number of the connection.
        connection: u32,
        /// What it was for.
        on: Channel,
        /// Who closed it.
        by: Side,
        /// The close code; none if the frame had none.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        code: Option<u16>,
        /// What the frame said beside it.
        #[serde(default, skip_serializing_if = "str::is_empty")]
        reason: Cow<'a, str>,
    },
    /// It was gone without a close frame.
    Cut {
        /// The number of the connection.
        connection: u32,
        /// What it was for.
        on: Channel,
        /// What was seen of that.
        why: Cow<'a, str>,
    },
    /// So many lines are missing here: they came faster than they could be written, or the disk failed.
    Lost {
        /// The number of lines.
        lines: u64,
    },
    /// Nothing more is written, though the stream goes on.
    Stopped {
        /// The reason, for people.
        why: Cow<'a, str>,
    },
    /// The stream is over for whoever wrote this.
    Ended {
        /// Zoom's reason, if it gave one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        stop_reason: Option<StopReason>,
        /// The same for people.
        why: Cow<'a, str>,
    },
}

/// One of the two ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Side {
    /// Zoom closed it.
    Zoom,
    /// The program that wrote the log closed it.
    Client,
}

/// The payload of a WebSocket frame, byte for byte but for secrets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Frame<'a> {
    /// Of a text frame.
    Text(Cow<'a, str>),
    /// Of a binary frame that is text all the same, as Zoom's are.
    Binary(Cow<'a, str>),
    /// Of a binary frame that is no text, in base64.
    BinaryBase64(Cow<'a, str>),
}

impl<'a> Frame<'a> {
    /// Takes the payload of a text frame. What is no UTF-8, which no text frame may be, is kept as [`Frame::BinaryBase64`].
    pub fn text(payload: &'a [u8]) -> Self {
        std::str::from_utf8(payload).map_or_else(|_| Self::base64(payload), |text| Self::Text(text.into()))
    }

    /// Takes the payload of a binary frame.
    pub fn binary(payload: &'a [u8]) -> Self {
        std::str::from_utf8(payload).map_or_else(|_| Self::base64(payload), |text| Self::Binary(text.into()))
    }

    fn base64(payload: &[u8]) -> Self {
        Self::BinaryBase64(Cow::Owned(base64::encode(payload)))
    }

    /// The bytes that were in the frame.
    ///
    /// # Errors
    /// [`base64::NotBase64`] if it says that they are base64, and they are not.
    pub fn payload(&self) -> Result<Cow<'_, [u8]>, base64::NotBase64> {
        match self {
            Self::Text(text) | Self::Binary(text) => Ok(Cow::Borrowed(text.as_bytes())),
            Self::BinaryBase64(text) => base64::decode(text.as_bytes()).map(Cow::Owned),
        }
    }

    /// Whether it was a text frame.
    pub fn is_text(&self) -> bool {
        match self {
            Self::Text(_) => true,
            Self::Binary(_) | Self::BinaryBase64(_) => false,
        }
    }

    /// The same without what [`without_secrets`] takes out.
    #[must_use]
    pub fn without_secrets(self) -> Self {
        self.cleaned(Urls::LoseValues)
    }

    /// The same without secrets, but URLs stay as they are: of a media message they are what people wrote.
    #[must_use]
    pub fn without_secret_fields(self) -> Self {
        self.cleaned(Urls::Stay)
    }

    fn cleaned(self, urls: Urls) -> Self {
        match self {
            Self::Text(text) => Self::Text(cleaned_text(text, urls)),
            Self::Binary(text) => Self::Binary(cleaned_text(text, urls)),
            Self::BinaryBase64(text) => match base64::decode(text.as_bytes()) {
                Ok(bytes) => match cleaned_bytes(&bytes, urls) {
                    Cow::Borrowed(_) => Self::BinaryBase64(text),
                    Cow::Owned(cleaned) => Self::base64(&cleaned),
                },
                Err(base64::NotBase64) => Self::BinaryBase64(text),
            },
        }
    }
}

/// What becomes of URLs when secrets are taken out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Urls {
    /// The values of their queries go.
    LoseValues,
    /// They are content.
    Stay,
    /// The values of queries go where a URL is of a transport that is never dialed, and no secret but the passphrases for
    /// those.
    OfOtherTransports,
}

/// The body of a webhook without the secrets that nobody here has a use for: the passphrases of SRT, under a key of their own
/// or in an `srt://` URL. Its signature and what its WebSocket URLs hold are needed to connect. All else stays byte for byte.
pub fn without_unused_secrets(body: &Bytes) -> Bytes {
    match std::str::from_utf8(body) {
        Ok(text) => match cleaned(text, Urls::OfOtherTransports) {
            Cow::Borrowed(_) => body.clone(),
            Cow::Owned(text) => text.into(),
        },
        Err(_) => match cleaned_bytes(body, Urls::OfOtherTransports) {
            Cow::Borrowed(_) => body.clone(),
            Cow::Owned(bytes) => bytes.into(),
        },
    }
}

/// A text of URLs, in which those of other transports than a WebSocket's lose the values of their queries.
fn without_values_of_other_transports(text: &str) -> Cow<'_, str> {
    let is_other = |url: &str| is_of_another_transport(url) && !url.starts_with("http");
    if !urls(text).any(is_other) {
        return Cow::Borrowed(text);
    }
    let one = |url| if is_other(url) { without_query_values(url) } else { Cow::Borrowed(url) };
    let cleaned: Vec<_> = urls(text).map(one).collect();
    Cow::Owned(cleaned.join(","))
}

/// The same as [`cleaned`] for bytes of which one at least is no text: JSON with a torn byte still has its secrets.
fn cleaned_bytes(bytes: &[u8], urls: Urls) -> Cow<'_, [u8]> {
    // A character for each byte, and back.
    let text: String = bytes.iter().copied().map(char::from).collect();
    match cleaned(&text, urls) {
        Cow::Borrowed(_) => Cow::Borrowed(bytes),
        Cow::Owned(cleaned) => {
            Cow::Owned(cleaned.chars().map(|letter| u8::try_from(u32::from(letter)).unwrap_or(b'?')).collect())
        }
    }
}

fn cleaned_text(text: Cow<'_, str>, urls: Urls) -> Cow<'_, str> {
    match text {
        Cow::Borrowed(text) => cleaned(text, urls),
        Cow::Owned(text) => Cow::Owned(cleaned(&text, urls).into_owned()),
    }
}

/// What a connection is for: `signaling`, or media with a plus between, `audio+video`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Channel {
    /// Handshake, events, states.
    Signaling,
    /// These media, as they were asked for.
    Media(MediaTypes),
}

impl fmt::Display for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Signaling => f.write_str("signaling"),
            Self::Media(types) => types
                .iter()
                .enumerate()
                .try_for_each(|(place, medium)| write!(f, "{}{medium}", if place == 0 { "" } else { "+" })),
        }
    }
}

impl FromStr for Channel {
    type Err = UnknownMedium;

    fn from_str(name: &str) -> Result<Self, UnknownMedium> {
        if name == "signaling" {
            return Ok(Self::Signaling);
        }
        let media: Result<Vec<Medium>, _> = name.split('+').map(str::parse).collect();
        media.map(|media| Self::Media(MediaTypes::of(media)))
    }
}

impl Serialize for Channel {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Channel {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = Cow::<'_, str>::deserialize(deserializer)?;
        name.parse().map_err(serde::de::Error::custom)
    }
}

/// A URL without the values of its query, in which tokens travel, and without the name and password before its host.
pub fn without_query_values(url: &str) -> Cow<'_, str> {
    let authority = url.find("://").map_or(0, |at| at + 3);
    let end = url[authority..].find(['/', '?', '#']).map_or(url.len(), |at| authority + at);
    if let Some(at) = url[authority..end].rfind('@') {
        let bare = format!("{}{}", &url[..authority], &url[authority + at + 1..]);
        return Cow::Owned(without_query_values(&bare).into_owned());
    }
    let Some((place, query)) = url.split_once('?') else { return Cow::Borrowed(url) };
    let names: Vec<_> = query
        .split('&')
        // Without a name it is all value.
        .map(|pair| pair.split_once('=').map(|(name, _)| format!("{name}=")).unwrap_or_default())
        .collect();
    Cow::Owned(format!("{place}?{}", names.join("&")))
}

/// JSON text without its secrets: strings under a key that names one, such as `signature`, `access_token` or
/// `srt_passphrase`, are empty and numbers 0, also inside of objects and lists there, and the queries of URLs lose their
/// values. All else stays byte for byte.
///
/// What is no JSON is looked through all the same, as far as it has strings.
pub fn without_secrets(json: &str) -> Cow<'_, str> {
    cleaned(json, Urls::LoseValues)
}

fn cleaned(json: &str, policy: Urls) -> Cow<'_, str> {
    let mut cleaned = String::new();
    // Up to here everything is in `cleaned`.
    let mut kept = 0;
    // How deep the brackets are, and since which depth all is secret.
    let (mut depth, mut secret_since) = (0_usize, None);
    // Whether the last key names a secret.
    let mut is_secret = false;
    let mut rest = json.bytes().enumerate();
    while let Some((at, byte)) = rest.next() {
        match byte {
            b'{' | b'[' => {
                depth += 1;
                if is_secret && secret_since.is_none() {
                    secret_since = Some(depth);
                }
                is_secret = false;
            }
            b'}' | b']' => {
                if secret_since == Some(depth) {
                    secret_since = None;
                }
                depth = depth.saturating_sub(1);
                is_secret = false;
            }
            b',' => is_secret = false,
            b'"' => {
                let Some(length) = string_length(&json.as_bytes()[at + 1..]) else { break };
                let end = at + 1 + length;
                let content = &json[at + 1..end];
                // Behind the closing quote, in one step: most of a media message is one string.
                rest.nth(length);
                if json[end + 1..].trim_start().starts_with(':') {
                    let key = unescaped(content);
                    is_secret = names_a_secret(&key);
                    if policy == Urls::OfOtherTransports {
                        is_secret &= names_a_passphrase(&key);
                    }
                    continue;
                }
                let is_secret = is_secret || secret_since.is_some();
                if !is_secret && policy == Urls::Stay {
                    continue;
                }
                let said = unescaped(content);
                let clean = if is_secret {
                    Cow::Borrowed("")
                } else if said.contains("://") && policy == Urls::OfOtherTransports {
                    without_values_of_other_transports(&said)
                } else if said.contains("://") {
                    without_query_values(&said)
                } else {
                    continue;
                };
                if clean != said {
                    cleaned.push_str(&json[kept..at]);
                    cleaned.push_str(&Value::from(clean).to_string());
                    kept = end + 1;
                }
            }
            b'-' | b'0'..=b'9' if is_secret || secret_since.is_some() => {
                let is_number = |byte: &u8| matches!(byte, b'-' | b'+' | b'.' | b'e' | b'E' | b'0'..=b'9');
                let length = json.as_bytes()[at..].iter().take_while(|byte| is_number(byte)).count();
                cleaned.push_str(&json[kept..at]);
                cleaned.push('0');
                kept = at + length;
                while rest.len() > json.len() - kept {
                    rest.next();
                }
            }
            _ => {}
        }
    }
    if kept == 0 {
        return Cow::Borrowed(json);
    }
    cleaned.push_str(&json[kept..]);
    Cow::Owned(cleaned)
}

/// What stands between the quotes of a string; as it is if it is none that JSON allows.
fn unescaped(content: &str) -> Cow<'_, str> {
    if !content.contains('\\') {
        return Cow::Borrowed(content);
    }
    serde_json::from_str(&format!("\"{content}\"")).map_or(Cow::Borrowed(content), Cow::Owned)
}

/// Bytes up to the quote that ends a string.
fn string_length(text: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        at += memchr::memchr2(b'"', b'\\', text.get(at..)?)?;
        if text.get(at) == Some(&b'"') {
            return Some(at);
        }
        at += 2;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_comes_back_as_it_was() {
        let on = Channel::Media(MediaTypes::of([Medium::Audio, Medium::Video]));
        let lines = [
            WireLogLine { ms: 0, what: What::Dialed { connection: 1, on, url: "wss://x".into() } },
            WireLogLine { ms: 1, what: What::Unreached { connection: 1, on, why: "no".into() } },
            WireLogLine { ms: 2, what: What::Opened { connection: 2, on: Channel::Signaling } },
            WireLogLine {
                ms: 3,
                what: What::Sent { connection: 2, on, frame: Frame::text("{\"a\":\"é\n\"}".as_bytes()) },
            },
            WireLogLine { ms: 4, what: What::Received { connection: 2, on, frame: Frame::binary(b"{}") } },
            WireLogLine { ms: 5, what: What::Received { connection: 2, on, frame: Frame::binary(&[0xff, 0]) } },
            WireLogLine {
                ms: 6,
                what: What::Closed { connection: 2, on, by: Side::Zoom, code: Some(1000), reason: "bye".into() },
            },
            WireLogLine { ms: 7, what: What::Cut { connection: 2, on, why: "reset".into() } },
            WireLogLine { ms: 8, what: What::Lost { lines: 3 } },
            WireLogLine { ms: 9, what: What::Stopped { why: "full".into() } },
            WireLogLine {
                ms: 9,
                what: What::Ended { stop_reason: Some(StopReason::MeetingEnded), why: "over".into() },
            },
        ];
        for line in lines {
            let text = serde_json::to_string(&line).unwrap();
            assert!(!text.contains('\n'));
            assert_eq!(serde_json::from_str::<WireLogLine<'_>>(&text).unwrap(), line, "{text}");
        }
    }

    #[test]
    fn a_line_looks_as_it_is_documented() {
        let what = What::Sent { connection: 1, on: Channel::Signaling, frame: Frame::text(b"{\"msg_type\":7}") };
        let text = serde_json::to_string(&WireLogLine { ms: 31, what }).unwrap();
        assert_eq!(text, r#"{"ms":31,"what":"sent","connection":1,"on":"signaling","text":"{\"msg_type\":7}"}"#);

        let what =
            What::Received { connection: 2, on: "audio+chat".parse().unwrap(), frame: Frame::binary(&[0xff, 0xfe]) };
        let text = serde_json::to_string(&WireLogLine { ms: 40, what }).unwrap();
        assert_eq!(text, r#"{"ms":40,"what":"received","connection":2,"on":"audio+chat","binary_base64":"//4="}"#);
    }

    #[test]
    fn a_payload_is_the_same_bytes_whatever_they_were() {
        for payload in [b"{\"msg_type\":14}".as_slice(), &[0, 1, 0xff], "\u{0}\u{7f}é\\\"".as_bytes(), b""] {
            assert_eq!(Frame::binary(payload).payload().unwrap(), payload);
        }
    }

    #[test]
    fn secrets_go_and_everything_else_stays() {
        let cases = [
            (r#"{"msg_type":1,"signature":"abc", "x":"y"}"#, r#"{"msg_type":1,"signature":"", "x":"y"}"#),
            (r#"{"signature" : "a\"b","n":1}"#, r#"{"signature" : "","n":1}"#),
            (
                r#"{"srtp_keys":{"audio":"1","b":["2"]},"audio":"3"}"#,
                r#"{"srtp_keys":{"audio":"","b":[""]},"audio":"3"}"#,
            ),
            (r#"{"access_token":"t","z":["signature"]}"#, r#"{"access_token":"","z":["signature"]}"#),
            (r#"{"u":"wss://a/b?tok=1&x","v":"what?a=b"}"#, r#"{"u":"wss://a/b?tok=&","v":"what?a=b"}"#),
            (r#"{"u":"wss:\/\/a?t=1\u0026x=2"}"#, r#"{"u":"wss://a?t=&x="}"#),
            (r#"{"u":"wss:\u002f\u002fa\u003ft\u003d1","v":"\/"}"#, r#"{"u":"wss://a?t=","v":"\/"}"#),
            (r#"{"sign\u0061ture":"abc","to\u006ben":{"a":"b"}}"#, r#"{"sign\u0061ture":"","to\u006ben":{"a":""}}"#),
            (r#"{"token\"":"a","u":"wss:\/\/a\"?t=1"}"#, r#"{"token\"":"","u":"wss://a\"?t="}"#),
            (r#"{"signature":null,"a":"b"}"#, r#"{"signature":null,"a":"b"}"#),
            (
                r#"{"srt_passphrase":"fx-Ob6kP2wZr9-Ls","srt_pbkey_length":16,"a":7}"#,
                r#"{"srt_passphrase":"","srt_pbkey_length":16,"a":7}"#,
            ),
            (r#"{"srtPassPhrase" : -12.5e3 ,"n":[12]}"#, r#"{"srtPassPhrase" : 0 ,"n":[12]}"#),
            (r#"{"passphrases":[81720391,{"x":"y","z":4}],"n":9}"#, r#"{"passphrases":[0,{"x":"","z":0}],"n":9}"#),
            (r#"{"passphrase":5}"#, r#"{"passphrase":0}"#),
            (r#"{"all":"srt://h:9?passphrase=abc&pbkeylen=16"}"#, r#"{"all":"srt://h:9?passphrase=&pbkeylen="}"#),
        ];
        for (before, after) in cases {
            assert_eq!(without_secrets(before), after);
        }
    }

    #[test]
    fn of_a_media_message_urls_stay_and_secret_fields_go() {
        let before = r#"{"content":{"data":"see wss://a/b?tok=1","token":"t"},"srt_passphrase":"p","msg_type":18}"#;
        let after = r#"{"content":{"data":"see wss://a/b?tok=1","token":""},"srt_passphrase":"","msg_type":18}"#;
        for (frame, cleaned) in [
            (Frame::text(before.as_bytes()), Frame::text(after.as_bytes())),
            (Frame::binary(before.as_bytes()), Frame::binary(after.as_bytes())),
        ] {
            assert_eq!(frame.without_secret_fields(), cleaned);
        }
        let said = r#"{"content":{"data":"\"token\":\"t\"","user_name":"srt_passphrase"},"msg_type":17}"#;
        assert!(matches!(cleaned(said, Urls::Stay), Cow::Borrowed(text) if text == said));
    }

    #[test]
    fn a_torn_byte_saves_no_secret() {
        let frame =
            Frame::binary(b"{\"reason\":\"\xff\xc3\",\"srt_passphrase\":\"fx-Ob6kP2wZr9-Ls\"}").without_secrets();
        assert_eq!(frame.payload().unwrap().as_ref(), b"{\"reason\":\"\xff\xc3\",\"srt_passphrase\":\"\"}");
        let nothing_to_hide = Frame::binary(&[0x0a, 0x0d, 0xff, 0x1a]);
        assert_eq!(nothing_to_hide.clone().without_secrets(), nothing_to_hide);
    }

    #[test]
    fn what_is_no_json_does_no_harm() {
        for text in ["", "\"", "\\", "\"signature\":\"unfinished", "]]}}\"é\"", "{\"a\\", "\"signature\":\"x\\"] {
            assert_eq!(without_secrets(text), text);
        }
    }

    #[test]
    fn a_stored_webhook_loses_what_nobody_uses_and_nothing_else() {
        let kept = |body: &'static [u8]| without_unused_secrets(&Bytes::from_static(body));
        let same: &[&[u8]] = &[
            br#"{"event":"x","payload":{"signature":"a1","server_urls":"wss://a.zoom.us/x?token=1, wss://b.zoom.us"}}"#,
            br#"{"payload":{"plainToken":"q","password":"p","join_url":"https://zoom.us/j/1?pwd=a , https://b"},"n":1.50}"#,
            b"{\"topic\":\"x\xff\"}",
        ];
        for body in same {
            assert_eq!(&kept(body)[..], *body);
        }
        let secret: &[&[u8]] = &[
            br#"{"server_urls":"wss://a.zoom.us/x?token=1,srt://b:9?passphrase=hush&mode=caller","signature":"a1"}"#,
            br#"{"server_urls":{"wss":"wss://a.zoom.us/x?token=1","srt":"srt:\/\/me:hush@b:9\/x"},"signature":"a1"}"#,
            br#"{"server_urls":["SRT://b?hush","wss://a.zoom.us/x?token=1"],"srtPassphrase":"hush","signature":"a1"}"#,
            b"{\"topic\":\"\xff\",\"srt_passphrase\":[\"hush\"],\"u\":\"wss://a.zoom.us/x?token=1\",\"signature\":\"a1\"}",
        ];
        for body in secret {
            let kept = String::from_utf8_lossy(&kept(body)).into_owned();
            assert!(!kept.contains("hush") && kept.contains("token=1") && kept.contains("\"a1\""), "{kept}");
        }
    }
}
