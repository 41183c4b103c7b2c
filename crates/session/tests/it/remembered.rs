//! What a process remembers of sessions, and what others do to them meanwhile.

use std::time::Duration;

use russet_session::{Device, Ids, Namespace, Redis, Session, Sessions};
use russet_testkit::proxy::{Fault, Match, Proxy};
use russet_testkit::{Cluster, Server};

use crate::{Profile, on, patient, profile};

/// How often a server has read a whole session.
fn reads(servers: &[Server]) -> u64 {
    let of = |server: &Server| -> Option<u64> {
        let stats = server.info("commandstats");
        let (calls, _) = stats.get("cmdstat_hgetall")?.split_once(',')?;
        calls.strip_prefix("calls=")?.parse().ok()
    };
    servers.iter().filter_map(of).sum()
}

/// A process whose server is behind a proxy.
async fn behind(proxy: &Proxy) -> Namespace {
    let redis = Redis::connect(&proxy.url()).await.unwrap();
    redis.namespace("shop").unwrap()
}

/// No etag lasts longer than the first of its user's sessions.
fn etags_end_in_time(servers: &[Server], what: impl std::fmt::Debug) {
    for server in servers {
        for etag in crate::keys(server) {
            let Some(index) = etag.strip_suffix(":%etag") else {
                continue;
            };
            let ends = server.command(&["PEXPIRETIME", &etag]).as_int().unwrap();
            let of_all = ["ZRANGEBYSCORE", index, "(0", "+inf", "WITHSCORES"];
            let first = server.command(&of_all).as_array().unwrap()[1].clone();
            let first: i64 = first.as_str().unwrap().parse().unwrap();
            assert!(0 < ends && ends < first, "{what:?}: {ends} and {first}");
        }
    }
}

/// What somebody else does to a session.
#[derive(Clone, Copy, Debug)]
enum Act {
    Update,
    Set,
    Increment,
    Extend,
    Rotate,
    RotateWithGrace,
    Delete,
    Revoke,
    RevokeOthers,
    RevokeAll,
    Wipe,
    OneTooMany,
}

const ALL: [Act; 12] = [
    Act::Update,
    Act::Set,
    Act::Increment,
    Act::Extend,
    Act::Rotate,
    Act::RotateWithGrace,
    Act::Delete,
    Act::Revoke,
    Act::RevokeOthers,
    Act::RevokeAll,
    Act::Wipe,
    Act::OneTooMany,
];

impl Act {
    /// Does it, by another process.
    async fn by(
        self,
        there: &Sessions<Profile>,
        user: &str,
        [made, other]: [&Session<Profile>; 2],
    ) {
        let held = there.load(made.token()).await.unwrap();
        let mut held = held.expect("it is valid");
        match self {
            Act::Update => held
                .update(|data| data.role = "admin".into())
                .await
                .map(drop),
            Act::Set => held.set("role", "admin").await.map(drop),
            Act::Increment => held.increment("visits", 1).await.map(drop),
            Act::Extend => held.extend_by(Duration::from_hours(5)).await.map(drop),
            Act::Rotate | Act::RotateWithGrace => held.rotate().await.map(drop),
            Act::Delete => held.delete().await.map(drop),
            Act::Revoke => there.revoke(user, &made.id()).await.map(drop),
            Act::RevokeOthers => there.revoke_others(other).await.map(drop),
            Act::RevokeAll => there.revoke_all(user).await.map(drop),
            Act::Wipe => there.wipe_user(user).await.map(drop),
            Act::OneTooMany => there.create(user, profile(user)).await.map(drop),
        }
        .unwrap();
    }

    /// Whether what is loaded then is as it must be.
    fn is_seen(self, before: &Session<Profile>, now: Option<&Session<Profile>>) -> bool {
        match self {
            Act::Update | Act::Set => now.is_some_and(|now| now.data().role == "admin"),
            Act::Increment => now.is_some_and(|now| now.data().visits == 1),
            Act::Extend => now.is_some_and(|now| now.expires() > before.expires()),
            Act::RotateWithGrace => now.is_some_and(|now| now.id() != before.id()),
            _ => now.is_none(),
        }
    }
}

