//! The checked prefix that every key of a product begins with.

use std::fmt;

use crate::error::{BuildError, BuildErrorKind};

use super::shards::{COUNTS, Shards};
use super::{Stem, check_name, check_names};

/// The literal beginning of every key: `<env>:<product>`, and the module that a stem puts behind its use.
///
/// Pure: it knows no connection. [`Namespace`](crate::Namespace) is a prefix bound to one.
///
/// [`env`](Prefix::env) and [`module`](Prefix::module) check their names too; a wrong one is kept and told by
/// whatever is built from the prefix first, so that a chain reads without a `?` after each step.
///
/// ```
/// use russet_core::Prefix;
///
/// let prefix = Prefix::new("shop")?.env("prod").module("router");
/// assert_eq!(prefix.stem("cache", "users")?.key(&7).as_bytes(), b"prod:shop:cache:router:users:7");
/// assert!(Prefix::new("shop")?.env("a:b").stem("cache", "users").is_err());
/// # Ok::<_, russet_core::BuildError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prefix {
    env: Option<String>,
    /// Names with `:` between them; none for a root prefix.
    names: Option<String>,
    module: Option<String>,
    shards: Option<Shards>,
    fault: Option<BuildError>,
}

impl Prefix {
    /// A prefix of one checked name.
    ///
    /// # Errors
    /// [`BuildErrorKind::Name`](crate::BuildErrorKind::Name) if the name is empty, longer than 256 bytes, or holds
    /// one of `:` `{` `}` `*` `?` `[` `]` `\`, white space or a control character.
    pub fn new(product: impl Into<String>) -> Result<Self, BuildError> {
        let product = product.into();
        check_name("product name", &product)?;
        Ok(Prefix {
            names: Some(product),
            ..Prefix::root()
        })
    }

    /// A prefix of several names at once, as configuration writes it: `prod:shop`, `stg:`.
    ///
    /// # Errors
    /// As [`new`](Prefix::new), for each name.
    pub fn literal(names: &str) -> Result<Self, BuildError> {
        let names = names.strip_suffix(':').unwrap_or(names);
        check_names("prefix", names)?;
        Ok(Prefix {
            names: Some(names.to_owned()),
            ..Prefix::root()
        })
    }

    /// The prefix of layouts whose keys begin with no name of the product's.
    pub fn root() -> Self {
        Prefix {
            env: None,
            names: None,
            module: None,
            shards: None,
            fault: None,
        }
    }

    /// The same prefix in an environment (`stg`, `prod`), which stands first in every key.
    #[must_use]
    pub fn env(mut self, env: impl Into<String>) -> Self {
        let env = env.into();
        self.keep_fault(check_name("environment", &env));
        self.env = Some(env);
        self
    }

    /// The same prefix for one module of the product.
    #[must_use]
    pub fn module(mut self, module: impl Into<String>) -> Self {
        let module = module.into();
        self.keep_fault(check_name("module", &module));
        self.module = Some(module);
        self
    }

    /// The same prefix, its keys spread over so many hash tags instead of one each, so that on a cluster many of them can
    /// stand in one command. Between 1 and 256. It is part of every key's name; [`Namespace::shards`] records it.
    ///
    /// # Errors
    /// [`BuildErrorKind::Limit`](crate::BuildErrorKind::Limit) for another number, and
    /// [`BuildErrorKind::Conflict`](crate::BuildErrorKind::Conflict) if they were given already.
    ///
    /// [`Namespace::shards`]: crate::Namespace::shards
    pub fn shards(mut self, count: u16) -> Result<Self, BuildError> {
        if !COUNTS.contains(&count) {
            return Err(BuildError::new(
                BuildErrorKind::Limit,
                format!("{count} shards; a namespace has between 1 and 256"),
            ));
        }
        if self.shards.is_some() {
            return Err(BuildError::new(
                BuildErrorKind::Conflict,
                "the shards are given twice",
            ));
        }
        self.shards = Some(Shards::new(count));
        Ok(self)
    }

