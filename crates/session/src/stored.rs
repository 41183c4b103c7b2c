//! A session's data as Redis has it.

use russet_core::Bytes;

/// A session's data as Redis has it: its fields and their values, by name.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Stored(Vec<(Bytes, Bytes)>);

impl Stored {
    /// Of fields in any order, each of another name.
    pub(crate) fn of(mut fields: Vec<(Bytes, Bytes)>) -> Self {
        fields.sort_unstable_by(|a, b| a.0.cmp(&b.0));
        Stored(fields)
    }

    pub(crate) fn get(&self, field: &[u8]) -> Option<&Bytes> {
        let at = self.at(field).ok()?;
        Some(&self.0[at].1)
    }

    pub(crate) fn insert(&mut self, field: &str, value: Bytes) {
        match self.at(field.as_bytes()) {
            Ok(at) => self.0[at].1 = value,
            Err(at) => {
                let field = Bytes::copy_from_slice(field.as_bytes());
                self.0.insert(at, (field, value));
            }
        }
    }

    pub(crate) fn remove(&mut self, field: &str) {
        if let Ok(at) = self.at(field.as_bytes()) {
            self.0.remove(at);
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// How many bytes its fields have, names and values.
    pub(crate) fn size(&self) -> usize {
        let sizes = self
            .0
            .iter()
            .map(|(field, value)| field.len() + value.len());
        sizes.sum()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&Bytes, &Bytes)> {
        self.0.iter().map(|(field, value)| (field, value))
    }

    fn at(&self, field: &[u8]) -> Result<usize, usize> {
        self.0.binary_search_by(|(name, _)| name[..].cmp(field))
    }
}
