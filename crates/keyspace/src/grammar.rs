//! The grammar of patterns, as constant functions: a wrong one does not compile.
//!
//! A pattern is segments with `:` between them; see [`KeySpec`](russet_core::KeySpec) for what they mean. Everything here
//! works on bytes and without an allocation, because the compiler runs it too.

use std::fmt;

use russet_core::{KeySpec, KeyTtl, PartShape, PartSpec};

/// What is wrong with a pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    Empty,
    Name,
    Brace,
    ValueName,
    Order,
    Missing,
    Several,
    Single,
    TwoSeveral,
    TwoTags,
    Ttl,
}

impl Fault {
    /// What is wrong, and what to write instead.
    pub(crate) const fn text(self) -> &'static str {
        match self {
            Fault::Empty => {
                "the pattern is empty or has an empty name: no `:` stands at its ends or beside another"
            }
            Fault::Name => {
                "a name in the pattern holds a glob character, a backslash, white space or what is not ASCII: a value that \
                 comes at run time goes in as `{name}`"
            }
            Fault::Brace => {
                "a brace in the pattern belongs to no value: write `{name}`, `{{name}}` for the hash tag, `{name..}` for a \
                 tuple, each between two `:`"
            }
            Fault::ValueName => {
                "the name of a value in the pattern is none: write letters, digits and `_`"
            }
            Fault::Order => {
                "the values in the pattern are not the parameters, each once and in their order"
            }
            Fault::Missing => "a parameter does not stand in the pattern: write it as `{name}`",
            Fault::Several => "a parameter writes several parts: write it as `{name..}`",
            Fault::Single => "a parameter writes one part: write it as `{name}`",
            Fault::TwoSeveral => "the pattern has two `{name..}`: where one ends is not to be told",
            Fault::TwoTags => "the pattern has two hash tags: Redis sees the first one only",
            Fault::Ttl => "the TTL is 0: write how long the key lives, or KeyTtl::Persistent",
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}

/// What a segment is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    Name,
    /// `{name}`, or with `..`.
    Value {
        tagged: bool,
        several: bool,
    },
}

/// One segment: what it is, where its name stands, and where the next one begins (behind the end: there is none).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Segment {
    pub(crate) place: Place,
    pub(crate) from: usize,
    pub(crate) to: usize,
    pub(crate) next: usize,
}

/// The segment that begins at `at`.
pub(crate) const fn segment(text: &[u8], at: usize) -> Result<Segment, Fault> {
    let mut end = at;
    while end < text.len() && text[end] != b':' {
        end += 1;
    }
    let next = end + 1;
    if end == at {
        return Err(Fault::Empty);
    }
    if text[at] != b'{' {
        let mut i = at;
        while i < end {
            match text[i] {
                b'{' | b'}' => return Err(Fault::Brace),
                _ => i += 1,
            }
        }
        let (place, from, to) = (Place::Name, at, end);
        return Ok(Segment {
            place,
            from,
            to,
            next,
        });
    }
    let tagged = at + 1 < end && text[at + 1] == b'{';
    let braces = if tagged { 2 } else { 1 };
    let from = at + braces;
    if end < from + braces || text[end - 1] != b'}' || (tagged && text[end - 2] != b'}') {
        return Err(Fault::Brace);
    }
    let mut to = end - braces;
    let several = to >= from + 2 && text[to - 1] == b'.' && text[to - 2] == b'.';
    if several {
        to -= 2;
    }
    if from == to {
        return Err(Fault::ValueName);
    }
    let mut i = from;
    while i < to {
        match text[i] {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'_' => {}
            b'{' | b'}' => return Err(Fault::Brace),
            _ => return Err(Fault::ValueName),
        }
        i += 1;
    }
    let place = Place::Value { tagged, several };
    Ok(Segment {
        place,
        from,
        to,
        next,
    })
}

