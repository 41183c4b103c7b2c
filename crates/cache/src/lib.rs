#![doc = include_str!("docs/readme.md")]

mod builder;
mod cache;
mod error;
mod flight;
mod keys;
mod load;
mod outage;
mod wire;

pub use builder::Builder;
pub use cache::{Cache, Inserted};
pub use error::LoadError;
pub use keys::{CONCERN, KEYS};
pub use load::Cx;
pub use outage::OnOutage;
pub use russet_codec as codec;
pub use russet_codec::{Codec, Format, Payload, Raw};
pub use russet_core::{BuildError, Error, KeyPart, Namespace, Profile, Redis};
