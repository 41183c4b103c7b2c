//! What ended sessions leave behind.

use std::pin::Pin;
use std::time::{Duration, Instant};

use russet_core::{Error, Key, Pace, Policy, Reply, Scan, Sweep, Swept};

use crate::data::Data;
use crate::ending::{Ended, digests};
use crate::error::SessionError;
use crate::event::Because;
use crate::keys::{Place, TIDY, families};
use crate::sessions::Sessions;
use crate::token::{Digest, Tag};
use crate::way::{MOST_AT_ONCE, Way};
use crate::wire::unreadable;

/// What a clean-up found, and removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Cleanup {
    /// How many users' indexes it looked at.
    pub indexes: usize,
    /// Sessions that had ended by themselves, and stood in an index.
    pub expired: usize,
    /// Sessions and families of refresh tokens that had been ended, and whose keys were still there.
    pub removed: usize,
    /// Sessions that stood in an index as valid, and were not there: evicted, or deleted by somebody else.
    pub missing: usize,
}

impl Cleanup {
    fn is_less_than(self, items: usize) -> bool {
        self.expired + self.removed + self.missing < items
    }
}

impl<T: Data> Sessions<T> {
    /// Looks through all users' indexes, and removes from them what has ended. Nothing needs it to be right or to be forgotten: what ends has a TTL, and a login tidies
    /// its user's index. It finds sessions that ended by themselves, and so tells of [`Expired`](crate::SessionEvent::Expired): run it at least once an hour if you listen for those, or
    /// register the handle as a [`Sweep`]. A walk over all keys of the server, by `SCAN` with pauses, and two or three round trips for each user.
    ///
    /// # Errors
    /// [`SessionError::Redis`]; what is done is done, also behind an index that cannot be read.
    ///
    /// # Cancel safety
    /// Safe to drop; what is done is done.
    pub async fn cleanup(&self) -> Result<Cleanup, SessionError> {
        let (mut scan, mut sum) = (self.way.indexes()?, Cleanup::default());
        let mut failed = None;
        while let Some(tags) = self.way.next_indexes(&mut scan).await? {
            for tag in tags {
                match self.way.tidy(tag, &mut sum).await {
                    // What is no index is one user's matter, an outage everybody's.
                    Err(error) if !error.is_retryable() => failed = Some(error),
                    tidied => tidied?,
                }
            }
        }
        match failed {
            Some(error) => Err(error.into()),
            None => Ok(sum),
        }
    }
}

impl Way {
    /// A walk over the indexes of all users.
    fn indexes(&self) -> Result<Scan, Error> {
        // A tag is 22 characters, and what belongs to one stands behind its brace.
        let pattern = self.stem.matching(&format!("{{{}}}", "?".repeat(22)));
        Ok(self.server.scan(pattern, Pace::default())?)
    }

    /// The tags of the next page.
    async fn next_indexes(&self, scan: &mut Scan) -> Result<Option<Vec<Tag>>, Error> {
        let page = Box::pin(scan.next_page()).await?;
        let tag = |key: &Key| {
            let raw = std::str::from_utf8(key.as_bytes()).ok()?;
            let tag = self.stem.strip(raw)?;
            Tag::read(tag.strip_prefix('{')?.strip_suffix('}')?)
        };
        Ok(page.map(|keys| keys.iter().filter_map(tag).collect()))
    }

    /// Removes from one index what need not be there.
    async fn tidy(&self, tag: Tag, sum: &mut Cleanup) -> Result<(), Error> {
        let keys = [
            crate::keys::index(&self.stem, tag),
            families(&self.stem, tag),
        ];
        let end = (&self.operations.end, Policy::Idempotent);
        let told: Vec<Reply> = self.ask(end, &TIDY, &keys, Vec::new()).await?;
        let [over, struck, valid, families] =
            <[Reply; 4]>::try_from(told).map_err(|_| unreadable())?;
        let (over, struck) = (digests(over)?, digests(struck)?);
        let families = Ended::of_families(families)?;
        sum.indexes += 1;
        sum.expired += over.len();
        sum.removed += struck.len() + families.families.len();
        self.retired(tag, &struck).await?;
        self.remove(tag, &families).await?;
        let of_nobody_known = Ended {
            over,
            ..Ended::default()
        };
        self.tell_of(&of_nobody_known, None, Because::Revoked);
        let valid = digests(valid)?;
        for chunk in valid.chunks(MOST_AT_ONCE) {
            let place = |digest: &Digest| Place {
                tag,
                digest: *digest,
            };
            let places: Vec<Place> = chunk.iter().map(place).collect();
            let heads = self.look(&places).await?;
            let missing = chunk.iter().zip(heads).filter(|(_, head)| head.is_none());
            let missing: Vec<Digest> = missing.map(|(digest, _)| *digest).collect();
            if !missing.is_empty() {
                sum.missing += self.revoke(tag, &missing, &[]).await?;
            }
        }
        Ok(())
    }
}

/// Where a sweep is: it goes on there the next time.
#[derive(Debug, Default)]
pub(crate) struct Sweeping(tokio::sync::Mutex<Option<(Scan, Vec<Tag>)>>);

/// One clean-up after the other, from where the last one was cut short.
impl<T: Data> Sweep for Sessions<T> {
    fn subject(&self) -> String {
        format!("sessions {}", self.way.stem.as_str())
    }

    fn sweep(
        &self,
        items: usize,
        deadline: Duration,
    ) -> Pin<Box<dyn Future<Output = Result<Swept, Error>> + Send + '_>> {
        let end = Instant::now() + deadline;
        Box::pin(async move {
            let mut sum = Cleanup::default();
            let mut is_over = false;
            while sum.is_less_than(items) && Instant::now() < end && !is_over {
                let left = end.saturating_duration_since(Instant::now());
                match tokio::time::timeout(left, self.way.sweep_on(&mut sum)).await {
                    Ok(told) => is_over = told?,
                    Err(_) => break,
                }
            }
            let removed = sum.expired + sum.removed + sum.missing;
            Ok(Swept::new(removed, !is_over))
        })
    }
}

impl Way {
    /// Tidies one index, or turns a page; whether that was the last one.
    async fn sweep_on(&self, sum: &mut Cleanup) -> Result<bool, Error> {
        let mut at = self.sweeping.0.lock().await;
        let (scan, tags) = match &mut *at {
            Some(at) => at,
            none => none.insert((self.indexes()?, Vec::new())),
        };
        if let Some(tag) = tags.last().copied() {
            let tidied = self.tidy(tag, sum).await;
            // Also one that cannot be read, or it would be the end of all sweeps; not one at which this was cut short.
            tags.pop();
            return tidied.map(|()| false);
        }
        match self.next_indexes(scan).await? {
            Some(found) => *tags = found,
            None => *at = None,
        }
        Ok(at.is_none())
    }
}
