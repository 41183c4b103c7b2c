//! Who can read an encrypted value, and where.

use russet_codec::{BuildError, Codec, DecodeError, Identity, KeyRing};

use crate::{ALICE, BOB, User, user};

const OLD: [u8; 32] = [1; 32];
const NEW: [u8; 32] = [2; 32];

fn codec(key: [u8; 32]) -> Codec {
    Codec::default().encrypt(KeyRing::new(key))
}

fn sealed(key: [u8; 32]) -> Vec<u8> {
    codec(key).encode(&ALICE, &user()).unwrap()
}

#[test]
fn nothing_of_the_value_stands_in_the_bytes_and_no_two_are_alike() {
    let one = sealed(OLD);
    assert!(!one.windows(5).any(|bytes| bytes == b"Alice"));
    assert_ne!(one, sealed(OLD));
    assert_eq!(codec(OLD).decode::<User>(&ALICE, &one).unwrap(), user());
}

#[test]
fn every_changed_byte_is_noticed() {
    let stored = sealed(OLD);
    for index in 0..stored.len() {
        let mut changed = stored.clone();
        changed[index] ^= 1;
        assert!(
            codec(OLD).decode::<User>(&ALICE, &changed).is_err(),
            "byte {index}"
        );
    }
    for len in 0..stored.len() {
        assert!(
            codec(OLD).decode::<User>(&ALICE, &stored[..len]).is_err(),
            "first {len} bytes"
        );
    }
}

/// The digest in the header is no secret and can be forged; the seal cannot.
#[test]
fn another_keys_value_does_not_open_under_a_forged_digest() {
    let mut moved = sealed(OLD);
    let bobs = codec(OLD).encode(&BOB, &user()).unwrap();
    moved[3..7].copy_from_slice(&bobs[3..7]);
    let error = codec(OLD).decode::<User>(&BOB, &moved).unwrap_err();
    assert!(matches!(error, DecodeError::Forged), "{error}");
}

/// Two identities of one digest: the parts are joined by a zero byte there.
#[test]
fn identities_that_share_a_digest_do_not_share_values() {
    let one = Identity::new("a", "b\0c", b"7");
    let other = Identity::new("a\0b", "c", b"7");
    let stored = codec(OLD).encode(&one, &user()).unwrap();
    let error = codec(OLD).decode::<User>(&other, &stored).unwrap_err();
    assert!(matches!(error, DecodeError::Forged), "{error}");
}

#[test]
fn a_ring_turns_without_a_pause() {
    let first = KeyRing::new(OLD);
    let second = KeyRing::new(OLD).knows(NEW);
    let third = KeyRing::new(NEW).knows(OLD);
    let last = KeyRing::new(NEW);
    let steps = [first, second, third, last].map(|ring| Codec::default().encrypt(ring));
    for pair in steps.windows(2) {
        for (writer, reader) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
            let stored = pair[writer].encode(&ALICE, &user()).unwrap();
            let read = pair[reader].decode::<User>(&ALICE, &stored);
            // Only the last step, which drops the key that the one before it may still have written long ago, is
            // another matter: there the writers are all on the new key already.
            assert_eq!(read.unwrap(), user());
        }
    }
    let error = steps[3].decode::<User>(&ALICE, &sealed(OLD)).unwrap_err();
    assert!(matches!(error, DecodeError::NoKey), "{error}");
}

#[test]
fn encryption_begins_and_ends_without_a_pause() {
    let plain = Codec::default();
    let reads = Codec::default().decrypt(KeyRing::new(OLD));
    let writes = codec(OLD).allow_unencrypted();
    let steps = [plain, reads, writes];
    for pair in steps.windows(2) {
        for (writer, reader) in [(0, 1), (1, 0)] {
            let stored = pair[writer].encode(&ALICE, &user()).unwrap();
            assert_eq!(
                pair[reader].decode::<User>(&ALICE, &stored).unwrap(),
                user()
            );
        }
    }
    let stored = steps[1].encode(&ALICE, &user()).unwrap();
    let error = codec(OLD).decode::<User>(&ALICE, &stored).unwrap_err();
    assert!(matches!(error, DecodeError::Unencrypted), "{error}");
    let error = steps[0].decode::<User>(&ALICE, &sealed(OLD)).unwrap_err();
    assert!(matches!(error, DecodeError::NoKey), "{error}");
}

#[test]
fn rings_are_read_from_text_and_show_no_key() {
    let text = "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=, AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI=";
    let ring = KeyRing::parse(text).unwrap();
    let shown = format!("{ring:?}");
    assert!(shown.len() < 50 && !shown.contains("AQEB"), "{shown}");
    let codec = Codec::default().encrypt(ring);
    assert_eq!(codec.decode::<User>(&ALICE, &sealed(OLD)).unwrap(), user());
    assert_eq!(codec.decode::<User>(&ALICE, &sealed(NEW)).unwrap(), user());
    for wrong in ["", "AQEB", &format!("{text},"), &text.replace('=', "")] {
        let error = KeyRing::parse(wrong).unwrap_err();
        assert!(matches!(error, BuildError::EncryptionKey { .. }));
        assert!(!error.to_string().contains("AQ"), "{error}");
    }
}

#[cfg(feature = "lz4")]
#[test]
fn a_value_is_compressed_and_then_encrypted() {
    let text = "a value that repeats itself. ".repeat(200);
    let codec = codec(OLD).compress(russet_codec::Compression::Lz4);
    let stored = codec.encode(&ALICE, &text).unwrap();
    assert!(stored.len() < 500);
    assert_eq!(codec.decode::<String>(&ALICE, &stored).unwrap(), text);
}
