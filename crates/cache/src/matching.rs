//! Many keys by a glob.

use std::fmt;
use std::marker::PhantomData;

use russet_core::{Error, FromKeyPart, Scan};

use crate::outage::OnOutage;

/// A cache's keys, page by page; made by [`Cache::keys`](crate::Cache::keys).
pub struct Keys<K> {
    pub(crate) scan: Scan,
    pub(crate) stem: russet_core::Stem,
    /// What stands in keys before what `K` reads.
    pub(crate) prefix: String,
    pub(crate) on_outage: OnOutage,
    pub(crate) key: PhantomData<fn() -> K>,
}

impl<K: FromKeyPart> Keys<K> {
    /// The next keys, often none; `None` at the end, and while Redis is away. One `SCAN`, after the pause of its pace.
    ///
    /// A key that is there from the beginning to the end is found at least once, and perhaps twice. A key that was too long
    /// to stand in Redis as it is, and so is a digest there, cannot be read back and is left out.
    ///
    /// # Errors
    /// What waiting does not heal.
    ///
    /// # Cancel safety
    /// Safe to drop; the next call asks for the same page.
    pub async fn next_page(&mut self) -> Result<Option<Vec<K>>, Error> {
        let page = match Box::pin(self.scan.next_page()).await {
            Ok(Some(page)) => page,
            Ok(None) => return Ok(None),
            Err(error) if self.on_outage.hides(&error) => return Ok(None),
            Err(error) => return Err(error),
        };
        let read = page.iter().filter_map(|key| {
            let raw = std::str::from_utf8(key.as_bytes()).ok()?;
            K::from_key_part(self.stem.strip(raw)?.strip_prefix(&*self.prefix)?)
        });
        Ok(Some(read.collect()))
    }
}

impl<K> fmt::Debug for Keys<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Keys({})", self.stem.as_str())
    }
}
