//! No wake-up is lost, and nobody is woken for nothing.

use std::{pin::pin, sync::Arc, time::Duration};

use sansocket::{Config, Kind, Limits, Role, frame::OpCode};
use tokio::{io::AsyncWriteExt, time::advance};

use crate::support::{Bell, Peer, Transport, open, poll_with, server};

type WebSocket = sansocket::tokio::WebSocket<Transport>;

/// Polls a future that has to wait, and says how often it woke its task in the meantime.
fn park<F: Future>(future: std::pin::Pin<&mut F>, bell: &Arc<Bell>) -> usize {
    assert!(poll_with(future, bell).is_pending());
    bell.rings()
}

#[tokio::test(start_paused = true)]
async fn recv_is_woken_by_bytes() {
    let (mut websocket, peer) = server();
    let bell = Bell::new();
    let mut recv = pin!(websocket.recv());
    let frame = peer.frame(OpCode::Text, b"hello");
    for byte in frame {
        assert_eq!(park(recv.as_mut(), &bell), 0);
        peer.put([byte]);
        assert_eq!(bell.rings(), 1);
    }
    assert!(poll_with(recv.as_mut(), &bell).is_ready());
}

#[tokio::test(start_paused = true)]
async fn recv_is_woken_by_room_for_what_waits() {
    let (mut websocket, peer) = server();
    let bell = Bell::new();
    peer.stop_reading();
    peer.ping("1");
    let mut recv = pin!(websocket.recv());
    park(recv.as_mut(), &bell);
    peer.open(1);
    assert_eq!(bell.rings(), 1);
    park(recv.as_mut(), &bell);
    peer.open(1000);
    assert_eq!(bell.rings(), 1);
    park(recv.as_mut(), &bell);
    assert_eq!(peer.heard(), ["pong 1"]);
    // Nothing waits any more.
    peer.open(1000);
    assert_eq!(bell.rings(), 0);
}

#[tokio::test(start_paused = true)]
async fn recv_is_woken_by_a_flush_that_can_go_on() {
    let (mut websocket, peer) = server();
    let bell = Bell::new();
    peer.stick_flush(true);
    peer.ping("1");
    let mut recv = pin!(websocket.recv());
    park(recv.as_mut(), &bell);
    peer.stick_flush(false);
    assert_eq!(bell.rings(), 1);
}

#[tokio::test(start_paused = true)]
async fn recv_is_woken_by_its_deadlines() {
    let (mut websocket, peer) = server();
    let bell = Bell::new();
    let mut recv = pin!(websocket.recv());
    park(recv.as_mut(), &bell);
    advance(Duration::from_millis(29_990)).await;
    assert_eq!(bell.rings(), 0);
    advance(Duration::from_millis(20)).await;
    assert_eq!(bell.rings(), 1, "the time to ask");
    park(recv.as_mut(), &bell);
    assert_eq!(peer.heard(), ["ping "]);
    advance(Duration::from_millis(30_010)).await;
    assert_eq!(bell.rings(), 1, "the time to give up");
    assert!(poll_with(recv.as_mut(), &bell).is_ready());
}

#[tokio::test(start_paused = true)]
async fn close_is_woken_by_its_deadline() {
    let (mut websocket, _peer) = server();
    let bell = Bell::new();
    let mut close = pin!(websocket.close(None));
    park(close.as_mut(), &bell);
    advance(Duration::from_millis(5010)).await;
    assert_eq!(bell.rings(), 1);
    assert!(poll_with(close.as_mut(), &bell).is_ready());
}

#[tokio::test(start_paused = true)]
async fn send_is_woken_by_room_by_bytes_and_by_deadlines() {
    let (mut websocket, peer) = server();
    let bell = Bell::new();
    peer.stop_reading();
    let mut send = pin!(websocket.send("hello"));
    park(send.as_mut(), &bell);
    peer.ping("1");
    assert_eq!(bell.rings(), 1, "bytes");
    park(send.as_mut(), &bell);
    advance(Duration::from_millis(30_010)).await;
    assert_eq!(bell.rings(), 1, "the time to ask");
    park(send.as_mut(), &bell);
    peer.text("held");
    assert_eq!(bell.rings(), 1, "bytes");
    park(send.as_mut(), &bell);
    peer.open(1000);
    assert_eq!(bell.rings(), 1, "room");
    assert!(poll_with(send.as_mut(), &bell).is_ready());
    assert_eq!(peer.heard(), ["text hello", "pong 1", "ping "]);
}

#[tokio::test(start_paused = true)]
async fn feed_is_woken_by_room() {
    let mut limits = Limits::default();
    limits.unsent = 100;
    let (mut websocket, peer) = open(Role::Server, &Config::new().limits(limits));
    let bell = Bell::new();
    peer.stop_reading();
    {
        let mut feed = pin!(websocket.feed(vec![7; 200]));
        assert!(poll_with(feed.as_mut(), &bell).is_ready());
    }
    let mut feed = pin!(websocket.feed(vec![7; 200]));
    park(feed.as_mut(), &bell);
    peer.open(50);
    assert_eq!(bell.rings(), 1);
    park(feed.as_mut(), &bell);
    peer.open(100);
    assert_eq!(bell.rings(), 1);
    assert!(poll_with(feed.as_mut(), &bell).is_ready());
}

