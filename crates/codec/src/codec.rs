//! A value to its stored bytes, and back.

use std::borrow::Cow;
use std::marker::PhantomData;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::compression::{Algorithm, Compression};
use crate::content::Content;
use crate::encryption::Encryption;
#[cfg(feature = "encryption")]
use crate::encryption::KeyRing;
use crate::error::{BuildError, DecodeError, EncodeError};
use crate::form::Form;
use crate::format::Format;
use crate::header;
use crate::identity::Identity;
use crate::opened::Opened;

/// How the values of one handle are stored. Cheap to clone.
///
/// What it writes says its own form, so that a codec reads every form there is, whichever it writes: a change of
/// format or compression reads old values.
///
/// | setting | default |
/// |---|---|
/// | format | MessagePack |
/// | [`compress`](Codec::compress) | off |
/// | [`over`](Codec::over) | 1 KiB |
/// | [`max_decoded`](Codec::max_decoded) | 64 MiB |
/// | `encrypt`, with the feature `encryption` | off |
/// | [`plain_json`](Codec::plain_json) | off |
#[derive(Clone, Debug)]
pub struct Codec {
    format: Format,
    /// Without a header, and then always in JSON.
    is_plain: bool,
    compression: Option<Compression>,
    over: usize,
    max_decoded: usize,
    encryption: Encryption,
}

impl Codec {
    /// A codec that writes this format.
    pub fn new(format: Format) -> Self {
        Codec {
            format,
            is_plain: false,
            compression: None,
            over: 1024,
            max_decoded: 64 << 20,
            encryption: Encryption::default(),
        }
    }

    /// Compresses values that are long enough, and keeps that where it made them smaller.
    ///
    /// Together with encryption, a value's length then tells how well it compresses. Where an attacker chooses part of a
    /// value and can watch its length, that gives the rest away bit by bit: leave compression off there.
    #[must_use]
    pub fn compress(mut self, compression: Compression) -> Self {
        self.compression = Some(compression);
        self
    }

    /// Compresses only what is longer than this many bytes.
    #[must_use]
    pub fn over(mut self, bytes: usize) -> Self {
        self.over = bytes;
        self
    }

    /// Decompresses to at most this many bytes.
    ///
    /// What claims to be more is refused before memory is taken for it. What is more is written uncompressed.
    #[must_use]
    pub fn max_decoded(mut self, bytes: usize) -> Self {
        self.max_decoded = bytes;
        self
    }

    /// Encrypts values under the current key of this ring, and reads those of all its keys.
    ///
    /// Values that are not encrypted are refused: they could be anybody's. See
    /// [`allow_unencrypted`](Codec::allow_unencrypted).
    #[cfg(feature = "encryption")]
    #[must_use]
    pub fn encrypt(mut self, ring: KeyRing) -> Self {
        self.encryption.read_and_write(ring);
        self
    }

    /// Reads values that are encrypted under a key of this ring, and writes unencrypted ones.
    ///
    /// The step before [`encrypt`](Codec::encrypt) where several processes share values: all of them must read encrypted
    /// values before the first one writes one. And the step back.
    #[cfg(feature = "encryption")]
    #[must_use]
    pub fn decrypt(mut self, ring: KeyRing) -> Self {
        self.encryption.read(ring);
        self
    }

    /// Also reads values that are not encrypted: those from before [`encrypt`](Codec::encrypt).
    ///
    /// Meant for a time of change. Meanwhile whoever can write to Redis can pass off a value of their own.
    #[cfg(feature = "encryption")]
    #[must_use]
    pub fn allow_unencrypted(mut self) -> Self {
        self.encryption.allow_unencrypted();
        self
    }

    /// Stores and reads the bare JSON value, without a header, whichever format was chosen.
    ///
    /// For values that are shared with services in other languages, or are older than this codec. Nothing then tells a
    /// value of another key, and what needs the header is refused: compression, encryption, raw bytes.
    #[must_use]
    pub fn plain_json(mut self) -> Self {
        self.is_plain = true;
        self
    }

    /// Whether values stand bare, without a header: [`plain_json`](Codec::plain_json).
    pub fn is_plain_json(&self) -> bool {
        self.is_plain
    }

    /// Whether the settings go together. Builders that take a codec call this in their `build`.
    ///
    /// # Errors
    /// If plain JSON is to be compressed or encrypted. Such a codec encodes and decodes nothing.
    pub fn check(&self) -> Result<(), BuildError> {
        let with = if !self.is_plain {
            return Ok(());
        } else if self.compression.is_some() {
            "compression"
        } else if self.encryption.is_on() {
            "encryption"
        } else {
            return Ok(());
        };
        Err(BuildError::PlainJson { with })
    }

    /// The bytes to store: the header and the value.
    ///
    /// # Errors
    /// If the value cannot be expressed in the format; or the system has no random bytes to encrypt it with.
    pub fn encode<T: Serialize + ?Sized>(
        &self,
        identity: &Identity<'_>,
        value: &T,
    ) -> Result<Vec<u8>, EncodeError> {
        if self.is_plain {
            self.check().map_err(EncodeError::codec)?;
            let mut out = Vec::with_capacity(SMALL);
            Format::Json.write(value, &mut out)?;
            return Ok(out);
        }
        self.store(identity, Content::Typed(self.format), SMALL, |out| {
            self.format.write(value, out)
        })
    }

    /// The value of stored bytes, whichever format they say they are of.
    ///
    /// # Errors
    /// If the bytes are not ours, not this key's, or not of this type. Never panics, whatever the bytes.
    pub fn decode<T: DeserializeOwned>(
        &self,
        identity: &Identity<'_>,
        bytes: &[u8],
    ) -> Result<T, DecodeError> {
        self.open(identity, bytes)?.read(PhantomData)
    }

