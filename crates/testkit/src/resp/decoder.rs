//! From bytes to values.

use super::{
    error::RespError,
    scanner::{DEPTH, Scanner, length, line_at},
    value::Value,
};

/// Turns a stream of bytes, in whatever pieces it arrives, into values.
///
/// ```
/// use russet_testkit::resp::{Decoder, Value};
///
/// let mut decoder = Decoder::default();
/// decoder.feed(b":4");
/// assert_eq!(decoder.next_value()?, None);
/// decoder.feed(b"2\r\n+OK\r\n");
/// assert_eq!(decoder.next_value()?, Some(Value::Int(42)));
/// assert_eq!(decoder.next_value()?, Some(Value::Text("OK".into())));
/// # Ok::<(), russet_testkit::resp::RespError>(())
/// ```
#[derive(Debug, Default)]
pub struct Decoder {
    bytes: Vec<u8>,
    /// How many bytes were given out as values.
    taken: usize,
    scanner: Scanner,
}

impl Decoder {
    /// Adds bytes that arrived.
    pub fn feed(&mut self, bytes: &[u8]) {
        if self.taken > 0 {
            self.bytes.drain(..self.taken);
            self.taken = 0;
        }
        self.bytes.extend_from_slice(bytes);
    }

    /// Takes the next value, or `None` while it is not whole. Attributes are dropped.
    ///
    /// # Errors
    ///
    /// [`RespError::Protocol`] when the bytes are not RESP; nothing sensible follows it.
    pub fn next_value(&mut self) -> Result<Option<Value>, RespError> {
        let rest = &self.bytes[self.taken..];
        let Some(frame) = self.scanner.scan(rest).map_err(RespError::Protocol)? else {
            return Ok(None);
        };
        self.taken += frame;
        let mut reader = Reader {
            bytes: &rest[..frame],
            at: 0,
        };
        reader.value(0).map(Some).map_err(RespError::Protocol)
    }
}

/// Reads the values of one whole frame.
struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Reader<'_> {
    fn value(&mut self, depth: usize) -> Result<Value, &'static str> {
        let line = line_at(self.bytes, self.at)?.ok_or(CUT)?;
        let (kind, text) = (self.bytes[self.at], &self.bytes[self.at + 1..line]);
        self.at = line + 2;
        if depth > DEPTH {
            return Err("a frame is nested too deeply");
        }
        Ok(match kind {
            b'+' => Value::Text(string(text)),
            b'-' => Value::Error(string(text)),
            b':' => Value::Int(string(text).parse().map_err(|_| "a number is none")?),
            b',' => Value::Double(string(text).parse().map_err(|_| "a double is none")?),
            b'#' => Value::Bool(text == b"t"),
            b'(' => Value::BigNumber(string(text)),
            b'_' => Value::Nil,
            _ => match (kind, length(text)?) {
                (_, None) => Value::Nil,
                (b'$', Some(length)) => Value::Bytes(self.bulk(length)?.to_vec()),
                (b'!', Some(length)) => Value::Error(string(self.bulk(length)?)),
                // Three letters that name the format, and a colon, stand before a verbatim string.
                (b'=', Some(length)) => {
                    Value::Bytes(self.bulk(length)?.get(4..).unwrap_or_default().to_vec())
                }
                (b'*', Some(length)) => Value::Array(self.values(length, depth)?),
                (b'~', Some(length)) => Value::Set(self.values(length, depth)?),
                (b'>', Some(length)) => Value::Push(self.values(length, depth)?),
                (b'%', Some(length)) => Value::Map(self.pairs(length, depth)?),
                (b'|', Some(length)) => {
                    self.pairs(length, depth)?;
                    self.value(depth + 1)?
                }
                _ => return Err("a frame begins with an unknown byte"),
            },
        })
    }

    fn values(&mut self, length: u64, depth: usize) -> Result<Vec<Value>, &'static str> {
        (0..length).map(|_| self.value(depth + 1)).collect()
    }

    fn pairs(&mut self, length: u64, depth: usize) -> Result<Vec<(Value, Value)>, &'static str> {
        (0..length)
            .map(|_| Ok((self.value(depth + 1)?, self.value(depth + 1)?)))
            .collect()
    }

    fn bulk(&mut self, length: u64) -> Result<&[u8], &'static str> {
        let end = self.at + length as usize;
        let bulk = self.bytes.get(self.at..end).ok_or(CUT)?;
        self.at = end + 2;
        Ok(bulk)
    }
}

fn string(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

const CUT: &str = "a frame is shorter than it says";
