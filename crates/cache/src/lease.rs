//! Who loads a value, among all processes.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher as _, Hasher as _};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use russet_core::{
    Bytes, Command, Error, FromReply as _, Key, Lane, Policy, Reply, Script, Server, Stem,
};

use crate::clock::Clock;
use crate::control::{Control, State};
use crate::keys::{self, ACQUIRE, BUST, CLAIM, EXTEND, FILL, PEEK, RELEASE, REMOVE, RENEW};
use crate::store::millis;
use crate::stores::{Put, Stores, Storing, stores};
use crate::wake::Wake;
use crate::wire::{Entry, MOST_HEAD};

static ACQUIRE_SCRIPT: Script = Script::new(ACQUIRE);
static FILL_SCRIPT: Script = Script::new(FILL);
static REMOVE_SCRIPT: Script = Script::new(REMOVE);
static RELEASE_SCRIPT: Script = Script::new(RELEASE);
static RENEW_SCRIPT: Script = Script::new(RENEW);
static BUST_SCRIPT: Script = Script::new(BUST);
static CLAIM_SCRIPT: Script = Script::new(CLAIM);
static EXTEND_SCRIPT: Script = Script::new(EXTEND);
static PEEK_SCRIPT: Script = Script::new(PEEK);

/// The leases of one cache, after those of memcached (Nishtala et al., "Scaling Memcache at Facebook", NSDI 2013), but kept
/// beside the value: whoever misses takes one and loads; who comes later waits; whatever changes the value ends the lease, and
/// the load then stores nothing.
pub(crate) struct Leases {
    lane: Lane,
    stem: Stem,
    /// How long one lasts; its holder renews it while it loads.
    length: Duration,
    wake: Wake,
    control: Option<Arc<Control>>,
    clock: Arc<Clock>,
    stores: Stores,
}

/// The right to load one value.
pub(crate) struct Lease {
    key: Key,
    lease: Key,
    token: String,
    /// What the entry is stored under; nothing in a cache whose entries have no head.
    pub(crate) under: Option<State>,
    /// How far the changes that Redis was to be told of were when it was asked for.
    pub(crate) point: u64,
}

/// What came of asking for a lease.
pub(crate) enum Taken {
    Lease(Lease),
    /// The value is there by now; with the control state, if that was read together with it.
    Value(Bytes, Option<Bytes>),
    /// Somebody else had the lease until the deadline.
    TooLate,
}

/// What one asking answered.
enum Answer {
    Taken(Option<State>),
    Value(Bytes, Option<Bytes>),
    Held(Duration),
}

/// What is known of a value without its bytes.
pub(crate) struct Peek {
    /// How long it lives; nothing without a key, or a TTL.
    pub(crate) lives: Option<Duration>,
    /// An entry's head and tags.
    pub(crate) first: Bytes,
    /// The control state, if it lives beside.
    pub(crate) state: Option<Bytes>,
}

impl Leases {
    pub(crate) fn new(
        lane: Lane,
        server: Server,
        stem: Stem,
        length: Duration,
        control: Option<Arc<Control>>,
        clock: Arc<Clock>,
    ) -> Self {
        let wake = Wake::new(server, keys::wake(&stem));
        let storing = Storing {
            lane: lane.clone(),
            stem: stem.clone(),
            control: control.clone(),
            wake: bytes(wake.channel()),
        };
        Leases {
            stores: stores(storing, lane.deadline_of_each()),
            lane,
            stem,
            length,
            wake,
            control,
            clock,
        }
    }

    /// How often a holder renews its lease.
    pub(crate) fn renewal(&self) -> Duration {
        self.length / 3
    }

    /// Takes the lease, or waits for what its holder brings, until the deadline. `seen` is how what stands for the value and is
    /// of no use begins.
    pub(crate) async fn take(
        &self,
        key: &Key,
        seen: &Bytes,
        deadline: Instant,
    ) -> Result<Taken, Error> {
        let mut waiter = None;
        loop {
            let mut asked = self.asked(key);
            let held = match asked.answered(self.ask(&asked.lease, seen).await)? {
                Answer::Taken(under) => return Ok(Taken::Lease(asked.taken(under))),
                Answer::Value(value, state) => return Ok(Taken::Value(value, state)),
                Answer::Held(left) => left,
            };
            let now = Instant::now();
            if now >= deadline {
                return Ok(Taken::TooLate);
            }
            match &waiter {
                // Asked once more with somebody listening: what happened before would not wake us.
                None => waiter = Some(self.wake.waiter(key).await),
                // A holder that crashed wakes nobody; its lease ends. A little later, so that it has.
                Some(waiter) => {
                    let most = (held + Duration::from_millis(1)).min(deadline - now);
                    waiter.woken(most).await;
                }
            }
        }
    }

