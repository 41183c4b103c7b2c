//! A table that says how each type of data is cached.

use std::time::Duration;

use russet_cache::{Cache, Pattern, Strategies, Strategy};

use super::{namespace, until};

const TABLE: &str = r#"
local_bytes = 1_000_000

[types.guild_config]
pattern = "read-through"
ttl = "24h"
jitter = 0.0
negative_ttl = "1m"
local_share = 0.25
stale_if_error = "2h 30m"

[types.levels]
pattern = "write-through"
ttl = "5m"
"#;

#[tokio::test]
async fn a_cache_is_as_the_table_says() {
    let ns = namespace().await;
    let table: Strategies = toml::from_str(TABLE).unwrap();
    let guilds = Cache::<u64, String>::builder(&ns, "guild_config")
        .ttl(Duration::from_secs(1))
        .strategy(&table)
        .loader(|id, _| async move { Ok::<_, std::io::Error>((id > 0).then(|| id.to_string())) })
        .build()
        .unwrap();
    guilds.load(&1).await.unwrap();
    let left = guilds.ttl(&1).await.unwrap().unwrap();
    let day = Duration::from_hours(24);
    assert!(
        left <= day && left > day - Duration::from_mins(1),
        "{left:?}"
    );
    guilds.load(&0).await.unwrap();
    let before = guilds.stats().hits_local;
    // The local tier is sure once its follower has begun.
    until("a local tier", async || {
        guilds.load(&1).await.unwrap();
        guilds.stats().hits_local > before
    })
    .await;
    // Read-through and write-through are checked.
    let lacks = Cache::<u64, u64>::builder(&ns, "guild_config")
        .strategy(&table)
        .build();
    assert!(lacks.unwrap_err().to_string().contains("loader"));
    let lacks = Cache::<u64, u64>::builder(&ns, "levels")
        .strategy(&table)
        .build();
    assert!(lacks.unwrap_err().to_string().contains("writer"));
}

#[tokio::test]
async fn a_type_that_it_does_not_name_is_an_error_at_start() {
    let ns = namespace().await;
    let table: Strategies = toml::from_str(TABLE).unwrap();
    for (name, hint) in [
        ("guildconfig", "did you mean \"guild_config\"?"),
        ("sessions", "it has guild_config, levels"),
    ] {
        let unknown = Cache::<u64, u64>::builder(&ns, name)
            .strategy(&table)
            .build();
        let unknown = unknown.unwrap_err().to_string();
        assert!(unknown.contains(hint), "{unknown}");
    }
    for wrong in [
        TABLE.replace("jitter", "jiter"),
        TABLE.replace("read-through", "read_thru"),
        TABLE.replace("\"24h\"", "\"24 parsecs\""),
        TABLE.replace("ttl = \"5m\"", ""),
    ] {
        assert!(toml::from_str::<Strategies>(&wrong).is_err(), "{wrong}");
    }
    let mut greedy = Strategy::new(Pattern::CacheAside, Duration::from_mins(1));
    greedy.local_share = Some(0.8);
    let shared = table.with("a", greedy);
    let refused = Cache::<u64, u64>::builder(&ns, "levels")
        .strategy(&shared)
        .build();
    assert!(refused.unwrap_err().to_string().contains("1.05 together"));
}

#[test]
fn a_table_of_code_is_one_of_a_file() {
    let mut guilds = Strategy::new(Pattern::ReadThrough, Duration::from_hours(24));
    guilds.jitter = Some(0.0);
    guilds.negative_ttl = Some(Duration::from_mins(1));
    guilds.local_share = Some(0.25);
    guilds.stale_if_error = Some(Duration::from_mins(150));
    let levels = Strategy::new(Pattern::WriteThrough, Duration::from_mins(5));
    let table = Strategies::new().local_bytes(1_000_000);
    let table = table.with("guild_config", guilds).with("levels", levels);
    assert_eq!(toml::from_str::<Strategies>(TABLE).unwrap(), table);
    let text = toml::to_string(&table).unwrap();
    assert_eq!(
        toml::from_str::<Strategies>(&text).unwrap(),
        table,
        "{text}"
    );
    let names: Vec<_> = table.types().map(|(name, _)| name).collect();
    assert_eq!(names, ["guild_config", "levels"]);
}
