//! §8.1, text is UTF-8: across fragments and reads, up to its end, and refused at the first impossible byte.

use bytes::{Bytes, BytesMut};
use proptest::prelude::*;
use sansocket::{Event, ProtocolError, Role, Text, utf8::Validator};

use crate::support::{
    player::{check_table, connect},
    wire::frame,
};

pub(crate) const TABLE: &str = r#"
    server < [text "grüße"]                                       | text grüße
    client < [text "κόσμε"] [text "😀"] [text "a b"]              | text κόσμε, text 😀, text "a b"
    # The first and the last character of each length.
    client < [text 7f c280 dfbf e0a080 efbfbd f0908080 f48fbfbd]  | text "\u{7f}\u{80}\u{7ff}\u{800}\u{fffd}\u{10000}\u{10fffd}"
    # On both sides of the surrogates, and noncharacters, which are UTF-8 too.
    client < [text ed9fbf ee8080 efbfbe efbfbf f48fbfbf]          | text "\u{d7ff}\u{e000}\u{fffe}\u{ffff}\u{10ffff}"

    # A character may be cut by fragments, at each of its bytes, with control frames in between.
    server < [text- c3] [cont bc]                                 | text ü
    server < [text- e2] [cont- 82] [cont ac]                      | text €
    client < [text- f0] [cont- 9f] [cont- 98] [cont 80]           | text 😀
    client < [text- f09f] [ping 98] [cont 9880]                   | ping 98, text 😀 > [pong 98]
    server < [text- "gr" c3] [cont- ] [cont bc "n"]               | text grün

    # A text ends with a character, whatever its last frame holds.
    server < [text e2]                                            | ! 1007 TextNotUtf8
    server < [text e282]                                          | ! 1007 TextNotUtf8
    client < [text "gr" c3]                                       | ! 1007 TextNotUtf8
    client < [text f09f98]                                        | ! 1007 TextNotUtf8
    client < [text- "h" e2] [cont 82]                             | ! 1007 TextNotUtf8
    # An empty last fragment must not skip the end of the text.
    server < [text- "h" e282] [cont ]                             | ! 1007 TextNotUtf8
    client < [text- c3] [cont- ] [cont ]                          | ! 1007 TextNotUtf8
    client < [text- f09f] [ping ] [cont ]                         | ping "" > [pong ] [close 1007 "text message that is not UTF-8"] ! 1007 TextNotUtf8
    # The text before must not be left over in the next one.
    client < [text "ü"] [text "a"] [text- "b" c3] [cont bc] [text "c"] | text ü, text a, text bü, text c

    # Alone, too long, or impossible.
    server < [text 80]                                            | ! 1007 TextNotUtf8
    server < [text bf]                                            | ! 1007 TextNotUtf8
    server < [text c3 28]                                         | ! 1007 TextNotUtf8
    server < [text e2 28 a1]                                      | ! 1007 TextNotUtf8
    server < [text c080]                                          | ! 1007 TextNotUtf8
    server < [text c1bf]                                          | ! 1007 TextNotUtf8
    server < [text e080af]                                        | ! 1007 TextNotUtf8
    server < [text e09fbf]                                        | ! 1007 TextNotUtf8
    server < [text f08080af]                                      | ! 1007 TextNotUtf8
    server < [text f08fbfbf]                                      | ! 1007 TextNotUtf8
    server < [text f8]                                            | ! 1007 TextNotUtf8
    server < [text fc83bfbfbfbf]                                  | ! 1007 TextNotUtf8
    server < [text fe] [text ff]                                  | ! 1007 TextNotUtf8
    # Surrogates, alone and in pairs.
    client < [text eda080]                                        | ! 1007 TextNotUtf8
    client < [text edbfbf]                                        | ! 1007 TextNotUtf8
    client < [text eda0bdedb88f]                                  | ! 1007 TextNotUtf8
    # Above U+10FFFF.
    client < [text f4908080]                                      | ! 1007 TextNotUtf8
    client < [text f5808080]                                      | ! 1007 TextNotUtf8

    # At the first impossible byte of a frame that is far from whole.
    client < 81 7d "Hello" 80                                     | ! 1007 TextNotUtf8
    client < 81 7d "Hello" c0                                     | ! 1007 TextNotUtf8
    client < 81 7d e080                                           | ! 1007 TextNotUtf8
    client < 81 7d eda0                                           | ! 1007 TextNotUtf8
    client < 81 7d f080                                           | ! 1007 TextNotUtf8
    client < 81 7d f490                                           | ! 1007 TextNotUtf8
    client < 81 7d "Hello" f5                                     | ! 1007 TextNotUtf8
    client < 01 7f 0000000000100000 "Hello" ff                    | ! 1007 TextNotUtf8
    client < [text- ed] 00 7d a0                                  | ! 1007 TextNotUtf8
    # But not before it.
    client < 81 7d "Hello"                                        |
    client < 81 7d e0                                             |
    client < 81 7d ed9f                                           |
    client < 81 7d f48fbf                                         |

    # Binary is anything, and so are pings.
    server < [binary eda080 ff c0]                                | binary eda080ffc0
    server < [binary- ff] [cont c3]                               | binary ffc3
    server < [ping ff] [pong c3]                                  | ping ff, pong c3 > [pong ff]
    server < [text- "a"] [ping ff] [cont "b"]                     | ping ff, text ab > [pong ff]
