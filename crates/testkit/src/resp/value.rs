//! What a server replies.

use std::str;

/// A reply, or an element of one.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Value {
    /// Nothing: RESP2's null string and null array, RESP3's `_`.
    Nil,
    /// A simple string, such as `OK`.
    Text(String),
    /// A bulk string, and RESP3's verbatim string without its format.
    Bytes(Vec<u8>),
    /// A number.
    Int(i64),
    /// An array.
    Array(Vec<Value>),
    /// An error reply, such as `WRONGTYPE Operation against …`.
    Error(String),
    /// RESP3: a floating-point number.
    Double(f64),
    /// RESP3: true or false.
    Bool(bool),
    /// RESP3: a number too large for 64 bits, as its digits.
    BigNumber(String),
    /// RESP3: names and values, in the server's order.
    Map(Vec<(Value, Value)>),
    /// RESP3: a set, in the server's order.
    Set(Vec<Value>),
    /// RESP3: a message that answers no command.
    Push(Vec<Value>),
}

impl Value {
    /// The text of a simple string, or of a bulk string that is UTF-8.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Value::Text(text) => Some(text),
            Value::Bytes(bytes) => str::from_utf8(bytes).ok(),
            _ => None,
        }
    }

    /// The bytes of a bulk or simple string.
    #[must_use]
    pub fn as_bytes(&self) -> Option<&[u8]> {
        match self {
            Value::Bytes(bytes) => Some(bytes),
            Value::Text(text) => Some(text.as_bytes()),
            _ => None,
        }
    }

    /// The number, also one written as a string, as INCR stores it and GET reads it.
    #[must_use]
    pub fn as_int(&self) -> Option<i64> {
        match self {
            Value::Int(number) => Some(*number),
            _ => self.as_str()?.parse().ok(),
        }
    }

    /// The elements of an array, a set or a push.
    #[must_use]
    pub fn as_array(&self) -> Option<&[Value]> {
        match self {
            Value::Array(items) | Value::Set(items) | Value::Push(items) => Some(items),
            _ => None,
        }
    }

    /// The text of an error reply.
    #[must_use]
    pub fn as_error(&self) -> Option<&str> {
        match self {
            Value::Error(text) => Some(text),
            _ => None,
        }
    }

    /// Says whether this is nothing.
    #[must_use]
    pub fn is_nil(&self) -> bool {
        matches!(self, Value::Nil)
    }
}
