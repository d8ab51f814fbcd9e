//! Frames as they come from the other side: text is handed on as if it were binary.
//!
//! The WebSocket library ends a connection over one byte of a text frame that is no UTF-8, and cannot be asked not to. A torn
//! byte in a name is no reason to lose a stream, and binary frames are not looked into. So the kind of a frame is changed
//! before the library sees it, and kept for who asks.

use std::{
    collections::VecDeque,
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

const TEXT: u8 = 1;
const BINARY: u8 = 2;
/// The bits of a frame's first byte that say what it is.
const OPCODE: u8 = 0x0f;

/// The bit of a frame's second byte by which a mask of four bytes comes before the payload.
const MASKED: u8 = 0x80;
const MASK_BYTES: u64 = 4;

/// What ends the answer to the upgrade; frames begin behind it.
const HEAD_END: &[u8; 4] = b"\r\n\r\n";

/// A connection on which an upgrade is answered first, and then frames come.
pub(crate) struct Frames<S> {
    inner: S,
    reader: Reader,
}

impl<S> Frames<S> {
    pub(crate) fn new(inner: S) -> Self {
        Self { inner, reader: Reader { at: At::Head { matched: 0 }, kinds: VecDeque::new() } }
    }

    /// Whether the message that comes next was text. To be asked once for each.
    pub(crate) fn was_text(&mut self) -> bool {
        self.reader.kinds.pop_front().unwrap_or_default()
    }
}

struct Reader {
    at: At,
    /// Of the messages that have begun and were not asked for: whether they are text.
    kinds: VecDeque<bool>,
}

/// What the next byte is.
#[derive(Clone, Copy)]
enum At {
    /// Of the answer to the upgrade, whose end has come so far.
    Head { matched: usize },
    /// The first of a frame.
    Opcode,
    /// The second.
    Length,
    /// Of a length of several bytes.
    LongLength { missing: u8, length: u64, mask: u64 },
    /// Of the mask or the payload, with the number of bytes still missing.
    Payload { missing: u64 },
}

impl Reader {
    fn pass(&mut self, mut bytes: &mut [u8]) {
        while let Some((byte, rest)) = bytes.split_first_mut() {
            self.at = match self.at {
                At::Payload { missing: 0 } | At::Opcode => {
                    if matches!(*byte & OPCODE, TEXT | BINARY) {
                        self.kinds.push_back(*byte & OPCODE == TEXT);
                        *byte = (*byte & !OPCODE) | BINARY;
                    }
                    At::Length
                }
                At::Payload { missing } => {
                    // This byte, and what else of it is here.
                    let more = usize::try_from(missing - 1).unwrap_or(usize::MAX).min(rest.len());
                    self.at = At::Payload { missing: missing - 1 - more as u64 };
                    bytes = rest.split_at_mut(more).1;
                    continue;
                }
                At::Head { matched } if HEAD_END.get(matched) == Some(byte) => {
                    if matched + 1 == HEAD_END.len() {
                        At::Opcode
                    } else {
                        At::Head { matched: matched + 1 }
                    }
                }
                At::Head { .. } => At::Head { matched: usize::from(*byte == b'\r') },
                At::Length => {
                    let mask = if *byte & MASKED == 0 { 0 } else { MASK_BYTES };
                    match *byte & !MASKED {
                        126 => At::LongLength { missing: 2, length: 0, mask },
                        127 => At::LongLength { missing: 8, length: 0, mask },
                        length => At::Payload { missing: u64::from(length) + mask },
                    }
                }
                At::LongLength { missing, length, mask } => {
                    let length = (length << 8) | u64::from(*byte);
                    if missing == 1 {
                        At::Payload { missing: length.saturating_add(mask) }
                    } else {
                        At::LongLength { missing: missing - 1, length, mask }
                    }
                }
            };
            bytes = rest;
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Frames<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buffer.filled().len();
        ready!(Pin::new(&mut this.inner).poll_read(cx, buffer))?;
        this.reader.pass(buffer.filled_mut().split_at_mut(before).1);
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Frames<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().inner).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().inner).poll_write_vectored(cx, parts)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().inner).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().inner).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A frame of this first byte, without a mask.
    fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
        let length = match u8::try_from(payload.len()) {
            Ok(short @ ..=125) => vec![short],
            _ => match u16::try_from(payload.len()) {
                Ok(longer) => [&[126], &longer.to_be_bytes()[..]].concat(),
                Err(_) => [&[127], &(payload.len() as u64).to_be_bytes()[..]].concat(),
            },
        };
        [&[first], &length[..], payload].concat()
    }

    #[test]
    fn text_becomes_binary_and_nothing_else_changes_however_the_bytes_are_cut() {
        // Payloads look like frames of text and like the end of the upgrade's answer.
        let long = [0x81_u8, 0x01].repeat(40_000);
        let masked = [0x81, 0x80 | 2, 0x81, 0x81, 0x81, 0x81, 0x81, 0x01];
        let unmasked = [0x82, 0x80 | 2, 0x81, 0x81, 0x81, 0x81, 0x81, 0x01];
        let frames = |text: u8| {
            let parts = [
                b"HTTP/1.1 101 \x81\r\nx: \x81\r\r\n\r\n".to_vec(),
                frame(0x80 | text, b"\x81\xff"),
                frame(0x82, b"\r\n\r\n\x81"),
                frame(0x80 | text, b""),
                frame(text, &long[..126]),
                frame(0x89, b"\x81"),
                frame(0x00, &long[..300]),
                frame(0x80, &long),
                if text == TEXT { masked.to_vec() } else { unmasked.to_vec() },
                frame(0x80 | text, &long),
                frame(0x88, &1000_u16.to_be_bytes()),
            ];
            parts.concat()
        };
        for cut in [1, 2, 3, 7, 125, 4096, usize::MAX] {
            let mut bytes = frames(TEXT);
            let mut connection = Frames::new(());
            for piece in bytes.chunks_mut(cut) {
                connection.reader.pass(piece);
            }

            assert!(bytes == frames(BINARY), "cut every {cut} bytes");
            assert_eq!(connection.reader.kinds, [true, false, true, true, true, true], "cut every {cut} bytes");
        }
    }
}