"#;

#[test]
fn table() {
    check_table(TABLE);
}

/// The state of the byte-at-a-time twin: how many continuation bytes are due, and the range of the next one.
/// Written from table 3-7 of the Unicode standard.
#[derive(Clone, Copy)]
struct Twin {
    due: u8,
    range: (u8, u8),
}

impl Twin {
    const START: Self = Self { due: 0, range: (0x80, 0xbf) };

    fn push(&mut self, byte: u8) -> bool {
        if self.due > 0 {
            let possible = (self.range.0..=self.range.1).contains(&byte);
            *self = Self { due: self.due - 1, ..Self::START };
            return possible;
        }
        let (due, range) = match byte {
            0x00..=0x7f => (0, (0x80, 0xbf)),
            0xc2..=0xdf => (1, (0x80, 0xbf)),
            0xe0 => (2, (0xa0, 0xbf)),
            0xe1..=0xec | 0xee..=0xef => (2, (0x80, 0xbf)),
            0xed => (2, (0x80, 0x9f)),
            0xf0 => (3, (0x90, 0xbf)),
            0xf1..=0xf3 => (3, (0x80, 0xbf)),
            0xf4 => (3, (0x80, 0x8f)),
            _ => return false,
        };
        *self = Self { due, range };
        true
    }

    /// Where the bytes stop being the beginning of a text, and whether they end one.
    fn judge(bytes: &[u8]) -> (Option<usize>, bool) {
        let mut twin = Self::START;
        let impossible = bytes.iter().position(|&byte| !twin.push(byte));
        (impossible, impossible.is_none() && twin.due == 0)
    }
}

/// The index of the byte at which the validator fails, and whether it ends a text.
fn validate(bytes: &[u8]) -> (Option<usize>, bool) {
    let mut validator = Validator::new();
    let impossible = bytes.iter().position(|byte| validator.push(&[*byte]).is_err());
    (impossible, impossible.is_none() && validator.finish().is_ok())
}

/// Every sequence of two bytes, and every one of three and four whose bytes stand at the edges of their ranges.
#[test]
fn the_validator_fails_at_the_byte_at_which_its_twin_does() {
    let edges = [
        0, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0, 0xc1, 0xc2, 0xdf, 0xe0, 0xec, 0xed, 0xef, 0xf0,
        0xf4, 0xf5, 0xff,
    ];
    for first in 0..=u8::MAX {
        for second in 0..=u8::MAX {
            assert_eq!(validate(&[first, second]), Twin::judge(&[first, second]), "{first:02x} {second:02x}");
        }
        for second in edges {
            for third in edges {
                for fourth in edges {
                    let bytes = [first, second, third, fourth];
                    assert_eq!(validate(&bytes), Twin::judge(&bytes), "{bytes:02x?}");
                    let whole = Validator::new().push(&bytes).is_err();
                    assert_eq!(whole, Twin::judge(&bytes).0.is_some(), "{bytes:02x?} in one piece");
                }
            }
        }
    }
}

/// Every character there is, cut at each of its bytes.
#[test]
fn every_character_at_every_cut() {
    for character in '\0'..=char::MAX {
        let mut buffer = [0; 4];
        let bytes = character.encode_utf8(&mut buffer).as_bytes();
        for cut in 0..bytes.len() {
            let mut validator = Validator::new();
            assert!(validator.push(&bytes[..cut]).is_ok() && validator.push(&bytes[cut..]).is_ok());
            assert!(validator.finish().is_ok(), "{character:?} cut at {cut}");
            assert!(cut == 0 || Validator::new().push(&bytes[cut..]).is_err());
        }
    }
}

