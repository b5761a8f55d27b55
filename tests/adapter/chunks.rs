//! Messages in chunks, as they arrive and as they are sent.

use sansocket::{
    Chunk, Kind, Message, SendError,
    frame::OpCode,
    tokio::{Error, WebSocket},
};

use crate::support::{Peer, Transport, at_once, poll_times, server, waits};

fn chunk(data: &'static str, fin: bool) -> Chunk {
    Chunk { kind: Kind::Text, data: data.into(), fin }
}

fn next(websocket: &mut WebSocket<Transport>) -> Option<Chunk> {
    at_once(websocket.recv_chunk()).unwrap()
}

/// The bytes of a frame, some at a time.
fn pieces(peer: &Peer, payload: &str, cuts: &[usize]) -> Vec<Vec<u8>> {
    let frame = peer.frame(OpCode::Text, payload.as_bytes());
    let header = frame.len() - payload.len();
    let ends = cuts.iter().map(|cut| header + cut).chain([frame.len()]);
    ends.scan(0, |begin, end| Some(frame[std::mem::replace(begin, end)..end].to_vec())).collect()
}

#[tokio::test(start_paused = true)]
async fn chunks_come_as_they_arrive() {
    let (mut websocket, peer) = server();
    let pieces = pieces(&peer, "one two three", &[4, 8]);
    for (piece, expected) in pieces.into_iter().zip([("one ", false), ("two ", false), ("three", true)]) {
        assert!(waits(websocket.recv_chunk()));
        peer.put(piece);
        assert_eq!(next(&mut websocket), Some(chunk(expected.0, expected.1)));
    }
    peer.close(1000);
    assert_eq!(next(&mut websocket), None);
    assert_eq!(peer.heard(), ["close 1000"]);
}

/// Nothing more has to come for it.
#[tokio::test(start_paused = true)]
async fn what_recv_has_assembled_is_the_first_chunk() {
    let (mut websocket, peer) = server();
    peer.put(peer.fragment(false, OpCode::Text, b"one"));
    assert!(waits(websocket.recv()));
    assert_eq!(next(&mut websocket), Some(chunk("one", false)));
    assert!(waits(websocket.recv_chunk()));
    peer.put(peer.fragment(true, OpCode::Continuation, b"two"));
    assert_eq!(next(&mut websocket), Some(chunk("two", true)));
}

#[tokio::test(start_paused = true)]
async fn recv_skips_what_is_left_of_a_message() {
    let (mut websocket, peer) = server();
    peer.put(peer.fragment(false, OpCode::Text, b"one"));
    assert_eq!(next(&mut websocket), Some(chunk("one", false)));
    peer.put(peer.fragment(false, OpCode::Continuation, b"two"));
    peer.ping("1");
    peer.put(peer.fragment(true, OpCode::Continuation, b"three"));
    peer.text("next");
    assert_eq!(at_once(websocket.recv()).unwrap(), Some("next".into()));
    assert!(waits(websocket.recv()));
    assert_eq!(peer.heard(), ["pong 1"]);
}

#[tokio::test(start_paused = true)]
async fn a_chunk_that_comes_while_the_application_only_sends_is_kept() {
    let (mut websocket, peer) = server();
    let pieces = pieces(&peer, "one two three", &[4, 8]);
    peer.put(pieces[0].clone());
    assert_eq!(next(&mut websocket), Some(chunk("one ", false)));
    at_once(websocket.send("a")).unwrap();
    peer.put(pieces[1].clone());
    at_once(websocket.send("b")).unwrap();
    at_once(websocket.send("c")).unwrap();
    peer.put(pieces[2].clone());
    assert_eq!(next(&mut websocket), Some(chunk("two ", false)));
    assert_eq!(next(&mut websocket), Some(chunk("three", true)));
}

#[tokio::test(start_paused = true)]
async fn a_message_that_was_held_is_one_chunk() {
    let (mut websocket, peer) = server();
    at_once(websocket.send("a")).unwrap();
    peer.text("held");
    at_once(websocket.send("b")).unwrap();
    assert!(peer.is_drained());
    assert_eq!(next(&mut websocket), Some(chunk("held", true)));
}

