//! Messages that are streamed: in chunks as they arrive, inside frames too, and on their way out again.

use std::task::Poll;

use bytes::Bytes;
use sansocket::{
    Chunk, Config, Kind, Limits, ProtocolError, Role,
    frame::{Header, OpCode},
    tokio::{Ended, Error},
};

use crate::support::{Peer, at_once, open, poll_once, poll_times, server, waits};

fn chunk(kind: Kind, data: &[u8], fin: bool) -> Chunk {
    Chunk { kind, data: Bytes::copy_from_slice(data), fin }
}

/// The messages in these bytes, put together, and into how many frames they were cut.
fn messages(mut wire: &[u8]) -> (Vec<(OpCode, Vec<u8>)>, usize) {
    let (mut messages, mut frames) = (Vec::new(), 0);
    let mut open: Option<(OpCode, Vec<u8>)> = None;
    while let Some((header, begin)) = Header::parse(wire).expect("a valid header") {
        let (payload, rest) = wire[begin..].split_at(header.payload_len as usize);
        wire = rest;
        if header.opcode.is_control() {
            continue;
        }
        frames += 1;
        let mut payload = payload.to_vec();
        header.masking_key.unwrap_or_default().apply(&mut payload);
        assert_eq!(open.is_some(), header.opcode == OpCode::Continuation, "fragments in their order");
        open.get_or_insert((header.opcode, Vec::new())).1.extend(payload);
        messages.extend(open.take_if(|_| header.fin));
    }
    assert!(wire.is_empty() && open.is_none(), "all is whole");
    (messages, frames)
}

#[tokio::test(start_paused = true)]
async fn a_chunk_is_what_has_arrived_inside_a_frame_too() {
    let (mut websocket, peer) = server();
    let frame = peer.frame(OpCode::Text, "a€b".as_bytes());
    // Two bytes of header, four of key.
    peer.put(&frame[..7]);
    assert_eq!(at_once(websocket.recv_chunk()).unwrap(), Some(chunk(Kind::Text, b"a", false)));
    assert!(waits(websocket.recv_chunk()));
    // It may end inside a character.
    peer.put(&frame[7..9]);
    assert_eq!(at_once(websocket.recv_chunk()).unwrap(), Some(chunk(Kind::Text, b"\xe2\x82", false)));
    peer.put(&frame[9..]);
    assert_eq!(at_once(websocket.recv_chunk()).unwrap(), Some(chunk(Kind::Text, b"\xacb", true)));
    peer.put(peer.fragment(false, OpCode::Binary, b"1"));
    peer.ping("between");
    peer.put(peer.fragment(false, OpCode::Continuation, b""));
    peer.put(peer.fragment(true, OpCode::Continuation, b""));
    assert_eq!(at_once(websocket.recv_chunk()).unwrap(), Some(chunk(Kind::Binary, b"1", false)));
    assert_eq!(at_once(websocket.recv_chunk()).unwrap(), Some(chunk(Kind::Binary, b"", true)));
    peer.text("whole");
    assert_eq!(at_once(websocket.recv_chunk()).unwrap(), Some(chunk(Kind::Text, b"whole", true)));
    at_once(websocket.flush()).unwrap();
    assert_eq!(peer.heard(), ["pong between"]);
}

#[tokio::test(start_paused = true)]
async fn the_end_of_a_connection_is_told_to_who_asks_for_chunks() {
    let (mut websocket, peer) = server();
    peer.put(peer.fragment(false, OpCode::Text, b"begun"));
    peer.close(1000);
    assert_eq!(at_once(websocket.recv_chunk()).unwrap(), Some(chunk(Kind::Text, b"begun", false)));
    assert_eq!(at_once(websocket.recv_chunk()).unwrap(), None);
    assert_eq!(at_once(websocket.recv_chunk()).unwrap(), None);
    assert!(matches!(websocket.ended(), Some(Ended::Clean { .. })));
    assert_eq!(peer.heard(), ["close 1000"]);

    let (mut websocket, peer) = server();
    peer.put([peer.frame(OpCode::Text, b"fine"), vec![0xf1, 0x80]].concat());
    peer.eof();
    assert_eq!(at_once(websocket.recv_chunk()).unwrap(), Some(chunk(Kind::Text, b"fine", true)));
    for _ in 0..2 {
        let error = at_once(websocket.recv_chunk()).unwrap_err();
        assert!(matches!(error, Error::Protocol(ProtocolError::ReservedBit)), "{error:?}");
    }
}

