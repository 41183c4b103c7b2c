//! Run-time values as parts of a key: escaped, so that they cannot leave their place, and read back.

use std::fmt::{self, Write as _};

use sha2::{Digest as _, Sha256};

use super::name;

/// The longest part that is written as it is, in bytes; a longer one is replaced by its SHA-256.
pub const MAX_PART_LEN: usize = 256;

/// A value that may stand in a key: an id, a subject, a tag.
///
/// Whatever the value holds, the part it makes holds no `:`, no brace, no glob character, no white space
/// and no control character: those are percent-escaped (`user:42` becomes `user%3A42`). The empty value
/// becomes `%-`. A value longer than [`MAX_PART_LEN`] bytes once escaped becomes `%h` and the SHA-256 of the
/// escaped text in hex; such a part cannot be read back.
///
/// A tuple is several parts with `:` between them, so `("a", "b")` and `"a:b"` never make the same key.
///
/// ```
/// use russet_core::{FromKeyPart, KeyPart, part};
///
/// assert_eq!(part("user:42"), "user%3A42");
/// assert_eq!(part(&("ws-1", 7_u32)), "ws-1:7");
/// assert_eq!(String::from_key_part("user%3A42").as_deref(), Some("user:42"));
/// ```
pub trait KeyPart {
    /// What text the type makes, whatever the value: two patterns may differ by that alone. An implementation that calls
    /// [`PartWriter::next_part`] says [`PartShape::Several`].
    const SHAPE: PartShape = PartShape::Text;

    /// Writes the value into `out`, which escapes it.
    fn write_part(&self, out: &mut PartWriter<'_>);

    /// The text of a value that writes just that, by [`PartWriter::text`]; nothing of any other. Whoever looks for a key among others
    /// may spare itself putting it together.
    #[inline]
    fn as_text(&self) -> Option<&str> {
        None
    }
}

/// What text a [`KeyPart`] type makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PartShape {
    /// One part, of any text.
    Text,
    /// One part of decimal digits, with a minus sign before them or none.
    Integer,
    /// Several parts with `:` between them.
    Several,
}

/// A value that can be read back from the part that its [`KeyPart`] wrote.
pub trait FromKeyPart: Sized {
    /// Reads the value; `None` if the part is not one that this type writes, or is a hash.
    fn from_key_part(part: &str) -> Option<Self>;
}

/// The bytes that are written as they are, and are a character each.
static PLAIN: [bool; 256] = {
    let mut plain = [false; 256];
    let mut byte = b'!';
    while byte <= b'~' {
        plain[byte as usize] = !matches!(
            byte,
            b'%' | b':' | b'{' | b'}' | b'*' | b'?' | b'[' | b']' | b'\\'
        );
        byte += 1;
    }
    plain
};

/// Takes a key part's text and writes it escaped.
#[derive(Debug)]
pub struct PartWriter<'a> {
    out: &'a mut String,
    start: usize,
}

impl<'a> PartWriter<'a> {
    #[inline]
    pub(crate) fn new(out: &'a mut String) -> Self {
        let start = out.len();
        PartWriter { out, start }
    }

    /// Appends text to the part being written, escaping what a key may not hold.
    pub fn text(&mut self, text: &str) {
        if text.bytes().all(|byte| PLAIN[usize::from(byte)]) {
            self.out.push_str(text);
            return;
        }
        let mut clean = 0;
        for (at, c) in text.char_indices() {
            let is_escaped = match u8::try_from(c) {
                Ok(byte) if byte.is_ascii() => !PLAIN[usize::from(byte)],
                _ => name::is_reserved(c),
            };
            if is_escaped {
                self.out.push_str(&text[clean..at]);
                let mut utf8 = [0; 4];
                for byte in c.encode_utf8(&mut utf8).bytes() {
                    self.escape(byte);
                }
                clean = at + c.len_utf8();
            }
        }
        self.out.push_str(&text[clean..]);
    }

    /// Appends an integer, or anything else whose `Display` is short, without an intermediate string.
    pub fn display(&mut self, value: impl fmt::Display) {
        struct Escaped<'w, 'a>(&'w mut PartWriter<'a>);
        impl fmt::Write for Escaped<'_, '_> {
            fn write_str(&mut self, text: &str) -> fmt::Result {
                self.0.text(text);
                Ok(())
            }
        }
        // Writing to a String cannot fail; a Display that fails by itself leaves what it wrote.
        let _ = write!(Escaped(self), "{value}");
    }

