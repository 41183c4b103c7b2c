//! What can go wrong between a value and its bytes.

use std::fmt;

type Source = Box<dyn std::error::Error + Send + Sync>;

/// Settings that do not go together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BuildError {
    /// Plain JSON has no header, so that nothing can say that it is compressed, encrypted or raw.
    PlainJson {
        /// What was asked for beside it.
        with: &'static str,
    },
    /// An encryption key is not base64 of 32 bytes.
    EncryptionKey {
        /// Which one of them, from 0.
        index: usize,
    },
}

impl fmt::Display for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BuildError::PlainJson { with } => write!(
                f,
                "plain JSON has no header and cannot go with {with}; choose one of them"
            ),
            BuildError::EncryptionKey { index } => write!(
                f,
                "encryption key {index} (from 0) is not base64 of 32 bytes; `openssl rand -base64 32` makes one"
            ),
        }
    }
}

impl std::error::Error for BuildError {}

/// A value that cannot be stored.
#[derive(Debug)]
pub struct EncodeError {
    what: &'static str,
    source: Option<Source>,
}

impl EncodeError {
    pub(crate) fn value(source: impl Into<Source>) -> Self {
        let what =
            "the value cannot be encoded; its Serialize implementation or its format refuses it";
        EncodeError {
            what,
            source: Some(source.into()),
        }
    }

    pub(crate) fn codec(error: BuildError) -> Self {
        EncodeError {
            what: "the codec's settings do not go together",
            source: Some(error.into()),
        }
    }

    #[cfg(feature = "encryption")]
    pub(crate) fn random(error: getrandom::Error) -> Self {
        EncodeError {
            what: "the system gave no random bytes to encrypt with",
            source: Some(error.into()),
        }
    }

    #[cfg(feature = "encryption")]
    pub(crate) const fn sealing() -> Self {
        EncodeError {
            what: "the value could not be encrypted; it is longer than 256 GiB",
            source: None,
        }
    }
}

impl fmt::Display for EncodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.what)
    }
}

impl std::error::Error for EncodeError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}

/// Bytes that are not the value that was asked for. No text of it holds anything of the value.
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
    /// The header has flags that this build does not know.
    Flags {
        /// The upper four bits found.
        found: u8,
    },
    /// Reading the value needs a feature that this build lacks.
    Feature {
        /// The feature of `russet-codec`.
        name: &'static str,
    },
    /// The bytes belong to another key.
    ForeignValue,
    /// The compressed bytes are damaged.
    Compressed,
    /// The value would decompress to more bytes than the codec allows.
    TooLong {
        /// What it says it would be, in bytes.
        len: usize,
        /// The codec's limit.
        limit: usize,
    },
    /// The value is not encrypted, and the codec takes only encrypted ones.
    Unencrypted,
    /// The value is encrypted under a key that the codec does not have.
    NoKey,
    /// The value was changed after it was encrypted, or moved here from another key.
    Forged,
    /// The header is good and the value behind it is not of the wanted type.
    Value(Source),
    /// The codec's settings do not go together.
    Codec(BuildError),
}

impl DecodeError {
    pub(crate) fn value(source: impl Into<Source>) -> Self {
        DecodeError::Value(source.into())
    }
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DecodeError::NoHeader => {
                f.write_str("the stored bytes have no header; something else wrote them")
            }
            DecodeError::Version { found } => write!(
                f,
                "the stored bytes are of layout version {found}; this build reads version 1"
            ),
            DecodeError::Format { found } => write!(
                f,
                "the stored bytes are of format {found}, which this build does not know"
            ),
            DecodeError::Flags { found } => write!(
                f,
                "the stored bytes have flags {found:#04x}, which this build does not know"
            ),
            DecodeError::Feature { name } => write!(
                f,
                "the stored value needs the feature `{name}` of russet-codec, which is not built in"
            ),
            DecodeError::ForeignValue => f.write_str("the stored bytes belong to another key"),
            DecodeError::Compressed => f.write_str("the compressed bytes are damaged"),
            DecodeError::TooLong { len, limit } => write!(
                f,
                "the stored value would decompress to {len} bytes; the codec allows {limit}"
            ),
            DecodeError::Unencrypted => f.write_str(
                "the stored value is not encrypted, and the codec takes only encrypted ones; \
                 `allow_unencrypted` reads those from before",
            ),
            DecodeError::NoKey => f.write_str(
                "the stored value is encrypted under a key that the codec does not have",
            ),
            DecodeError::Forged => f.write_str(
                "the encrypted value was changed after it was written, or belongs to another key",
            ),
            DecodeError::Value(_) => f.write_str(
                "the stored value is not of the wanted type; its Deserialize implementation refuses it",
            ),
            DecodeError::Codec(_) => f.write_str("the codec's settings do not go together"),
        }
    }
}

impl std::error::Error for DecodeError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            DecodeError::Value(source) => Some(&**source),
            DecodeError::Codec(error) => Some(error),
            _ => None,
        }
    }
}
