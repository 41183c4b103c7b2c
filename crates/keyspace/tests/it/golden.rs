//! Layouts of systems that were there before come out letter for letter: one keyspace for each of five.

use std::time::Duration;

use russet_core::part;
use russet_keyspace::{
    Catalogue, Concern, Deprecated, KeyTtl, KeyType, Prefix, Tier, Ttl, keyspace,
};

const CACHE: Concern = Concern::new("cache", "CACHE_REDIS_URL");
const SESSION: Concern = Concern::new("session", "SESSION_REDIS_URL");
const LIMIT: Concern = Concern::new("rate_limit", "RATE_LIMIT_REDIS_URL");
const QUEUE: Concern = Concern::new("queue", "MESSAGE_QUEUE_REDIS_URL");
const LOCK: Concern = Concern::new("lock", "LOCK_REDIS_URL");

const fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

const HOT: Tier = Tier::new("hot", secs(30), secs(45), secs(60));
const WARM: Tier = Tier::new("warm", secs(60), secs(120), secs(300));
const COLD: Tier = Tier::new("cold", secs(300), secs(450), secs(600));

struct Json;

keyspace! {
    /// A chat bot's modules: `waddlebot:{use_case}:{module}:…`.
    pub struct Waddlebot;

    /// The channels that a receiver listens to.
    channels(of: str) -> String<Json> {
        pattern: "cache:twitch_receiver:channels:{of}",
        concern: CACHE, owner: "twitch_receiver", ttl: KeyTtl::Tier(COLD), commands: ["GET", "SETEX"],
    }
    /// Who has most.
    leaderboard(community: u32, most: u32) -> String<Json> {
        pattern: "cache:loyalty:leaderboard:{community}:{most}",
        concern: CACHE, owner: "loyalty", ttl: KeyTtl::Tier(WARM), commands: ["GET", "SETEX"],
    }
    /// What a user owns.
    balance(user: u64) -> String<i64> {
        pattern: "cache:loyalty:balance:{user}",
        concern: CACHE, owner: "loyalty", ttl: KeyTtl::Tier(HOT), commands: ["GET", "SETEX"],
    }
    /// Who is logged in.
    session(id: str) -> String<Json> {
        pattern: "session:router:{id}",
        concern: SESSION, owner: "router", ttl: KeyTtl::Seconds(3_600), commands: ["GET", "SETEX", "DEL"],
    }
    /// How often somebody called a command.
    calls(user: str, command: str) -> SortedSet<f64> {
        pattern: "rate_limit:router:{user}:{command}",
        concern: LIMIT, owner: "router", ttl: KeyTtl::Seconds(60), commands: ["ZADD", "ZCARD"],
    }
    /// What the modules tell each other.
    stream(name: str) -> Stream<Json> {
        pattern: "stream:{name}",
        concern: QUEUE, owner: "router", ttl: KeyTtl::Persistent, commands: ["XADD", "XREADGROUP"],
    }
    /// What nobody could handle.
    dead_letters(name: str) -> Stream<Json> {
        pattern: "dlq:{name}",
        concern: QUEUE, owner: "router", ttl: KeyTtl::Persistent, commands: ["XADD"],
    }
}

keyspace! {
    /// A chat's backend: keys without a product.
    pub struct Arketic;

    /// A user's profile.
    profile(user: u64) -> String<Json> {
        pattern: "user:{user}:profile", concern: CACHE, owner: "users", ttl: KeyTtl::Seconds(3_600),
    }
    /// What a user may do.
    permissions(user: u64) -> Set<String> {
        pattern: "user:{user}:permissions", concern: CACHE, owner: "users", ttl: KeyTtl::Seconds(3_600),
    }
    /// A model's answer.
    answer(hash: str) -> String<Json> {
        pattern: "ai:response:{hash}", concern: CACHE, owner: "ai", ttl: KeyTtl::Seconds(3_600),
    }
    /// What was found.
    search(base: u64, query: str) -> String<Json> {
        pattern: "kb:{base}:search:{query}", concern: CACHE, owner: "kb", ttl: KeyTtl::Seconds(900),
    }
    /// Requests of a minute.
    requests(user: u64, endpoint: str) -> SortedSet<f64> {
        pattern: "rate:api:{user}:{endpoint}", concern: LIMIT, owner: "api", ttl: KeyTtl::Seconds(60),
    }
    /// The messages of a chat, as they come.
    chat(chat: u64) -> Channel<Json> {
        pattern: "chat:{chat}", concern: QUEUE, owner: "chat", ttl: KeyTtl::Persistent,
    }
    /// Whether Redis works.
    health() -> String<u64> {
        pattern: "health:check", concern: CACHE, owner: "health", ttl: KeyTtl::Seconds(60),
    }
}

