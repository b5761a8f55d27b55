//! `Reader`: one message as a stream of bytes.

use std::{io::ErrorKind, pin::pin, task::Poll};

use sansocket::{
    Chunk, Config, Event, Kind, ProtocolError, Role, SendError,
    frame::OpCode,
    tokio::{Error, WebSocket},
};
use tokio::io::{AsyncBufReadExt, AsyncReadExt};

use crate::support::{Bell, Peer, Transport, at_once, open, poll_times, poll_with, server, waits};

const ROLES: [Role; 2] = [Role::Server, Role::Client];

/// What a peer says, with fragments, pings between them, nothing and much; and the messages of it.
fn said(peer: &Peer) -> (Vec<u8>, Vec<(Kind, Vec<u8>)>) {
    let wire = [
        peer.frame(OpCode::Text, "a€b".as_bytes()),
        peer.frame(OpCode::Ping, b"1"),
        peer.frame(OpCode::Binary, b""),
        peer.fragment(false, OpCode::Text, b"frag\xe2"),
        peer.frame(OpCode::Ping, b"2"),
        peer.fragment(false, OpCode::Continuation, b""),
        peer.fragment(true, OpCode::Continuation, b"\x82\xacments"),
        peer.fragment(false, OpCode::Binary, b""),
        peer.fragment(true, OpCode::Continuation, b""),
        peer.frame(OpCode::Binary, &[7; 300]),
        peer.close_frame(1000),
    ];
    let messages = vec![
        (Kind::Text, "a€b".into()),
        (Kind::Binary, vec![]),
        (Kind::Text, "frag€ments".into()),
        (Kind::Binary, vec![]),
        (Kind::Binary, vec![7; 300]),
    ];
    (wire.concat(), messages)
}

/// How a message is read: into how much room, or by what is there.
#[derive(Clone, Copy, Debug)]
enum How {
    Into(usize),
    Buffered(usize),
}

/// All messages, with each future dropped after so many polls.
fn read(websocket: &mut WebSocket<Transport>, how: How, polls: usize) -> Vec<(Kind, Vec<u8>)> {
    let mut messages = Vec::new();
    loop {
        let mut reader = match poll_times(websocket.recv_reader(), polls) {
            Poll::Pending => continue,
            Poll::Ready(Ok(Some(reader))) => reader,
            Poll::Ready(ended) => {
                assert!(ended.unwrap().is_none());
                return messages;
            }
        };
        let mut payload = Vec::new();
        loop {
            let len = match how {
                How::Into(len) => {
                    let mut room = vec![0; len];
                    let Poll::Ready(len) = poll_times(reader.read(&mut room), polls) else { continue };
                    let len = len.unwrap();
                    payload.extend(&room[..len]);
                    len
                }
                How::Buffered(most) => {
                    let Poll::Ready(data) = poll_times(reader.fill_buf(), polls) else { continue };
                    let data = data.unwrap();
                    let len = data.len().min(most);
                    payload.extend(&data[..len]);
                    reader.consume(len);
                    len
                }
            };
            if len == 0 {
                break;
            }
        }
        messages.push((reader.kind(), payload));
    }
}

