//! A cached value's bytes: an entry, which is what it was stored under and the codec's bytes; see `docs/keys.md`.
//!
//! | bytes | hold |
//! |---|---|
//! | 0 | the magic number `0xC5` |
//! | 1 | the version of this layout: 1 |
//! | 2 | flags: 1 the load found nothing, 2 kept in use because a load failed, 4 it has a version |
//! | 3 | zero |
//! | 4–11 | the epoch, 12–19 the clock (the stamp), when its load began |
//! | 20–27 | when it was stored, in microseconds of the server's clock |
//! | 28–35 | for how long it is fresh from then on, in milliseconds |
//! | 36–39 | how long its load took, in milliseconds |
//! | 40–43 | the shape of its type |
//! | 44–45 | how many bytes its version and its tags have |
//! | then | eight bytes of its version, if it has one; the tags, each behind two bytes of its length |
//! | then | the codec's header and the value; nothing if the load found nothing |
//!
//! Numbers are big endian. A cache of plain JSON stores the bare value instead.

use std::time::Duration;

use russet_codec::{Codec, DecodeError, EncodeError, Identity, Payload};
use russet_core::Bytes;

use crate::keys::CONCERN;

const MAGIC: u8 = 0xC5;
const VERSION: u8 = 1;
const FOUND_NOTHING: u8 = 1;
const KEPT_IN_USE: u8 = 2;
const VERSIONED: u8 = 4;
const FIXED: usize = 46;

/// So many bytes tell one entry of a key from another: all up to how long it is fresh.
pub(crate) const SEEN: usize = 36;
/// How many bytes the tags of one entry may have.
pub(crate) const MOST_TAGS: usize = 4_000;
/// How many bytes there are at most before the codec's.
pub(crate) const MOST_HEAD: usize = FIXED + 8 + MOST_TAGS;
/// The greatest version: scripts count in floating point.
pub(crate) const MOST_VERSION: u64 = (1 << 53) - 1;

/// What stands before an entry's value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Head<'b> {
    /// What there is to know besides its value.
    flags: u8,
    /// Which version of its data it is.
    pub(crate) version: Option<u64>,
    pub(crate) epoch: u64,
    pub(crate) stamp: u64,
    /// Microseconds of the server's clock.
    pub(crate) born: u64,
    pub(crate) fresh: Duration,
    pub(crate) load_took: Duration,
    pub(crate) shape: u32,
    tags: &'b [u8],
}

impl<'b> Head<'b> {
    /// The head, and what stands behind it; nothing if these are no bytes of ours.
    pub(crate) fn read(bytes: &'b [u8]) -> Option<(Self, &'b [u8])> {
        let (fixed, rest) = bytes.split_first_chunk::<FIXED>()?;
        if fixed[..2] != [MAGIC, VERSION] {
            return None;
        }
        let eight = |at: usize| {
            let bytes = fixed.get(at..at + 8)?.try_into().ok()?;
            Some(u64::from_be_bytes(bytes))
        };
        let four = |at: usize| {
            let bytes = fixed.get(at..at + 4)?.try_into().ok()?;
            Some(u32::from_be_bytes(bytes))
        };
        let len = usize::from(u16::from_be_bytes([fixed[44], fixed[45]]));
        let (more, value) = rest.split_at_checked(len)?;
        let (version, tags) = versioned(fixed[2], more)?;
        let head = Head {
            flags: fixed[2],
            version,
            epoch: eight(4)?,
            stamp: eight(12)?,
            born: eight(20)?,
            fresh: Duration::from_millis(eight(28)?),
            load_took: Duration::from_millis(four(36)?.into()),
            shape: four(40)?,
            tags,
        };
        Some((head, value))
    }

    pub(crate) fn has_tags(&self) -> bool {
        !self.tags.is_empty()
    }

    pub(crate) fn tags(&self) -> impl Iterator<Item = &'b str> {
        let mut rest = self.tags;
        std::iter::from_fn(move || {
            let (len, behind) = rest.split_first_chunk::<2>()?;
            let (tag, behind) = behind.split_at_checked(u16::from_be_bytes(*len).into())?;
            rest = behind;
            std::str::from_utf8(tag).ok()
        })
    }

    /// The load found nothing.
    pub(crate) fn found_nothing(&self) -> bool {
        self.flags & FOUND_NOTHING != 0
    }

    /// A load has failed, and it is served for a while longer.
    pub(crate) fn kept_in_use(&self) -> bool {
        self.flags & KEPT_IN_USE != 0
    }

    /// The byte of its flags.
    pub(crate) fn flags(&self) -> u8 {
        self.flags
    }
}

