//! §5.1 to §5.5 against an oracle: all 65,536 first two bytes, for each role, in each state that a connection may be
//! in. The oracle is a table of the sentences of the RFC, and shares nothing with the machine.

use bytes::BytesMut;
use sansocket::{CloseFrame, Connection, Event, Message, ProtocolError, Role};

use crate::support::{
    player::{connect, drain},
    wire::{close_payload, frame, peer},
};

/// What stood before the two bytes.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Before {
    Nothing,
    TextOpen,
    BinaryOpen,
    WeClosed,
    PeerClosed,
    Failed,
}

/// The first two bytes of a frame, and what they arrive at.
#[derive(Clone, Copy, Debug)]
struct Case {
    role: Role,
    before: Before,
    first: u8,
    second: u8,
}

impl Case {
    fn fin(self) -> bool {
        self.first & 0b1000_0000 != 0
    }

    fn opcode(self) -> u8 {
        self.first & 0b0000_1111
    }

    fn length(self) -> u8 {
        self.second & 0b0111_1111
    }

    fn message_open(self) -> bool {
        matches!(self.before, Before::TextOpen | Before::BinaryOpen)
    }
}

/// A sentence that forbids some frames: its section and whether it forbids this one.
type Rule = (&'static str, fn(Case) -> bool);

const RULES: [Rule; 9] = [
    // "MUST be 0 unless an extension is negotiated that defines meanings for non-zero values."
    ("5.2", |case| case.first & 0b0111_0000 != 0),
    // "%x3-7 are reserved for further non-control frames", "%xB-F are reserved for further control frames".
    ("5.2", |case| matches!(case.opcode(), 3..=7 | 11..=15)),
    // "The server MUST close the connection upon receiving a frame that is not masked."
    ("5.1", |case| case.role == Role::Server && case.second < 128),
    // "A client MUST close a connection if it detects a masked frame."
    ("5.1", |case| case.role == Role::Client && case.second >= 128),
    // "All control frames MUST have a payload length of 125 bytes or less".
    ("5.5", |case| case.opcode() >= 8 && case.length() > 125),
    // "and MUST NOT be fragmented."
    ("5.5", |case| case.opcode() >= 8 && !case.fin()),
    // A fragment with opcode 0 continues a message that has begun.
    ("5.4", |case| case.opcode() == 0 && !case.message_open()),
    // "The fragments of one message MUST NOT be interleaved between the fragments of another message".
    ("5.4", |case| case.opcode() == 1 && case.message_open()),
    ("5.4", |case| case.opcode() == 2 && case.message_open()),
];

/// The event of a frame without a payload, if it makes one.
fn event(case: Case) -> Option<Event> {
    let message = |text: bool, so_far: &'static str| {
        let message = if text { Message::from(so_far) } else { Message::Binary(so_far.into()) };
        case.fin().then_some(Event::Data(message))
    };
    match (case.opcode(), case.before) {
        (0, before) => message(before == Before::TextOpen, "so far"),
        (1, _) => message(true, ""),
        (2, _) => message(false, ""),
        (8, _) => Some(Event::Close(None)),
        (9, _) => Some(Event::Ping("".into())),
        (10, _) => Some(Event::Pong("".into())),
        (opcode, _) => unreachable!("{opcode} is refused"),
    }
}

/// The frame that answers an event.
fn answer(case: Case, event: Option<&Event>) -> Vec<u8> {
    match event {
        // §5.5.2: "an endpoint MUST send a Pong frame in response, unless it already received a Close frame."
        Some(Event::Ping(payload)) => frame(case.role, true, 10, payload),
        // §5.5.1: "If an endpoint receives a Close frame and did not previously send a Close frame, it MUST send one."
        Some(Event::Close(_)) if case.before != Before::WeClosed => frame(case.role, true, 8, b""),
        _ => Vec::new(),
    }
}

fn prepare(role: Role, before: Before) -> Connection {
    let mut end = connect(role);
    let mut hear = |wire: Vec<u8>| end.receive(&mut BytesMut::from(&wire[..]));
    match before {
        Before::Nothing => {}
        Before::TextOpen => assert_eq!(hear(frame(peer(role), false, 1, b"so far")), Ok(None)),
        Before::BinaryOpen => assert_eq!(hear(frame(peer(role), false, 2, b"so far")), Ok(None)),
        Before::PeerClosed => assert!(hear(frame(peer(role), true, 8, b"")).is_ok()),
        Before::Failed => assert!(hear(frame(peer(role), true, 3, b"")).is_err()),
        Before::WeClosed => end.close(CloseFrame::NORMAL).unwrap(),
    }
    drain(&mut end);
    end
}

fn check(case: Case) {
    let mut end = prepare(case.role, case.before);
    let mut input = BytesMut::from(&[case.first, case.second][..]);
    let received = end.receive(&mut input);
    let output = drain(&mut end);

    // §5.5.1, §7.1.7: nothing is looked at any more.
    if matches!(case.before, Before::PeerClosed | Before::Failed) {
        let expected =
            if case.before == Before::Failed { Err(ProtocolError::ReservedOpCode) } else { Ok(None) };
        assert_eq!((received, output.len(), input.len()), (expected, 0, 0), "{case:02x?}");
        return;
    }

    let broken: Vec<_> =
        RULES.iter().filter(|(_, forbids)| forbids(case)).map(|(section, _)| *section).collect();
    if !broken.is_empty() {
        let error = received.expect_err("a rule is broken");
        assert!(broken.contains(&error.section()), "{case:02x?} breaks {broken:?}, not {error:?}");
        // §7.4.1: each of these is a protocol error, 1002.
        let close = frame(case.role, true, 8, &close_payload(1002, error.as_str()));
        assert_eq!(output, if case.before == Before::WeClosed { &[][..] } else { &close }, "{case:02x?}");
        return;
    }

    // More bytes are wanted: a length, a key, a payload. A frame that holds nothing is whole once its key is there.
    if case.role == Role::Server || case.length() > 0 {
        assert_eq!((received, output.len()), (Ok(None), 0), "{case:02x?}");
        if case.length() > 0 {
            return;
        }
        input.extend_from_slice(&[1, 2, 3, 4]);
        let expected = event(case);
        assert_eq!(end.receive(&mut input).as_ref(), Ok(&expected), "{case:02x?}");
        assert_eq!(drain(&mut end), answer(case, expected.as_ref()), "{case:02x?}");
        return;
    }
    let expected = event(case);
    assert_eq!(received.as_ref(), Ok(&expected), "{case:02x?}");
    assert_eq!(output, answer(case, expected.as_ref()), "{case:02x?}");
}

fn check_all(before: Before) {
    for role in [Role::Client, Role::Server] {
        for first in 0..=u8::MAX {
            for second in 0..=u8::MAX {
                check(Case { role, before, first, second });
            }
        }
    }
}

#[test]
fn first_two_bytes_with_no_message_open() {
    check_all(Before::Nothing);
}

#[test]
fn first_two_bytes_inside_a_text_message() {
    check_all(Before::TextOpen);
}

#[test]
fn first_two_bytes_inside_a_binary_message() {
    check_all(Before::BinaryOpen);
}

#[test]
fn first_two_bytes_after_our_close() {
    check_all(Before::WeClosed);
}

#[test]
fn first_two_bytes_after_the_peers_close() {
    check_all(Before::PeerClosed);
}

#[test]
fn first_two_bytes_after_a_breach() {
    check_all(Before::Failed);
}
