//! RFC 7692, permessage-deflate: which frames are compressed, and what a compressed message is.

use bytes::BytesMut;
use sansocket::{Config, Event, Message, Negotiated, Role, deflate::Params};

use crate::support::{
    player::{check_table, connection_with},
    wire::Fixture,
};

pub(crate) const TABLE: &str = r#"
    # §7.2.3.1, a message compressed in one block; in one frame, and in two.
    client deflate < c1 07 f248cdc9c90700                              | text Hello
    client deflate < 41 03 f248cd 80 04 c9c90700                       | text Hello
    server deflate < [text+ f248cdc9c90700]                            | text Hello
    server deflate < [text+- f248cd] [cont c9c90700]                   | text Hello
    server deflate < {text+ "Hello"}                                   | > c1 07 f248cdc9c90700
    client deflate < {text+ "Hello"}                                   | > [text+ f248cdc9c90700]

    # §7.2.3.2, the window shared by two messages, where that is agreed.
    client deflate < [text+ f248cdc9c90700] [text+ f200110000]         | text Hello, text Hello
    server deflate < {text+ "Hello"} {text+ "Hello"}                   | > c1 07 f248cdc9c90700 c1 05 f200110000
    client deflate < {text+ "Hello"} {text+ "Hello"}                   | > [text+ f248cdc9c90700] [text+ f200110000]
    # Without context takeover each message begins anew: what reaches behind its beginning is invalid.
    server no-takeover < {text+ "Hello"} {text+ "Hello, Hello, Hello"} | > [text "Hello"] [text+ f248cdc9c9d751f040a20000]
    # Nor is anything compressed that does not become smaller.
    server no-takeover < {text+ "HelloHello"} {text+ "HelloHelloHello"}    | > [text "HelloHello"] [text+ f248cdc9c9f780130000]
    client no-takeover < [text+ f248cdc9c90700] [text+ f248cdc9c90700] | text Hello, text Hello
    client no-takeover < [text+ f248cdc9c90700] [text+ f200110000]     | text Hello ! 1007 DeflateInvalid
    # Each end has its own.
    client server-no-takeover < [text+ f248cdc9c90700] [text+ f200110000] | text Hello ! 1007 DeflateInvalid
    client client-no-takeover < [text+ f248cdc9c90700] [text+ f200110000] | text Hello, text Hello
    server client-no-takeover < [text+ f248cdc9c90700] [text+ f200110000] | text Hello ! 1007 DeflateInvalid
    server server-no-takeover < [text+ f248cdc9c90700] [text+ f200110000] | text Hello, text Hello
    server server-no-takeover < {text+ "Hello"} {text+ "Hello"}        | > [text "Hello"] [text "Hello"]
    client server-no-takeover < {text+ "Hello"} {text+ "Hello"}        | > [text+ f248cdc9c90700] [text+ f200110000]
    server client-no-takeover < {text+ "Hello"} {text+ "Hello"}        | > [text+ f248cdc9c90700] [text+ f200110000]
    client client-no-takeover < {text+ "Hello"} {text+ "Hello"}        | > [text "Hello"] [text "Hello"]

    # §7.2.3.3, a block without compression.
    client deflate < c1 0b 000500faff48656c6c6f00                      | text Hello
    server deflate level=0 < {text+ "Hello"}                           | > c1 0b 000500faff48656c6c6f00

    # Behind such a block nothing can be referred to: DEFLATE begins anew.
    client deflate < [text+ f348cdc9c9070000] [text+ f200110000]       | text Hello ! 1007 DeflateInvalid
    # §7.2.3.4, a block that is marked as the last one, with the octet that makes it complete.
    client deflate < c1 08 f348cdc9c9070000                            | text Hello
    client deflate < [text+ f348cdc9c9070000] [text+ f348cdc9c9070000] | text Hello, text Hello
    client no-takeover < [text+ f348cdc9c9070000] [text+ f248cdc9c90700] | text Hello, text Hello
    server deflate < [text+- f348cdc9] [cont- c907] [cont- 00] [cont 00] | text Hello
    client deflate < [text+ 010500faff48656c6c6f00] [text+ f248cdc9c90700] | text Hello, text Hello
    client deflate < [binary+ 01] [text+ f248cdc9c90704] [text+ f248cdc9c90700] | binary "", text Hello, text Hello
    # It ends its stream: nothing refers to what is before it.
    client deflate < [text+ f348cdc9c9070000] [text+ f200110000]       | text Hello ! 1007 DeflateInvalid
    # Blocks behind it, and no block behind it but the empty one.
    client deflate < [text+ f348cdc9c90700 f248cdc9c90700]             | text HelloHello
    client deflate < [text+ f348cdc9c90700 f348cdc9c90700 00]          | text HelloHello
    client deflate < [text+ 010500faff48656c6c6f 010000ffff 000000ffff 00] | text Hello

    # §7.2.3.5, two blocks with an empty one between them.
    client deflate < c1 0d f2480500 0000ffff cac9c90700                | text Hello

    # §7.2.3.6, the empty message.
    client deflate < c1 01 00                                          | text ""
    server deflate < {text+ ""}                                        | > c1 01 00
    server deflate < {text+ ""} {text+ ""} {binary+ ""}                | > c1 01 00 c1 01 00 c2 01 00
    client deflate < {text+ ""} {text+ "Hello"} {text+ ""} {text+ "Hello"} | > [text+ 00] [text+ f248cdc9c90700] [text+ 00] [text+ f200110000]
    server no-takeover < {text+ ""} {text+ ""}                         | > 81 00 81 00
    client deflate < [text+ 00] [binary+ 00] [text+ f248cdc9c90700] [text+ 00] [text+ f200110000] | text "", binary "", text Hello, text "", text Hello
    client deflate < [text+ 0200] [text+ 000000ffff00] [binary+ 0300 00] | text "", text "", binary ""

    # §6.1, RSV1 marks the first frame of a compressed message and no other.
    client < c1 07 f248cdc9c90700                                      | ! 1002 ReservedBit
    client deflate < [text+- f248cd] c0 04 c9c90700                    | ! 1002 ReservedBit
    client deflate < [text+- f248cd] 40 04 c9c90700                    | ! 1002 ReservedBit
    server deflate < [text- "Hel"] c0 84                               | ! 1002 ReservedBit
    server deflate < c0 80                                             | ! 1002 ReservedBit
    # No control frame has it: they are not compressed.
    client deflate < c8 00                                             | ! 1002 ReservedBit
    client deflate < c9 00                                             | ! 1002 ReservedBit
    client deflate < ca 00                                             | ! 1002 ReservedBit
    server deflate < [text+- f248cd] c9 80                             | ! 1002 ReservedBit
    # The other bits are not defined by it, alone or together with it.
    client deflate < a1 00                                             | ! 1002 ReservedBit
    client deflate < 92 00                                             | ! 1002 ReservedBit
    client deflate < e1 00                                             | ! 1002 ReservedBit
    client deflate < d1 00                                             | ! 1002 ReservedBit
    server deflate < f1 80                                             | ! 1002 ReservedBit
    server deflate < c3 80                                             | ! 1002 ReservedOpCode

    # §6, control frames go between the fragments and leave the state alone.
    client deflate < [text+- f248] [ping "p"] [cont cdc9c90700]        | ping "p", text Hello > [pong "p"]
    server deflate < [text+- f248] [ping 00*125] [cont- cdc9] [pong "q"] [ping ] [cont c90700] [text+ f200110000] | ping 00*125, pong "q", ping "", text Hello, text Hello > [pong 00*125] [pong ]
    server deflate < [text+- f248cd] [close 1000] [cont c9c90700]      | close 1000 > [close 1000]
    client deflate < {text- "Hel"} [ping "p"] {text. "lo"}             | ping "p" > [text- "Hel"] [pong "p"] [cont "lo"]
    client deflate compress=always < {text- "Hel"} [ping "p"] {text. "lo"} | ping "p" > [text+- f248cd0100 0000ffff] [pong "p"] [cont cac90700]

    # A message that is not compressed leaves the window untouched, in either direction.
    client deflate < [text+ f248cdc9c90700] [text "World"] [text+ f200110000] | text Hello, text World, text Hello
    client deflate < [text+ f248cdc9c90700] [binary- 00*300] [cont 00*300] [text+ f200110000] | text Hello, binary 00*600, text Hello
    server deflate compress=5 < {text "Hello"} {text "abcd"} {text "Hello"} | > [text+ f248cdc9c90700] [text "abcd"] [text+ f200110000]
    # What was not agreed on is not used, whatever the configuration says.
    client compress=always < {text "Hello"} {text+ "Hello"} {text- "Hel"} {text. "lo"} | > [text "Hello"] [text "Hello"] [text- "Hel"] [cont "lo"]
    server compress=always < {text "Hello"} {text+ "Hello"}            | > [text "Hello"] [text "Hello"]
    server deflate compress=never < {text "Hello"} {text- "Hel"} {text. "lo"} {text+ "Hello"} | > [text "Hello"] [text- "Hel"] [cont "lo"] [text+ f248cdc9c90700]

    # Fragments with nothing in them: first, in the middle, last, all.
    client deflate < [text+- ] [cont f248cdc9c90700]                   | text Hello
    client deflate < [text+- f248cd] [cont- ] [cont- ] [cont c9c90700] | text Hello
    client deflate < [text+- f248cdc9c90700] [cont ] [text+ f200110000] | text Hello, text Hello
    client deflate < [text+- f248cdc9c907] [cont- 00] [cont ]          | text Hello
    client deflate < [text+- ] [cont- ] [cont 00] [text+- 00] [cont- ] [cont ] | text "", text ""
    client deflate < [binary+- ] [ping "p"] [cont- 00] [pong ] [cont ] | ping "p", pong "", binary "" > [pong "p"]
    # What we say in pieces ends with what the tail leaves of them.
    server deflate compress=always < {text- "Hello"} {text. ""} {text+ "Hello"} | > [text+- f248cdc9c907000000ffff] [cont 00] [text+ f200110000]
    server deflate compress=always < {text- ""} {text. ""}             | > [text+- 000000ffff] [cont 00]
    server deflate compress=always < {text- ""} {text- ""} {text- "Hello"} {text- ""} {text. ""} | > [text+- 000000ffff] [cont- ] [cont- f248cdc9c907000000ffff] [cont- ] [cont 00]
    server no-takeover compress=always < {text. "Hello"} {text. "Hello"} {binary. ""} | > [text+ f248cdc9c90700] [text+ f248cdc9c90700] [binary+ 00]
    # The first piece decides for all of them; and what is said of messages holds for the first piece.
    server deflate compress=4 < {text- "Hel"} {text. "lo, World"}      | > [text- "Hel"] [cont "lo, World"]
    server deflate compress=4 < {text. "Hello"} {text. "Hell"} {text. "Hel"} | > [text+ f248cdc9c90700] [text+ f248cdc90100] [text "Hel"]
    # A refused piece leaves no trace in the window.
    server deflate compress=always < {text- "Hello"} {binary- "Hello"} {text. ff} {text. "Hello"} | refused KindChanged, refused NotUtf8 > [text+- f248cdc9c907000000ffff] [cont f200110000]
    # Nothing is compressed that was not agreed, or that has to fit in a window of 256 bytes.
    server compress=always < {text "Hello"} {text+ "Hello"} {text. "Hello"} | > [text "Hello"] [text "Hello"] [text "Hello"]
    server server-bits=8 compress=always < {text "Hello"} {text- "Hel"} {text. "lo"} | > [text "Hello"] [text- "Hel"] [cont "lo"]
    client server-bits=8 compress=always < {text "Hello"} [text+ f248cdc9c90700] | text Hello > [text+ f248cdc9c90700]

    # Blocks of each type: stored, fixed, dynamic; one behind the other.
    client deflate < [binary+ 04c10101000008c3a0acc3f7cf20ac492836d58edb61e5b01e] | binary "dadbababbbaabbddbaaadcbbcdcbbbdaabcbbbda"
    client deflate < [binary+ 000300fcff616263 000000ffff 4a4a0600 0000ffff 04c10101000008c3a0acc3f7cf20ac492836d58edb61e5b01e] | binary "abcbcdadbababbbaabbddbaaadcbbcdcbbbdaabcbbbda"
    server deflate < [binary+- 4a4c1c05] [cont c4020000]               | binary "a"*300
    # The window sizes the compressor: what reaches further back is not refused.
    client server-bits=8 < [binary+ 00bc0243fd 61*700 02fa1f00]        | binary 61*703
    client server-bits=8 < [binary+ 00bc0243fd 61*700 02c60700]        | binary 61*703
    # Output of more than one step, of exactly one, and of one and a byte.
    client deflate < [binary+ ecc13101000000c2a0aceb5fc2147e4001000000006f03] | binary "a"*5000
    client deflate < [binary+ ecc13101000000c2a0aceb5fc2183e4001 00*15 6f03] | binary "a"*16384
    client deflate < [binary+ ecc13101000000c2a0aceb5fc2183e4001 00*15 7703] | binary "a"*16385
    server deflate < [binary+ ecc181000000008020d6fd2516a90a 00*63 6a00] | binary "a"*65536
    client deflate < [binary+- ecc13101000000c2a0aceb5fc210be4001 00*1015] [cont 7c06] | binary "a"*1048576

    # Two frames in one read, the first compressed: the second is as it came.
    client deflate < c2 17 ecc13101000000c2a0aceb5fc2147e4001000000006f03 82 04 61626364 89 00 | binary "a"*5000, binary "abcd", ping "" > [pong ]
    server deflate < [text+ f248cdc9c90700] [text "World"] [ping "p"] [text+ f200110000] [text "!"] | text Hello, text World, ping "p", text Hello, text "!" > [pong "p"]

    # Bytes that are not DEFLATE.
    client deflate < [text+ 06]                                        | ! 1007 DeflateInvalid
    client deflate < [text+ 07]                                        | ! 1007 DeflateInvalid
    client deflate < [text+- ff]                                       | ! 1007 DeflateInvalid
    client deflate < [text+ 000500faf0]                                | ! 1007 DeflateInvalid
    client deflate < [binary+- 000500] [cont faf0]                     | ! 1007 DeflateInvalid
    # It is told with the fragment in which it stands, behind output or not.
    client deflate < [binary+- 000100feff61 06]                        | ! 1007 DeflateInvalid
    client deflate < [binary+- 000100feff61 06] [ping "p"]             | ! 1007 DeflateInvalid
    client deflate < [text+ fffff0]                                    | ! 1007 DeflateInvalid
    # It ends inside a block, which would take the tail, and the next message, for more of itself.
    client deflate < [binary+ 000900f6ff48]                            | ! 1007 DeflateInvalid
    client deflate < [binary+ 000500faff48]                            | ! 1007 DeflateInvalid
    client deflate < [text+- f248cdc9] [cont c907]                     | ! 1007 DeflateInvalid
    client no-takeover < [text+ f248cdc9c907]                          | ! 1007 DeflateInvalid
    client deflate < [binary+ 0425]                                    | ! 1007 DeflateInvalid
    client deflate < [binary+ 04c1010100]                              | ! 1007 DeflateInvalid
    client deflate < [binary+ 04c10101000008c3a0acc3f7cf20ac492836d58edb61e5b0] | ! 1007 DeflateInvalid
    client deflate < [binary+ 04c10101000008c3a0acc3f7cf20ac492836d58edb61] | ! 1007 DeflateInvalid
    client deflate < [text+ f348cdc9c90700]                            | ! 1007 DeflateInvalid
    client deflate < [text+ ]                                          | ! 1007 DeflateInvalid
    server deflate < [text+ f248cdc9c90700] [binary+- ] [cont ]        | text Hello ! 1007 DeflateInvalid
    # A distance behind the beginning of all.
    client deflate < [text+ f200110000]                                | ! 1007 DeflateInvalid
    server deflate < [text+- 00] [ping "p"] [cont f200110000]          | ping "p" > [pong "p"] [close 1007 "compressed message that is not DEFLATE"] ! 1007 DeflateInvalid
    # Behind a good message, and it is told once.
    client deflate < [text+ f248cdc9c90700] [text+ 06] [text "x"]      | text Hello ! 1007 DeflateInvalid

    # §8.1 of RFC 6455 holds for what is inflated, however it was cut, and fails at the first byte that is wrong.
    client deflate < [text+ 7ad4b40600]                                | text "\u{20ac}"
    client deflate < [text+- 7a] [cont- d4b4] [cont 0600]              | text "\u{20ac}"
    client deflate < [text+ 7ad40400]                                  | ! 1007 TextNotUtf8
    client deflate < [binary+ 7ad40400]                                | binary e282
    client deflate < [text+ fa0f00]                                    | ! 1007 TextNotUtf8
    client deflate < [text+- fa0f00]                                   | ! 1007 TextNotUtf8
    client deflate < [text+- 000100feffff]                             | ! 1007 TextNotUtf8
    client deflate < c1 0b 000500faff61ff                              | ! 1007 TextNotUtf8
    client deflate < [text+- 000100feffc3] [cont 000100feffbc00]       | text "\u{fc}"
    client deflate < [text+- 000100feffc3] [cont 00]                   | ! 1007 TextNotUtf8
    client deflate < [text+ 000100feffc300] [text+ 000100feffbc00]     | ! 1007 TextNotUtf8

    # What is wrong first is told, in whatever pieces it comes: text, size, blocks.
    client deflate < [text+ 000100feffff 06]                           | ! 1007 TextNotUtf8
    client deflate < [text+ 000100feff61 06]                           | ! 1007 DeflateInvalid
    client deflate message=5 < [text+ 000700f8ff 61ff6161616161 00]    | ! 1007 TextNotUtf8
    client deflate message=5 < [text+ 000700f8ff 6161616161ff61 00]    | ! 1007 TextNotUtf8
    client deflate message=5 < [text+ 000700f8ff 616161616161ff 00]    | ! 1009 MessageTooLarge
    client deflate message=5 < [text+- 000300fcff616161] [cont 000400fbff616161ff 00] | ! 1009 MessageTooLarge
    client deflate message=1 < [binary+ 000200fdff6161 06]             | ! 1009 MessageTooLarge
    client deflate message=2 < [binary+ 000200fdff6161 06]             | ! 1007 DeflateInvalid

    # §10.4 of RFC 6455: the limit of a message holds for what it inflates to. Exactly the limit, and one more.
    client deflate message=5 < [text+ f248cdc9c90700]                  | text Hello
    client deflate message=4 < [text+ f248cdc9c90700]                  | ! 1009 MessageTooLarge
    client deflate message=5 < [text+ f248cdc9c90700] [text+ f200110000] | text Hello, text Hello
    client deflate message=300 < [binary+ 4a4c1c05c4020000]            | binary "a"*300
    client deflate message=299 < [binary+ 4a4c1c05c4020000]            | ! 1009 MessageTooLarge
    client deflate message=5000 < [binary+ ecc13101000000c2a0aceb5fc2147e4001000000006f03] | binary "a"*5000
    client deflate message=4999 < [binary+ ecc13101000000c2a0aceb5fc2147e4001000000006f03] | ! 1009 MessageTooLarge
    client deflate message=16384 < [binary+ ecc13101000000c2a0aceb5fc2183e4001 00*15 6f03] | binary "a"*16384
    client deflate message=16384 < [binary+ ecc13101000000c2a0aceb5fc2183e4001 00*15 7703] | ! 1009 MessageTooLarge
    # In the first fragment, in a middle one, in the last.
    client deflate message=5 < [binary+- 000600f9ff414243444546]       | ! 1009 MessageTooLarge
    client deflate message=5 < [binary+- 000300fcff414243] [cont- 000300fcff444546] | ! 1009 MessageTooLarge
    client deflate message=5 < [binary+- 000300fcff414243] [cont- ] [cont 000300fcff44454600] | ! 1009 MessageTooLarge
    client deflate message=5 < [binary+- 000300fcff414243] [cont 000200fdff444500] | binary "ABCDE"
    # Control frames do not count, nor does what stands around; the bytes on the wire count for the limit of a frame.
    client deflate message=5 < [binary+- 000300fcff414243] [ping 00*125] [cont 000200fdff444500] [text+ f248cdc9c90700] | ping 00*125, binary "ABCDE", text Hello > [pong 00*125]
    client deflate message=0 < [text+ 00] [binary+ 00] [text+- ] [cont 00] | text "", binary "", text ""
    client deflate message=0 < [text+ 4a0400]                          | ! 1009 MessageTooLarge
    client deflate message=3 < [text+ 000300fcff61626300]              | text abc
    client deflate message=5 frame=7 < [text+ f248cdc9c90700]          | text Hello
    client deflate message=5 frame=6 < c1 07                           | ! 1009 FrameTooLarge
    client deflate message=300 frame=300 < 42 7e 012d                  | ! 1009 FrameTooLarge
    client deflate fragments=2 < [text+- f2] [cont- 48] 80 00          | ! 1009 TooManyFragments
    # A limit that nothing reaches.
    client deflate message=18446744073709551615 < [text+ f248cdc9c90700] | text Hello

    # What a message inflates to for each of its bytes: the first 64 KiB are free.
    client deflate ratio=100 < [binary+ ecc181000000008020d6fd2516a90a 00*63 6a00] | binary "a"*65536
    client deflate ratio=100 < [binary+ ecc18100000000c320d6f94bfc205501 00*62 c00d] | ! 1009 RatioTooHigh
    client deflate ratio=1033 < [binary+ ecc13101000000c2a0aceb5fc210be4001 00*1015 7c06] | binary "a"*1048576
    # It is judged at the end of each frame, so that cuts inside make no difference.
    client deflate ratio=100 < [binary+ ecc18100000000c320d6f94bfc205501 00*62 c00d 0000ffff 001027efd8 62*10000 00] | binary 61*65537 62*10000
    client deflate ratio=100 < [binary+- ecc18100000000c320d6f94bfc205501 00*62 c00d 0000ffff] [cont 001027efd8 62*10000 00] | ! 1009 RatioTooHigh
    # The tail is not on the wire.
    client deflate ratio=819 < [binary+ ecc18100000000c320d6f94bfc205501 00*62 c00d] | ! 1009 RatioTooHigh
    client deflate ratio=820 < [binary+ ecc18100000000c320d6f94bfc205501 00*62 c00d] | binary 61*65537
    server deflate ratio=1000 < [binary+- ecc13101000000c2a0aceb5fc210be4001 00*1015] [cont 7c06] | ! 1009 RatioTooHigh
