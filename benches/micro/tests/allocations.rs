//! How often the allocator is asked.

use russet_core::{Prefix, Stem};

/// Of the second call: the first one finds out how much room this thread's keys want.
fn allocations<T>(make: impl Fn() -> T) -> u64 {
    drop(make());
    allocation_counter::measure(|| drop(make())).count_total
}

#[test]
fn a_key_costs_one_allocation() {
    for prefix in [
        Prefix::new("shop"),
        Prefix::new("shop").and_then(|shop| shop.shards(12)),
    ] {
        let stem: Stem = prefix
            .and_then(|prefix| prefix.stem("cache", "users"))
            .expect("names");
        assert_eq!(allocations(|| stem.key(&123_456)), 1);
        assert_eq!(allocations(|| stem.key("ws-1:user-123")), 1);
        assert_eq!(allocations(|| stem.tagged("ws-1", Some("lease"))), 1);
    }
}

mod declared {
    use russet_core::Prefix;
    use russet_keyspace::{Concern, KeyTtl, keyspace};

    use super::allocations;

    const APP: Concern = Concern::new("app", "APP_REDIS_URL");

    keyspace! {
        /// What is counted.
        pub(crate) struct Shop;

        /// Two values.
        rate(user: str, minute: u64) -> String<u64> {
            pattern: "rate:{user}:{minute}", concern: APP, owner: "a", ttl: KeyTtl::Seconds(60),
        }
    }

    #[test]
    fn so_does_a_declared_one() {
        for prefix in [
            Prefix::new("shop"),
            Prefix::new("shop").and_then(|shop| shop.shards(12)),
        ] {
            let shop = prefix
                .and_then(|prefix| Shop::within(&prefix))
                .expect("names");
            assert_eq!(allocations(|| shop.rate("ws-1:user-123", &29_384_756)), 1);
        }
    }
}
