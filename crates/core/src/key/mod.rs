//! Keys: a checked prefix, a stem for each handle, and the keys themselves.

mod name;
mod part;
mod prefix;
mod shards;
mod slot;
mod spec;
mod stem;
mod tier;
mod writer;

use std::fmt;
use std::hash::{Hash, Hasher};

use bytes::Bytes;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

pub use name::MAX_NAME_LEN;
pub(crate) use name::{check as check_name, check_all as check_names};
pub(crate) use part::push_hex;
pub use part::{FromKeyPart, KeyPart, MAX_PART_LEN, PartShape, PartWriter, part};
pub use prefix::Prefix;
pub use slot::{SLOTS, slot};
pub use spec::{Deprecated, KeySpec, KeyTtl, KeyType, PartSpec};
pub use stem::Stem;
pub use tier::Tier;
pub use writer::KeyWriter;

/// A checked key: its bytes, and how much of them may be shown.
///
/// Made by a [`Stem`]; cheap to clone. `Debug` and `Display` show the stem and hide the values behind it
/// (`shop:cache:users:…`), because ids are often personal data; [`as_bytes`](Key::as_bytes) is the whole.
#[derive(Clone)]
pub struct Key {
    bytes: Bytes,
    /// How many leading bytes are literal: written by a programmer, hence no secret.
    literal: u32,
}

impl Key {
    #[inline]
    pub(crate) fn new(bytes: Bytes, literal: usize) -> Self {
        // A prefix is a handful of names of at most 256 bytes, so the cast cannot lose anything.
        Key {
            bytes,
            literal: u32::try_from(literal).unwrap_or(u32::MAX),
        }
    }

    /// A key that something else has named: taken as it is, unchecked, and hidden whole in logs.
    ///
    /// For foreign layouts and one-off commands; keys of one's own come from a [`Stem`].
    pub fn raw(key: impl Into<Bytes>) -> Key {
        Key {
            bytes: key.into(),
            literal: 0,
        }
    }

    /// The HMAC-SHA-256 of a value under a secret, as a key part of 64 hex digits.
    ///
    /// For values that must not be readable from the key space but can be guessed (e-mail addresses,
    /// phone numbers): a plain hash of those is undone by trying them all; this is not, without the secret.
    ///
    /// ```
    /// # use russet_core::{Key, Prefix};
    /// let id = Key::keyed(b"a secret of at least 32 bytes ...", "alice@example.com");
    /// let key = Prefix::new("shop")?.stem("session", "web")?.key(&id);
    /// assert!(!String::from_utf8_lossy(key.as_bytes()).contains("alice"));
    /// # Ok::<_, russet_core::BuildError>(())
    /// ```
    pub fn keyed<P: KeyPart + ?Sized>(secret: &[u8], value: &P) -> String {
        let mut hex = String::with_capacity(64);
        // HMAC takes a key of any length (RFC 2104), so this is always Ok.
        if let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret) {
            mac.update(part(value).as_bytes());
            part::push_hex(&mut hex, &mac.finalize().into_bytes());
        }
        hex
    }

    /// The whole key as Redis sees it.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The cluster slot that the key lives in: CRC16 of the key, or of its hash tag, modulo 16384.
    pub fn slot(&self) -> u16 {
        slot(&self.bytes)
    }

    pub(crate) fn to_bytes(&self) -> Bytes {
        self.bytes.clone()
    }
}

/// Two keys are the same if their bytes are: how much may be shown is no part of it.
impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        self.bytes == other.bytes
    }
}

impl Eq for Key {}

impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.bytes.hash(state);
    }
}

impl AsRef<[u8]> for Key {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let literal = self.literal as usize;
        let shown = self.bytes.get(..literal).unwrap_or(&self.bytes);
        f.write_str(&String::from_utf8_lossy(shown))?;
        if literal < self.bytes.len() {
            f.write_str("…")
        } else {
            Ok(())
        }
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_hides_the_values() {
        let key = Prefix::new("shop")
            .unwrap()
            .stem("cache", "users")
            .unwrap()
            .key("alice@example.com");
        assert_eq!(format!("{key:?}"), "Key(shop:cache:users:…)");
        assert_eq!(key.as_bytes(), b"shop:cache:users:alice@example.com");
    }

    #[test]
    fn keyed_hides_and_is_stable() {
        let a = Key::keyed(b"k1", "alice");
        assert_eq!(a, Key::keyed(b"k1", "alice"));
        assert_ne!(a, Key::keyed(b"k2", "alice"));
        assert_eq!(a.len(), 64);
    }
}
