//! The seam: the only folder that names the client library.
//!
//! What stands above it knows a [`Client`] that is one connection's life: it connects once, and when the
//! connection ends it ends too and is never used again. The client library's own reconnecting is switched off,
//! because it resends commands, keeps them in an unbounded queue meanwhile, and replays them before anybody
//! above could say otherwise; the lane's supervisor makes a new client instead.

mod client;
mod convert;
mod exposed;
mod messages;
mod tls;

pub(crate) use client::{Cause, Client, Failure, Tuning};
pub(crate) use exposed::is_exposed;
pub(crate) use messages::{Kind, Pushed};
pub(crate) use tls::check as check_tls;
