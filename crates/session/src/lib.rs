#![doc = include_str!("docs/readme.md")]

mod builder;
mod change;
mod device;
mod error;
mod fields;
mod keys;
mod listed;
mod outage;
mod refresh;
mod secrets;
mod session;
mod sessions;
mod token;
mod way;
mod wire;
mod write;

pub use builder::Builder;
pub use device::Device;
pub use error::SessionError;
pub use keys::{CONCERN, KEYS};
pub use listed::{Listed, SessionId};
pub use outage::OnOutage;
pub use refresh::{RefreshToken, Refreshed, Renewal};
#[cfg(feature = "encryption")]
pub use russet_codec::KeyRing;
pub use russet_codec::{Codec, Format};
pub use russet_core::{BuildError, BuildErrorKind, Error, ErrorKind, KeyPart, Namespace, Redis};
pub use secrets::Secrets;
pub use session::Session;
pub use sessions::Sessions;
pub use token::Token;
pub use write::{Write, Written};
