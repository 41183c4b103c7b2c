//! One pattern as documents, access rules and audits see it: with its prefix, and owned, so that a file can hold it.

use std::time::Duration;

use russet_core::{BuildError, BuildErrorKind, KeySpec, KeyTtl, KeyType, PartShape, Prefix, Stem};
use serde::{Deserialize, Serialize};

use crate::grammar::{self, Rest, Shapes, meet, segment};

/// One pattern of a catalogue.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Described {
    /// The whole pattern: `prod:shop:user:{user}:profile`.
    pub pattern: String,
    /// The concern, which says which server the keys are on and which user may touch them.
    pub concern: String,
    /// The module that writes them.
    pub owner: String,
    /// The Redis type.
    pub kind: KeyType,
    /// The Rust type that is stored.
    pub value: String,
    /// The types of the values in the pattern, in their order; none where nobody said.
    pub parts: Vec<Part>,
    /// How long the keys live.
    pub ttl: Ttl,
    /// The commands that are sent with such a key, those inside scripts among them.
    pub commands: Vec<String>,
    /// Whether scripts are called with it.
    pub has_scripts: bool,
    /// Since when it shall not be written any more, and what to use.
    pub deprecated: Option<(String, String)>,
    /// What the key holds.
    pub meaning: String,
}

/// One value in a pattern.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Part {
    /// Its name.
    pub name: String,
    /// Its Rust type.
    pub type_name: String,
    /// Whether it is digits only.
    pub is_integer: bool,
}

/// How long keys live.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Ttl {
    /// As long as a handle's configuration says; always set.
    Configured,
    /// As a tier says, before the profile's factor.
    Tier {
        /// Its name.
        name: String,
        /// The shortest that is meant.
        shortest: Duration,
        /// What is used.
        default: Duration,
        /// The longest that is meant.
        longest: Duration,
    },
    /// Fixed.
    Exactly(Duration),
    /// For ever, on purpose.
    Persistent,
}

/// One part of a pattern between two `:`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Segment<'d> {
    /// The name, or the value's name.
    pub text: &'d str,
    /// Which of them.
    pub place: Place,
}

/// What a segment of a pattern stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Place {
    /// Itself.
    Name,
    /// A value of digits.
    Integer,
    /// Any value.
    Text,
    /// A value in the braces of the hash tag.
    Tag,
    /// Several values with `:` between them.
    Several,
    /// The same in the braces of the hash tag.
    SeveralTag,
}

impl Described {
    /// A pattern under a prefix. Names of the stem that only a handle's builder knows stay in braces; the prefix's module
    /// stands behind the use case.
    pub(crate) fn planned(spec: &KeySpec, prefix: &Prefix) -> Result<Self, BuildError> {
        prefix.check()?;
        let mut names: Vec<&str> = spec.stem.split(':').collect();
        let text = prefix.to_string();
        if names.first() == Some(&"{prefix}") {
            names.remove(0);
        }
        if let Some(module) = prefix.module_name()
            && !names.is_empty()
        {
            names.insert(1, module);
        }
        if !text.is_empty() {
            names.insert(0, &text);
        }
        Ok(Described::new(
            spec,
            &names.join(":"),
            prefix.shard("").is_some(),
        ))
    }

    /// A pattern under whichever prefix.
    pub(crate) fn kind(spec: &KeySpec) -> Self {
        Described::new(spec, spec.stem, false)
    }

    /// The keys of a handle that exists.
    pub(crate) fn of_handle(spec: &KeySpec, stem: &Stem) -> Self {
        Described::new(spec, stem.as_str(), stem.is_sharded())
    }

    fn new(spec: &KeySpec, stem: &str, is_sharded: bool) -> Self {
        let mut names: Vec<String> = Vec::new();
        if !stem.is_empty() {
            names.push(stem.to_owned());
        }
        let mut is_shard_due = is_sharded;
        for name in spec.rest.split(':') {
            let is_value = name.starts_with('{');
            if is_shard_due && is_value {
                names.push("{{shard}}".to_owned());
                is_shard_due = false;
            }
            if is_value && is_sharded {
                let bare = name.trim_matches(['{', '}']);
                names.push(format!("{{{bare}}}"));
            } else {
                names.push(name.to_owned());
            }
        }
        let parts = spec.parts.iter().map(|part| Part {
            name: part.name.to_owned(),
            type_name: part.type_name.to_owned(),
            is_integer: part.shape == PartShape::Integer,
        });
        let mut commands: Vec<String> = spec.commands.iter().map(|&name| name.to_owned()).collect();
        for script in spec.scripts {
            commands.extend(commands_of(script));
        }
        commands.sort();
        commands.dedup();
        Described {
            pattern: names.join(":"),
            concern: spec.concern.to_owned(),
            owner: spec.owner.to_owned(),
            kind: spec.kind,
            value: spec.value.to_owned(),
            parts: parts.collect(),
            ttl: ttl(spec.ttl),
            commands,
            has_scripts: !spec.scripts.is_empty(),
            deprecated: spec
                .deprecated
                .map(|deprecated| (deprecated.since.to_owned(), deprecated.instead.to_owned())),
            meaning: spec.meaning.to_owned(),
        }
    }

    /// Adds what another description of the same keys says: the commands; and what this one does not say.
    pub(crate) fn learn(&mut self, other: Described) {
        self.commands.extend(other.commands);
        self.commands.sort();
        self.commands.dedup();
        self.has_scripts |= other.has_scripts;
        if self.ttl == Ttl::Configured {
            self.ttl = other.ttl;
        }
        if self.value.is_empty() {
            self.value = other.value;
        }
        self.deprecated = self.deprecated.take().or(other.deprecated);
    }

