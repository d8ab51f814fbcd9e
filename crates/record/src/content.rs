//! What a payload is by its own bytes, where they leave no doubt: that counts before what was granted.

/// What a message that ought to be a picture, or a part of a video, holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Picture {
    /// It has no bytes.
    Empty,
    /// A stream of H.264 with start codes, from a unit's beginning.
    H264,
    /// A picture in one piece.
    Whole(Format),
    /// A picture whose end is missing.
    CutOff(Format),
    /// Something that is no H.264 and has no format of ours, such as a GIF.
    Foreign,
    /// Bytes that do not say what they are. A part of a sequence may begin with anything.
    Unknown,
}

/// A format of single pictures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    Jpg,
    Png,
}

impl Format {
    /// The extension of a file.
    pub(crate) fn extension(self) -> &'static str {
        match self {
            Self::Jpg => "jpg",
            Self::Png => "png",
        }
    }
}

const PNG: &[u8] = b"\x89PNG\r\n\x1a\n";

/// Looks at the bytes of a picture.
pub(crate) fn picture(bytes: &[u8]) -> Picture {
    let format = match bytes {
        [] => return Picture::Empty,
        [0, 0, 0, 1, header, ..] | [0, 0, 1, header, ..] if is_h264_header(*header) => return Picture::H264,
        [0xff, 0xd8, 0xff] | [0xff, 0xd8, 0xff, 0xc0..=0xfe, ..] => Format::Jpg,
        [0xff, 0xd8, 0xff, ..]
        | [b'G', b'I', b'F', b'8', ..]
        | [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => return Picture::Foreign,
        _ if bytes.starts_with(PNG) => Format::Png,
        _ => return Picture::Unknown,
    };
    let has_end = if format == Format::Jpg { jpeg_has_end(bytes) } else { png_has_end(bytes) };
    if has_end { Picture::Whole(format) } else { Picture::CutOff(format) }
}

/// The container that sound came in, which no bare packet of samples can begin like; the extension of a file.
pub(crate) fn sound_container(bytes: &[u8]) -> Option<&'static str> {
    match bytes {
        [b'O', b'g', b'g', b'S', 0, 0..=7, ..] => Some("ogg"),
        [b'f', b'L', b'a', b'C', 0 | 0x80, ..] => Some("flac"),
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'A', b'V', b'E', ..] => Some("riff"),
        [0x1a, 0x45, 0xdf, 0xa3, ..] if bytes.iter().take(64).collect::<Vec<_>>().windows(4).any(is_webm) => {
            Some("webm")
        }
        _ => None,
    }
}

fn is_webm(bytes: &[&u8]) -> bool {
    bytes.iter().copied().eq(b"webm")
}

/// A unit of H.264: the forbidden bit is 0, and the type one that streams have.
fn is_h264_header(header: u8) -> bool {
    header & 0x80 == 0 && (1..=21).contains(&(header & 0x1f))
}

/// Whether all segments of the picture are there, up to its end.
fn jpeg_has_end(bytes: &[u8]) -> bool {
    let mut at = 2;
    loop {
        // Any number of fill bytes may come before a marker.
        while bytes.get(at) == Some(&0xff) && bytes.get(at + 1) == Some(&0xff) {
            at += 1;
        }
        let (Some(0xff), Some(marker)) = (bytes.get(at), bytes.get(at + 1)) else { return false };
        at += 2;
        match marker {
            0xd9 => return true,
            // Markers without a segment.
            0x01 | 0xd0..=0xd8 => {}
            _ => {
                let length =
                    bytes.get(at..at + 2).map_or(0, |length| usize::from(length[0]) << 8 | usize::from(length[1]));
                if length < 2 || bytes.len() < at + length {
                    return false;
                }
                at += length;
                if *marker == 0xda {
                    // Coded data up to the next marker: 0 and restarts belong to the data.
                    let rest = bytes.get(at..).unwrap_or_default();
                    let ends = |pair: &[u8]| pair[0] == 0xff && !matches!(pair[1], 0 | 0xd0..=0xd7 | 0xff);
                    let Some(length) = rest.windows(2).position(ends) else { return false };
                    at += length;
                }
            }
        }
    }
}

