//! What can go wrong between a value and its bytes.

use std::fmt;

type Source = Box<dyn std::error::Error + Send + Sync>;

/// A value that its format cannot express.
#[derive(Debug)]
pub struct EncodeError(Source);

impl EncodeError {
    pub(crate) fn new(source: impl Into<Source>) -> Self {
        EncodeError(source.into())
    }
}

impl fmt::Display for EncodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "the value cannot be encoded; its Serialize implementation or its format refuses it",
        )
    }
}

impl std::error::Error for EncodeError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&*self.0)
    }
}

/// Bytes that are not the value that was asked for.
#[derive(Debug)]
#[non_exhaustive]
pub enum DecodeError {
    /// The bytes do not begin with our header: something else wrote them.
    NoHeader,
    /// The header is of a version that this build does not know.
    Version {
        /// The version found.
        found: u8,
    },
    /// The format is one that this build does not know.
    Format {
        /// The number found.
        found: u8,
    },
    /// The bytes belong to another key.
    ForeignValue,
    /// The header is good and the value behind it is not of the wanted type.
    Value(Source),
}

impl DecodeError {
    pub(crate) fn value(source: impl Into<Source>) -> Self {
        DecodeError::Value(source.into())
    }
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DecodeError::NoHeader => f.write_str("the stored bytes have no header; something else wrote them"),
            DecodeError::Version { found } => {
                write!(f, "the stored bytes are of layout version {found}; this build reads version 1")
            }
            DecodeError::Format { found } => {
                write!(f, "the stored bytes are of format {found}, which this build does not know")
            }
            DecodeError::ForeignValue => f.write_str("the stored bytes belong to another key"),
            DecodeError::Value(_) => {
                f.write_str("the stored value is not of the wanted type; its Deserialize implementation refuses it")
            }
        }
    }
}

impl std::error::Error for DecodeError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            DecodeError::Value(source) => Some(&**source),
            _ => None,
        }
    }
}
