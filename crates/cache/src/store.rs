//! What the handle stands on: reading entries, and telling whether they hold.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use futures_util::future::join;
use russet_codec::{DecodeError, Payload};
use russet_core::{
    Bytes, Command, Error, Getter, Key, Lane, Namespace, Operation, Policy, Reply, Server, Stem,
    Tally,
};
use tokio::task::JoinHandle;

use crate::builder::Options;
use crate::clock::Clock;
use crate::coherence::Coherence;
use crate::control::{Control, State, States};
use crate::flight::Flights;
use crate::follow::Follower;
use crate::freshness::Age;
use crate::keys::CONCERN;
use crate::lease::{Lease, Leases, Taken};
use crate::local::{Hit, Local, Offer, Ticket};
use crate::pending::Pending;
use crate::stats::{Counts, Outcome, one_more};
use crate::wire::{self, Head, SEEN};

/// How many commands one pipeline has.
pub(crate) const PIPELINE: usize = 128;

pub(crate) struct Store<V> {
    pub(crate) name: String,
    pub(crate) stem: Stem,
    pub(crate) server: Server,
    reads: Reads,
    /// With the deadline of reads.
    quick: Lane,
    pub(crate) lane: Lane,
    pub(crate) options: Options,
    pub(crate) flights: Arc<Flights<V>>,
    pub(crate) leases: Leases,
    /// None in a cache without one.
    pub(crate) local: Option<Arc<Local<V>>>,
    following: OnceLock<Following>,
    /// None in a cache whose entries have no head.
    pub(crate) control: Option<Arc<Control>>,
    pub(crate) clock: Arc<Clock>,
    pub(crate) counts: Counts,
    pub(crate) pending: Pending,
    pub(crate) operations: Operations,
    /// What entries of this type say of it.
    pub(crate) shape: u32,
    /// The keys that are being extended, each once.
    sliding: Mutex<HashSet<Key>>,
}

/// What a read found.
pub(crate) enum Look<V> {
    Found(Found<V>),
    /// Nothing that holds; how what stands there begins, if anything does.
    Nothing(Bytes),
}

/// An entry that holds, fresh or not.
pub(crate) struct Found<V> {
    /// Nothing where it is known that there is none.
    pub(crate) value: Option<Arc<V>>,
    pub(crate) age: Age,
    /// Whether this reader is the one to load it anew although it is fresh.
    pub(crate) is_early: bool,
    /// The entry, or how it begins.
    pub(crate) seen: Bytes,
    pub(crate) tags: Vec<String>,
}

/// What came of asking for the right to load.
pub(crate) enum Leased<V> {
    Ours(Lease),
    /// Somebody else has brought it meanwhile.
    Value(Option<Arc<V>>),
    /// Redis is away: everybody loads for themselves, and stores nothing.
    Away,
    TooLate,
}

pub(crate) struct Operations {
    get: Operation,
    hit: Tally,
    local: Tally,
    pub(crate) insert: Operation,
    pub(crate) remove: Operation,
    pub(crate) invalidate: Operation,
}

/// A value's bytes, and the control state of that moment.
type Read = (Option<Bytes>, Option<State>);

/// How values are read.
enum Reads {
    /// With the control state beside them.
    Beside(Getter<States>),
    /// Alone: there is none, or it lives in another slot.
    Alone(Getter),
}

/// The task that follows what others change; it ends with the cache.
struct Following(JoinHandle<()>);

