//! Base64 of the standard alphabet with padding, as all of Zoom's payloads are, and the forms that others send for it. The
//! one place that names the library.

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

/// Reads every common form: URL-safe, without padding, with white space, as a `data:` URL, several texts end to end, and one
/// that is cut off, of which the whole bytes are read.
///
/// # Errors
/// [`NotBase64`] for characters of no alphabet.
pub fn decode_any_form(text: &str) -> Result<Vec<u8>, NotBase64> {
    let text = match text.trim_ascii_start().strip_prefix("data:") {
        Some(url) => url.split_once(',').ok_or(NotBase64)?.1,
        None => text,
    };
    let standard = |byte: u8| match byte {
        b'-' => b'+',
        b'_' => b'/',
        other => other,
    };
    let text: Vec<u8> = text.bytes().filter(|byte| !byte.is_ascii_whitespace()).map(standard).collect();
    let mut bytes = Vec::new();
    for part in text.split(|byte| *byte == b'=') {
        // The first bits of a byte whose others are missing.
        let whole = if part.len() % 4 == 1 { part.len() - 1 } else { part.len() };
        let (groups, rest) = part.get(..whole).unwrap_or_default().as_chunks::<4>();
        bytes.extend(decode(groups.as_flattened())?);
        if let [first, second, others @ ..] = rest {
            // Bits behind the last byte are of no meaning; as a group of four they need not be zero.
            let group = [*first, *second, others.first().copied().unwrap_or(b'A'), b'A'];
            bytes.extend(decode(&group)?.get(..rest.len() - 1).unwrap_or_default());
        }
        if part.iter().any(|byte| !byte.is_ascii_alphanumeric() && !b"+/".contains(byte)) {
            return Err(NotBase64);
        }
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_form_of_the_same_bytes_reads_as_them() {
        let bytes: Vec<u8> = (0..=255).rev().chain([251, 255]).collect();
        let standard = encode(&bytes);
        let bare = standard.trim_end_matches('=').to_owned();
        let lines: Vec<_> = standard.as_bytes().chunks(76).map(|line| String::from_utf8_lossy(line)).collect();
        for form in [
            standard.clone(),
            standard.replace('+', "-").replace('/', "_"),
            bare.clone(),
            bare.replace('/', "_"),
            lines.join("\r\n"),
            format!(" {standard}\n"),
            format!("data:application/octet-stream;base64,{standard}"),
            format!("{}{}", encode(&bytes[..100]), encode(&bytes[100..])),
            format!("{bare}="),
        ] {
            assert_eq!(decode_any_form(&form).as_ref(), Ok(&bytes), "{form}");
        }
    }

    #[test]
    fn a_text_that_is_cut_off_gives_its_whole_bytes() {
        for (text, bytes) in
            [("AQIDB", &[1, 2, 3][..]), ("AQID", &[1, 2, 3]), ("AQI", &[1, 2]), ("AR", &[1]), ("A", &[]), ("", &[])]
        {
            assert_eq!(decode_any_form(text).as_deref(), Ok(bytes), "{text}");
        }
    }

    #[test]
    fn other_characters_are_not_guessed() {
        for text in ["AQ!D", "AQ\u{fffd}D", "data:nothing", "A\0AA", "!", "AAAA*"] {
            assert_eq!(decode_any_form(text), Err(NotBase64), "{text}");
        }
    }
}