    async fn ask(&self, lease: &Lease, seen: &Bytes) -> Result<Answer, Error> {
        let [epoch, life] = self.control.as_ref().map(|c| c.args()).unwrap_or_default();
        let args = [
            Bytes::copy_from_slice(lease.token.as_bytes()),
            number(self.length),
            seen.clone(),
            epoch,
            life,
        ];
        let keys = [&lease.key, &lease.lease];
        let keys = keys.into_iter().chain(self.beside(&lease.key).take(2));
        // Sent again after a lost reply, it finds its own token.
        let reply = self
            .lane
            .script::<Reply>(&ACQUIRE_SCRIPT, keys, args, Policy::Idempotent);
        let (reply, apart) =
            futures_util::future::join(Box::pin(reply), self.apart(&lease.key)).await;
        let left = match reply? {
            Reply::Array(reply) => {
                let mut reply = reply.into_iter();
                let mut next = || reply.next().map(Bytes::from_reply).transpose();
                let (time, text, value) = (next()?, next()?, next()?);
                if let Some(time) = time {
                    self.clock.heard(u64::from_reply(Reply::Bytes(time))?);
                }
                let text = text.filter(|text| !text.is_empty());
                if let Some(value) = value {
                    return Ok(Answer::Value(value, text));
                }
                let under = match (&self.control, text) {
                    (Some(control), Some(text)) => {
                        Some(control.of(&self.stem, &lease.key).must_state_of(&text)?)
                    }
                    _ => apart?,
                };
                return Ok(Answer::Taken(under));
            }
            left => left,
        };
        let left = u64::try_from(i64::from_reply(left)?).unwrap_or(0);
        Ok(Answer::Held(Duration::from_millis(left)))
    }

