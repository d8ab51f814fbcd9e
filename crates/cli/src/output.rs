//! Standard output, for what a command is asked to print, and how times and text from outside look there. A reader that
//! is gone is no error.

use std::{
    io::{self, Write},
    time::{Duration, SystemTime},
};

use crate::logging;

/// Characters of a reason that are shown in a table; `--json` has all of it.
pub(crate) const REASON_CHARS: usize = 160;

/// Characters of an id that are shown in a list: no real one has more.
pub(crate) const ID_CHARS: usize = 64;

/// How long standard output waits for what was printed on standard error before.
const NOTES_FIRST: Duration = Duration::from_millis(100);

/// Prints text as it is, behind what was printed on standard error.
pub(crate) fn print(text: &str) -> io::Result<()> {
    print_bytes(text.as_bytes())
}

/// Prints bytes as they are, behind what was printed on standard error.
pub(crate) fn print_bytes(bytes: &[u8]) -> io::Result<()> {
    // On a terminal both are read as one.
    logging::flush_within(NOTES_FIRST);
    print_to_reader(bytes).map(|_| ())
}

/// Prints bytes as they are, on a thread of its own: a command that listens to signals must not wait for a reader itself.
pub(crate) async fn print_apart(bytes: Vec<u8>) -> io::Result<()> {
    tokio::task::spawn_blocking(move || print_bytes(&bytes)).await.map_err(io::Error::other)?
}

/// Prints bytes as they are. Whether there is still somebody who reads them.
pub(crate) fn print_to_reader(bytes: &[u8]) -> io::Result<bool> {
    let mut out = io::stdout().lock();
    match out.write_all(bytes).and_then(|()| out.flush()) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(false),
        Err(error) => Err(error),
    }
}

/// The longest line of a paragraph: what most terminals show.
const LINE_CHARS: usize = 100;

/// Text in lines that fit a terminal, behind a heading; further lines are indented as far as the first.
pub(crate) fn paragraph(heading: &str, text: &str) -> String {
    let indent = heading.chars().count();
    let (mut lines, mut line, mut length) = (String::new(), heading.to_owned(), indent);
    let mut is_begun = false;
    for word in text.split_whitespace() {
        let more = word.chars().count() + usize::from(is_begun);
        if is_begun && length + more > LINE_CHARS {
            lines.push_str(&line);
            lines.push('\n');
            (line, length, is_begun) = (" ".repeat(indent), indent, false);
        }
        if is_begun {
            line.push(' ');
            length += 1;
        }
        line.push_str(word);
        length += word.chars().count();
        is_begun = true;
    }
    lines.push_str(line.trim_end());
    lines.push('\n');
    lines
}

/// The time for people; what no calendar has stays a number.
pub(crate) fn time(unix_millis: u64) -> String {
    const YEAR_10000: u64 = 253_402_300_800_000;
    if unix_millis >= YEAR_10000 {
        return unix_millis.to_string();
    }
    let text = humantime::format_rfc3339_millis(SystemTime::UNIX_EPOCH + Duration::from_millis(unix_millis));
    text.to_string().replace('T', " ").trim_end_matches('Z').to_owned()
}

/// Text from outside in one line, whole: what could move the cursor, turn the writing round or hide is escaped.
pub(crate) fn one_line(text: &str) -> String {
    shown(text, usize::MAX)
}

/// The same, and the end is cut off when there are more characters than this.
pub(crate) fn shown(text: &str, max_chars: usize) -> String {
    let mut shown = String::new();
    let mut left = max_chars;
    for (place, character) in text.chars().enumerate() {
        let escaped = escaped(character, place == 0);
        let length = escaped.chars().count();
        if length > left {
            shown.push('…');
            break;
        }
        left -= length;
        shown.push_str(&escaped);
    }
    shown
}

fn escaped(character: char, is_first: bool) -> String {
    if matches!(character, '\'' | '"') {
        character.into()
    } else if is_first {
        character.escape_debug().collect()
    } else {
        // A mark belongs to the letter before it; without one it would sit on something of ours.
        ['x', character].iter().collect::<String>().escape_debug().skip(1).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_from_outside_moves_the_cursor_turns_the_writing_round_or_fills_the_screen() {
        assert_eq!(shown("a/b+c==", 48), "a/b+c==");
        assert_eq!(shown("Käthe \"K\" O'Neill 會議", 48), "Käthe \"K\" O'Neill 會議");
        assert_eq!(shown("\u{1b}[2J\r\n\t\0", 48), "\\u{1b}[2J\\r\\n\\t\\0");
        assert_eq!(
            shown("\u{9b}2J\u{202e}\u{200b}\u{2028}\u{feff}", 99),
            "\\u{9b}2J\\u{202e}\\u{200b}\\u{2028}\\u{feff}"
        );
        assert_eq!(one_line("अनन्या शर्मा"), "अनन्या शर्मा");
        assert_eq!(one_line("\u{94d}a\u{200d}\u{200c}"), "\\u{94d}a\\u{200d}\\u{200c}");
        assert_eq!(one_line("\u{1b}[2J\u{202e} \"K\""), "\\u{1b}[2J\\u{202e} \"K\"");
        assert_eq!(shown("\\n", 48), "\\\\n", "an escape that came so is told from one of ours");
        assert_eq!(shown(&"x".repeat(49), 48), format!("{}…", "x".repeat(48)));
        assert_eq!(shown(&"\u{1b}".repeat(49), 48).chars().count(), 49, "escapes count as long as they are");
    }

    #[test]
    fn times_are_utc() {
        assert_eq!(time(1_795_428_000_412), "2026-11-23 10:00:00.412");
        assert_eq!(time(u64::MAX), "18446744073709551615");
    }

    #[test]
    fn a_paragraph_breaks_between_words_and_keeps_its_indent() {
        let text = paragraph("  To do:  ", &"word ".repeat(30));

        assert!(text.lines().count() > 1 && text.lines().all(|line| line.chars().count() <= LINE_CHARS), "{text}");
        assert!(
            text.starts_with("  To do:  word word")
                && text.lines().nth(1).is_some_and(|line| line.starts_with("          word"))
        );
        assert_eq!(paragraph("  ", &"x".repeat(200)).lines().count(), 1, "a long word stays whole");
        assert_eq!(paragraph("a: ", ""), "a:\n");
    }
}
