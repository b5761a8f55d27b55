//! §10.4, limits: judged by the header, on the sum of all fragments, and told once.

use bytes::BytesMut;
use sansocket::{Config, Event, ProtocolError, Role, SendError};

use crate::support::{
    player::{check_table, connect, connection, drain},
    wire::frame,
};

pub(crate) const TABLE: &str = r#"
    # Exactly the limit, and one more, by the header alone: before the key, and before any payload.
    server message=5 frame=5 < [text "Hello"]                     | text Hello
    server message=5 frame=5 < 81 86                              | ! 1009 FrameTooLarge
    client message=5 < [text "Hello"]                             | text Hello
    client message=5 < 81 06                                      | ! 1009 MessageTooLarge
    client frame=5 < [text "Hello"]                               | text Hello
    client frame=5 < 81 06                                        | ! 1009 FrameTooLarge
    client frame=200 < 82 7e 00c9                                 | ! 1009 FrameTooLarge
    client message=200 < 82 7e 00c9                               | ! 1009 MessageTooLarge
    server message=65536 frame=65536 < 82 ff 0000000000010001     | ! 1009 FrameTooLarge
    # The default: 16 MiB.
    server < 82 ff 0000000001000001                               | ! 1009 FrameTooLarge
    server < 82 ff 0000000001000000 00000000 00*3                 |
    server frame=18446744073709551615 < 82 ff 0000000001000001    | ! 1009 MessageTooLarge

    # The sum counts: in the first fragment, in a middle one, in the last.
    client message=6 < 01 07                                      | ! 1009 MessageTooLarge
    client message=6 < [text- "abc"] 00 04                        | ! 1009 MessageTooLarge
    client message=6 < [text- "abc"] [cont- "def"] 80 01          | ! 1009 MessageTooLarge
    server message=6 < [text- "abc"] [cont- "def"] 80 81          | ! 1009 MessageTooLarge
    client message=6 < [text- "abc"] [cont "def"]                 | text abcdef
    client message=6 < [text- "abc"] [cont- "def"] [cont ]        | text abcdef
    client message=6 < [binary- "abc"] [cont- "de"] [cont "f"] [binary "ghijkl"] | binary "abcdef", binary "ghijkl"
    # Many frames below the limit of a frame must not come to more than the limit of a message.
    server message=12 frame=4 < [binary- 00*4] [cont- 00*4] [cont- 00*4] 00 81 | ! 1009 MessageTooLarge
    client frame=4 < [binary- 00*4] 80 05                         | ! 1009 FrameTooLarge

    # Sums that would overflow.
    client frame=18446744073709551615 < [binary- 00] 80 7f 7fffffffffffffff | ! 1009 MessageTooLarge
    client frame=18446744073709551615 message=18446744073709551614 < [binary- 00] 80 7f 7fffffffffffffff 00 |

    # Control frames are within no limit, and do not count.
    client message=3 frame=3 < [ping "Hello"]                     | ping "Hello" > [pong "Hello"]
    client message=3 frame=3 < [text- "ab"] [ping "Hello"] [cont "c"] | ping "Hello", text abc > [pong "Hello"]
    client message=3 frame=3 < [text- "ab"] [pong "Hello"] 80 02  | pong "Hello" ! 1009 MessageTooLarge
    client message=3 fragments=2 < [text- "a"] [ping ] [ping ] [ping ] [cont "b"] | ping "", ping "", ping "", text ab > [pong ] [pong ] [pong ]
    client message=0 frame=0 < [text ] [binary- ] [cont ]         | text "", binary ""
    client message=0 frame=0 < 82 01                              | ! 1009 FrameTooLarge

    # The number of fragments, empty ones too, judged by the first two bytes.
    client fragments=3 < [text- "a"] [cont- "b"] [cont "c"]       | text abc
    client fragments=3 < [text- "a"] [cont- "b"] [cont- "c"] 80 00 | ! 1009 TooManyFragments
    server fragments=3 < [text- ] [cont- ] [cont- ] 00 80         | ! 1009 TooManyFragments
    client fragments=1 < [text "a"] [text "b"]                    | text a, text b
    client fragments=1 < [text- "a"] 80 00                        | ! 1009 TooManyFragments
    # It begins anew with each message.
    client fragments=2 < [text- "a"] [cont "b"] [text- "c"] [cont "d"] | text ab, text cd

    # After the refusal the limit must not be forgotten: what was refused is not taken when it comes all the same.
    client message=5 frame=5 < 82 06 00*6 [binary 00]             | ! 1009 FrameTooLarge
    server message=5 < [text- "abc"] [cont "def"] [text "x"]      | ! 1009 MessageTooLarge
"#;

#[test]
fn table() {
    check_table(TABLE);
}

/// Ten million empty fragments are refused by their number, long before.
#[test]
fn a_flood_of_empty_fragments_ends_at_the_limit() {
    for payload in [&b""[..], b"a"] {
        let mut client = connect(Role::Client);
        let mut input = BytesMut::from(&frame(Role::Server, false, 2, payload)[..]);
        let batch = frame(Role::Server, false, 0, payload).repeat(1000);
        let mut frames = 1;
        let error = loop {
            frames += 1000;
            assert!(frames < 10_000_000, "nothing stops the flood");
            input.extend_from_slice(&batch);
            if let Err(error) = client.receive(&mut input) {
                break error;
            }
            assert!(input.is_empty());
        };
        assert_eq!(error, ProtocolError::TooManyFragments);
        assert!(frames > 1 << 17 && frames <= (1 << 17) + 1001, "{frames}");
    }
}

/// A limit of zero for pongs that wait means: one at a time, not none.
#[test]
fn pings_are_answered_with_any_limit() {
    let mut config = Config::new();
    config.limits.control = 0;
    let mut client = connection(Role::Client, &config);
    let mut input = BytesMut::from(&frame(Role::Server, true, 9, b"p")[..]);
    assert!(matches!(client.receive(&mut input), Ok(Some(Event::Ping(_)))));
    assert_eq!(drain(&mut client), frame(Role::Client, true, 10, b"p"));
}

/// A limit of zero for unsent output means one message at a time, not silence.
#[test]
fn a_message_is_sent_with_any_limit() {
    let mut config = Config::new();
    config.limits.unsent = 0;
    let mut server = connection(Role::Server, &config);
    for _ in 0..2 {
        server.send("x").unwrap();
        assert_eq!(server.send("y"), Err(SendError::Full));
        assert_eq!(drain(&mut server), b"\x81\x01x");
    }
}