    /// The keys of the control state, of its tags and of the changes, where they live in the value's slot.
    fn beside<'s>(&'s self, key: &Key) -> impl Iterator<Item = &'s Key> {
        let control = self.control.as_ref().filter(|control| control.is_beside);
        let shard = control.map(|control| control.of(&self.stem, key));
        let keys = shard.map(|shard| [&shard.state, &shard.tags, &shard.changes]);
        keys.into_iter().flatten()
    }

    /// What a script is told of how it tells that a value has changed.
    fn announcing(&self, key: &Key) -> [Bytes; 5] {
        let Some(control) = &self.control else {
            return Default::default();
        };
        let [channel, tag, by, most] = control.announcing(control.of(&self.stem, key));
        let mut change = vec![b'k'];
        change.extend_from_slice(self.stem.value_in(key));
        [channel, tag, by, most, change.into()]
    }

    /// The control state where it lives in another slot than the value: read by a call of its own, at the same time or before.
    async fn apart(&self, key: &Key) -> Result<Option<State>, Error> {
        match &self.control {
            Some(control) if !control.is_beside => {
                let shard = control.of(&self.stem, key);
                control.open(shard, None).await.map(Some)
            }
            _ => Ok(None),
        }
    }

    /// Stores what was loaded under a lease; whether the lease was still there, and the control state then, if it lives beside.
    pub(crate) async fn fill(
        &self,
        lease: &Lease,
        entry: Entry,
        ttl: Duration,
    ) -> Result<(bool, Option<Bytes>), Error> {
        let under = lease.under.map(|state| [state.epoch, state.clock]);
        let [epoch, stamp] = under.unwrap_or_default();
        let args = [
            Bytes::copy_from_slice(lease.token.as_bytes()),
            number(ttl),
            self.channel(),
            bytes(&lease.key),
            entry.head,
            epoch.to_string().into(),
            stamp.to_string().into(),
            entry.rest,
        ];
        let args = args.into_iter().chain(self.announcing(&lease.key));
        let keys = [&lease.key, &lease.lease];
        let keys = keys.into_iter().chain(self.beside(&lease.key));
        // Not sent again after a lost reply: it would find the lease gone and say that nothing was stored.
        let reply = self
            .lane
            .script::<Vec<Reply>>(&FILL_SCRIPT, keys, args, Policy::AtMostOnce);
        let mut reply = Box::pin(reply).await?.into_iter();
        let is_stored = bool::from_reply(reply.next().unwrap_or(Reply::Nil))?;
        let state = Bytes::from_reply(reply.next().unwrap_or(Reply::Nil))?;
        Ok((is_stored, Some(state).filter(|state| !state.is_empty())))
    }

    /// Has an entry count as fresh for this long from now on, and live for so long, if it is still the one that was seen; whether
    /// it was. `tells` whether those are told who keep it in their memory: where it may end earlier than they think.
    pub(crate) async fn extend(
        &self,
        key: &Key,
        seen: &Bytes,
        flags: u8,
        fresh: Duration,
        lives: Option<Duration>,
        tells: bool,
    ) -> Result<bool, Error> {
        let args = [
            seen.clone(),
            Bytes::copy_from_slice(&[flags]),
            number(fresh),
            lives.map(number).unwrap_or_default(),
        ];
        let args = args.into_iter().chain(self.announcing(key));
        let changes = self.beside(key).skip(2).filter(|_| tells);
        let keys = std::iter::once(key).chain(changes);
        let reply = self
            .lane
            .script(&EXTEND_SCRIPT, keys, args, Policy::Idempotent);
        Box::pin(reply).await
    }

    /// What is known of a value without its bytes.
    pub(crate) async fn peek(&self, key: &Key) -> Result<Peek, Error> {
        let keys = std::iter::once(key).chain(self.beside(key).take(1));
        let args = [Bytes::from(MOST_HEAD.to_string())];
        let reply = self
            .lane
            .script::<Vec<Reply>>(&PEEK_SCRIPT, keys, args, Policy::Idempotent);
        let reply = Box::pin(reply).await?;
        let [time, lives, first, state] = <[Reply; 4]>::try_from(reply)
            .map_err(|_| Error::decode("peek.lua answered something else"))?;
        self.clock.heard(u64::from_reply(time)?);
        let state = Bytes::from_reply(state)?;
        Ok(Peek {
            lives: u64::try_from(i64::from_reply(lives)?)
                .ok()
                .map(Duration::from_millis),
            first: Bytes::from_reply(first)?,
            state: Some(state).filter(|state| !state.is_empty()),
        })
    }

    /// Takes the lease of a value from whoever has it: to write the value, which is removed, or to load it anew, which `stays` until then.
    pub(crate) async fn claim(&self, key: &Key, stays: bool) -> Result<Lease, Error> {
        let mut under = self.apart(key).await?;
        let mut asked = self.asked(key);
        let lease = &asked.lease;
        let [epoch, life] = self.control.as_ref().map(|c| c.args()).unwrap_or_default();
        let args = [
            Bytes::copy_from_slice(lease.token.as_bytes()),
            number(self.length),
            epoch,
            life,
        ];
        let args = args.into_iter().chain(self.announcing(key));
        let args = args.chain([Bytes::from_static(if stays { b"1" } else { b"0" })]);
        let keys = [key, &lease.lease].into_iter().chain(self.beside(key));
        let reply = self
            .lane
            .script::<Vec<Bytes>>(&CLAIM_SCRIPT, keys, args, Policy::Idempotent);
        let reply = asked.answered(Box::pin(reply).await)?;
        if let (Some(control), Some(text)) = (&self.control, reply.get(1))
            && control.is_beside
        {
            under = Some(control.of(&self.stem, key).must_state_of(text)?);
        }
        Ok(asked.taken(under))
    }

    /// A lease that is about to be asked for.
    fn asked(&self, key: &Key) -> Asked<'_> {
        Asked {
            leases: self,
            lease: Lease {
                key: key.clone(),
                lease: self.of(key),
                token: token(),
                under: None,
                point: 0,
            },
            is_open: true,
        }
    }

    /// Gives a lease back without a value; whether it was still there. Where that fails, it ends by itself.
    pub(crate) async fn release(&self, lease: &Lease) -> bool {
        release(&self.lane, self.channel(), lease).await
    }

    /// Has a lease last on; whether it was still there.
    pub(crate) async fn renew(&self, lease: &Lease) -> Result<bool, Error> {
        let args = [
            Bytes::copy_from_slice(lease.token.as_bytes()),
            number(self.length),
        ];
        let reply = self
            .lane
            .script(&RENEW_SCRIPT, [&lease.lease], args, Policy::Idempotent);
        Box::pin(reply).await
    }

    /// Has older versions of a value count no more, for so long, and ends the lease of whoever loads it; whether there was one.
    pub(crate) async fn bust(
        &self,
        key: &Key,
        busted: Entry,
        ttl: Duration,
    ) -> Result<bool, Error> {
        let lease = self.of(key);
        let args = [
            self.channel(),
            bytes(key),
            busted.head,
            busted.rest,
            number(ttl),
        ];
        let args = args.into_iter().chain(self.announcing(key));
        let keys = [key, &lease].into_iter().chain(self.beside(key));
        let reply = self
            .lane
            .script(&BUST_SCRIPT, keys, args, Policy::Idempotent);
        Box::pin(reply).await
    }

    /// Stores a value, and ends the lease of whoever loads it; the stamp of its entry.
    pub(crate) async fn store(&self, key: &Key, entry: Entry, ttl: Duration) -> Result<u64, Error> {
        let under = match &self.control {
            Some(control) if !control.is_beside => Box::pin(self.apart(key)).await?,
            _ => None,
        };
        let control = self.control.as_ref();
        let put = Put {
            key: key.clone(),
            lease: self.of(key),
            shard: control.map_or(0, |control| control.of(&self.stem, key).at),
            under: under.map(|state| [state.epoch, state.clock]),
            entry,
            lives: ttl,
        };
        self.stores.call(put).await
    }

    /// Removes a value, and ends the lease of whoever loads it; whether there was a value.
    pub(crate) async fn remove(&self, key: &Key) -> Result<bool, Error> {
        let lease = self.of(key);
        let args = [self.channel(), bytes(key)];
        let args = args.into_iter().chain(self.announcing(key));
        let keys = [key, &lease].into_iter().chain(self.beside(key).skip(2));
        let reply = self
            .lane
            .script(&REMOVE_SCRIPT, keys, args, Policy::Idempotent);
        Box::pin(reply).await
    }

    /// Wakes those who wait for the holder of a lease that was ended, if there are any. Where that fails, its holder wakes them.
    pub(crate) async fn wake(&self, key: &Key, holder: Option<Bytes>) {
        if holder.is_some_and(|holder| holder.ends_with(b"+")) {
            let publish = Command::new("PUBLISH").key(self.wake.channel());
            let publish = publish.arg(bytes(key));
            let _ = Box::pin(self.lane.run::<()>(publish, Policy::Idempotent)).await;
        }
    }

    /// The key of a value's lease.
    pub(crate) fn of(&self, key: &Key) -> Key {
        keys::lease(&self.stem, key)
    }

    fn channel(&self) -> Bytes {
        bytes(self.wake.channel())
    }
}

