//! Making long values short.

#[cfg(any(feature = "lz4", feature = "zstd"))]
use std::num::TryFromIntError;

use crate::error::DecodeError;

/// How values are compressed. What stands compressed in Redis can be read wherever the same feature is built in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Compression {
    /// LZ4 blocks: some 500 MB/s a core and about half the size of JSON. The feature `lz4`; pure Rust.
    #[cfg(feature = "lz4")]
    Lz4,
    /// Zstandard frames (RFC 8878): smaller than LZ4, several times slower. The feature `zstd`; needs a C compiler.
    #[cfg(feature = "zstd")]
    Zstd {
        /// From 1, the fastest, to 22, the smallest; 0 is zstd's default, 3. What lies beyond is taken for the nearest.
        level: i32,
    },
}

impl Compression {
    /// Compresses what stands in `out` from `start` on, if that makes it smaller.
    ///
    /// A value that does not compress is stored as it is; so is one that the algorithm refuses.
    pub(crate) fn shrink(self, out: &mut Vec<u8>, start: usize) -> Option<Algorithm> {
        let value = out.get(start..)?;
        let len = u32::try_from(value.len()).ok()?;
        let (algorithm, small) = self.compress(value)?;
        if LEN + small.len() >= value.len() {
            return None;
        }
        out.truncate(start);
        out.extend_from_slice(&len.to_be_bytes());
        out.extend_from_slice(&small);
        Some(algorithm)
    }

    fn compress(self, value: &[u8]) -> Option<(Algorithm, Vec<u8>)> {
        // A build without any algorithm has no value of this type.
        let _ = value;
        match self {
            #[cfg(feature = "lz4")]
            Compression::Lz4 => Some((Algorithm::Lz4, lz4_flex::block::compress(value))),
            #[cfg(feature = "zstd")]
            Compression::Zstd { level } => {
                let small = zstd::bulk::compress(value, level).ok()?;
                Some((Algorithm::Zstd, small))
            }
        }
    }
}

/// In front of compressed bytes stands how long they were, in four bytes, big endian.
const LEN: usize = 4;

/// What a header says of compression, also where this build lacks the algorithm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Algorithm {
    Lz4,
    Zstd,
}

impl Algorithm {
    /// The number that stands for the algorithm in a stored header: 1 to 3, never reused.
    pub(crate) const fn id(self) -> u8 {
        match self {
            Algorithm::Lz4 => 1,
            Algorithm::Zstd => 2,
        }
    }

    pub(crate) const fn from_id(id: u8) -> Option<Self> {
        match id {
            1 => Some(Algorithm::Lz4),
            2 => Some(Algorithm::Zstd),
            _ => None,
        }
    }

    /// The bytes as they were: at most `limit`, whatever the stored ones say.
    pub(crate) fn expand(self, stored: &[u8], limit: usize) -> Result<Vec<u8>, DecodeError> {
        match self {
            #[cfg(feature = "lz4")]
            Algorithm::Lz4 => {
                let (len, small) = claimed(stored, limit)?;
                // LZ4 cannot do better than 255 to 1: no memory is taken for a claim that cannot be true.
                if len / 255 > small.len() {
                    return Err(DecodeError::Compressed);
                }
                exact(len, lz4_flex::block::decompress(small, len))
            }
            #[cfg(feature = "zstd")]
            Algorithm::Zstd => {
                let (len, small) = claimed(stored, limit)?;
                exact(len, zstd::bulk::decompress(small, len))
            }
            #[cfg(not(all(feature = "lz4", feature = "zstd")))]
            _ => {
                let _ = (stored, limit);
                Err(DecodeError::Feature {
                    name: match self {
                        Algorithm::Lz4 => "lz4",
                        Algorithm::Zstd => "zstd",
                    },
                })
            }
        }
    }
}

#[cfg(any(feature = "lz4", feature = "zstd"))]
fn claimed(stored: &[u8], limit: usize) -> Result<(usize, &[u8]), DecodeError> {
    let (len, small) = stored
        .split_first_chunk::<LEN>()
        .ok_or(DecodeError::Compressed)?;
    let len = u32::from_be_bytes(*len)
        .try_into()
        .map_err(|_: TryFromIntError| DecodeError::Compressed)?;
    if len > limit {
        return Err(DecodeError::TooLong { len, limit });
    }
    Ok((len, small))
}

#[cfg(any(feature = "lz4", feature = "zstd"))]
fn exact<E>(len: usize, expanded: Result<Vec<u8>, E>) -> Result<Vec<u8>, DecodeError> {
    match expanded {
        Ok(value) if value.len() == len => Ok(value),
        _ => Err(DecodeError::Compressed),
    }
}