keyspace! {
    /// A posting bot: environments, and no product.
    pub struct Xbot;

    /// Whether Redis works.
    health() -> String<u64> {
        pattern: "health:check", concern: CACHE, owner: "health", ttl: KeyTtl::Seconds(60),
    }
    /// Posts of an hour.
    posts(hour: str) -> String<u64> {
        pattern: "rate_limit:posting:{hour}", concern: LIMIT, owner: "posting", ttl: KeyTtl::Seconds(3_600),
    }
    /// One setting.
    config(key: str) -> String<Json> {
        pattern: "cache:config:{key}", concern: CACHE, owner: "config", ttl: KeyTtl::Seconds(3_600),
    }
    /// What shall be posted.
    pending() -> SortedSet<Json> {
        pattern: "queue:pending_posts", concern: QUEUE, owner: "posting", ttl: KeyTtl::Persistent,
    }
    /// Who posts now.
    posting() -> String<String> {
        pattern: "lock:posting_in_progress", concern: LOCK, owner: "posting", ttl: KeyTtl::Seconds(300),
    }
    /// A day's numbers.
    daily(date: str) -> Hash<u64> {
        pattern: "stats:daily:{date}", concern: CACHE, owner: "stats", ttl: KeyTtl::Seconds(7 * 86_400),
    }
    /// A draft, whose TTL stands in its name.
    draft(id: u64) -> String<Json> {
        pattern: "temp:draft:{id}:1h", concern: CACHE, owner: "posting", ttl: KeyTtl::Seconds(3_600),
    }
    /// What was posted, by its digest.
    seen(digest: str) -> String<u8> {
        pattern: "content_hash:sha256:{digest}", concern: CACHE, owner: "posting", ttl: KeyTtl::Seconds(7 * 86_400),
    }
    /// What was posted, as it was known before.
    seen_before(digest: str) -> String<u8> {
        pattern: "dedup:tweet:{digest}", concern: CACHE, owner: "posting", ttl: KeyTtl::Seconds(86_400),
        deprecated: "V2" => "content_hash:sha256:{digest}",
    }
    /// How often a topic did well.
    successes(topic: str) -> String<u64> {
        pattern: "bandit:topic:{topic}:alpha", concern: CACHE, owner: "bandit", ttl: KeyTtl::Persistent,
    }
    /// The model's weights.
    weights() -> String<Json> {
        pattern: "model:weights:v1", concern: CACHE, owner: "model", ttl: KeyTtl::Persistent,
    }
}

keyspace! {
    /// A guild's bot: a pattern and a TTL for each kind of data.
    pub struct Astromorty;

    /// A guild's settings.
    guild_config(guild: u64) -> String<Json> {
        pattern: "guild_config:{guild}", concern: CACHE, owner: "guild", ttl: KeyTtl::Seconds(86_400),
    }
    /// A member's level.
    levels(member: u64, guild: u64) -> String<Json> {
        pattern: "levels:{member}:{guild}", concern: CACHE, owner: "levels", ttl: KeyTtl::Seconds(300),
    }
    /// A text by its name.
    snippet(guild: u64, name: str) -> String<Json> {
        pattern: "snippet:{guild}:{name}", concern: CACHE, owner: "snippets", ttl: KeyTtl::Seconds(3_600),
    }
}

