//! §5.4, fragmentation.

use bytes::{Bytes, BytesMut};
use sansocket::{Event, Kind, Message, Role};

use crate::support::{
    player::{check_table, connect},
    wire::{Fixture, frame},
};

pub(crate) const TABLE: &str = r#"
    # A message in fragments is the same message.
    client < [text- "Hel"] [cont "lo"]                            | text Hello
    server < [text- "Hel"] [cont "lo"]                            | text Hello
    server < [text- "H"] [cont- "e"] [cont- "l"] [cont- "l"] [cont "o"] | text Hello
    client < [binary- 00ff] [cont 0102]                           | binary 00ff0102
    client < [binary- "a"] [cont "b"] [text- "c"] [cont "d"]      | binary "ab", text cd
    # Its kind is that of its first frame, also when that is empty.
    client < [text- ] [cont "a"]                                  | text a
    client < [binary- ] [cont "a"]                                | binary "a"

    # Empty fragments anywhere.
    client < [text- ] [cont ]                                     | text ""
    client < [text- ] [cont- ] [cont- ] [cont ]                   | text ""
    server < [text- "a"] [cont- ] [cont- ] [cont "b"]             | text ab
    server < [text- "a"] [cont ]                                  | text a
    server < [binary- ] [cont- "a"] [cont ]                       | binary "a"
    # An empty first fragment begins a message: it must not be forgotten because it held nothing.
    client < [text- ] [text "b"]                                  | ! 1002 MessageInsideMessage

    # Control frames go between fragments and leave the message alone.
    client < [text- "Hel"] [ping "p"] [cont "lo"]                 | ping "p", text Hello > [pong "p"]
    server < [text- "Hel"] [pong "p"] [cont "lo"]                 | pong "p", text Hello
    # The payload of a control frame must not run into the message around it, nor the message into it.
    server < [binary- "hel"] [ping "PING"] [cont "lo"]            | ping "PING", binary "hello" > [pong "PING"]
    server < [text- "a"] [ping "1"] [cont- "b"] [ping "2"] [pong "3"] [cont "c"] | ping "1", ping "2", pong "3", text abc > [pong "1"] [pong "2"]
    client < [text- "a"] [ping ] [cont- ] [ping ] [cont ]         | ping "", ping "", text a > [pong ] [pong ]
    # A Close frame too: the message is never finished.
    server < [text- "Hel"] [close 1000] [cont "lo"]               | close 1000 > [close 1000]

    # A continuation continues something.
    server < 80 80                                                | ! 1002 ContinuationWithoutStart
    server < 00 80                                                | ! 1002 ContinuationWithoutStart
    client < 80 7f 7fffffffffffffff                               | ! 1002 ContinuationWithoutStart
    client < [text "a"] [cont "b"]                                | text a ! 1002 ContinuationWithoutStart
    client < [text- "a"] [cont "b"] [cont "c"]                    | text ab ! 1002 ContinuationWithoutStart
    client < [ping ] [cont ]                                      | ping "" > [pong ] [close 1002 "continuation frame without a message to continue"] ! 1002 ContinuationWithoutStart

    # No message inside a message, of the same kind or of another, final or not.
    server < [text- "a"] 81 80                                    | ! 1002 MessageInsideMessage
    server < [text- "a"] 82 80                                    | ! 1002 MessageInsideMessage
    server < [binary- "a"] 01 80                                  | ! 1002 MessageInsideMessage
    client < [binary- "a"] 02 7f 7fffffffffffffff                 | ! 1002 MessageInsideMessage
    client < [text- "a"] [ping ] [text "b"]                       | ping "" > [pong ] [close 1002 "new message inside a fragmented message"] ! 1002 MessageInsideMessage

    # A large message in pieces, across the sizes at which payloads are copied.
    client < [binary- 61*4095] [cont 62*2]                        | binary 61*4095 62*2
    client < [binary- 61*4096] [cont 62*4096]                     | binary 61*4096 62*4096
    server < [binary- 61] [cont 62*5000]                          | binary 61 62*5000
    server < [binary- ] [cont 62*5000]                            | binary 62*5000
    client < [binary 61*4095] [binary 62*4096] [binary 63*4097]   | binary 61*4095, binary 62*4096, binary 63*4097
