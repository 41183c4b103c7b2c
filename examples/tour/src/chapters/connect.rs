//! A connection, and what a wrong one says.

use russet::{ErrorKind, Redis};

use crate::guide::{Guide, Outcome, timed};

pub(crate) async fn walk(guide: &mut Guide, url: &str) -> Outcome<Redis> {
    guide.chapter("Connect");
    let (redis, took) = timed(Redis::connect(url)).await;
    let redis = redis?;
    guide.step(format!("Redis::connect → {redis:?}"), took);

    for wrong in [
        "redi://localhost",
        "redis://localhost:notaport",
        "redis://localhost/cache",
    ] {
        let error = Redis::connect(wrong).await.err();
        if let Some(error) = &error {
            guide.say(format!("{wrong}: {error}"));
        }
        let told = error.is_some_and(|error| error.kind() == ErrorKind::Config);
        guide.promise(
            told,
            "a wrong URL is refused before anything is sent, with what to write instead",
        );
    }
    Ok(redis)
}
