#![doc = include_str!("docs/readme.md")]

mod codec;
mod compression;
mod content;
mod encryption;
mod error;
mod form;
mod format;
mod header;
mod identity;
mod opened;
mod payload;
mod refusal;
mod shape;

pub use codec::Codec;
pub use compression::Compression;
#[cfg(feature = "encryption")]
pub use encryption::KeyRing;
pub use error::{BuildError, DecodeError, EncodeError};
pub use format::Format;
pub use identity::Identity;
pub use opened::Opened;
pub use payload::{Payload, Raw};
