//! Bodies on standard input, one after another, each as soon as it is there: whoever writes them may have more to say later,
//! as `rtms simulate --print-webhook` has a meeting to play before it closes its output.

use std::io::{self, BufRead, Read};

use serde::{Deserialize, de::IgnoredAny};

/// The next body: the bytes up to the end of the line on which a JSON value is complete, without that line's end. Bytes that
/// do not become one are a body up to the end of the input, as they stand. None at the end.
///
/// # Errors
/// If the input cannot be read.
pub(super) fn next_body(input: &mut impl BufRead) -> io::Result<Option<Vec<u8>>> {
    let mut body = Vec::new();
    let value = {
        let mut source = serde_json::Deserializer::from_reader(Copied { input: &mut *input, copy: &mut body });
        IgnoredAny::deserialize(&mut source)
    };
    match value {
        Err(error) if error.is_io() => return Err(error.into()),
        // Behind a number comes a byte that ended it, which may be the end of the line already.
        Ok(_) if body.ends_with(b"\n") => {}
        Ok(_) => {
            let end_of_value = body.len();
            input.read_until(b'\n', &mut body)?;
            if body.get(end_of_value..).is_some_and(|rest| !rest.trim_ascii().is_empty()) {
                return as_it_stands(input, body).map(Some);
            }
        }
        // Empty lines at most, and then nothing.
        Err(error) if error.is_eof() && body.trim_ascii().is_empty() => return Ok(None),
        Err(_) => return as_it_stands(input, body).map(Some),
    }
    if body.ends_with(b"\n") {
        body.pop();
        if body.ends_with(b"\r") {
            body.pop();
        }
    }
    // Empty lines between two bodies belong to neither.
    let empty = body.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
    body.drain(..empty);
    Ok(Some(body))
}

fn as_it_stands(input: &mut impl BufRead, mut body: Vec<u8>) -> io::Result<Vec<u8>> {
    input.read_to_end(&mut body)?;
    Ok(body)
}

/// Keeps a copy of what is read. The reader of JSON takes a byte at a time and none behind the end of its value, but for the
/// one that ends a number.
struct Copied<'a, R> {
    input: &'a mut R,
    copy: &'a mut Vec<u8>,
}

impl<R: Read> Read for Copied<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.input.read(buffer)?;
        self.copy.extend(buffer.iter().take(length));
        Ok(length)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "in a test, a panic is the answer")]
mod tests {
    use super::*;

    /// All bodies of an input.
    fn bodies(mut input: &[u8]) -> Vec<Vec<u8>> {
        std::iter::from_fn(|| next_body(&mut input).unwrap()).collect()
    }

    #[test]
    fn a_line_is_a_body_without_its_end() {
        assert_eq!(bodies(b"{\"a\": 1 } \n{\"b\":2}\r\n\n\r\n[3]"), [&b"{\"a\": 1 } "[..], b"{\"b\":2}", b"[3]"]);
        assert_eq!(bodies(b" 1\n23\n\"x\"\ntrue\n"), [&b" 1"[..], b"23", b"\"x\"", b"true"]);
        assert!(bodies(b"").is_empty() && bodies(b"\n \r\n").is_empty());
    }

    #[test]
    fn a_value_over_many_lines_is_one_body() {
        let pretty = b"{\n  \"a\": [\n    {},\n    \"}\\\"{\"\n  ]\n}";
        assert_eq!(bodies(&[&pretty[..], b"\n{}\n"].concat()), [&pretty[..], b"{}"]);
    }

    #[test]
    fn what_is_no_json_is_taken_to_the_end_as_it_stands() {
        for odd in [&b"not\njson\n"[..], b"{\"a\":1} and more\n{}\n", b"{\"a\":1\n", b"\xff\n", b"{\"a\":1}}\n"] {
            assert_eq!(bodies(odd), [odd]);
        }
        assert_eq!(bodies(b"{\"a\":\"\xff\"}\n"), [b"{\"a\":\"\xff\"}"], "what is signed are bytes");
    }

    #[test]
    fn nothing_behind_the_line_is_waited_for() {
        /// Gives its bytes, and fails where a pipe would have to be waited for.
        struct Open<'a>(&'a [u8]);
        impl Read for Open<'_> {
            fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
                if self.0.is_empty() { Err(io::ErrorKind::WouldBlock.into()) } else { self.0.read(buffer) }
            }
        }
        let mut input = io::BufReader::new(Open(b"{\n\"a\":1}\n2\n"));

        assert_eq!(next_body(&mut input).unwrap().unwrap(), b"{\n\"a\":1}");
        assert_eq!(next_body(&mut input).unwrap().unwrap(), b"2");
        assert_eq!(next_body(&mut input).unwrap_err().kind(), io::ErrorKind::WouldBlock);
    }
}
