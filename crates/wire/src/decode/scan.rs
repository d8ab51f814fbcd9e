//! The short way for media data: one pass forward over the bytes, no JSON tree, base64 decoded in place.
//!
//! It knows the documented form in any order of keys and with any white space. Whatever else it meets (an escape, an
//! unknown or doubled key, a nested value, a float) it leaves to the general path, which decides what it means.

use memchr::memchr2;
use smol_str::SmolStr;

use crate::{
    codes::message_type::MessageType,
    error::DecodeError,
    ids::{ChannelId, UserId},
    message::{
        Message,
        media_data::{MediaData, payload},
    },
    time::UnixMillis,
};

/// Reads messages 14, 15 and 16 in their documented form; none means that the general path has to look.
pub(super) fn media_data(bytes: &[u8]) -> Option<Result<Message, DecodeError>> {
    let mut at = Cursor { bytes, at: 0 };
    let mut msg_type = None;
    let mut content = None;
    at.object(|at, key| match key {
        b"msg_type" if msg_type.is_none() => {
            let code = at.number()?;
            // Everything but media is short and rare: no need to look further.
            msg_type = (14..=16).contains(&code).then_some(code);
            msg_type.map(drop)
        }
        b"content" if content.is_none() => {
            content = Some(at.content()?);
            Some(())
        }
        _ => None,
    })?;
    at.end()?;

    let (content, code) = (content?, msg_type?);
    let msg_type = MessageType::from_code(i64::try_from(code).ok()?);
    let timestamp = UnixMillis(content.timestamp?);
    if !timestamp.is_plausible() {
        return None;
    }
    let data = match payload(content.data?, content.length, msg_type) {
        Ok(data) => data,
        Err(error) => return Some(Err(error)),
    };
    let media = MediaData {
        user_id: content.user_id,
        user_name: content.user_name,
        channel_id: content.channel_id,
        data,
        timestamp,
        attribute: None,
        extra: Default::default(),
    };
    Some(Ok(match code {
        14 => Message::MediaDataAudio(media),
        15 => Message::MediaDataVideo(media),
        _ => Message::MediaDataShare(media),
    }))
}

#[derive(Default)]
struct Content<'a> {
    user_id: Option<UserId>,
    user_name: Option<SmolStr>,
    channel_id: Option<ChannelId>,
    data: Option<&'a [u8]>,
    length: Option<u64>,
    timestamp: Option<u64>,
}

struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    fn content(&mut self) -> Option<Content<'a>> {
        let mut content = Content::default();
        self.object(|at, key| {
            match key {
                b"user_id" if content.user_id.is_none() => content.user_id = Some(UserId::from(at.number()?)),
                b"user_name" if content.user_name.is_none() => content.user_name = Some(SmolStr::new(at.text()?)),
                b"channel_id" if content.channel_id.is_none() => content.channel_id = Some(ChannelId::new(at.text()?)),
                b"data" if content.data.is_none() => content.data = Some(at.string()?),
                b"length" if content.length.is_none() => content.length = Some(at.number()?),
                b"timestamp" if content.timestamp.is_none() => content.timestamp = Some(at.number()?),
                _ => return None,
            }
            Some(())
        })?;
        Some(content)
    }

    /// Walks over the members of an object, `member` taking each value.
    fn object(&mut self, mut member: impl FnMut(&mut Self, &'a [u8]) -> Option<()>) -> Option<()> {
        self.punctuation(b'{')?;
        loop {
            self.white_space();
            let key = self.string()?;
            self.punctuation(b':')?;
            self.white_space();
            member(self, key)?;
            self.white_space();
            match self.next()? {
                b',' => {}
                b'}' => return Some(()),
                _ => return None,
            }
        }
    }

    /// The inside of a string without escapes, its bytes unchecked.
    fn string(&mut self) -> Option<&'a [u8]> {
        if self.next()? != b'"' {
            return None;
        }
        let rest = self.bytes.get(self.at..)?;
        let length = memchr2(b'"', b'\\', rest)?;
        if rest.get(length) != Some(&b'"') {
            return None;
        }
        self.at += length + 1;
        rest.get(..length)
    }

    /// A string that is valid JSON text.
    fn text(&mut self) -> Option<&'a str> {
        let bytes = self.string()?;
        if bytes.iter().any(|byte| *byte < 0x20) {
            return None;
        }
        std::str::from_utf8(bytes).ok()
    }

    fn number(&mut self) -> Option<u64> {
        let rest = self.bytes.get(self.at..)?;
        let length = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let digits = rest.get(..length)?;
        if length == 0 || length > 19 || (length > 1 && digits.first() == Some(&b'0')) {
            return None;
        }
        self.at += length;
        Some(digits.iter().fold(0, |number, digit| number * 10 + u64::from(digit - b'0')))
    }

    fn punctuation(&mut self, wanted: u8) -> Option<()> {
        self.white_space();
        (self.next()? == wanted).then_some(())
    }

    fn end(&mut self) -> Option<()> {
        self.white_space();
        (self.at == self.bytes.len()).then_some(())
    }

    fn white_space(&mut self) {
        while matches!(self.bytes.get(self.at), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn next(&mut self) -> Option<u8> {
        let byte = self.bytes.get(self.at).copied();
        self.at += usize::from(byte.is_some());
        byte
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use crate::decode::general;

    use super::*;

    proptest! {
        #[test]
        fn the_short_way_and_the_general_way_agree(
            msg_type in 13_u64..18,
            user_id in prop_oneof![any::<u64>().prop_map(|it| it.to_string()), Just("\"17\"".into()), Just("-1".into())],
            name in "\\PC{0,12}",
            data in proptest::collection::vec(any::<u8>(), 0..200),
            length in prop_oneof![Just(None), any::<u16>().prop_map(Some)],
            timestamp in any::<u64>(),
            space in "[ \t\n]{0,3}",
            cut in any::<bool>(),
        ) {
            let name = serde_json::to_string(&name).unwrap();
            let length = length.map_or(String::new(), |it| format!("\"length\":{it},"));
            let data = base64_turbo::encode(&data);
            let mut text = format!(
                "{{{space}\"content\"{space}:{{{length}\"data\":\"{data}\",\"user_id\":{user_id},{space}\"user_name\":{name},\
                 \"timestamp\":{timestamp}{space}}},\"msg_type\":{msg_type}{space}}}"
            );
            if cut {
                text.pop();
            }

            if let Some(short) = media_data(text.as_bytes()) {
                let general = general::decode(text.as_bytes());
                prop_assert_eq!(format!("{short:?}"), format!("{general:?}"));
            }
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = Message::decode(&bytes);
        }

        #[test]
        fn base64_is_read_as_the_reference_reads_it(text in "[A-Za-z0-9+/=_ -]{0,64}") {
            use base64::Engine;
            let reference = base64::engine::general_purpose::STANDARD.decode(&text);
            let ours = payload(text.as_bytes(), None, MessageType::MediaDataAudio);
            prop_assert_eq!(ours.ok().map(|it| it.to_vec()), reference.ok());
        }
    }

    #[test]
    fn the_documented_form_takes_the_short_way() {
        let text = br#"{"msg_type":14,"content":{"user_id":16785408,"user_name":"Ines Okafor","data":"AAAA","length":3,"timestamp":1795420800040}}"#;

        assert!(matches!(media_data(text), Some(Ok(Message::MediaDataAudio(_)))));
    }
}