impl Drop for Following {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl<V> Store<V>
where
    V: Payload + Send + Sync + 'static,
{
    pub(crate) fn new(ns: &Namespace, name: String, stem: Stem, options: Options) -> Self {
        let lane = ns.on(CONCERN, &stem);
        let operation = |name| Operation::new(CONCERN, ns, &stem, name);
        let control = (!options.is_plain).then(|| {
            let changes = options.coherence.changes();
            Arc::new(Control::new(
                lane.clone(),
                &stem,
                &name,
                options.ttl,
                changes,
            ))
        });
        let local = control.as_ref().filter(|_| options.local > 0);
        let local = local.map(|control| {
            let ttl = options.local_ttl.unwrap_or(options.ttl);
            let local = Local::new(options.local, ttl, control.shards.len());
            if options.coherence == Coherence::None {
                local.is_always_sure();
            }
            Arc::new(local)
        });
        let clock = Arc::new(Clock::new());
        let quick = lane.clone().deadline(options.read_deadline);
        let beside = control.clone().filter(|control| control.is_beside);
        Store {
            server: ns.server(CONCERN, &stem),
            reads: match beside {
                Some(control) => Reads::Beside(quick.getter_beside(States(control))),
                None => Reads::Alone(quick.getter()),
            },
            quick,
            operations: Operations {
                hit: operation("get").tally("hit"),
                local: operation("get").tally("local"),
                get: operation("get"),
                insert: operation("insert"),
                remove: operation("remove"),
                invalidate: operation("invalidate"),
            },
            leases: Leases::new(
                lane.clone(),
                ns.server(CONCERN, &stem),
                stem.clone(),
                options.lease,
                control.clone(),
                clock.clone(),
            ),
            local,
            following: OnceLock::new(),
            control,
            clock,
            lane,
            flights: Arc::new(Flights::new()),
            counts: Counts::default(),
            pending: Pending::default(),
            shape: V::shape() ^ options.schema_version,
            sliding: Mutex::default(),
            name,
            stem,
            options,
        }
    }

    /// The value, if there is one that holds and is fresh.
    pub(crate) async fn read(self: &Arc<Self>, key: &Key) -> Result<Option<Arc<V>>, Error> {
        Ok(self.look(key).await?.fresh())
    }

    /// What stands for a key.
    pub(crate) async fn look(self: &Arc<Self>, key: &Key) -> Result<Look<V>, Error> {
        let began = Instant::now();
        if self.pending.has(key) {
            self.note(Outcome::Invalidated, began);
            // Nothing was waited for; whoever reads in a loop shall let others run.
            tokio::task::coop::consume_budget().await;
            return Ok(Look::Nothing(Bytes::new()));
        }
        let ticket = self.ticket(key);
        let read = if self.must_ask_time(began) {
            join(self.bytes(key), self.ask_time()).await.0
        } else {
            self.bytes(key).await
        };
        self.received(key, ticket, read, began).await
    }

    /// A value in this process's memory.
    #[inline]
    pub(crate) fn look_local(&self, part: &str) -> Option<Hit<V>> {
        let local = self.local.as_ref()?;
        let hit = local.get(part)?;
        match hit.value {
            Some(_) => self.counts.local.one_more(),
            None => one_more(&self.counts.local_missing),
        }
        self.operations.local.one_more();
        tracing::debug!(target: "russet::cache", cache = %self.name, outcome = "local", "read");
        Some(hit)
    }

    /// The part of a key that names it in the local tier.
    pub(crate) fn part<'k>(&self, key: &'k Key) -> &'k str {
        // Keys of ours are text.
        std::str::from_utf8(self.stem.value_in(key)).unwrap_or_default()
    }

    /// The state of a key before Redis is asked for it, where there is a local tier to keep the answer.
    pub(crate) fn ticket(&self, key: &Key) -> Option<Ticket> {
        let (local, control) = (self.local.as_ref()?, self.control.as_ref()?);
        if self.options.coherence != Coherence::None {
            self.following.get_or_init(|| {
                let server = self.server.clone();
                let follower =
                    Follower::new(server, self.lane.clone(), control.clone(), local.clone());
                Following(tokio::spawn(follower.run()))
            });
        }
        let shard = control.of(&self.stem, key);
        Some(local.ticket(self.part(key), shard.at))
    }

    /// A key was changed here.
    pub(crate) fn changed(&self, key: &Key) {
        if let Some(local) = &self.local {
            local.changed(self.part(key));
        }
    }

    /// What stands for many keys.
    pub(crate) async fn look_many(self: &Arc<Self>, keys: &[Key]) -> Result<Vec<Look<V>>, Error> {
        let began = Instant::now();
        let tickets: Vec<_> = keys.iter().map(|key| self.ticket(key)).collect();
        let all = self.bytes_of_all(keys);
        let read = if self.must_ask_time(began) {
            join(all, self.ask_time()).await.0
        } else {
            all.await
        };
        let mut looks = Vec::with_capacity(keys.len());
        for ((key, ticket), read) in keys.iter().zip(tickets).zip(read) {
            looks.push(if self.pending.has(key) {
                self.note(Outcome::Invalidated, began);
                Look::Nothing(Bytes::new())
            } else {
                self.received(key, ticket, read, began).await?
            });
        }
        Ok(looks)
    }

    async fn bytes_of_all(&self, keys: &[Key]) -> Vec<Result<Read, Error>> {
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
    async fn bytes(&self, key: &Key) -> Result<Read, Error> {
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
    fn must_ask_time(&self, now: Instant) -> bool {
        let Some(control) = &self.control else {
            return false;
        };
        control.keep_warm(now);
        self.clock.is_due(now)
    }

    async fn ask_time(&self) {
        let time = Command::new("TIME");
        // Where it fails the last one holds, and it is asked again.
        if let Ok(time) = Box::pin(self.quick.run::<Vec<u64>>(time, Policy::Idempotent)).await
            && let [seconds, micros] = time[..]
        {
            self.clock.heard(seconds * 1_000_000 + micros);
        }
    }

    /// What a reply means to whoever reads.
    async fn received(
        self: &Arc<Self>,
        key: &Key,
        ticket: Option<Ticket>,
        read: Result<Read, Error>,
        began: Instant,
    ) -> Result<Look<V>, Error> {
        let opened = match read {
            Ok((Some(bytes), state)) => self.opened(key, ticket, bytes, state, began).await,
            Ok((None, _)) => Ok((Outcome::Absent, Look::Nothing(Bytes::new()))),
            Err(error) => Err(error),
        };
        let (outcome, look) = match opened {
            Ok((outcome, look)) => (outcome, Ok(look)),
            Err(error) if self.options.on_outage.hides(&error) => {
                (Outcome::Outage, Ok(self.stand_in(key)))
            }
            Err(error) => (Outcome::Error, Err(error)),
        };
        self.note(outcome, began);
        look
    }

    /// What this process keeps in memory, where Redis is away.
    fn stand_in(&self, key: &Key) -> Look<V> {
        let freshness = &self.options.freshness;
        let window = freshness.if_error.max(freshness.while_revalidate);
        // Where nothing stale is asked for, nothing is served of which it is not sure that it holds.
        let local = self.local.as_ref().filter(|_| !window.is_zero());
        match local.and_then(|local| local.stand_in(self.part(key), window)) {
            Some(value) => {
                one_more(&self.counts.stale_served);
                Look::Found(Found::bare(value, Bytes::new()))
            }
            None => Look::Nothing(Bytes::new()),
        }
    }

    /// What an entry's bytes are good for.
    async fn opened(
        self: &Arc<Self>,
        key: &Key,
        ticket: Option<Ticket>,
        bytes: Bytes,
        state: Option<State>,
        now: Instant,
    ) -> Result<(Outcome, Look<V>), Error> {
        let seen = || bytes.slice(..bytes.len().min(SEEN));
        let Some(control) = &self.control else {
            return Ok(match self.decode(key, &bytes) {
                Some(value) => (
                    Outcome::Hit,
                    Look::Found(Found::bare(Arc::new(value), seen())),
                ),
                None => (Outcome::Undecodable, Look::Nothing(seen())),
            });
        };
        let Some((head, value)) = Head::read(&bytes) else {
            return Ok((Outcome::Undecodable, Look::Nothing(seen())));
        };
        if self.pending.has_tag_of(&head)
            || !control
                .holds(control.of(&self.stem, key), &head, state)
                .await?
        {
            return Ok((Outcome::Invalidated, Look::Nothing(seen())));
        }
        let value = match head.found_nothing {
            true => None,
            false if head.shape != self.shape => {
                return Ok((Outcome::Undecodable, Look::Nothing(seen())));
            }
            false => match self.decode(key, value) {
                Some(value) => Some(Arc::new(value)),
                None => return Ok((Outcome::Undecodable, Look::Nothing(seen()))),
            },
        };
        let freshness = &self.options.freshness;
        let age = self.clock.age(head.born, now);
        let found = Found {
            age: freshness.of(age, head.fresh, head.kept_in_use),
            is_early: freshness.is_early(age, head.fresh, head.load_took),
            tags: head.tags().map(str::to_owned).collect(),
            value,
            seen: Bytes::new(),
        };
        if found.age == Age::Fresh {
            if head.kept_in_use {
                one_more(&self.counts.stale_served);
            }
            if freshness.slides(age, head.fresh) {
                self.slide(key, &head, seen());
            }
            if let (Some(local), Some(ticket)) = (&self.local, ticket) {
                let fresh = match freshness.sliding {
                    // Somebody has to be seen reading it in the second half of its life.
                    true => head.fresh / 2,
                    false => head.fresh,
                };
                let offer = Offer {
                    value: found.value.clone(),
                    fresh: fresh.saturating_sub(age),
                    load_took: head.load_took,
                    tags: found.tags.clone(),
                    stamp: head.stamp,
                    bytes: bytes.len(),
                };
                local.keep(self.part(key), ticket, offer);
            }
        }
        let outcome = match (found.age, &found.value) {
            (Age::Fresh, Some(_)) => Outcome::Hit,
            (Age::Fresh, None) => Outcome::Missing,
            _ => Outcome::Stale,
        };
        // Moved, not counted once more; most are thrown away.
        Ok((
            outcome,
            Look::Found(Found {
                seen: bytes,
                ..found
            }),
        ))
    }

    fn decode(&self, key: &Key, bytes: &[u8]) -> Option<V> {
        let id = self.stem.value_in(key);
        match wire::decode(&self.options.codec, &self.name, id, bytes) {
            Ok(value) => Some(value),
            Err(error) => {
                if matches!(error, DecodeError::ForeignValue) {
                    self.lane.distrust(key, "a cached value of another key");
                }
                tracing::debug!(target: "russet::cache", cache = %self.name, %error, "an unreadable value is a miss");
                None
            }
        }
    }

    /// Has an entry that is being read live on.
    fn slide(self: &Arc<Self>, key: &Key, head: &Head<'_>, seen: Bytes) {
        if !self.sliding().insert(key.clone()) {
            return;
        }
        let (store, key) = (self.clone(), key.clone());
        let (flags, fresh) = (
            Head::flags(head.found_nothing, head.kept_in_use),
            head.fresh,
        );
        tokio::spawn(async move {
            let lives = store.options.freshness.lives(fresh);
            let extended = store
                .leases
                .extend(&key, &seen, flags, fresh, Some(lives), false)
                .await;
            if let Err(error) = extended {
                tracing::debug!(target: "russet::cache", cache = %store.name, %error, "a value that was read does not live longer");
            }
            store.sliding().remove(&key);
        });
    }

    fn sliding(&self) -> std::sync::MutexGuard<'_, HashSet<Key>> {
        // No code that can panic runs under this lock.
        self.sliding.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self, outcome: Outcome, began: Instant) {
        self.counts.read(outcome);
        match outcome {
            // The one that nearly all are is counted without looking for its name.
            Outcome::Hit => self.operations.hit.one_more_after(began.elapsed()),
            _ => self.operations.get.record(outcome.name(), began.elapsed()),
        }
        tracing::debug!(target: "russet::cache", cache = %self.name, outcome = outcome.name(), "read");
    }

    /// The right to load a value, or the value that somebody else has brought meanwhile; nothing while Redis is away, or where
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
                return Ok(Leased::Away);
            }
            let ticket = self.ticket(key);
            let (bytes, state) = match self.leases.take(key, &seen, deadline).await {
                Ok(Taken::Lease(lease)) => return Ok(Leased::Ours(lease)),
                Ok(Taken::TooLate) => return Ok(Leased::TooLate),
                Ok(Taken::Value(bytes, state)) => (bytes, state),
                Err(error) if self.options.on_outage.hides(&error) => return Ok(Leased::Away),
                Err(error) => return Err(error),
            };
            let opened = async {
                let state = self.state_with(key, state).await?;
                self.opened(key, ticket, bytes, state, Instant::now()).await
            };
            let look = match opened.await {
                Ok((_, look)) => look,
                Err(error) if self.options.on_outage.hides(&error) => return Ok(Leased::Away),
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
        let peeked = async {
            let peek = self.leases.peek(key).await?;
            let Some((head, _)) = Head::read(&peek.first) else {
                return Ok(None);
            };
            let state = self.state_with(key, peek.state).await?;
            let holds = control.holds(control.of(&self.stem, key), &head, state);
            if self.pending.has_tag_of(&head) || !holds.await? || head.found_nothing {
                return Ok(None);
            }
            let left = head
                .fresh
                .checked_sub(self.clock.age(head.born, Instant::now()));
            Ok(left.zip(peek.lives).map(|(left, lives)| left.min(lives)))
        };
        self.unless_away(peeked.await, None)
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
        if self.control.is_none() {
            let expire = Command::new("PEXPIRE").key(key).arg(millis(ttl));
            return self.answer(expire, false).await;
        }
        let extended = async {
            if self.fresh_for(key).await?.is_none() {
                return Ok(false);
            }
            let peek = self.leases.peek(key).await?;
            let Some((head, _)) = Head::read(&peek.first) else {
                return Ok(false);
            };
            let flags = Head::flags(head.found_nothing, head.kept_in_use);
            let lives = self.options.freshness.lives(ttl);
            let seen = peek.first.slice(..SEEN);
            self.leases
                .extend(key, &seen, flags, ttl, Some(lives), true)
                .await
        };
        let extended = self.unless_away(extended.await, false);
        self.changed(key);
        extended
    }

    /// A command's reply, or what stands for it while Redis is away.
    async fn answer<T: russet_core::FromReply>(
        &self,
        command: Command,
        away: T,
    ) -> Result<T, Error> {
        let reply = Box::pin(self.lane.run::<Reply>(command, Policy::Idempotent)).await;
        self.unless_away(reply.and_then(T::from_reply), away)
    }

    fn unless_away<T>(&self, reply: Result<T, Error>, away: T) -> Result<T, Error> {
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

impl<V> Look<V> {
    pub(crate) fn fresh(self) -> Option<Arc<V>> {
        match self {
            Look::Found(found) if found.age == Age::Fresh => found.value,
            _ => None,
        }
    }
}

impl<V> Found<V> {
    /// Nothing that is good for anything.
    pub(crate) fn nothing(seen: Bytes) -> Self {
        Found {
            value: None,
            age: Age::Over,
            is_early: false,
            seen,
            tags: Vec::new(),
        }
    }

    /// How the entry begins: what tells it from another one of its key.
    pub(crate) fn begins(&self) -> Bytes {
        self.seen.slice(..self.seen.len().min(SEEN))
    }

    /// A value of whose age nothing is known: it is fresh as long as it is there.
    fn bare(value: Arc<V>, seen: Bytes) -> Self {
        Found {
            value: Some(value),
            age: Age::Fresh,
            is_early: false,
            seen,
            tags: Vec::new(),
        }
    }
}

pub(crate) fn millis(ttl: Duration) -> u64 {
    u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX).max(1)
}
