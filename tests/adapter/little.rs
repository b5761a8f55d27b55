//! Reads that bring little take no block, and nobody can tell but by the count of reads.

use sansocket::{Message, ProtocolError, Role, frame::OpCode, tokio::Error};

use crate::support::{at_once, client, server, waits};

/// What a read brings at the most where little is expected.
const LITTLE: usize = 4160;

fn header_len(role: Role, len: usize) -> usize {
    let key = if role == Role::Server { 4 } else { 0 };
    key + if len < 126 { 2 } else { 4 }
}

#[tokio::test]
async fn what_a_read_brings_is_received_whether_it_is_little_or_much() {
    for (role, open) in [(Role::Server, server as fn() -> _), (Role::Client, client)] {
        for frame_len in LITTLE - 12..LITTLE + 4 {
            let (mut websocket, peer) = open();
            let mut pongs = 0;
            for round in [7, 8] {
                // It waits, and owns nothing.
                assert!(waits(websocket.recv()));
                let large = vec![round; frame_len - header_len(role, frame_len)];
                let frame = peer.frame(OpCode::Binary, &large);
                assert_eq!(frame.len(), frame_len);
                let behind =
                    [peer.frame(OpCode::Ping, b"1"), peer.frame(OpCode::Text, "€".as_bytes())].concat();
                for cut in [0, 1, 7, behind.len()] {
                    let (with, later) = behind.split_at(cut);
                    peer.put([&frame, with].concat());
                    assert_eq!(at_once(websocket.recv()).unwrap().unwrap().as_bytes()[..], large);
                    if !later.is_empty() {
                        assert!(waits(websocket.recv()));
                        peer.put(later);
                    }
                    assert_eq!(at_once(websocket.recv()).unwrap(), Some(Message::from("€")));
                    assert!(waits(websocket.recv()));
                    pongs += 1;
                    assert_eq!(peer.heard(), vec!["pong 1"; pongs]);
                }
            }
        }
    }
}

#[tokio::test]
async fn what_comes_at_once_is_one_read_and_one_more_where_much_was_not_expected() {
    let (mut websocket, peer) = server();
    assert!(waits(websocket.recv()));
    for (len, reads) in
        [(50, 1), (500, 2), (500, 1), (50, 1), (50, 1), (1000, 2), (1000, 1), (0, 1), (1000, 2)]
    {
        let frame = peer.frame(OpCode::Binary, &vec![7; len]);
        peer.put(frame.repeat(64));
        peer.clear_log();
        for _ in 0..64 {
            assert_eq!(at_once(websocket.recv()).unwrap().unwrap().len(), len);
        }
        assert_eq!(peer.reads(), reads, "64 messages of {len} bytes");
        assert!(waits(websocket.recv()));
    }
}

/// What follows the first byte of this frame could be a frame itself.
#[tokio::test]
async fn little_behind_a_part_of_a_header_is_its_rest() {
    let (mut websocket, peer) = server();
    assert!(waits(websocket.recv()));
    for _ in 0..2 {
        peer.put([0x82]);
        assert!(waits(websocket.recv()));
        peer.put([0x81, 0x80, 0, 0, 0, b'x' ^ 0x80]);
        assert_eq!(at_once(websocket.recv()).unwrap(), Some(Message::from(b"x".to_vec())));
        assert!(waits(websocket.recv()));
    }
}

#[tokio::test]
async fn what_breaks_a_rule_is_refused_behind_what_does_not() {
    let (_, peer) = server();
    let breaches = [
        (peer.frame(OpCode::Text, b"\xff"), ProtocolError::TextNotUtf8, "close 1007"),
        (b"\x82\x01x".to_vec(), ProtocolError::UnmaskedFromClient, "close 1002"),
        (
            peer.fragment(true, OpCode::Continuation, b"x"),
            ProtocolError::ContinuationWithoutStart,
            "close 1002",
        ),
    ];
    for (breach, expected, told) in breaches {
        for before in [0, 1, 2] {
            let (mut websocket, peer) = server();
            assert!(waits(websocket.recv()));
            peer.put([peer.frame(OpCode::Text, b"fine").repeat(before), breach.clone()].concat());
            peer.eof();
            for _ in 0..before {
                assert_eq!(at_once(websocket.recv()).unwrap(), Some(Message::from("fine")));
            }
            let error = at_once(websocket.recv()).unwrap_err();
            assert!(matches!(error, Error::Protocol(error) if error == expected), "{error:?}");
            assert!(peer.heard()[0].starts_with(told), "{:?}", peer.heard());
        }
    }
}

#[tokio::test]
async fn a_read_of_little_that_was_full_is_followed_by_one_of_much() {
    let (mut websocket, peer) = server();
    let frame = peer.frame(OpCode::Binary, &[7; 58]);
    assert_eq!(LITTLE % frame.len(), 0, "no part of a frame is left");
    assert!(waits(websocket.recv()));
    for reads in [2, 1] {
        peer.put(frame.repeat(650));
        peer.clear_log();
        for _ in 0..650 {
            assert_eq!(at_once(websocket.recv()).unwrap().unwrap().len(), 58);
        }
        assert_eq!(peer.reads(), reads);
        assert!(waits(websocket.recv()));
    }
}

/// A message in fragments is open while little comes.
#[tokio::test]
async fn little_within_a_message_is_a_part_of_it() {
    let (mut websocket, peer) = server();
    assert!(waits(websocket.recv()));
    for fragment in ["a", "b"] {
        let opcode = if fragment == "a" { OpCode::Text } else { OpCode::Continuation };
        peer.put(peer.fragment(false, opcode, fragment.as_bytes()));
        assert!(waits(websocket.recv()));
    }
    peer.put(peer.frame(OpCode::Text, b"new"));
    peer.eof();
    let error = at_once(websocket.recv()).unwrap_err();
    assert!(matches!(error, Error::Protocol(ProtocolError::MessageInsideMessage)), "{error:?}");
}
