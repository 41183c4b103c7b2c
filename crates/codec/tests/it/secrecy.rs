//! No error shows anything of a value.

use std::error::Error as _;

use russet_codec::{Codec, Format, Raw};
use serde::Deserialize;

use crate::{ALICE, User};

#[derive(Debug, Deserialize)]
enum Plan {
    Free,
}

fn said<T: std::fmt::Debug + serde::de::DeserializeOwned>(stored: &[u8]) -> String {
    let error = Codec::default().decode::<T>(&ALICE, stored).unwrap_err();
    format!("{error}: {} {error:?}", error.source().unwrap())
}

#[test]
fn errors_tell_the_place_and_not_the_value() {
    for format in [Format::MessagePack, Format::Json] {
        let stored = Codec::new(format)
            .encode(&ALICE, "hunter2, expected hunter3")
            .unwrap();
        for said in [
            said::<u64>(&stored),
            said::<User>(&stored),
            said::<Plan>(&stored),
        ] {
            assert!(!said.contains("hunter"), "{said}");
            assert!(
                said.contains("expected") || said.contains("marker"),
                "{said}"
            );
        }
        let stored = Codec::new(format)
            .encode(&ALICE, &("hunter2", "hunter3"))
            .unwrap();
        for said in [
            said::<u64>(&stored),
            said::<User>(&stored),
            said::<Plan>(&stored),
        ] {
            assert!(!said.contains("hunter"), "{said}");
        }
    }
}

#[test]
fn missing_fields_are_named() {
    #[derive(serde::Serialize)]
    struct Short {
        name: &'static str,
    }
    for format in [Format::MessagePack, Format::Json] {
        let stored = Codec::new(format)
            .encode(&ALICE, &Short { name: "hunter2" })
            .unwrap();
        let said = said::<User>(&stored);
        assert!(
            said.contains("missing field `age`") && !said.contains("hunter"),
            "{said}"
        );
    }
}

#[test]
fn raw_bytes_show_their_length() {
    assert_eq!(format!("{:?}", Raw(b"hunter2".to_vec())), "Raw(7 bytes)");
}
