//! Every promise of the testkit, on real servers.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking, in its helpers too"
)]

mod binary;
mod clock;
mod configuration;
mod groups;
mod helper;
mod lifecycle;
mod orphan;
mod parser;
mod shared;
mod unavailable;

#[cfg(feature = "containers")]
mod containers;
#[cfg(feature = "proxy")]
mod proxy;
