//! Invalidation by tag, stale values that stand in, and values in memory that follow what others change.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Duration, Instant};

use russet::cache::Cache;
use russet::{Namespace, Redis};
use tokio::sync::Notify;

use super::user::User;
use crate::guide::{Guide, Outcome, timed};

const ENTRIES: u64 = 1_000;
const SHORT: Duration = Duration::from_millis(100);
const SOON: Duration = Duration::from_secs(5);

pub(crate) async fn walk(guide: &mut Guide, ns: &Namespace, url: &str, product: &str) -> Outcome {
    guide.chapter("Fresh, stale, invalid");
    // A second process, as far as Redis can tell.
    let elsewhere = Redis::connect(url).await?;
    let elsewhere = elsewhere.namespace(product)?.env("tour");
    let build = |ns: &Namespace| {
        let members = Cache::<u64, User>::builder(ns, "members");
        members.stale_while_revalidate(SOON).local(1 << 20).build()
    };
    let (here, there) = (build(ns)?, build(&elsewhere)?);

    for id in 0..ENTRIES {
        let user = User::new("Dora");
        here.insert(&id, user).tag(&("org", id % 2)).await?;
    }
    let (invalidated, took) = timed(here.invalidate_tag(&("org", 1_u64))).await;
    invalidated?;
    guide.step("invalidated a tag of 500 entries", took);
    let ids: Vec<u64> = (0..ENTRIES).collect();
    let left = there.get_many(&ids).await?;
    let is_right = |(id, user): (&u64, &Option<Arc<User>>)| user.is_some() == (id % 2 == 0);
    guide.promise(
        ids.iter().zip(&left).all(is_right),
        "in the other process those are gone, and no others",
    );

    let (begun, gate) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let loading = tokio::spawn({
        let (here, begun, gate) = (here.clone(), begun.clone(), gate.clone());
        async move {
            let load = move |_| async move {
                begun.notify_one();
                gate.notified().await;
                Ok::<_, Infallible>(User::new("of before"))
            };
            here.get_or_load(&7_777, load).tag("org").await
        }
    });
    begun.notified().await;
    there.invalidate_tag("org").await?;
    gate.notify_one();
    loading.await??;
    guide.promise(
        here.get(&7_777).await?.is_none() && there.get(&7_777).await?.is_none(),
        "what was loading while its tag was invalidated is read by nobody",
    );

    here.insert(&1, User::new("Eve")).ttl(SHORT).await?;
    let inserted = Instant::now();
    while here.get(&1).await?.is_some() && inserted.elapsed() < SOON {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let asked = Instant::now();
    let slow = |_| async {
        tokio::time::sleep(SHORT).await;
        Ok::<_, Infallible>(User::new("Eve, later"))
    };
    let stale = here.get_or_load(&1, slow).await?;
    guide.step("read a stale value, of a slow source", asked.elapsed());
    guide.promise(
        stale.name == "Eve" && asked.elapsed() < SHORT,
        "it was served at once",
    );
    let is_there = |user: Option<Arc<User>>, name| user.is_some_and(|user| user.name == name);
    while !is_there(here.get(&1).await?, "Eve, later") && asked.elapsed() < SOON {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    guide.promise(
        asked.elapsed() < SOON,
        "and loaded anew behind the reader's back",
    );

    let local = |cache: &Cache<u64, User>| cache.stats().hits_local;
    let begun = Instant::now();
    while local(&there) == 0 && begun.elapsed() < SOON {
        there.get(&0).await?;
    }
    let (before, began) = (local(&there), Instant::now());
    for _ in 0..10_000 {
        there.get(&0).await?;
    }
    guide.step("10,000 reads of a value in memory", began.elapsed());
    guide.promise(
        local(&there) - before == 10_000,
        "all of them were answered without Redis",
    );
    here.insert(&0, User::new("Fay")).await?;
    let changed = Instant::now();
    while !is_there(there.get(&0).await?, "Fay") && changed.elapsed() < SOON {
        tokio::task::yield_now().await;
    }
    guide.step("until the other process read a change", changed.elapsed());
    guide.promise(
        changed.elapsed() < Duration::from_millis(100),
        "within 100 ms",
    );
    Ok(())
}
