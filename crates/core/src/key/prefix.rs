//! The checked prefix that every key of a product begins with.

use crate::error::BuildError;

use super::{Stem, check_name};

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
    product: String,
    module: Option<String>,
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
            env: None,
            product,
            module: None,
            fault: None,
        })
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

    /// The stem `<prefix>:<use_case>[:<module>]:<name>` of one handle's keys.
    ///
    /// # Errors
    /// The first wrong name, of the prefix or of these two.
    pub fn stem(&self, use_case: &str, name: &str) -> Result<Stem, BuildError> {
        if let Some(fault) = &self.fault {
            return Err(fault.clone());
        }
        check_name("use case", use_case)?;
        check_name(&format!("{use_case} name"), name)?;
        let mut text = String::new();
        let segments = [
            self.env.as_deref(),
            Some(&self.product),
            Some(use_case),
            self.module.as_deref(),
            Some(name),
        ];
        for segment in segments.into_iter().flatten() {
            if !text.is_empty() {
                text.push(':');
            }
            text.push_str(segment);
        }
        Ok(Stem::new(text))
    }

    fn keep_fault(&mut self, checked: Result<(), BuildError>) {
        if let (None, Err(fault)) = (&self.fault, checked) {
            self.fault = Some(fault);
        }
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