/// The same of a PNG, whose segments are chunks.
fn png_has_end(bytes: &[u8]) -> bool {
    let mut at = PNG.len();
    while let Some(head) = bytes.get(at..at + 8) {
        let length = head.iter().take(4).fold(0_usize, |length, byte| length << 8 | usize::from(*byte));
        // A checksum follows.
        at = at.saturating_add(length).saturating_add(12);
        if bytes.len() < at {
            break;
        }
        if head.ends_with(b"IEND") {
            return true;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    const JPG: &[u8] =
        &[0xff, 0xd8, 0xff, 0xe0, 0, 4, 1, 2, 0xff, 0xff, 0xda, 0, 2, 7, 0xff, 0, 0xff, 0xd3, 9, 0xff, 0xd9];
    const WHOLE_PNG: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\x01IDATxcrc!\0\0\0\0IEND\xaeB`\x82";

    #[test]
    fn a_picture_is_whole_with_its_end_and_cut_off_without() {
        for (whole, format) in [(JPG, Format::Jpg), (WHOLE_PNG, Format::Png)] {
            assert_eq!(picture(whole), Picture::Whole(format));
            assert_eq!(picture(&[whole, &[0, 0, 0xff]].concat()), Picture::Whole(format), "with something behind it");
            for length in 8..whole.len() {
                assert_eq!(picture(&whole[..length]), Picture::CutOff(format), "{length}");
            }
        }
        for length in 3..8 {
            assert_eq!(picture(&JPG[..length]), Picture::CutOff(Format::Jpg));
        }
        // The end of a small picture inside of a segment is not the end of the picture.
        let with_thumbnail = [0xff, 0xd8, 0xff, 0xe1, 0, 6, 0xff, 0xd8, 0xff, 0xd9, 0xff, 0xda, 0, 2, 1];
        assert!(matches!(picture(&with_thumbnail), Picture::CutOff(_)));
    }

    #[test]
    fn other_bytes_are_told_apart() {
        assert_eq!(picture(&[]), Picture::Empty);
        for unit in [&[0, 0, 0, 1, 0x67, 1][..], &[0, 0, 1, 0x65], &[0, 0, 0, 1, 9, 0xf0]] {
            assert_eq!(picture(unit), Picture::H264);
        }
        for unknown in
            [&[0, 0, 0, 1][..], &[0, 0, 1, 0x80], &[0xff, 0xd8, 7], b"GIF", b"RIFF1234WAVE", b"\x89PNG", b"what", &[0]]
        {
            assert_eq!(picture(unknown), Picture::Unknown, "{unknown:?}");
        }
        for foreign in [&[0xff, 0xd8, 0xff, 7][..], b"GIF87a", b"GIF89a..", b"RIFF1234WEBPVP8L"] {
            assert_eq!(picture(foreign), Picture::Foreign, "{foreign:?}");
        }
    }

    #[test]
    fn containers_are_known_by_more_than_chance() {
        assert_eq!(sound_container(b"OggS\0\x02abc"), Some("ogg"));
        assert_eq!(sound_container(b"RIFF1234WAVEfmt "), Some("riff"));
        assert_eq!(sound_container(b"fLaC\0\0\0\x22"), Some("flac"));
        assert_eq!(
            sound_container(b"\x1a\x45\xdf\xa3\x9fB\x86\x81\x01B\xf7\x81\x01B\xf2\x81\x04B\xf3\x81\x08B\x82\x84webm"),
            Some("webm")
        );
        for samples in [&b"OggS"[..], b"OggS\x01", b"RIFF1234AVI ", b"", &[0; 640], b"\x1a\x45\xdf\xa3"] {
            assert_eq!(sound_container(samples), None, "{samples:?}");
        }
    }
}
