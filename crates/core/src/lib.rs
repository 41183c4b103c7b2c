#![doc = include_str!("docs/readme.md")]

/// What holds for the whole crate: where servers are configured, what errors say, what dropping a call does.
pub mod docs {
    #[doc = include_str!("docs/topology.md")]
    pub mod topology {}
    #[doc = include_str!("docs/errors.md")]
    pub mod errors {}
    #[doc = include_str!("docs/cancel-safety.md")]
    pub mod cancel_safety {}
}

mod ack;
mod batch;
mod builder;
mod call;
mod command;
mod concern;
mod connections;
mod declared;
mod discovery;
mod driver;
mod error;
mod event;
mod eviction;
mod key;
mod lane;
mod namespace;
mod probe;
mod profile;
mod push;
mod redis;
mod reply;
mod scan;
mod script;
mod server;
mod server_info;
mod sweep;
mod telemetry;
mod topology;
mod upkeep;

pub use ack::{Ack, Acked, Acks};
pub use batch::{Batcher, Beside, Bounds, Flight, Getter, ScriptCalls};
pub use builder::Builder;
pub use bytes::Bytes;
pub use command::{Command, IntoArg, Policy};
pub use concern::Concern;
pub use declared::Declared;
pub use error::{BuildError, BuildErrorKind, Error, ErrorKind};
pub use event::{Event, Events};
pub use eviction::Eviction;
pub use key::{
    Deprecated, FromKeyPart, Key, KeyPart, KeySpec, KeyTtl, KeyType, KeyWriter, MAX_NAME_LEN,
    MAX_PART_LEN, PartShape, PartSpec, PartWriter, Prefix, SLOTS, Stem, Tier, part, slot,
};
pub use lane::{Blocking, Lane};
pub use namespace::{KEYS, Namespace};
pub use probe::{Finding, Probe};
pub use profile::Profile;
pub use push::{Delivery, GapCause, Subscription, Target, glob_matches};
pub use redis::Redis;
pub use reply::{FromReply, Reply};
pub use scan::{Pace, Scan};
pub use script::Script;
pub use server::Server;
pub use server_info::{Product, ServerInfo, Version};
pub use sweep::{Sweep, Swept};
pub use telemetry::{Operation, Tally};
pub use topology::{Credentials, Endpoint, Login, Tls, Topology};
pub use upkeep::{UPKEEP, Upkeep, is_wrapped};