keyspace! {
    /// A workspace's backend.
    pub struct Raptorflow;

    /// Who is logged in.
    session(id: str) -> String<Json> {
        pattern: "session:{id}", concern: SESSION, owner: "auth", ttl: KeyTtl::Seconds(1_800),
    }
    /// What a workspace keeps.
    cached(workspace: str, key: str) -> String<Json> {
        pattern: "cache:{workspace}:{key}", concern: CACHE, owner: "cache", ttl: KeyTtl::Seconds(3_600),
    }
    /// Requests of a minute.
    requests(user: str, endpoint: str) -> SortedSet<f64> {
        pattern: "rate:{user}:{endpoint}", concern: LIMIT, owner: "api", ttl: KeyTtl::Seconds(60),
    }
    /// Jobs that wait.
    queue(name: str) -> SortedSet<Json> {
        pattern: "queue:{name}", concern: QUEUE, owner: "jobs", ttl: KeyTtl::Persistent,
    }
    /// Jobs that run.
    processing(name: str) -> SortedSet<Json> {
        pattern: "queue:{name}:processing", concern: QUEUE, owner: "jobs", ttl: KeyTtl::Persistent,
    }
    /// Who works on a thing.
    lock(resource: str) -> String<String> {
        pattern: "lock:{resource}", concern: LOCK, owner: "jobs", ttl: KeyTtl::Seconds(300),
    }
    /// Tokens and cost.
    usage(workspace: str, period: str) -> Hash<u64> {
        pattern: "usage:{workspace}:{period}", concern: CACHE, owner: "usage", ttl: KeyTtl::Seconds(90 * 86_400),
    }
}

#[track_caller]
fn same(key: &russet_keyspace::Key, expected: &str) {
    assert_eq!(String::from_utf8_lossy(key.as_bytes()), expected);
}

#[test]
fn waddlebot() {
    let bot = Waddlebot::within(&Prefix::new("waddlebot").unwrap()).unwrap();
    same(
        &bot.channels("all"),
        "waddlebot:cache:twitch_receiver:channels:all",
    );
    same(
        &bot.leaderboard(&123, &10),
        "waddlebot:cache:loyalty:leaderboard:123:10",
    );
    same(
        &bot.session("sess_abc123"),
        "waddlebot:session:router:sess_abc123",
    );
    same(
        &bot.calls("user_123", "!help"),
        "waddlebot:rate_limit:router:user_123:!help",
    );
    same(&bot.stream("events"), "waddlebot:stream:events");
    same(&bot.dead_letters("events"), "waddlebot:dlq:events");
    same(&bot.balance(&7), "waddlebot:cache:loyalty:balance:7");
    assert_eq!(bot.balance.ttl(), Some(secs(45)));
    assert_eq!(bot.stream.ttl(), None);
}

#[test]
fn arketic() {
    let all = Arketic::within(&Prefix::root()).unwrap();
    same(&all.profile(&123), "user:123:profile");
    same(&all.permissions(&123), "user:123:permissions");
    same(&all.answer("9f86d08"), "ai:response:9f86d08");
    same(&all.search(&7, "9f86d08"), "kb:7:search:9f86d08");
    same(&all.requests(&42, "chats"), "rate:api:42:chats");
    same(&all.chat(&456), "chat:456");
    same(&all.health(), "health:check");
}

#[test]
fn xbot() {
    for env in ["stg", "prod", "app"] {
        // As a variable says it, and as a programmer does.
        let said = [
            Prefix::literal(&format!("{env}:")).unwrap(),
            Prefix::root().env(env),
        ];
        for prefix in said {
            let bot = Xbot::within(&prefix).unwrap();
            let with = |rest: &str| format!("{env}:{rest}");
            same(&bot.health(), &with("health:check"));
            same(
                &bot.posts("2026-11-21-13"),
                &with("rate_limit:posting:2026-11-21-13"),
            );
            same(
                &bot.config("feature_flags"),
                &with("cache:config:feature_flags"),
            );
            same(&bot.pending(), &with("queue:pending_posts"));
            same(&bot.posting(), &with("lock:posting_in_progress"));
            same(&bot.daily("2026-11-21"), &with("stats:daily:2026-11-21"));
            same(&bot.draft(&7), &with("temp:draft:7:1h"));
            same(&bot.seen("9f86d08"), &with("content_hash:sha256:9f86d08"));
            same(&bot.seen_before("9f86d08"), &with("dedup:tweet:9f86d08"));
            same(&bot.successes("ai"), &with("bandit:topic:ai:alpha"));
            same(&bot.weights(), &with("model:weights:v1"));
        }
    }
    // An environment's keys are no other's.
    let catalogue = Catalogue::new()
        .with(&Prefix::literal("stg:").unwrap(), Xbot::KEYS)
        .unwrap();
    assert!(catalogue.find(b"stg:health:check").is_some());
    assert!(catalogue.find(b"prod:health:check").is_none());
    let weights = catalogue.find(b"stg:model:weights:v1").unwrap();
    assert_eq!(weights.described().version(), Some("v1"));
    let before = catalogue.find(b"stg:dedup:tweet:9f").unwrap();
    let expected = ("V2".to_owned(), "content_hash:sha256:{digest}".to_owned());
    assert_eq!(before.described().deprecated, Some(expected));
    let spec = Xbot::KEYS.iter().find(|spec| spec.deprecated.is_some());
    assert_eq!(
        spec.unwrap().deprecated,
        Some(Deprecated::new("V2", "content_hash:sha256:{digest}"))
    );
}

