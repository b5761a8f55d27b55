//! §5.2, base framing protocol: opcodes, reserved bits, the three forms of the length.

use proptest::prelude::*;
use sansocket::{
    ProtocolError,
    frame::{Header, MaskingKey, OpCode, Start},
};

use crate::support::player::check_table;

pub(crate) const TABLE: &str = r#"
    # §5.7, the examples of the RFC, each to the end that may receive it.
    client < 81 05 48656c6c6f                                          | text Hello
    server < 81 85 37fa213d 7f9f4d5158                                 | text Hello
    client < 01 03 48656c  80 02 6c6f                                  | text Hello
    client < 89 05 48656c6c6f                                          | ping "Hello" > 8a 85 37fa213d 7f9f4d5158
    server < 8a 85 37fa213d 7f9f4d5158                                 | pong "Hello"
    client < 82 7e 0100 00*256                                         | binary 00*256
    client < 82 7f 0000000000010000 00*65536                           | binary 00*65536

    # Empty messages are messages.
    server < 81 80 37fa213d                                            | text ""
    server < 82 80 37fa213d                                            | binary ""
    client < 81 00 82 00                                               | text "", binary ""

    # The edges of the forms of the length.
    client < 82 7d 00*125                                              | binary 00*125
    client < 82 7e 007e 00*126                                         | binary 00*126
    client < 82 7e ffff 00*65535                                       | binary 00*65535
    server < 82 fd 00000000 61*125                                     | binary 61*125
    server < 82 fe 007e 00000000 61*126                                | binary 61*126
    server < 82 ff 0000000000010000 00000000 61*65536                  | binary 61*65536

    # A length is in its shortest form, in data frames of either role.
    client < 82 7e 0000                                                | ! 1002 LengthNotMinimal
    client < 82 7e 0005 48656c6c6f                                     | ! 1002 LengthNotMinimal
    client < 82 7e 007d                                                | ! 1002 LengthNotMinimal
    server < 82 fe 007d                                                | ! 1002 LengthNotMinimal
    client < 82 7f 0000000000000000                                    | ! 1002 LengthNotMinimal
    client < 82 7f 000000000000007e                                    | ! 1002 LengthNotMinimal
    client < 82 7f 000000000000ffff                                    | ! 1002 LengthNotMinimal
    server < 82 ff 000000000000ffff                                    | ! 1002 LengthNotMinimal

    # The most significant bit of a 64-bit length is 0: wrong in form, whatever the limit.
    client < 82 7f 8000000000000000                                    | ! 1002 LengthOutOfRange
    client < 82 7f ffffffffffffffff                                    | ! 1002 LengthOutOfRange
    server < 82 ff 8000000000000001                                    | ! 1002 LengthOutOfRange
    client message=18446744073709551615 frame=18446744073709551615 < 82 7f ffffffffffffffff | ! 1002 LengthOutOfRange

    # The greatest length is right in form, and too much.
    client < 82 7f 7fffffffffffffff                                    | ! 1009 FrameTooLarge
    client message=18446744073709551615 frame=18446744073709551615 < 82 7f 7fffffffffffffff 00*3 |

    # Reserved opcodes, 3 to 7 and 11 to 15, by the first two bytes and before a huge length has come.
    server < 83 80                                                     | ! 1002 ReservedOpCode
    server < 84 80                                                     | ! 1002 ReservedOpCode
    server < 85 80                                                     | ! 1002 ReservedOpCode
    server < 86 80                                                     | ! 1002 ReservedOpCode
    server < 87 80                                                     | ! 1002 ReservedOpCode
    server < 8b 80                                                     | ! 1002 ReservedOpCode
    server < 8c 80                                                     | ! 1002 ReservedOpCode
    server < 8d 80                                                     | ! 1002 ReservedOpCode
    server < 8e 80                                                     | ! 1002 ReservedOpCode
    server < 8f 80                                                     | ! 1002 ReservedOpCode
    client < 03 7f 7fffffffffffffff                                    | ! 1002 ReservedOpCode
    client < 0f 7f 7fffffffffffffff                                    | ! 1002 ReservedOpCode
    server < 83 ff 7fffffffffffffff                                    | ! 1002 ReservedOpCode

    # Reserved bits, each of them, on each kind of frame: no extension defines them here.
    server < c1 80                                                     | ! 1002 ReservedBit
    server < a1 80                                                     | ! 1002 ReservedBit
    server < 91 80                                                     | ! 1002 ReservedBit
    client < c2 00                                                     | ! 1002 ReservedBit
    client < f2 00                                                     | ! 1002 ReservedBit
    client < 41 01                                                     | ! 1002 ReservedBit
    # A reserved bit on a control frame must not slip through beside the rules for control frames.
    server < c9 80                                                     | ! 1002 ReservedBit
    server < a8 80                                                     | ! 1002 ReservedBit
    client < 9a 00                                                     | ! 1002 ReservedBit
    # Nor on a continuation.
    client < [text- "a"] c0 00                                         | ! 1002 ReservedBit
    client < [text- "a"] 90 00                                         | ! 1002 ReservedBit

    # What came before the breach has been delivered, what comes behind it never is.
    client < [text "before"] 83 00 [text "behind"]                     | text before ! 1002 ReservedOpCode
    server < [ping "p"] [text "before"] c1 80 [ping "q"] [close 1000]  | ping "p", text before > [pong "p"] [close 1002 "reserved bit set without an extension that defines it"] ! 1002 ReservedBit

    # A whole frame less than whole is no frame.
    client <                                                           |
    client < 81                                                        |
    client < 81 05                                                     |
    client < 81 05 48656c6c                                            |
    server < 81 85 37fa21                                              |
    client < 82 7e 01                                                  |
    client < 82 7f 00000000000100                                      |