#[tokio::test(start_paused = true)]
async fn the_task_that_asked_last_is_the_one_that_is_woken() {
    let (mut websocket, peer) = server();
    let (first, second) = (Bell::new(), Bell::new());
    {
        let mut recv = pin!(websocket.recv());
        park(recv.as_mut(), &first);
    }
    let mut recv = pin!(websocket.recv());
    park(recv.as_mut(), &second);
    advance(Duration::from_millis(30_010)).await;
    assert_eq!((first.rings(), second.rings()), (0, 1));
    park(recv.as_mut(), &second);
    peer.text("hello");
    assert_eq!((first.rings(), second.rings()), (0, 1));
}

/// How often a stream is polled within an hour in which the peer answers every ping and says nothing else.
async fn polls_within_an_hour(websocket: &mut WebSocket, peer: &Peer) -> usize {
    let before = peer.polls();
    let bell = Bell::new();
    let mut recv = pin!(websocket.recv());
    let mut asked = peer.heard().len();
    for _ in 0..3600 {
        if poll_with(recv.as_mut(), &bell).is_pending() && peer.heard().len() > asked {
            asked += 1;
            peer.pong("");
        }
        while bell.rings() > 0 {
            assert!(poll_with(recv.as_mut(), &bell).is_pending());
        }
        advance(Duration::from_secs(1)).await;
    }
    peer.polls() - before
}

#[tokio::test(start_paused = true)]
async fn nothing_is_busy_while_nothing_happens() {
    let (mut websocket, peer) = server();
    let polls = polls_within_an_hour(&mut websocket, &peer).await;
    // One read for each of the 3600 polls of the test, and a few for each of the 118 pings.
    assert!(polls < 3600 + 118 * 8, "{polls}");
}

/// A hundred thousand pings, which come a byte at a time and without a pause.
fn flood(peer: &Peer) {
    peer.cut(1);
    peer.put(peer.frame(OpCode::Ping, b"1").repeat(100_000));
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_never_pauses_is_left_for_other_tasks_and_taken_up_again() {
    let (mut websocket, peer) = server();
    let bell = Bell::new();
    flood(&peer);
    let mut recv = pin!(websocket.recv());
    for _ in 0..10 {
        let before = peer.polls();
        assert_eq!(park(recv.as_mut(), &bell), 1);
        assert!(peer.polls() - before < 500);
    }
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_never_pauses_does_not_outrun_a_deadline() {
    let (mut websocket, peer) = server();
    let bell = Bell::new();
    flood(&peer);
    let mut close = pin!(websocket.close(None));
    park(close.as_mut(), &bell);
    advance(Duration::from_millis(5010)).await;
    park(close.as_mut(), &bell);
    assert!(poll_with(close.as_mut(), &bell).is_ready());
}

#[tokio::test(start_paused = true)]
async fn a_poll_that_brings_nothing_costs_one_read() {
    let (mut websocket, peer) = server();
    let bell = Bell::new();
    let mut recv = pin!(websocket.recv());
    park(recv.as_mut(), &bell);
    let before = peer.polls();
    for _ in 0..100 {
        assert_eq!(park(recv.as_mut(), &bell), 0);
    }
    assert_eq!(peer.polls() - before, 100);
}

/// A call that was left where it waited does not wake its task over and over, when the task waits in another one.
#[tokio::test(start_paused = true)]
async fn a_call_that_was_left_does_not_keep_its_task_busy() {
    let (mut websocket, peer) = server();
    let bell = Bell::new();
    assert!(poll_with(pin!(websocket.recv_reader()), &bell).is_pending());
    peer.stop_reading();
    peer.text("held");
    let mut send = pin!(websocket.send("stuck"));
    for _ in 0..3 {
        assert!(poll_with(send.as_mut(), &bell).is_pending());
    }
    bell.rings();
    for _ in 0..10 {
        assert!(poll_with(send.as_mut(), &bell).is_pending());
    }
    assert_eq!(bell.rings(), 0);

    let mut limits = Limits::default();
    limits.unsent = 1;
    let (websocket, peer) = open(Role::Server, &Config::new().limits(limits).keepalive(None));
    let (mut sender, mut receiver) = websocket.split();
    peer.stop_reading();
    let mut writer = sender.writer(Kind::Binary).fragment(1);
    let mut write = pin!(writer.write_all(b"abc"));
    assert!(poll_with(write.as_mut(), &bell).is_pending());
    peer.open(usize::MAX);
    let mut recv = pin!(receiver.recv());
    for _ in 0..3 {
        assert!(poll_with(recv.as_mut(), &bell).is_pending());
    }
    bell.rings();
    for _ in 0..10 {
        assert!(poll_with(recv.as_mut(), &bell).is_pending());
    }
    assert_eq!(bell.rings(), 0);
}