async fn sees_all(servers: &[Server], namespaces: [Namespace; 2], ids: Ids) {
    let [here, there] = &namespaces;
    let build = |ns| patient(ns).counters(["visits"]).ids(ids);
    let here = build(here).build().unwrap();
    let long = build(there).build().unwrap();
    let strict = build(there).rotation_grace(Duration::ZERO).build().unwrap();
    let single = build(there).max_sessions(1).build().unwrap();
    for (at, act) in ALL.into_iter().enumerate() {
        // What is in a slot of its own has no grace.
        if ids == Ids::Uuid && matches!(act, Act::RotateWithGrace) {
            continue;
        }
        let user = format!("user-{at}");
        let made = here.create(&user, profile(&user)).await.unwrap();
        let other = long.create(&user, profile(&user)).await.unwrap();
        let load = async || here.load(made.token()).await.unwrap();
        load().await.unwrap();
        let (before, many) = (load().await.unwrap(), reads(servers));
        assert!(load().await.is_some());
        assert_eq!(reads(servers), many, "{act:?}: it is remembered");
        let there = match act {
            Act::Rotate => &strict,
            Act::OneTooMany => &single,
            _ => &long,
        };
        act.by(there, &user, [&made, &other]).await;
        etags_end_in_time(servers, act);
        for _ in 0..2 {
            let now = load().await;
            assert!(act.is_seen(&before, now.as_ref()), "{act:?}: {now:?}");
        }
        etags_end_in_time(servers, act);
    }
    // Somebody who was nobody logs in elsewhere.
    let visitor = here.create_anonymous(profile("cart")).await.unwrap();
    assert!(here.load(visitor.token()).await.unwrap().is_some());
    let mut theirs = long.load(visitor.token()).await.unwrap().unwrap();
    let login = theirs.login("somebody", Device::unknown()).await;
    assert!(login.unwrap().is_done());
    assert!(here.load(visitor.token()).await.unwrap().is_none());
    let now = here.load(theirs.token()).await.unwrap().unwrap();
    assert_eq!(now.user(), Some("somebody"));
}

/// Whoever remembers a session knows at once what others do to it, and asks for its data only then.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_others_do_is_known_at_once() {
    let server = Server::start();
    for ids in [Ids::Token, Ids::Uuid] {
        let namespaces = [on(&server).await, on(&server).await];
        sees_all(std::slice::from_ref(&server), namespaces, ids).await;
        server.flush_all();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn so_it_is_on_a_cluster() {
    let cluster = Cluster::builder(3).replicas(0).start();
    let connected = async || {
        let redis = Redis::connect(&cluster.url()).await.unwrap();
        redis.namespace("shop").unwrap()
    };
    let namespaces = [connected().await, connected().await];
    sees_all(cluster.nodes(), namespaces, Ids::Token).await;
}

/// What is written is remembered, and not more than is known.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_writes_what_somebody_else_has_prolonged_learns_of_that() {
    let server = Server::start();
    let here = patient(&on(&server).await).build().unwrap();
    let there = patient(&on(&server).await).build().unwrap();
    let made = here.create("user-1", profile("Alice")).await.unwrap();
    let mut held = here.load(made.token()).await.unwrap().unwrap();
    let mut theirs = there.load(made.token()).await.unwrap().unwrap();
    let hours = Duration::from_hours(5);
    assert!(theirs.extend_by(hours).await.unwrap().is_done());
    let update = held.update(|data| data.visits += 1);
    update.await.unwrap().unwrap();
    let now = here.load(made.token()).await.unwrap().unwrap();
    assert_eq!(now.expires(), theirs.expires());
}

/// Who logs out leaves nothing, where they were logged in nowhere else.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_left_of_the_last_session() {
    let server = Server::start();
    let sessions = patient(&on(&server).await).build().unwrap();
    let first = sessions.create("user-1", profile("Alice")).await.unwrap();
    let last = sessions.create("user-1", profile("Alice")).await.unwrap();
    assert!(first.delete().await.unwrap());
    assert!(sessions.load(last.token()).await.unwrap().is_some());
    assert_eq!(crate::keys(&server).len(), 3);
    assert!(last.delete().await.unwrap());
    assert_eq!(crate::keys(&server), [""; 0]);
}

/// One that is one too many is known to have ended when the login is done, also where its keys could not be removed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_one_too_many_is_so_at_once() {
    let server = Server::start();
    let proxy = Proxy::of(&server);
    let there = patient(&behind(&proxy).await).max_sessions(1);
    let there = there.build().unwrap();
    let here = patient(&on(&server).await).build().unwrap();
    // The first time the server does not know the scripts.
    for (is_visitor, is_cut) in [(false, false), (true, false), (false, true), (true, true)] {
        let made = here.create("user-1", profile("Alice")).await.unwrap();
        assert!(here.load(made.token()).await.unwrap().is_some());
        let mut visitor = there.create_anonymous(profile("cart")).await.unwrap();
        let second = Match::command("EVALSHA").nth(if is_cut { 2 } else { 100 });
        let fault = proxy.inject(second, Fault::RejectReply("ERR no".to_owned()));
        match is_visitor {
            true => {
                let login = visitor.login("user-1", Device::unknown()).await;
                assert!(login.unwrap().is_done());
            }
            false => drop(there.create("user-1", profile("Alice")).await.unwrap()),
        }
        assert_eq!(fault.hits(), u64::from(is_cut));
        fault.remove();
        assert!(here.load(made.token()).await.unwrap().is_none());
        assert_eq!(there.revoke_all("user-1").await.unwrap(), 1);
    }
}

