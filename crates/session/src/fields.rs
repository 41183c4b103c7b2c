//! Data as fields: what serialises as a map is stored one entry a field, each in the codec's format; counters as bare numbers.

use std::fmt;
use std::marker::PhantomData;

use russet_codec::{Codec, Format, Identity, Opened};
use serde::de::{
    self, DeserializeOwned, DeserializeSeed, IntoDeserializer as _, MapAccess, Visitor,
};
use serde::ser::{self, Impossible, SerializeMap, SerializeStruct};
use serde::{Serialize, forward_to_deserialize_any};

use crate::error::SessionError;
use crate::plain::Plain;
use crate::stored::Stored;

/// How data is stored.
#[derive(Clone, Debug)]
pub(crate) struct Shape {
    pub(crate) codec: Codec,
    /// Those fields that are bare numbers.
    pub(crate) counters: Vec<String>,
    /// Whose data it is, as what is encrypted is bound to.
    pub(crate) name: String,
}

impl Shape {
    /// The fields of a value, which is expected to have so many bytes.
    pub(crate) fn plain<T: Serialize + ?Sized>(
        &self,
        value: &T,
        bytes: usize,
    ) -> Result<Plain, SessionError> {
        let parts = Parts {
            shape: self,
            fields: Plain::with_capacity(bytes),
            key: None,
        };
        let plain = value.serialize(parts).map_err(SessionError::data)?;
        Ok(plain.sorted())
    }

    /// Appends one field's value.
    pub(crate) fn plain_field<T: Serialize + ?Sized>(
        &self,
        field: &str,
        value: &T,
        out: &mut Vec<u8>,
    ) -> Result<(), FieldError> {
        if field.is_empty() {
            return Err(FieldError::new("a field of a session has a name"));
        }
        if !self.is_counter(field) {
            return self.codec.plain(value, out).map_err(FieldError::because);
        }
        let begin = out.len();
        bare().plain(value, out).map_err(FieldError::because)?;
        let number = std::str::from_utf8(&out[begin..]);
        match number.is_ok_and(|text| text.parse::<i64>().is_ok()) {
            true => Ok(()),
            false => Err(FieldError::new(format!(
                "the field `{field}` is a counter, which holds a whole number of 64 bits"
            ))),
        }
    }

    /// A field as Redis has it.
    pub(crate) fn seal(
        &self,
        id: &[u8; 16],
        field: &str,
        plain: &[u8],
    ) -> Result<Vec<u8>, SessionError> {
        if self.is_counter(field) {
            return Ok(plain.to_vec());
        }
        let bound = bound(id, field);
        let identity = Identity::new("session", &self.name, &bound);
        self.codec
            .seal(&identity, plain)
            .map_err(SessionError::data)
    }

    /// A value of what Redis has. Fields that the type does not know are left alone.
    pub(crate) fn read<T: DeserializeOwned>(
        &self,
        id: &[u8; 16],
        stored: &Stored,
    ) -> Result<T, SessionError> {
        let opened: Result<Vec<(&str, Opened<'_>)>, FieldError> = stored
            .iter()
            .map(|(field, bytes)| self.open(id, field, bytes))
            .collect();
        let opened = opened.map_err(SessionError::data)?;
        let fields = Fields {
            rest: opened.iter(),
            value: None,
        };
        T::deserialize(fields).map_err(SessionError::data)
    }

    fn open<'a>(
        &self,
        id: &[u8; 16],
        field: &'a [u8],
        bytes: &'a [u8],
    ) -> Result<(&'a str, Opened<'a>), FieldError> {
        let field = std::str::from_utf8(field);
        let field = field.map_err(|_| FieldError::new("a field's name is no text"))?;
        let bound = bound(id, field);
        let identity = Identity::new("session", &self.name, &bound);
        let opened = match self.is_counter(field) {
            true => bare().open(&identity, bytes),
            false => self.codec.open(&identity, bytes),
        };
        Ok((field, opened.map_err(FieldError::because)?))
    }

    /// What describes a session or a family of refresh tokens, as it is stored.
    pub(crate) fn seal_whole<D: Serialize>(
        &self,
        id: &[u8; 16],
        about: &D,
    ) -> Result<Vec<u8>, SessionError> {
        let bound = bound(id, "");
        let identity = Identity::new("session", &self.name, &bound);
        let stored = self.codec.encode(&identity, about);
        stored.map_err(SessionError::data)
    }

    /// What describes it.
    pub(crate) fn open_whole<D: DeserializeOwned>(
        &self,
        id: &[u8; 16],
        bytes: &[u8],
    ) -> Result<D, SessionError> {
        let bound = bound(id, "");
        let identity = Identity::new("session", &self.name, &bound);
        let about = self.codec.decode(&identity, bytes);
        about.map_err(SessionError::data)
    }

    pub(crate) fn is_counter(&self, field: &str) -> bool {
        self.counters.iter().any(|counter| counter == field)
    }
}

/// What a field's value belongs to: the session, whatever its token, and the field.
fn bound(id: &[u8; 16], field: &str) -> Vec<u8> {
    [id, field.as_bytes()].concat()
}

/// Of a value without a header: a number that Redis can count with.
fn bare() -> Codec {
    Codec::new(Format::Json).plain_json()
}

/// Why a value and its fields do not go together.
#[derive(Debug)]
pub(crate) struct FieldError {
    what: String,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl FieldError {
    pub(crate) fn new(what: impl Into<String>) -> Self {
        FieldError {
            what: what.into(),
            source: None,
        }
    }

    fn because(source: impl std::error::Error + Send + Sync + 'static) -> Self {
        FieldError {
            what: source.to_string(),
            source: Some(source.into()),
        }
    }
}

impl fmt::Display for FieldError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

impl std::error::Error for FieldError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_deref()?.source()
    }
}

