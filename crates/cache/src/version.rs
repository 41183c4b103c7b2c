//! Values that say which version of their data they are.

use std::sync::Arc;
use std::time::Instant;

use russet_codec::Payload;
use russet_core::{BuildError, BuildErrorKind, Error, Key};

use crate::insert::Inserted;
use crate::load::Held;
use crate::remove::Removed;
use crate::store::Store;
use crate::wire::{Head, MOST_VERSION, Terms, busted};
use crate::write::Filled;

impl<V> Store<V>
where
    V: Payload + Send + Sync + 'static,
{
    /// Stores a value that has a version, unless a newer one is there.
    pub(crate) async fn write_version(
        self: &Arc<Self>,
        key: &Key,
        value: &Arc<V>,
        terms: &Terms,
    ) -> Result<Inserted, Error> {
        let lease = match self.claim(key, true).await {
            Ok(lease) => Held::new(self, lease),
            Err(error) => {
                return self.stored(key, Err(error), (Instant::now(), self.pending.now()));
            }
        };
        Ok(match lease.stored(key, Some(value), terms).await? {
            Filled::Holds => Inserted::Stored,
            Filled::Unknown | Filled::NoRoom => Inserted::Skipped,
            Filled::Fails => Inserted::Stale,
        })
    }

    /// Has older versions of a value count no more, nor be stored.
    pub(crate) async fn bust(self: &Arc<Self>, key: &Key, version: u64) -> Result<Removed, Error> {
        self.check_version(Some(version))?;
        let lives = self.options.freshness.lives(self.options.ttl);
        let busting = self.leases.bust(key, busted(version), lives);
        self.removed(key, busting).await
    }

    /// Which version of its data a value is that holds and is fresh; nothing where it has none.
    pub(crate) async fn version(&self, key: &Key) -> Result<Option<u64>, Error> {
        let Some(control) = self.control.as_ref().filter(|_| !self.pending.has(key)) else {
            return Ok(None);
        };
        let peeked = self.peeked(control, key).await;
        let version = peeked.map(|peeked| Head::read(&peeked?.0)?.0.version);
        self.unless_away(version, None)
    }

    /// Whether an entry may have this version.
    pub(crate) fn check_version(&self, version: Option<u64>) -> Result<(), BuildError> {
        let Some(version) = version else {
            return Ok(());
        };
        let (kind, message) = match self.control {
            None => (
                BuildErrorKind::Conflict,
                "stores plain JSON, which has no place for versions; use another codec".to_owned(),
            ),
            Some(_) if version > MOST_VERSION => (
                BuildErrorKind::Limit,
                format!("takes versions up to 2^53 − 1, and none like {version}"),
            ),
            Some(_) => return Ok(()),
        };
        Err(BuildError::new(
            kind,
            format!("cache {:?} {message}", self.name),
        ))
    }
}
