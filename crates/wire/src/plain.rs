//! Text from outside as people may read it: on one line, and nothing in it that hides, moves or turns its neighbours.

use std::borrow::Cow;

/// Bytes of a text that are kept. A close frame has room for 123, an error for some more.
const MAX_BYTES: usize = 1024;

/// Returns the text with every character escaped that could pass for a line of its own or hide what stands beside it, and cut
/// off at a kilobyte.
pub fn one_line(text: &str) -> Cow<'_, str> {
    if text.len() <= MAX_BYTES && !text.contains(is_unsafe) {
        return Cow::Borrowed(text);
    }
    let mut line = String::new();
    for symbol in text.chars() {
        if line.len() >= MAX_BYTES {
            line.push('…');
            break;
        }
        if is_unsafe(symbol) {
            line.extend(symbol.escape_default());
        } else {
            line.push(symbol);
        }
    }
    Cow::Owned(line)
}

/// Whether a character breaks a line, moves a cursor, turns the direction of text, or is not seen.
pub fn is_unsafe(symbol: char) -> bool {
    symbol.is_control()
        || matches!(
            symbol,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}'
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_a_text_looks_like_another_line_or_hides_one() {
        for (text, shown) in [
            ("bye", "bye"),
            ("grüße \"x\" 🙂", "grüße \"x\" 🙂"),
            ("a\nINFO b\r\u{85}\u{2028}", r"a\nINFO b\r\u{85}\u{2028}"),
            ("\u{1b}[2J\u{9b}1m\0", r"\u{1b}[2J\u{9b}1m\u{0}"),
            ("\u{202e}cba\u{2066}\u{61c}\u{206a}\u{e0041}", r"\u{202e}cba\u{2066}\u{61c}\u{206a}\u{e0041}"),
        ] {
            assert_eq!(one_line(text), shown);
        }
        let long = one_line(&"\u{7}".repeat(100_000)).into_owned();
        assert!(long.len() < MAX_BYTES + 20 && long.ends_with('…'), "{}", long.len());
        assert!(one_line(&"é".repeat(600)).ends_with('…'));
    }
}
