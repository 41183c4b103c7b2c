//! What the holder of a session shows.

use std::fmt;
use std::ops::Deref;

use base64ct::{Base64UrlUnpadded, Encoding as _};
use russet_core::Error;
use sha2::{Digest as _, Sha256};

/// The token of a session, `v1.<tag>.<secret>`: 69 characters that fit into a cookie or a header as they are.
///
/// The secret is 256 bits of the system's random generator. Redis knows its SHA-256 only, so that nobody gets into a session by what they read there. It derefs
/// to its text; `Debug` shows nothing of it.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Token(String);

const VERSION: &str = "v1";

impl Token {
    /// A new one, of who has this tag, and what Redis knows of it.
    pub(crate) fn new(tag: Tag) -> Result<(Self, Digest), Error> {
        let secret: [u8; 32] = random()?;
        let text = format!(
            "{VERSION}.{}.{}",
            tag.text(),
            Base64UrlUnpadded::encode_string(&secret)
        );
        Ok((Token(text), Digest::of(&secret)))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Where Redis has what somebody shows; nothing if it is no token.
    pub(crate) fn read(text: &str) -> Option<(Tag, Digest)> {
        let (tag, secret) = text
            .strip_prefix(VERSION)?
            .strip_prefix('.')?
            .split_once('.')?;
        let (tag, mut bytes) = (Tag::read(tag)?, [0; 32]);
        let is_whole = Base64UrlUnpadded::decode(secret, &mut bytes).ok()?.len() == 32;
        is_whole.then(|| (tag, Digest::of(&bytes)))
    }

    pub(crate) fn shown(text: &str) -> Self {
        Token(text.to_owned())
    }
}

impl Deref for Token {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

/// Whose sessions these are, for Redis: all keys of one lie in one slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Tag([u8; 16]);

impl Tag {
    /// The first 128 bits.
    pub(crate) fn of(digest: &[u8]) -> Self {
        let mut tag = [0; 16];
        let most = digest.len().min(16);
        tag[..most].copy_from_slice(&digest[..most]);
        Tag(tag)
    }

    pub(crate) fn read(text: &str) -> Option<Self> {
        let mut tag = [0; 16];
        let read = Base64UrlUnpadded::decode(text, &mut tag).ok()?.len();
        (read == 16).then_some(Tag(tag))
    }

    /// Of nobody yet.
    pub(crate) fn random() -> Result<Self, Error> {
        Ok(Tag(random()?))
    }

    #[cfg(feature = "tower-sessions")]
    pub(crate) fn bytes(self) -> [u8; 16] {
        self.0
    }

    pub(crate) fn text(self) -> String {
        Base64UrlUnpadded::encode_string(&self.0)
    }
}

/// What Redis knows of a secret: its SHA-256, in base64 for URLs.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Digest([u8; 43]);

impl Digest {
    pub(crate) fn of(secret: &[u8]) -> Self {
        Digest::text(&Sha256::digest(secret))
    }

    /// Of an id that does not tell whose it is.
    pub(crate) fn of_id(id: &str) -> Self {
        let digest = Sha256::new()
            .chain_update(b"russet-session id\0")
            .chain_update(id)
            .finalize();
        Digest::text(&digest)
    }

    fn text(digest: &[u8]) -> Self {
        let mut text = [0; 43];
        // 43 letters hold the 32 bytes of a SHA-256.
        let _ = Base64UrlUnpadded::encode(digest, &mut text);
        Digest(text)
    }

    /// Where the session of such an id is.
    pub(crate) fn tag(&self) -> Tag {
        Tag::of(&Sha256::digest(self.0))
    }

    /// One that Redis told.
    pub(crate) fn told(bytes: &[u8]) -> Option<Self> {
        let mut digest = [0; 32];
        let is_whole = Base64UrlUnpadded::decode(bytes, &mut digest).ok()?.len() == 32;
        let text = bytes.try_into().ok().map(Digest);
        text.filter(|_| is_whole)
    }

    pub(crate) fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

pub(crate) fn random<const N: usize>() -> Result<[u8; N], Error> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(Error::encode)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_somebody_shows_is_found_or_is_none() {
        let tag = Tag([7; 16]);
        let (token, digest) = Token::new(tag).unwrap();
        assert_eq!(token.len(), 69);
        assert_eq!(Token::read(&token), Some((tag, digest)));
        assert_eq!(Digest::told(digest.as_str().as_bytes()), Some(digest));
        assert_eq!(format!("{token:?}"), "Token(…)");
        for len in 0..token.len() {
            assert_eq!(Token::read(&token[..len]), None, "{len}");
        }
        for wrong in [
            format!("{}A", token.as_str()),
            token.replace("v1", "v2"),
            token.replace('.', "/"),
            format!("{} ", token.as_str()),
            "v1..".to_owned(),
            "\0".repeat(69),
        ] {
            assert_eq!(Token::read(&wrong), None);
        }
    }
}