    /// Appends raw bytes: those that are not plain ASCII are escaped each on its own.
    pub fn bytes(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            let c = char::from(byte);
            if byte.is_ascii() && c != '%' && !name::is_reserved(c) {
                self.out.push(c);
            } else {
                self.escape(byte);
            }
        }
    }

    /// Ends this part and begins the next one of a tuple.
    pub fn next_part(&mut self) {
        self.seal();
        self.out.push(':');
        self.start = self.out.len();
    }

    #[inline]
    pub(crate) fn finish(mut self) {
        self.seal();
    }

    #[inline]
    fn seal(&mut self) {
        let len = self.out.len() - self.start;
        if len == 0 || len > MAX_PART_LEN {
            self.replace(len);
        }
    }

    /// Writes what stands for an empty value or a long one.
    #[cold]
    fn replace(&mut self, len: usize) {
        if len == 0 {
            self.out.push_str("%-");
        } else {
            let digest = Sha256::digest(&self.out.as_bytes()[self.start..]);
            self.out.truncate(self.start);
            self.out.push_str("%h");
            push_hex(self.out, &digest);
        }
    }

    fn escape(&mut self, byte: u8) {
        const HEX: &[u8; 16] = b"0123456789ABCDEF";
        self.out.push('%');
        self.out.push(char::from(HEX[usize::from(byte >> 4)]));
        self.out.push(char::from(HEX[usize::from(byte & 15)]));
    }
}

/// The text of one value as it stands in a key.
pub fn part<P: KeyPart + ?Sized>(value: &P) -> String {
    let mut out = String::new();
    let mut writer = PartWriter::new(&mut out);
    value.write_part(&mut writer);
    writer.finish();
    out
}

pub(crate) fn push_hex(out: &mut String, bytes: &[u8]) {
    for byte in bytes {
        let _ = write!(out, "{byte:02x}");
    }
}

impl KeyPart for str {
    fn write_part(&self, out: &mut PartWriter<'_>) {
        out.text(self);
    }

    #[inline]
    fn as_text(&self) -> Option<&str> {
        Some(self)
    }
}

impl KeyPart for String {
    fn write_part(&self, out: &mut PartWriter<'_>) {
        out.text(self);
    }

    #[inline]
    fn as_text(&self) -> Option<&str> {
        Some(self)
    }
}

impl KeyPart for [u8] {
    fn write_part(&self, out: &mut PartWriter<'_>) {
        out.bytes(self);
    }
}

impl<const N: usize> KeyPart for [u8; N] {
    fn write_part(&self, out: &mut PartWriter<'_>) {
        out.bytes(self);
    }
}

impl KeyPart for Vec<u8> {
    fn write_part(&self, out: &mut PartWriter<'_>) {
        out.bytes(self);
    }
}

impl<P: KeyPart + ?Sized> KeyPart for &P {
    const SHAPE: PartShape = P::SHAPE;

    fn write_part(&self, out: &mut PartWriter<'_>) {
        (**self).write_part(out);
    }

    #[inline]
    fn as_text(&self) -> Option<&str> {
        (**self).as_text()
    }
}

impl<P: KeyPart + ?Sized> KeyPart for Box<P> {
    const SHAPE: PartShape = P::SHAPE;

    fn write_part(&self, out: &mut PartWriter<'_>) {
        (**self).write_part(out);
    }

    #[inline]
    fn as_text(&self) -> Option<&str> {
        (**self).as_text()
    }
}

impl<P: KeyPart + ?Sized> KeyPart for std::sync::Arc<P> {
    const SHAPE: PartShape = P::SHAPE;

    fn write_part(&self, out: &mut PartWriter<'_>) {
        (**self).write_part(out);
    }

    #[inline]
    fn as_text(&self) -> Option<&str> {
        (**self).as_text()
    }
}

impl<P: KeyPart + ToOwned + ?Sized> KeyPart for std::borrow::Cow<'_, P> {
    const SHAPE: PartShape = P::SHAPE;

    fn write_part(&self, out: &mut PartWriter<'_>) {
        (**self).write_part(out);
    }

    #[inline]
    fn as_text(&self) -> Option<&str> {
        (**self).as_text()
    }
}

macro_rules! read_back {
    ($type:ty) => {
        impl FromKeyPart for $type {
            fn from_key_part(part: &str) -> Option<Self> {
                let value: Self = unescape(part)?.parse().ok()?;
                // One value, one part: `007` and `+7` are not what 7 writes.
                (self::part(&value) == part).then_some(value)
            }
        }
    };
}

macro_rules! integers {
    ($($type:ty),*) => {$(
        impl KeyPart for $type {
            const SHAPE: PartShape = PartShape::Integer;

            fn write_part(&self, out: &mut PartWriter<'_>) {
                // Nothing in a number wants to be escaped.
                out.out.push_str(itoa::Buffer::new().format(*self));
            }
        }
        read_back!($type);
    )*};
}

macro_rules! displayed {
    ($($type:ty),*) => {$(
        impl KeyPart for $type {
            fn write_part(&self, out: &mut PartWriter<'_>) {
                out.display(self);
            }
        }
        read_back!($type);
    )*};
}

integers!(
    u8, u16, u32, u64, u128, usize, i8, i16, i32, i64, i128, isize
);
displayed!(bool, char);
displayed!(std::net::IpAddr, std::net::Ipv4Addr, std::net::Ipv6Addr);

#[cfg(feature = "uuid")]
displayed!(uuid::Uuid);

impl FromKeyPart for String {
    fn from_key_part(part: &str) -> Option<Self> {
        unescape(part)
    }
}

