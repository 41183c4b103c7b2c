//! The parser, with streams that are split in every way.

use russet_testkit::resp::{Decoder, Value};

/// Every kind of frame of both protocols, nested and empty ones among them.
const STREAM: &[u8] = b"+OK\r\n-ERR no\r\n:-12\r\n$5\r\na\r\nb\0\r\n$0\r\n\r\n$-1\r\n*-1\r\n*0\r\n\
    *3\r\n:1\r\n*2\r\n+a\r\n*0\r\n$1\r\nx\r\n_\r\n#t\r\n#f\r\n,1.5\r\n,-inf\r\n(12345678901234567890123\r\n\
    !5\r\nSYN x\r\n=7\r\ntxt:abc\r\n%2\r\n+a\r\n:1\r\n+b\r\n%0\r\n~2\r\n+x\r\n+y\r\n>2\r\n+invalidate\r\n*1\r\n$1\r\nk\r\n\
    |1\r\n+ttl\r\n:9\r\n$1\r\nv\r\n*2\r\n|1\r\n+a\r\n+b\r\n:1\r\n:2\r\n";

fn values() -> Vec<Value> {
    let text = |text: &str| Value::Text(text.to_owned());
    let bytes = |bytes: &[u8]| Value::Bytes(bytes.to_vec());
    let error = |text: &str| Value::Error(text.to_owned());
    vec![
        text("OK"),
        error("ERR no"),
        Value::Int(-12),
        bytes(b"a\r\nb\0"),
        bytes(b""),
        Value::Nil,
        Value::Nil,
        Value::Array(vec![]),
        Value::Array(vec![
            Value::Int(1),
            Value::Array(vec![text("a"), Value::Array(vec![])]),
            bytes(b"x"),
        ]),
        Value::Nil,
        Value::Bool(true),
        Value::Bool(false),
        Value::Double(1.5),
        Value::Double(f64::NEG_INFINITY),
        Value::BigNumber("12345678901234567890123".to_owned()),
        error("SYN x"),
        bytes(b"abc"),
        Value::Map(vec![
            (text("a"), Value::Int(1)),
            (text("b"), Value::Map(vec![])),
        ]),
        Value::Set(vec![text("x"), text("y")]),
        Value::Push(vec![text("invalidate"), Value::Array(vec![bytes(b"k")])]),
        bytes(b"v"),
        Value::Array(vec![Value::Int(1), Value::Int(2)]),
    ]
}

fn decode<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Vec<Value> {
    let mut decoder = Decoder::default();
    let mut values = Vec::new();
    for piece in pieces {
        decoder.feed(piece);
        while let Some(value) = decoder.next_value().unwrap() {
            values.push(value);
        }
    }
    values
}

#[test]
fn every_split_in_two_gives_the_same_values() {
    assert_eq!(decode([STREAM]), values());
    for at in 0..=STREAM.len() {
        let (left, right) = STREAM.split_at(at);
        assert_eq!(decode([left, right]), values(), "split at {at}");
    }
}

#[test]
fn pieces_of_every_size_give_the_same_values() {
    for size in 1..=STREAM.len() {
        assert_eq!(decode(STREAM.chunks(size)), values(), "pieces of {size}");
    }
}

#[test]
fn pieces_of_random_sizes_give_the_same_values() {
    let mut random: u64 = 0x9E37_79B9_7F4A_7C15;
    for _ in 0..2_000 {
        let mut pieces = Vec::new();
        let mut rest = STREAM;
        while !rest.is_empty() {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            let (piece, tail) = rest.split_at((random % 30) as usize % (rest.len() + 1));
            pieces.push(piece);
            rest = tail;
        }
        assert_eq!(decode(pieces.iter().copied()), values(), "{pieces:?}");
    }
}

#[test]
fn what_is_not_resp_is_an_error_and_never_a_panic() {
    for bytes in [
        &b"HTTP/1.1 400 Bad Request\r\n"[..],
        b"\r\n",
        b"$x\r\n",
        b"$-2\r\n",
        b"*99999999999999999999\r\n",
        b"$1\r\nabc\r\n",
        b"+a\rb\r\n",
        b":x\r\n",
        &b"*1\r\n".repeat(1_000),
    ] {
        let mut decoder = Decoder::default();
        decoder.feed(bytes);
        assert!(
            decoder.next_value().is_err(),
            "{:?}",
            String::from_utf8_lossy(bytes)
        );
    }
}
