//! What scripts answer, and what they publish: whole numbers as little-endian doubles, exact up to 2^53.

use std::time::Duration;

use russet_core::{Acked, Bytes, Error, FromReply as _, Reply};

use crate::fence::Fence;
use crate::owner::Owner;

/// What Redis says to who asks for a lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Taken {
    /// For so long.
    Granted(Fence, Duration),
    /// Somebody holds it, for so long unless they renew it; and the last fence.
    Busy(Duration, Fence),
    /// Nobody does, but somebody may wait.
    Queued,
    /// The fence would be this, which is not above the one that was seen.
    Uncertain(Fence),
    /// It was granted, but fewer had it than must.
    Unconfirmed(Acked),
}

impl Taken {
    /// What a script answered to who asked for so long, in microseconds.
    pub(crate) fn read(reply: &Reply, lease: u64) -> Result<Self, Error> {
        if let Reply::Int(fence) = reply {
            let fence = u64::try_from(*fence).map_err(|_| unreadable())?;
            return Ok(Taken::Granted(Fence(fence), Duration::from_micros(lease)));
        }
        let bytes = Bytes::from_reply(reply.clone())?;
        let (&kind, numbers) = bytes.split_first().ok_or_else(unreadable)?;
        let (fence, left) = match numbers_of(numbers).as_deref() {
            Some([fence, left] | [fence, left, _]) => (Fence(whole(*fence)), whole(*left)),
            _ => return Err(unreadable()),
        };
        match kind {
            0 => Ok(Taken::Busy(Duration::from_micros(left), fence)),
            1 => Ok(Taken::Granted(fence, Duration::from_micros(left))),
            2 => Ok(Taken::Queued),
            3 => Ok(Taken::Uncertain(fence)),
            _ => Err(unreadable()),
        }
    }
}

/// What a process is told on its channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Message {
    /// A lock was handed to one who waits, with this fence; or, with none, they may take it.
    Granted(Owner, Fence),
    /// It was taken from who held it, for this reason.
    Forced(Owner, String),
}

impl Message {
    /// Nothing for what no version of this library publishes.
    pub(crate) fn read(bytes: &[u8]) -> Option<Self> {
        let (&kind, rest) = bytes.split_first()?;
        let owner = Owner(*rest.first_chunk()?);
        match kind {
            1 => {
                let fence = rest.get(16..).and_then(numbers_of);
                let fence = fence.and_then(|fence| fence.first().copied());
                Some(Message::Granted(owner, Fence(whole(fence.unwrap_or(0.0)))))
            }
            2 => {
                let reason = rest.get(16..).unwrap_or_default();
                Some(Message::Forced(
                    owner,
                    String::from_utf8_lossy(reason).into_owned(),
                ))
            }
            _ => None,
        }
    }
}

pub(crate) fn numbers_of(bytes: &[u8]) -> Option<Vec<f64>> {
    let (chunks, rest) = bytes.as_chunks::<8>();
    rest.is_empty().then(|| {
        chunks
            .iter()
            .map(|chunk| f64::from_le_bytes(*chunk))
            .collect()
    })
}

/// What is negative becomes 0.
#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "such a cast saturates"
)]
pub(crate) fn whole(number: f64) -> u64 {
    number as u64
}

pub(crate) fn unreadable() -> Error {
    Error::decode("a lock's script answered what no version of it does")
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    #[test]
    fn what_is_told_is_read_strictly() {
        let mut bytes = vec![1];
        bytes.extend(
            [5.0_f64, 30e6]
                .iter()
                .flat_map(|number| number.to_le_bytes()),
        );
        let read = |bytes: &[u8]| Taken::read(&Reply::Bytes(Bytes::copy_from_slice(bytes)), 0);
        assert_eq!(
            read(&bytes).unwrap(),
            Taken::Granted(Fence(5), Duration::from_secs(30))
        );
        bytes[0] = 0;
        assert_eq!(
            read(&bytes).unwrap(),
            Taken::Busy(Duration::from_secs(30), Fence(5))
        );
        assert_eq!(
            Taken::read(&Reply::Int(7), 5_000).unwrap(),
            Taken::Granted(Fence(7), Duration::from_millis(5))
        );
        assert!(Taken::read(&Reply::Int(-1), 5_000).is_err());
        bytes[0] = 9;
        assert!(read(&bytes).is_err());
        assert!(read(&bytes[..9]).is_err() && read(&[]).is_err());
        let mut message = vec![2];
        message.extend([7; 16]);
        message.extend(b"why");
        let forced = Message::Forced(Owner([7; 16]), "why".to_owned());
        assert_eq!(Message::read(&message), Some(forced));
        assert_eq!(Message::read(&message[..16]), None);
        message[0] = 3;
        assert_eq!(Message::read(&message), None);
        let mut message = vec![1];
        message.extend([7; 16]);
        let granted = |fence| Some(Message::Granted(Owner([7; 16]), Fence(fence)));
        assert_eq!(Message::read(&message), granted(0));
        message.extend(9.0_f64.to_le_bytes());
        assert_eq!(Message::read(&message), granted(9));
    }
}
