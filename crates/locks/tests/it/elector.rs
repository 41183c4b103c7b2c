//! Who leads.

use std::time::{Duration, Instant};

use russet_locks::{Elector, Event, LostReason, Redis};
use russet_testkit::Server;
use russet_testkit::proxy::{Direction, Proxy};

use crate::{SECOND, namespace, on, patient, until};

async fn elector(server: &Server, owner: &str) -> Elector {
    let locks = patient(&on(server).await).owner(owner).build().unwrap();
    locks.elector("scheduler").lease(2 * SECOND)
}

#[tokio::test]
async fn one_leads_and_the_next_follows_at_once() {
    let server = Server::start();
    let (first, second) = (elector(&server, "one").await, elector(&server, "two").await);
    assert!(first.leader().await.unwrap().is_none());
    let mut one = first.campaign().unwrap();
    let mut two = second.campaign().unwrap();
    let Event::Elected(fence) = one.next().await else {
        panic!("nobody else stands")
    };
    assert!(one.is_leader() && one.guard().unwrap().fence() == fence);
    let Event::Observed(leader) = two.next().await else {
        panic!("somebody leads")
    };
    assert_eq!((&*leader.owner, leader.fence), ("one", fence));
    assert!(!two.is_leader());
    // Asking what is next, and not waiting for it, costs no place in the queue.
    for _ in 0..20 {
        let told = tokio::time::timeout(Duration::from_millis(5), two.next()).await;
        assert!(told.is_err(), "{told:?}");
    }
    // Who leads is told once, however often it is asked.
    let told = tokio::time::timeout(SECOND, two.next()).await;
    assert!(told.is_err(), "{told:?}");
    let began = Instant::now();
    let (resigned, next) = tokio::join!(one.resign(), two.next());
    assert!(resigned.unwrap().is_some());
    let Event::Elected(higher) = next else {
        panic!("{next:?}")
    };
    assert!(higher > fence);
    assert!(began.elapsed() < SECOND, "{:?}", began.elapsed());
    assert_eq!(one.resign().await.unwrap(), None);
    // Whoever stands again sees who leads now.
    let Event::Observed(leader) = one.next().await else {
        panic!("somebody leads")
    };
    assert_eq!(leader.fence, higher);
    assert_eq!(first.leader().await.unwrap().unwrap().owner, "two");
    // Who is gone does not lead.
    drop(two);
    assert!(matches!(one.next().await, Event::Elected(_)));
}

#[tokio::test]
async fn a_leader_steps_down_before_anybody_else_leads() {
    let server = Server::start();
    let proxy = Proxy::of(&server);
    let redis = Redis::connect(&proxy.url()).await.unwrap();
    let cut_off = patient(&redis.namespace("shop").unwrap()).build().unwrap();
    let lease = 2 * SECOND;
    let mut leads = cut_off
        .elector("scheduler")
        .lease(lease)
        .campaign()
        .unwrap();
    assert!(matches!(leads.next().await, Event::Elected(_)));
    let mut waits = elector(&server, "next").await.campaign().unwrap();
    let waits = tokio::spawn(async move {
        loop {
            if let Event::Elected(fence) = waits.next().await {
                return (fence, Instant::now());
            }
        }
    });
    until("the other stands", async || {
        let key = "shop:lock:{scheduler}:%queue";
        server.command(&["ZCARD", key]).as_int() == Some(1)
    })
    .await;
    let fence = leads.guard().unwrap().fence();
    let deadline = leads.guard().unwrap().deadline();
    proxy.black_hole(Direction::ToServer);
    assert!(deadline <= Instant::now() + lease * 2 / 3);
    let Event::Lost(LostReason::Expired) = leads.next().await else {
        panic!("nobody can renew it")
    };
    let stepped_down = Instant::now();
    let (higher, elected) = waits.await.unwrap();
    // A third of the lease lies between, less what it took to find out.
    let between = elected.saturating_duration_since(stepped_down);
    assert!(between > lease / 5, "{between:?}");
    assert!(between < 2 * lease, "{between:?}");
    assert!(higher > fence);
}

#[tokio::test]
async fn work_is_done_in_each_term_until_it_is_done() {
    let server = Server::start();
    let elector = elector(&server, "one").await;
    let mut terms = 0;
    let done = elector.run(|cx| {
        terms += 1;
        let (term, server) = (terms, &server);
        async move {
            assert!(cx.is_held());
            if term == 1 {
                server.flush_all();
                std::future::pending::<()>().await;
            }
            cx.fence()
        }
    });
    let fence = done.await.unwrap();
    assert_eq!(terms, 2);
    assert!(fence.0 > 0);
    assert!(elector.leader().await.unwrap().is_none(), "it has resigned");
}

#[tokio::test]
async fn a_server_that_is_away_is_told_and_asked_again() {
    let server = Server::start();
    let locks = patient(&on(&server).await)
        .deadline(SECOND / 5)
        .build()
        .unwrap();
    let mut campaign = locks.elector("a").lease(SECOND).campaign().unwrap();
    server.pause();
    let Event::Failed(error) = campaign.next().await else {
        panic!("nobody can tell")
    };
    assert!(error.is_retryable(), "{error}");
    server.resume();
    loop {
        match campaign.next().await {
            Event::Failed(_) => {}
            Event::Elected(_) => break,
            // By the call that got no answer.
            Event::Observed(_) => {}
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn a_deadline_that_cannot_be_meant_is_an_error() {
    let locks = patient(&namespace().await).build().unwrap();
    for (lease, deadline) in [(2000, 2000), (2000, 999), (2000, 0), (50, 30)] {
        let elector = locks.elector("a").lease(Duration::from_millis(lease));
        let elector = elector.renew_deadline(Duration::from_millis(deadline));
        assert!(elector.campaign().is_err(), "{lease} {deadline}");
    }
    assert!(locks.elector("").campaign().is_err());
}
