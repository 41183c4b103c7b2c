//! What a handle can store.

use std::fmt;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::codec::Codec;
use crate::error::{DecodeError, EncodeError};
use crate::identity::Identity;

/// A value that a handle can store: anything that serde reads and writes, or bytes in [`Raw`].
///
/// For what is generic over its values: the type alone says how they are stored. With a value at hand, call the
/// [`Codec`].
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be stored",
    note = "derive `serde::Serialize` and `serde::Deserialize` for it, or wrap bytes in `Raw`"
)]
pub trait Payload: Sized {
    /// The bytes to store.
    ///
    /// # Errors
    /// As [`Codec::encode`] and [`Codec::encode_bytes`].
    fn encode(&self, codec: &Codec, identity: &Identity<'_>) -> Result<Vec<u8>, EncodeError>;

    /// The value of stored bytes.
    ///
    /// # Errors
    /// As [`Codec::decode`] and [`Codec::decode_bytes`].
    fn decode(codec: &Codec, identity: &Identity<'_>, bytes: &[u8]) -> Result<Self, DecodeError>;

    /// What the type looks like, as a number that stands beside stored values: another one says that a value was written by
    /// another version of the type, even where it could be read. It is of the names of its fields or variants, through
    /// options and lists; not of what lies inside the fields.
    fn shape() -> u32 {
        0
    }
}

impl<T: Serialize + DeserializeOwned> Payload for T {
    fn encode(&self, codec: &Codec, identity: &Identity<'_>) -> Result<Vec<u8>, EncodeError> {
        codec.encode(identity, self)
    }

    fn decode(codec: &Codec, identity: &Identity<'_>, bytes: &[u8]) -> Result<Self, DecodeError> {
        codec.decode(identity, bytes)
    }

    fn shape() -> u32 {
        crate::shape::shape::<T>()
    }
}

/// Bytes that are stored as they are: an image, a rendered page, a message that another library has encoded.
///
/// `B` is a `Vec<u8>`, a `Box<[u8]>`, an `Arc<[u8]>`, or `bytes::Bytes`. `Debug` shows the length and not the bytes.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_structs, reason = "it is its one field")]
pub struct Raw<B = Vec<u8>>(pub B);

impl<B: AsRef<[u8]> + From<Vec<u8>>> Payload for Raw<B> {
    fn encode(&self, codec: &Codec, identity: &Identity<'_>) -> Result<Vec<u8>, EncodeError> {
        codec.encode_bytes(identity, self.0.as_ref())
    }

    fn decode(codec: &Codec, identity: &Identity<'_>, bytes: &[u8]) -> Result<Self, DecodeError> {
        let bytes = codec.decode_bytes(identity, bytes)?;
        Ok(Raw(bytes.into_owned().into()))
    }
}

impl<B: AsRef<[u8]>> fmt::Debug for Raw<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Raw({} bytes)", self.0.as_ref().len())
    }
}
