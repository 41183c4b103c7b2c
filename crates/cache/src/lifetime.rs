//! How long values live.

use std::time::{Duration, Instant};

use russet_codec::Payload;
use russet_core::{Bytes, Command, Error, FromReply, Key, Policy, Reply};

use crate::control::Control;
use crate::stats::one_more;
use crate::store::{Store, millis};
use crate::wire::{Head, SEEN};

impl<V> Store<V>
where
    V: Payload + Send + Sync + 'static,
{
    /// How long a fresh value that holds is fresh yet; nothing if there is none.
    pub(crate) async fn fresh_for(&self, key: &Key) -> Result<Option<Duration>, Error> {
        if self.pending.has(key) {
            return Ok(None);
        }
        let Some(control) = &self.control else {
            let ttl: i64 = self.answer(Command::new("PTTL").key(key), -2).await?;
            // Without a key, or, where somebody else wrote it, without a TTL.
            return Ok(u64::try_from(ttl).ok().map(Duration::from_millis));
        };
        let peeked = self.peeked(control, key).await;
        let left = peeked.map(|peeked| peeked.map(|(_, left)| left));
        self.unless_away(left, None)
    }

    /// The head of a fresh value that holds, and how long it is fresh yet.
    pub(crate) async fn peeked(
        &self,
        control: &Control,
        key: &Key,
    ) -> Result<Option<(Bytes, Duration)>, Error> {
        let peek = self.leases.peek(key).await?;
        let Some((head, _)) = Head::read(&peek.first) else {
            return Ok(None);
        };
        let state = self.state_with(key, peek.state).await?;
        let holds = control.holds(control.of(&self.stem, key), &head, state);
        if self.pending.has_tag_of(&head) || !holds.await? || head.found_nothing() {
            return Ok(None);
        }
        let age = self.clock.age(head.born, Instant::now());
        let left = head.fresh.checked_sub(age).zip(peek.lives);
        let left = left.map(|(left, lives)| left.min(lives));
        Ok(left.map(|left| (peek.first, left)))
    }

    pub(crate) async fn exists(&self, key: &Key) -> Result<bool, Error> {
        if self.control.is_some() {
            return Ok(self.fresh_for(key).await?.is_some());
        }
        if self.pending.has(key) {
            return Ok(false);
        }
        self.answer(Command::new("EXISTS").key(key), false).await
    }

    pub(crate) async fn expire(&self, key: &Key, ttl: Duration) -> Result<bool, Error> {
        if self.pending.has(key) {
            return Ok(false);
        }
        let Some(control) = &self.control else {
            let expire = Command::new("PEXPIRE").key(key).arg(millis(ttl));
            return self.answer(expire, false).await;
        };
        let extended = async {
            let Some((first, _)) = self.peeked(control, key).await? else {
                return Ok(false);
            };
            let Some((head, _)) = Head::read(&first) else {
                return Ok(false);
            };
            let flags = head.flags();
            let lives = self.options.freshness.lives(ttl);
            let seen = first.slice(..SEEN);
            self.leases
                .extend(key, &seen, flags, ttl, Some(lives), true)
                .await
        };
        let extended = self.unless_away(extended.await, false);
        self.changed(key);
        extended
    }

    /// A command's reply, or what stands for it while Redis is away.
    async fn answer<T: FromReply>(&self, command: Command, away: T) -> Result<T, Error> {
        let reply = Box::pin(self.lane.run::<Reply>(command, Policy::Idempotent)).await;
        self.unless_away(reply.and_then(T::from_reply), away)
    }

    pub(crate) fn unless_away<T>(&self, reply: Result<T, Error>, away: T) -> Result<T, Error> {
        match reply {
            Err(error) if self.options.on_outage.hides(&error) => Ok(away),
            Err(error) => {
                one_more(&self.counts.errors);
                Err(error)
            }
            reply => reply,
        }
    }
}