/// What of a message was not asked for as chunks is skipped, and never given as if it were whole.
#[tokio::test(start_paused = true)]
async fn recv_behind_recv_chunk_skips_the_rest() {
    for cut in [1, 3, 1000] {
        let (mut websocket, peer) = server();
        peer.cut(cut);
        peer.put(peer.fragment(false, OpCode::Text, b"be"));
        peer.ping("1");
        peer.put(peer.fragment(false, OpCode::Continuation, b"gun"));
        peer.put(peer.fragment(true, OpCode::Continuation, b"!"));
        peer.text("whole");
        peer.put(peer.frame(OpCode::Text, b"again"));
        peer.text("last");
        let first = at_once(websocket.recv_chunk()).unwrap().unwrap();
        assert_eq!((first.kind, first.fin), (Kind::Text, false));
        assert_eq!(at_once(websocket.recv()).unwrap(), Some("whole".into()));
        // A whole message in one chunk leaves nothing to skip; a part of it does.
        let first = at_once(websocket.recv_chunk()).unwrap().unwrap();
        assert_eq!(first.fin, cut == 1000);
        assert_eq!(at_once(websocket.recv()).unwrap(), Some("last".into()), "cut {cut}");
        at_once(websocket.flush()).unwrap();
        assert_eq!(peer.heard(), ["pong 1"]);
    }
}

/// While a send is stuck what comes is held: as a message if a message was asked for last, else as a chunk.
#[tokio::test(start_paused = true)]
async fn what_comes_while_a_send_is_stuck_is_held() {
    let stuck = || {
        let mut limits = Limits::default();
        limits.unsent = 1;
        let (mut websocket, peer) = open(Role::Server, &Config::new().limits(limits));
        peer.stop_reading();
        at_once(websocket.feed("out")).unwrap();
        (websocket, peer)
    };
    // A whole message is one chunk.
    let (mut websocket, peer) = stuck();
    peer.put(peer.fragment(false, OpCode::Text, b"wh"));
    peer.put(peer.fragment(true, OpCode::Continuation, b"ole"));
    assert!(waits(websocket.feed("stuck")));
    assert_eq!(at_once(websocket.recv_chunk()).unwrap(), Some(chunk(Kind::Text, b"whole", true)));
    peer.text("next");
    assert_eq!(at_once(websocket.recv()).unwrap(), Some("next".into()));

    // A chunk is held as one; all others come behind it.
    for by_recv in [false, true] {
        let (mut websocket, peer) = stuck();
        peer.put(peer.fragment(false, OpCode::Text, b"one"));
        assert_eq!(at_once(websocket.recv_chunk()).unwrap(), Some(chunk(Kind::Text, b"one", false)));
        peer.put(peer.fragment(false, OpCode::Continuation, b"two"));
        assert!(waits(websocket.feed_chunk(chunk(Kind::Text, b"stuck", false))));
        peer.put(peer.fragment(true, OpCode::Continuation, b"three"));
        peer.text("next");
        assert!(waits(websocket.feed_chunk(chunk(Kind::Text, b"stuck", false))));
        if by_recv {
            assert_eq!(at_once(websocket.recv()).unwrap(), Some("next".into()));
            continue;
        }
        assert_eq!(at_once(websocket.recv_chunk()).unwrap(), Some(chunk(Kind::Text, b"two", false)));
        assert!(waits(websocket.feed_chunk(chunk(Kind::Text, b"stuck", false))));
        assert_eq!(at_once(websocket.recv_chunk()).unwrap(), Some(chunk(Kind::Text, b"three", true)));
        assert_eq!(at_once(websocket.recv_chunk()).unwrap(), Some(chunk(Kind::Text, b"next", true)));
    }

    // The last chunk of a message is held, and what comes next is asked for as a message.
    let (mut websocket, peer) = stuck();
    peer.put(peer.fragment(false, OpCode::Text, b"one"));
    assert_eq!(at_once(websocket.recv_chunk()).unwrap(), Some(chunk(Kind::Text, b"one", false)));
    peer.put(peer.fragment(true, OpCode::Continuation, b"two"));
    assert!(waits(websocket.feed("stuck")));
    peer.text("next");
    assert_eq!(at_once(websocket.recv()).unwrap(), Some("next".into()));
    // What was held is gone with its message.
    peer.text("last");
    assert_eq!(at_once(websocket.recv_chunk()).unwrap(), Some(chunk(Kind::Text, b"last", true)));
}

/// A chunk that was refused or found no room is not said; the first poll that finds room says it.
#[tokio::test(start_paused = true)]
async fn chunks_are_fed_once() {
    let mut limits = Limits::default();
    limits.unsent = 1;
    let (mut websocket, peer) = open(Role::Server, &Config::new().limits(limits));
    peer.stop_reading();
    at_once(websocket.feed_chunk(chunk(Kind::Text, b"a", false))).unwrap();
    for _ in 0..3 {
        assert!(waits(websocket.feed_chunk(chunk(Kind::Text, b"b", false))));
    }
    peer.open(usize::MAX);
    at_once(websocket.feed_chunk(chunk(Kind::Text, b"c", false))).unwrap();
    at_once(websocket.flush()).unwrap();
    let refused = at_once(websocket.feed_chunk(chunk(Kind::Binary, b"d", true))).unwrap_err();
    assert!(matches!(refused, Error::Send(_)), "{refused:?}");
    assert!(matches!(at_once(websocket.feed("e")).unwrap_err(), Error::Send(_)));
    at_once(websocket.feed_chunk(chunk(Kind::Text, b"f", true))).unwrap();
    at_once(websocket.send("g")).unwrap();
    assert_eq!(peer.heard(), ["text+ a", "continuation+ c", "continuation f", "text g"]);
}

