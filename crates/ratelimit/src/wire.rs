//! The bytes that scripts are sent, and what they answer: whole numbers as little-endian doubles, exact up to 2^53.

use russet_core::{Bytes, Error, FromReply as _, Reply};

/// The most that a double counts up to without leaving one out.
pub(crate) const EXACT: u64 = 1 << 53;

/// An algorithm, by the number that its settings and counts begin with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    TokenBucket = 1,
    SlidingWindow = 2,
    FixedWindow = 3,
    Calendar = 4,
    SlidingLog = 5,
    Cooldown = 6,
}

impl Kind {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Kind::TokenBucket => "token_bucket",
            Kind::SlidingWindow => "sliding_window",
            Kind::FixedWindow => "fixed_window",
            Kind::Calendar => "calendar",
            Kind::SlidingLog => "sliding_log",
            Kind::Cooldown => "cooldown",
        }
    }
}

/// A policy's settings.
pub(crate) fn settings(kind: Kind, numbers: &[u64]) -> Bytes {
    let mut bytes = Vec::with_capacity(1 + 8 * numbers.len());
    bytes.push(kind as u8);
    bytes.extend(doubles(numbers));
    bytes.into()
}

#[allow(
    clippy::cast_precision_loss,
    reason = "none where the numbers are at most 2^53, which they are checked to be"
)]
pub(crate) fn doubles(numbers: &[u64]) -> impl Iterator<Item = u8> {
    numbers
        .iter()
        .flat_map(|number| (*number as f64).to_le_bytes())
}

/// What is asked of a cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// All of it or nothing.
    Whole,
    /// As much as fits.
    UpTo,
    /// It has happened, whatever the limit.
    Record,
    /// It is charged whatever the limit, and counts as a denial.
    Penalize,
}

/// A call's own argument: what is asked, of which of the sets of policies, and the cost; a negative one is given back. Joined, it is
/// one decision with the call behind it. What is given back says when it was charged, so that policies that do not count it any more give back nothing; 0 where
/// nobody knows.
pub(crate) fn ask(mode: Mode, set: u8, cost: i64, charged_at: u64, is_joined: bool) -> Bytes {
    let letter = match mode {
        Mode::Whole => b'c',
        Mode::UpTo => b'u',
        Mode::Record => b'r',
        Mode::Penalize => b'p',
    };
    if (letter, set, cost, is_joined) == (b'c', 1, 1, false) {
        return Bytes::from_static(b"c\x011");
    }
    let letter = if is_joined {
        letter.to_ascii_uppercase()
    } else {
        letter
    };
    let mut bytes = vec![letter, set];
    bytes.extend(cost.to_string().into_bytes());
    if charged_at > 0 {
        bytes.extend(format!("@{charged_at}").into_bytes());
    }
    bytes.into()
}

/// How a script decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ruling {
    Denied,
    Allowed,
    Impossible,
    Blocked,
    /// It lies outside the periods of the calendar that it was told.
    OtherPeriods,
    /// Another subject of the same decision was denied.
    HeldBack,
}

/// A script's answer to one call. Times are in microseconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Answer {
    pub(crate) ruling: Ruling,
    /// Which policy the numbers are of, counted from 1; 0 for none.
    pub(crate) policy: u8,
    /// Which watching policy would have denied it.
    pub(crate) watching: u8,
    /// Whether there is more to know of the subject: a block, a policy of its own.
    pub(crate) is_marked: bool,
    pub(crate) limit: u64,
    pub(crate) current: u64,
    /// Negative where it was given back.
    pub(crate) charged: i64,
    pub(crate) wait: u64,
    pub(crate) idle: u64,
    pub(crate) now: u64,
}

impl Answer {
    pub(crate) fn read(reply: Reply) -> Result<Self, Error> {
        let bytes = Bytes::from_reply(reply)?;
        let (&[ruling, policy, watching], numbers) =
            bytes.split_first_chunk::<3>().ok_or_else(unreadable)?;
        let [limit, current, charged, wait, idle, now] =
            numbers_of(numbers).ok_or_else(unreadable)?;
        let ruling = match ruling {
            0 => Ruling::Denied,
            1 => Ruling::Allowed,
            2 => Ruling::Impossible,
            3 => Ruling::Blocked,
            4 => Ruling::OtherPeriods,
            5 => Ruling::HeldBack,
            _ => return Err(unreadable()),
        };
        Ok(Answer {
            ruling,
            policy,
            watching: watching % 128,
            is_marked: watching >= 128,
            limit: whole(limit),
            current: whole(current),
            charged: signed(charged),
            // A moment that is nearly there is not there.
            wait: whole(wait.ceil()),
            idle: whole(idle.ceil()),
            now: whole(now),
        })
    }
}

/// As many doubles as these bytes are; nothing if they are more or fewer.
pub(crate) fn numbers_of<const N: usize>(bytes: &[u8]) -> Option<[f64; N]> {
    let (chunks, rest) = bytes.as_chunks::<8>();
    let numbers: &[[u8; 8]; N] = chunks.try_into().ok()?;
    rest.is_empty().then(|| numbers.map(f64::from_le_bytes))
}

/// What is negative or none becomes 0.
#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "such a cast saturates"
)]
pub(crate) fn whole(number: f64) -> u64 {
    number as u64
}

#[allow(clippy::cast_possible_truncation, reason = "such a cast saturates")]
fn signed(number: f64) -> i64 {
    number as i64
}

pub(crate) fn unreadable() -> Error {
    Error::decode("a limiter's script answered what no version of it does")
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_read_strictly() {
        let mut bytes = vec![1, 2, 0];
        bytes.extend(doubles(&[100, 3, 1, 0, 60_000_000, 1_795_300_000_000_000]));
        let answer = Answer::read(Reply::Bytes(bytes.clone().into())).unwrap();
        assert_eq!(answer.ruling, Ruling::Allowed);
        assert_eq!((answer.policy, answer.limit, answer.charged), (2, 100, 1));
        assert_eq!(answer.now, 1_795_300_000_000_000);
        bytes[0] = 9;
        assert!(Answer::read(Reply::Bytes(bytes.clone().into())).is_err());
        bytes[0] = 0;
        bytes.push(0);
        assert!(Answer::read(Reply::Bytes(bytes.into())).is_err());
        assert!(Answer::read(Reply::Nil).is_err());
    }

    #[test]
    fn what_is_asked() {
        assert_eq!(ask(Mode::Whole, 1, 1, 0, false), "c\x011");
        assert_eq!(ask(Mode::Record, 2, -7, 9, false), "r\x02-7@9");
        assert_eq!(ask(Mode::UpTo, 1, 10, 0, true), "U\x0110");
    }
}
