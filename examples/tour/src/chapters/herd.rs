//! A herd on a cold key.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use russet::Namespace;
use russet::cache::Cache;
use tokio::task::JoinSet;

use super::user::User;
use crate::guide::{Guide, Outcome};

const CALLERS: usize = 1000;
const LOAD: Duration = Duration::from_millis(100);

pub(crate) async fn walk(guide: &mut Guide, ns: &Namespace) -> Outcome {
    guide.chapter("A herd on a cold key");
    let users = Cache::<u64, User>::builder(ns, "users").build()?;
    let loads = Arc::new(AtomicU32::new(0));
    let started = Instant::now();
    let mut herd = JoinSet::new();
    for _ in 0..CALLERS {
        let (users, loads) = (users.clone(), loads.clone());
        herd.spawn(async move {
            let slow = move |_| async move {
                loads.fetch_add(1, Ordering::Relaxed);
                tokio::time::sleep(LOAD).await;
                Ok::<_, Infallible>(User::new("Bob"))
            };
            users
                .get_or_load(&8, slow)
                .await
                .is_ok_and(|user| user.name == "Bob")
        });
    }
    let served = herd
        .join_all()
        .await
        .into_iter()
        .filter(|served| *served)
        .count();
    guide.step(
        format!("{CALLERS} callers, a loader of {LOAD:?}"),
        started.elapsed(),
    );
    let loads = loads.load(Ordering::Relaxed);
    guide.promise(
        served == CALLERS,
        format!("{served} of {CALLERS} callers were served"),
    );
    guide.promise(loads == 1, format!("the loader ran {loads} time"));
    Ok(())
}