/// What is wrong with a description, if anything. Its stem was checked, or will be, by whoever made it.
pub(crate) const fn fault(spec: &KeySpec) -> Option<Fault> {
    let text = spec.rest.as_bytes();
    let (mut at, mut values, mut tags, mut severals) = (0, 0, 0, 0);
    loop {
        let found = match segment(text, at) {
            Ok(found) => found,
            Err(fault) => return Some(fault),
        };
        if matches!(found.place, Place::Name) && !is_name(text, found.from, found.to) {
            return Some(Fault::Name);
        }
        if let Place::Value { tagged, several } = found.place {
            if !spec.parts.is_empty() {
                if values == spec.parts.len()
                    || !is_at(
                        text,
                        found.from,
                        found.to,
                        spec.parts[values].name.as_bytes(),
                    )
                {
                    return Some(Fault::Order);
                }
                match (spec.parts[values].shape, several) {
                    (PartShape::Several, false) => return Some(Fault::Several),
                    (PartShape::Text | PartShape::Integer, true) => return Some(Fault::Single),
                    _ => {}
                }
            }
            values += 1;
            tags += tagged as usize;
            severals += several as usize;
        }
        if found.next > text.len() {
            break;
        }
        at = found.next;
    }
    if values < spec.parts.len() {
        return Some(Fault::Missing);
    }
    if severals > 1 {
        return Some(Fault::TwoSeveral);
    }
    if tags > 1 {
        return Some(Fault::TwoTags);
    }
    if let KeyTtl::Seconds(0) = spec.ttl {
        return Some(Fault::Ttl);
    }
    None
}

const fn is_name(text: &[u8], from: usize, to: usize) -> bool {
    let mut i = from;
    while i < to {
        match text[i] {
            b'*' | b'?' | b'[' | b']' | b'\\' => return false,
            b'!'..=b'~' => i += 1,
            _ => return false,
        }
    }
    true
}

/// Whether a key may be one of both. Patterns with a fault collide with nothing.
pub(crate) const fn collide(a: &KeySpec, b: &KeySpec) -> bool {
    !differ_in_names(a.rest.as_bytes(), b.rest.as_bytes())
        && meet(
            Rest::new(a.rest.as_bytes(), Shapes::Of(a.parts)),
            Rest::new(b.rest.as_bytes(), Shapes::Of(b.parts)),
        )
}

/// Whether two patterns differ before either has a value: nearly all pairs do, and the compiler is slow.
const fn differ_in_names(a: &[u8], b: &[u8]) -> bool {
    let mut i = 0;
    while i < a.len() && i < b.len() && a[i] == b[i] && a[i] != b'{' {
        i += 1;
    }
    let (a_is_value, b_is_value) = (i < a.len() && a[i] == b'{', i < b.len() && b[i] == b'{');
    !a_is_value && !b_is_value && (i < a.len() || i < b.len())
}

/// The shapes of a pattern's values, in their order; any text where nobody said.
#[derive(Clone, Copy)]
pub(crate) enum Shapes<'p> {
    Of(&'p [PartSpec]),
    Plain(&'p [PartShape]),
}

/// What is left of a pattern.
#[derive(Clone, Copy)]
pub(crate) struct Rest<'p> {
    text: &'p [u8],
    shapes: Shapes<'p>,
    at: usize,
    /// Which value comes next.
    value: usize,
}

impl<'p> Rest<'p> {
    pub(crate) const fn new(text: &'p [u8], shapes: Shapes<'p>) -> Self {
        Rest {
            text,
            shapes,
            at: 0,
            value: 0,
        }
    }

    const fn is_empty(self) -> bool {
        self.at > self.text.len()
    }

    const fn segment(self) -> Option<Segment> {
        match segment(self.text, self.at) {
            Ok(found) => Some(found),
            Err(_) => None,
        }
    }

    const fn behind(mut self, segment: Segment) -> Self {
        self.at = segment.next;
        if let Place::Value { .. } = segment.place {
            self.value += 1;
        }
        self
    }

    const fn shape(self) -> PartShape {
        match self.shapes {
            Shapes::Of(parts) if self.value < parts.len() => parts[self.value].shape,
            Shapes::Plain(shapes) if self.value < shapes.len() => shapes[self.value],
            _ => PartShape::Text,
        }
    }
}

/// Whether a key may be one of both.
pub(crate) const fn meet(a: Rest<'_>, b: Rest<'_>) -> bool {
    if a.is_empty() || b.is_empty() {
        return a.is_empty() && b.is_empty();
    }
    let (Some(left), Some(right)) = (a.segment(), b.segment()) else {
        return false;
    };
    if !touch(a, left, b, right) {
        return false;
    }
    let (a_next, b_next) = (a.behind(left), b.behind(right));
    if meet(a_next, b_next) {
        return true;
    }
    // One that holds several parts may go on where the other goes on.
    (is_several(left) && meet(a, b_next)) || (is_several(right) && meet(a_next, b))
}

const fn is_several(segment: Segment) -> bool {
    matches!(segment.place, Place::Value { several: true, .. })
}

