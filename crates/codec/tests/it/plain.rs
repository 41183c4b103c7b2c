//! Values that are shared with services that know nothing of our header.

use russet_codec::{BuildError, Codec, Format};

use crate::{ALICE, BOB, User, user};

#[test]
fn the_bytes_are_the_json_value_alone() {
    for codec in [Codec::default(), Codec::new(Format::Json)] {
        let codec = codec.plain_json();
        codec.check().unwrap();
        let stored = codec.encode(&ALICE, &user()).unwrap();
        assert_eq!(stored, br#"{"name":"Alice","age":44}"#);
        let theirs = br#" { "age": 44, "name": "Alice", "since": 2019 } "#;
        assert_eq!(codec.decode::<User>(&BOB, theirs).unwrap(), user());
    }
}

#[test]
fn what_needs_a_header_is_refused_and_not_left_out() {
    let codec = Codec::default().plain_json();
    assert!(codec.encode_bytes(&ALICE, b"raw").is_err());
    assert!(codec.decode_bytes(&ALICE, b"raw").is_err());
    let wrong: Vec<(Codec, &str)> = vec![
        #[cfg(feature = "lz4")]
        (
            Codec::default()
                .plain_json()
                .compress(russet_codec::Compression::Lz4),
            "compression",
        ),
        #[cfg(feature = "encryption")]
        (
            Codec::default()
                .plain_json()
                .encrypt(russet_codec::KeyRing::new([7; 32])),
            "encryption",
        ),
    ];
    for (codec, with) in wrong {
        assert_eq!(codec.check(), Err(BuildError::PlainJson { with }));
        assert!(codec.encode(&ALICE, &user()).is_err(), "{with}");
        assert!(
            codec
                .decode::<User>(&ALICE, br#"{"name":"Alice","age":44}"#)
                .is_err()
        );
    }
}
