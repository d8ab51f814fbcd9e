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
/// [`NotBase64`], also for padding that is missing or not canonical, and for bytes in hexadecimal.
pub fn decode(text: &[u8]) -> Result<Vec<u8>, NotBase64> {
    if is_hexadecimal(text) {
        return Err(NotBase64);
    }
    base64_turbo::decode(text).map_err(|_| NotBase64)
}

/// Reads every common form: URL-safe, without padding, in lines, as a `data:` URL, several texts end to end, with spaces for
/// each `+`, and one that is cut off, of which the whole bytes are read.
///
/// # Errors
/// [`NotBase64`] for characters of no alphabet, and for bytes in hexadecimal.
pub fn decode_any_form(text: &str) -> Result<Vec<u8>, NotBase64> {
    let text = match text.trim_ascii_start().strip_prefix("data:") {
        Some(url) => url.split_once(',').ok_or(NotBase64)?.1,
        None => text,
    };
    let text = in_standard_alphabet(text);
    if is_hexadecimal(&text) {
        return Err(NotBase64);
    }
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

/// The text without white space, in the alphabet of [`decode`].
///
/// Who reads base64 as the data of a form makes a space of each `+`. A space inside of a line is one. At the ends of a line
/// it is one only if the text is of whole groups then, and not without.
fn in_standard_alphabet(text: &str) -> Vec<u8> {
    let standard = |byte: u8| match byte {
        b'-' | b' ' => b'+',
        b'_' => b'/',
        other => other,
    };
    let lines = |cut: fn(&str) -> &str| -> Vec<u8> {
        let lines = text.split(['\r', '\n', '\t', '\x0c']).flat_map(|line| cut(line).bytes());
        lines.map(standard).collect()
    };
    let inside = lines(|line| line.trim_matches(' '));
    if inside.len().is_multiple_of(4) {
        return inside;
    }
    let all = lines(|line| line);
    if all.len().is_multiple_of(4) { all } else { inside }
}

/// Whether bytes were written in hexadecimal, which would be read as other bytes.
///
/// It takes `0x`, or so many digits of one case that base64 has them by no chance. Few different ones are no proof: a
/// byte that is repeated may be written as `d3d3`.
fn is_hexadecimal(text: &[u8]) -> bool {
    let (digits, least, least_different) = match text {
        [b'0', b'x' | b'X', digits @ ..] => (digits, 16, 1),
        digits => (digits, 64, 9),
    };
    let mut different = 0_u32;
    let (mut has_lower, mut has_upper) = (false, false);
    for digit in digits {
        let Some(value) = char::from(*digit).to_digit(16) else { return false };
        different |= 1 << value;
        has_lower |= digit.is_ascii_lowercase();
        has_upper |= digit.is_ascii_uppercase();
    }
    digits.len() >= least && different.count_ones() >= least_different && !(has_lower && has_upper)
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
            standard.replace('+', " "),
            bare.replace('+', " "),
            lines.join("\n  "),
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
    fn a_plus_that_became_a_space_is_read_wherever_it_stood() {
        for bytes in [&[0xf8, 1, 2, 3][..], &[1, 2, 0xfe], &[0xfb, 0xef, 1]] {
            let standard = encode(bytes);
            assert!(standard.contains('+'), "{standard}");
            assert_eq!(decode_any_form(&standard.replace('+', " ")).as_deref(), Ok(bytes), "{standard}");
        }
    }

    #[test]
    fn bytes_in_hexadecimal_are_not_read_as_others() {
        let digits: String = (0..48_u32).map(|byte| format!("{:02x}", byte * 37 % 256)).collect();
        for text in [digits.clone(), digits.to_uppercase(), format!("0x{digits}"), format!("0X{}", "00".repeat(9))] {
            assert_eq!(decode(text.as_bytes()), Err(NotBase64), "{text}");
            assert_eq!(decode_any_form(&text), Err(NotBase64), "{text}");
        }
        for bytes in [vec![0x77; 640], vec![0; 640], vec![0xd7, 0x5d, 0x75]] {
            assert_eq!(decode(encode(&bytes).as_bytes()), Ok(bytes));
        }
    }

    #[test]
    fn other_characters_are_not_guessed() {
        for text in ["AQ!D", "AQ\u{fffd}D", "data:nothing", "A\0AA", "!", "AAAA*"] {
            assert_eq!(decode_any_form(text), Err(NotBase64), "{text}");
        }
    }
}
