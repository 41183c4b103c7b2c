//! What a header says of the bytes behind it.

use crate::compression::Algorithm;
use crate::content::Content;
use crate::error::DecodeError;

/// The header's third byte.
///
/// | bits | hold |
/// |---|---|
/// | 0–3 | the [`Content`] |
/// | 4–5 | compression: 0 none, 1 LZ4, 2 zstd |
/// | 6 | encrypted |
/// | 7 | zero; a build that sees it set is too old for the value |
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Form {
    pub(crate) content: Content,
    pub(crate) compression: Option<Algorithm>,
    pub(crate) is_encrypted: bool,
}

impl Form {
    pub(crate) fn to_byte(self) -> u8 {
        let compression = self.compression.map_or(0, Algorithm::id);
        self.content.id() | compression << 4 | u8::from(self.is_encrypted) << 6
    }

    pub(crate) fn from_byte(byte: u8) -> Result<Self, DecodeError> {
        let (content, compression) = (byte & 0x0F, byte >> 4 & 0b11);
        let flags = DecodeError::Flags { found: byte & 0xF0 };
        if byte & 0x80 != 0 {
            return Err(flags);
        }
        Ok(Form {
            compression: match compression {
                0 => None,
                id => Some(Algorithm::from_id(id).ok_or(flags)?),
            },
            content: Content::from_id(content).ok_or(DecodeError::Format { found: content })?,
            is_encrypted: byte & 0x40 != 0,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_is_one_form_or_an_error() {
        let mut known = 0;
        for byte in 0..=u8::MAX {
            match Form::from_byte(byte) {
                Ok(form) => {
                    known += 1;
                    assert_eq!(form.to_byte(), byte);
                }
                Err(DecodeError::Format { found }) => assert_eq!(found, byte & 0x0F),
                Err(DecodeError::Flags { found }) => assert_eq!(found, byte & 0xF0),
                Err(other) => panic!("{other}"),
            }
        }
        assert_eq!(known, 3 * 3 * 2);
    }
}
