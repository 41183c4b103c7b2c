//! A cached value's bytes: the codec's header and the value; see `docs/keys.md`.

use russet_codec::{Codec, DecodeError, EncodeError, Identity, Payload};

use crate::keys::CONCERN;

pub(crate) fn encode<V: Payload>(
    codec: &Codec,
    cache: &str,
    id: &[u8],
    value: &V,
) -> Result<Vec<u8>, EncodeError> {
    value.encode(codec, &identity(cache, id))
}

pub(crate) fn decode<V: Payload>(
    codec: &Codec,
    cache: &str,
    id: &[u8],
    bytes: &[u8],
) -> Result<V, DecodeError> {
    V::decode(codec, &identity(cache, id), bytes)
}

fn identity<'a>(cache: &'a str, id: &'a [u8]) -> Identity<'a> {
    Identity::new(CONCERN.name(), cache, id)
}