    /// The pattern's segments, in their order.
    pub fn segments(&self) -> impl Iterator<Item = Segment<'_>> {
        let mut at = 0;
        std::iter::from_fn(move || {
            if at > self.pattern.len() {
                return None;
            }
            let found = segment(self.pattern.as_bytes(), at).ok()?;
            at = found.next;
            let text = &self.pattern[found.from..found.to];
            let place = match found.place {
                grammar::Place::Name => Place::Name,
                grammar::Place::Value {
                    tagged: true,
                    several,
                } => match several {
                    true => Place::SeveralTag,
                    false => Place::Tag,
                },
                grammar::Place::Value { several: true, .. } => Place::Several,
                grammar::Place::Value { .. } if self.is_integer(text) => Place::Integer,
                grammar::Place::Value { .. } => Place::Text,
            };
            Some(Segment { text, place })
        })
    }

    /// The version that the pattern carries as a name of its own: `v2` in `board:v2:{week}`.
    pub fn version(&self) -> Option<&str> {
        let is_version = |name: &str| {
            name.strip_prefix('v').is_some_and(|number| {
                !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit())
            })
        };
        self.segments()
            .find(|segment| segment.place == Place::Name && is_version(segment.text))
            .map(|segment| segment.text)
    }

    /// The pattern in the words of `SCAN MATCH` and of ACLs; it covers every such key, and a few that are none.
    pub fn glob(&self) -> String {
        let globs = self.segments().map(|segment| match segment.place {
            Place::Name => segment.text,
            Place::Integer | Place::Text | Place::Several => "*",
            Place::Tag | Place::SeveralTag => "{*}",
        });
        globs.collect::<Vec<_>>().join(":")
    }

    /// Whether one key may be of both patterns.
    pub fn meets(&self, other: &Described) -> bool {
        let (ours, theirs) = (self.shapes(), other.shapes());
        meet(
            Rest::new(self.pattern.as_bytes(), Shapes::Plain(&ours)),
            Rest::new(other.pattern.as_bytes(), Shapes::Plain(&theirs)),
        )
    }

    /// Checks what a file said.
    pub(crate) fn check(&self) -> Result<(), BuildError> {
        let mut at = 0;
        while at <= self.pattern.len() {
            match segment(self.pattern.as_bytes(), at) {
                Ok(found) => at = found.next,
                Err(fault) => {
                    let message = format!("{}: {fault}", self.pattern);
                    return Err(BuildError::new(BuildErrorKind::Name, message));
                }
            }
        }
        Ok(())
    }

    fn shapes(&self) -> Vec<PartShape> {
        let values = self
            .segments()
            .filter(|segment| segment.place != Place::Name);
        values
            .map(|segment| match segment.place {
                Place::Integer => PartShape::Integer,
                _ => PartShape::Text,
            })
            .collect()
    }

    fn is_integer(&self, name: &str) -> bool {
        let is = |part: &Part| part.name == name && part.is_integer;
        self.parts.iter().any(is)
    }
}

fn ttl(ttl: KeyTtl) -> Ttl {
    match ttl {
        KeyTtl::Tier(tier) => Ttl::Tier {
            name: tier.name.to_owned(),
            shortest: tier.shortest,
            default: tier.default,
            longest: tier.longest,
        },
        KeyTtl::Seconds(seconds) => Ttl::Exactly(Duration::from_secs(seconds)),
        KeyTtl::Persistent => Ttl::Persistent,
        _ => Ttl::Configured,
    }
}

/// The commands that a script's comments name: `-- COMMANDS: GET, XGROUP CREATE`. One that begins with what several share has
/// more than one head.
fn commands_of(script: &str) -> impl Iterator<Item = String> {
    let comments = script.lines().filter_map(|line| line.strip_prefix("--"));
    let named = comments.filter_map(|line| {
        let line = line.trim();
        let (word, names) = line.split_once(':')?;
        word.eq_ignore_ascii_case("commands").then_some(names)
    });
    named
        .flat_map(|names| names.split(','))
        .map(|name| name.trim().to_ascii_uppercase())
        .filter(|name| !name.is_empty())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    const SPEC: KeySpec = KeySpec::new(
        "lock",
        "{prefix}:lock",
        "{{name}}:fence",
        KeyType::String,
        KeyTtl::Persistent,
        "A number.",
    );

    #[test]
    fn a_plan_puts_prefix_and_module_where_handles_do() {
        let plan = |prefix: &Prefix| Described::planned(&SPEC, prefix).unwrap();
        let shop = Prefix::new("shop").unwrap();
        assert_eq!(plan(&shop).pattern, "shop:lock:{{name}}:fence");
        let router = shop.clone().env("prod").module("router");
        assert_eq!(
            plan(&router).pattern,
            "prod:shop:lock:router:{{name}}:fence"
        );
        assert_eq!(plan(&router).glob(), "prod:shop:lock:router:{*}:fence");
        assert_eq!(plan(&Prefix::root()).pattern, "lock:{{name}}:fence");
        let sharded = plan(&shop.shards(12).unwrap());
        assert_eq!(sharded.pattern, "shop:lock:{{shard}}:{name}:fence");
        assert!(Described::planned(&SPEC, &Prefix::root().env("a*")).is_err());
    }

    #[test]
    fn a_script_s_commands_are_its_heads() {
        let script = "#!lua flags=no-writes\n-- Takes.\n-- COMMANDS: get, XGROUP CREATE\n-- Cost: O(1)\nreturn 1 -- COMMANDS: no\n-- And gives.\n-- COMMANDS: DEL\n";
        let commands: Vec<String> = commands_of(script).collect();
        assert_eq!(commands, ["GET", "XGROUP CREATE", "DEL"]);
    }
}
