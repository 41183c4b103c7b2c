//! A cache of counters.

use std::borrow::Borrow;
use std::fmt;
use std::marker::PhantomData;
use std::ops::RangeInclusive;
use std::time::Duration;

use russet_core::{
    BuildError, BuildErrorKind, Command, Error, FromReply as _, KeyPart, Lane, Namespace, Policy,
    Script, ScriptCalls, Stem,
};

use crate::builder::check_ttl;
use crate::keys::{CONCERN, INCREMENT, KEYS};
use crate::outage::OnOutage;
use crate::store::millis;

static SCRIPT: Script = Script::new(INCREMENT);

/// Lua counts in floating point: beyond this, not every number is one.
const MOST: i64 = (1 << 53) - 1;

/// A named cache of counters by `K`: plain decimal numbers, which any other program can read. Cheap to clone.
///
/// A counter that is not there counts as 0, and lives for the TTL from its first increment on.
pub struct Counters<K> {
    lane: Lane,
    calls: ScriptCalls,
    stem: Stem,
    ttl: Duration,
    bounds: (i64, i64),
    name: String,
    on_outage: OnOutage,
    key: PhantomData<fn(K)>,
}

impl<K: KeyPart> Counters<K> {
    /// Counters of this name, unique among the caches of the namespace.
    pub fn builder(ns: &Namespace, name: &str) -> CountersBuilder<K> {
        CountersBuilder {
            ns: ns.clone(),
            name: name.to_owned(),
            ttl: ns.redis().default_ttl(),
            bounds: (-MOST, MOST),
            on_outage: OnOutage::of(ns),
            key: PhantomData,
        }
    }

    /// The value; `None` if there is none, or Redis is away. One `GET`.
    ///
    /// # Errors
    /// What waiting does not heal, such as a key that holds no number.
    ///
    /// # Cancel safety
    /// Safe to drop.
    pub async fn get<Q>(&self, key: &Q) -> Result<Option<i64>, Error>
    where
        K: Borrow<Q>,
        Q: KeyPart + ?Sized,
    {
        let get = Command::new("GET").key(&self.stem.key(key));
        let reply = Box::pin(self.lane.run::<Option<i64>>(get, Policy::Idempotent)).await;
        self.unless_away(reply)
    }

    /// Adds to a counter, and answers its value then: at a bound it stays there. `None` while Redis is away: it may have been
    /// added all the same. One `EVALSHA`, which concurrent calls share.
    ///
    /// # Errors
    /// A number beyond 2^53 − 1, which a script cannot count; else as [`get`](Counters::get).
    ///
    /// # Cancel safety
    /// A dropped call may still add.
    pub async fn increment<Q>(&self, key: &Q, by: i64) -> Result<Option<i64>, Error>
    where
        K: Borrow<Q>,
        Q: KeyPart + ?Sized,
    {
        check_number("an increment", &self.name, by)?;
        let reply = self.calls.call(self.stem.key(key), [by]).await;
        self.unless_away(reply.and_then(i64::from_reply).map(Some))
    }

    /// Subtracts from a counter; as [`increment`](Counters::increment).
    ///
    /// # Errors
    /// As [`increment`](Counters::increment).
    ///
    /// # Cancel safety
    /// A dropped call may still subtract.
    pub async fn decrement<Q>(&self, key: &Q, by: i64) -> Result<Option<i64>, Error>
    where
        K: Borrow<Q>,
        Q: KeyPart + ?Sized,
    {
        // Of the one number that has no opposite, the nearest that has: it is refused either way.
        self.increment(key, by.saturating_neg()).await
    }

    /// Sets a counter, for the TTL from now on; `false` while Redis is away. One `SET … PX`.
    ///
    /// # Errors
    /// A number outside the bounds; else as [`get`](Counters::get).
    ///
    /// # Cancel safety
    /// A dropped call may still set it.
    pub async fn set<Q>(&self, key: &Q, value: i64) -> Result<bool, Error>
    where
        K: Borrow<Q>,
        Q: KeyPart + ?Sized,
    {
        let (least, most) = self.bounds;
        if !(least..=most).contains(&value) {
            let message = format!(
                "{value} is outside the bounds of the counters {:?}, {least} to {most}",
                self.name
            );
            return Err(BuildError::new(BuildErrorKind::Limit, message).into());
        }
        let set = Command::new("SET").key(&self.stem.key(key)).arg(value);
        let set = set.arg("PX").arg(millis(self.ttl));
        let reply = Box::pin(self.lane.run::<()>(set, Policy::Idempotent)).await;
        Ok(self.unless_away(reply.map(Some))?.is_some())
    }

