//! §5.5.1 and §7, closing: the Close frame, its codes, and how far the conversation has come.

use bytes::{Buf, Bytes, BytesMut};
use proptest::prelude::*;
use sansocket::{CloseCode, CloseFrame, Event, ProtocolError, Role, SendError, State, Text, frame::OpCode};

use crate::{
    control::keeping_a_pong,
    support::{
        player::{VIEWS, check_table, connect, drain},
        wire::{Fixture, close_payload, frame, frames, peer},
    },
};

pub(crate) const TABLE: &str = r#"
    # §5.5.1: a Close frame is answered with one that echoes its code.
    server < [close 1000]                                          | close 1000 > [close 1000]
    client < [close 1001 "bye"]                                    | close 1001 "bye" > [close 1001]
    server < [close ]                                              | close > [close ]
    client < [close ]                                              | close > [close ]
    server < [close 4999 "grüße"]                                  | close 4999 "grüße" > [close 4999]
    client < 88 7d 03e8 61*123                                     | close 1000 61*123 > [close 1000]

    # A payload of one byte has no code in it.
    server < 88 81 37fa213d 34                                     | ! 1002 ClosePayloadOneByte
    client < 88 01 03                                              | ! 1002 ClosePayloadOneByte

    # §7.4: codes that must not be on the wire.
    server < [close 0]                                             | ! 1002 CloseCodeInvalid
    server < [close 999]                                           | ! 1002 CloseCodeInvalid
    client < [close 1004]                                          | ! 1002 CloseCodeInvalid
    client < [close 1005]                                          | ! 1002 CloseCodeInvalid
    client < [close 1006]                                          | ! 1002 CloseCodeInvalid
    client < [close 1015]                                          | ! 1002 CloseCodeInvalid
    server < [close 1016]                                          | ! 1002 CloseCodeInvalid
    server < [close 2999]                                          | ! 1002 CloseCodeInvalid
    server < [close 5000]                                          | ! 1002 CloseCodeInvalid
    server < [close 65535 "reason"]                                | ! 1002 CloseCodeInvalid

    # §8.1 holds for the reason: not UTF-8, half a character, a surrogate, an overlong form.
    server < [close 1000 ff]                                       | ! 1007 CloseReasonNotUtf8
    client < [close 1000 "gr" c3]                                  | ! 1007 CloseReasonNotUtf8
    client < [close 1000 eda080]                                   | ! 1007 CloseReasonNotUtf8
    client < [close 1000 c080]                                     | ! 1007 CloseReasonNotUtf8
    # The code is judged before the reason.
    client < [close 1005 ff]                                       | ! 1002 CloseCodeInvalid

    # Nothing that follows the peer's Close frame is looked at, not even a breach.
    server < [close 1000] [text "late"] [ping "p"]                 | close 1000 > [close 1000]
    client < [close 1000] c1 80 ff                                 | close 1000 > [close 1000]
    server < [close 1000] [close 1001]                             | close 1000 > [close 1000]

    # §7.1.1: the server shuts down first, and the client waits for that.
    server < (open read) [close 1000] (closed shutdown) eof (closed shutdown)                          | close 1000 > [close 1000]
    client < (open read) [close 1000] (closed read) eof (closed shutdown)                              | close 1000 > [close 1000]
    server < {close 1000} (closing read) [close 1000] (closed shutdown) eof (closed shutdown)          | close 1000 > [close 1000]
    client < {close 1000} (closing read) [close 1000] (closed read) eof (closed shutdown)              | close 1000 > [close 1000]
    # Both at once: the Close frames cross, and none is answered twice. Each end keeps both codes.
    server < {close 1001 "down"} [close 4000 "mine"] (closed shutdown)                                 | close 4000 "mine" > [close 1001 "down"]
    client < {close } [close 1000] (closed read) eof (closed shutdown)                                 | close 1000 > [close ]

    # After our Close frame data is still received, and pings are still answered (§5.5.2).
    client < {close 1000} [text "late"] [ping "p"] [close 1000]    | text late, ping "p", close 1000 > [close 1000] [pong "p"]
    server < [text- "a"] {close 1000} [cont "b"] [close 1000]      | text ab, close 1000 > [close 1000]
    # Nothing can be sent after either Close frame, and nothing is closed twice.
    client < {close 1000} {text "x"} {ping "x"} {pong "x"} {text- "x"} {close 1000} | refused Closed, refused Closed, refused Closed, refused Closed, refused Closed > [close 1000]
    server < [close 1000] {binary 00} {ping } {pong } {binary- 00} {close } | close 1000, refused Closed, refused Closed, refused Closed, refused Closed, refused Closed > [close 1000]
    # A Close frame may end a message that is being sent in chunks.
    server < {text- "a"} {close 1000} {text. "b"} [close 1000]     | refused Closed, close 1000 > [text- "a"] [close 1000]

    # §7.1.5: an end of the stream without a Close frame, at any place, is not a clean one.
    server < eof (closed shutdown)                                 | ! 1006 EofWithoutClose
    client < eof (closed shutdown)                                 | ! 1006 EofWithoutClose
    client < 81 eof (closed shutdown)                              | ! 1006 EofWithoutClose
    client < 81 05 "Hel" eof (closed shutdown)                     | ! 1006 EofWithoutClose
    server < [text- "Hel"] eof (closed shutdown)                   | ! 1006 EofWithoutClose
    server < [text "Hello"] 88 82 37fa213d 34 eof                  | text Hello ! 1006 EofWithoutClose
    client < {close 1000} eof (closed shutdown)                    | > [close 1000] ! 1006 EofWithoutClose
    server < eof {text "x"} {close 1000} [text "y"]                | refused Closed, refused Closed ! 1006 EofWithoutClose

    # A breach closes: the Close frame is told at once, and what follows is read but not looked at, so that the stream
    # is not reset under it.
    server < c1 80 (closed read shutdown) [text "x"] eof (closed shutdown) | ! 1002 ReservedBit
    client < 03 00 (closed read shutdown) [text "x"] eof (closed shutdown) | ! 1002 ReservedOpCode
    server < c1 80 {text "x"} {ping } {close 1000}                 | refused Closed, refused Closed, refused Closed ! 1002 ReservedBit
    # After our Close frame a breach has nothing more to say.
    client < {close 1000} (closing read) 03 00 (closed read shutdown) | > [close 1000] ! 1002 ReservedOpCode
    server < {close 1000} [text ff]                                | > [close 1000] ! 1007 TextNotUtf8
    # An error stays what it was, also when the stream ends.
    server < c1 80 eof                                             | ! 1002 ReservedBit