#[tokio::test(start_paused = true)]
async fn a_chunk_that_was_held_is_skipped_with_its_message() {
    for last in [false, true] {
        let (mut websocket, peer) = server();
        let pieces = pieces(&peer, "one two three", &[4, 8]);
        peer.put(pieces[0].clone());
        assert_eq!(next(&mut websocket), Some(chunk("one ", false)));
        at_once(websocket.send("a")).unwrap();
        peer.put(pieces[1].clone());
        if last {
            peer.put(pieces[2].clone());
        }
        at_once(websocket.send("b")).unwrap();
        if !last {
            peer.put(pieces[2].clone());
        }
        peer.text("next");
        assert_eq!(at_once(websocket.recv()).unwrap(), Some("next".into()));
    }
}

#[tokio::test(start_paused = true)]
async fn dropping_loses_no_chunk() {
    for polls in 1..10 {
        let (mut websocket, peer) = server();
        peer.cut(1);
        peer.stall();
        peer.put(peer.fragment(false, OpCode::Text, b"one "));
        peer.put(peer.fragment(false, OpCode::Continuation, b""));
        peer.put(peer.fragment(false, OpCode::Continuation, b"two "));
        peer.ping("1");
        peer.put(peer.fragment(true, OpCode::Continuation, b"three"));
        let mut received = String::new();
        loop {
            if let std::task::Poll::Ready(chunk) = poll_times(websocket.recv_chunk(), polls) {
                let chunk = chunk.unwrap().unwrap();
                received += str::from_utf8(&chunk.data).unwrap();
                if chunk.fin {
                    break;
                }
            }
            let _ = poll_times(websocket.flush(), polls);
        }
        assert_eq!(received, "one two three");
    }
}

#[tokio::test(start_paused = true)]
async fn chunks_are_fed_and_sent_as_fragments() {
    let (mut websocket, peer) = server();
    at_once(websocket.feed_chunk(chunk("one", false))).unwrap();
    assert!(peer.log().is_empty());
    let between = at_once(websocket.send("between"));
    assert!(matches!(between, Err(Error::Send(SendError::MessageOpen))));
    at_once(websocket.ping("1")).unwrap();
    at_once(websocket.send_chunk(chunk("two", true))).unwrap();
    at_once(websocket.send(Message::from("whole"))).unwrap();
    assert_eq!(peer.heard(), ["text+ one", "ping 1", "continuation two", "text whole"]);
}

#[tokio::test(start_paused = true)]
async fn a_message_that_begins_while_the_application_only_sends_is_whole_for_recv() {
    let begins_between = |websocket: &mut WebSocket<Transport>, peer: &Peer| {
        at_once(websocket.send("a")).unwrap();
        peer.put(peer.fragment(false, OpCode::Text, b"be"));
        at_once(websocket.send("b")).unwrap();
        peer.put(peer.fragment(true, OpCode::Continuation, b"gun"));
        assert_eq!(at_once(websocket.recv()).unwrap(), Some("begun".into()));
    };
    // Behind a message that was received in chunks to its end,
    let (mut websocket, peer) = server();
    peer.text("one");
    assert_eq!(next(&mut websocket), Some(chunk("one", true)));
    begins_between(&mut websocket, &peer);
    // and behind one that was skipped.
    peer.put(peer.fragment(false, OpCode::Text, b"one"));
    assert_eq!(next(&mut websocket), Some(chunk("one", false)));
    peer.put(peer.fragment(true, OpCode::Continuation, b"two"));
    peer.text("whole");
    assert_eq!(at_once(websocket.recv()).unwrap(), Some("whole".into()));
    begins_between(&mut websocket, &peer);
}

#[tokio::test(start_paused = true)]
async fn a_send_after_a_chunk_looks_for_nothing_to_read() {
    let (mut websocket, peer) = server();
    for _ in 0..3 {
        peer.text("request");
        assert_eq!(next(&mut websocket), Some(chunk("request", true)));
        let before = peer.polls();
        at_once(websocket.send("reply")).unwrap();
        assert_eq!(peer.polls() - before, 2, "a write and a flush");
    }
}

#[tokio::test(start_paused = true)]
async fn a_message_that_recv_began_to_skip_is_skipped_by_recv_chunk_too() {
    let (mut websocket, peer) = server();
    let pieces = pieces(&peer, "one two three", &[4, 8]);
    peer.put(pieces[0].clone());
    assert_eq!(next(&mut websocket), Some(chunk("one ", false)));
    peer.put(pieces[1].clone());
    assert!(waits(websocket.recv()));
    peer.put(pieces[2].clone());
    peer.text("next");
    assert_eq!(next(&mut websocket), Some(chunk("next", true)));
}
