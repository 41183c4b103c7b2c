//! The keys under which users' names are hidden.

use std::fmt;
use std::sync::Arc;

use base64ct::{Base64, Encoding as _};
use hmac::{Hmac, KeyInit as _, Mac as _};
use russet_core::{BuildError, BuildErrorKind};
use sha2::{Digest as _, Sha256};

use crate::token::Tag;

/// The keys of the tags by which Redis finds a user's sessions: the first one makes them, all of them find them. Cheap to clone.
///
/// Rotation without a pause: first every process [knows](Secrets::knows) the new key, then every process has it as its first, and when the last session from
/// before is over (the absolute lifetime later) the old key goes.
///
/// `Debug` shows how many there are.
#[derive(Clone)]
pub struct Secrets(Arc<[[u8; 32]]>);

impl Secrets {
    /// One key. Take 32 bytes from a system's random generator, not a pass phrase.
    pub fn new(key: [u8; 32]) -> Self {
        Secrets(Arc::new([key]))
    }

    /// The same with another key, by which sessions are found that it made.
    #[must_use]
    pub fn knows(self, key: [u8; 32]) -> Self {
        Secrets(self.0.iter().copied().chain([key]).collect())
    }

    /// Keys in base64 with padding, separated by commas: for one environment variable. `openssl rand -base64 32` makes one.
    ///
    /// # Errors
    /// [`BuildErrorKind::Environment`] if one of them is not base64 of 32 bytes. The error says which one, and nothing of it.
    pub fn parse(text: &str) -> Result<Self, BuildError> {
        let read = |(index, text): (usize, &str)| {
            let mut key = [0; 32];
            match Base64::decode(text.trim(), &mut key).map(<[u8]>::len) {
                Ok(32) => Ok(key),
                _ => Err(BuildError::new(
                    BuildErrorKind::Environment,
                    format!(
                        "key {index} (from 0) of the sessions' secrets is not base64 of 32 bytes; `openssl rand -base64 32` makes one"
                    ),
                )),
            }
        };
        let keys: Result<Vec<_>, _> = text.split(',').enumerate().map(read).collect();
        Ok(Secrets(keys?.into()))
    }

    /// The tags of a user, the one of the first key first: HMAC-SHA-256, of which 128 bits.
    pub(crate) fn tags(&self, user: &str) -> impl Iterator<Item = Tag> {
        self.0.iter().map(move |key| {
            let mac = keyed(key).chain_update(b"russet-session user\0");
            Tag::of(&mac.chain_update(user.as_bytes()).finalize().into_bytes())
        })
    }
}

/// With what a refresh token was made of the one before: a salt, and which key.
pub(crate) struct Made(pub(crate) [u8; 20]);

impl Made {
    pub(crate) fn new(salt: [u8; 16], secrets: &Secrets) -> Self {
        let mut made = [0; 20];
        made[..16].copy_from_slice(&salt);
        made[16..].copy_from_slice(&secrets.0.first().map_or([0; 4], key_id));
        Made(made)
    }
}

impl Secrets {
    /// The secret of the token that is given for another one, the same as long as the salt is: HMAC-SHA-256 under the key that made it. Nothing if that is not known.
    pub(crate) fn successor(
        &self,
        made: &Made,
        family: &[u8; 16],
        secret: &[u8; 32],
    ) -> Option<[u8; 32]> {
        let key = self.0.iter().find(|key| key_id(key) == made.0[16..])?;
        let mac = keyed(key).chain_update(b"russet-session refresh\0");
        let mac = mac.chain_update(family).chain_update(&made.0[..16]);
        Some(mac.chain_update(secret).finalize().into_bytes().into())
    }
}

/// HMAC-SHA-256 (RFC 2104), which fills a key up to a block.
fn keyed(key: &[u8; 32]) -> Hmac<Sha256> {
    let mut block = [0; 64];
    block[..32].copy_from_slice(key);
    Hmac::new(&block.into())
}

/// The beginning of a digest of it: nobody has to hand out numbers.
fn key_id(key: &[u8; 32]) -> [u8; 4] {
    let digest = Sha256::new()
        .chain_update(b"russet-session key id\0")
        .chain_update(key)
        .finalize();
    [digest[0], digest[1], digest[2], digest[3]]
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secrets({} keys)", self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_that_is_known_finds_what_it_made_and_makes_nothing() {
        let old = Secrets::new([1; 32]);
        let new = Secrets::new([2; 32]).knows([1; 32]);
        let tags: Vec<Tag> = new.tags("user-1").collect();
        assert_eq!(old.tags("user-1").collect::<Vec<_>>(), tags[1..]);
        assert_ne!(tags[0], tags[1]);
        assert_ne!(old.tags("user-2").next(), Some(tags[1]));
        assert_eq!(format!("{new:?}"), "Secrets(2 keys)");
    }

    #[test]
    fn the_next_token_is_of_its_salt_family_secret_and_key() {
        let ring = Secrets::new([2; 32]).knows([1; 32]);
        let made = |salt| Made::new([salt; 16], &ring);
        let next = ring.successor(&made(3), &[4; 16], &[5; 32]).unwrap();
        assert_eq!(ring.successor(&made(3), &[4; 16], &[5; 32]), Some(next));
        let old = Secrets::new([1; 32]);
        let by_old = Made::new([3; 16], &old);
        for other in [
            ring.successor(&made(9), &[4; 16], &[5; 32]),
            ring.successor(&made(3), &[9; 16], &[5; 32]),
            ring.successor(&made(3), &[4; 16], &[9; 32]),
            ring.successor(&by_old, &[4; 16], &[5; 32]),
        ] {
            assert!(other.is_some_and(|other| other != next));
        }
        assert_eq!(old.successor(&made(3), &[4; 16], &[5; 32]), None);
    }

    #[test]
    fn what_is_no_key_is_told_by_its_place() {
        let key = Base64::encode_string(&[7; 32]);
        assert_eq!(Secrets::parse(&format!("{key}, {key}")).unwrap().0.len(), 2);
        let told = Secrets::parse(&format!("{key},secret")).unwrap_err();
        assert!(told.to_string().contains("key 1"), "{told}");
        assert!(!told.to_string().contains("secret,"), "{told}");
    }
}
