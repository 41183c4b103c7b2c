//! A cache that knows its source, as a table of strategies says.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use russet::Namespace;
use russet::cache::{
    Cache, Inserted, LoadError, Pattern, Strategies, Strategy, cached, invalidates,
};

use super::user::User;
use crate::guide::{Guide, Outcome};

/// A service whose methods are cached.
struct Users {
    users: Cache<u64, User>,
    runs: AtomicU32,
}

impl Users {
    #[cached(cache = self.users, key = "{id}", ttl = "5m", crate = russet::cache)]
    async fn user(&self, id: u64) -> Result<Arc<User>, LoadError<std::io::Error>> {
        let run = self.runs.fetch_add(1, Ordering::Relaxed);
        Ok(Arc::new(User::new(&format!("user {id}, read {run}"))))
    }

    #[invalidates(cache = self.users, key = "{id}", crate = russet::cache)]
    async fn rename(&self, id: u64) -> Result<u64, std::io::Error> {
        Ok(id)
    }
}

pub(crate) async fn walk(guide: &mut Guide, ns: &Namespace) -> Outcome {
    guide.chapter("A cache that knows its source");
    let day = Duration::from_hours(24);
    let strategies = Strategies::new().with("guilds", Strategy::new(Pattern::ReadThrough, day));
    let reads = Arc::new(AtomicU32::new(0));
    let counted = reads.clone();
    let guilds = Cache::<u64, User>::builder(ns, "guilds")
        .strategy(&strategies)
        .loader(move |id, _cx| {
            counted.fetch_add(1, Ordering::Relaxed);
            async move { Ok::<_, std::io::Error>(User::new(&format!("guild {id}"))) }
        })
        .build()?;
    let unknown = Cache::<u64, User>::builder(ns, "guild")
        .strategy(&strategies)
        .build();
    guide.promise(
        unknown.is_err(),
        "a type that the table of strategies does not name is an error at start",
    );
    let started = Instant::now();
    let warmed = guilds.warm(0..100).concurrency(8).await?;
    guide.step("100 keys warmed, 8 at once", started.elapsed());
    guide.promise(
        warmed.loaded == 100,
        format!("{} were loaded", warmed.loaded),
    );
    let guild = guilds.load(&7).await?;
    guide.promise(
        guild.is_some_and(|guild| guild.name == "guild 7") && reads.load(Ordering::Relaxed) == 100,
        "none is read again",
    );

    let users = Users {
        users: Cache::builder(ns, "members").build()?,
        runs: AtomicU32::new(0),
    };
    users.user(7).await?;
    let again = users.user(7).await?;
    guide.promise(
        again.name == "user 7, read 0",
        "#[cached]: the body runs once",
    );
    users.rename(7).await?;
    let renamed = users.user(7).await?;
    guide.promise(
        renamed.name == "user 7, read 1",
        "#[invalidates]: and again once something has changed",
    );

    users.users.insert(&8, User::new("old")).version(41).await?;
    users.users.bust(&8, 42).await?;
    let late = users.users.insert(&8, User::new("old")).version(41).await?;
    guide.promise(
        late == Inserted::Stale && users.users.get(&8).await?.is_none(),
        "a replica that lags behind does not bring back what was busted",
    );
    Ok(())
}
