//! Stored bytes and what becomes of them.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

#[cfg(any(feature = "lz4", feature = "zstd"))]
mod compression;
#[cfg(feature = "encryption")]
mod encryption;
mod golden;
mod hostile;
mod parts;
mod plain;
mod secrecy;

use russet_codec::Identity;
use serde::{Deserialize, Serialize};

const ALICE: Identity<'_> = Identity::new("cache", "users", b"7");
const BOB: Identity<'_> = Identity::new("cache", "users", b"8");

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct User {
    name: String,
    age: u8,
}

fn user() -> User {
    User {
        name: "Alice".to_owned(),
        age: 44,
    }
}

fn unhex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text
        .chars()
        .filter_map(|digit| digit.to_digit(16))
        .map(|digit| u8::try_from(digit).unwrap())
        .collect();
    digits
        .chunks(2)
        .map(|pair| pair[0] << 4 | pair[1])
        .collect()
}