/// Whether one part of a key may be both.
const fn touch(a: Rest<'_>, left: Segment, b: Rest<'_>, right: Segment) -> bool {
    let (a_text, b_text) = (a.text, b.text);
    match (left.place, right.place) {
        (Place::Name, Place::Name) => {
            left.to - left.from == right.to - right.from
                && equal(a_text, left.from, b_text, right.from, left.to - left.from)
        }
        (Place::Name, Place::Value { tagged, .. }) => {
            !tagged && admits(b.shape(), a_text, left.from, left.to)
        }
        (Place::Value { tagged, .. }, Place::Name) => {
            !tagged && admits(a.shape(), b_text, right.from, right.to)
        }
        // A tag's braces stand in no other part; those of a tuple that is a tag stand in its first and its last part.
        (
            Place::Value {
                tagged: one,
                several: ones,
            },
            Place::Value {
                tagged: other,
                several: others,
            },
        ) => one == other || (one && ones) || (other && others),
    }
}

/// Whether a value of that shape may be this name.
const fn admits(shape: PartShape, text: &[u8], from: usize, to: usize) -> bool {
    match shape {
        PartShape::Integer => is_integer(text, from, to),
        _ => is_part(text, from, to),
    }
}

/// Whether it is text as [`KeyPart`](russet_core::KeyPart) writes it: `%` stands before two hexadecimal digits, but for the
/// empty value's `%-` and a digest's `%h`. So a name such as `%lease` is no value's.
pub(crate) const fn is_part(text: &[u8], from: usize, to: usize) -> bool {
    if from < to && text[from] == b'%' && from + 1 < to && matches!(text[from + 1], b'-' | b'h') {
        return true;
    }
    let mut i = from;
    while i < to {
        if text[i] == b'%' {
            if i + 2 >= to || !is_hex(text[i + 1]) || !is_hex(text[i + 2]) {
                return false;
            }
            i += 2;
        }
        i += 1;
    }
    from < to
}

const fn is_hex(byte: u8) -> bool {
    matches!(byte, b'0'..=b'9' | b'A'..=b'F')
}

/// Whether it is a number as [`KeyPart`](russet_core::KeyPart) writes one.
pub(crate) const fn is_integer(text: &[u8], from: usize, to: usize) -> bool {
    let mut i = if text[from] == b'-' { from + 1 } else { from };
    if i == to || (text[i] == b'0' && to - from > 1) {
        return false;
    }
    while i < to {
        if !text[i].is_ascii_digit() {
            return false;
        }
        i += 1;
    }
    true
}

const fn is_at(text: &[u8], from: usize, to: usize, name: &[u8]) -> bool {
    to - from == name.len() && equal(text, from, name, 0, name.len())
}

const fn equal(a: &[u8], a_from: usize, b: &[u8], b_from: usize, len: usize) -> bool {
    let mut i = 0;
    while i < len {
        if a[a_from + i] != b[b_from + i] {
            return false;
        }
        i += 1;
    }
    true
}

/// What `keyspace!` has the compiler do with its patterns.
///
/// # Panics
/// For a pattern that is wrong, or two that may make the same key: in a constant, hence an error of the compiler.
#[allow(
    clippy::panic,
    reason = "in a constant, where it is used, it is an error of the compiler"
)]
pub const fn check(specs: &[KeySpec]) {
    let mut i = 0;
    while i < specs.len() {
        if let Some(fault) = fault(&specs[i]) {
            let said = Said::new().add(specs[i].rest).add(": ").add(fault.text());
            panic!("{}", said.text());
        }
        let mut j = 0;
        while j < i {
            if collide(&specs[i], &specs[j]) {
                let said = Said::new()
                    .add(specs[j].rest)
                    .add(" and ")
                    .add(specs[i].rest)
                    .add(" may make the same key: give one of them a name that the other has not");
                panic!("{}", said.text());
            }
            j += 1;
        }
        i += 1;
    }
}

/// A text that is put together while compiling; what is too long is cut.
struct Said {
    bytes: [u8; 512],
    len: usize,
}

impl Said {
    const fn new() -> Self {
        Said {
            bytes: [0; 512],
            len: 0,
        }
    }

    const fn add(mut self, text: &str) -> Self {
        let text = text.as_bytes();
        let mut i = 0;
        while i < text.len() && self.len < self.bytes.len() {
            self.bytes[self.len] = text[i];
            self.len += 1;
            i += 1;
        }
        self
    }

    const fn text(&self) -> &str {
        match std::str::from_utf8(self.bytes.split_at(self.len).0) {
            Ok(text) => text,
            Err(_) => "a pattern is wrong",
        }
    }
}

#[cfg(test)]
mod tests {
    use russet_core::KeyType;

    use super::*;

    const fn spec(rest: &'static str, parts: &'static [PartSpec]) -> KeySpec {
        KeySpec::new(
            "c",
            "{prefix}",
            rest,
            KeyType::String,
            KeyTtl::Persistent,
            "",
        )
        .parts(parts)
    }

