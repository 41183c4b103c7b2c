//! What Redis holds of a session, and what scripts answer.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use russet_core::{Bytes, Error, FromReply as _, Reply};
use serde::{Deserialize, Serialize};

use crate::device::Device;
use crate::fields::Stored;
use crate::token::Digest;

/// What describes a session; its times are the server's, in milliseconds since 1970.
#[derive(Clone, Debug)]
pub(crate) struct Head {
    pub(crate) created: u64,
    pub(crate) seen: u64,
    /// Until when it can be extended.
    pub(crate) most: u64,
    pub(crate) writes: u64,
    /// Its number, whatever its token.
    pub(crate) id: [u8; 16],
    /// Whose it is, and from where: as the codec stores it.
    pub(crate) about: Bytes,
}

/// Whose a session is, and from where.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct About {
    pub(crate) user: Option<String>,
    pub(crate) device: Device,
}

const VERSION: u8 = 1;
const LIVES: u8 = 1;

impl Head {
    /// Of the first field: `<BBddddc16` and the rest.
    pub(crate) fn read(raw: &Bytes) -> Result<Self, Error> {
        let (numbers, behind) = match raw.split_first_chunk::<34>() {
            Some((head, behind)) if head.starts_with(&[VERSION, LIVES]) => (&head[2..], behind),
            _ => return Err(unreadable()),
        };
        let (id, _) = behind.split_first_chunk::<16>().ok_or_else(unreadable)?;
        let mut numbers = numbers
            .as_chunks::<8>()
            .0
            .iter()
            .map(|bytes| whole(f64::from_le_bytes(*bytes)));
        let mut next = || numbers.next().unwrap_or_default();
        Ok(Head {
            created: next(),
            seen: next(),
            most: next(),
            writes: next(),
            id: *id,
            about: raw.slice(50..),
        })
    }

    /// What stands behind the numbers, which scripts write.
    pub(crate) fn rest(id: [u8; 16], about: &[u8]) -> Bytes {
        [&id, about].concat().into()
    }
}

/// What was found under a token.
#[derive(Debug)]
pub(crate) enum Found<S> {
    Session(S),
    /// It has another token since, of this digest.
    Moved(Digest),
    Gone,
}

impl<S> Found<S> {
    /// What all scripts of one session answer where it is not there; else what is made of the array that they answer.
    pub(crate) fn read(
        reply: Reply,
        session: impl FnOnce(Vec<Reply>) -> Result<S, Error>,
    ) -> Result<Self, Error> {
        match reply {
            Reply::Array(items) => session(items).map(Found::Session),
            Reply::Int(0) => Ok(Found::Gone),
            Reply::Bytes(digest) => {
                let digest = Digest::told(&digest).ok_or_else(unreadable)?;
                Ok(Found::Moved(digest))
            }
            _ => Err(unreadable()),
        }
    }
}

/// All that Redis holds of a session.
#[derive(Clone, Debug)]
pub(crate) struct Record {
    pub(crate) head: Head,
    /// Until when it is valid.
    pub(crate) till: u64,
    pub(crate) stored: Stored,
}

impl Record {
    /// Of fields and their values, and until when it is valid.
    pub(crate) fn read(items: Vec<Reply>) -> Result<Self, Error> {
        let mut items = items.into_iter().map(Bytes::from_reply);
        let (mut head, mut stored) = (None, Stored::new());
        loop {
            let item = items.next().ok_or_else(unreadable)??;
            match items.next() {
                None => {
                    let (head, till) = (head.ok_or_else(unreadable)?, number(&item)?);
                    return Ok(Record { head, till, stored });
                }
                Some(value) if item.is_empty() => head = Some(Head::read(&value?)?),
                Some(value) => drop(stored.insert(item, value?)),
            }
        }
    }
}

/// Numbers that scripts answer as text.
pub(crate) fn numbers(items: Vec<Reply>) -> Result<Vec<u64>, Error> {
    let each = items
        .into_iter()
        .map(|item| number(&Bytes::from_reply(item)?));
    each.collect()
}

/// A text as an argument.
pub(crate) fn text(text: &str) -> Bytes {
    Bytes::copy_from_slice(text.as_bytes())
}

pub(crate) fn number(text: &[u8]) -> Result<u64, Error> {
    let text = std::str::from_utf8(text).map_err(|_| unreadable())?;
    text.parse().map_err(|_| unreadable())
}

pub(crate) fn unreadable() -> Error {
    Error::decode(
        "the key holds no session that this version of the library knows, or a script of sessions answered what none answers",
    )
}

/// A time of the server's.
pub(crate) fn time(millis: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_millis(millis)
}

/// Milliseconds, rounded up: nothing ends early.
pub(crate) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX)
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a whole number below 2^53, or nonsense that stays nonsense"
)]
fn whole(value: f64) -> u64 {
    value as u64
}
