//! What a server answers, and how callers read it.

use std::collections::HashMap;
use std::fmt;

use bytes::Bytes;

use crate::call::classify;
use crate::error::Error;

/// A reply, whatever protocol version it came by.
///
/// `Debug` shows its shape, never its bytes.
#[derive(Clone, PartialEq)]
#[non_exhaustive]
pub enum Reply {
    /// No value.
    Nil,
    /// An integer.
    Int(i64),
    /// A floating point number.
    Double(f64),
    /// A truth value (RESP3).
    Bool(bool),
    /// A string, simple or bulk.
    Bytes(Bytes),
    /// A sequence of replies.
    Array(Vec<Reply>),
    /// Pairs, in no particular order.
    Map(Vec<(Reply, Reply)>),
    /// One element's error, inside an array or a map: a script's `redis.pcall`, say. A reply that is an error as a
    /// whole is an [`Error`].
    Error(String),
}

impl Reply {
    /// About how many bytes it came in.
    pub(crate) fn bytes(&self) -> usize {
        match self {
            Reply::Bytes(bytes) => bytes.len(),
            Reply::Error(text) => text.len(),
            Reply::Array(items) => items.iter().map(Reply::bytes).sum(),
            Reply::Map(pairs) => pairs
                .iter()
                .map(|(key, value)| key.bytes() + value.bytes())
                .sum(),
            Reply::Nil | Reply::Int(_) | Reply::Double(_) | Reply::Bool(_) => 8,
        }
    }
}

impl fmt::Debug for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reply::Nil => f.write_str("Nil"),
            Reply::Int(value) => write!(f, "Int({value})"),
            Reply::Double(value) => write!(f, "Double({value})"),
            Reply::Bool(value) => write!(f, "Bool({value})"),
            Reply::Bytes(bytes) => write!(f, "Bytes({} bytes)", bytes.len()),
            Reply::Array(items) => f.debug_list().entries(items).finish(),
            Reply::Map(pairs) => write!(f, "Map({} pairs)", pairs.len()),
            // What follows the code may hold what came with the command.
            Reply::Error(text) => {
                write!(f, "Error({})", text.split(' ').next().unwrap_or_default())
            }
        }
    }
}

/// A type that a [`Reply`] can be read as.
pub trait FromReply: Sized {
    /// Reads the reply.
    ///
    /// # Errors
    /// [`ErrorKind::Decode`](crate::ErrorKind::Decode) if the reply is of another shape; the command ran.
    fn from_reply(reply: Reply) -> Result<Self, Error>;
}

fn unexpected<T>(wanted: &str, got: &Reply) -> Result<T, Error> {
    Err(match got {
        Reply::Error(text) => classify::element(text.clone()),
        got => Error::decode(format!("the reply is {got:?}, wanted {wanted}")),
    })
}

impl FromReply for Reply {
    fn from_reply(reply: Reply) -> Result<Self, Error> {
        Ok(reply)
    }
}

impl FromReply for () {
    fn from_reply(_: Reply) -> Result<Self, Error> {
        Ok(())
    }
}

impl FromReply for Bytes {
    fn from_reply(reply: Reply) -> Result<Self, Error> {
        match reply {
            Reply::Bytes(bytes) => Ok(bytes),
            other => unexpected("bytes", &other),
        }
    }
}

impl FromReply for String {
    fn from_reply(reply: Reply) -> Result<Self, Error> {
        match reply {
            Reply::Bytes(bytes) => String::from_utf8(bytes.into())
                .map_err(|_| Error::decode("the reply is not UTF-8; read it as Bytes")),
            Reply::Int(value) => Ok(value.to_string()),
            Reply::Double(value) => Ok(value.to_string()),
            other => unexpected("a string", &other),
        }
    }
}

macro_rules! integers {
    ($($type:ty),*) => {$(
        impl FromReply for $type {
            fn from_reply(reply: Reply) -> Result<Self, Error> {
                match &reply {
                    Reply::Int(value) => <$type>::try_from(*value)
                        .or_else(|_| unexpected(concat!("an integer of type ", stringify!($type)), &reply)),
                    Reply::Bytes(bytes) => std::str::from_utf8(bytes)
                        .ok()
                        .and_then(|text| text.parse().ok())
                        .map_or_else(|| unexpected("an integer", &reply), Ok),
                    other => unexpected("an integer", other),
                }
            }
        }
    )*};
}
integers!(u8, u16, u32, u64, usize, i32, i64);

