#![doc = include_str!("../README.md")]
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking: that is this crate's way to report"
)]

mod builder;
mod cluster;
mod dropped;
mod name;
mod rights;
mod sentinels;
mod server;
mod shared;
mod wait;

#[cfg(feature = "proxy")]
pub mod proxy;
pub mod resp;

pub mod binary;
pub mod docker;

mod error;
mod version;

#[cfg(feature = "containers")]
mod container;
mod local;
mod port;
mod process;
mod settings;
mod size;
#[cfg(feature = "tls")]
mod tls;
mod watchdog;

pub use crate::builder::Builder;
pub use crate::cluster::{Cluster, ClusterBuilder, Migration};
pub use crate::dropped::dropped_after;
pub use crate::error::StartError;
pub use crate::name::unique_name;
pub use crate::process::Process;
pub use crate::sentinels::Sentinels;
pub use crate::server::Server;
pub use crate::shared::{Shared, url};
pub use crate::size::size;
#[cfg(feature = "tls")]
pub use crate::tls::Tls;
pub use crate::version::{Product, Version};
pub use crate::wait::eventually;
