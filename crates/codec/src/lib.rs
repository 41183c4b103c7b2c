#![doc = include_str!("docs/readme.md")]

mod codec;
mod error;
mod format;
mod header;
mod identity;

pub use codec::Codec;
pub use error::{DecodeError, EncodeError};
pub use format::Format;
pub use identity::Identity;
