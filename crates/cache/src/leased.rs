//! The right to load a value.

use std::sync::Arc;
use std::time::Instant;

use russet_codec::Payload;
use russet_core::{Bytes, Error, Key};

use crate::flight::Boarded;
use crate::freshness::Age;
use crate::lease::{Lease, Taken};
use crate::look::Look;
use crate::stats::one_more;
use crate::store::Store;

/// What came of asking for the right to load.
pub(crate) enum Leased<V> {
    Ours(Lease),
    /// Somebody else has brought it meanwhile.
    Value(Option<Arc<V>>),
    /// Everybody loads for themselves, and stores nothing: Redis is away, or has no room. What a load brings is good for those who
    /// boarded then or before.
    None(Boarded),
    TooLate,
}

impl<V> Store<V>
where
    V: Payload + Send + Sync + 'static,
{
    /// The right to load a value, or the value that somebody else has brought meanwhile; nothing while Redis is away or full, or where
    /// somebody else has loaded until the deadline. `seen` is how what stands there and is of no use begins.
    pub(crate) async fn lease(
        self: &Arc<Self>,
        key: &Key,
        seen: Bytes,
        takes_missing: bool,
        deadline: Instant,
    ) -> Result<Leased<V>, Error> {
        let mut seen = seen;
        loop {
            // Its value in Redis was removed, and Redis does not know it yet.
            if self.pending.has(key) {
                return Ok(Leased::None(Boarded::Storing));
            }
            // Nobody is to wait for what will not be there.
            if !self.room.is_there() {
                one_more(&self.counts.skipped);
                return Ok(Leased::None(Boarded::Asking));
            }
            let point = self.pending.now();
            let ticket = self.ticket(key);
            let (bytes, state) = match self.leases.take(key, &seen, deadline).await {
                Ok(Taken::Lease(mut lease)) => {
                    lease.point = point;
                    return Ok(Leased::Ours(lease));
                }
                Ok(Taken::TooLate) => return Ok(Leased::TooLate),
                Ok(Taken::Value(bytes, state)) => (bytes, state),
                Err(error) if self.options.on_outage.hides(&error) => {
                    return Ok(Leased::None(Boarded::Storing));
                }
                Err(error) => return Err(error),
            };
            let opened = async {
                let state = self.state_with(key, state).await?;
                self.opened(key, ticket, bytes, state, Instant::now()).await
            };
            let look = match opened.await {
                Ok((_, look)) => look,
                Err(error) if self.options.on_outage.hides(&error) => {
                    return Ok(Leased::None(Boarded::Storing));
                }
                Err(error) => return Err(error),
            };
            match look {
                Look::Found(found)
                    if found.age == Age::Fresh && (takes_missing || found.value.is_some()) =>
                {
                    return Ok(Leased::Value(found.value));
                }
                // Of a process with another version of the type, say, or invalidated: ours replaces it.
                Look::Found(found) => seen = found.begins(),
                Look::Nothing(no_use) => seen = no_use,
            }
        }
    }

    /// The right to load a value anew, whoever loads it and whatever stands there.
    pub(crate) async fn take_over(&self, key: &Key) -> Result<Leased<V>, Error> {
        match self.claim(key, true).await {
            Ok(lease) => Ok(Leased::Ours(lease)),
            Err(error) if self.options.on_outage.hides(&error) => {
                Ok(Leased::None(Boarded::Storing))
            }
            Err(error) => Err(error),
        }
    }

    /// The lease of a value, from whoever has it.
    pub(crate) async fn claim(&self, key: &Key, stays: bool) -> Result<Lease, Error> {
        let point = self.pending.now();
        let mut lease = self.leases.claim(key, stays).await?;
        lease.point = point;
        Ok(lease)
    }
}
