//! Sessions: a login, what two requests write at once, a logout that nothing undoes, a refresh token that is stolen.

use std::collections::BTreeMap;

use russet::session::{Device, Refreshed, Secrets, Sessions};
use russet::{Namespace, Redis};

use crate::guide::{Guide, Outcome, timed};

type Data = BTreeMap<String, u64>;

pub(crate) async fn walk(guide: &mut Guide, ns: &Namespace, url: &str, product: &str) -> Outcome {
    guide.chapter("Sessions");
    // A second process, as far as Redis can tell.
    let elsewhere = Redis::connect(url).await?.namespace(product)?.env("tour");
    let secrets = Secrets::new([7; 32]);
    let one = Sessions::<Data>::builder(ns, "web", &secrets).build()?;
    let other = Sessions::<Data>::builder(&elsewhere, "web", &secrets).build()?;

    let mut visitor = one.create_anonymous(Data::new()).await?;
    visitor.update(|data| data.insert("cart".into(), 7)).await?;
    let planted = visitor.token().clone();
    let (made, took) = timed(visitor.login("user-1", Device::unknown().name("laptop"))).await;
    guide.step("visitor.login(\"user-1\", laptop)", took);
    let keeps = made?.is_done() && visitor.data().get("cart") == Some(&7);
    let is_new = other.load(&planted).await?.is_none();
    guide.promise(
        keeps && is_new,
        "who logs in keeps what they had, under a token that nobody knew before",
    );

    let token = visitor.token().clone();
    let mut here = one.load(&token).await?.ok_or("a session")?;
    let mut there = other.load(&token).await?.ok_or("a session")?;
    for _ in 0..50 {
        let add = |data: &mut Data| *data.entry("clicks".into()).or_default() += 1;
        let (left, right) = tokio::join!(here.update(add), there.update(add));
        left?.and(right?).ok_or("a session")?;
    }
    let now = one.load(&token).await?.ok_or("a session")?;
    let clicks = now.data().get("clicks");
    guide.say(format!(
        "two requests that count 50 clicks each: {clicks:?}, {} writes",
        now.version()
    ));
    guide.promise(clicks == Some(&100), "no update of another one was lost");

    let first = here.issue_refresh("web").await?.ok_or("a session")?;
    let next = one.refresh(&first, "web").await?;
    let again = other.refresh(&first, "web").await?;
    let (Refreshed::Done(next), Refreshed::Done(again)) = (next, again) else {
        return Err("a refresh token was not taken".into());
    };
    guide.promise(
        next.token == again.token && again.is_replay,
        "who lost the reply to a refresh is given the same again",
    );
    let _ = one.refresh(&next.token, "web").await?;
    let stolen = other.refresh(&first, "web").await?;
    guide.promise(
        matches!(stolen, Refreshed::Reused { user } if user == "user-1"),
        "an old refresh token is noticed, and ends its family",
    );

    drop(one.create("user-1", Data::new()).await?);
    let listed = other.list("user-1").await?;
    let (ended, took) = timed(other.revoke_all("user-1")).await;
    guide.step("revoke_all(\"user-1\")", took);
    let undone = here.update(|data| data.clear()).await?;
    guide.promise(
        listed.len() == 2 && ended? == 2 && undone.is_none() && one.load(&token).await?.is_none(),
        "all sessions end at once, and a write that was under way brings none back",
    );
    Ok(())
}
