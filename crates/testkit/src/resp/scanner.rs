//! Where one frame ends and the next begins.

/// Finds the end of a frame without building it, and remembers how far it got, so that a frame which arrives in many
/// pieces is looked at once.
#[derive(Debug, Default)]
pub(crate) struct Scanner {
    /// How many bytes of the frame are behind us.
    at: usize,
    /// For each aggregate that is open, how many of its elements are still to come.
    open: Vec<u64>,
}

impl Scanner {
    /// Gives the length of the frame that `bytes` begin with, or `None` while it is not whole.
    ///
    /// After `None` the next call must get the same bytes and more; after a length, what follows the frame.
    pub(crate) fn scan(&mut self, bytes: &[u8]) -> Result<Option<usize>, &'static str> {
        while let Some(line) = line_at(bytes, self.at)? {
            let (kind, text, body) = (bytes[self.at], &bytes[self.at + 1..line], line + 2);
            let children = match kind {
                b'+' | b'-' | b':' | b',' | b'#' | b'_' | b'(' => {
                    self.at = body;
                    0
                }
                b'$' | b'=' | b'!' => {
                    let end = match length(text)? {
                        Some(length) => body + length as usize + 2,
                        None => body,
                    };
                    if bytes.len() < end {
                        return Ok(None);
                    }
                    if end > body && bytes[end - 2..end] != *b"\r\n" {
                        return Err("a bulk string is longer than it says");
                    }
                    self.at = end;
                    0
                }
                b'*' | b'~' | b'>' | b'%' | b'|' => {
                    self.at = body;
                    let length = length(text)?.unwrap_or(0);
                    match kind {
                        b'%' => 2 * length,
                        // Attributes stand before the value that they describe, and count with it as one.
                        b'|' => 2 * length + 1,
                        _ => length,
                    }
                }
                _ => return Err("a frame begins with an unknown byte"),
            };
            if children > 0 {
                if self.open.len() == DEPTH {
                    return Err("a frame is nested too deeply");
                }
                self.open.push(children);
            } else if self.close() {
                let end = self.at;
                self.at = 0;
                return Ok(Some(end));
            }
        }
        Ok(None)
    }

    /// Counts one element as done, and each aggregate that it completes; says whether the frame is whole.
    fn close(&mut self) -> bool {
        while let Some(left) = self.open.last_mut() {
            *left -= 1;
            if *left > 0 {
                return false;
            }
            self.open.pop();
        }
        true
    }
}

/// Finds the `\r` that ends the line which begins at `start`.
pub(super) fn line_at(bytes: &[u8], start: usize) -> Result<Option<usize>, &'static str> {
    let Some(found) = bytes
        .get(start..)
        .and_then(|rest| rest.iter().position(|byte| *byte == b'\r'))
    else {
        return Ok(None);
    };
    let end = start + found;
    match bytes.get(end + 1) {
        None => Ok(None),
        Some(b'\n') if found > 0 => Ok(Some(end)),
        Some(_) => Err("a line does not end as it should"),
    }
}

/// Reads the length of a bulk string or an aggregate; `None` is the null of RESP2.
pub(super) fn length(text: &[u8]) -> Result<Option<u64>, &'static str> {
    if text == b"-1" {
        return Ok(None);
    }
    if text.is_empty() || text.len() > 10 || !text.iter().all(u8::is_ascii_digit) {
        return Err("a length is no number");
    }
    Ok(Some(
        text.iter()
            .fold(0, |sum, digit| sum * 10 + u64::from(digit - b'0')),
    ))
}

/// How deeply frames may be nested; servers stay below 10.
pub(super) const DEPTH: usize = 128;
