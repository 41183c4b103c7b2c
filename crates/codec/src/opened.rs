//! A stored value that is about to be read.

use std::borrow::Cow;
use std::fmt;

use serde::de::DeserializeSeed;

use crate::error::DecodeError;
use crate::format::Format;

/// The bytes of a value in the format that they were stored in, decrypted and decompressed: [`Codec::open`](crate::Codec::open). `Debug` shows their
/// length and not them.
pub struct Opened<'a> {
    format: Format,
    bytes: Cow<'a, [u8]>,
}

impl<'a> Opened<'a> {
    pub(crate) fn new(format: Format, bytes: Cow<'a, [u8]>) -> Self {
        Opened { format, bytes }
    }

    /// What the seed makes of them; `PhantomData::<T>` is the seed of a `T`.
    ///
    /// # Errors
    /// If they are not what it reads.
    pub fn read<'de, S: DeserializeSeed<'de>>(&'de self, seed: S) -> Result<S::Value, DecodeError> {
        self.format.read(seed, &self.bytes)
    }
}

impl fmt::Debug for Opened<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Opened({} bytes)", self.bytes.len())
    }
}
