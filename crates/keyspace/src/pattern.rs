//! One pattern of a registry, bound to a prefix: it makes keys.

use std::fmt;
use std::time::Duration;

use russet_core::{
    BuildError, BuildErrorKind, Key, KeyPart, KeySpec, KeyTtl, KeyWriter, Namespace, Prefix,
    Profile,
};

use crate::grammar::{Place, fault, segment};

/// A pattern bound to a prefix. The fields of a `keyspace!` are these; its functions make the keys.
#[derive(Clone)]
pub struct Pattern {
    spec: &'static KeySpec,
    prefix: Prefix,
    /// The text before the first value.
    start: Box<str>,
    /// The text behind each value.
    behind: Box<[Box<str>]>,
    is_sharded: bool,
    profile: Profile,
}

impl Pattern {
    /// What the pattern says.
    pub fn spec(&self) -> &'static KeySpec {
        self.spec
    }

    /// How long its keys live: a tier's default times the factor of the namespace's profile, or what the pattern says;
    /// nothing for ever, or as long as some handle is configured.
    pub fn ttl(&self) -> Option<Duration> {
        match self.spec.ttl {
            KeyTtl::Tier(tier) => Some(self.profile.scaled(tier.default)),
            KeyTtl::Seconds(seconds) => Some(Duration::from_secs(seconds)),
            _ => None,
        }
    }

    fn new(spec: &'static KeySpec, prefix: &Prefix, profile: &Profile) -> Result<Self, BuildError> {
        prefix.check()?;
        if let Some(fault) = fault(spec) {
            let message = format!("{}: {fault}", spec.rest);
            return Err(BuildError::new(BuildErrorKind::Name, message));
        }
        let has_values = !spec.parts.is_empty();
        let is_sharded = has_values && prefix.shard("").is_some();
        let mut text = prefix.to_string();
        if !text.is_empty() {
            text.push(':');
        }
        let mut texts = Vec::new();
        let mut at = 0;
        while at < spec.rest.len() {
            // There is no fault in it.
            let Ok(found) = segment(spec.rest.as_bytes(), at) else {
                break;
            };
            if at > 0 {
                text.push(':');
            }
            match found.place {
                Place::Name => text.push_str(&spec.rest[found.from..found.to]),
                Place::Value { tagged, .. } => {
                    // Where the shard is the tag, no value is.
                    let is_tag = tagged && !is_sharded;
                    text.push_str(if is_tag { "{" } else { "" });
                    texts.push(std::mem::take(&mut text).into_boxed_str());
                    text.push_str(if is_tag { "}" } else { "" });
                }
            }
            at = found.next;
        }
        texts.push(text.into_boxed_str());
        let start = texts.remove(0);
        Ok(Pattern {
            spec,
            prefix: prefix.clone(),
            start,
            behind: texts.into(),
            is_sharded,
            profile: profile.clone(),
        })
    }

    /// Begins a key; each value follows in its order.
    #[doc(hidden)]
    #[inline]
    pub fn begin(&self) -> Writing<'_> {
        let mut writer = KeyWriter::new();
        writer.text(&self.start);
        Writing {
            pattern: self,
            writer,
            values: 0,
        }
    }
}

impl fmt::Debug for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let prefix = self.prefix.to_string();
        let between = if prefix.is_empty() { "" } else { ":" };
        write!(f, "Pattern({prefix}{between}{})", self.spec.rest)
    }
}

/// The patterns of a registry, one after the other: what `keyspace!` fills its fields from.
#[doc(hidden)]
#[derive(Debug)]
pub struct Patterns<'p> {
    specs: std::slice::Iter<'static, KeySpec>,
    prefix: &'p Prefix,
    profile: Profile,
}

impl<'p> Patterns<'p> {
    pub fn within(prefix: &'p Prefix, specs: &'static [KeySpec]) -> Self {
        Patterns {
            specs: specs.iter(),
            prefix,
            profile: Profile::default(),
        }
    }

    /// In a namespace, which is told of them.
    ///
    /// # Errors
    /// A wrong name of the namespace's.
    pub fn of(ns: &'p Namespace, specs: &'static [KeySpec]) -> Result<Self, BuildError> {
        ns.prefix().check()?;
        ns.declare(specs, &ns.root_stem());
        Ok(Patterns {
            profile: ns.profile().clone(),
            ..Patterns::within(ns.prefix(), specs)
        })
    }

    /// # Errors
    /// A wrong name, or no pattern left.
    pub fn take(&mut self) -> Result<Pattern, BuildError> {
        let none = || BuildError::new(BuildErrorKind::Unsupported, "a keyspace without patterns");
        let spec = self.specs.next().ok_or_else(none)?;
        Pattern::new(spec, self.prefix, &self.profile)
    }
}

/// A key that is being written.
#[doc(hidden)]
#[derive(Debug)]
pub struct Writing<'p> {
    pattern: &'p Pattern,
    writer: KeyWriter,
    values: usize,
}

impl Writing<'_> {
    #[must_use]
    pub fn value<P: KeyPart + ?Sized>(mut self, value: &P) -> Self {
        let at = self.writer.len();
        self.writer.value(value);
        if self.values == 0
            && self.pattern.is_sharded
            && let Some(shard) = self.pattern.prefix.shard(&self.writer.as_str()[at..])
        {
            self.writer.insert(at, shard);
        }
        if let Some(behind) = self.pattern.behind.get(self.values) {
            self.writer.text(behind);
        }
        self.values += 1;
        self
    }

    #[inline]
    pub fn key(self) -> Key {
        self.writer.finish(self.pattern.start.len())
    }
}