#[tokio::test(start_paused = true)]
async fn messages_are_read_whole_however_they_come() {
    for role in ROLES {
        let total = said(&open(role, &Config::new()).1).0.len();
        for how in [How::Into(1), How::Into(1000), How::Buffered(3), How::Buffered(1000)] {
            for cut in 1..=total {
                let (mut websocket, peer) = open(role, &Config::new());
                let (wire, messages) = said(&peer);
                // In two pieces, or in many.
                if cut < 20 {
                    peer.cut(cut);
                    peer.stall();
                    peer.put(wire);
                } else {
                    peer.put(&wire[..cut]);
                    peer.put(&wire[cut..]);
                }
                peer.eof();
                let polls = 1 + cut % 4;
                assert_eq!(read(&mut websocket, how, polls), messages, "{role:?}, {how:?}, {cut}");
                assert_eq!(peer.heard(), ["pong 1", "pong 2", "close 1000"]);
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_message_is_read_as_it_arrives() {
    let (mut websocket, peer) = server();
    let bell = Bell::new();
    let frame = peer.frame(OpCode::Text, b"abcdef");
    peer.put(&frame[..8]);
    let mut reader = at_once(websocket.recv_reader()).unwrap().unwrap();
    assert_eq!((reader.kind(), at_once(reader.fill_buf()).unwrap()), (Kind::Text, &b"ab"[..]));
    reader.consume(1);
    let mut room = [0; 10];
    assert_eq!(at_once(reader.read(&mut room)).unwrap(), 1);
    {
        let mut more = pin!(reader.read(&mut room));
        assert!(poll_with(more.as_mut(), &bell).is_pending());
        peer.put(&frame[8..10]);
        assert_eq!(bell.rings(), 1);
        assert!(matches!(poll_with(more.as_mut(), &bell), Poll::Ready(Ok(2))));
    }
    assert_eq!(&room[..2], b"cd");
    peer.put(&frame[10..]);
    peer.text("next");
    let mut rest = String::new();
    at_once(reader.read_to_string(&mut rest)).unwrap();
    assert_eq!(rest, "ef");
    for _ in 0..3 {
        assert_eq!(at_once(reader.read(&mut room)).unwrap(), 0, "it ends where the message ends");
        assert!(at_once(reader.fill_buf()).unwrap().is_empty());
    }
    drop(reader);
    assert_eq!(at_once(websocket.recv()).unwrap(), Some("next".into()));
}

#[tokio::test(start_paused = true)]
async fn a_read_into_nothing_does_not_wait() {
    let (mut websocket, peer) = server();
    peer.put(peer.fragment(false, OpCode::Text, b"a"));
    let mut reader = at_once(websocket.recv_reader()).unwrap().unwrap();
    assert_eq!(at_once(reader.read(&mut [])).unwrap(), 0);
    assert_eq!(at_once(reader.read(&mut [0])).unwrap(), 1);
    assert_eq!(at_once(reader.read(&mut [])).unwrap(), 0);
}

/// How the next message is asked for, and whether it is the one expected.
fn next_is(websocket: &mut WebSocket<Transport>, how: usize, expected: &'static str) {
    match how {
        0 => assert_eq!(at_once(websocket.recv()).unwrap(), Some(expected.into())),
        1 => loop {
            match at_once(websocket.recv_event()).unwrap().unwrap() {
                Event::Data(message) => break assert_eq!(message, expected.into()),
                event => assert_eq!(event, Event::Ping("1".into())),
            }
        },
        _ => {
            let mut reader = at_once(websocket.recv_reader()).unwrap().unwrap();
            let mut payload = String::new();
            at_once(reader.read_to_string(&mut payload)).unwrap();
            assert_eq!(payload, expected);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_left_of_a_message_is_skipped() {
    for cut in [1, 2, 5, 1000] {
        for how in 0..3 {
            for reads in 0..4 {
                let (mut websocket, peer) = server();
                peer.cut(cut);
                peer.put(
                    [
                        peer.frame(OpCode::Text, b"whole"),
                        peer.fragment(false, OpCode::Text, b"one"),
                        peer.frame(OpCode::Ping, b"1"),
                        peer.fragment(false, OpCode::Continuation, b"two"),
                        peer.fragment(true, OpCode::Continuation, b"three"),
                        peer.frame(OpCode::Text, b"next"),
                        peer.frame(OpCode::Text, b"last"),
                    ]
                    .concat(),
                );
                for first in [b'w', b'o'] {
                    let mut reader = at_once(websocket.recv_reader()).unwrap().unwrap();
                    for i in 0..reads {
                        let byte = at_once(reader.read_u8()).unwrap();
                        assert_eq!(byte == first, i == 0);
                    }
                }
                next_is(&mut websocket, how, "next");
                next_is(&mut websocket, (how + 1) % 3, "last");
                at_once(websocket.flush()).unwrap();
                assert_eq!(peer.heard(), ["pong 1"]);
            }
        }
    }
}

/// `recv_chunk` gives pieces of whatever is there, also of the message that a reader has begun.
#[tokio::test(start_paused = true)]
async fn recv_chunk_goes_on_where_a_reader_has_stopped() {
    let chunk = |data: &'static str, fin| Chunk { kind: Kind::Text, data: data.into(), fin };
    let (mut websocket, peer) = server();
    peer.put(peer.fragment(false, OpCode::Text, b"one"));
    assert!(at_once(websocket.recv_reader()).unwrap().is_some());
    peer.put(peer.fragment(true, OpCode::Continuation, b"two"));
    peer.text("next");
    assert_eq!(at_once(websocket.recv_chunk()).unwrap(), Some(chunk("two", true)));
    // A reader skips what chunks have begun.
    peer.put(peer.fragment(false, OpCode::Text, b"three"));
    assert_eq!(at_once(websocket.recv_chunk()).unwrap(), Some(chunk("next", true)));
    assert_eq!(at_once(websocket.recv_chunk()).unwrap(), Some(chunk("three", false)));
    peer.put(peer.fragment(true, OpCode::Continuation, b"four"));
    peer.text("last");
    next_is(&mut websocket, 2, "last");
}

#[tokio::test(start_paused = true)]
async fn a_skip_that_is_dropped_goes_on() {
    let (mut websocket, peer) = server();
    peer.put(peer.fragment(false, OpCode::Text, b"one"));
    assert!(at_once(websocket.recv_reader()).unwrap().is_some());
    for _ in 0..5 {
        peer.put(peer.fragment(false, OpCode::Continuation, b"more"));
        assert!(waits(websocket.recv_reader()));
    }
    peer.put(peer.fragment(true, OpCode::Continuation, b"end"));
    assert!(waits(websocket.recv_reader()));
    peer.put(peer.fragment(false, OpCode::Binary, b"ne"));
    let mut reader = at_once(websocket.recv_reader()).unwrap().unwrap();
    peer.put(peer.fragment(true, OpCode::Continuation, b"xt"));
    let mut payload = Vec::new();
    at_once(reader.read_to_end(&mut payload)).unwrap();
    assert_eq!((reader.kind(), payload), (Kind::Binary, b"next".to_vec()));
}

/// A message that never ends, of which more can be read at once than one poll skips.
#[tokio::test(start_paused = true)]
async fn skipping_leaves_room_for_other_tasks() {
    let (mut websocket, peer) = server();
    let bell = Bell::new();
    peer.put(peer.fragment(false, OpCode::Text, b"one"));
    assert!(at_once(websocket.recv_reader()).unwrap().is_some());
    peer.put(peer.fragment(false, OpCode::Continuation, b"x").repeat(1000));
    peer.put(peer.fragment(true, OpCode::Continuation, b"x"));
    peer.text("next");
    let mut polls = 0;
    {
        let mut reader = pin!(websocket.recv_reader());
        while poll_with(reader.as_mut(), &bell).is_pending() {
            assert_eq!(bell.rings(), 1);
            polls += 1;
        }
    }
    assert!((10..30).contains(&polls), "{polls}");
}

#[tokio::test(start_paused = true)]
async fn what_came_while_a_sender_waited_is_read() {
    let (websocket, peer) = server();
    let (sender, mut receiver) = websocket.split();
    peer.stop_reading();
    let mut send = Box::pin(sender.send("stuck"));
    assert!(waits(send.as_mut()));
    peer.put(
        [peer.fragment(false, OpCode::Text, b"a"), peer.fragment(true, OpCode::Continuation, b"b")].concat(),
    );
    assert!(waits(send.as_mut()));
    let mut reader = at_once(receiver.recv_reader()).unwrap().unwrap();
    assert_eq!(at_once(reader.fill_buf()).unwrap(), b"ab", "the message was held");
    drop(reader);
    peer.put(peer.fragment(false, OpCode::Text, b"c"));
    let mut reader = at_once(receiver.recv_reader()).unwrap().unwrap();
    for piece in ["d", "e"] {
        peer.put(peer.fragment(false, OpCode::Continuation, piece.as_bytes()));
        assert!(waits(send.as_mut()));
    }
    peer.put(peer.fragment(true, OpCode::Continuation, b"f"));
    let mut payload = String::new();
    at_once(reader.read_to_string(&mut payload)).unwrap();
    assert_eq!(payload, "cdef");
    drop(reader);
    // A piece that was held goes with its message.
    peer.put(peer.fragment(false, OpCode::Text, b"g"));
    drop(at_once(receiver.recv_reader()).unwrap().unwrap());
    peer.put(peer.fragment(true, OpCode::Continuation, b"h"));
    assert!(waits(send.as_mut()));
    peer.text("next");
    let mut reader = at_once(receiver.recv_reader()).unwrap().unwrap();
    assert_eq!(at_once(reader.fill_buf()).unwrap(), b"next");
}

#[tokio::test(start_paused = true)]
async fn text_that_is_none_is_an_error_of_the_reader_and_told_to_the_peer() {
    for role in ROLES {
        let (mut websocket, peer) = open(role, &Config::new());
        peer.put(peer.fragment(false, OpCode::Text, b"good"));
        let mut reader = at_once(websocket.recv_reader()).unwrap().unwrap();
        assert_eq!(at_once(reader.read_u32()).unwrap(), u32::from_be_bytes(*b"good"));
        peer.put(peer.fragment(true, OpCode::Continuation, b"\xff"));
        peer.eof();
        for _ in 0..3 {
            let error = at_once(reader.read_u8()).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidData);
            let error = error.into_inner().unwrap().downcast::<Error>().unwrap();
            assert!(matches!(*error, Error::Protocol(ProtocolError::TextNotUtf8)), "{error:?}");
        }
        drop(reader);
        assert!(peer.heard().last().unwrap().starts_with("close 1007"), "{:?}", peer.heard());
        assert!(matches!(at_once(websocket.recv_reader()), Err(Error::Protocol(_))));
        assert!(matches!(at_once(websocket.recv()), Err(Error::Protocol(_))));
    }
}

#[tokio::test(start_paused = true)]
async fn an_end_within_the_message_is_an_unexpected_one() {
    for role in ROLES {
        for closes in [false, true] {
            let (mut websocket, peer) = open(role, &Config::new());
            peer.put(peer.fragment(false, OpCode::Binary, b"part"));
            if closes {
                peer.close(1000);
            }
            peer.eof();
            let mut reader = at_once(websocket.recv_reader()).unwrap().unwrap();
            let mut payload = Vec::new();
            let error = at_once(reader.read_to_end(&mut payload)).unwrap_err();
            assert_eq!((error.kind(), payload), (ErrorKind::UnexpectedEof, b"part".to_vec()));
            for _ in 0..3 {
                assert_eq!(at_once(reader.read(&mut [0])).unwrap_err().kind(), ErrorKind::UnexpectedEof);
            }
            drop(reader);
            match at_once(websocket.recv_reader()) {
                Ok(None) if closes => {}
                Err(Error::Vanished) if !closes => {}
                other => panic!("{other:?}"),
            }
        }
    }
    let (mut websocket, peer) = server();
    peer.put(peer.fragment(false, OpCode::Binary, b"part"));
    peer.fail_reads(ErrorKind::ConnectionReset);
    let mut reader = at_once(websocket.recv_reader()).unwrap().unwrap();
    let error = at_once(reader.read_to_end(&mut Vec::new())).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
}

#[tokio::test(start_paused = true)]
async fn an_abort_ends_a_reader() {
    let (websocket, peer) = server();
    let (sender, mut receiver) = websocket.split();
    let bell = Bell::new();
    peer.put(peer.fragment(false, OpCode::Binary, b"part"));
    let mut reader = at_once(receiver.recv_reader()).unwrap().unwrap();
    let mut payload = Vec::new();
    let mut reading = pin!(reader.read_to_end(&mut payload));
    assert!(poll_with(reading.as_mut(), &bell).is_pending());
    sender.abort();
    assert_eq!(bell.rings(), 1);
    let Poll::Ready(Err(error)) = poll_with(reading.as_mut(), &bell) else { panic!("it waits") };
    assert_eq!(error.kind(), ErrorKind::ConnectionAborted);
    assert_eq!(sender.try_send("late").unwrap_err().error, SendError::Closed);
}