"#;

#[test]
fn table() {
    check_table(TABLE);
}

/// §7.4.1, §7.4.2 and the registry of §11.7: what may be on the wire.
const SENDABLE: [std::ops::RangeInclusive<u16>; 3] = [1000..=1003, 1007..=1014, 3000..=4999];

fn may_be_sent(code: u16) -> bool {
    SENDABLE.iter().any(|range| range.contains(&code))
}

#[test]
fn every_close_code_received() {
    for role in [Role::Server, Role::Client] {
        for code in 0..=u16::MAX {
            let mut end = connect(role);
            let mut input = BytesMut::from(&frame(peer(role), true, 8, &close_payload(code, "why"))[..]);
            let received = end.receive(&mut input);
            let told = frames(&drain(&mut end)).into_iter().map(|(_, payload)| payload).collect::<Vec<_>>();
            if may_be_sent(code) {
                let Ok(Some(Event::Close(Some(close)))) = received else { panic!("{code}: {received:?}") };
                assert_eq!((u16::from(close.code()), close.reason()), (code, "why"));
                assert_eq!(end.received_close(), Some(Some(&close)));
                assert_eq!(told, [code.to_be_bytes()]);
            } else {
                assert_eq!(received, Err(ProtocolError::CloseCodeInvalid), "{code}");
                assert_eq!(told, [close_payload(1002, ProtocolError::CloseCodeInvalid.as_str())]);
                assert_eq!(end.received_close(), None);
            }
        }
    }
}

