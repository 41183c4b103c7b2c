//! The client library's values as ours, and ours as its.

use std::fmt::Write as _;

use bytes::Bytes;
use fred::types::{Key, Value};

use crate::reply::Reply;

/// Moves a value over without copying its bytes.
pub(super) fn reply(value: Value) -> Reply {
    match value {
        Value::Null => Reply::Nil,
        Value::Integer(value) => Reply::Int(value),
        Value::Double(value) => Reply::Double(value),
        Value::Boolean(value) => Reply::Bool(value),
        Value::String(text) => Reply::Bytes(text.into_inner()),
        Value::Bytes(bytes) => Reply::Bytes(bytes),
        Value::Queued => Reply::Bytes(Bytes::from_static(b"QUEUED")),
        Value::Array(items) => Reply::Array(items.into_iter().map(reply).collect()),
        Value::Map(map) => Reply::Map(
            map.inner()
                .into_iter()
                .map(|(key, value)| (Reply::Bytes(key.into_bytes()), reply(value)))
                .collect(),
        ),
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
pub(super) fn padded(keys: &[Bytes]) -> Vec<Key> {
    let surplus = if (3..6).contains(&keys.len()) {
        6 - keys.len()
    } else {
        0
    };
    keys.iter()
        .chain(std::iter::repeat_n(&keys[keys.len() - 1], surplus))
        .map(key)
        .collect()
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