impl FromKeyPart for Vec<u8> {
    fn from_key_part(part: &str) -> Option<Self> {
        unescape_bytes(part)
    }
}

macro_rules! tuples {
    ($($first:ident $($rest:ident)*;)*) => {$(
        impl<$first: KeyPart, $($rest: KeyPart),*> KeyPart for ($first, $($rest,)*) {
            const SHAPE: PartShape = PartShape::Several;

            #[allow(non_snake_case, reason = "the macro names each field after its type")]
            fn write_part(&self, out: &mut PartWriter<'_>) {
                let ($first, $($rest,)*) = self;
                $first.write_part(out);
                $(
                    out.next_part();
                    $rest.write_part(out);
                )*
            }
        }
        impl<$first: FromKeyPart, $($rest: FromKeyPart),*> FromKeyPart for ($first, $($rest,)*) {
            fn from_key_part(part: &str) -> Option<Self> {
                let mut parts = part.split(':');
                let value = ($first::from_key_part(parts.next()?)?, $($rest::from_key_part(parts.next()?)?,)*);
                parts.next().is_none().then_some(value)
            }
        }
    )*};
}
tuples! {
    A;
    A B;
    A B C;
    A B C D;
}

fn unescape(part: &str) -> Option<String> {
    String::from_utf8(unescape_bytes(part)?).ok()
}

fn unescape_bytes(part: &str) -> Option<Vec<u8>> {
    if part == "%-" {
        return Some(Vec::new());
    }
    if part.is_empty() || part.starts_with("%h") || part.contains(name::is_reserved) {
        return None;
    }
    Some(percent_encoding::percent_decode_str(part).collect())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn reserved_characters_are_escaped() {
        assert_eq!(
            part("a:b{c}d*e?f[g]h\\i j\n%"),
            "a%3Ab%7Bc%7Dd%2Ae%3Ff%5Bg%5Dh%5Ci%20j%0A%25"
        );
        assert_eq!(part("naïve\u{2003}x"), "naïve%E2%80%83x");
        assert_eq!(part(""), "%-");
    }

    #[test]
    fn tuples_do_not_collide_with_text() {
        assert_eq!(part(&("a", "b")), "a:b");
        assert_ne!(part(&("a", "b")), part("a:b"));
        assert_ne!(part(&("a:b", "c")), part(&("a", "b:c")));
        assert_eq!(
            <(String, u8)>::from_key_part("x%3Ay:7"),
            Some(("x:y".to_owned(), 7))
        );
        assert_eq!(<(String, u8)>::from_key_part("x:7:8"), None);
    }

    #[test]
    fn a_long_part_is_hashed_and_cannot_be_read_back() {
        let long = "x".repeat(MAX_PART_LEN + 1);
        let hashed = part(long.as_str());
        assert_eq!(hashed.len(), 2 + 64);
        assert!(hashed.starts_with("%h"));
        assert_eq!(String::from_key_part(&hashed), None);
        assert_eq!(part("x".repeat(MAX_PART_LEN).as_str()).len(), MAX_PART_LEN);
        // A value that looks like a hash is escaped, so it is never taken for one.
        assert_eq!(part("%habc"), "%25habc");
    }

    #[test]
    fn numbers_have_one_spelling() {
        assert_eq!(u32::from_key_part("7"), Some(7));
        assert_eq!(u32::from_key_part("007"), None);
        assert_eq!(u32::from_key_part("+7"), None);
        assert_eq!(i64::from_key_part("-7"), Some(-7));
        assert_eq!(
            part(&std::net::IpAddr::from([0, 0, 0, 0, 0, 0, 0, 1])),
            "%3A%3A1"
        );
    }

    #[cfg(feature = "uuid")]
    #[test]
    fn a_uuid_has_one_spelling() {
        let id = uuid::Uuid::from_u128(0x936d_a01f_9abd_4d9d_80c7_02af_85c8_22a8);
        let text = "936da01f-9abd-4d9d-80c7-02af85c822a8";
        assert_eq!(part(&id), text);
        assert_eq!(uuid::Uuid::from_key_part(text), Some(id));
        assert_eq!(uuid::Uuid::from_key_part(&text.to_uppercase()), None);
    }

    proptest! {
        #[test]
        fn text_comes_back(text in any::<String>()) {
            let written = part(text.as_str());
            prop_assert!(!written.contains(name::is_reserved));
            if !written.starts_with("%h") {
                prop_assert_eq!(String::from_key_part(&written), Some(text));
            }
        }

        #[test]
        fn bytes_come_back(bytes in any::<Vec<u8>>()) {
            let written = part(&bytes);
            prop_assert!(!written.contains(name::is_reserved));
            if !written.starts_with("%h") {
                prop_assert_eq!(Vec::<u8>::from_key_part(&written), Some(bytes));
            }
        }

        #[test]
        fn different_texts_make_different_parts(a in ".{0,300}", b in ".{0,300}") {
            prop_assert_eq!(a == b, part(a.as_str()) == part(b.as_str()));
        }
    }
}