#[test]
fn every_close_code_sent() {
    for code in 0..=u16::MAX {
        assert_eq!(CloseCode::from(code).is_sendable(), may_be_sent(code), "{code}");
        match CloseFrame::new(code, "why") {
            Err(error) => assert_eq!((error, may_be_sent(code)), (SendError::CodeNotSendable, false)),
            Ok(close) => {
                assert!(may_be_sent(code), "{code}");
                let mut server = connect(Role::Server);
                server.close(close.clone()).unwrap();
                assert_eq!(server.sent_close(), Some(Some(&close)));
                assert_eq!(drain(&mut server), frame(Role::Server, true, 8, &close_payload(code, "why")));
            }
        }
        assert_eq!(CloseFrame::cropped(code, "why").is_ok(), may_be_sent(code));
        let parsed = CloseFrame::parse(&close_payload(code, ""));
        assert_eq!(parsed.is_ok(), may_be_sent(code));
    }
}

#[test]
fn a_reason_has_at_most_123_bytes() {
    assert!(CloseFrame::new(1000, "a".repeat(123)).is_ok());
    assert_eq!(CloseFrame::new(1000, "a".repeat(124)), Err(SendError::ReasonTooLong));
    assert_eq!(CloseFrame::new(1000, "é".repeat(62)), Err(SendError::ReasonTooLong));
}

/// A reason is cut between two characters, at the last place that fits.
#[test]
fn a_long_reason_is_cropped_between_characters() {
    for (character, width) in [("a", 1), ("é", 2), ("€", 3), ("😀", 4)] {
        for lead in 0..=125 {
            let reason = "x".repeat(lead) + &character.repeat(40);
            let cropped = CloseFrame::cropped(1000, &reason).unwrap();
            let fits = if lead >= 123 { 123 } else { lead + ((123 - lead) / width).min(40) * width };
            assert_eq!(cropped.reason(), &reason[..fits], "{character} at {lead}");
        }
    }
    assert_eq!(CloseFrame::cropped(1000, "").unwrap(), CloseFrame::NORMAL);
}

/// A value of this type can always be sent, however it came to be.
#[test]
fn a_close_payload_longer_than_a_control_frame_does_not_parse() {
    assert!(CloseFrame::parse(&close_payload(1000, &"a".repeat(123))).is_ok());
    let too_long = close_payload(1000, &"a".repeat(124));
    assert!(CloseFrame::parse(&too_long).is_err(), "it would be sent as a frame of {} bytes", too_long.len());
}