/// What a peer says: messages of all sizes, whole and in fragments, with pings between them.
fn said(peer: &Peer) -> (Vec<u8>, Vec<(OpCode, Vec<u8>)>) {
    let (mut wire, mut messages) = (Vec::new(), Vec::new());
    for (i, len) in [0, 1, 2, 125, 126, 1000, 4095, 4097, 0, 70_000, 3].into_iter().enumerate() {
        let (opcode, payload) = if i % 2 == 0 {
            (OpCode::Binary, (0..len).map(|at| (at * 7 + i) as u8).collect::<Vec<_>>())
        } else {
            (OpCode::Text, "€a😀".bytes().cycle().take(len / 8 * 8).collect())
        };
        let pieces = [0, len / 3, len / 3, len].map(|at| at.min(payload.len()));
        for (n, ends) in pieces.windows(2).enumerate() {
            let opcode = if n == 0 { opcode } else { OpCode::Continuation };
            wire.extend(peer.fragment(n == 2, opcode, &payload[ends[0]..ends[1]]));
            wire.extend(peer.frame(OpCode::Ping, b"p"));
        }
        wire.extend(peer.frame(opcode, &payload));
        messages.extend([(opcode, payload.clone()), (opcode, payload)]);
    }
    wire.extend(peer.close_frame(1000));
    (wire, messages)
}

/// Each chunk goes out as it came in, over a stream that stalls, to a peer that reads now and then; every future is dropped
/// after some polls.
async fn streamed_echo(role: Role, cut: usize, unsent: usize, polls: usize, reads: &[usize]) {
    let mut limits = Limits::default();
    limits.unsent = unsent;
    let (mut websocket, peer) = open(role, &Config::new().limits(limits));
    let (wire, expected) = said(&peer);
    peer.cut(cut);
    peer.stall();
    peer.stop_reading();
    peer.eof_on_shutdown();
    peer.put(wire);
    if role == Role::Client {
        peer.eof();
    }
    let mut reads = reads.iter().cycle();
    let mut patience = || peer.open(*reads.next().unwrap());
    'messages: loop {
        let next = loop {
            match poll_times(websocket.recv_chunk(), polls) {
                Poll::Ready(Ok(Some(next))) => break next,
                Poll::Ready(Ok(None)) => break 'messages,
                Poll::Ready(Err(error)) => panic!("{error:?}"),
                Poll::Pending => patience(),
            }
        };
        while poll_times(websocket.feed_chunk(next.clone()), polls).map(Result::unwrap).is_pending() {
            patience();
        }
        while next.fin && poll_times(websocket.flush(), polls).map(Result::unwrap).is_pending() {
            patience();
        }
    }
    let (heard, _) = messages(&peer.written());
    assert!(heard == expected, "{role:?}, cut {cut}, unsent {unsent}, polls {polls}");
}

#[tokio::test(start_paused = true)]
async fn a_streamed_echo_loses_nothing() {
    for role in [Role::Server, Role::Client] {
        for (cut, unsent) in [(500, 1), (5000, 10_000), (usize::MAX, 1), (usize::MAX, 1 << 20)] {
            for polls in [1, 2, 1000] {
                for reads in [&[usize::MAX][..], &[1000], &[0, 0, 3, 0, 70_000]] {
                    streamed_echo(role, cut, unsent, polls, reads).await;
                }
            }
        }
    }
}

/// Byte by byte too, for the smaller ones.
#[tokio::test(start_paused = true)]
async fn a_streamed_echo_of_single_bytes() {
    for polls in [1, 2, 3, 7] {
        let (mut websocket, peer) = server();
        peer.cut(1);
        peer.stall();
        peer.put([peer.frame(OpCode::Text, "grüße".as_bytes()), peer.close_frame(1000)].concat());
        loop {
            match poll_times(websocket.recv_chunk(), polls) {
                Poll::Ready(Ok(Some(next))) => {
                    while poll_once(websocket.feed_chunk(next.clone())).map(Result::unwrap).is_pending() {}
                }
                Poll::Ready(ended) => break assert_eq!(ended.unwrap(), None),
                Poll::Pending => {}
            }
        }
        let (heard, frames) = messages(&peer.written());
        assert_eq!(heard, [(OpCode::Text, "grüße".into())]);
        assert_eq!(frames, 7, "each byte is a chunk");
    }
}

/// A message does not have to fit where it is only passed on.
#[tokio::test(start_paused = true)]
async fn a_message_larger_than_the_unsent_limit_streams_through() {
    let (mut websocket, peer) = server();
    let payload = vec![7; 5 << 20];
    peer.put(peer.frame(OpCode::Binary, &payload));
    let mut most = 0;
    loop {
        let next = at_once(websocket.recv_chunk()).unwrap().unwrap();
        let fin = next.fin;
        at_once(websocket.feed_chunk(next)).unwrap();
        most = most.max(websocket.connection().unsent());
        if fin {
            break;
        }
    }
    at_once(websocket.flush()).unwrap();
    assert!(most <= 3 << 20, "{most} bytes waited");
    assert!(messages(&peer.written()).0 == [(OpCode::Binary, payload)]);
}
