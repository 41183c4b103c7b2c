//! The seven bytes in front of every stored value.
//!
//! | byte | holds |
//! |---|---|
//! | 0 | the magic number `0xB5`, no valid first byte of JSON or UTF-8 text |
//! | 1 | the version of this layout: 1 |
//! | 2 | the [`Form`] |
//! | 3–6 | CRC-32 of the value's [`Identity`](crate::Identity), big endian |

use crate::error::DecodeError;
use crate::form::Form;

pub(crate) const LEN: usize = 7;
const MAGIC: u8 = 0xB5;
const VERSION: u8 = 1;

pub(crate) fn write(form: Form, digest: u32, out: &mut Vec<u8>) {
    out.extend_from_slice(&[MAGIC, VERSION, form.to_byte()]);
    out.extend_from_slice(&digest.to_be_bytes());
}

/// Changes the form in a header that was written before.
pub(crate) fn amend(form: Form, out: &mut [u8]) {
    if let Some(byte) = out.get_mut(2) {
        *byte = form.to_byte();
    }
}

/// The form of what follows, once the header is known to be ours and the value's own.
pub(crate) fn read(bytes: &[u8], digest: u32) -> Result<(Form, &[u8]), DecodeError> {
    let Some((&[magic, version, form, d0, d1, d2, d3], value)) = bytes.split_first_chunk::<LEN>()
    else {
        return Err(DecodeError::NoHeader);
    };
    if magic != MAGIC {
        return Err(DecodeError::NoHeader);
    }
    if version != VERSION {
        return Err(DecodeError::Version { found: version });
    }
    if u32::from_be_bytes([d0, d1, d2, d3]) != digest {
        return Err(DecodeError::ForeignValue);
    }
    Ok((Form::from_byte(form)?, value))
}
