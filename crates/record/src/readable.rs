//! Text from outside in files that people read: one line, and nothing that hides it or turns its neighbours round.

/// The text in one line.
///
/// Line breaks and other control characters become spaces: an empty line would end a cue, and a terminal obeys the rest.
/// Controls of direction are left out, as one without an end turns round all that follows. Letters of right-to-left
/// scripts order themselves without them.
pub(crate) fn one_line(text: &str) -> String {
    let breaks = |character: char| character.is_control() || matches!(character, '\u{2028}' | '\u{2029}');
    let words: Vec<_> = text.split(breaks).filter(|part| !part.is_empty()).collect();
    words.join(" ").replace(is_steering, "")
}

/// Whether nothing of a name would be seen.
pub(crate) fn is_blank(name: &str) -> bool {
    name.chars().all(|character| character.is_whitespace() || character.is_control() || is_invisible(character))
}

/// Embeddings, overrides and isolates with their ends, the deprecated formats, and the byte order mark.
fn is_steering(character: char) -> bool {
    matches!(
        character,
        '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}'
    )
}

/// Characters without a shape of their own; joiners and variations have one only beside others.
fn is_invisible(character: char) -> bool {
    is_steering(character)
        || matches!(
            character,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
                | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2060}'..='\u{2064}' | '\u{2800}' | '\u{3164}'
                | '\u{fe00}'..='\u{fe0f}' | '\u{ffa0}' | '\u{e0000}'..='\u{e0fff}'
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_one_line_and_turns_nothing_round() {
        for (text, shown) in [
            ("a\r\n\r\nb", "a b"),
            ("a\u{2028}b\u{2029}c\u{85}d\u{b}e", "a b c d e"),
            ("\u{1b}[31mred\u{7}", "[31mred"),
            ("\u{202e}evil\u{2067}er", "eviler"),
            ("\u{feff}שלום \u{200f}1", "שלום \u{200f}1"),
            ("👩\u{200d}👧 \u{1f3f4}\u{e0067}", "👩\u{200d}👧 \u{1f3f4}\u{e0067}"),
            ("  two  spaces ", "  two  spaces "),
            ("\n\t", ""),
        ] {
            assert_eq!(one_line(text), shown, "{text:?}");
        }
    }

    #[test]
    fn a_name_without_a_visible_character_is_blank() {
        for blank in
            ["", " ", "\n\t", "\u{200b}", "\u{202e}\u{200f}", "\u{3000}\u{a0}", "\u{3164}", "\u{2800}", "\u{feff}\0"]
        {
            assert!(is_blank(blank), "{blank:?}");
        }
        for name in ["a", ".", "\u{202e}x", "🙂", "\u{200b}-", "٣"] {
            assert!(!is_blank(name), "{name:?}");
        }
    }
}