"#;

#[test]
fn table() {
    check_table(TABLE);
}

/// The view may change between any two calls: what one has assembled is the other's first chunk, and of a message
/// whose beginning was taken the rest is skipped, never delivered as if it were whole.
#[test]
fn the_view_may_change_inside_a_message() {
    let mut server = connect(Role::Server);
    let mut input = BytesMut::new();
    let feed = |input: &mut BytesMut, frames: &str| {
        input.extend_from_slice(&Fixture::parse(&format!("server < {frames} |")).input());
    };

    feed(&mut input, r#"[text- "ab"] [cont- "cd"]"#);
    assert_eq!(server.receive(&mut input), Ok(None));
    feed(&mut input, r#"[cont- "ef"]"#);
    let chunk = |event| match event {
        Ok(Some(Event::Data(chunk))) => chunk,
        other => panic!("no chunk: {other:?}"),
    };
    let first: sansocket::Chunk = chunk(server.receive_chunk(&mut input));
    assert_eq!((first.kind, &first.data[..], first.fin), (Kind::Text, &b"abcd"[..], false));
    let second = chunk(server.receive_chunk(&mut input));
    assert_eq!((&second.data[..], second.fin), (&b"ef"[..], false));

    feed(&mut input, r#"[ping "p"] [cont- "gh"] [cont "ij"] [text "next"]"#);
    assert_eq!(server.receive(&mut input), Ok(Some(Event::Ping(Bytes::from_static(b"p")))));
    assert_eq!(server.receive(&mut input), Ok(Some(Event::Data(Message::from("next")))));
    assert_eq!(server.receive(&mut input), Ok(None));
}

/// The same inside one frame, at each byte of its payload.
#[test]
fn the_view_may_change_inside_a_frame() {
    let wire = Fixture::parse(r#"server < [text "Hello"] [text "next"] |"#).input();
    for cut in 7..11 {
        let mut server = connect(Role::Server);
        let mut input = BytesMut::from(&wire[..cut]);
        assert_eq!(server.receive(&mut input), Ok(None));
        let Ok(Some(Event::Data(chunk))) = server.receive_chunk(&mut input) else { panic!("no chunk") };
        assert_eq!((&chunk.data[..], chunk.fin), (&b"Hello"[..cut - 6], false));
        input.extend_from_slice(&wire[cut..]);
        assert_eq!(server.receive(&mut input), Ok(Some(Event::Data(Message::from("next")))));
    }
}

/// What is skipped is skipped as it comes, and not held until it is whole.
#[test]
fn the_rest_of_a_skipped_frame_is_not_held() {
    let wire = frame(Role::Client, true, 2, &[7; 1000]);
    let mut server = connect(Role::Server);
    let mut input = BytesMut::from(&wire[..100]);
    assert!(matches!(server.receive_chunk(&mut input), Ok(Some(Event::Data(_)))));
    for piece in wire[100..].chunks(100) {
        input.extend_from_slice(piece);
        assert_eq!(server.receive(&mut input), Ok(None));
        assert!(input.is_empty(), "{} bytes held", input.len());
    }
}

/// A message in fragments leaves the input as it comes, its last fragment too: only a message that is one frame waits
/// there, because it leaves without a copy.
#[test]
fn fragments_are_taken_from_the_input_as_they_come() {
    let mut client = connect(Role::Client);
    let mut input = BytesMut::from(&frame(Role::Server, false, 2, b"first")[..]);
    let last = frame(Role::Server, true, 0, &[7; 1000]);
    for piece in last.chunks(100) {
        input.extend_from_slice(piece);
        let received = client.receive(&mut input);
        assert!(matches!(received, Ok(None) | Ok(Some(Event::Data(_)))), "{received:?}");
        assert!(input.is_empty(), "{} bytes held", input.len());
    }
}
