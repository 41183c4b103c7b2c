//! How many may do something at the same time.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use russet_core::{
    BuildError, BuildErrorKind, Command, Error, Key, KeyPart, Lane, Namespace, Operation,
    Policy as Sending, Script, Server, Stem,
};

use crate::keys::{self, ACQUIRE, CONCERN, COUNT, of_each};
use crate::outage::{OnOutage, Told, is_outage};
use crate::permit::Permit;
use crate::policy::as_micros;
use crate::turns::soon;

static ACQUIRING: Script = Script::new(ACQUIRE);
static COUNTING: Script = Script::new(COUNT);

/// How often one who waits asks at least.
const ASKS: Duration = Duration::from_millis(100);

/// Limits how many of a subject's calls are under way at the same time, in all processes. Cheap to clone.
///
/// Each one holds a [`Permit`], which lasts for a lease and is renewed while it is held: what a process held that was killed is free again
/// when its lease ends.
#[derive(Clone)]
pub struct Concurrency(Arc<Inner>);

struct Inner {
    name: String,
    stem: Stem,
    lane: Lane,
    server: Server,
    limit: u64,
    lease: Duration,
    on_outage: OnOutage,
    told: Told,
    acquired: Operation,
}

/// Configures a [`Concurrency`].
///
/// | setting | default |
/// |---|---|
/// | [`limit`](ConcurrencyBuilder::limit) | 1 |
/// | [`lease`](ConcurrencyBuilder::lease) | 30 s |
/// | [`on_outage`](ConcurrencyBuilder::on_outage) | [`OnOutage::Allow`] |
/// | [`deadline`](ConcurrencyBuilder::deadline) | 100 ms |
#[derive(Debug)]
#[must_use = "a builder does nothing until `build`"]
pub struct ConcurrencyBuilder {
    ns: Namespace,
    name: String,
    limit: u64,
    lease: Duration,
    on_outage: OnOutage,
    deadline: Duration,
}

impl ConcurrencyBuilder {
    /// How many may be under way at once: 1 to 1,000,000.
    pub fn limit(mut self, limit: u64) -> Self {
        self.limit = limit;
        self
    }

    /// How long the permit of a process that was killed stays taken: 100 ms to 1 day. A permit is renewed each third of that.
    pub fn lease(mut self, lease: Duration) -> Self {
        self.lease = lease;
        self
    }

    /// What callers are told while Redis cannot be used: a permit that holds nothing, or an error, because that is no word on whether a place is
    /// free. A share of this process's own there is not.
    pub fn on_outage(mut self, on_outage: OnOutage) -> Self {
        self.on_outage = on_outage;
        self
    }

    /// How long an answer may take. At least 1 ms.
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// The handle.
    ///
    /// # Errors
    /// [`BuildErrorKind::Name`] for a name that no key may hold, [`BuildErrorKind::Limit`] for a setting outside its bounds.
    pub fn build(self) -> Result<Concurrency, BuildError> {
        let leases = Duration::from_millis(100)..=Duration::from_hours(24);
        let is_right = (1..=1_000_000).contains(&self.limit)
            && leases.contains(&self.lease)
            && self.deadline >= Duration::from_millis(1)
            && !matches!(self.on_outage, OnOutage::Local { .. });
        if !is_right {
            return Err(BuildError::new(
                BuildErrorKind::Limit,
                format!(
                    "{:?}: a limit of {}, a lease of {:?}, a deadline of {:?}, on an outage {:?}; it must be 1 to 1000000, 100 ms to 24 h, \
                     at least 1 ms, and Allow or Deny",
                    self.name, self.limit, self.lease, self.deadline, self.on_outage
                ),
            ));
        }
        let stem = self.ns.stem("concurrency", &self.name)?;
        self.ns.declare(of_each().1, &stem);
        Ok(Concurrency(Arc::new(Inner {
            lane: self.ns.on(CONCERN, &stem).deadline(self.deadline),
            server: self.ns.server(CONCERN, &stem),
            acquired: Operation::new(CONCERN, &self.ns, &stem, "acquire"),
            name: self.name,
            stem,
            limit: self.limit,
            lease: self.lease,
            on_outage: self.on_outage,
            told: Told::default(),
        })))
    }
}

/// What Redis says to one who wants a permit.
struct Asked {
    permit: Option<Permit>,
    /// How long until somebody's ends, unless it is renewed.
    first: Duration,
}

impl Concurrency {
    /// Configures a handle; its name stands in its keys: `<prefix>:concurrency:<name>:{<subject>}`.
    pub fn builder(ns: &Namespace, name: &str) -> ConcurrencyBuilder {
        ConcurrencyBuilder {
            ns: ns.clone(),
            name: name.to_owned(),
            limit: 1,
            lease: Duration::from_secs(30),
            on_outage: OnOutage::Allow,
            deadline: Duration::from_millis(100),
        }
    }

