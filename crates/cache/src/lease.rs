//! Who loads a value, among all processes.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher as _, Hasher as _};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use russet_core::{Bytes, Error, FromReply as _, Key, Lane, Policy, Reply, Script, Server, Stem};

use crate::keys::{self, ACQUIRE, FILL, RELEASE, REMOVE, RENEW, STORE};
use crate::store::millis;
use crate::wake::Wake;

static ACQUIRE_SCRIPT: Script = Script::new(ACQUIRE);
static FILL_SCRIPT: Script = Script::new(FILL);
static STORE_SCRIPT: Script = Script::new(STORE);
static REMOVE_SCRIPT: Script = Script::new(REMOVE);
static RELEASE_SCRIPT: Script = Script::new(RELEASE);
static RENEW_SCRIPT: Script = Script::new(RENEW);

/// The leases of one cache, after those of memcached (Nishtala et al., "Scaling Memcache at Facebook", NSDI 2013), but kept
/// beside the value: whoever misses takes one and loads; who comes later waits; whatever changes the value ends the lease, and
/// the load then stores nothing.
pub(crate) struct Leases {
    lane: Lane,
    stem: Stem,
    /// How long one lasts; its holder renews it while it loads.
    length: Duration,
    wake: Wake,
}

/// The right to load one value.
pub(crate) struct Lease {
    key: Key,
    lease: Key,
    token: String,
}

/// What came of asking for a lease.
pub(crate) enum Taken {
    Lease(Lease),
    /// The value is there by now.
    Value(Bytes),
    /// Somebody else had the lease until the deadline.
    TooLate,
}

/// What one asking answered.
enum Answer {
    Taken,
    Value(Bytes),
    Held(Duration),
}

impl Leases {
    pub(crate) fn new(lane: Lane, server: Server, stem: Stem, length: Duration) -> Self {
        let wake = Wake::new(server, keys::wake(&stem));
        Leases {
            lane,
            stem,
            length,
            wake,
        }
    }

    /// How often a holder renews its lease.
    pub(crate) fn renewal(&self) -> Duration {
        self.length / 3
    }

    /// Takes the lease, or waits for what its holder brings, until the deadline. `unreadable` is what stands for the value and
    /// cannot be read.
    pub(crate) async fn take(
        &self,
        key: &Key,
        unreadable: &Bytes,
        deadline: Instant,
    ) -> Result<Taken, Error> {
        let lease = Lease {
            key: key.clone(),
            lease: keys::lease(&self.stem, key),
            token: token(),
        };
        let mut waiter = None;
        loop {
            let held = match self.ask(&lease, unreadable).await? {
                Answer::Taken => return Ok(Taken::Lease(lease)),
                Answer::Value(value) => return Ok(Taken::Value(value)),
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

    async fn ask(&self, lease: &Lease, unreadable: &Bytes) -> Result<Answer, Error> {
        let args = [
            Bytes::copy_from_slice(lease.token.as_bytes()),
            number(self.length),
            unreadable.clone(),
        ];
        let keys = [&lease.key, &lease.lease];
        // Sent again after a lost reply, it finds its own token.
        let reply = self
            .lane
            .script::<Reply>(&ACQUIRE_SCRIPT, keys, args, Policy::Idempotent);
        Ok(match Box::pin(reply).await? {
            Reply::Array(mut value) if value.len() == 1 => {
                Answer::Value(Bytes::from_reply(value.remove(0))?)
            }
            Reply::Array(_) => Answer::Taken,
            left => {
                let left = u64::try_from(i64::from_reply(left)?).unwrap_or(0);
                Answer::Held(Duration::from_millis(left))
            }
        })
    }

    /// Stores what was loaded under a lease; whether the lease was still there.
    pub(crate) async fn fill(
        &self,
        lease: &Lease,
        value: Bytes,
        ttl: Duration,
    ) -> Result<bool, Error> {
        let args = [
            Bytes::copy_from_slice(lease.token.as_bytes()),
            value,
            number(ttl),
            self.channel(),
            bytes(&lease.key),
        ];
        // Not sent again after a lost reply: it would find the lease gone and say that nothing was stored.
        let keys = [&lease.key, &lease.lease];
        let reply = self
            .lane
            .script(&FILL_SCRIPT, keys, args, Policy::AtMostOnce);
        Box::pin(reply).await
    }

    /// Gives a lease back without a value. Where that fails, it ends by itself.
    pub(crate) async fn release(&self, lease: &Lease) {
        let args = [
            Bytes::copy_from_slice(lease.token.as_bytes()),
            self.channel(),
            bytes(&lease.key),
        ];
        let reply =
            self.lane
                .script::<bool>(&RELEASE_SCRIPT, [&lease.lease], args, Policy::Idempotent);
        if let Err(error) = Box::pin(reply).await {
            tracing::debug!(target: "russet::cache", key = %lease.key, %error, "a lease was not given back; it ends by itself");
        }
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

    /// Stores a value, and ends the lease of whoever loads it.
    pub(crate) async fn store(&self, key: &Key, value: Bytes, ttl: Duration) -> Result<(), Error> {
        let lease = self.of(key);
        let args = [value, number(ttl), self.channel(), bytes(key)];
        let reply =
            self.lane
                .script::<bool>(&STORE_SCRIPT, [key, &lease], args, Policy::Idempotent);
        Box::pin(reply).await.map(drop)
    }

    /// Removes a value, and ends the lease of whoever loads it; whether there was a value.
    pub(crate) async fn remove(&self, key: &Key) -> Result<bool, Error> {
        let lease = self.of(key);
        let args = [self.channel(), bytes(key)];
        let reply = self
            .lane
            .script(&REMOVE_SCRIPT, [key, &lease], args, Policy::Idempotent);
        Box::pin(reply).await
    }

    /// The key of a value's lease.
    pub(crate) fn of(&self, key: &Key) -> Key {
        keys::lease(&self.stem, key)
    }

    fn channel(&self) -> Bytes {
        bytes(self.wake.channel())
    }
}

fn bytes(key: &Key) -> Bytes {
    Bytes::copy_from_slice(key.as_bytes())
}

fn number(time: Duration) -> Bytes {
    millis(time).to_string().into()
}

/// A text that no other load in the world has.
fn token() -> String {
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
