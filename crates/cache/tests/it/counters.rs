//! Counters: exact, bounded, and plain numbers.

use std::time::Duration;

use russet_cache::Counters;
use russet_core::{Command, Policy};
use russet_testkit::Shared;
use tokio::task::JoinSet;

use super::{meddle, namespace};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn concurrent_increments_are_all_counted() {
    let ns = namespace().await;
    let hits = Counters::<String>::builder(&ns, "hits").build().unwrap();
    let mut callers = JoinSet::new();
    for caller in 0..64_i64 {
        let hits = hits.clone();
        callers.spawn(async move {
            let mut seen = Vec::new();
            for turn in 0..50 {
                let page = format!("page-{}", (caller + turn) % 3);
                let now = hits.increment(&page, 1).await.unwrap().unwrap();
                seen.push((page, now));
            }
            seen
        });
    }
    let mut seen: Vec<(String, i64)> = callers.join_all().await.into_iter().flatten().collect();
    let mut total = 0;
    for page in ["page-0", "page-1", "page-2"] {
        total += hits.get(page).await.unwrap().unwrap();
    }
    assert_eq!(total, 64 * 50);
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), 64 * 50, "no two callers saw the same count");
}

#[tokio::test]
async fn a_counter_stops_at_its_bounds_and_lives_for_its_ttl() {
    let ns = namespace().await;
    let stock = Counters::<u64>::builder(&ns, "stock")
        .bounds(0..=10)
        .ttl(Duration::from_mins(1))
        .build()
        .unwrap();
    assert_eq!(stock.get(&7).await.unwrap(), None);
    assert_eq!(stock.increment(&7, 4).await.unwrap(), Some(4));
    assert_eq!(stock.increment(&7, 40).await.unwrap(), Some(10));
    assert_eq!(stock.decrement(&7, 3).await.unwrap(), Some(7));
    assert_eq!(stock.decrement(&7, 30).await.unwrap(), Some(0));
    assert_eq!(stock.get(&7).await.unwrap(), Some(0));
    assert!(stock.set(&7, 5).await.unwrap());
    let key = ns.stem("cache", "stock").unwrap().key(&7);
    let lane = meddle(Shared::get().unrestricted_url()).await;
    let pttl = || lane.run::<i64>(Command::new("PTTL").key(&key), Policy::Idempotent);
    assert!((1..=60_000).contains(&pttl().await.unwrap()));
    let raw: String = lane
        .run(Command::new("GET").key(&key), Policy::Idempotent)
        .await
        .unwrap();
    assert_eq!(raw, "5", "any program can read it");
    // An increment does not make it live longer; one without a TTL gets one.
    let expire = Command::new("PEXPIRE").key(&key).arg(30_000);
    lane.run::<bool>(expire, Policy::Idempotent).await.unwrap();
    stock.increment(&7, 1).await.unwrap();
    assert!((1..=30_000).contains(&pttl().await.unwrap()));
    let persist = Command::new("PERSIST").key(&key);
    lane.run::<bool>(persist, Policy::Idempotent).await.unwrap();
    stock.increment(&7, 100).await.unwrap();
    assert!((1..=60_000).contains(&pttl().await.unwrap()));
    assert!(stock.remove(&7).await.unwrap());
    assert!(!stock.remove(&7).await.unwrap());
    assert_eq!(
        stock.increment(&7, i64::from(u32::MAX)).await.unwrap(),
        Some(10)
    );
}

#[tokio::test]
async fn what_is_no_number_is_one_caller_s_error() {
    let ns = namespace().await;
    let hits = Counters::<u64>::builder(&ns, "hits").build().unwrap();
    let key = ns.stem("cache", "hits").unwrap().key(&1);
    let lane = meddle(Shared::get().unrestricted_url()).await;
    let set = Command::new("SET").key(&key).arg("text");
    lane.run::<()>(set, Policy::Idempotent).await.unwrap();
    let (bad, good, other) = tokio::join!(
        hits.increment(&1, 1),
        hits.increment(&2, 1),
        hits.increment(&3, 1)
    );
    assert!(bad.is_err());
    assert_eq!((good.unwrap(), other.unwrap()), (Some(1), Some(1)));
    assert!(hits.get(&1).await.is_err());
}

#[tokio::test]
async fn numbers_that_a_script_cannot_count_are_refused() {
    let ns = namespace().await;
    let builder = || Counters::<u64>::builder(&ns, "hits");
    let hits = builder().build().unwrap();
    let most = (1_i64 << 53) - 1;
    assert_eq!(hits.increment(&1, most).await.unwrap(), Some(most));
    assert_eq!(
        hits.increment(&1, 1).await.unwrap(),
        Some(most),
        "the bound"
    );
    assert_eq!(hits.decrement(&1, 1).await.unwrap(), Some(most - 1));
    for wrong in [most + 1, i64::MAX, i64::MIN] {
        assert!(hits.increment(&1, wrong).await.is_err(), "{wrong}");
        assert!(hits.decrement(&1, wrong).await.is_err(), "{wrong}");
        assert!(hits.set(&1, wrong).await.is_err(), "{wrong}");
    }
    assert!(builder().bounds(0..=i64::MAX).build().is_err());
    #[allow(clippy::reversed_empty_ranges, reason = "that is what is refused")]
    let reversed = builder().bounds(5..=1).build();
    assert!(
        reversed
            .unwrap_err()
            .to_string()
            .contains("lower one first")
    );
    assert!(builder().ttl(Duration::ZERO).build().is_err());
}
