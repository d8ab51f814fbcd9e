//! What may come of version 2 of the protocol to a client of version 1: each is a switch of [`Temper`], off unless it
//! is asked for. Numbers and names that no document has are ours.

use std::borrow::Cow;

use bytes::Bytes;
use rtms_wire::{
    codes::product::Product,
    media::medium::{MediaTypes, Medium},
    message::{Message, event_update::EventBody},
};
use serde_json::json;

use crate::{
    connection::ConnectionId,
    fault::{EventCode, OrMask},
    zoom::{machine::Zoom, output::Output},
};

/// Bytes that begin like a Protobuf message, with a field of text.
pub(super) const PROTOBUF: &[u8] =
    &[0x0a, 0x07, 0x73, 0x74, 0x72, 0x61, 0x79, 0x2d, 0x31, 0x10, 0x9a, 0x05, 0x1a, 0x02, 0xff, 0x7b];

/// The code of an event is its number beyond this, so that no table of numbers has it.
const CODES_FROM: i64 = 900_000;

impl Zoom {
    /// Whether a `media_type` of several media is refused.
    pub(super) fn refuses_mask(&self, asked: MediaTypes) -> bool {
        let refuses = match self.config.temper.or_mask {
            OrMask::ByProduct => self.config.product == Product::Phone,
            OrMask::Accepted => false,
            OrMask::Refused => true,
        };
        refuses && asked.is_valid() && !asked.is_single_or_all()
    }

    /// Whether what a connection carries is noise.
    pub(super) fn encrypts_any_of(&self, carries: MediaTypes) -> bool {
        self.config.temper.encrypted_unasked.iter().any(|medium| carries.contains(*medium))
    }

    /// A frame that is no JSON, if such frames come.
    pub(super) fn send_stray_frame(&mut self, connection: ConnectionId) {
        if self.config.temper.stray_binary && !self.connections.is_void(connection) {
            self.put(connection, Output::SendBinary { connection, payload: Bytes::from_static(PROTOBUF) }, None);
        }
    }

    /// A message with what the switches add to it.
    pub(super) fn as_version_2_has_it<'a>(&self, message: &'a Message) -> Cow<'a, Message> {
        let temper = &self.config.temper;
        let changes = temper.answers_version_2
            || temper.extra_fields
            || temper.event_code != EventCode::Off
            || !temper.srt_url.is_empty()
            || !temper.encrypted_unasked.is_empty();
        if !changes {
            return Cow::Borrowed(message);
        }
        let mut message = message.clone();
        if let Message::SignalingHandShakeResp(welcome) = &mut message {
            if temper.answers_version_2 {
                welcome.protocol_version = Some(2);
            }
            if let Some(server) = &mut welcome.media_server {
                for medium in &temper.srt_url {
                    if let Some(url) = server.server_urls.0.get_mut(medium.as_str()) {
                        *url = format!("srt://rtms-sim.zoom.us:9000?streamid={medium}&passphrase=sim-not-a-passphrase");
                    }
                }
                if temper.extra_fields {
                    server.extra.insert("srt_passphrase".into(), json!("sim-not-a-passphrase"));
                    server.extra.insert("srt_pbkey_length".into(), json!(16));
                }
            }
        } else if let Message::DataHandShakeResp(welcome) = &mut message {
            if temper.answers_version_2 {
                welcome.protocol_version = Some(2);
            }
        } else if let Message::EventUpdate(update) = &mut message {
            self.change_event(&mut update.event);
        } else if let Message::MediaDataAudio(data) | Message::MediaDataVideo(data) | Message::MediaDataShare(data) =
            &mut message
        {
            if temper.extra_fields {
                data.extra.insert("sim_level".into(), json!({"db": -3}));
            }
        } else if let Message::MediaDataTranscript(line) = &mut message
            && temper.extra_fields
        {
            line.extra.insert("sim_confidence".into(), json!(0.75));
        }
        self.encrypt(&mut message);
        Cow::Owned(message)
    }

    fn change_event(&self, event: &mut EventBody) {
        let temper = &self.config.temper;
        if let Some(number) = event.event_type.filter(|_| temper.event_code != EventCode::Off) {
            event.event_code = Some(json!(CODES_FROM + number));
            if temper.event_code == EventCode::CodeOnly {
                event.event_type = None;
            }
        }
        if temper.extra_fields {
            for person in &mut event.participants {
                person.extra.insert("sim_role".into(), json!("guest"));
            }
            event.extra.insert("sim_place".into(), json!(["somewhere"]));
        }
    }

    /// Makes noise of the payload of a medium that is encrypted.
    fn encrypt(&self, message: &mut Message) {
        let is_encrypted = |medium: Medium| self.config.temper.encrypted_unasked.contains(&medium);
        let noise = |bytes: &[u8]| -> Vec<u8> {
            let mut state = 0x9e37_79b9_u32 ^ u32::try_from(bytes.len()).unwrap_or(0);
            let mut next = || {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                state.to_be_bytes()[0]
            };
            bytes.iter().map(|byte| byte ^ next()).collect()
        };
        if let Message::MediaDataAudio(data) = message
            && is_encrypted(Medium::Audio)
        {
            data.data = noise(&data.data).into();
        } else if let Message::MediaDataVideo(data) = message
            && is_encrypted(Medium::Video)
        {
            data.data = noise(&data.data).into();
        } else if let Message::MediaDataShare(data) = message
            && is_encrypted(Medium::Deskshare)
        {
            data.data = noise(&data.data).into();
        } else if let Message::MediaDataTranscript(line) = message
            && is_encrypted(Medium::Transcript)
        {
            line.data = rtms_wire::base64::encode(&noise(line.data.as_bytes()));
        } else if let Message::MediaDataChat(line) = message
            && is_encrypted(Medium::Chat)
        {
            line.data = rtms_wire::base64::encode(&noise(line.data.to_string().as_bytes())).into();
        }
    }
}