impl FromReply for f64 {
    fn from_reply(reply: Reply) -> Result<Self, Error> {
        match &reply {
            Reply::Double(value) => Ok(*value),
            #[expect(clippy::cast_precision_loss, reason = "the caller asked for a float")]
            Reply::Int(value) => Ok(*value as f64),
            Reply::Bytes(bytes) => std::str::from_utf8(bytes)
                .ok()
                .and_then(|text| text.parse().ok())
                .map_or_else(|| unexpected("a number", &reply), Ok),
            other => unexpected("a number", other),
        }
    }
}

impl FromReply for bool {
    fn from_reply(reply: Reply) -> Result<Self, Error> {
        match reply {
            Reply::Bool(value) => Ok(value),
            Reply::Int(0) => Ok(false),
            Reply::Int(1) => Ok(true),
            // `SET … NX` answers OK or nothing.
            Reply::Nil => Ok(false),
            Reply::Bytes(bytes) if &*bytes == b"OK" => Ok(true),
            other => unexpected("a truth value", &other),
        }
    }
}

impl<T: FromReply> FromReply for Option<T> {
    fn from_reply(reply: Reply) -> Result<Self, Error> {
        match reply {
            Reply::Nil => Ok(None),
            other => T::from_reply(other).map(Some),
        }
    }
}

impl<T: FromReply> FromReply for Vec<T> {
    fn from_reply(reply: Reply) -> Result<Self, Error> {
        match reply {
            Reply::Array(items) => items.into_iter().map(T::from_reply).collect(),
            other => unexpected("an array", &other),
        }
    }
}

impl<A: FromReply, B: FromReply> FromReply for (A, B) {
    fn from_reply(reply: Reply) -> Result<Self, Error> {
        let [a, b] = fixed(reply)?;
        Ok((A::from_reply(a)?, B::from_reply(b)?))
    }
}

impl<A: FromReply, B: FromReply, C: FromReply> FromReply for (A, B, C) {
    fn from_reply(reply: Reply) -> Result<Self, Error> {
        let [a, b, c] = fixed(reply)?;
        Ok((A::from_reply(a)?, B::from_reply(b)?, C::from_reply(c)?))
    }
}

impl<T: FromReply> FromReply for HashMap<String, T> {
    /// Reads a RESP3 map, or the flat array of a RESP2 server or a script.
    fn from_reply(reply: Reply) -> Result<Self, Error> {
        let pairs = match reply {
            Reply::Map(pairs) => pairs,
            Reply::Array(items) if items.len() % 2 == 0 => {
                let mut items = items.into_iter();
                std::iter::from_fn(|| Some((items.next()?, items.next()?))).collect()
            }
            other => return unexpected("a map", &other),
        };
        pairs
            .into_iter()
            .map(|(key, value)| Ok((String::from_reply(key)?, T::from_reply(value)?)))
            .collect()
    }
}

fn fixed<const N: usize>(reply: Reply) -> Result<[Reply; N], Error> {
    match reply {
        Reply::Array(items) => <[Reply; N]>::try_from(items).map_err(|items| {
            Error::decode(format!(
                "the reply is an array of {}, wanted one of {N}",
                items.len()
            ))
        }),
        other => unexpected("an array", &other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ErrorKind;

    fn bytes(text: &'static str) -> Reply {
        Reply::Bytes(Bytes::from_static(text.as_bytes()))
    }

    #[test]
    fn replies_are_read_strictly() {
        assert_eq!(Option::<String>::from_reply(Reply::Nil).unwrap(), None);
        assert_eq!(u8::from_reply(bytes("7")).unwrap(), 7);
        assert_eq!(
            u8::from_reply(Reply::Int(256)).unwrap_err().kind(),
            ErrorKind::Decode
        );
        assert!(u32::from_reply(Reply::Nil).unwrap_err().may_have_executed());
        assert!(bool::from_reply(bytes("yes")).is_err());
        assert_eq!(
            <(String, i64)>::from_reply(Reply::Array(vec![bytes("a"), Reply::Int(1)]))
                .unwrap()
                .1,
            1
        );
        assert!(<(String, i64)>::from_reply(Reply::Array(vec![])).is_err());
    }

    #[test]
    fn a_map_is_read_from_both_protocols() {
        let resp3 = Reply::Map(vec![(bytes("a"), Reply::Int(1))]);
        let resp2 = Reply::Array(vec![bytes("a"), Reply::Int(1)]);
        assert_eq!(
            HashMap::<String, i64>::from_reply(resp3).unwrap(),
            HashMap::<String, i64>::from_reply(resp2).unwrap()
        );
    }

    #[test]
    fn debug_shows_no_bytes() {
        assert_eq!(
            format!("{:?}", Reply::Array(vec![bytes("secret"), Reply::Nil])),
            "[Bytes(6 bytes), Nil]"
        );
    }
}
