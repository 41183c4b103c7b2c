//! Making a key, and finding the pattern that a key is of.
#![allow(missing_docs, reason = "criterion's macros document nothing")]
#![allow(clippy::expect_used, reason = "a bench fails by panicking")]

use std::hint::black_box;
use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use russet_core::{KeySpec, KeyTtl, KeyType, PartShape, PartSpec, Prefix};
use russet_keyspace::{Catalogue, Concern, Tier, keyspace};

const APP: Concern = Concern::new("app", "APP_REDIS_URL");
const WARM: Tier = Tier::new(
    "warm",
    Duration::from_secs(60),
    Duration::from_secs(120),
    Duration::from_secs(300),
);

keyspace! {
    /// What is measured.
    pub struct Shop;

    /// One number.
    profile(user: u64) -> String<String> {
        pattern: "user:{user}:profile", concern: APP, owner: "a", ttl: KeyTtl::Tier(WARM),
    }
    /// Two texts.
    rate(user: str, endpoint: str) -> SortedSet<f64> {
        pattern: "rate:{user}:{endpoint}", concern: APP, owner: "a", ttl: KeyTtl::Seconds(60),
    }
}

const ID: &[PartSpec] = &[PartSpec::new("id", "u64", PartShape::Integer)];

/// Two hundred patterns of forty modules, as a large service has them.
fn catalogue() -> Catalogue {
    let mut specs = Vec::new();
    for module in 0..40 {
        let rests = [
            format!("cache:module{module}:{{id}}:profile"),
            format!("cache:module{module}:{{id}}:settings"),
            format!("cache:module{module}:list:{{name}}:{{page}}"),
            format!("rate_limit:module{module}:{{{{id}}}}:{{window}}"),
            format!("stream:module{module}:{{all..}}:end"),
        ];
        for rest in rests {
            let rest: &'static str = rest.leak();
            let ttl = KeyTtl::Persistent;
            let spec = KeySpec::new("app", "{prefix}", rest, KeyType::String, ttl, "x");
            let is_id = rest.contains("{id}") && !rest.contains("{{id}}");
            specs.push(if is_id { spec.parts(ID) } else { spec });
        }
    }
    let prefix = Prefix::new("shop").expect("a name").env("prod");
    Catalogue::new()
        .with(&prefix, &specs)
        .expect("no conflicts")
}

fn making(c: &mut Criterion) {
    let prefix = Prefix::new("shop").expect("a name").env("prod");
    let shop = Shop::within(&prefix).expect("names");
    let sharded = prefix.shards(12).expect("a number");
    let sharded = Shop::within(&sharded).expect("names");
    let mut group = c.benchmark_group("make");
    group.bench_function("one number", |b| {
        b.iter(|| shop.profile(black_box(&123_456)));
    });
    let (user, endpoint) = ("ws-1-user-123", "/api/v1/test");
    group.bench_function("two texts", |b| {
        b.iter(|| shop.rate(black_box(user), black_box(endpoint)));
    });
    group.bench_function("sharded", |b| {
        b.iter(|| sharded.profile(black_box(&123_456)));
    });
    group.finish();
}

fn finding(c: &mut Criterion) {
    let catalogue = catalogue();
    assert_eq!(catalogue.all().len(), 200);
    let mut group = c.benchmark_group("find");
    for (name, key) in [
        ("a number", "prod:shop:cache:module23:123456:settings"),
        ("two values", "prod:shop:cache:module39:list:open:12"),
        (
            "a hash tag",
            "prod:shop:rate_limit:module7:{user-77}:29384756",
        ),
        ("several", "prod:shop:stream:module11:a:b:c:d:end"),
    ] {
        assert!(catalogue.find(key.as_bytes()).is_some(), "{key}");
        group.bench_function(name, |b| {
            b.iter(|| catalogue.find(black_box(key.as_bytes())));
        });
    }
    let none = "prod:shop:cache:module23:123456:nothing";
    assert!(catalogue.find(none.as_bytes()).is_none());
    group.bench_function("none", |b| {
        b.iter(|| catalogue.find(black_box(none.as_bytes())));
    });
    group.finish();
}

criterion_group!(benches, making, finding);
criterion_main!(benches);
