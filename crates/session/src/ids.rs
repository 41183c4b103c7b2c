//! What the holder of a session shows.

use russet_core::Error;

use crate::keys::Place;
use crate::token::{Digest, Tag, Token, random};

/// What the holder of a session shows. All processes of a name must have the same.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Ids {
    /// A [token](Token) that tells where its user's sessions are, of 256 random bits: all that is promised of sessions holds.
    #[default]
    Token,
    /// A UUID of version 4 (122 random bits, 36 characters), or what the caller [supplies](crate::Sessions::create_with_id) if it looks as if it had as many.
    ///
    /// For services that have such ids already. They do not tell whose they are, so a user's sessions are in slots of their own: what concerns all of them is one script
    /// for each, a rotation ends the old id at once, and there are no refresh tokens.
    Uuid,
    /// As [`Uuid`](Ids::Uuid), and whatever the caller supplies is taken: whoever guesses it is logged in.
    GuessableIfSupplied,
}

impl Ids {
    /// Where the session is of what somebody shows; nothing if that can be none.
    pub(crate) fn read(self, text: &str) -> Option<Place> {
        match self {
            Ids::Token => {
                let (tag, digest) = Token::read(text)?;
                Some(Place { tag, digest })
            }
            _ => (1..=MOST).contains(&text.len()).then(|| place_of(text)),
        }
    }

    /// A new one for a user whose sessions have this tag.
    pub(crate) fn new_of(self, tag: Tag) -> Result<(Token, Place), Error> {
        match self {
            Ids::Token => {
                let (token, digest) = Token::new(tag)?;
                Ok((token, Place { tag, digest }))
            }
            _ => {
                let id = uuid::Builder::from_random_bytes(random()?)
                    .into_uuid()
                    .to_string();
                let place = place_of(&id);
                Ok((Token::shown(&id), place))
            }
        }
    }

    /// Whether a user's sessions are in slots of their own, and their index only names them.
    pub(crate) fn are_apart(self) -> bool {
        self != Ids::Token
    }
}

/// No id is longer.
const MOST: usize = 256;
/// What a UUID of version 4 has.
const ENOUGH_BITS: f64 = 122.0;

/// Where the session of an id is that does not tell whose it is.
pub(crate) fn place_of(id: &str) -> Place {
    let digest = Digest::of_id(id);
    Place {
        tag: digest.tag(),
        digest,
    }
}

/// Why an id that was supplied is not taken; nothing if it is.
pub(crate) fn is_weak(id: &str) -> Option<&'static str> {
    if !(1..=MOST).contains(&id.len()) {
        return Some("it has 1 to 256 bytes");
    }
    // Without hyphens it may as well be 128 random bits.
    if let (36, Ok(uuid)) = (id.len(), uuid::Uuid::try_parse(id)) {
        let is_random = uuid.get_version() == Some(uuid::Version::Random);
        return (!is_random).then_some("it is a UUID, and not a random one of version 4");
    }
    let is_in = |set: &dyn Fn(&u8) -> bool| id.bytes().any(|byte| set(&byte));
    let is_hex = id.bytes().all(|byte| byte.is_ascii_hexdigit());
    let digits = f64::from(is_in(&u8::is_ascii_digit)) * 10.0;
    let lower = f64::from(is_in(&u8::is_ascii_lowercase)) * if is_hex { 6.0 } else { 26.0 };
    let upper = f64::from(is_in(&u8::is_ascii_uppercase)) * if is_hex { 6.0 } else { 26.0 };
    let others = f64::from(is_in(&|byte| b"-_+/=.".contains(byte))) * 2.0;
    let alphabet = (digits + lower + upper + others).max(1.0);
    let mut seen: Vec<u8> = id.bytes().collect();
    seen.sort_unstable();
    seen.dedup();
    // What is random has most letters of a small alphabet, and hardly any twice of a large one: half of those that it would have is hardly ever missed.
    #[expect(clippy::cast_precision_loss, reason = "256 at most")]
    let (length, distinct) = (id.len() as f64, seen.len() as f64);
    let expected = alphabet * (1.0 - (1.0 - 1.0 / alphabet).powf(length));
    if length * alphabet.log2() < ENOUGH_BITS || distinct < expected / 2.0 {
        return Some("it has less than the 122 random bits of a UUID, by its length and letters");
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_can_be_guessed_is_told_from_what_cannot() {
        for strong in [
            "f47ac10b-58cc-4372-a567-0e02b2c3d479",
            "9f86d081884c7d659a2feaa0c55ad015",
            "9F86D081884C7D659A2FEAA0C55AD015",
            "hVq3nYk8Zr0sXw5tBp7Lc2",
            "k2vN8xQ0sLr4-Tz7_WmBpY1cHd",
            "4930758129640182375910283746501928374",
        ] {
            assert_eq!(is_weak(strong), None, "{strong}");
        }
        for weak in [
            "",
            "1",
            "user-1",
            "session-000000000000000000000000000000017",
            "11111111111111111111111111111111111111111111",
            "abababababababababababababababababababab",
            "9f86d081884c7d659a2feaa0c55ad0",
            "c232ab00-9414-11ec-b3c8-9f6bdeced846",
            "017f22e2-79b0-7cc3-98c4-dc0c0c07398f",
            "00000000-0000-0000-0000-000000000000",
        ] {
            assert!(is_weak(weak).is_some(), "{weak}");
        }
        assert!(is_weak(&"x1Y-".repeat(65)).is_some());
    }

    #[test]
    fn each_that_is_made_is_a_uuid_and_found_by_its_digest() {
        let tag = Tag::random().unwrap();
        for _ in 0..1_000 {
            let (token, place) = Ids::Uuid.new_of(tag).unwrap();
            assert_eq!((token.len(), is_weak(&token)), (36, None));
            assert_eq!(Ids::Uuid.read(&token), Some(place.clone()));
            assert_eq!(place.digest.tag(), place.tag);
            assert_ne!(place.tag, tag);
        }
    }
}