    /// A permit, if one is free. One round trip.
    ///
    /// # Errors
    /// What waiting does not heal: a refused permission, a key of another type, no connection left for renewals; an outage only with
    /// [`OnOutage::Deny`].
    ///
    /// # Cancel safety
    /// A dropped call may have taken a permit, which is free again when its lease ends.
    pub async fn acquire<S: KeyPart + ?Sized>(&self, subject: &S) -> Result<Option<Permit>, Error> {
        let key = keys::subject(&self.0.stem, subject);
        Ok(self.ask(&key).await?.permit)
    }

    /// A permit, as soon as one is free, or nothing after so long (a day at most). Asks ten times a second, and at the end of the lease that ends first;
    /// who waits is served in no order.
    ///
    /// # Errors
    /// As [`acquire`](Concurrency::acquire).
    ///
    /// # Cancel safety
    /// As [`acquire`](Concurrency::acquire).
    pub async fn acquire_within<S: KeyPart + ?Sized>(
        &self,
        subject: &S,
        within: Duration,
    ) -> Result<Option<Permit>, Error> {
        let key = keys::subject(&self.0.stem, subject);
        let deadline = soon(within);
        loop {
            let asked = self.ask(&key).await?;
            let now = Instant::now();
            if asked.permit.is_some() || now >= deadline {
                return Ok(asked.permit);
            }
            // Spread, so that those who wait do not all ask at once.
            let pause = ASKS
                .mul_f64(0.5 + fastrand::f64() / 2.0)
                .min(asked.first.max(Duration::from_millis(1)));
            tokio::time::sleep_until((now + pause).min(deadline).into()).await;
        }
    }

    /// How many permits are taken. One round trip.
    ///
    /// # Errors
    /// Any that [`Lane::run`](russet_core::Lane::run) has, outages too.
    ///
    /// # Cancel safety
    /// Safe to drop.
    pub async fn in_use<S: KeyPart + ?Sized>(&self, subject: &S) -> Result<u64, Error> {
        let key = keys::subject(&self.0.stem, subject);
        let no_args: [u64; 0] = [];
        self.0
            .lane
            .script(&COUNTING, [&key], no_args, Sending::Idempotent)
            .await
    }

    async fn ask(&self, key: &Key) -> Result<Asked, Error> {
        let inner = &*self.0;
        // It says how long it lasts, for processes that are built otherwise.
        let id = format!("{:032x}:{}", fastrand::u128(..), as_micros(inner.lease));
        let args = [
            inner.limit.to_string(),
            as_micros(inner.lease).to_string(),
            id.clone(),
        ];
        let began = Instant::now();
        // The same id takes one place, however often it is sent; but a second answer would not say that the place is its own.
        let told =
            inner
                .lane
                .script::<(u64, u64, u64)>(&ACQUIRING, [key], args, Sending::AtMostOnce);
        let told = Box::pin(told).await;
        let outcome = |told: &Result<(u64, u64, u64), Error>| match told {
            Ok((1, ..)) => "acquired",
            Ok(_) => "busy",
            Err(error) => error.kind_name(),
        };
        inner.acquired.record(outcome(&told), began.elapsed());
        match told {
            Ok((granted, _, first)) => {
                inner.told.back(&inner.name);
                let permit = match granted {
                    1 => {
                        let held = Permit::held(
                            &inner.server,
                            key.clone(),
                            id.clone(),
                            inner.lease,
                            began,
                        );
                        if held.is_err() {
                            self.leave(key.clone(), id);
                        }
                        Some(held?)
                    }
                    _ => None,
                };
                Ok(Asked {
                    permit,
                    first: Duration::from_micros(first),
                })
            }
            Err(error) => {
                if error.may_have_executed() {
                    // Nobody would hold the place, and nobody else have it.
                    self.leave(key.clone(), id);
                }
                if !is_outage(&error) || inner.on_outage == OnOutage::Deny {
                    return Err(error.on("acquire", Some(key)));
                }
                inner.told.away(&inner.name, &error, inner.on_outage);
                Ok(Asked {
                    permit: Some(Permit::of_outage()),
                    first: ASKS,
                })
            }
        }
    }
}

impl Concurrency {
    /// Gives a place back that may be taken and is nobody's, as soon as that can be told.
    fn leave(&self, key: Key, id: String) {
        let lane = self.0.lane.clone().deadline(self.0.lease);
        tokio::spawn(async move {
            let zrem = Command::new("ZREM").key(&key).arg(id);
            let left: Result<u64, Error> = lane.run(zrem, Sending::Idempotent).await;
            if let Err(error) = left {
                tracing::debug!(target: "russet::ratelimit", %error, "a place stays taken until its lease ends");
            }
        });
    }
}

impl fmt::Debug for Concurrency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Concurrency({}: {})", self.0.stem.as_str(), self.0.limit)
    }
}
