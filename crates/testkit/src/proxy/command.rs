//! A command as it passes.

use std::fmt;

use crate::resp::Scanner;

/// A command that passes through the proxy: its name and its arguments.
#[derive(Clone, Copy)]
pub struct Command<'a> {
    frame: &'a [u8],
}

impl<'a> Command<'a> {
    /// `frame` is one whole command, an array of bulk strings or a line of words.
    pub(super) fn new(frame: &'a [u8]) -> Command<'a> {
        Command { frame }
    }

    /// The name, as the client wrote it; empty for an empty line.
    #[must_use]
    pub fn name(&self) -> &'a [u8] {
        self.words().next().unwrap_or_default()
    }

    /// The arguments after the name.
    pub fn args(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        self.words().skip(1)
    }

    /// Says whether the command begins with these words, in whatever case: `is("incr")`, `is("SCRIPT FLUSH")`.
    #[must_use]
    pub fn is(&self, words: &str) -> bool {
        let mut mine = self.words();
        words.split_ascii_whitespace().all(|word| {
            mine.next()
                .is_some_and(|own| own.eq_ignore_ascii_case(word.as_bytes()))
        })
    }

    fn words(&self) -> Words<'a> {
        match self.frame.split_first() {
            Some((b'*', _)) => Words {
                rest: after_line(self.frame),
                bulks: true,
            },
            _ => Words {
                rest: self.frame,
                bulks: false,
            },
        }
    }
}

impl fmt::Debug for Command<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Not the arguments: a password may be among them.
        f.debug_tuple("Command")
            .field(&String::from_utf8_lossy(self.name()))
            .finish()
    }
}

struct Words<'a> {
    rest: &'a [u8],
    bulks: bool,
}

impl<'a> Iterator for Words<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        if self.bulks {
            let length = self.rest.strip_prefix(b"$")?;
            let length = length
                .iter()
                .take_while(|byte| byte.is_ascii_digit())
                .fold(0, |sum, digit| sum * 10 + usize::from(digit - b'0'));
            let body = after_line(self.rest);
            let word = body.get(..length)?;
            self.rest = body.get(length + 2..).unwrap_or_default();
            Some(word)
        } else {
            let rest = self.rest.trim_ascii_start();
            let end = rest
                .iter()
                .position(u8::is_ascii_whitespace)
                .unwrap_or(rest.len());
            let (word, rest) = rest.split_at(end);
            self.rest = rest;
            (!word.is_empty()).then_some(word)
        }
    }
}

/// Gives the length of the command that `bytes` begin with, or `None` while it is not whole.
pub(super) fn scan(scanner: &mut Scanner, bytes: &[u8]) -> Result<Option<usize>, &'static str> {
    match bytes.first() {
        None => Ok(None),
        Some(b'*') => scanner.scan(bytes),
        Some(_) => Ok(bytes
            .iter()
            .position(|byte| *byte == b'\n')
            .map(|end| end + 1)),
    }
}

fn after_line(bytes: &[u8]) -> &[u8] {
    let end = bytes
        .iter()
        .position(|byte| *byte == b'\n')
        .map_or(bytes.len(), |end| end + 1);
    &bytes[end..]
}

#[cfg(test)]
mod tests {
    use super::{Command, scan};
    use crate::resp::Scanner;

    #[test]
    fn arrays_and_lines_are_both_commands() {
        for frame in [
            &b"*3\r\n$6\r\nscript\r\n$4\r\nLOAD\r\n$3\r\na\r\n\r\n"[..],
            b"script  LOAD a\r\n",
        ] {
            let command = Command::new(frame);
            assert_eq!(command.name(), b"script");
            assert_eq!(command.args().count(), 2);
            assert!(command.is("SCRIPT") && command.is("Script Load"));
            assert!(!command.is("SCRIPT FLUSH") && !command.is("SCRIPT LOAD a b c"));
        }
        for frame in [&b"*0\r\n"[..], b"\r\n"] {
            assert_eq!(Command::new(frame).name(), b"");
        }
    }

    #[test]
    fn the_ends_of_both_are_found() {
        let mut scanner = Scanner::default();
        let stream = b"PING\r\n*1\r\n$4\r\nPING\r\n";
        assert_eq!(scan(&mut scanner, &stream[..5]), Ok(None));
        assert_eq!(scan(&mut scanner, stream), Ok(Some(6)));
        assert_eq!(scan(&mut scanner, &stream[6..12]), Ok(None));
        assert_eq!(scan(&mut scanner, &stream[6..]), Ok(Some(14)));
        assert_eq!(scan(&mut scanner, b""), Ok(None));
    }
}
