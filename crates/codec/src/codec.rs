//! A value to its stored bytes, and back.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::{DecodeError, EncodeError};
use crate::format::Format;
use crate::header;
use crate::identity::Identity;

/// How the values of one handle are stored. `Copy`: it holds choices, no state.
///
/// What it writes says its own format, so that a change of format reads old values.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Codec {
    format: Format,
}

impl Codec {
    /// A codec that writes this format.
    pub fn new(format: Format) -> Self {
        Codec { format }
    }

    /// The bytes to store: the header and the value.
    ///
    /// # Errors
    /// If the value cannot be expressed in the format.
    pub fn encode<T: Serialize + ?Sized>(
        &self,
        identity: &Identity<'_>,
        value: &T,
    ) -> Result<Vec<u8>, EncodeError> {
        let mut out = Vec::with_capacity(header::LEN + 57);
        header::write(self.format, identity.digest(), &mut out);
        self.format.write(value, &mut out)?;
        Ok(out)
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
        let (format, value) = header::read(bytes, identity.digest())?;
        format.read(value)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct User {
        id: u64,
        name: String,
    }

    fn alice() -> User {
        User {
            id: 7,
            name: "Alice".to_owned(),
        }
    }

    const ALICE: Identity<'static> = Identity::new("cache", "users", b"7");

    /// The stored form is a contract with every byte already in somebody's Redis.
    #[test]
    fn golden_bytes() {
        let stored = Codec::new(Format::MessagePack)
            .encode(&ALICE, &alice())
            .unwrap();
        assert_eq!(
            stored[..7],
            [0xB5, 1, 1, 0x7B, 0xE1, 0x01, 0x1D],
            "{:02X?}",
            &stored[..7]
        );
        assert_eq!(stored[7..], *b"\x82\xA2id\x07\xA4name\xA5Alice");
        let stored = Codec::new(Format::Json).encode(&ALICE, &alice()).unwrap();
        assert_eq!(stored[..3], [0xB5, 1, 2]);
        assert_eq!(stored[7..], *br#"{"id":7,"name":"Alice"}"#);
    }

    #[test]
    fn a_change_of_format_reads_old_values() {
        let stored = Codec::new(Format::Json).encode(&ALICE, &alice()).unwrap();
        assert_eq!(
            Codec::new(Format::MessagePack)
                .decode::<User>(&ALICE, &stored)
                .unwrap(),
            alice()
        );
    }

    #[test]
    fn a_field_may_come_and_go() {
        #[derive(Debug, PartialEq, Deserialize)]
        struct Newer {
            #[serde(default)]
            email: Option<String>,
            name: String,
        }
        let stored = Codec::default().encode(&ALICE, &alice()).unwrap();
        let newer: Newer = Codec::default().decode(&ALICE, &stored).unwrap();
        assert_eq!(
            newer,
            Newer {
                email: None,
                name: "Alice".to_owned()
            }
        );
    }

    #[test]
    fn what_is_not_ours_is_told_apart() {
        let codec = Codec::default();
        let decode = |bytes: &[u8]| codec.decode::<User>(&ALICE, bytes).unwrap_err();
        let stored = codec.encode(&ALICE, &alice()).unwrap();
        let with = |at: usize, byte: u8| {
            let mut bytes = stored.clone();
            bytes[at] = byte;
            bytes
        };
        assert!(matches!(decode(b""), DecodeError::NoHeader));
        assert!(matches!(decode(br#"{"id":7}"#), DecodeError::NoHeader));
        assert!(matches!(
            decode(&with(1, 9)),
            DecodeError::Version { found: 9 }
        ));
        assert!(matches!(
            decode(&with(2, 9)),
            DecodeError::Format { found: 9 }
        ));
        assert!(matches!(decode(&with(7, 0xC0)), DecodeError::Value(_)));
        let bob = Identity::new("cache", "users", b"8");
        assert!(matches!(
            codec.decode::<User>(&bob, &stored).unwrap_err(),
            DecodeError::ForeignValue
        ));
    }

    #[test]
    fn parts_of_an_identity_do_not_run_together() {
        let digest = |c, n, i: &'static [u8]| Identity::new(c, n, i).digest();
        assert_ne!(
            digest("cache", "users", b"7"),
            digest("cacheu", "sers", b"7")
        );
        assert_ne!(
            digest("cache", "users", b"7"),
            digest("cache", "users7", b"")
        );
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in any::<Vec<u8>>()) {
            let _ = Codec::default().decode::<User>(&ALICE, &bytes);
        }

        #[test]
        fn values_come_back(id in any::<u64>(), name in any::<String>(), json in any::<bool>()) {
            let codec = Codec::new(if json { Format::Json } else { Format::MessagePack });
            let user = User { id, name };
            let stored = codec.encode(&ALICE, &user).unwrap();
            prop_assert_eq!(codec.decode::<User>(&ALICE, &stored).unwrap(), user);
        }
    }
}