    /// Removes a counter; whether there was one. One `DEL`.
    ///
    /// # Errors
    /// Any failure, also while Redis is away.
    ///
    /// # Cancel safety
    /// A dropped call may still remove it.
    pub async fn remove<Q>(&self, key: &Q) -> Result<bool, Error>
    where
        K: Borrow<Q>,
        Q: KeyPart + ?Sized,
    {
        let delete = Command::new("DEL").key(&self.stem.key(key));
        Box::pin(self.lane.run(delete, Policy::Idempotent)).await
    }

    fn unless_away<T>(&self, reply: Result<Option<T>, Error>) -> Result<Option<T>, Error> {
        match reply {
            Err(error) if self.on_outage.hides(&error) => Ok(None),
            reply => reply,
        }
    }
}

impl<K> Clone for Counters<K> {
    fn clone(&self) -> Self {
        Counters {
            lane: self.lane.clone(),
            calls: self.calls.clone(),
            stem: self.stem.clone(),
            ttl: self.ttl,
            bounds: self.bounds,
            name: self.name.clone(),
            on_outage: self.on_outage,
            key: PhantomData,
        }
    }
}

impl<K> fmt::Debug for Counters<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Counters({})", self.stem.as_str())
    }
}

/// Configures [`Counters`].
///
/// | setting | default |
/// |---|---|
/// | [`ttl`](CountersBuilder::ttl) | as of a [`Cache`](crate::Cache) |
/// | [`bounds`](CountersBuilder::bounds) | −(2^53 − 1) to 2^53 − 1 |
/// | [`on_outage`](CountersBuilder::on_outage) | as of a [`Cache`](crate::Cache) |
#[derive(Debug)]
#[must_use = "a builder does nothing until `build`"]
pub struct CountersBuilder<K> {
    ns: Namespace,
    name: String,
    ttl: Duration,
    bounds: (i64, i64),
    on_outage: OnOutage,
    key: PhantomData<fn(K)>,
}

impl<K: KeyPart> CountersBuilder<K> {
    /// How long a counter lives from its first increment on, before the profile's factor. At least 1 ms, at most 10 years.
    pub fn ttl(mut self, ttl: Duration) -> Self {
        self.ttl = ttl;
        self
    }

    /// Which values a counter takes; it stops at them.
    pub fn bounds(mut self, bounds: RangeInclusive<i64>) -> Self {
        self.bounds = bounds.into_inner();
        self
    }

    /// What callers see while Redis is away.
    pub fn on_outage(mut self, on_outage: OnOutage) -> Self {
        self.on_outage = on_outage;
        self
    }

    /// The counters.
    ///
    /// # Errors
    /// A wrong name, a TTL outside its bounds, bounds beyond 2^53 − 1 or in the wrong order.
    pub fn build(self) -> Result<Counters<K>, BuildError> {
        let ttl = self.ns.profile().scaled(self.ttl);
        check_ttl("ttl", &self.name, ttl)?;
        let (least, most) = self.bounds;
        for bound in [least, most] {
            check_number("a bound", &self.name, bound)?;
        }
        if least > most {
            let message = format!(
                "the bounds of the counters {:?} are {least} to {most}; write the lower one first",
                self.name
            );
            return Err(BuildError::new(BuildErrorKind::Limit, message));
        }
        let stem = self.ns.stem("cache", &self.name)?;
        self.ns.declare(KEYS, &stem);
        let lane = self.ns.on(CONCERN, &stem);
        let common = [least.to_string(), most.to_string(), millis(ttl).to_string()];
        Ok(Counters {
            calls: lane.script_calls(&SCRIPT, common, Policy::AtMostOnce),
            lane,
            stem,
            ttl,
            bounds: self.bounds,
            name: self.name,
            on_outage: self.on_outage,
            key: PhantomData,
        })
    }
}

fn check_number(what: &str, name: &str, number: i64) -> Result<(), BuildError> {
    if (-MOST..=MOST).contains(&number) {
        return Ok(());
    }
    let message = format!(
        "{what} of the counters {name:?} is {number}; it must lie between −(2^53 − 1) and 2^53 − 1"
    );
    Err(BuildError::new(BuildErrorKind::Limit, message))
}
