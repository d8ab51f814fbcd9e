//! WebSocket frames by hand: a server's are plain bytes, the same for everybody, so they are made once and sent to
//! thousands.

use bytes::{Buf, Bytes, BytesMut};

const TEXT: u8 = 1;
const BINARY: u8 = 2;
const CLOSE: u8 = 8;
const PING: u8 = 9;
const PONG: u8 = 10;

/// Bytes of one message from a client; the longest rightful one is about a kilobyte.
const MAX_PAYLOAD: usize = 64 << 10;

/// What a client says.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Said {
    /// A text or binary message.
    Message(Bytes),
    /// A ping, to be answered with the same bytes.
    Ping(Bytes),
    /// It closes the connection.
    Close,
    /// A pong, which is of no interest.
    Pong,
}

/// Bytes that are no frame of a client, or one in pieces, which no client of this protocol has a reason for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Malformed;

/// A message in one text frame.
pub(crate) fn text(payload: &str) -> Bytes {
    frame(TEXT, payload.as_bytes())
}

/// The answer to a ping.
pub(crate) fn pong(payload: &[u8]) -> Bytes {
    frame(PONG, payload)
}

/// A close frame with 1000.
pub(crate) fn close() -> Bytes {
    frame(CLOSE, &1000u16.to_be_bytes())
}

fn frame(opcode: u8, payload: &[u8]) -> Bytes {
    let mut frame = Vec::with_capacity(payload.len() + 10);
    frame.push(0x80 | opcode);
    match (u8::try_from(payload.len()), u16::try_from(payload.len())) {
        (Ok(length @ ..=125), _) => frame.push(length),
        (_, Ok(length)) => {
            frame.push(126);
            frame.extend(length.to_be_bytes());
        }
        (_, Err(_)) => {
            frame.push(127);
            frame.extend((payload.len() as u64).to_be_bytes());
        }
    }
    frame.extend_from_slice(payload);
    frame.into()
}

/// Takes one whole frame of a client out of the buffer; none if its end has not come yet.
pub(crate) fn take(buffer: &mut BytesMut) -> Result<Option<Said>, Malformed> {
    let mut head = &buffer[..];
    let (Ok(first), Ok(second)) = (head.try_get_u8(), head.try_get_u8()) else { return Ok(None) };
    // Final, no extension; masked, as everything from a client is.
    if first & 0xf0 != 0x80 || second & 0x80 == 0 {
        return Err(Malformed);
    }
    let length = match second & 0x7f {
        126 => head.try_get_u16().ok().map(usize::from),
        127 => return Err(Malformed),
        length => Some(usize::from(length)),
    };
    let (Some(length), Ok(mask)) = (length, head.try_get_u32()) else { return Ok(None) };
    if length > MAX_PAYLOAD {
        return Err(Malformed);
    }
    let header = buffer.len() - head.len();
    if buffer.len() < header + length {
        return Ok(None);
    }
    buffer.advance(header);
    let mut payload = buffer.split_to(length);
    for (byte, mask) in payload.iter_mut().zip(mask.to_be_bytes().into_iter().cycle()) {
        *byte ^= mask;
    }
    let payload = payload.freeze();
    match first & 0x0f {
        TEXT | BINARY => Ok(Some(Said::Message(payload))),
        CLOSE => Ok(Some(Said::Close)),
        PING => Ok(Some(Said::Ping(payload))),
        PONG => Ok(Some(Said::Pong)),
        _ => Err(Malformed),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_has_the_length_of_its_payload_in_the_shortest_form() {
        assert_eq!(&text("hi")[..], b"\x81\x02hi");
        assert_eq!(&text(&"x".repeat(300))[..4], b"\x81\x7e\x01\x2c");
        assert_eq!(&text(&"x".repeat(70_000))[..10], b"\x81\x7f\0\0\0\0\0\x01\x11\x70");
        assert_eq!(&close()[..], b"\x88\x02\x03\xe8");
    }

    #[test]
    fn what_a_client_says_is_unmasked_and_taken_when_it_is_whole() {
        // "Hello", as in RFC 6455.
        let whole = [0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58];
        for cut in 0..whole.len() {
            let mut buffer = BytesMut::from(&whole[..cut]);
            assert_eq!(take(&mut buffer), Ok(None));
            assert_eq!(buffer.len(), cut);
        }
        let mut buffer = BytesMut::from(&[&whole[..], b"\x89\x80\0\0\0\0"].concat()[..]);
        assert_eq!(take(&mut buffer), Ok(Some(Said::Message(Bytes::from_static(b"Hello")))));
        assert_eq!(take(&mut buffer), Ok(Some(Said::Ping(Bytes::new()))));
        assert_eq!(take(&mut buffer), Ok(None));
    }

    #[test]
    fn what_is_not_masked_or_in_pieces_or_far_too_long_is_refused() {
        for bytes in [&b"\x81\x02hi"[..], b"\x01\x80\0\0\0\0", b"\x81\xff\0\0\0\0\0\0\0\0", b"\x83\x80\0\0\0\0"] {
            assert_eq!(take(&mut BytesMut::from(bytes)), Err(Malformed));
        }
    }
}
