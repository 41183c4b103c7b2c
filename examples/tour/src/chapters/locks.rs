//! Locks: a queue that is served in order, a holder that learns that it has lost, a resource that checks the fence.

use std::time::{Duration, Instant};

use russet::locks::{Event, Fence, Locks, LostReason};
use russet::{Namespace, Redis};
use russet_testkit::Server;

use crate::guide::{Guide, Outcome, timed};

/// What two holders write to: it refuses whoever is not the newest that it has heard of.
#[derive(Default)]
struct Ledger {
    highest: Fence,
}

impl Ledger {
    fn write(&mut self, fence: Fence) -> bool {
        let is_newest = fence >= self.highest;
        self.highest = self.highest.max(fence);
        is_newest
    }
}

pub(crate) async fn walk(guide: &mut Guide, ns: &Namespace, url: &str, product: &str) -> Outcome {
    guide.chapter("Locks");
    // A second process, as far as Redis can tell.
    let elsewhere = Redis::connect(url).await?.namespace(product)?.env("tour");
    let one = Locks::builder(ns).owner("worker-1").build()?;
    let other = Locks::builder(&elsewhere).owner("worker-2").build()?;

    let held = one.mutex("posting").lock().await?;
    let busy = other.mutex("posting").try_lock().await?;
    guide.promise(busy.is_none(), "busy is a value, no error");
    let mut waits = tokio::task::JoinSet::new();
    for turn in 0..8 {
        let locks = if turn % 2 == 0 {
            one.clone()
        } else {
            other.clone()
        };
        waits.spawn(async move {
            let held = locks.mutex("posting").lock().await?;
            let served = (Instant::now(), turn, held.fence());
            held.release().await?;
            Ok::<_, russet::locks::LockError>(served)
        });
        // The next one comes when this one waits.
        while one.mutex("posting").inspect().await?.waiting <= turn {
            tokio::task::yield_now().await;
        }
    }
    let began = Instant::now();
    held.release().await?;
    let mut served = waits
        .join_all()
        .await
        .into_iter()
        .collect::<Result<Vec<_>, _>>()?;
    served.sort_unstable();
    guide.step(
        "eight who wait in two processes, one after the other",
        began.elapsed(),
    );
    let in_order = served.iter().map(|(_, turn, _)| *turn).eq(0..8);
    let rises = served.windows(2).all(|pair| pair[0].2 < pair[1].2);
    guide.promise(
        in_order && rises,
        "in the order of coming, each with a higher fence",
    );

    let exports = (one.semaphore("exports", 3), other.semaphore("exports", 3));
    let most = exports.0.permits(2).lock().await?;
    let last = exports.1.permit().try_lock().await?;
    let none = exports.0.permit().try_lock().await?;
    guide.promise(
        last.is_some() && none.is_none(),
        "a semaphore counts what all processes have",
    );
    most.release().await?;

    let mut leads = one.elector("scheduler").campaign()?;
    let mut follows = other.elector("scheduler").campaign()?;
    let is_first = matches!(leads.next().await, Event::Elected(_));
    let saw = matches!(follows.next().await, Event::Observed(leader) if leader.owner == "worker-1");
    let (event, took) = timed(async {
        let (_, event) = tokio::join!(leads.resign(), follows.next());
        event
    })
    .await;
    guide.step("one leader steps down, the next one leads", took);
    guide.promise(
        is_first && saw && matches!(event, Event::Elected(_)) && follows.is_leader(),
        "one leads, the others see who, and the next one follows",
    );

    // A server of its own, which stands still for longer than a lease.
    let server = Server::start();
    let ns = Redis::connect(&server.url()).await?.namespace("tour")?;
    let lease = Duration::from_secs(2);
    let locks = Locks::builder(&ns).lease(lease).build()?;
    let mut ledger = Ledger::default();
    let stale = locks.mutex("ledger").lock().await?;
    server.pause();
    let (reason, took) = timed(stale.lost()).await;
    guide.step("a server that stands still", took);
    guide.promise(
        reason == LostReason::Expired && !stale.is_held() && took < lease,
        format!("lost before its lease of {lease:?} can have ended, without an answer"),
    );
    server.resume();
    let newer = locks
        .mutex("ledger")
        .lock_within(Duration::from_secs(10))
        .await?;
    let is_kept_out = match &newer {
        Some(newer) => ledger.write(newer.fence()) && !ledger.write(stale.fence()),
        None => false,
    };
    guide.promise(
        is_kept_out,
        "what it had already sent is refused by its fence",
    );
    Ok(())
}
