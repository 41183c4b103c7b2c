//! How often the allocator is asked.

use futures_util::FutureExt as _;
use russet_cache::Cache;

use super::lease::LONG;
use super::{namespace, until};

/// A hit in memory, by a `&str`: nothing is allocated, neither to read it nor where it would have been loaded.
#[tokio::test]
async fn a_local_hit_costs_none() {
    let users = Cache::<String, u64>::builder(&namespace().await, "users");
    let users = users.ttl(LONG).local(1 << 20).build().unwrap();
    users.insert("profile-1", 7).tag("t").await.unwrap();
    until("kept", async || {
        users.get("profile-1").await.unwrap();
        users.stats().hits_local > 0
    })
    .await;
    let get = || users.get("profile-1").now_or_never().unwrap().unwrap();
    let load = || {
        let load = users.get_or_load("profile-1", async |_| Ok::<_, ()>(8));
        load.into_future().now_or_never().unwrap().unwrap()
    };
    // The first one finds out how much room this thread's keys want.
    assert_eq!((get().as_deref(), *load()), (Some(&7), 7));
    let allocations = |work: &dyn Fn()| allocation_counter::measure(work).count_total;
    assert!(allocations(&|| drop(users.scope("s"))) > 0, "it counts");
    assert_eq!(allocations(&|| drop(get())), 0);
    assert_eq!(allocations(&|| drop(load())), 0);
    #[cfg(feature = "macros")]
    {
        let cached = || profile(&users, "profile-1").now_or_never().unwrap();
        assert_eq!(*cached().unwrap(), 7);
        assert_eq!(allocations(&|| drop(cached())), 0);
    }
}

#[cfg(feature = "macros")]
#[russet_cache::cached(cache = users, key = "{name}", tags("name:{name}"))]
async fn profile(
    users: &Cache<String, u64>,
    name: &str,
) -> Result<std::sync::Arc<u64>, russet_cache::LoadError<std::io::Error>> {
    Ok(std::sync::Arc::new(name.len() as u64))
}