    /// Appends the bytes of a value in this codec's format, without a header: what two values of one type are compared by, whatever encryption would make of
    /// them. [`seal`](Codec::seal) makes of them what is stored.
    ///
    /// # Errors
    /// If the value cannot be expressed in the format.
    pub fn plain<T: Serialize + ?Sized>(
        &self,
        value: &T,
        out: &mut Vec<u8>,
    ) -> Result<(), EncodeError> {
        match self.is_plain {
            true => Format::Json.write(value, out),
            false => self.format.write(value, out),
        }
    }

    /// What is stored of the bytes that [`plain`](Codec::plain) made: as [`encode`](Codec::encode) of their value.
    ///
    /// # Errors
    /// As [`encode`](Codec::encode).
    pub fn seal(&self, identity: &Identity<'_>, plain: &[u8]) -> Result<Vec<u8>, EncodeError> {
        if self.is_plain {
            self.check().map_err(EncodeError::codec)?;
            return Ok(plain.to_vec());
        }
        let capacity = header::LEN + Encryption::OVERHEAD + plain.len();
        self.store(identity, Content::Typed(self.format), capacity, |out| {
            out.extend_from_slice(plain);
            Ok(())
        })
    }

    /// Stored bytes as they were before they were stored: decrypted and decompressed, and not read yet.
    ///
    /// # Errors
    /// If the bytes are not ours, not this key's, or raw. Never panics, whatever the bytes.
    pub fn open<'a>(
        &self,
        identity: &Identity<'_>,
        bytes: &'a [u8],
    ) -> Result<Opened<'a>, DecodeError> {
        if self.is_plain {
            self.check().map_err(DecodeError::Codec)?;
            return Ok(Opened::new(Format::Json, Cow::Borrowed(bytes)));
        }
        match self.unwrap(identity, bytes)? {
            (Content::Typed(format), value) => Ok(Opened::new(format, value)),
            (Content::Raw, _) => Err(DecodeError::value("raw bytes stand there")),
        }
    }

    /// The bytes to store for a value that is bytes already: the header, and the value as it is.
    ///
    /// # Errors
    /// If the codec is one of plain JSON; or the system has no random bytes to encrypt the value with.
    pub fn encode_bytes(
        &self,
        identity: &Identity<'_>,
        value: &[u8],
    ) -> Result<Vec<u8>, EncodeError> {
        if self.is_plain {
            return Err(EncodeError::codec(PLAIN_BYTES));
        }
        let capacity = header::LEN + Encryption::OVERHEAD + value.len();
        self.store(identity, Content::Raw, capacity, |out| {
            out.extend_from_slice(value);
            Ok(())
        })
    }

    /// The value of stored bytes that were bytes before: borrowed, unless it was compressed or encrypted.
    ///
    /// # Errors
    /// If the bytes are not ours, not this key's, or not raw bytes. Never panics, whatever the bytes.
    pub fn decode_bytes<'a>(
        &self,
        identity: &Identity<'_>,
        bytes: &'a [u8],
    ) -> Result<Cow<'a, [u8]>, DecodeError> {
        if self.is_plain {
            return Err(DecodeError::Codec(PLAIN_BYTES));
        }
        match self.unwrap(identity, bytes)? {
            (Content::Raw, value) => Ok(value),
            (Content::Typed(format), _) => Err(DecodeError::value(format!(
                "a value in {format:?} stands there, not raw bytes"
            ))),
        }
    }

    /// Serialise, compress, encrypt: each in its place behind the header, so that a plain value is written once.
    fn store(
        &self,
        identity: &Identity<'_>,
        content: Content,
        capacity: usize,
        write: impl FnOnce(&mut Vec<u8>) -> Result<(), EncodeError>,
    ) -> Result<Vec<u8>, EncodeError> {
        let form = Form {
            content,
            compression: None,
            is_encrypted: self.encryption.writes(),
        };
        let mut out = Vec::with_capacity(capacity);
        header::write(form, identity.digest(), &mut out);
        self.encryption.begin(&mut out)?;
        let start = out.len();
        write(&mut out)?;
        if let Some(algorithm) = self.shrink(&mut out, start) {
            let compression = Some(algorithm);
            header::amend(
                Form {
                    compression,
                    ..form
                },
                &mut out,
            );
        }
        self.encryption.seal(identity, &mut out)?;
        Ok(out)
    }

    fn shrink(&self, out: &mut Vec<u8>, start: usize) -> Option<Algorithm> {
        let compression = self.compression?;
        let len = out.len() - start;
        // What this codec would refuse to decompress, it does not compress.
        if len <= self.over || len > self.max_decoded {
            return None;
        }
        compression.shrink(out, start)
    }

    /// Decrypt, decompress. A plain value is borrowed.
    fn unwrap<'a>(
        &self,
        identity: &Identity<'_>,
        bytes: &'a [u8],
    ) -> Result<(Content, Cow<'a, [u8]>), DecodeError> {
        let (form, rest) = header::read(bytes, identity.digest())?;
        let mut value = self.encryption.open(identity, form, bytes, rest)?;
        if let Some(algorithm) = form.compression {
            value = Cow::Owned(algorithm.expand(&value, self.max_decoded)?);
        }
        Ok((form.content, value))
    }
}

impl Default for Codec {
    /// A codec that writes MessagePack.
    fn default() -> Self {
        Codec::new(Format::default())
    }
}

/// Most values are small; one allocation is then enough.
const SMALL: usize = 64;

const PLAIN_BYTES: BuildError = BuildError::PlainJson { with: "raw bytes" };
