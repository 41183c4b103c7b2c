//! A session's data as it is compared.

use std::ops::Range;

/// A session's data as it is compared: unencrypted, without headers. One piece of memory, and where in it each field's name and value are, by name.
#[derive(Debug)]
pub(crate) struct Plain {
    pub(crate) bytes: Vec<u8>,
    fields: Vec<(Range<usize>, Range<usize>)>,
}

impl Plain {
    /// With room for so many bytes.
    pub(crate) fn with_capacity(bytes: usize) -> Self {
        Plain {
            bytes: Vec::with_capacity(bytes),
            fields: Vec::with_capacity(16),
        }
    }

    /// Begins a field, whose value is what is appended until it is [ended](Plain::end_field).
    pub(crate) fn begin_field(&mut self, name: &str) -> Range<usize> {
        let begin = self.bytes.len();
        self.bytes.extend_from_slice(name.as_bytes());
        begin..self.bytes.len()
    }

    pub(crate) fn end_field(&mut self, name: Range<usize>) {
        let value = name.end..self.bytes.len();
        self.fields.push((name, value));
    }

    /// In order of names; of two with one name the later.
    pub(crate) fn sorted(mut self) -> Self {
        let bytes = &self.bytes;
        self.fields
            .sort_by(|a, b| bytes[a.0.clone()].cmp(&bytes[b.0.clone()]));
        self.fields.dedup_by(|later, first| {
            let is_same = bytes[later.0.clone()] == bytes[first.0.clone()];
            if is_same {
                first.1 = later.1.clone();
            }
            is_same
        });
        self
    }

    /// Names and values.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.fields.iter().map(|(name, value)| {
            // As it came in.
            let name = std::str::from_utf8(&self.bytes[name.clone()]).unwrap_or_default();
            (name, &self.bytes[value.clone()])
        })
    }
}
