//! Sealing and opening one value.

use std::borrow::Cow;

use chacha20poly1305::aead::AeadInOut;
use chacha20poly1305::{Tag, XNonce};

use super::ring::{ID, KeyRing};
use crate::error::{DecodeError, EncodeError};
use crate::form::Form;
use crate::header;
use crate::identity::Identity;

const NONCE: usize = 24;
const TAG: usize = 16;
/// The header and the key's id: what the associated data begins with.
const HEAD: usize = header::LEN + ID;
const START: usize = HEAD + NONCE;

/// What a codec does about encryption.
#[derive(Clone, Debug, Default)]
pub(crate) enum Encryption {
    #[default]
    Off,
    Reads(KeyRing),
    Writes {
        ring: KeyRing,
        reads_plain: bool,
    },
}

impl Encryption {
    pub(crate) const OVERHEAD: usize = ID + NONCE + TAG;

    pub(crate) fn read(&mut self, ring: KeyRing) {
        *self = Encryption::Reads(ring);
    }

    pub(crate) fn read_and_write(&mut self, ring: KeyRing) {
        let reads_plain = matches!(
            self,
            Encryption::Writes {
                reads_plain: true,
                ..
            }
        );
        *self = Encryption::Writes { ring, reads_plain };
    }

    pub(crate) fn allow_unencrypted(&mut self) {
        if let Encryption::Writes { reads_plain, .. } = self {
            *reads_plain = true;
        }
    }

    pub(crate) const fn is_on(&self) -> bool {
        !matches!(self, Encryption::Off)
    }

    pub(crate) const fn writes(&self) -> bool {
        matches!(self, Encryption::Writes { .. })
    }

    /// Puts the key's id and a nonce behind the header.
    pub(crate) fn begin(&self, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        let Encryption::Writes { ring, .. } = self else {
            return Ok(());
        };
        let key = ring.current().ok_or(EncodeError::sealing())?;
        let mut nonce = [0; NONCE];
        getrandom::fill(&mut nonce).map_err(EncodeError::random)?;
        out.extend_from_slice(&key.id);
        out.extend_from_slice(&nonce);
        Ok(())
    }

    /// Encrypts in place what was written after [`begin`](Self::begin), and appends the tag.
    pub(crate) fn seal(
        &self,
        identity: &Identity<'_>,
        out: &mut Vec<u8>,
    ) -> Result<(), EncodeError> {
        let Encryption::Writes { ring, .. } = self else {
            return Ok(());
        };
        let key = ring.current().ok_or(EncodeError::sealing())?;
        let (front, value) = out
            .split_at_mut_checked(START)
            .ok_or(EncodeError::sealing())?;
        let (head, nonce) = front.split_at(HEAD);
        let nonce = XNonce::try_from(nonce).map_err(|_| EncodeError::sealing())?;
        let tag = key
            .cipher
            .encrypt_inout_detached(&nonce, &identity.associated_data(head), value.into())
            .map_err(|_| EncodeError::sealing())?;
        out.extend_from_slice(&tag);
        Ok(())
    }

    /// The value behind a header. `bytes` is all of it, `rest` what follows the header.
    pub(crate) fn open<'a>(
        &self,
        identity: &Identity<'_>,
        form: Form,
        bytes: &[u8],
        rest: &'a [u8],
    ) -> Result<Cow<'a, [u8]>, DecodeError> {
        if !form.is_encrypted {
            return match self {
                Encryption::Writes {
                    reads_plain: false, ..
                } => Err(DecodeError::Unencrypted),
                _ => Ok(Cow::Borrowed(rest)),
            };
        }
        let ring = match self {
            Encryption::Off => return Err(DecodeError::NoKey),
            Encryption::Reads(ring) | Encryption::Writes { ring, .. } => ring,
        };
        let head = bytes.get(..HEAD).ok_or(DecodeError::Forged)?;
        let parts = || {
            let (id, rest) = rest.split_first_chunk::<ID>()?;
            let (nonce, rest) = rest.split_first_chunk::<NONCE>()?;
            let (value, tag) = rest.split_last_chunk::<TAG>()?;
            Some((*id, XNonce::from(*nonce), value, Tag::from(*tag)))
        };
        let (id, nonce, sealed, tag) = parts().ok_or(DecodeError::Forged)?;
        let data = identity.associated_data(head);
        let mut error = DecodeError::NoKey;
        for key in ring.of(id) {
            let mut value = sealed.to_vec();
            let opened =
                key.cipher
                    .decrypt_inout_detached(&nonce, &data, value.as_mut_slice().into(), &tag);
            match opened {
                Ok(()) => return Ok(Cow::Owned(value)),
                Err(_) => error = DecodeError::Forged,
            }
        }
        Err(error)
    }
}
