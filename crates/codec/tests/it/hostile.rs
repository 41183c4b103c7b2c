//! Bytes that somebody else wrote.

use proptest::prelude::*;
use russet_codec::{Codec, DecodeError, Format};

use crate::{ALICE, BOB, User, user};

fn every() -> Vec<Codec> {
    vec![
        Codec::default(),
        Codec::default().max_decoded(1 << 16),
        Codec::default().plain_json(),
        #[cfg(feature = "encryption")]
        Codec::default().encrypt(russet_codec::KeyRing::new([7; 32])),
        #[cfg(feature = "encryption")]
        Codec::default().decrypt(russet_codec::KeyRing::new([7; 32])),
    ]
}

#[test]
fn another_keys_value_does_not_open() {
    for format in [Format::MessagePack, Format::Json] {
        let codec = Codec::new(format);
        let stored = codec.encode(&ALICE, &user()).unwrap();
        let error = codec.decode::<User>(&BOB, &stored).unwrap_err();
        assert!(matches!(error, DecodeError::ForeignValue), "{error}");
    }
}

#[test]
fn what_a_later_build_wrote_is_named() {
    let stored = Codec::default().encode(&ALICE, &user()).unwrap();
    let with = |index: usize, byte: u8| {
        let mut stored = stored.clone();
        stored[index] = byte;
        Codec::default()
            .decode::<User>(&ALICE, &stored)
            .unwrap_err()
    };
    assert!(matches!(with(0, b'{'), DecodeError::NoHeader));
    assert!(matches!(with(1, 2), DecodeError::Version { found: 2 }));
    assert!(matches!(with(2, 0x0F), DecodeError::Format { found: 15 }));
    assert!(matches!(with(2, 0x81), DecodeError::Flags { found: 0x80 }));
    #[cfg(not(feature = "lz4"))]
    assert!(matches!(
        with(2, 0x11),
        DecodeError::Feature { name: "lz4" }
    ));
    #[cfg(not(feature = "zstd"))]
    assert!(matches!(
        with(2, 0x21),
        DecodeError::Feature { name: "zstd" }
    ));
    #[cfg(not(feature = "encryption"))]
    assert!(matches!(
        with(2, 0x41),
        DecodeError::Feature { name: "encryption" }
    ));
}

proptest! {
    /// Any bytes, and any bytes behind a header that is right, are an error or a value; never a panic.
    #[test]
    fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), form in any::<u8>()) {
        let mut headed = Codec::default().encode_bytes(&ALICE, &bytes).unwrap();
        headed[2] = form;
        for codec in every() {
            for stored in [&bytes, &headed] {
                let _ = codec.decode::<User>(&ALICE, stored);
                let _ = codec.decode_bytes(&ALICE, stored);
            }
        }
    }
}