#[test]
fn astromorty() {
    let bot = Astromorty::within(&Prefix::new("astromorty").unwrap()).unwrap();
    same(&bot.guild_config(&81), "astromorty:guild_config:81");
    same(&bot.levels(&5, &81), "astromorty:levels:5:81");
    same(&bot.snippet(&81, "rules"), "astromorty:snippet:81:rules");
}

#[test]
fn raptorflow() {
    let all = Raptorflow::within(&Prefix::literal("raptorflow:").unwrap()).unwrap();
    same(&all.session("s-1"), "raptorflow:session:s-1");
    same(
        &all.cached("ws-1", "brand:voice"),
        "raptorflow:cache:ws-1:brand%3Avoice",
    );
    same(
        &all.requests("user-123", "/api/v1/test"),
        "raptorflow:rate:user-123:/api/v1/test",
    );
    same(&all.queue("agent_tasks"), "raptorflow:queue:agent_tasks");
    same(
        &all.processing("agent_tasks"),
        "raptorflow:queue:agent_tasks:processing",
    );
    same(&all.lock("posting"), "raptorflow:lock:posting");
    same(
        &all.usage("ws-1", "2026-11"),
        "raptorflow:usage:ws-1:2026-11",
    );
}

#[test]
fn all_five_are_one_catalogue_and_every_key_is_found_again() {
    let prefix = |name: &str| Prefix::new(name).unwrap();
    let catalogue = Catalogue::new()
        .with(&prefix("waddlebot"), Waddlebot::KEYS)
        .and_then(|all| all.with(&Prefix::root(), Arketic::KEYS))
        .and_then(|all| all.with(&Prefix::root().env("prod"), Xbot::KEYS))
        .and_then(|all| all.with(&prefix("astromorty"), Astromorty::KEYS))
        .and_then(|all| all.with(&prefix("raptorflow"), Raptorflow::KEYS))
        .unwrap();
    for described in catalogue.all() {
        let parts = described.segments().map(|segment| match segment.place {
            russet_keyspace::Place::Name => segment.text.to_owned(),
            _ => part(&7),
        });
        let key = parts.collect::<Vec<_>>().join(":");
        let found = catalogue.find(key.as_bytes()).unwrap();
        assert_eq!(found.described().pattern, described.pattern, "{key}");
    }
    let on_purpose: Vec<&str> = catalogue
        .persistent()
        .map(|described| described.pattern.as_str())
        .collect();
    assert_eq!(
        on_purpose,
        [
            "waddlebot:stream:{name}",
            "waddlebot:dlq:{name}",
            "chat:{chat}",
            "prod:queue:pending_posts",
            "prod:bandit:topic:{topic}:alpha",
            "prod:model:weights:v1",
            "raptorflow:queue:{name}",
            "raptorflow:queue:{name}:processing",
        ]
    );
    let board = catalogue
        .find(b"waddlebot:cache:loyalty:leaderboard:123:10")
        .unwrap();
    assert_eq!(board.value("community"), Some("123"));
    assert_eq!(board.value("most"), Some("10"));
    assert_eq!(board.described().kind, KeyType::String);
    let expected = Ttl::Tier {
        name: "warm".to_owned(),
        shortest: secs(60),
        default: secs(120),
        longest: secs(300),
    };
    assert_eq!(board.described().ttl, expected);
}
