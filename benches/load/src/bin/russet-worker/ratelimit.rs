//! The limiter, measured.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use russet_bench_load::{Kind, System, asked, subject, worker};
use russet_core::{Bytes, Key, Lane, Reply, Script};
use russet_ratelimit::{KEYS, Limiter, Policy, Redis, Source};

const SECOND: Duration = Duration::from_secs(1);
/// So many that nobody is ever denied.
const PLENTY: u64 = 1_000_000;
/// How many subjects are denied.
const DENIED: usize = 1_000;

pub(crate) fn measure() {
    if std::env::var("SYSTEM").as_deref() == Ok("russet-script") {
        return worker(
            "russet-script",
            env!("CARGO_PKG_VERSION"),
            |url| async move {
                let redis = Redis::connect(&url).await.expect("the server answers");
                Bare(redis.on(russet_ratelimit::CONCERN))
            },
        );
    }
    worker("russet", env!("CARGO_PKG_VERSION"), |url| async move {
        let kind = asked().map_or(Kind::Decide, |scenario| scenario.kind);
        let redis = Redis::connect(&url).await.expect("the server answers");
        let ns = redis.namespace("bench").expect("a name");
        let bucket = || Policy::token_bucket(PLENTY, SECOND);
        let window = || Policy::sliding_window(PLENTY * 1_000, 60 * SECOND);
        let api = Limiter::builder(&ns, "api").deadline(5 * SECOND);
        let api = match kind {
            Kind::DecideWindow => api.policy(window()),
            Kind::DecideBoth => api.policy(bucket()).policy(window()),
            Kind::Lease => api.policy(window()).leases(20_000),
            _ => api.policy(bucket()),
        };
        let denied =
            Limiter::builder(&ns, "denied").policy(Policy::fixed_window(1, 3_600 * SECOND));
        let limits = Limits {
            api: api.build().expect("a limiter"),
            denied: denied.build().expect("a limiter"),
            asked: Arc::default(),
        };
        if kind == Kind::DenyStorm {
            for turn in 0..DENIED {
                limits.denied.record(&turn, 1).await.expect("a reply");
            }
        }
        limits
    });
}

#[derive(Clone)]
struct Limits {
    api: Limiter,
    denied: Limiter,
    /// How often Redis was asked.
    asked: Arc<AtomicUsize>,
}

impl System for Limits {
    async fn operate(&self, kind: Kind, turn: usize) {
        if kind == Kind::DenyStorm && !turn.is_multiple_of(20) {
            let decision = self.denied.check(&(turn % DENIED)).await.expect("a reply");
            assert!(!decision.is_allowed());
            if decision.source() == Source::Redis {
                self.asked.fetch_add(1, Ordering::Relaxed);
            }
            return;
        }
        let decision = self.api.check(subject(kind, turn)).await.expect("a reply");
        assert!(decision.is_allowed());
        if matches!(kind, Kind::DenyStorm | Kind::Lease) && decision.source() == Source::Redis {
            self.asked.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn loads(&self) -> usize {
        self.asked.load(Ordering::Relaxed)
    }
}

/// The limiter's own script, called without a limiter.
#[derive(Clone)]
struct Bare(Lane);

static TAKE: LazyLock<&'static Script> = LazyLock::new(|| {
    let mut scripts = KEYS[0].scripts.iter();
    let is_it = |script: &&&str| {
        script.contains("kinds[1] =") && script.contains("Charges subjects by one policy")
    };
    let source = scripts.find(is_it).expect("a script of buckets");
    Box::leak(Box::new(Script::new(source)))
});

impl System for Bare {
    async fn operate(&self, kind: Kind, turn: usize) {
        let mut settings = vec![1];
        let numbers = [1e6_f64, 1.0, 1.0, 1.0, 1e6];
        settings.extend(numbers.iter().flat_map(|number| number.to_le_bytes()));
        let args = [Bytes::from_static(b"token_bucket"), settings.into()];
        let key = Key::raw(format!("script:{}", subject(kind, turn)));
        let reply = self
            .0
            .script::<Vec<Reply>>(*TAKE, [&key], args, russet_core::Policy::AtMostOnce)
            .await;
        assert!(
            matches!(reply.as_deref(), Ok([Reply::Bytes(bytes)]) if bytes[0] == 1),
            "{reply:?}"
        );
    }
}
