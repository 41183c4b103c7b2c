//! Which value a stored value is.

use crc32fast::Hasher;

/// The logical key of a value: who stores it, in which handle, under which id.
///
/// Its digest stands in the header of the stored bytes, so that a value that was read under another key, by a
/// client that mixed up two replies or a script that wrote the wrong place, is recognised. It is the logical
/// identity and never the physical key: a rename, a restore or a move to another prefix changes nothing.
#[derive(Clone, Copy, Debug)]
pub struct Identity<'a> {
    concern: &'a str,
    name: &'a str,
    id: &'a [u8],
}

impl<'a> Identity<'a> {
    /// The identity of one value: the concern, the handle's name, and the id within it.
    pub const fn new(concern: &'a str, name: &'a str, id: &'a [u8]) -> Self {
        Identity { concern, name, id }
    }

    /// CRC-32 (IEEE, as in zlib) over the three parts, each followed by a zero byte.
    pub(crate) fn digest(&self) -> u32 {
        let mut hasher = Hasher::new();
        for part in [self.concern.as_bytes(), self.name.as_bytes(), self.id] {
            hasher.update(part);
            hasher.update(&[0]);
        }
        hasher.finalize()
    }
}
