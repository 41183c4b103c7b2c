//! The registry, and what follows from it, against real servers.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

mod acl;
mod golden;
mod large;
mod properties;
mod running;