"#;

#[test]
fn table() {
    check_table(TABLE);
}

/// What is skipped of a compressed message is inflated, since the next one may refer to it, and nobody sees it.
#[test]
fn the_view_may_change_inside_a_compressed_message() {
    let wire = |frames: &str| Fixture::parse(&format!("client deflate < {frames} |")).input();
    let mut negotiated = Negotiated::default();
    negotiated.deflate = Some(Params::new());
    let mut client = connection_with(Role::Client, &Config::new(), negotiated);
    let mut input = BytesMut::from(&wire("[text+- f248cdc9] [cont- c90700 0000ffff]")[..]);
    // What was assembled is the first chunk.
    assert_eq!(client.receive(&mut input), Ok(None));
    let Ok(Some(Event::Data(chunk))) = client.receive_chunk(&mut input) else { panic!("no chunk") };
    assert_eq!((&chunk.data[..], chunk.fin), (&b"Hello"[..], false));
    // This is skipped, and not shown to who asks for chunks again.
    input.extend_from_slice(&wire("[cont- f200110000 0000ffff]"));
    assert_eq!(client.receive(&mut input), Ok(None));
    assert!(input.is_empty());
    input.extend_from_slice(&wire("[cont f200110000] [text+ f200110000]"));
    let mut heard = Vec::new();
    while let Ok(Some(Event::Data(chunk))) = client.receive_chunk(&mut input) {
        heard.extend_from_slice(&chunk.data);
    }
    assert_eq!(heard, b"Hello");
    input.extend_from_slice(&wire("[text+ f200110000]"));
    assert_eq!(client.receive(&mut input), Ok(Some(Event::Data(Message::from("Hello")))));
}

/// In chunks, all is given that can be inflated of what has come: nothing waits in the inflater for the next byte.
#[test]
fn nothing_stays_behind_in_the_inflater() {
    // "aa", and then 258 more, over and over, and half of them.
    let wire =
        Fixture::parse("client deflate < [binary+ ecc13101000000c2a0aceb5fc2183e4001 00*15 6f03] |").input();
    let mut negotiated = Negotiated::default();
    negotiated.deflate = Some(Params::new());
    let mut client = connection_with(Role::Client, &Config::new(), negotiated);
    let (mut input, mut heard) = (BytesMut::new(), Vec::new());
    for byte in wire {
        input.extend_from_slice(&[byte]);
        let mut len = *heard.last().unwrap_or(&0);
        while let Ok(Some(Event::Data(chunk))) = client.receive_chunk(&mut input) {
            len += chunk.data.len();
        }
        heard.push(len);
    }
    assert_eq!(heard.last(), Some(&16_384));
    assert!(heard.iter().all(|len| *len < 2 || len % 258 == 2 || *len == 16_384), "{heard:?}");
}
