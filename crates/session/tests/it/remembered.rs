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
    async fn by(self, there: &Sessions<Profile>, user: &str, made: &Session<Profile>) {
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
            Act::RevokeOthers => {
                let other = there.create(user, profile(user)).await.unwrap();
                there.revoke_others(&other).await.map(drop)
            }
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
        let load = async || here.load(made.token()).await.unwrap();
        let (before, many) = (load().await.unwrap(), reads(servers));
        assert!(load().await.is_some());
        assert_eq!(reads(servers), many, "{act:?}: it is remembered");
        let there = match act {
            Act::Rotate => &strict,
            Act::OneTooMany => &single,
            _ => &long,
        };
        act.by(there, &user, &made).await;
        for _ in 0..2 {
            let now = load().await;
            assert!(act.is_seen(&before, now.as_ref()), "{act:?}: {now:?}");
        }
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

/// One that is one too many is known to have ended when the login is done, also where its keys could not be removed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_one_too_many_is_so_at_once() {
    let server = Server::start();
    let proxy = Proxy::of(&server);
    let redis = Redis::connect(&proxy.url()).await.unwrap();
    let build = |ns| patient(ns).max_sessions(1);
    let there = build(&redis.namespace("shop").unwrap()).build().unwrap();
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
