#![doc = include_str!("docs/readme.md")]

mod apart;
mod builder;
mod change;
mod changing;
mod cleanup;
mod counter;
mod data;
mod device;
mod ending;
mod error;
mod etag;
mod event;
mod export;
mod fields;
#[cfg(feature = "tower")]
pub mod http;
mod ids;
mod keys;
mod listed;
mod local;
mod login;
mod making;
mod operations;
mod outage;
mod plain;
mod refresh;
mod secrets;
mod session;
mod sessions;
mod stored;
mod token;
#[cfg(feature = "tower-sessions")]
mod tower_store;
mod way;
mod wire;
mod write;

pub use builder::Builder;
pub use cleanup::Cleanup;
pub use data::Data;
pub use device::Device;
pub use error::SessionError;
pub use event::{Because, SessionEvent, SessionEvents};
pub use export::Exported;
pub use ids::Ids;
pub use keys::{CONCERN, KEYS};
pub use listed::{Listed, SessionId};
pub use login::Login;
pub use outage::OnOutage;
pub use refresh::{RefreshToken, Refreshed, Renewal};
#[cfg(feature = "encryption")]
pub use russet_codec::KeyRing;
pub use russet_codec::{Codec, Format};
pub use russet_core::{
    Ack, BuildError, BuildErrorKind, Error, ErrorKind, Finding, KeyPart, Namespace, Probe, Redis,
    Sweep, Swept,
};
pub use secrets::Secrets;
pub use session::Session;
pub use sessions::Sessions;
pub use token::Token;
#[cfg(feature = "tower-sessions")]
pub use tower_store::{TowerData, TowerStore};
pub use write::{Write, Written};