/// The byte of an entry's flags once it is kept in use, of how it begins.
pub(crate) fn kept_in_use(seen: &[u8]) -> u8 {
    seen.get(2).copied().unwrap_or_default() | KEPT_IN_USE
}

/// The version, if there is one, and the tags.
fn versioned(flags: u8, more: &[u8]) -> Option<(Option<u64>, &[u8])> {
    match flags & VERSIONED {
        0 => Some((None, more)),
        _ => {
            let (version, tags) = more.split_first_chunk::<8>()?;
            Some((Some(u64::from_be_bytes(*version)), tags))
        }
    }
}

/// An entry in the two pieces between which a script writes what it is stored under.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    /// Empty where entries have no head.
    pub(crate) head: Bytes,
    pub(crate) rest: Bytes,
}

impl Entry {
    /// What its head will say, stored under this epoch and stamp.
    pub(crate) fn head_under(&self, epoch: u64, stamp: u64) -> Head<'_> {
        // Behind how long it is fresh, how long its load took, and its shape stand the tags.
        let tags = self.rest.get(16..).and_then(|behind| {
            let (len, behind) = behind.split_first_chunk::<2>()?;
            let more = behind.get(..u16::from_be_bytes(*len).into())?;
            Some(versioned(*self.head.get(2)?, more)?.1)
        });
        Head {
            epoch,
            stamp,
            tags: tags.unwrap_or_default(),
            ..Head::default()
        }
    }

    pub(crate) fn len(&self) -> usize {
        match self.head.len() {
            0 => self.rest.len(),
            head => head + 24 + self.rest.len(),
        }
    }
}

/// What an entry says besides its value.
#[derive(Clone, Debug, Default)]
pub(crate) struct Terms {
    pub(crate) fresh: Duration,
    pub(crate) load_took: Duration,
    pub(crate) shape: u32,
    pub(crate) tags: Vec<String>,
    pub(crate) version: Option<u64>,
}

/// The entry of a value, or of a load that found nothing.
pub(crate) fn entry(terms: &Terms, value: Option<&[u8]>) -> Entry {
    let flags = match value {
        Some(_) => 0,
        None => FOUND_NOTHING,
    };
    with_flags(flags, terms, value.unwrap_or_default())
}

/// The entry that says that versions older than this do not count. It is stored under no epoch, and so never holds itself.
pub(crate) fn busted(version: u64) -> Entry {
    let terms = Terms {
        version: Some(version),
        ..Terms::default()
    };
    with_flags(FOUND_NOTHING, &terms, &[])
}

fn with_flags(flags: u8, terms: &Terms, bytes: &[u8]) -> Entry {
    let tags: usize = terms.tags.iter().map(|tag| 2 + tag.len()).sum();
    let version = terms.version.map(u64::to_be_bytes);
    let more = tags + version.map_or(0, |version| version.len());
    let mut rest = Vec::with_capacity(FIXED - 28 + more + bytes.len());
    rest.extend_from_slice(&millis(terms.fresh).to_be_bytes());
    let took = u32::try_from(millis(terms.load_took)).unwrap_or(u32::MAX);
    rest.extend_from_slice(&took.to_be_bytes());
    rest.extend_from_slice(&terms.shape.to_be_bytes());
    // Checked where tags come in.
    rest.extend_from_slice(&u16::try_from(more).unwrap_or(u16::MAX).to_be_bytes());
    rest.extend_from_slice(version.as_ref().map_or(&[], |version| &version[..]));
    for tag in &terms.tags {
        let len = u16::try_from(tag.len()).unwrap_or(u16::MAX);
        rest.extend_from_slice(&len.to_be_bytes());
        rest.extend_from_slice(tag.as_bytes());
    }
    rest.extend_from_slice(bytes);
    const PLAIN: [u8; 4] = [MAGIC, VERSION, 0, 0];
    let head = match (flags, version) {
        (0, None) => Bytes::from_static(&PLAIN),
        (flags, version) => {
            let versioned = u8::from(version.is_some()) * VERSIONED;
            Bytes::copy_from_slice(&[MAGIC, VERSION, flags | versioned, 0])
        }
    };
    Entry {
        head,
        rest: rest.into(),
    }
}

