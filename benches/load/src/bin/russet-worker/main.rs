//! Russet, measured: the part of it that the scenario is about.
#![allow(
    clippy::expect_used,
    reason = "a bench that cannot measure has nothing better to do than to stop"
)]

mod cache;
mod client;
mod local;
mod locks;
mod ratelimit;
mod session;

use russet_bench_load::{Scenario, asked};

fn main() {
    match asked().map(Scenario::concern) {
        Some("cache") => cache::measure(),
        Some("locks") => locks::measure(),
        Some("session") => session::measure(),
        Some("ratelimit") => ratelimit::measure(),
        _ => client::measure(),
    }
}
