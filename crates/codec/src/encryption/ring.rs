//! The keys that values are encrypted under.

use std::fmt;
use std::sync::Arc;

use base64ct::{Base64, Encoding};
use chacha20poly1305::{KeyInit, XChaCha20Poly1305};
use sha2::{Digest, Sha256};

use crate::error::BuildError;

/// The keys of encrypted values: one that writes, and any number that still read. Cheap to clone.
///
/// Rotation without a pause, where several processes share values: first every process [knows](KeyRing::knows) the new
/// key, then every process has it as its first, and when the last old value is gone (a cache's TTL later, say) the old
/// key goes.
///
/// `Debug` shows the keys' ids, which are no secret.
#[derive(Clone)]
pub struct KeyRing {
    keys: Arc<[Key]>,
}

#[derive(Clone)]
pub(super) struct Key {
    pub(super) id: [u8; ID],
    pub(super) cipher: XChaCha20Poly1305,
}

/// A key's id is the beginning of a digest of the key: nobody has to hand out numbers.
pub(super) const ID: usize = 4;

impl KeyRing {
    /// A ring of one key, which writes and reads. Take 32 bytes from a system's random generator, not a pass phrase.
    pub fn new(key: [u8; 32]) -> Self {
        KeyRing {
            keys: Arc::new([Key::new(&key)]),
        }
    }

    /// The same ring with another key that it reads.
    #[must_use]
    pub fn knows(self, key: [u8; 32]) -> Self {
        let key = Key::new(&key);
        KeyRing {
            keys: self.keys.iter().cloned().chain([key]).collect(),
        }
    }

    /// A ring of keys in base64 with padding, separated by commas: the first one writes, all of them read.
    ///
    /// Meant for one environment variable; `openssl rand -base64 32` makes a key.
    ///
    /// # Errors
    /// If one of them is not base64 of 32 bytes. The error says which one, and nothing of it.
    pub fn parse(text: &str) -> Result<Self, BuildError> {
        let mut keys = Vec::new();
        for (index, text) in text.split(',').enumerate() {
            let mut bytes = [0; 32];
            let read = Base64::decode(text.trim(), &mut bytes).map(<[u8]>::len);
            if read != Ok(bytes.len()) {
                return Err(BuildError::EncryptionKey { index });
            }
            keys.push(Key::new(&bytes));
        }
        Ok(KeyRing { keys: keys.into() })
    }

    /// The key that writes: the first one, which there always is.
    pub(super) fn current(&self) -> Option<&Key> {
        self.keys.first()
    }

    /// The keys of this id: one, unless two random ids are equal.
    pub(super) fn of(&self, id: [u8; ID]) -> impl Iterator<Item = &Key> {
        self.keys.iter().filter(move |key| key.id == id)
    }
}

impl Key {
    fn new(key: &[u8; 32]) -> Self {
        let digest = Sha256::new()
            .chain_update(b"russet-codec key id\0")
            .chain_update(key)
            .finalize();
        let mut id = [0; ID];
        id.copy_from_slice(&digest[..ID]);
        Key {
            id,
            cipher: XChaCha20Poly1305::new(key.into()),
        }
    }
}

impl fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ids = self.keys.iter().map(|key| u32::from_be_bytes(key.id));
        f.write_str("KeyRing")?;
        f.debug_list()
            .entries(ids.map(|id| format!("{id:08x}")))
            .finish()
    }
}
