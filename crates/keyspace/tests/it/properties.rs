//! Matching and colliding, against a reference that tries every key.

use proptest::prelude::*;
use proptest::sample::select;
use russet_core::{KeySpec, PartShape, PartSpec};
use russet_keyspace::{Catalogue, KeyTtl, KeyType, Prefix};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Segment {
    Name(&'static str),
    Integer,
    Text,
    Tag,
    Several,
}

impl Segment {
    fn text(self) -> String {
        match self {
            Segment::Name(name) => name.to_owned(),
            Segment::Integer => "{i}".to_owned(),
            Segment::Text => "{t}".to_owned(),
            Segment::Tag => "{{g}}".to_owned(),
            Segment::Several => "{s..}".to_owned(),
        }
    }

    fn part(self) -> Option<PartSpec> {
        match self {
            Segment::Name(_) => None,
            Segment::Integer => Some(PartSpec::new("i", "u64", PartShape::Integer)),
            Segment::Text => Some(PartSpec::new("t", "str", PartShape::Text)),
            Segment::Tag => Some(PartSpec::new("g", "str", PartShape::Text)),
            Segment::Several => Some(PartSpec::new("s", "(A, B)", PartShape::Several)),
        }
    }
}

/// What a part of a key may be here.
const PARTS: [&str; 6] = ["a", "b", "1", "z", "{1}", "{z}"];

/// Every key of at most four parts.
fn keys() -> impl Iterator<Item = Vec<&'static str>> {
    (1..=4).flat_map(|len| {
        (0..PARTS.len().pow(len)).map(move |number| {
            let digits = (0..len).map(|at| number / PARTS.len().pow(at) % PARTS.len());
            digits.map(|digit| PARTS[digit]).collect()
        })
    })
}

/// The definition, tried out.
fn is_of(key: &[&str], pattern: &[Segment]) -> bool {
    let (Some((part, rest)), Some((segment, more))) = (key.split_first(), pattern.split_first())
    else {
        return key.is_empty() && pattern.is_empty();
    };
    let is_tag = part.starts_with('{');
    match segment {
        Segment::Name(name) => part == name && is_of(rest, more),
        Segment::Integer => *part == "1" && is_of(rest, more),
        Segment::Text => !is_tag && is_of(rest, more),
        Segment::Tag => is_tag && is_of(rest, more),
        Segment::Several => !is_tag && (is_of(rest, more) || is_of(rest, pattern)),
    }
}

fn spec(pattern: &[Segment]) -> KeySpec {
    let text: Vec<String> = pattern.iter().map(|segment| segment.text()).collect();
    let parts: Vec<PartSpec> = pattern
        .iter()
        .filter_map(|segment| segment.part())
        .collect();
    // For the length of the test process.
    KeySpec::new(
        "app",
        "{prefix}",
        text.join(":").leak(),
        KeyType::String,
        KeyTtl::Persistent,
        "x",
    )
    .parts(parts.leak())
}

fn pattern() -> impl Strategy<Value = Vec<Segment>> {
    let segment = select(vec![
        Segment::Name("a"),
        Segment::Name("b"),
        Segment::Name("1"),
        Segment::Integer,
        Segment::Text,
        Segment::Tag,
        Segment::Several,
    ]);
    let is_fine = |pattern: &Vec<Segment>| {
        let count = |wanted| pattern.iter().filter(|&&one| one == wanted).count();
        count(Segment::Several) < 2 && count(Segment::Tag) < 2
    };
    prop::collection::vec(segment, 1..4).prop_filter("one of each", is_fine)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn patterns_meet_where_a_key_is_of_both(one in pattern(), other in pattern()) {
        let both = keys().find(|key| is_of(key, &one) && is_of(key, &other));
        let [a, b] = [&one, &other].map(|pattern| {
            Catalogue::new().with(&Prefix::root(), &[spec(pattern)]).unwrap()
        });
        let (a, b) = (&a.all()[0], &b.all()[0]);
        prop_assert_eq!(a.meets(b), both.is_some(), "{} {} {:?}", a.pattern, b.pattern, both);
        prop_assert_eq!(b.meets(a), both.is_some());
    }

    #[test]
    fn a_key_is_found_where_it_is_of_some_pattern(patterns in prop::collection::vec(pattern(), 1..12)) {
        let specs: Vec<KeySpec> = patterns.iter().map(|pattern| spec(pattern)).collect();
        let catalogue = Catalogue::new().with(&Prefix::root(), &specs).unwrap();
        for key in keys() {
            let text = key.join(":");
            let found = catalogue.find(text.as_bytes());
            let of: Vec<&str> = patterns
                .iter()
                .zip(&specs)
                .filter(|(pattern, _)| is_of(&key, pattern))
                .map(|(_, spec)| spec.rest)
                .collect();
            match found {
                None => prop_assert!(of.is_empty(), "{text} is of {of:?}"),
                Some(found) => {
                    let pattern = found.described().pattern.as_str();
                    prop_assert!(of.contains(&pattern), "{text} was found as {pattern}");
                    // What was read back, put together again, is the key.
                    let parts = found.described().segments().map(|segment| {
                        let value = found.value(segment.text);
                        match segment.place {
                            russet_keyspace::Place::Name => segment.text.to_owned(),
                            russet_keyspace::Place::Tag => format!("{{{}}}", value.unwrap_or("?")),
                            _ => value.unwrap_or("?").to_owned(),
                        }
                    });
                    // Where a name comes twice, the first one's value is given.
                    let names: Vec<_> = found.described().segments().filter(|one| one.place != russet_keyspace::Place::Name).map(|one| one.text).collect();
                    let distinct: std::collections::BTreeSet<_> = names.iter().collect();
                    if distinct.len() == names.len() {
                        prop_assert_eq!(parts.collect::<Vec<_>>().join(":"), text);
                    }
                }
            }
        }
    }
}
