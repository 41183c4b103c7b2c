//! A server that is killed and started again under a running service.

use std::convert::Infallible;
use std::time::{Duration, Instant};

use russet::Redis;
use russet::cache::Cache;
use russet_testkit::Server;

use super::user::User;
use crate::guide::{Guide, Outcome, timed};

pub(crate) async fn walk(guide: &mut Guide) -> Outcome {
    guide.chapter("Redis dies and comes back");
    let started = Instant::now();
    let server = tokio::task::spawn_blocking(|| Server::builder().try_start()).await??;
    guide.step("a server of our own", started.elapsed());
    let redis = Redis::connect(&server.url()).await?;
    let users = Cache::<u64, User>::builder(&redis.namespace("tour")?, "users").build()?;
    let load = |_| async { Ok::<_, Infallible>(User::new("Dave")) };
    users.insert(&9, User::new("Dave")).await?;

    server.kill();
    guide.say("server.kill()");
    let (read, took) = timed(users.get(&9)).await;
    guide.step(
        format!("users.get(&9) → {:?}", read.as_ref().map(Option::is_some)),
        took,
    );
    guide.promise(
        matches!(read, Ok(None)),
        "with Redis away a read is a miss and no error",
    );
    let (loaded, took) = timed(users.get_or_load(&9, load)).await;
    guide.step(
        format!(
            "users.get_or_load(&9) → {:?}",
            loaded.as_ref().map(|user| &*user.name)
        ),
        took,
    );
    guide.promise(loaded.is_ok(), "and a load goes to the source");
    let (inserted, took) = timed(users.insert(&9, User::new("Dave")).into_future()).await;
    guide.step(format!("users.insert(&9, Dave) → {inserted:?}"), took);

    server.restart();
    let started = Instant::now();
    guide.say("server.restart()");
    let mut errors = 0;
    let mut back = false;
    while !back && started.elapsed() < Duration::from_secs(5) {
        match users.get_or_load(&9, load).await {
            Ok(_) => back = users.get(&9).await?.is_some(),
            Err(_) => errors += 1,
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    guide.step("until a read was a hit again", started.elapsed());
    guide.promise(
        back && started.elapsed() < Duration::from_secs(2),
        "the connection came back by itself within 2 s",
    );
    guide.promise(errors == 0, format!("the caller saw {errors} errors"));
    redis.shutdown_within(Duration::from_secs(1)).await;
    Ok(())
}