    const ID: &[PartSpec] = &[PartSpec::new("id", "u64", PartShape::Integer)];
    const NAME: &[PartSpec] = &[PartSpec::new("id", "String", PartShape::Text)];
    const PAIR: &[PartSpec] = &[PartSpec::new("id", "(u8, u8)", PartShape::Several)];

    #[test]
    fn wrong_patterns_are_told_apart() {
        for (rest, parts, expected) in [
            ("user:{id}:profile", ID, None),
            ("user:{{id}}", ID, None),
            ("{id..}", PAIR, None),
            ("health:check", &[][..], None),
            ("", &[], Some(Fault::Empty)),
            ("a:", &[], Some(Fault::Empty)),
            (":a", &[], Some(Fault::Empty)),
            ("a::b", &[], Some(Fault::Empty)),
            ("a*", &[], Some(Fault::Name)),
            ("a b", &[], Some(Fault::Name)),
            ("na\u{ef}ve", &[], Some(Fault::Name)),
            ("a\\", &[], Some(Fault::Name)),
            ("[a]", &[], Some(Fault::Name)),
            ("a?", &[], Some(Fault::Name)),
            ("a{id}", ID, Some(Fault::Brace)),
            ("{id}a", ID, Some(Fault::Brace)),
            ("{id", ID, Some(Fault::Brace)),
            ("id}", ID, Some(Fault::Brace)),
            ("{{id}", ID, Some(Fault::Brace)),
            ("{id}}", ID, Some(Fault::Brace)),
            ("{}", ID, Some(Fault::ValueName)),
            ("{{}}", ID, Some(Fault::ValueName)),
            ("{..}", PAIR, Some(Fault::ValueName)),
            ("{i-d}", ID, Some(Fault::ValueName)),
            ("{other}", ID, Some(Fault::Order)),
            ("{id}:{id}", ID, Some(Fault::Order)),
            ("a", ID, Some(Fault::Missing)),
            ("{id}", PAIR, Some(Fault::Several)),
            ("{id..}", ID, Some(Fault::Single)),
            ("{a..}:{b..}", &[], Some(Fault::TwoSeveral)),
            ("{{a}}:{{b}}", &[], Some(Fault::TwoTags)),
        ] {
            assert_eq!(fault(&spec(rest, parts)), expected, "{rest}");
        }
        let mut never = spec("a", &[]);
        never.ttl = KeyTtl::Seconds(0);
        assert_eq!(fault(&never), Some(Fault::Ttl));
    }

    #[test]
    fn patterns_that_may_make_one_key() {
        for (a, a_parts, b, b_parts, expected) in [
            ("user:{id}", NAME, "user:{id}", NAME, true),
            ("user:{id}", NAME, "user:admin", &[][..], true),
            ("user:{id}", ID, "user:admin", &[], false),
            ("user:{id}", ID, "user:7", &[], true),
            ("user:{id}", ID, "user:007", &[], false),
            ("user:{id}", NAME, "user:{{id}}", NAME, false),
            ("user:{{id}}", NAME, "user:admin", &[], false),
            ("user:{id}:a", NAME, "user:{id}:b", NAME, false),
            ("user:{id}", NAME, "user:{id}:b", NAME, false),
            ("{id}:b", NAME, "a:{id}", NAME, true),
            ("{id}:b", NAME, "a:{id}", ID, false),
            ("a:{id..}", PAIR, "a:{x}:{y}:z", &[], true),
            ("a:{id..}", PAIR, "b:{x}:{y}:z", &[], false),
            ("a:{id..}:z", PAIR, "a:b:c:d:z", &[], true),
            ("a:{id..}:z", PAIR, "a:b:c:d:y", &[], false),
            ("a:{id..}:z", PAIR, "a:z", &[], false),
            ("{a..}:x", &[], "y:{b..}", &[], true),
            ("{a..}:x", &[], "y:{b..}:z", &[], false),
            ("{{a..}}", &[], "x:y", &[], false),
            ("a:{id}", NAME, "a:%lease", &[], false),
            ("a:{id}", NAME, "a:x%3Ay", &[], true),
            ("a:{id}", NAME, "a:%-", &[], true),
            ("a:{id}", NAME, "a:x%3", &[], false),
        ] {
            let (a, b) = (spec(a, a_parts), spec(b, b_parts));
            assert_eq!(collide(&a, &b), expected, "{} {}", a.rest, b.rest);
            assert_eq!(collide(&b, &a), expected, "{} {}", b.rest, a.rest);
        }
    }
}
