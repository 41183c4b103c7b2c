//! A build without the feature `encryption`: it knows an encrypted value when it sees one.

use std::borrow::Cow;

use crate::error::{DecodeError, EncodeError};
use crate::form::Form;
use crate::identity::Identity;

#[derive(Clone, Debug, Default)]
pub(crate) struct Encryption {}

impl Encryption {
    pub(crate) const OVERHEAD: usize = 0;

    pub(crate) const fn is_on(&self) -> bool {
        false
    }

    pub(crate) const fn writes(&self) -> bool {
        false
    }

    pub(crate) const fn begin(&self, _: &mut Vec<u8>) -> Result<(), EncodeError> {
        Ok(())
    }

    pub(crate) const fn seal(&self, _: &Identity<'_>, _: &mut Vec<u8>) -> Result<(), EncodeError> {
        Ok(())
    }

    pub(crate) fn open<'a>(
        &self,
        _: &Identity<'_>,
        form: Form,
        _: &'a [u8],
        rest: &'a [u8],
    ) -> Result<Cow<'a, [u8]>, DecodeError> {
        if form.is_encrypted {
            return Err(DecodeError::Feature { name: "encryption" });
        }
        Ok(Cow::Borrowed(rest))
    }
}