/// The entry of a cache whose values stand bare.
pub(crate) fn bare(value: Vec<u8>) -> Entry {
    Entry {
        head: Bytes::new(),
        rest: value.into(),
    }
}

pub(crate) fn encode<V: Payload>(
    codec: &Codec,
    cache: &str,
    id: &[u8],
    value: &V,
) -> Result<Vec<u8>, EncodeError> {
    value.encode(codec, &identity(cache, id))
}

pub(crate) fn decode<V: Payload>(
    codec: &Codec,
    cache: &str,
    id: &[u8],
    bytes: &[u8],
) -> Result<V, DecodeError> {
    V::decode(codec, &identity(cache, id), bytes)
}

fn identity<'a>(cache: &'a str, id: &'a [u8]) -> Identity<'a> {
    Identity::new(CONCERN.name(), cache, id)
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    fn stored(entry: &Entry) -> Vec<u8> {
        let numbers = [7_u64, 8, 9].map(u64::to_be_bytes).concat();
        [&entry.head[..], &numbers, &entry.rest].concat()
    }

    #[test]
    fn what_is_written_is_read() {
        let terms = Terms {
            fresh: Duration::from_millis(1_500),
            load_took: Duration::from_millis(20),
            shape: 0xABCD,
            tags: vec!["org:3".to_owned(), "ä".to_owned()],
            version: None,
        };
        let entry = entry(&terms, Some(b"value"));
        let bytes = stored(&entry);
        assert_eq!(bytes.len(), entry.len());
        let (head, value) = Head::read(&bytes).unwrap();
        assert_eq!(value, b"value");
        let tags: Vec<_> = entry.head_under(7, 8).tags().collect();
        assert_eq!(tags, ["org:3", "ä"]);
        assert_eq!((head.epoch, head.stamp, head.born), (7, 8, 9));
        assert_eq!((head.fresh, head.shape), (terms.fresh, 0xABCD));
        assert_eq!(head.load_took, terms.load_took);
        assert_eq!(head.tags().collect::<Vec<_>>(), ["org:3", "ä"]);
        assert_eq!((head.flags(), head.version), (0, None));
        // Golden: these bytes stand in caches.
        assert_eq!(bytes[..4], [0xC5, 1, 0, 0]);
        assert_eq!(bytes[20..28], 9_u64.to_be_bytes());
        assert_eq!(bytes[28..SEEN], 1_500_u64.to_be_bytes());
        assert_eq!(bytes[44..], *b"\x00\x0b\x00\x05org:3\x00\x02\xc3\xa4value");
    }

    #[test]
    fn a_version_stands_before_the_tags() {
        let terms = Terms {
            tags: vec!["t".to_owned()],
            version: Some(42),
            ..Terms::default()
        };
        let entry = entry(&terms, Some(b"value"));
        let bytes = stored(&entry);
        assert_eq!(bytes.len(), entry.len());
        let (head, value) = Head::read(&bytes).unwrap();
        assert_eq!((head.version, value), (Some(42), &b"value"[..]));
        assert_eq!(head.tags().collect::<Vec<_>>(), ["t"]);
        let tags: Vec<_> = entry.head_under(7, 8).tags().collect();
        assert_eq!(tags, ["t"]);
        assert!(!head.found_nothing());
        // Golden: scripts read it there.
        assert_eq!(bytes[2], 4);
        assert_eq!(bytes[46..54], 42_u64.to_be_bytes());
        let kept = kept_in_use(&bytes);
        assert_eq!(kept, 6);
        let gone = stored(&busted(43));
        let (head, value) = Head::read(&gone).unwrap();
        assert!(value.is_empty());
        assert_eq!((gone[2], head.version), (5, Some(43)));
    }

    #[test]
    fn no_bytes_make_it_panic() {
        let whole = stored(&entry(
            &Terms {
                version: Some(1),
                tags: vec!["a".to_owned()],
                ..Terms::default()
            },
            None,
        ));
        assert!(Head::read(&whole).unwrap().0.found_nothing());
        for len in 0..whole.len() {
            assert_eq!(Head::read(&whole[..len]), None, "{len}");
        }
        let mut wrong = whole;
        for at in 0..wrong.len() {
            for byte in [0, 1, 0x7F, 0xFF] {
                let before = std::mem::replace(&mut wrong[at], byte);
                if let Some((head, _)) = Head::read(&wrong) {
                    assert!(head.tags().count() < 9);
                }
                wrong[at] = before;
            }
        }
    }
}
