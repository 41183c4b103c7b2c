//! A value in and out.

use std::time::Duration;

use russet::Namespace;
use russet::cache::Cache;

use super::user::User;
use crate::guide::{Guide, Outcome, timed};

pub(crate) async fn walk(guide: &mut Guide, ns: &Namespace) -> Outcome {
    guide.chapter("A value in and out");
    let users = Cache::<u64, User>::builder(ns, "users")
        .ttl(Duration::from_mins(5))
        .build()?;

    let (inserted, took) = timed(users.insert(&7, User::new("Alice")).into_future()).await;
    guide.step(format!("users.insert(&7, Alice) → {:?}", inserted?), took);
    let (user, took) = timed(users.get(&7)).await;
    let user = user?;
    guide.step(format!("users.get(&7) → {:?}", user.as_deref()), took);
    guide.promise(
        user.as_deref() == Some(&User::new("Alice")),
        "what went in came out",
    );

    let (removed, took) = timed(users.remove(&7)).await;
    guide.step(format!("users.remove(&7) → {:?}", removed?), took);
    guide.promise(users.get(&7).await?.is_none(), "what was removed is gone");
    users.insert(&7, User::new("Alice")).await?;
    Ok(())
}
