#![doc = include_str!("docs/readme.md")]

mod builder;
mod bulk;
mod cache;
mod clock;
mod coherence;
mod control;
mod counters;
mod error;
mod flight;
mod follow;
mod freshness;
mod get_or_load;
mod insert;
mod keys;
mod lease;
mod load;
mod loaded;
mod local;
mod matching;
mod memory;
mod outage;
mod pending;
mod removal;
mod remove;
mod scope;
mod stats;
mod store;
mod stores;
mod striped;
mod wake;
mod wire;
mod write;
mod write_through;

pub use builder::Builder;
pub use cache::Cache;
pub use coherence::Coherence;
pub use counters::{Counters, CountersBuilder};
pub use error::LoadError;
pub use get_or_load::{GetOrLoad, Loading, Local, Spawned};
pub use insert::{Insert, Inserted};
pub use keys::{CONCERN, KEYS};
pub use load::Cx;
pub use loaded::{IntoLoaded, Loaded};
pub use matching::Keys;
pub use outage::OnOutage;
pub use remove::{Invalidated, Removed};
pub use russet_codec as codec;
pub use russet_codec::{Codec, Format, Payload, Raw};
pub use russet_core::{
    BuildError, Error, FromKeyPart, KeyPart, Namespace, Pace, Profile, Redis, ServerInfo,
};
pub use stats::{Misses, Stats};
pub use write_through::WriteError;
