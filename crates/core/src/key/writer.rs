//! A key that is being written.

use std::cell::Cell;
use std::fmt;

use bytes::Bytes;

use super::{Key, KeyPart, PartWriter};

thread_local! {
    /// Where this thread's keys are put together, so that each costs one allocation, of its own length.
    static ROOM: Cell<String> = const { Cell::new(String::new()) };
}

/// A thread keeps no more room than this.
const MOST: usize = 4_096;

/// Puts a key together from literal text and values: for crates whose keys have another shape than a
/// [`Stem`](super::Stem) makes. One allocation a key.
///
/// ```
/// use russet_core::KeyWriter;
///
/// let mut writer = KeyWriter::new();
/// writer.text("user:");
/// let literal = writer.len();
/// writer.value(&"a:b");
/// writer.text(":profile");
/// let key = writer.finish(literal);
/// assert_eq!(key.as_bytes(), b"user:a%3Ab:profile");
/// assert_eq!(key.to_string(), "user:…");
/// ```
pub struct KeyWriter(String);

impl KeyWriter {
    /// An empty key.
    #[allow(
        clippy::new_without_default,
        reason = "it is not a value to have around"
    )]
    #[inline]
    pub fn new() -> Self {
        // Whoever writes a key while writing a key, or while the thread ends, finds no room and makes some.
        let mut room = ROOM.try_with(Cell::take).unwrap_or_default();
        room.clear();
        KeyWriter(room)
    }

    /// Appends literal text, unchecked.
    #[inline]
    pub fn text(&mut self, text: &str) {
        self.0.push_str(text);
    }

    /// Appends a value, escaped.
    pub fn value<P: KeyPart + ?Sized>(&mut self, value: &P) {
        let mut writer = PartWriter::new(&mut self.0);
        value.write_part(&mut writer);
        writer.finish();
    }

    /// Puts literal text where the text from `at` on began, such as a shard's tag.
    #[inline]
    pub fn insert(&mut self, at: usize, text: &str) {
        self.0.insert_str(at, text);
    }

    /// What was written so far.
    #[inline]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// How many bytes were written so far.
    #[inline]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether nothing was written so far.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The key; its first `literal` bytes are a programmer's words, which logs may show.
    #[inline]
    pub fn finish(self, literal: usize) -> Key {
        Key::new(Bytes::copy_from_slice(self.0.as_bytes()), literal)
    }
}

impl Drop for KeyWriter {
    fn drop(&mut self) {
        if self.0.capacity() <= MOST {
            let room = std::mem::take(&mut self.0);
            // The thread ends: nobody wants it any more.
            let _ = ROOM.try_with(|kept| kept.set(room));
        }
    }
}

impl fmt::Debug for KeyWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Not the text: values are in it.
        write!(f, "KeyWriter({} bytes)", self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Nested;

    impl KeyPart for Nested {
        fn write_part(&self, out: &mut PartWriter<'_>) {
            let mut writer = KeyWriter::new();
            writer.value("inner");
            out.text(writer.as_str());
        }
    }

    #[test]
    fn a_key_within_a_key_has_room_of_its_own() {
        for _ in 0..3 {
            let mut writer = KeyWriter::new();
            writer.text("a:");
            writer.value(&Nested);
            writer.insert(2, "{7}:");
            assert_eq!(writer.finish(2).as_bytes(), b"a:{7}:inner");
        }
    }

    #[test]
    fn a_long_key_s_room_is_given_back() {
        let mut writer = KeyWriter::new();
        writer.text(&"x".repeat(MOST + 1));
        drop(writer.finish(0));
        assert!(KeyWriter::new().0.capacity() <= MOST);
    }
}
