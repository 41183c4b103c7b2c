#![doc = include_str!("docs/readme.md")]

#[cfg(feature = "macros")]
#[doc(hidden)]
#[path = "expanded.rs"]
pub mod __expanded;
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
mod hot;
mod insert;
mod keys;
mod lease;
mod leased;
mod lifetime;
mod load;
mod loaded;
mod local;
mod look;
mod matching;
mod memory;
mod options;
mod outage;
mod pattern;
mod pending;
mod read_through;
mod reads;
mod removal;
mod remove;
mod room;
mod scope;
mod source;
mod stats;
mod store;
mod stores;
mod strategies;
mod striped;
mod version;
mod wake;
mod warm;
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
pub use pattern::Pattern;
pub use remove::{Invalidated, Removed};
pub use russet_codec as codec;
pub use russet_codec::{Codec, Format, Payload, Raw};
pub use russet_core::{
    BuildError, Error, FromKeyPart, KeyPart, Namespace, Pace, Profile, Redis, ServerInfo,
};
#[cfg(feature = "macros")]
#[doc = include_str!("docs/cached.md")]
pub use russet_macros::cached;
#[cfg(feature = "macros")]
#[doc = include_str!("docs/invalidates.md")]
pub use russet_macros::invalidates;
pub use scope::Scopes;
pub use source::SourceError;
pub use stats::{Misses, Stats};
pub use strategies::{Strategies, Strategy};
pub use warm::{Warm, Warmed, Warming};
pub use write_through::WriteError;
