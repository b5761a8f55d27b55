//! When bytes leave, by counting writes.

use sansocket::{Chunk, Config, Kind, Message, Role, frame::OpCode};

use crate::support::{Op, Peer, at_once, client, open, server, waits};

/// 64 requests that arrive in one read.
fn pipeline(peer: &Peer) {
    let frames: Vec<_> = (0..64).map(|i| peer.frame(OpCode::Text, format!("{i}").as_bytes())).collect();
    peer.put(frames.concat());
}

#[tokio::test(start_paused = true)]
async fn recv_and_feed_answer_a_pipeline_in_one_write() {
    for role in [Role::Server, Role::Client] {
        let (mut websocket, peer) = open(role, &Config::new());
        pipeline(&peer);
        for _ in 0..64 {
            let message = at_once(websocket.recv()).unwrap().unwrap();
            at_once(websocket.feed(message)).unwrap();
        }
        assert_eq!(peer.log(), [Op::Read(peer.log().iter().map(read).sum())]);
        assert!(waits(websocket.recv()));
        assert_eq!((peer.reads(), peer.writes()), (1, 1), "{role:?}");
        assert_eq!(peer.log().last(), Some(&Op::Flush));
        assert_eq!(peer.heard(), (0..64).map(|i| format!("text {i}")).collect::<Vec<_>>());
    }
}

#[tokio::test(start_paused = true)]
async fn recv_and_send_answer_a_pipeline_one_by_one() {
    let (mut websocket, peer) = server();
    pipeline(&peer);
    for i in 1..=64 {
        let message = at_once(websocket.recv()).unwrap().unwrap();
        at_once(websocket.send(message)).unwrap();
        assert_eq!(peer.writes(), i);
        assert_eq!(peer.heard().len(), i);
    }
}

#[tokio::test(start_paused = true)]
async fn a_send_after_a_recv_looks_for_nothing_to_read() {
    let (mut websocket, peer) = server();
    for _ in 0..3 {
        peer.text("request");
        at_once(websocket.recv()).unwrap();
        let before = peer.polls();
        at_once(websocket.send("reply")).unwrap();
        assert_eq!(peer.polls() - before, 2, "a write and a flush");
    }
    // Only the next one does, which nobody has asked for messages before.
    let before = peer.polls();
    at_once(websocket.send("more")).unwrap();
    assert_eq!(peer.polls() - before, 3, "a write, a flush and a read");
}

#[tokio::test(start_paused = true)]
async fn a_feed_alone_writes_nothing() {
    let (mut websocket, peer) = server();
    at_once(websocket.feed("one")).unwrap();
    at_once(websocket.feed("two")).unwrap();
    assert_eq!((peer.polls(), websocket.connection().unsent()), (0, 10));
}

#[tokio::test(start_paused = true)]
async fn what_was_fed_leaves_when_the_task_waits() {
    let (mut websocket, peer) = server();
    at_once(websocket.feed("recv")).unwrap();
    assert!(waits(websocket.recv()));
    at_once(websocket.feed("flush")).unwrap();
    at_once(websocket.flush()).unwrap();
    at_once(websocket.feed("close")).unwrap();
    assert!(waits(websocket.close(None)));
    assert_eq!(peer.heard(), ["text recv", "text flush", "text close", "close"]);
    assert_eq!(peer.writes(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_hundred_feeds_and_a_flush_are_one_write() {
    for role in [Role::Server, Role::Client] {
        let (mut websocket, peer) = open(role, &Config::new());
        for _ in 0..100 {
            at_once(websocket.feed(vec![7; 64])).unwrap();
        }
        at_once(websocket.flush()).unwrap();
        assert_eq!((peer.writes(), peer.heard().len()), (1, 100), "{role:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_large_message_of_a_server_is_one_vectored_write() {
    let (mut websocket, peer) = server();
    at_once(websocket.send(vec![7; 1 << 20])).unwrap();
    assert_eq!(peer.log(), [Op::Write((1 << 20) + 10, 2), Op::Flush]);
}

#[tokio::test(start_paused = true)]
async fn many_large_messages_of_a_server_are_few_vectored_writes() {
    let (mut websocket, peer) = server();
    for _ in 0..32 {
        at_once(websocket.feed(vec![7; 5000])).unwrap();
    }
    at_once(websocket.flush()).unwrap();
    assert_eq!((peer.writes(), peer.heard().len()), (1, 32));
}

#[tokio::test(start_paused = true)]
async fn without_vectored_writes_header_and_payload_go_one_after_the_other() {
    let (mut websocket, peer) = server();
    peer.not_vectored();
    at_once(websocket.send(vec![7; 1 << 20])).unwrap();
    assert_eq!(peer.log(), [Op::Write(10, 1), Op::Write(1 << 20, 1), Op::Flush]);
    assert_eq!(peer.heard(), ["binary of 1048576"]);
}

#[tokio::test(start_paused = true)]
async fn everything_that_sends_flushes_once_and_last() {
    let (mut websocket, peer) = client();
    let chunk = |data: &'static str, fin| Chunk { kind: Kind::Text, data: data.into(), fin };
    at_once(websocket.send("whole")).unwrap();
    assert!(ends_in_one_flush(&peer));
    at_once(websocket.ping("ping")).unwrap();
    assert!(ends_in_one_flush(&peer));
    at_once(websocket.send_chunk(chunk("one", false))).unwrap();
    assert!(ends_in_one_flush(&peer));
    at_once(websocket.send_chunk(chunk("two", true))).unwrap();
    assert!(ends_in_one_flush(&peer));
    assert_eq!(peer.heard(), ["text whole", "ping ping", "text+ one", "continuation two"]);
}

#[tokio::test(start_paused = true)]
async fn a_flush_that_has_to_wait_is_waited_for() {
    let (mut websocket, peer) = server();
    peer.stick_flush(true);
    assert!(waits(websocket.send("hello")));
    assert!(waits(websocket.flush()));
    assert!(waits(websocket.recv()));
    peer.stick_flush(false);
    at_once(websocket.flush()).unwrap();
    assert_eq!(peer.log(), [Op::Write(7, 1), Op::Flush]);
}

#[tokio::test(start_paused = true)]
async fn a_flush_that_was_left_behind_is_made_up_by_recv() {
    let (mut websocket, peer) = server();
    peer.stick_flush(true);
    assert!(waits(websocket.send("hello")));
    peer.stick_flush(false);
    assert!(waits(websocket.recv()));
    assert_eq!(peer.log(), [Op::Write(7, 1), Op::Flush]);
}

#[tokio::test(start_paused = true)]
async fn nothing_to_send_is_nothing_to_flush() {
    let (mut websocket, peer) = server();
    at_once(websocket.flush()).unwrap();
    assert!(waits(websocket.recv()));
    assert!(peer.log().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_message_is_read_at_once_however_large_the_read() {
    let (mut websocket, peer) = server();
    peer.put(peer.frame(OpCode::Binary, &[7; 60_000]));
    assert_eq!(at_once(websocket.recv()).unwrap(), Some(Message::from(vec![7; 60_000])));
    assert_eq!(peer.reads(), 1);
}

fn ends_in_one_flush(peer: &Peer) -> bool {
    let log = peer.log();
    peer.clear_log();
    matches!(&log[..], [Op::Write(..), Op::Flush])
}

fn read(op: &Op) -> usize {
    match op {
        Op::Read(len) => *len,
        _ => 0,
    }
}
