//! A cached value's bytes: the codec's header and the value; see `docs/keys.md`.

use russet_codec::{Codec, DecodeError, EncodeError, Identity};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::keys::CONCERN;

pub(crate) fn encode<V: Serialize>(
    codec: Codec,
    cache: &str,
    id: &str,
    value: &V,
) -> Result<Vec<u8>, EncodeError> {
    codec.encode(&identity(cache, id), value)
}

pub(crate) fn decode<V: DeserializeOwned>(
    codec: Codec,
    cache: &str,
    id: &str,
    bytes: &[u8],
) -> Result<V, DecodeError> {
    codec.decode(&identity(cache, id), bytes)
}

fn identity<'a>(cache: &'a str, id: &'a str) -> Identity<'a> {
    Identity::new(CONCERN.name(), cache, id.as_bytes())
}
