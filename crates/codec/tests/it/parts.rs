//! Values on their way: before they are stored, and before they are read.

use std::marker::PhantomData;

use russet_codec::{Codec, Format};

use crate::{ALICE, BOB, User, user};

fn codecs() -> Vec<Codec> {
    vec![
        Codec::default(),
        Codec::new(Format::Json),
        Codec::default().plain_json(),
        #[cfg(feature = "encryption")]
        Codec::default().encrypt(russet_codec::KeyRing::new([7; 32])),
        #[cfg(feature = "lz4")]
        Codec::default()
            .compress(russet_codec::Compression::Lz4)
            .over(0),
    ]
}

#[test]
fn what_is_sealed_is_what_is_encoded() {
    for codec in codecs() {
        let plain = || {
            let mut out = Vec::new();
            codec.plain(&user(), &mut out).unwrap();
            out
        };
        assert_eq!(plain(), plain());
        let plain = plain();
        let stored = codec.seal(&ALICE, &plain).unwrap();
        assert_eq!(codec.decode::<User>(&ALICE, &stored).unwrap(), user());
        let other = codec.open(&BOB, &stored).map(drop);
        assert_eq!(other.is_ok(), codec.is_plain_json(), "{other:?}");
    }
}

#[test]
fn what_is_encoded_can_be_opened_first_and_read_then() {
    for codec in codecs() {
        let stored = codec.encode(&ALICE, &user()).unwrap();
        let opened = codec.open(&ALICE, &stored).unwrap();
        assert_eq!(opened.read(PhantomData::<User>).unwrap(), user());
        assert!(opened.read(PhantomData::<u8>).is_err());
        assert!(!format!("{opened:?}").contains("Alice"));
    }
}

#[test]
fn a_text_has_no_rest() {
    let codec = Codec::default().plain_json();
    assert!(codec.decode::<u8>(&ALICE, b"7 8").is_err());
}
