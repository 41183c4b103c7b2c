#![doc = include_str!("docs/readme.md")]

#[cfg(feature = "cache")]
pub use russet_cache as cache;
pub use russet_codec as codec;
pub use russet_core as core;
pub use russet_core::{BuildError, Error, ErrorKind, Namespace, Redis};
#[cfg(feature = "keyspace")]
pub use russet_keyspace as keyspace;
#[cfg(feature = "locks")]
pub use russet_locks as locks;
#[cfg(feature = "ratelimit")]
pub use russet_ratelimit as ratelimit;
#[cfg(feature = "session")]
pub use russet_session as session;
