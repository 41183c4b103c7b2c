//! The client library's values as ours, and ours as its.

use std::fmt::Write as _;

use bytes::Bytes;
use fred::types::{Key, Resp3Frame, Value};

use super::client::{Cause, Failure};
use crate::reply::Reply;

/// What fred's own methods answer for one key: a value, a count, nothing. Moves it over without copying its bytes.
pub(super) fn scalar(value: Value) -> Result<Reply, Failure> {
    match value {
        Value::Null => Ok(Reply::Nil),
        Value::Integer(value) => Ok(Reply::Int(value)),
        Value::String(text) => Ok(Reply::Bytes(text.into_inner())),
        Value::Bytes(bytes) => Ok(Reply::Bytes(bytes)),
        _ => Err(unexpected("no scalar")),
    }
}

/// Moves a reply over as it came, without copying its bytes.
///
/// fred's values would first see whether each string is UTF-8, and refuse maps with keys that are no text.
pub(super) fn reply(frame: Resp3Frame) -> Result<Reply, Failure> {
    match nested(frame)? {
        Reply::Error(text) => Err(Failure {
            cause: Cause::Answer,
            text,
        }),
        reply => Ok(reply),
    }
}

/// A reply, or a part of one.
fn nested(frame: Resp3Frame) -> Result<Reply, Failure> {
    match frame {
        Resp3Frame::Null => Ok(Reply::Nil),
        Resp3Frame::Number { data, .. } => Ok(Reply::Int(data)),
        Resp3Frame::Double { data, .. } => Ok(Reply::Double(data)),
        Resp3Frame::Boolean { data, .. } => Ok(Reply::Bool(data)),
        Resp3Frame::BlobString { data, .. }
        | Resp3Frame::SimpleString { data, .. }
        | Resp3Frame::BigNumber { data, .. }
        | Resp3Frame::VerbatimString { data, .. } => Ok(Reply::Bytes(data)),
        Resp3Frame::Array { data, .. } | Resp3Frame::Push { data, .. } => replies(data),
        Resp3Frame::Set { data, .. } => replies(data),
        Resp3Frame::Map { data, .. } => {
            let pairs = data
                .into_iter()
                .map(|(key, value)| Ok((nested(key)?, nested(value)?)));
            Ok(Reply::Map(pairs.collect::<Result<_, Failure>>()?))
        }
        Resp3Frame::SimpleError { data, .. } => Ok(Reply::Error(data.to_string())),
        Resp3Frame::BlobError { data, .. } => {
            Ok(Reply::Error(String::from_utf8_lossy(&data).into_owned()))
        }
        Resp3Frame::Hello { .. } | Resp3Frame::ChunkedString(_) => Err(unexpected("no reply")),
    }
}

fn replies(frames: impl IntoIterator<Item = Resp3Frame>) -> Result<Reply, Failure> {
    let replies: Result<_, Failure> = frames.into_iter().map(nested).collect();
    Ok(Reply::Array(replies?))
}

fn unexpected(what: &str) -> Failure {
    Failure {
        cause: Cause::Protocol,
        text: format!("the server answered {what}"),
    }
}

pub(super) fn key(bytes: &Bytes) -> Key {
    Key::from(bytes.clone())
}

/// The keys of a command that answers one value a key, in a number that fred reads rightly.
///
/// fred takes an array of three to five elements whose first one reads `message`, `subscribe` and the like for a
/// pub/sub message, also on a RESP3 connection: it swallows the reply, and every later caller gets somebody
/// else's. A value is enough to set that off, so arrays of those lengths are not asked for: the last key is
/// repeated, and the caller drops the surplus.
pub(super) fn padded(keys: &[Bytes]) -> impl Iterator<Item = &Bytes> {
    let surplus = if (3..6).contains(&keys.len()) {
        6 - keys.len()
    } else {
        0
    };
    let last = keys.last().into_iter();
    keys.iter()
        .chain(last.flat_map(move |last| std::iter::repeat_n(last, surplus)))
}

/// What fred answers for a `GET`, or a `MGET` of so many keys.
pub(super) fn read(value: Value, keys: usize) -> Result<Reply, Failure> {
    match value {
        Value::Array(values) => {
            let values = values.into_iter().take(keys).map(scalar);
            Ok(Reply::Array(values.collect::<Result<_, _>>()?))
        }
        value => scalar(value),
    }
}

pub(super) fn value(bytes: &Bytes) -> Value {
    Value::Bytes(bytes.clone())
}

/// A user name or password as it must stand in fred's `HELLO`, which is an inline command without lengths: white space
/// would end it and a line's end would begin another command. Servers read quotes and escapes there.
pub(super) fn inline(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() {
            out.push(char::from(byte));
        } else {
            // Writing to a String cannot fail.
            let _ = write!(out, "\\x{byte:02x}");
        }
    }
    out.push('"');
    out
}
