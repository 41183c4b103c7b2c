//! Bytes that stand in somebody's Redis: they must be read for ever, and written so while the version is 1.

use std::borrow::Cow;

use russet_codec::{Codec, Format, Payload as _, Raw};

use crate::{ALICE, User, unhex, user};

const MESSAGE_PACK: &str = "b5 01 01 7be1011d  82 a4 6e616d65 a5 416c696365 a3 616765 2c";
const JSON: &str = "b5 01 02 7be1011d  7b 226e616d65223a 22416c69636522 2c 22616765223a 3434 7d";
const RAW: &str = "b5 01 03 7be1011d  00 ff 0a";

#[test]
fn message_pack() {
    let codec = Codec::default();
    assert_eq!(codec.encode(&ALICE, &user()).unwrap(), unhex(MESSAGE_PACK));
    assert_eq!(codec.decode::<User>(&ALICE, &unhex(JSON)).unwrap(), user());
}

#[test]
fn json() {
    let codec = Codec::new(Format::Json);
    assert_eq!(codec.encode(&ALICE, &user()).unwrap(), unhex(JSON));
    let read = codec.decode::<User>(&ALICE, &unhex(MESSAGE_PACK));
    assert_eq!(read.unwrap(), user());
}

#[test]
fn raw() {
    let codec = Codec::default();
    let value = [0x00, 0xFF, 0x0A];
    let stored = unhex(RAW);
    assert_eq!(codec.encode_bytes(&ALICE, &value).unwrap(), stored);
    let read = codec.decode_bytes(&ALICE, &stored).unwrap();
    assert!(matches!(read, Cow::Borrowed(bytes) if bytes == value));
    let read = Raw::<Vec<u8>>::decode(&codec, &ALICE, &stored).unwrap();
    assert_eq!(read, Raw(value.to_vec()));
    assert_eq!(read.encode(&codec, &ALICE).unwrap(), stored);
}

#[test]
fn a_raw_value_is_no_typed_one() {
    let codec = Codec::default();
    assert!(codec.decode::<User>(&ALICE, &unhex(RAW)).is_err());
    assert!(codec.decode_bytes(&ALICE, &unhex(JSON)).is_err());
}

#[cfg(feature = "lz4")]
#[test]
fn lz4() {
    use russet_codec::Compression;
    let stored = unhex("b5 01 13 7be1011d  00000020  1f 61 01 00 06 60 61 61 61 61 61 61");
    let codec = Codec::default().compress(Compression::Lz4).over(16);
    let value = [b'a'; 32];
    assert_eq!(codec.encode_bytes(&ALICE, &value).unwrap(), stored);
    assert_eq!(codec.decode_bytes(&ALICE, &stored).unwrap(), &value[..]);
}

/// What zstd writes may change with its version, and what it reads does not.
#[cfg(feature = "zstd")]
#[test]
fn zstd() {
    let stored =
        unhex("b5 01 23 7be1011d  00000020  28b52ffd 20 20 45 00 00 10 61 61 01 00 22 c0 02");
    let read = Codec::default();
    let read = read.decode_bytes(&ALICE, &stored).unwrap();
    assert_eq!(read, &[b'a'; 32][..]);
}

#[cfg(feature = "encryption")]
#[test]
fn encrypted() {
    use russet_codec::KeyRing;
    let stored = unhex(
        "b5 01 41 7be1011d  60501cc6  da4b972656579363931f113e375475d4c12ddec9fa3dbbc4\
         ccdf3c5c738f2bda1b58d631054a47e1  337118fa87f06cd5238bf3529492624868",
    );
    let codec = Codec::default().encrypt(KeyRing::new([7; 32]));
    assert_eq!(codec.decode::<User>(&ALICE, &stored).unwrap(), user());
}
