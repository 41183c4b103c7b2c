//! What a client sends, where `INFO` cannot tell: what a script calls is counted there like a command of a client's.

use std::net::SocketAddr;
use std::time::Duration;

use russet_testkit::proxy::Proxy;

use crate::{Scenario, System, run};

/// Commands that an operation sends, counted on their way through a proxy.
pub(crate) async fn per_op<S, C, F>(
    connect: C,
    scenario: Scenario,
    url: &str,
    time: Duration,
) -> f64
where
    S: System,
    C: Fn(String) -> F,
    F: Future<Output = S>,
{
    let place = address(url);
    let upstream: SocketAddr = place.parse().expect("an address");
    let proxy = Proxy::start(upstream);
    let client = connect(url.replace(place, &proxy.address().to_string())).await;
    // Warm: a connection's first words, and the scripts.
    run(&client, scenario, time / 5).await;
    let before = commands(&proxy);
    let ops = run(&client, scenario, time).await.ops;
    (commands(&proxy) - before) as f64 / ops as f64
}

/// The address in a URL: what stands between a password and a database.
fn address(url: &str) -> &str {
    let (_, rest) = url.split_once("://").unwrap_or(("", url));
    let authority = rest.split('/').next().unwrap_or_default();
    authority.rsplit('@').next().unwrap_or_default()
}

/// What was sent so far, but for what a connection says of itself.
fn commands(proxy: &Proxy) -> u64 {
    let all = proxy.commands().into_iter();
    all.filter(|(name, _)| !matches!(&**name, "CLIENT" | "HELLO" | "INFO" | "PING"))
        .map(|(_, count)| count)
        .sum()
}
