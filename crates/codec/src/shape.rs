//! What a type looks like to serde, as a number.

use std::fmt;

use crc32fast::Hasher;
use serde::de::{DeserializeOwned, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde::forward_to_deserialize_any;

/// The names of a type's fields or variants, through options and lists, as a number; the same in every process. What lies inside
/// its fields does not count.
pub(crate) fn shape<T: DeserializeOwned>() -> u32 {
    let mut hasher = Hasher::new();
    // It asks for the type's shape and then gives up, always.
    let _ = T::deserialize(Asked(&mut hasher));
    hasher.finalize()
}

/// Answers no value, but listens to which one it is asked for.
struct Asked<'h>(&'h mut Hasher);

/// The end of the question.
#[derive(Debug)]
struct Enough;

impl fmt::Display for Enough {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("there is no value")
    }
}

impl std::error::Error for Enough {}

impl serde::de::Error for Enough {
    fn custom<T: fmt::Display>(_: T) -> Self {
        Enough
    }
}

impl Asked<'_> {
    fn note(&mut self, kind: u8, names: &[&str]) {
        self.0.update(&[kind]);
        for name in names {
            self.0.update(name.as_bytes());
            self.0.update(&[0]);
        }
    }
}

impl<'de> Deserializer<'de> for Asked<'_> {
    type Error = Enough;

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Enough> {
        Err(Enough)
    }

    fn deserialize_option<V: Visitor<'de>>(mut self, visitor: V) -> Result<V::Value, Enough> {
        self.note(b'?', &[]);
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Enough> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(mut self, visitor: V) -> Result<V::Value, Enough> {
        self.note(b'[', &[]);
        visitor.visit_seq(self)
    }

    fn deserialize_map<V: Visitor<'de>>(mut self, visitor: V) -> Result<V::Value, Enough> {
        self.note(b'{', &[]);
        visitor.visit_map(self)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        mut self,
        _: &'static str,
        fields: &'static [&'static str],
        _: V,
    ) -> Result<V::Value, Enough> {
        self.note(b'.', fields);
        Err(Enough)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        mut self,
        _: &'static str,
        variants: &'static [&'static str],
        _: V,
    ) -> Result<V::Value, Enough> {
        self.note(b'|', variants);
        Err(Enough)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct
        tuple tuple_struct identifier ignored_any
    }
}

impl<'de> SeqAccess<'de> for Asked<'_> {
    type Error = Enough;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Enough> {
        seed.deserialize(Asked(self.0)).map(Some)
    }
}

impl<'de> MapAccess<'de> for Asked<'_> {
    type Error = Enough;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, _: K) -> Result<Option<K::Value>, Enough> {
        // A map's keys cannot be made up, and so its values are not asked for.
        Err(Enough)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, _: V) -> Result<V::Value, Enough> {
        Err(Enough)
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[test]
    fn fields_and_variants_count_and_nothing_else() {
        #[derive(Deserialize)]
        #[allow(dead_code, reason = "only its shape matters")]
        struct One {
            id: u64,
            name: String,
        }
        #[derive(Deserialize)]
        #[allow(dead_code, reason = "only its shape matters")]
        struct Renamed {
            id: u32,
            name: Option<String>,
        }
        #[derive(Deserialize)]
        #[allow(dead_code, reason = "only its shape matters")]
        struct More {
            id: u64,
            name: String,
            mail: String,
        }
        #[derive(Deserialize)]
        #[allow(dead_code, reason = "only its shape matters")]
        enum Either {
            Left,
            Right(u8),
        }
        assert_eq!(shape::<One>(), shape::<Renamed>(), "names only");
        assert_eq!(shape::<One>(), shape::<Box<One>>());
        let shapes = [
            shape::<One>(),
            shape::<More>(),
            shape::<Option<One>>(),
            shape::<Vec<One>>(),
            shape::<Vec<More>>(),
            shape::<Either>(),
            shape::<u64>(),
        ];
        let distinct: std::collections::BTreeSet<_> = shapes.iter().collect();
        assert_eq!(distinct.len(), shapes.len(), "{shapes:?}");
        assert_eq!(shape::<One>(), 0xE17A_0022, "golden: it stands in caches");
    }
}