/// Where others write a session again and again, a load asks once all the same; and where they do not any more, for the etag alone.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_others_change_each_time_is_asked_for_once() {
    let server = Server::builder().own_clock().start();
    let proxy = Proxy::of(&server);
    // It is at its limit from the beginning: it cannot be prolonged, however much it is due.
    let hour = Duration::from_hours(1);
    let here = patient(&behind(&proxy).await).absolute(hour);
    let here = here.build().unwrap();
    let there = patient(&on(&server).await).absolute(hour).build().unwrap();
    let mut made = there.create("user-1", profile("Alice")).await.unwrap();
    let asked = || proxy.seen("EVALSHA");
    let token = made.token().clone();
    tokio::task::block_in_place(|| crate::clocks::set(&server, crate::clocks::since_1970(), 60));
    for turn in 1..=20 {
        made.update(|data| data.visits += 1).await.unwrap().unwrap();
        let before = asked();
        let now = here.load(&token).await.unwrap().unwrap();
        assert_eq!(now.data().visits, turn);
        // The server does not know the scripts the first time, and the second time nobody knows yet what others do.
        let sent = asked() - before;
        assert!(sent == 1 || turn <= 2, "{sent} in turn {turn}");
    }
    here.load(&token).await.unwrap().unwrap();
    let (before, many) = (asked(), reads(std::slice::from_ref(&server)));
    for _ in 0..5 {
        here.load(&token).await.unwrap().unwrap();
    }
    assert_eq!(asked() - before, 5);
    assert_eq!(reads(std::slice::from_ref(&server)), many);
}

/// A write that has to follow a session to its new token leaves another etag than the one under which others have read it on the way.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_reads_while_a_write_follows_a_rotation_is_not_left_behind() {
    let server = Server::start();
    let proxy = Proxy::of(&server);
    let slow = patient(&behind(&proxy).await).build().unwrap();
    let quick = patient(&on(&server).await).build().unwrap();
    for turn in 0..20 {
        let made = quick.create("user-1", profile("Alice")).await.unwrap();
        let mut held = slow.load(made.token()).await.unwrap().unwrap();
        // It knows the script then.
        held.update(|data| data.visits += 1).await.unwrap().unwrap();
        let mut rotated = quick.load(made.token()).await.unwrap().unwrap();
        assert!(rotated.rotate().await.unwrap().is_done());
        quick.load(rotated.token()).await.unwrap().unwrap();
        let second = Match::command("EVALSHA").nth(2);
        let fault = proxy.inject(second, Fault::DelayCommand(Duration::from_millis(turn)));
        let write = tokio::spawn(async move {
            held.update(|data| data.role = "admin".into())
                .await
                .unwrap()
                .unwrap();
        });
        while !write.is_finished() {
            quick.load(rotated.token()).await.unwrap().unwrap();
        }
        write.await.unwrap();
        fault.remove();
        let mut now = quick.load(rotated.token()).await.unwrap().unwrap();
        assert_eq!(now.data().role, "admin");
        now.update(|data| data.role = "owner".into())
            .await
            .unwrap()
            .unwrap();
    }
}

/// Where only an etag cannot be read, the session is.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_etag_that_cannot_be_read_keeps_nobody_out() {
    let server = Server::start();
    let proxy = Proxy::of(&server);
    let sessions = patient(&behind(&proxy).await).build().unwrap();
    let made = sessions.create("user-1", profile("Alice")).await.unwrap();
    sessions.load(made.token()).await.unwrap().unwrap();
    let refused = Fault::RejectReply("ERR no".to_owned());
    let fault = proxy.inject(Match::command("EVALSHA").nth(1), refused);
    assert!(sessions.load(made.token()).await.unwrap().is_some());
    assert_eq!(fault.hits(), 1);
}