/// The Close frame is the last event: what was assembled of a message is given up.
#[test]
fn no_chunk_comes_after_the_close_frame() {
    let mut server = connect(Role::Server);
    let mut input = BytesMut::from(&Fixture::parse(r#"server < [text- "abc"] [close 1000] |"#).input()[..]);
    assert!(matches!(server.receive(&mut input), Ok(Some(Event::Close(_)))));
    assert_eq!(server.receive_chunk(&mut input), Ok(None));
    assert_eq!(server.receive(&mut input), Ok(None));
}

/// Each error, told to the peer, is a Close frame that may be sent and says which rule it was.
#[test]
fn every_error_has_its_close_frame() {
    for &error in ProtocolError::ALL {
        match CloseFrame::for_error(error) {
            Some(close) => {
                assert_eq!((u16::from(close.code()), close.reason()), (error.close_code(), error.as_str()));
            }
            None => assert_eq!(error, ProtocolError::EofWithoutClose),
        }
    }
}

/// The stream ends at each byte of a conversation: clean behind the Close frame, unclean anywhere before.
#[test]
fn eof_at_each_byte_of_a_conversation() {
    for role in [Role::Server, Role::Client] {
        let parts = [
            frame(peer(role), true, 1, b"Hello"),
            frame(peer(role), false, 2, b"bin"),
            frame(peer(role), true, 9, b"p"),
            frame(peer(role), true, 0, b"ary"),
            frame(peer(role), true, 8, &close_payload(1000, "bye")),
        ];
        let conversation = parts.concat();
        for end_at in 0..=conversation.len() {
            for view in VIEWS {
                let mut player = crate::support::player::Player::new(connect(role), view);
                player.feed(&conversation[..end_at]);
                let ended = player.connection.receive_eof();
                assert!(player.wrong.is_empty(), "{:?}", player.wrong);
                let whole = [0, 1, 2, 3, 4].map(|n| parts[..=n].concat().len() <= end_at);
                // The text, the ping, the binary message and the Close frame are events.
                let events = [whole[0], whole[2], whole[3], whole[4]].iter().filter(|whole| **whole).count();
                assert_eq!(player.seen.said.len(), events, "{role:?} {view:?} {end_at}");
                let clean = end_at == conversation.len();
                assert_eq!(ended.is_ok(), clean);
                assert_eq!(player.connection.error(), (!clean).then_some(ProtocolError::EofWithoutClose));
                assert_eq!(player.connection.state(), State::Closed);
                assert!(!player.connection.wants_read() && player.connection.wants_shutdown());
                assert_eq!(player.connection.receive(&mut BytesMut::new()).is_ok(), clean);
            }
        }
    }
}

/// It is not yet time to shut down while the Close frame, or anything before it, waits for the wire.
#[test]
fn shutdown_waits_for_what_is_unsent() {
    for (role, script) in [
        (Role::Server, r#"server < [close 1000] |"#),
        (Role::Server, r#"server < c1 80 |"#),
        (Role::Client, r#"client < c1 |"#),
    ] {
        let mut end = connect(role);
        end.send("first").unwrap();
        let mut input = BytesMut::from(&Fixture::parse(script).input()[..]);
        if role == Role::Client {
            input.extend_from_slice(&[0]);
        }
        let _ = end.receive(&mut input);
        while end.unsent() > 0 {
            assert_eq!((end.state(), end.wants_shutdown()), (State::Closed, false), "{script}");
            end.transmit().advance(1);
        }
        assert!(end.wants_shutdown(), "{script}");
    }
}

/// A connection whose stream cannot be written to any more is not open: nothing can be sent.
#[test]
fn an_abandoned_connection_still_hears_but_says_nothing() {
    let mut server = connect(Role::Server);
    server.send("lost").unwrap();
    server.abandon();
    assert_eq!(server.unsent(), 0);
    assert_ne!(server.state(), State::Open);
    assert_eq!(server.send("x"), Err(SendError::Closed));
    assert_eq!(server.close(None), Err(SendError::Closed));
    let mut input =
        BytesMut::from(&Fixture::parse(r#"server < [text "still"] [ping "p"] [close 1000] |"#).input()[..]);
    assert!(matches!(server.receive(&mut input), Ok(Some(Event::Data(_)))));
    assert!(matches!(server.receive(&mut input), Ok(Some(Event::Ping(_)))));
    assert!(matches!(server.receive(&mut input), Ok(Some(Event::Close(_)))));
    assert_eq!(drain(&mut server), b"");
    assert_eq!((server.state(), server.wants_shutdown()), (State::Closed, true));
}

/// The answer to a ping that waited for room is dropped with the rest.
#[test]
fn an_abandoned_connection_keeps_no_pong() {
    let mut server = keeping_a_pong(Role::Server);
    server.abandon();
    assert_eq!((server.unsent(), drain(&mut server)), (0, Vec::new()));
}

/// A breach on a stream that cannot be written to says nothing either.
#[test]
fn an_abandoned_connection_tells_no_breach() {
    let mut server = connect(Role::Server);
    server.abandon();
    let error = server.receive(&mut BytesMut::from(&b"\xc1\x80"[..]));
    assert_eq!(error, Err(ProtocolError::ReservedBit));
    assert_eq!(drain(&mut server), b"");
    assert_eq!(server.sent_close(), None);
}

/// §5.5.2: a ping is answered "unless it already received a Close frame": a pong that waited for room is dropped then,
/// and after a breach too. Our Close frame is the last.
#[test]
fn our_close_frame_is_remembered_when_the_stream_ends() {
    let close = CloseFrame::new(1000, "bye").unwrap();
    for is_abandoned in [false, true] {
        let mut server = connect(Role::Server);
        server.close(close.clone()).unwrap();
        if is_abandoned {
            server.abandon();
        }
        let _ = server.receive_eof();
        assert_eq!(server.sent_close(), Some(Some(&close)));
    }
}

#[test]
fn no_pong_follows_the_last_close_frame() {
    for last in [r#"server < [close 1000] |"#, "server < c1 80 |"] {
        let mut server = keeping_a_pong(Role::Server);
        let mut input = BytesMut::from(&Fixture::parse(last).input()[..]);
        while let Ok(Some(_)) = server.receive(&mut input) {}
        let sent = frames(&drain(&mut server)).into_iter().map(|(header, _)| header.opcode);
        assert_eq!(sent.collect::<Vec<_>>(), [OpCode::Pong, OpCode::Close], "{last}");
    }
}

/// The halves, shown to each other by hand, behave as the whole.
#[test]
fn the_halves_answer_as_the_whole_does() {
    let (mut receiver, mut sender) = connect(Role::Server).into_halves();
    let script = r#"server < [ping "p"] [close 1001 "bye"] [text "late"] |"#;
    let mut input = BytesMut::from(&Fixture::parse(script).input()[..]);
    while let Ok(Some(event)) = receiver.receive(&mut input) {
        sender.reply(&Ok(Some(event)));
    }
    let answered = sender.transmit();
    let output = answered.copy_to_bytes(answered.remaining());
    let answers: Vec<_> =
        frames(&output).into_iter().map(|(header, payload)| (header.opcode, payload)).collect();
    assert_eq!(answers, [(OpCode::Pong, b"p".to_vec()), (OpCode::Close, b"\x03\xe9".to_vec())]);
    assert_eq!(receiver.received_close().unwrap().unwrap().reason(), "bye");
    receiver.receive_eof().unwrap();
    assert!(receiver.is_eof() && receiver.error().is_none());
}

/// A sender that is shown the end of the stream takes nothing more.
#[test]
fn a_sender_half_learns_of_the_end_from_the_reply() {
    let (mut receiver, mut sender) = connect(Role::Client).into_halves();
    let ended = receiver.receive_eof().map(|()| None::<Event>);
    assert_eq!(ended, Err(ProtocolError::EofWithoutClose));
    sender.reply(&ended);
    assert_eq!((sender.send("x"), sender.unsent()), (Err(SendError::Closed), 0));
}

proptest! {
    #[test]
    fn writing_and_parsing_a_close_frame_is_the_identity(
        code in prop_oneof![1000..=1003u16, 1007..=1014u16, 3000..=4999u16],
        reason in "\\PC{0,40}",
    ) {
        let close = CloseFrame::cropped(code, &reason).unwrap();
        let mut wire = Vec::new();
        close.write(&mut wire);
        prop_assert!(wire.len() <= 125);
        prop_assert_eq!(CloseFrame::parse(&wire), Ok(Some(close)));
    }

    #[test]
    fn any_payload_parses_to_a_close_frame_that_writes_it_or_to_nothing(
        payload in prop::collection::vec(any::<u8>(), 0..10),
    ) {
        match CloseFrame::parse(&payload) {
            Ok(Some(close)) => {
                let mut wire = Vec::new();
                close.write(&mut wire);
                prop_assert_eq!(wire, payload);
            }
            Ok(None) => prop_assert!(payload.is_empty()),
            Err(error) => {
                let code = payload.first_chunk().map(|bytes| u16::from_be_bytes(*bytes));
                let expected = match code {
                    None => ProtocolError::ClosePayloadOneByte,
                    Some(code) if !may_be_sent(code) => ProtocolError::CloseCodeInvalid,
                    Some(_) => ProtocolError::CloseReasonNotUtf8,
                };
                prop_assert_eq!(error, expected);
                prop_assert!(code.is_none() || !may_be_sent(code.unwrap()) || Text::try_from(Bytes::from(payload[2..].to_vec())).is_err());
            }
        }
    }
}
