//! Which value a stored value is.

use crc32fast::Hasher;

/// The logical key of a value: who stores it, in which handle, under which id.
///
/// Its digest stands in the header of the stored bytes, so that a value that was read under another key, by a
/// client that mixed up two replies or a script that wrote the wrong place, is recognised. An encrypted value is
/// bound to the identity itself. It is the logical identity and never the physical key: a rename, a restore or a
/// move to another prefix changes nothing.
///
/// The digest can be read by whoever reads the value, and tells whether a guessed id is right. Where the key hides
/// an id (a keyed hash of an e-mail address, say), give the hidden form here too.
#[derive(Clone, Copy, Debug)]
pub struct Identity<'a> {
    concern: &'a str,
    name: &'a str,
    id: &'a [u8],
}

impl<'a> Identity<'a> {
    /// The identity of one value: the concern, the handle's name (its stem, where it has one), and the id within it.
    pub const fn new(concern: &'a str, name: &'a str, id: &'a [u8]) -> Self {
        Identity { concern, name, id }
    }

    /// CRC-32 (IEEE, as in zlib) over the three parts, each followed by a zero byte.
    pub(crate) fn digest(&self) -> u32 {
        let mut hasher = Hasher::new();
        for part in self.parts() {
            hasher.update(part);
            hasher.update(&[0]);
        }
        hasher.finalize()
    }

    /// What an encrypted value is bound to: the head of its bytes, then each part behind its length in eight bytes, big
    /// endian. The lengths keep any two identities apart, whatever their parts hold.
    #[cfg(feature = "encryption")]
    pub(crate) fn associated_data(&self, head: &[u8]) -> Vec<u8> {
        let parts = self.parts();
        let len = parts.iter().map(|part| 8 + part.len()).sum::<usize>();
        let mut data = Vec::with_capacity(head.len() + len);
        data.extend_from_slice(head);
        for part in parts {
            data.extend_from_slice(&(part.len() as u64).to_be_bytes());
            data.extend_from_slice(part);
        }
        data
    }

    fn parts(&self) -> [&'a [u8]; 3] {
        [self.concern.as_bytes(), self.name.as_bytes(), self.id]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_do_not_run_together() {
        let digest = |c, n, i: &'static [u8]| Identity::new(c, n, i).digest();
        assert_ne!(
            digest("cache", "users", b"7"),
            digest("cacheu", "sers", b"7")
        );
        assert_ne!(
            digest("cache", "users", b"7"),
            digest("cache", "users7", b"")
        );
    }

    /// Here not even parts with zero bytes in them, which the digest takes for two.
    #[cfg(feature = "encryption")]
    #[test]
    fn no_two_identities_bind_alike() {
        let bound = |c, n, i: &'static [u8]| Identity::new(c, n, i).associated_data(b"head");
        let one = bound("a\0b", "c", b"7");
        assert_ne!(one, bound("a", "b\0c", b"7"));
        assert_ne!(one, bound("a\0b", "c7", b""));
        assert_eq!(one[..12], *b"head\0\0\0\0\0\0\0\x03");
    }
}
