#![doc = include_str!("docs/readme.md")]

mod batch;
mod builder;
mod call;
mod command;
mod concern;
mod connections;
mod driver;
mod error;
mod event;
mod key;
mod lane;
mod namespace;
mod push;
mod redis;
mod reply;
mod scan;
mod script;
mod server;
mod topology;

pub use batch::{Batcher, Bounds, Flight, Getter, ScriptCalls};
pub use builder::Builder;
pub use bytes::Bytes;
pub use command::{Command, IntoArg, Policy};
pub use concern::Concern;
pub use error::{BuildError, BuildErrorKind, Error, ErrorKind};
pub use event::{Event, Events};
pub use key::{
    FromKeyPart, Key, KeyPart, KeySpec, KeyTtl, KeyType, MAX_NAME_LEN, MAX_PART_LEN, PartWriter,
    Prefix, SLOTS, Stem, part, slot,
};
pub use lane::Blocking;
pub use namespace::Namespace;
pub use push::{Delivery, GapCause, Subscription, Target};
pub use redis::{Lane, Redis};
pub use reply::{FromReply, Reply};
pub use scan::{Pace, Scan};
pub use script::Script;
pub use server::{Product, ServerInfo, Version};