    /// The stem `<prefix>:<use_case>[:<module>]:<name>` of one handle's keys.
    ///
    /// # Errors
    /// The first wrong name, of the prefix or of these two.
    pub fn stem(&self, use_case: &str, name: &str) -> Result<Stem, BuildError> {
        self.check()?;
        check_name("use case", use_case)?;
        check_name(&format!("{use_case} name"), name)?;
        Ok(self.join(&[Some(use_case), self.module.as_deref(), Some(name)]))
    }

    /// The stem `<prefix>:<names>` of one handle's keys, where a layout that is older than the handle names them:
    /// `rate:api`.
    ///
    /// # Errors
    /// The first wrong name, of the prefix or of these.
    pub fn literal_stem(&self, names: &str) -> Result<Stem, BuildError> {
        self.check()?;
        check_names("stem", names)?;
        Ok(self.join(&[Some(names)]))
    }

    /// The stem that is the prefix itself; empty for a root prefix without an environment.
    pub fn root_stem(&self) -> Stem {
        self.join(&[])
    }

    /// What stands before the first value of a key where the prefix has [shards](Prefix::shards): the hash tag of the value's
    /// shard and a `:`, as `{18}:`. `part` is the value as [`part`](super::part) writes it.
    pub fn shard(&self, part: &str) -> Option<&str> {
        self.shards.as_ref().map(|shards| shards.of(part))
    }

    /// The module.
    pub fn module_name(&self) -> Option<&str> {
        self.module.as_deref()
    }

    /// Checks what [`env`](Prefix::env) and [`module`](Prefix::module) were given.
    ///
    /// # Errors
    /// The first wrong name.
    pub fn check(&self) -> Result<(), BuildError> {
        self.fault.clone().map_or(Ok(()), Err)
    }

    fn join(&self, last: &[Option<&str>]) -> Stem {
        let segments = self.first().chain(last.iter().copied().flatten());
        Stem::new(segments.collect::<Vec<_>>().join(":"), self.shards.clone())
    }

    fn first(&self) -> impl Iterator<Item = &str> {
        [self.env.as_deref(), self.names.as_deref()]
            .into_iter()
            .flatten()
    }

    fn keep_fault(&mut self, checked: Result<(), BuildError>) {
        if let (None, Err(fault)) = (&self.fault, checked) {
            self.fault = Some(fault);
        }
    }
}

impl fmt::Display for Prefix {
    /// What every key begins with; nothing for a root prefix.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.first().collect::<Vec<_>>().join(":"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_fault_is_told() {
        let error = Prefix::new("shop")
            .unwrap()
            .env("a*")
            .module("b:")
            .stem("cache", "users")
            .unwrap_err();
        assert!(error.to_string().contains("environment"), "{error}");
    }

    #[test]
    fn layouts_from_before_keep_their_names() {
        let root = Prefix::root();
        let stem = root.literal_stem("rate:api").unwrap();
        assert_eq!(stem.key("user:42").as_bytes(), b"rate:api:user%3A42");
        let stem = root.env("stg").literal_stem("rate:api").unwrap();
        assert_eq!(stem.as_str(), "stg:rate:api");
        let shop = Prefix::literal("prod:shop:").unwrap();
        assert_eq!(
            shop.stem("lock", "posting").unwrap().as_str(),
            "prod:shop:lock:posting"
        );
        for wrong in ["", ":", "a::b", ":a", "a*:b", "a::"] {
            assert!(Prefix::literal(wrong).is_err(), "{wrong}");
            assert!(shop.literal_stem(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn each_segment_is_optional_but_the_product() {
        let stem = |prefix: Prefix| {
            prefix
                .stem("lock", "posting")
                .unwrap()
                .key("x")
                .as_bytes()
                .to_vec()
        };
        let shop = Prefix::new("shop").unwrap();
        assert_eq!(stem(shop.clone()), b"shop:lock:posting:x");
        assert_eq!(stem(shop.clone().env("stg")), b"stg:shop:lock:posting:x");
        assert_eq!(stem(shop.module("router")), b"shop:lock:router:posting:x");
    }
}
