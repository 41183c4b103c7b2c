//! Limiters, by limits that are never reached.

use std::collections::HashMap;
use std::sync::Arc;

use limitador::limit::{Limit, Namespace};
use limitador::storage::AsyncStorage;
use limitador::storage::redis::AsyncRedisStorage;
use limitador::{AsyncRateLimiter, AsyncRateLimiterBuilder};
use russet_bench_load::{Kind, System, subject};
use throttle_kit::{Quota, RateLimiter, RedisBackend};
use trypema::hybrid::{HybridRateLimiterProvider, SyncInterval};
use trypema::redis::{RedisKey, RedisRateLimiterProvider};
use trypema::{BucketSize, RateLimit, RateLimitDecision, RateLimiterBuilder as _, WindowSize};

#[derive(Clone)]
pub(crate) struct Trypema(Arc<RedisRateLimiterProvider>);

impl Trypema {
    pub(crate) async fn connect(url: &str) -> Self {
        let client = redis::Client::open(url).expect("a URL");
        let manager = client
            .get_connection_manager()
            .await
            .expect("the server answers");
        let provider = RedisRateLimiterProvider::builder(manager)
            .window_size(WindowSize::minutes_or_panic(1))
            .bucket_size(BucketSize::milliseconds_or_panic(100))
            .build()
            .expect("a provider");
        Trypema(provider)
    }
}

impl System for Trypema {
    async fn operate(&self, kind: Kind, turn: usize) {
        let key = RedisKey::try_from(subject(kind, turn).replace(':', "-")).expect("a key");
        let rate = RateLimit::per_second_or_panic(1e6);
        let decision = self
            .0
            .absolute()
            .inc(&key, &rate, 1)
            .await
            .expect("a reply");
        assert!(matches!(decision, RateLimitDecision::Allowed));
    }
}

/// Decides in this process, and tells Redis every 10 ms; two processes let twice the limit through.
#[derive(Clone)]
pub(crate) struct TrypemaHybrid(Arc<HybridRateLimiterProvider>);

impl TrypemaHybrid {
    pub(crate) async fn connect(url: &str) -> Self {
        let client = redis::Client::open(url).expect("a URL");
        let manager = client
            .get_connection_manager()
            .await
            .expect("the server answers");
        let provider = HybridRateLimiterProvider::builder(manager)
            .window_size(WindowSize::minutes_or_panic(1))
            .bucket_size(BucketSize::milliseconds_or_panic(100))
            .sync_interval(SyncInterval::milliseconds_or_panic(10))
            .build()
            .expect("a provider");
        TrypemaHybrid(provider)
    }
}

impl System for TrypemaHybrid {
    async fn operate(&self, kind: Kind, turn: usize) {
        let key = RedisKey::try_from(subject(kind, turn).replace(':', "-")).expect("a key");
        let rate = RateLimit::per_second_or_panic(1e8);
        // It never waits, and would let no other task run.
        tokio::task::coop::consume_budget().await;
        let decision = self
            .0
            .absolute()
            .inc(&key, &rate, 1)
            .await
            .expect("a reply");
        assert!(matches!(decision, RateLimitDecision::Allowed));
    }
}

#[derive(Clone)]
pub(crate) struct ThrottleKit(RateLimiter<RedisBackend>);

impl ThrottleKit {
    pub(crate) async fn connect(url: &str) -> Self {
        let backend = RedisBackend::connect(url)
            .await
            .expect("the server answers");
        // Above 1,000 a second it would let everything through, after an error.
        // A subject of many tasks takes more than that, of a burst that is not used up in a turn.
        ThrottleKit(RateLimiter::new(
            Quota::per_second(1_000).allow_burst(100_000_000),
            backend,
        ))
    }
}

impl System for ThrottleKit {
    async fn operate(&self, kind: Kind, turn: usize) {
        let decision = self.0.check(subject(kind, turn)).await;
        assert!(decision.allowed);
    }
}

/// Reads the counter, and counts in a second round trip: those who come in between are let through too.
#[derive(Clone)]
pub(crate) struct Limitador(Arc<AsyncRateLimiter>);

impl Limitador {
    pub(crate) async fn connect(url: &str) -> Self {
        let storage = AsyncRedisStorage::new(url)
            .await
            .expect("the server answers");
        let storage = AsyncStorage::with_counter_storage(Box::new(storage));
        let limiter = AsyncRateLimiterBuilder::new(storage).build();
        let everyone: [&str; 0] = [];
        limiter.add_limit(Limit::new("bench", 100_000_000, 60, everyone, ["subject"]));
        Limitador(Arc::new(limiter))
    }
}

impl System for Limitador {
    async fn operate(&self, kind: Kind, turn: usize) {
        let values = HashMap::from([("subject".to_owned(), subject(kind, turn).to_owned())]);
        let namespace = Namespace::from("bench");
        let decision = self
            .0
            .check_rate_limited_and_update(&namespace, &values, 1, false)
            .await
            .expect("a reply");
        assert!(!decision.limited);
    }
}

/// A log of each call in a sorted set, as many write it by hand: exact, and as long as the limit.
#[derive(Clone)]
pub(crate) struct ZsetLog {
    connection: redis::aio::MultiplexedConnection,
    script: Arc<redis::Script>,
}

const LOG: &str = r"
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', string.format('%.0f', now - ARGV[2]))
local count = redis.call('ZCARD', KEYS[1])
if count >= tonumber(ARGV[1]) then
    return { 0, count }
end
local at = string.format('%.0f', now)
redis.call('ZADD', KEYS[1], at, at .. ':' .. count)
redis.call('PEXPIRE', KEYS[1], ARGV[2] / 1000)
return { 1, count + 1 }
";

impl ZsetLog {
    pub(crate) async fn connect(url: &str) -> Self {
        let client = redis::Client::open(url).expect("a URL");
        ZsetLog {
            connection: client
                .get_multiplexed_async_connection()
                .await
                .expect("the server answers"),
            script: Arc::new(redis::Script::new(LOG)),
        }
    }
}

impl System for ZsetLog {
    async fn operate(&self, kind: Kind, turn: usize) {
        let mut connection = self.connection.clone();
        let key = format!("log:{}", subject(kind, turn));
        let mut call = self.script.key(key);
        // A window of a second: a minute's log of so many would not fit.
        let call = call.arg(100_000_000).arg(1_000_000);
        let (allowed, _): (u64, u64) = call.invoke_async(&mut connection).await.expect("a reply");
        assert_eq!(allowed, 1);
    }
}