/// A server that is no primary any more tells nobody that a session is still valid.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_may_not_write_vouches_for_nobody() {
    let (primary, other) = (Server::start(), Server::start());
    let sessions = patient(&on(&primary).await).deadline(crate::SECOND);
    let sessions = sessions.build().unwrap();
    let made = sessions.create("user-1", profile("Alice")).await.unwrap();
    sessions.load(made.token()).await.unwrap().unwrap();
    // It goes on with the data that it has until it reaches the other one, which it never does.
    let gone = other.port().to_string();
    drop(other);
    primary.command(&["REPLICAOF", "127.0.0.1", &gone]);
    let told = sessions.load(made.token()).await.unwrap_err();
    assert!(told.to_string().contains("READONLY"), "{told}");
}

/// While a cluster moves a slot, its sessions are loaded and written as before as long as none of their keys has moved, and when all have.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slot_that_moves_holds_up_nobody_but_in_between() {
    let cluster = Cluster::builder(2).replicas(0).start();
    let redis = Redis::connect(&cluster.url()).await.unwrap();
    let sessions = patient(&redis.namespace("shop").unwrap()).build().unwrap();
    let made = sessions.create("user-1", profile("Alice")).await.unwrap();
    let mut other = sessions.create("user-1", profile("Alice")).await.unwrap();
    let index = cluster.nodes().iter().flat_map(crate::keys);
    let index = index.into_iter().find(|key| key.ends_with('}')).unwrap();
    let slot = cluster.nodes()[0].command(&["CLUSTER", "KEYSLOT", &index]);
    let slot = u16::try_from(slot.as_int().unwrap()).unwrap();
    let owner = cluster.primary_of(slot).port();
    let mut nodes = cluster.nodes().iter();
    let to = nodes.find(|node| node.port() != owner).unwrap();
    let migration = tokio::task::block_in_place(|| cluster.begin_migration(slot, to));
    let mut visits = 0;
    let mut works = async || {
        visits += 1;
        other
            .update(|data| data.visits += 1)
            .await
            .unwrap()
            .unwrap();
        assert!(other.extend().await.unwrap().is_done());
        let now = sessions.load(other.token()).await.unwrap().unwrap();
        assert_eq!(now.data().visits, visits);
        assert!(sessions.load(made.token()).await.unwrap().is_some());
    };
    works().await;
    tokio::task::block_in_place(|| while migration.step(10) > 0 {});
    works().await;
    tokio::task::block_in_place(|| migration.finish());
    works().await;
}

/// What is no session does not hold up the server, and a write that comes to nothing takes nobody's memory.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_comes_to_nothing_changes_nothing() {
    let server = Server::start();
    let sessions = patient(&on(&server).await).build().unwrap();
    let made = sessions.create("user-1", profile("Alice")).await.unwrap();
    let gone = sessions.create("user-1", profile("Alice")).await.unwrap();
    let mut held = sessions.load(gone.token()).await.unwrap().unwrap();
    let mut stale = sessions.load(made.token()).await.unwrap().unwrap();
    gone.delete().await.unwrap();
    sessions.load(made.token()).await.unwrap().unwrap();
    sessions.load(made.token()).await.unwrap().unwrap();
    let many = reads(std::slice::from_ref(&server));
    assert_eq!(held.update(|data| data.visits += 1).await.unwrap(), None);
    sessions.load(made.token()).await.unwrap().unwrap();
    assert_eq!(reads(std::slice::from_ref(&server)), many);
    let late = stale.write().set("role", "x").expect_version(7);
    assert_eq!(late.send().await.unwrap(), russet_session::Written::Stale);
    let many = reads(std::slice::from_ref(&server));
    sessions.load(made.token()).await.unwrap().unwrap();
    assert_eq!(reads(std::slice::from_ref(&server)), many);
    let other = sessions.create("user-3", profile("Eve")).await.unwrap();
    // Somebody has taken away what every session has; also when it is due to be written down that it was used.
    let short = patient(&on(&server).await)
        .idle(2 * crate::SECOND)
        .build()
        .unwrap();
    let made = short.create("user-2", profile("Bob")).await.unwrap();
    let id = made.id();
    let key = crate::keys(&server)
        .into_iter()
        .find(|key| key.ends_with(id.as_str()));
    assert_eq!(
        server.command(&["HDEL", &key.unwrap(), ""]).as_int(),
        Some(1)
    );
    let began = std::time::Instant::now();
    while began.elapsed() < crate::SECOND / 2 {
        if let Err(error) = short.load(made.token()).await {
            assert!(error.to_string().contains("holds no session"), "{error}");
        }
    }
    assert!(short.load(made.token()).await.is_err());
    assert!(sessions.load(other.token()).await.unwrap().is_some());
}
