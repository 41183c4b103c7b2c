//! How a value itself is written.

use serde::Serialize;
use serde::de::DeserializeSeed;

use crate::error::{DecodeError, EncodeError};
use crate::refusal::Refusal;

/// The format of a value's bytes. Bytes that need none go through [`Codec::encode_bytes`](crate::Codec::encode_bytes).
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
    pub(crate) fn write<T: Serialize + ?Sized>(
        self,
        value: &T,
        out: &mut Vec<u8>,
    ) -> Result<(), EncodeError> {
        match self {
            Format::MessagePack => {
                rmp_serde::encode::write_named(out, value).map_err(EncodeError::value)
            }
            Format::Json => serde_json::to_writer(out, value).map_err(EncodeError::value),
        }
    }

    /// What the seed makes of the bytes.
    pub(crate) fn read<'de, S: DeserializeSeed<'de>>(
        self,
        seed: S,
        bytes: &'de [u8],
    ) -> Result<S::Value, DecodeError> {
        match self {
            Format::MessagePack => seed
                .deserialize(&mut rmp_serde::Deserializer::from_read_ref(bytes))
                .map_err(|error| DecodeError::value(Refusal::message_pack(&error))),
            Format::Json => {
                let mut json = serde_json::Deserializer::from_slice(bytes);
                let value = seed.deserialize(&mut json);
                value
                    .and_then(|value| json.end().map(|()| value))
                    .map_err(|error| DecodeError::value(Refusal::json(&error)))
            }
        }
    }
}
