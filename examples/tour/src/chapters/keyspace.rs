//! Keys that are declared once, and what follows from it.

use std::time::Duration;

use russet::keyspace::{Catalogue, Concern, KeyTtl, Tier, keyspace};
use russet::{Namespace, Redis};

use crate::guide::{Guide, Outcome};

const APP: Concern = Concern::new("app", "APP_REDIS_URL");
const WARM: Tier = Tier::new(
    "warm",
    Duration::from_secs(60),
    Duration::from_secs(120),
    Duration::from_secs(300),
);

keyspace! {
    /// The keys of the tour's shop.
    pub(crate) struct Shop;

    /// What a user tells of themselves.
    profile(user: u64) -> String<String> {
        pattern: "user:{user}:profile",
        concern: APP,
        owner: "accounts",
        ttl: KeyTtl::Tier(WARM),
        commands: ["GET", "SET"],
    }
}

pub(crate) async fn walk(guide: &mut Guide, ns: &Namespace) -> Outcome {
    guide.chapter("Keys, declared once");
    let shop = Shop::new(ns)?;
    let key = shop.profile(&7);
    let raw = String::from_utf8_lossy(key.as_bytes()).into_owned();
    guide.say(format!("shop.profile(&7) → {raw}"));
    let catalogue = Catalogue::of(ns.redis())?;
    let found = catalogue.find(key.as_bytes());
    let told = found.is_some_and(|found| {
        found.described().owner == "accounts" && found.value("user") == Some("7")
    });
    guide.promise(
        told,
        "a raw key is read back: its pattern, its owner, its values",
    );
    let caches = catalogue.all().iter().filter(|one| one.concern == "cache");
    guide.promise(
        caches.count() > 0,
        "the catalogue of this process has the keys of its caches too",
    );
    let acl = catalogue.acl().build()?;
    for user in acl.users().iter().filter(|user| !user.concerns.is_empty()) {
        let allowed: Vec<String> = user
            .commands
            .iter()
            .map(|name| name.to_lowercase())
            .collect();
        guide.say(format!("{:<16} {}", user.name, allowed.join(" ")));
    }
    // On a server of our own: somebody else's is not told of users, not even for a moment.
    let server = tokio::task::spawn_blocking(russet_testkit::Server::start).await?;
    let redis = Redis::connect(&server.url()).await?;
    let checks = acl.check(&catalogue, &redis).await?;
    for line in checks.to_string().lines() {
        guide.say(line);
    }
    guide.promise(
        checks.hold(),
        "each concern has a user who may do what it does and nothing else, says the server",
    );
    Ok(())
}
