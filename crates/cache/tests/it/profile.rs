//! What an environment's profile changes.

use std::time::Duration;

use russet_cache::{Cache, OnOutage, Profile, Redis};
use russet_core::{Command, Policy};
use russet_testkit::{Server, Shared};

use super::{meddle, namespace};

#[tokio::test]
async fn ttls_follow_the_factor() {
    let ns = namespace().await.with_profile(Profile::staging()).unwrap();
    let users = Cache::<u64, u8>::builder(&ns, "users")
        .ttl(Duration::from_mins(1))
        .build()
        .unwrap();
    users.insert(&7, 1).await.unwrap();
    let key = ns.stem("cache", "users").unwrap().key(&7);
    let lane = meddle(Shared::get().unrestricted_url()).await;
    let ttl = Command::new("PTTL").key(&key);
    let ttl: i64 = lane.run(ttl, Policy::Idempotent).await.unwrap();
    assert!((61_000..=120_000).contains(&ttl), "{ttl}");
}

#[tokio::test]
async fn a_ttl_that_grows_beyond_its_bounds_is_refused() {
    let mut profile = Profile::default();
    profile.ttl_factor = 1_000.0;
    let ns = namespace().await.with_profile(profile).unwrap();
    let year = Duration::from_hours(365 * 24);
    let built = Cache::<u64, u8>::builder(&ns, "users").ttl(year).build();
    assert!(built.unwrap_err().to_string().contains("10 years"));
}

#[tokio::test]
async fn a_strict_one_tells_outages_unless_the_builder_says_otherwise() {
    let server = Server::start();
    let redis = Redis::connect(&server.url()).await.unwrap();
    let ns = redis.namespace("t").unwrap();
    let ns = ns.with_profile(Profile::production()).unwrap();
    let strict = Cache::<u64, u8>::builder(&ns, "users").build().unwrap();
    let lenient = Cache::<u64, u8>::builder(&ns, "users");
    let lenient = lenient.on_outage(OnOutage::Miss).build().unwrap();
    server.kill();
    assert!(strict.get(&1).await.unwrap_err().is_retryable());
    assert_eq!(lenient.get(&1).await.unwrap(), None);
}
