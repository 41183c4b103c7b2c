//! From where somebody has logged in.

use std::fmt;

use serde::{Deserialize, Serialize};

/// From where somebody has logged in, for the list of their sessions; each part as far as it is known.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
#[serde(default)]
pub struct Device {
    /// What people call it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The address that it came from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// The user agent that it sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agent: Option<String>,
}

/// No part is longer; what is cut off there is lost.
const MOST: usize = 512;

impl Device {
    /// Nothing is known.
    pub fn unknown() -> Self {
        Device::default()
    }

    /// What people call it; the first 512 bytes.
    #[must_use]
    pub fn name(mut self, name: &str) -> Self {
        self.name = Some(start_of(name));
        self
    }

    /// The address that it came from; the first 512 bytes.
    #[must_use]
    pub fn address(mut self, address: impl fmt::Display) -> Self {
        self.address = Some(start_of(&format!("{address}")));
        self
    }

    /// The user agent that it sent; the first 512 bytes.
    #[must_use]
    pub fn agent(mut self, agent: &str) -> Self {
        self.agent = Some(start_of(agent));
        self
    }
}

fn start_of(text: &str) -> String {
    text[..text.floor_char_boundary(MOST)].to_owned()
}
