//! Smaller where it can be, and bounded where the bytes lie.

use proptest::prelude::*;
use russet_codec::{Codec, Compression, DecodeError};

use crate::ALICE;

fn every() -> Vec<Compression> {
    vec![
        #[cfg(feature = "lz4")]
        Compression::Lz4,
        #[cfg(feature = "zstd")]
        Compression::Zstd { level: 0 },
    ]
}

#[test]
fn long_values_become_smaller_and_come_back() {
    let text = "a value that repeats itself. ".repeat(200);
    for compression in every() {
        let codec = Codec::default().compress(compression);
        let stored = codec.encode(&ALICE, &text).unwrap();
        assert!(
            stored.len() < text.len() / 10,
            "{compression:?}: {}",
            stored.len()
        );
        // Whatever a codec writes, it reads.
        assert_eq!(
            Codec::default().decode::<String>(&ALICE, &stored).unwrap(),
            text
        );
    }
}

#[test]
fn what_is_short_or_does_not_compress_is_stored_as_it_is() {
    let short = [b'a'; 1024];
    let mut noise = vec![0; 4096];
    let mut state = 1_u32;
    for byte in &mut noise {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        *byte = (state >> 24) as u8;
    }
    for compression in every() {
        let codec = Codec::default().compress(compression);
        for value in [&short[..], &noise] {
            let stored = codec.encode_bytes(&ALICE, value).unwrap();
            assert_eq!(stored.len(), 7 + value.len(), "{compression:?}");
            assert_eq!(codec.decode_bytes(&ALICE, &stored).unwrap(), value);
        }
    }
}

#[test]
fn a_bomb_is_refused_before_it_takes_memory() {
    let limit = 1 << 20;
    let value = vec![b'a'; limit + 1];
    for compression in every() {
        let stored = Codec::default().compress(compression);
        let stored = stored.encode_bytes(&ALICE, &value).unwrap();
        let codec = Codec::default().compress(compression).max_decoded(limit);
        let error = codec.decode_bytes(&ALICE, &stored).unwrap_err();
        assert!(matches!(error, DecodeError::TooLong { len, .. } if len == limit + 1));
        // And what claims less than it holds.
        let mut liar = stored.clone();
        liar[7..11].copy_from_slice(&8_u32.to_be_bytes());
        let error = codec.decode_bytes(&ALICE, &liar).unwrap_err();
        assert!(matches!(error, DecodeError::Compressed), "{error}");
        // A codec does not write what it would not read.
        let stored = codec.encode_bytes(&ALICE, &value).unwrap();
        assert_eq!(codec.decode_bytes(&ALICE, &stored).unwrap(), value);
    }
}

proptest! {
    #[test]
    fn any_value_comes_back(value in prop::collection::vec(0_u8..4, 0..3000), over in 0_usize..100) {
        for compression in every() {
            let codec = Codec::default().compress(compression).over(over);
            let stored = codec.encode_bytes(&ALICE, &value).unwrap();
            prop_assert!(stored.len() <= 7 + value.len());
            let read = codec.decode_bytes(&ALICE, &stored).unwrap();
            prop_assert_eq!(&*read, &value[..]);
        }
    }
}
