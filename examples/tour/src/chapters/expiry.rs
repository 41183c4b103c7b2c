//! A value that expires.

use std::time::{Duration, Instant};

use russet::Namespace;
use russet::cache::Cache;

use super::user::User;
use crate::guide::{Guide, Outcome};

const TTL: Duration = Duration::from_millis(300);

pub(crate) async fn walk(guide: &mut Guide, ns: &Namespace) -> Outcome {
    guide.chapter("Expiry");
    let codes = Cache::<String, User>::builder(ns, "codes")
        .ttl(TTL)
        .build()?;
    codes.insert("one-time", User::new("Carol")).await?;
    let started = Instant::now();
    guide.promise(
        codes.get("one-time").await?.is_some(),
        format!("with a TTL of {TTL:?} the value is there"),
    );
    let mut gone = false;
    while !gone && started.elapsed() < TTL * 10 {
        tokio::time::sleep(Duration::from_millis(10)).await;
        gone = codes.get("one-time").await?.is_none();
    }
    let took = started.elapsed();
    guide.step("polled until it was a miss", took);
    guide.promise(
        gone && took >= TTL - Duration::from_millis(50),
        "it lived for its TTL and no longer",
    );
    Ok(())
}
