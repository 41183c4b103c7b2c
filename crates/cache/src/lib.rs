#![doc = include_str!("docs/readme.md")]

mod builder;
mod cache;
mod counters;
mod error;
mod flight;
mod insert;
mod keys;
mod lease;
mod load;
mod matching;
mod outage;
mod pending;
mod remove;
mod stats;
mod store;
mod wake;
mod wire;

pub use builder::Builder;
pub use cache::Cache;
pub use counters::{Counters, CountersBuilder};
pub use error::LoadError;
pub use insert::{Insert, Inserted};
pub use keys::{CONCERN, KEYS};
pub use load::Cx;
pub use matching::Keys;
pub use outage::OnOutage;
pub use remove::Removed;
pub use russet_codec as codec;
pub use russet_codec::{Codec, Format, Payload, Raw};
pub use russet_core::{
    BuildError, Error, FromKeyPart, KeyPart, Namespace, Pace, Profile, Redis, ServerInfo,
};
pub use stats::{Misses, Stats};