/// A text of more than one vector, with one byte replaced at each place and a cut around it: whole, the end of it is
/// checked otherwise than the rest, and in pieces the last character of each is set apart.
#[test]
fn one_broken_byte_at_every_place_of_a_long_text() {
    let text = "0123456789 grüße, 你好 😀 ".repeat(8);
    assert!(text.len() > 3 * 64);
    for at in 0..text.len() {
        for byte in [b'a', 0x80, 0xbf, 0xc0, 0xc3, 0xe2, 0xed, 0xf0, 0xf4, 0xff] {
            let mut bytes = text.clone().into_bytes();
            bytes[at] = byte;
            let (impossible, ends) = Twin::judge(&bytes);
            let is_possible_to = |end: usize| impossible.is_none_or(|at| at >= end);
            for cut in at.saturating_sub(4)..=(at + 4).min(bytes.len()) {
                let mut validator = Validator::new();
                let front = validator.push(&bytes[..cut]).is_ok();
                assert_eq!(front, is_possible_to(cut), "{byte:02x} at {at}, before {cut}");
                let whole = front && validator.push(&bytes[cut..]).is_ok();
                assert_eq!(whole, is_possible_to(bytes.len()), "{byte:02x} at {at}, cut at {cut}");
                assert_eq!(whole && validator.finish().is_ok(), ends, "{byte:02x} at {at}, cut at {cut}");
            }
            let standard = std::str::from_utf8(&bytes).map(str::to_owned);
            assert_eq!(Text::try_from(Bytes::from(bytes)).map(|text| text.as_str().to_owned()), standard);
        }
    }
}

/// After a failure, and after an end, the validator begins a new text.
#[test]
fn a_validator_can_be_used_again() {
    let mut validator = Validator::new();
    assert!(validator.push(b"\xe2\x82").is_ok() && validator.finish().is_err());
    assert!(validator.push(b"a").is_ok() && validator.finish().is_ok());
    assert!(validator.push(b"\xe2\x82\x28").is_err());
    assert!(validator.push(b"\xc3").is_ok() && validator.push(b"\xc3").is_err());
    assert!(validator.push(b"a").is_ok() && validator.finish().is_ok());
}

fn nearly_utf8() -> impl Strategy<Value = Vec<u8>> {
    let pieces = prop_oneof![
        4 => any::<char>().prop_map(|character| character.to_string().into_bytes()),
        4 => "[a-zäß€😀]{0,20}".prop_map(String::into_bytes),
        1 => "[a-z]{0,150}[äß€😀]{0,50}".prop_map(String::into_bytes),
        1 => prop::collection::vec(any::<u8>(), 0..4),
        1 => prop::sample::select(vec![&b"\xed\xa0"[..], b"\xe0\x80", b"\xf4\x90", b"\xc0", b"\xf0\x9f\x98"]).prop_map(<[u8]>::to_vec),
    ];
    prop::collection::vec(pieces, 0..8).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn the_validator_equals_the_standard_library_for_any_cuts(
        bytes in nearly_utf8(),
        cuts in prop::collection::vec(0..256usize, 0..8),
    ) {
        let mut cuts: Vec<_> = cuts.into_iter().map(|cut| cut.min(bytes.len())).collect();
        cuts.extend([0, bytes.len()]);
        cuts.sort_unstable();
        let mut validator = Validator::new();
        let failed_in = cuts.windows(2).find(|cut| validator.push(&bytes[cut[0]..cut[1]]).is_err());
        let (impossible, ends) = Twin::judge(&bytes);
        match (failed_in, impossible) {
            (Some(piece), Some(at)) => prop_assert!((piece[0]..piece[1]).contains(&at)),
            (None, None) => prop_assert_eq!(validator.finish().is_ok(), ends),
            (failed_in, impossible) => prop_assert!(false, "{:?} but {:?}", failed_in, impossible),
        }
        prop_assert_eq!(ends, std::str::from_utf8(&bytes).is_ok());
        prop_assert_eq!(validate(&bytes), (impossible, ends));
        prop_assert_eq!(Text::try_from(Bytes::from(bytes)).is_ok(), ends);
    }

    /// A text message in fragments fails at exactly the byte at which its text becomes impossible, or at its end.
    #[test]
    fn a_message_fails_at_the_first_impossible_byte(bytes in nearly_utf8(), cut in 0..64usize) {
        let cut = cut.min(bytes.len());
        let wire = [frame(Role::Server, false, 1, &bytes[..cut]), frame(Role::Server, true, 0, &bytes[cut..])].concat();
        let mut client = connect(Role::Client);
        let mut input = BytesMut::new();
        let mut failed_at = None;
        let mut delivered = None;
        for (at, byte) in wire.iter().enumerate() {
            input.extend_from_slice(&[*byte]);
            match client.receive(&mut input) {
                Ok(Some(Event::Data(message))) => delivered = Some(message),
                Ok(_) => {}
                Err(error) => {
                    prop_assert_eq!(error, ProtocolError::TextNotUtf8);
                    failed_at = Some(at);
                    break;
                }
            }
        }
        // On the wire, each payload stands behind a header of two or four bytes.
        let header = |len: usize| if len < 126 { 2 } else { 4 };
        let on_wire = |at: usize| at + header(cut) + if at < cut { 0 } else { header(bytes.len() - cut) };
        let (impossible, ends) = Twin::judge(&bytes);
        let expected = impossible.map(on_wire).or((!ends).then_some(wire.len() - 1));
        prop_assert_eq!(failed_at, expected);
        prop_assert_eq!(delivered.map(|message| message.into_bytes().to_vec()), ends.then_some(bytes));
    }
}