impl ser::Error for FieldError {
    fn custom<T: fmt::Display>(what: T) -> Self {
        FieldError::new(what.to_string())
    }
}

impl de::Error for FieldError {
    /// Of the type, and not of a value: values are not for logs.
    fn custom<T: fmt::Display>(what: T) -> Self {
        let said = what.to_string();
        let names_a_field = ["missing field `", "duplicate field `"];
        match names_a_field.iter().any(|start| said.starts_with(start)) {
            true => FieldError::new(said),
            false => FieldError::new("its fields are not what the type expects"),
        }
    }
}

/// Takes a map or a struct apart.
struct Parts<'s> {
    shape: &'s Shape,
    fields: Plain,
    key: Option<String>,
}

impl Parts<'_> {
    fn put<T: Serialize + ?Sized>(&mut self, field: &str, value: &T) -> Result<(), FieldError> {
        let name = self.fields.begin_field(field);
        self.shape
            .plain_field(field, value, &mut self.fields.bytes)?;
        self.fields.end_field(name);
        Ok(())
    }
}

fn no_map<T>() -> Result<T, FieldError> {
    Err(FieldError::new(
        "a session's data is a struct or a map, one entry a field; put this into one",
    ))
}

macro_rules! refuse {
    ($($name:ident($($kind:ty),*)),* $(,)?) => {
        $(fn $name(self $(, _: $kind)*) -> Result<Self::Ok, FieldError> {
            no_map()
        })*
    };
}

impl ser::Serializer for Parts<'_> {
    type Ok = Plain;
    type Error = FieldError;
    type SerializeSeq = Impossible<Plain, FieldError>;
    type SerializeTuple = Impossible<Plain, FieldError>;
    type SerializeTupleStruct = Impossible<Plain, FieldError>;
    type SerializeTupleVariant = Impossible<Plain, FieldError>;
    type SerializeMap = Self;
    type SerializeStruct = Self;
    type SerializeStructVariant = Impossible<Plain, FieldError>;

    fn serialize_map(self, _: Option<usize>) -> Result<Self, FieldError> {
        Ok(self)
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Self, FieldError> {
        Ok(self)
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<Plain, FieldError> {
        value.serialize(self)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        value: &T,
    ) -> Result<Plain, FieldError> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: &T,
    ) -> Result<Plain, FieldError> {
        no_map()
    }

    refuse! {
        serialize_bool(bool), serialize_i8(i8), serialize_i16(i16), serialize_i32(i32), serialize_i64(i64),
        serialize_u8(u8), serialize_u16(u16), serialize_u32(u32), serialize_u64(u64), serialize_f32(f32),
        serialize_f64(f64), serialize_char(char), serialize_str(&str), serialize_bytes(&[u8]), serialize_none(),
        serialize_unit(), serialize_unit_struct(&'static str),
        serialize_unit_variant(&'static str, u32, &'static str),
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Self::SerializeSeq, FieldError> {
        no_map()
    }

    fn serialize_tuple(self, _: usize) -> Result<Self::SerializeTuple, FieldError> {
        no_map()
    }

    fn serialize_tuple_struct(
        self,
        _: &'static str,
        _: usize,
    ) -> Result<Self::SerializeTupleStruct, FieldError> {
        no_map()
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self::SerializeTupleVariant, FieldError> {
        no_map()
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self::SerializeStructVariant, FieldError> {
        no_map()
    }
}

impl SerializeStruct for Parts<'_> {
    type Ok = Plain;
    type Error = FieldError;

    fn serialize_field<T: Serialize + ?Sized>(
        &mut self,
        field: &'static str,
        value: &T,
    ) -> Result<(), FieldError> {
        self.put(field, value)
    }

    fn end(self) -> Result<Plain, FieldError> {
        Ok(self.fields)
    }
}

impl SerializeMap for Parts<'_> {
    type Ok = Plain;
    type Error = FieldError;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), FieldError> {
        // The text of a text is itself in quotes.
        let mut quoted = Vec::new();
        bare()
            .plain(key, &mut quoted)
            .map_err(FieldError::because)?;
        let codec = bare();
        let text = codec.open(&Identity::new("", "", b""), &quoted);
        let text = text.and_then(|opened| opened.read(PhantomData::<String>));
        let no_text = |_| FieldError::new("a session's data is a map whose keys are text");
        self.key = Some(text.map_err(no_text)?);
        Ok(())
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), FieldError> {
        let key = self.key.take().unwrap_or_default();
        self.put(&key, value)
    }

    fn end(self) -> Result<Plain, FieldError> {
        Ok(self.fields)
    }
}

/// Puts a map or a struct together.
struct Fields<'de> {
    rest: std::slice::Iter<'de, (&'de str, Opened<'de>)>,
    value: Option<&'de Opened<'de>>,
}

impl<'de> de::Deserializer<'de> for Fields<'de> {
    type Error = FieldError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, FieldError> {
        visitor.visit_map(self)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, FieldError> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, FieldError> {
        visitor.visit_newtype_struct(self)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct seq tuple tuple_struct
        map struct enum identifier ignored_any
    }
}

impl<'de> MapAccess<'de> for Fields<'de> {
    type Error = FieldError;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, FieldError> {
        let Some((field, value)) = self.rest.next() else {
            return Ok(None);
        };
        self.value = Some(value);
        seed.deserialize(field.into_deserializer()).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(
        &mut self,
        seed: V,
    ) -> Result<V::Value, FieldError> {
        let value = self.value.take();
        let value = value.ok_or_else(|| FieldError::new("a value without a key was asked for"))?;
        value.read(seed).map_err(FieldError::because)
    }
}
