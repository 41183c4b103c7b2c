//! What holds of a subject besides its counts: that it is blocked, that it has limits of its own; and forgetting its counts.

use std::slice::from_ref;
use std::time::Duration;

use russet_core::{Bytes, Error, Key, KeyPart, Policy as Sending, Script};

use crate::keys::{self, BLOCK, OVERRIDE, RESET, UNBLOCK};
use crate::limiter::Limiter;
use crate::policy::{Policy, as_micros, lasting};
use crate::wire::Kind;

static RESETTING: Script = Script::new(RESET);
static BLOCKING: Script = Script::new(BLOCK);
static UNBLOCKING: Script = Script::new(UNBLOCK);
static OVERRIDING: Script = Script::new(OVERRIDE);

impl Limiter {
    /// Forgets what is counted of a subject. Blocks and settings of its own stay. Whether anything was counted. One round trip.
    ///
    /// # Errors
    /// As [`record`](Limiter::record).
    ///
    /// # Cancel safety
    /// A dropped call may have reset it.
    pub async fn reset<S: KeyPart + ?Sized>(&self, subject: &S) -> Result<bool, Error> {
        let key = self.key(subject);
        let mut keys = self.keys_of(&key);
        // That of calls with a policy of their own.
        let log = keys::log(&self.inner.stem, &key, Kind::SlidingLog.name());
        if !keys.contains(&log) {
            keys.push(log);
        }
        let had = self.call(&RESETTING, &key, &keys, []).await?;
        Ok(had == 1)
    }

    /// Denies everything to a subject for so long: 1 ms to 3650 days. One round trip.
    ///
    /// # Errors
    /// As [`record`](Limiter::record); [`Config`](crate::ErrorKind::Config) for a time that cannot be meant.
    ///
    /// # Cancel safety
    /// A dropped call may have blocked it.
    pub async fn block<S: KeyPart + ?Sized>(
        &self,
        subject: &S,
        lasts: Duration,
    ) -> Result<(), Error> {
        let key = self.key(subject);
        let remembered = self
            .plan
            .rules
            .escalation()
            .map_or(Duration::ZERO, |blocks| blocks.forgotten());
        let args = [lasting("a block", lasts)?, as_micros(remembered)];
        self.call(&BLOCKING, &key, from_ref(&key), args.map(decimal))
            .await?;
        Ok(())
    }

    /// Ends a subject's block, and forgets the ones before. Whether it was blocked. One round trip.
    ///
    /// # Errors
    /// As [`record`](Limiter::record).
    ///
    /// # Cancel safety
    /// A dropped call may have ended it.
    pub async fn unblock<S: KeyPart + ?Sized>(&self, subject: &S) -> Result<bool, Error> {
        let key = self.key(subject);
        let was = self.call(&UNBLOCKING, &key, from_ref(&key), []).await?;
        Ok(was == 1)
    }

    /// Holds a subject to another limit or window for so long, in place of the limiter's policy of the same name and algorithm. What is
    /// counted stays. One round trip.
    ///
    /// # Errors
    /// As [`record`](Limiter::record); [`Config`](crate::ErrorKind::Config) if there is no such policy, or the time cannot be meant.
    ///
    /// # Cancel safety
    /// A dropped call may have done so.
    pub async fn override_limit<S: KeyPart + ?Sized>(
        &self,
        subject: &S,
        policy: &Policy,
        lasts: Duration,
    ) -> Result<(), Error> {
        let key = self.key(subject);
        let lasts = lasting("an override", lasts)?;
        let settings = self.plan.rules.override_of(policy)?;
        let args = [
            Bytes::copy_from_slice(policy.name().as_bytes()),
            settings,
            decimal(lasts),
        ];
        self.call(&OVERRIDING, &key, from_ref(&key), args).await?;
        Ok(())
    }

    /// Holds a subject to the limiter's own policy of this name again. One round trip.
    ///
    /// # Errors
    /// As [`record`](Limiter::record).
    ///
    /// # Cancel safety
    /// A dropped call may have done so.
    pub async fn end_override<S: KeyPart + ?Sized>(
        &self,
        subject: &S,
        policy: &str,
    ) -> Result<(), Error> {
        let key = self.key(subject);
        let args = [
            Bytes::copy_from_slice(policy.as_bytes()),
            Bytes::new(),
            decimal(0),
        ];
        self.call(&OVERRIDING, &key, from_ref(&key), args).await?;
        Ok(())
    }

    /// Calls a script that changes what holds of a subject.
    async fn call(
        &self,
        script: &'static Script,
        key: &Key,
        keys: &[Key],
        args: impl IntoIterator<Item = Bytes>,
    ) -> Result<u64, Error> {
        let called = self
            .inner
            .lane
            .script(script, keys, args, Sending::Idempotent);
        let called = Box::pin(called).await;
        self.forget(key);
        // Nothing counts of one that was reset; of another it is given back, also if this call is dropped meanwhile.
        let held = self
            .end_lease(key)
            .filter(|_| !std::ptr::eq(script, &RESETTING));
        if let Some((lease, back)) = held {
            let (limiter, key) = (self.clone(), key.clone());
            let back = tokio::spawn(async move { limiter.return_lease(key, &lease, back).await });
            // It stays charged if it cannot be given back.
            let _ = back.await;
        }
        called
    }
}

fn decimal(number: u64) -> Bytes {
    number.to_string().into()
}
