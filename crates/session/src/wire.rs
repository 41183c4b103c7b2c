//! What Redis holds of a session, and what scripts answer.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use russet_core::{Bytes, Error, FromReply as _, Reply};
use serde::{Deserialize, Serialize};

use crate::device::Device;
use crate::etag::Etag;
use crate::local::Known;
use crate::stored::Stored;
use crate::token::Digest;

/// What describes a session; its times are the server's, in milliseconds since 1970.
#[derive(Clone, Debug)]
pub(crate) struct Head {
    pub(crate) created: u64,
    pub(crate) seen: u64,
    /// Until when it can be extended.
    pub(crate) most: u64,
    /// How often it was written, and when it was last.
    pub(crate) version: Version,
    /// Its number, whatever its token.
    pub(crate) id: [u8; 16],
    /// Whose it is, and from where: as the codec stores it.
    pub(crate) about: Bytes,
}

/// What a session holds is the same as long as this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Version([u8; 16]);

impl Version {
    pub(crate) fn read(told: &[u8]) -> Result<Self, Error> {
        told.try_into().map(Version).map_err(|_| unreadable())
    }

    pub(crate) fn bytes(self) -> Bytes {
        Bytes::copy_from_slice(&self.0)
    }

    /// What it is when it was written once more, at that time in microseconds.
    pub(crate) fn written(self, at: u64) -> Self {
        let numbers = [self.writes() + 1, at].map(|number| float(number).to_le_bytes());
        let mut version = self;
        for (to, from) in version.0.iter_mut().zip(numbers.as_flattened()) {
            *to = *from;
        }
        version
    }

    /// When that was, as scripts write it.
    pub(crate) fn at(&self) -> &[u8] {
        &self.0[8..]
    }

    /// How often the session was written.
    pub(crate) fn writes(self) -> u64 {
        self.0
            .first_chunk()
            .map_or(0, |bytes| whole(f64::from_le_bytes(*bytes)))
    }
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
    /// Of the first field: `<BBdddddc16` and the rest.
    pub(crate) fn read(raw: &Bytes) -> Result<Self, Error> {
        let (numbers, behind) = match raw.split_first_chunk::<42>() {
            Some((head, behind)) if head.starts_with(&[VERSION, LIVES]) => (&head[2..], behind),
            _ => return Err(unreadable()),
        };
        let (id, _) = behind.split_first_chunk::<16>().ok_or_else(unreadable)?;
        let mut times = numbers.as_chunks::<8>().0.iter();
        let mut next = || {
            times
                .next()
                .map_or(0, |bytes| whole(f64::from_le_bytes(*bytes)))
        };
        Ok(Head {
            created: next(),
            seen: next(),
            most: next(),
            version: Version::read(&numbers[24..])?,
            id: *id,
            // A copy: what is remembered shall not keep all that came with it.
            about: Bytes::copy_from_slice(&raw[58..]),
        })
    }

    /// What stands behind the numbers, which scripts write.
    pub(crate) fn rest(id: [u8; 16], about: &[u8]) -> Bytes {
        [&id, about].concat().into()
    }
}

/// What a script of one session answers.
pub(crate) enum Found {
    /// What it says of it.
    Items(Vec<Reply>),
    /// The one thing that the caller does not know.
    Number(u64),
    /// All of it.
    Session(Record),
    /// It has another token since, of this digest.
    Moved(Digest),
    Gone,
}

impl Found {
    pub(crate) fn read(reply: Reply) -> Result<Self, Error> {
        match reply {
            Reply::Array(items) => Ok(Found::Items(items)),
            Reply::Int(0) => Ok(Found::Gone),
            Reply::Int(number) => u64::try_from(number)
                .map(Found::Number)
                .map_err(|_| unreadable()),
            // No letter of a digest is above 127, and no array in MessagePack begins below.
            Reply::Bytes(told) if told.first().is_some_and(|first| *first > 127) => {
                // A copy: what is remembered shall not keep the reply of a whole batch.
                Record::read(&Bytes::copy_from_slice(&told)).map(Found::Session)
            }
            Reply::Bytes(digest) => {
                let digest = Digest::told(&digest).ok_or_else(unreadable)?;
                Ok(Found::Moved(digest))
            }
            _ => Err(unreadable()),
        }
    }
}

/// All that Redis holds of a session.
#[derive(Clone)]
pub(crate) struct Record {
    pub(crate) head: Head,
    /// Until when it is valid.
    pub(crate) till: u64,
    pub(crate) stored: Arc<Stored>,
    /// Whether that is all that Redis held at that version: others may have written other fields before this process did.
    pub(crate) is_exact: bool,
    /// All of it is still so while its user's etag is this.
    pub(crate) etag: Option<Etag>,
    /// What this process made of it before.
    pub(crate) known: Option<Arc<Known>>,
}

impl Record {
    /// The version at which Redis held just this, if that is known.
    pub(crate) fn exactly(&self) -> Option<Version> {
        self.is_exact.then_some(self.head.version)
    }

    /// Of what is known already, where nothing has changed since.
    pub(crate) fn still(known: &Arc<Known>) -> Self {
        Record {
            head: known.head.clone(),
            till: known.till,
            stored: known.stored.clone(),
            is_exact: true,
            etag: Some(known.etag.clone()),
            known: Some(known.clone()),
        }
    }

    /// Of fields and their values, until when it is valid and the etag, in MessagePack.
    pub(crate) fn read(told: &Bytes) -> Result<Self, Error> {
        let mut rest = &told[..];
        let count = rmp::decode::read_array_len(&mut rest).map_err(|_| unreadable())?;
        let mut next = || {
            let len = rmp::decode::read_str_len(&mut rest).map_err(|_| unreadable())?;
            let len = usize::try_from(len).map_err(|_| unreadable())?;
            let (item, behind) = rest.split_at_checked(len).ok_or_else(unreadable)?;
            rest = behind;
            Ok::<_, Error>(told.slice_ref(item))
        };
        let (mut head, mut stored) = (None, Vec::new());
        for _ in 0..count.saturating_sub(2) / 2 {
            let (field, value) = (next()?, next()?);
            match field.is_empty() {
                true => head = Some(Head::read(&value)?),
                false => stored.push((field, value)),
            }
        }
        let (head, till) = (head.ok_or_else(unreadable)?, number(&next()?)?);
        let etag = Etag::told(&next()?);
        let stored = Arc::new(Stored::of(stored));
        Ok(Record {
            head,
            till,
            stored,
            is_exact: true,
            etag,
            known: None,
        })
    }
}

/// Texts as scripts read them: in MessagePack.
pub(crate) fn packed(texts: &[Bytes]) -> Bytes {
    let size: usize = texts.iter().map(|text| text.len() + 5).sum();
    let mut out = Vec::with_capacity(size + 5);
    let count = u32::try_from(texts.len()).unwrap_or(u32::MAX);
    // Writing to memory cannot fail.
    let _ = rmp::encode::write_array_len(&mut out, count);
    for text in texts {
        let len = u32::try_from(text.len()).unwrap_or(u32::MAX);
        let _ = rmp::encode::write_str_len(&mut out, len);
        out.extend_from_slice(text);
    }
    out.into()
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

#[expect(clippy::cast_precision_loss, reason = "a whole number below 2^53")]
fn float(value: u64) -> f64 {
    value as f64
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a whole number below 2^53, or nonsense that stays nonsense"
)]
fn whole(value: f64) -> u64 {
    value as u64
}
