//! How a value itself is written.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::{DecodeError, EncodeError};

/// The format of a value's bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Format {
    /// MessagePack with named fields: compact, and a field may be added, removed or moved without misreading.
    #[default]
    MessagePack,
    /// JSON: readable from every language and by `redis-cli`.
    Json,
}

impl Format {
    /// The number that stands for the format in a stored header. Never reused.
    pub(crate) const fn id(self) -> u8 {
        match self {
            Format::MessagePack => 1,
            Format::Json => 2,
        }
    }

    pub(crate) const fn from_id(id: u8) -> Option<Self> {
        match id {
            1 => Some(Format::MessagePack),
            2 => Some(Format::Json),
            _ => None,
        }
    }

    pub(crate) fn write<T: Serialize + ?Sized>(
        self,
        value: &T,
        out: &mut Vec<u8>,
    ) -> Result<(), EncodeError> {
        match self {
            Format::MessagePack => {
                rmp_serde::encode::write_named(out, value).map_err(EncodeError::new)
            }
            Format::Json => serde_json::to_writer(out, value).map_err(EncodeError::new),
        }
    }

    pub(crate) fn read<T: DeserializeOwned>(self, bytes: &[u8]) -> Result<T, DecodeError> {
        match self {
            Format::MessagePack => rmp_serde::from_slice(bytes).map_err(DecodeError::value),
            Format::Json => serde_json::from_slice(bytes).map_err(DecodeError::value),
        }
    }
}
