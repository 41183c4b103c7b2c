//! Which server this is.

use std::{collections::BTreeMap, fmt};

/// The product that a server is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Product {
    /// Redis.
    Redis,
    /// Valkey.
    Valkey,
}

/// The product and version of a server, as its INFO says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Version {
    /// The product.
    pub product: Product,
    /// The first number of the product's own version.
    pub major: u32,
    /// The second number of the product's own version.
    pub minor: u32,
    /// The third number of the product's own version.
    pub patch: u32,
}

impl Version {
    /// Says whether this is `product` in version `major.minor` or later.
    #[must_use]
    pub fn is_at_least(&self, product: Product, major: u32, minor: u32) -> bool {
        self.product == product && (self.major, self.minor) >= (major, minor)
    }

    /// Reads INFO's section `server`.
    pub(crate) fn from_info(info: &BTreeMap<String, String>) -> Option<Version> {
        let (product, text) = match info.get("valkey_version") {
            Some(text) => (Product::Valkey, text),
            None => (Product::Redis, info.get("redis_version")?),
        };
        let mut numbers = text.split(['.', '-']).map_while(|part| part.parse().ok());
        Some(Version {
            product,
            major: numbers.next()?,
            minor: numbers.next().unwrap_or(0),
            patch: numbers.next().unwrap_or(0),
        })
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let product = match self.product {
            Product::Redis => "Redis",
            Product::Valkey => "Valkey",
        };
        write!(f, "{product} {}.{}.{}", self.major, self.minor, self.patch)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::{Product, Version};

    fn version(lines: &[(&str, &str)]) -> Option<Version> {
        let info: BTreeMap<String, String> = lines
            .iter()
            .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
            .collect();
        Version::from_info(&info)
    }

    #[test]
    fn valkey_is_told_from_the_redis_version_that_it_claims() {
        let redis = version(&[("redis_version", "7.0.15")]).unwrap();
        assert_eq!(redis.to_string(), "Redis 7.0.15");
        assert!(redis.is_at_least(Product::Redis, 7, 0));
        assert!(!redis.is_at_least(Product::Redis, 7, 2));

        let valkey =
            version(&[("redis_version", "7.2.4"), ("valkey_version", "8.1.0-rc1")]).unwrap();
        assert_eq!(valkey.to_string(), "Valkey 8.1.0");
        assert!(valkey.is_at_least(Product::Valkey, 8, 1));
        assert!(!valkey.is_at_least(Product::Redis, 7, 2));

        assert_eq!(version(&[]), None);
    }
}
