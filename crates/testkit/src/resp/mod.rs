//! A small blocking client for RESP2 and RESP3: enough to ask a server about itself, and to look at it from a test
//! without the client under test.

mod connection;
mod decoder;
mod error;
mod value;

mod address;
mod scanner;

pub use self::connection::Connection;
pub use self::decoder::Decoder;
pub use self::error::RespError;
pub use self::value::Value;

pub(crate) use self::address::{Address, Endpoint};
#[cfg(feature = "proxy")]
pub(crate) use self::scanner::Scanner;
