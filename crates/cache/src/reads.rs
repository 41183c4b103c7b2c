//! Reading bytes from Redis.

use std::time::Instant;

use futures_util::future::join;
use russet_codec::Payload;
use russet_core::{Bytes, Command, Error, Getter, Key, Policy};

use crate::control::{State, States};
use crate::store::Store;

/// A value's bytes, and the control state of that moment.
pub(crate) type Read = (Option<Bytes>, Option<State>);

/// How values are read.
pub(crate) enum Reads {
    /// With the control state beside them.
    Beside(Getter<States>),
    /// Alone: there is none, or it lives in another slot.
    Alone(Getter),
}

impl<V> Store<V>
where
    V: Payload + Send + Sync + 'static,
{
    pub(crate) async fn bytes_of_all(&self, keys: &[Key]) -> Vec<Result<Read, Error>> {
        let reads = match &self.reads {
            Reads::Beside(reads) => {
                let pairs = keys.iter().map(|key| (key.clone(), self.shard_of(key)));
                return reads.get_many_beside(pairs.collect()).await;
            }
            Reads::Alone(reads) => reads,
        };
        let values = reads.get_many(keys.to_vec());
        // Where it lives apart there is one for all.
        let (values, state) = match keys.first() {
            Some(first) => join(values, self.state(first)).await,
            None => return Vec::new(),
        };
        let read = values.into_iter().map(|value| Ok((value?, state.clone()?)));
        read.collect()
    }

    /// A value's bytes, with the control state of the same moment; where that lives in another slot, of before or after.
    pub(crate) async fn bytes(&self, key: &Key) -> Result<Read, Error> {
        match &self.reads {
            Reads::Beside(reads) => reads.get_beside(key.clone(), self.shard_of(key)).await,
            Reads::Alone(reads) => {
                let (value, state) = join(reads.get(key.clone()), self.state(key)).await;
                Ok((value?, state?))
            }
        }
    }

    fn shard_of(&self, key: &Key) -> u16 {
        let control = self.control.as_ref();
        control.map_or(0, |control| control.of(&self.stem, key).at)
    }

    /// The control state, read alone; nothing if there is none.
    async fn state(&self, key: &Key) -> Result<Option<State>, Error> {
        let Some(control) = &self.control else {
            return Ok(None);
        };
        let shard = control.of(&self.stem, key);
        let text = match &self.reads {
            Reads::Beside(reads) => Box::pin(reads.get(shard.state.clone())).await?,
            Reads::Alone(reads) => Box::pin(reads.get(shard.state.clone())).await?,
        };
        Ok(text.and_then(|text| shard.state_of(&text)))
    }

    /// Whether the server's time is to be asked: once in a while, by one reader. Ages are told by it.
    pub(crate) fn must_ask_time(&self, now: Instant) -> bool {
        let Some(control) = &self.control else {
            return false;
        };
        control.keep_warm(now);
        self.clock.is_due(now)
    }

    pub(crate) async fn ask_time(&self) {
        let time = Command::new("TIME");
        // Where it fails the last one holds, and it is asked again.
        if let Ok(time) = Box::pin(self.quick.run::<Vec<u64>>(time, Policy::Idempotent)).await
            && let [seconds, micros] = time[..]
        {
            self.clock.heard(seconds * 1_000_000 + micros);
        }
    }

    /// The control state, read now if it did not come with a value.
    pub(crate) async fn state_with(
        &self,
        key: &Key,
        text: Option<Bytes>,
    ) -> Result<Option<State>, Error> {
        match (&self.control, text) {
            (Some(control), Some(text)) => Ok(control.of(&self.stem, key).state_of(&text)),
            _ => self.state(key).await,
        }
    }
}
