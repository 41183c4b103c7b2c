//! What a subject takes in Redis: what the README's table says.

use russet_ratelimit::{Concurrency, Period, Policy};
use russet_testkit::Server;

use crate::clocked::{Clocked, settings};
use crate::{HOUR, on, patient};

fn usage(server: &Server, key: &str) -> i64 {
    server.command(&["MEMORY", "USAGE", key]).as_int().unwrap()
}

#[tokio::test]
async fn a_subject_takes_as_little_as_its_documents_say() {
    let server = Server::start();
    let ns = on(&server).await;
    for (policy, most) in [
        (Policy::token_bucket(1_000, HOUR), 160),
        (Policy::sliding_window(1_000, HOUR), 190),
        (Policy::fixed_window(1_000, HOUR), 140),
        (Policy::calendar(1_000, Period::Month, "UTC"), 140),
        (Policy::cooldown(HOUR), 150),
        (Policy::sliding_log(500, HOUR), 190),
    ] {
        let name = policy.name().to_owned();
        let limiter = patient(&ns, &name).policy(policy).build().unwrap();
        assert!(limiter.check("user:42").await.unwrap().is_allowed());
        let key = format!("shop:ratelimit:{name}:{{user%3A42}}");
        let once = usage(&server, &key);
        for _ in 0..500 {
            let _ = limiter.check("user:42").await.unwrap();
        }
        let often = usage(&server, &key);
        println!("{name}: {once} bytes, {often} after 500 calls");
        assert!(
            often <= most && once <= most,
            "{name}: {once}, {often}, at most {most}"
        );
        let log = format!("{key}:%log:{name}");
        if name == "sliding_log" {
            println!("its log of 500: {} bytes", usage(&server, &log));
        }
    }
    let exports = Concurrency::builder(&ns, "exports")
        .limit(10)
        .build()
        .unwrap();
    let mut held = Vec::new();
    for _ in 0..10 {
        held.push(exports.acquire("user:42").await.unwrap().unwrap());
    }
    let ten = usage(&server, "shop:concurrency:exports:{user%3A42}");
    println!("ten permits: {ten} bytes");
    assert!(ten < 1_000, "{ten}");
}

/// However much is counted in however many sub-windows.
#[test]
fn a_sliding_window_is_bounded_by_its_sub_windows() {
    for (count, most) in [(60, 950), (10, 450), (1_000, 12_000)] {
        let mut script = Clocked::new();
        let policies = [(
            "sliding_window",
            settings(2, &[1_000_000, 1_000_000, count, 0, 1_000_000]),
        )];
        let mut peak = 0;
        for _ in 0..3 * count {
            let _ = script.ask(&policies, 'c', 7);
            script.now += 1_000_000;
        }
        for _ in 0..10 {
            let _ = script.ask(&policies, 'c', 7);
            script.now += 1_000_000;
            let key = script.key.clone();
            peak = peak.max(script.command(&["MEMORY", "USAGE", &key]).as_int().unwrap());
        }
        println!("{count} sub-windows, all of them used: {peak} bytes");
        assert!(peak <= most, "{count}: {peak}");
    }
}
