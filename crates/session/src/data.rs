//! What a session may hold.

use serde::Serialize;
use serde::de::DeserializeOwned;

/// What a session may hold: a struct, or a map whose keys are text, that serde can write and read, and that threads can share. Every such type is one.
///
/// A value is what it serialises to: what serde skips is Redis's not to know, and other loads in this process may or may not see it.
pub trait Data: Serialize + DeserializeOwned + Send + Sync + 'static {}

impl<T: Serialize + DeserializeOwned + Send + Sync + 'static> Data for T {}