"#;

#[test]
fn table() {
    check_table(TABLE);
}

/// The length is judged as soon as its last byte is there; the key need not have come.
#[test]
fn a_length_is_refused_before_the_key_has_come() {
    for wire in [&b"\x82\xfe\x00\x7d"[..], b"\x82\xff\x00\x00\x00\x00\x00\x00\xff\xff"] {
        assert_eq!(Header::parse(wire), Err(ProtocolError::LengthNotMinimal));
        assert_eq!(Header::parse(&wire[..wire.len() - 1]), Ok(None));
    }
    assert_eq!(Header::parse(b"\x82\xff\x80\0\0\0\0\0\0\0"), Err(ProtocolError::LengthOutOfRange));
}

#[test]
fn a_header_parses_exactly_when_it_is_whole() {
    for wire in [
        &b"\x81\x00"[..],
        b"\x81\x7d",
        b"\x81\x80\x01\x02\x03\x04",
        b"\x82\x7e\x00\x7e",
        b"\x82\xfe\xff\xff\x01\x02\x03\x04",
        b"\x82\x7f\x00\x00\x00\x00\x00\x01\x00\x00",
        b"\x82\xff\x7f\xff\xff\xff\xff\xff\xff\xff\x01\x02\x03\x04",
    ] {
        for cut in 0..wire.len() {
            assert_eq!(Header::parse(&wire[..cut]), Ok(None), "{wire:02x?} cut at {cut}");
        }
        let (header, len) = Header::parse(wire).unwrap().expect("a whole header");
        assert_eq!(len, wire.len());
        assert_eq!(Start::parse([wire[0], wire[1]]).unwrap().header_len(), wire.len());
        let mut written = Vec::new();
        header.write(&mut written);
        assert_eq!(written, wire);
    }
}

#[test]
fn the_sixteen_opcodes() {
    let known = [
        (0, OpCode::Continuation),
        (1, OpCode::Text),
        (2, OpCode::Binary),
        (8, OpCode::Close),
        (9, OpCode::Ping),
        (10, OpCode::Pong),
    ];
    for bits in 0..=u8::MAX {
        let expected = known.iter().find(|(number, _)| *number == bits & 0x0f).map(|(_, opcode)| *opcode);
        assert_eq!(OpCode::parse(bits), expected.ok_or(ProtocolError::ReservedOpCode));
        assert!(expected.is_none_or(|opcode| opcode.is_control() == (bits & 0x08 != 0)));
    }
}

fn headers() -> impl Strategy<Value = Header> {
    let opcodes = prop::sample::select(vec![
        OpCode::Continuation,
        OpCode::Text,
        OpCode::Binary,
        OpCode::Close,
        OpCode::Ping,
        OpCode::Pong,
    ]);
    let lengths = prop_oneof![0..200u64, 65_000..66_000u64, 0..(1u64 << 63)];
    let keys = prop::option::of(any::<[u8; 4]>().prop_map(MaskingKey::new));
    (any::<bool>(), 0..8u8, opcodes, keys, lengths).prop_map(
        |(fin, rsv, opcode, masking_key, payload_len)| Header { fin, rsv, opcode, masking_key, payload_len },
    )
}

proptest! {
    #[test]
    fn writing_and_parsing_a_header_is_the_identity(header in headers(), behind in any::<[u8; 3]>()) {
        let mut wire = Vec::new();
        header.write(&mut wire);
        let len = wire.len();
        wire.extend(behind);
        prop_assert_eq!(Header::parse(&wire), Ok(Some((header, len))));
    }

    #[test]
    fn any_bytes_parse_to_a_header_that_writes_them_or_to_nothing(wire in prop::collection::vec(any::<u8>(), 0..16)) {
        if let Ok(Some((header, len))) = Header::parse(&wire) {
            let mut written = Vec::new();
            header.write(&mut written);
            prop_assert_eq!(&written[..], &wire[..len]);
        }
    }
}