/// A lease that was asked for. Dropped before it is known what came of it, it is given back: nobody waits for who is not there.
struct Asked<'l> {
    leases: &'l Leases,
    lease: Lease,
    /// It is not known whether it is ours.
    is_open: bool,
}

impl Asked<'_> {
    /// What was answered; where nothing was, it may be ours all the same.
    fn answered<T>(&mut self, answer: Result<T, Error>) -> Result<T, Error> {
        // Where the control state lives apart, it may be that which was not answered.
        let is_apart = self
            .leases
            .control
            .as_ref()
            .is_some_and(|control| !control.is_beside);
        let may_be_ours = |error: &Error| is_apart || error.may_have_executed();
        self.is_open = answer.as_ref().is_err_and(may_be_ours);
        answer
    }

    /// It is ours, and stands for loads under this.
    fn taken(mut self, under: Option<State>) -> Lease {
        self.is_open = false;
        self.moved(under)
    }

    fn moved(&mut self, under: Option<State>) -> Lease {
        Lease {
            key: self.lease.key.clone(),
            lease: self.lease.lease.clone(),
            token: std::mem::take(&mut self.lease.token),
            under,
            point: 0,
        }
    }
}

impl Drop for Asked<'_> {
    fn drop(&mut self) {
        if self.is_open
            && let Ok(runtime) = tokio::runtime::Handle::try_current()
        {
            let (lane, channel) = (self.leases.lane.clone(), self.leases.channel());
            let lease = self.moved(None);
            runtime.spawn(async move { release(&lane, channel, &lease).await });
        }
    }
}

/// Gives a lease back; whether it was still there.
async fn release(lane: &Lane, channel: Bytes, lease: &Lease) -> bool {
    let token = Bytes::copy_from_slice(lease.token.as_bytes());
    let args = [token, channel, bytes(&lease.key)];
    let reply = lane.script(&RELEASE_SCRIPT, [&lease.lease], args, Policy::Idempotent);
    let reply = Box::pin(reply).await;
    reply.unwrap_or_else(|error| {
        tracing::debug!(target: "russet::cache", key = %lease.key, %error, "a lease was not given back; it ends by itself");
        false
    })
}

fn bytes(key: &Key) -> Bytes {
    Bytes::copy_from_slice(key.as_bytes())
}

fn number(time: Duration) -> Bytes {
    millis(time).to_string().into()
}

/// A text that no other load in the world has.
pub(crate) fn token() -> String {
    /// What the hasher of this process was seeded with: 128 random bits.
    static PROCESS: LazyLock<(u64, u64)> = LazyLock::new(|| {
        let seed = || RandomState::new().build_hasher().finish();
        (seed(), std::process::id().into())
    });
    static LOADS: AtomicU64 = AtomicU64::new(0);
    let (seed, process) = *PROCESS;
    let load = LOADS.fetch_add(1, Ordering::Relaxed);
    format!("{seed:x}-{process:x}-{load:x}")
}
