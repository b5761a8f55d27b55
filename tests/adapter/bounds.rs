//! What a peer can cost, and that it cannot block what does not depend on it.

use std::{
    io,
    pin::Pin,
    sync::mpsc,
    task::{Context, Poll},
    thread,
    time::Duration,
};

use bytes::BytesMut;
use sansocket::{
    Config, Connection, Limits, Negotiated, Role, TimedOut,
    frame::OpCode,
    tokio::{Error, WebSocket},
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    runtime,
    time::Instant,
};

use crate::support::{at_once, open, poll_times, server, waits};

#[tokio::test(start_paused = true)]
async fn a_peer_that_stops_reading_costs_the_limit_and_one_message() {
    for role in [Role::Server, Role::Client] {
        let mut limits = Limits::default();
        limits.unsent = 10_000;
        let (mut websocket, peer) = open(role, &Config::new().limits(limits));
        peer.stop_reading();
        let mut fed = 0;
        while poll_times(websocket.feed(vec![7; 3000]), 3).is_ready() {
            fed += 1;
        }
        assert_eq!(fed, 4);
        assert!((10_000..10_000 + 3000 + 14).contains(&websocket.connection().unsent()));
        // It waits for room, and goes on when there is some.
        let mut feed = Box::pin(websocket.feed(vec![7; 3000]));
        assert!(waits(feed.as_mut()));
        peer.open(2500);
        at_once(feed).unwrap();
        peer.open(usize::MAX);
        at_once(websocket.flush()).unwrap();
        assert_eq!(peer.heard(), ["binary of 3000"; 5]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_feed_that_waits_for_room_does_all_that_recv_does() {
    let mut limits = Limits::default();
    limits.unsent = 10;
    let (mut websocket, peer) = open(Role::Server, &Config::new().limits(limits));
    peer.stop_reading();
    at_once(websocket.feed(vec![7; 10])).unwrap();
    peer.ping("1");
    peer.text("held");
    peer.text("left");
    assert!(waits(websocket.feed("more")));
    assert_eq!(websocket.connection().unsent(), 12 + 3, "the pong is there");
    peer.open(13);
    at_once(websocket.feed("more")).unwrap();
    assert_eq!(at_once(websocket.recv()).unwrap(), Some("held".into()));
    assert_eq!(at_once(websocket.recv()).unwrap(), Some("left".into()));

    let (mut websocket, peer) = open(Role::Server, &Config::new().limits(limits));
    peer.stop_reading();
    at_once(websocket.feed(vec![7; 10])).unwrap();
    let start = Instant::now();
    assert!(matches!(websocket.feed("more").await, Err(Error::TimedOut(TimedOut::Pong))));
    assert_eq!(start.elapsed().as_secs(), 60);
}

#[tokio::test(start_paused = true)]
async fn a_message_larger_than_the_limit_is_accepted_where_there_is_room() {
    let (mut websocket, peer) = server();
    at_once(websocket.send(vec![7; 3 << 20])).unwrap();
    assert_eq!(peer.heard(), ["binary of 3145728"]);
}

#[tokio::test(start_paused = true)]
async fn a_ping_flood_with_our_writes_blocked_is_bounded_and_ends_in_the_latest_pong() {
    let (mut websocket, peer) = server();
    peer.stop_reading();
    for round in 0..50 {
        let pings = (0..2000).map(|i| peer.frame(OpCode::Ping, format!("{}", round * 2000 + i).as_bytes()));
        peer.put(pings.collect::<Vec<_>>().concat());
        // A poll takes in a part of it, and leaves room for other tasks.
        while !peer.is_drained() {
            assert!(waits(websocket.recv()));
        }
        assert!(websocket.connection().unsent() < (16 << 10) + 127);
    }
    assert!(poll_times(websocket.recv(), 100).is_pending());
    peer.open(usize::MAX);
    assert!(waits(websocket.recv()));
    let heard = peer.heard();
    assert_eq!((heard.first().unwrap().as_str(), heard.last().unwrap().as_str()), ("pong 0", "pong 99999"));
}

#[tokio::test(start_paused = true)]
async fn output_that_is_stuck_does_not_keep_messages_from_being_received() {
    let (mut websocket, peer) = server();
    peer.stop_reading();
    while poll_times(websocket.feed(vec![7; 100_000]), 1).is_ready() {}
    for i in 0..100 {
        peer.text(&format!("{i}"));
        peer.ping("1");
        assert_eq!(at_once(websocket.recv()).unwrap(), Some(format!("{i}").into()));
    }
}

#[tokio::test(start_paused = true)]
async fn two_ends_that_write_at_each_other_do_not_deadlock() {
    let (ours, theirs) = tokio::io::duplex(1000);
    let negotiated = sansocket::Negotiated::default;
    let config = Config::new();
    let server = sansocket::Connection::server(&config, negotiated());
    let client = sansocket::Connection::client(&config, negotiated(), || [1, 2, 3, 4]);
    let mut server = sansocket::tokio::WebSocket::from_parts(ours, server, Default::default());
    let mut client = sansocket::tokio::WebSocket::from_parts(theirs, client, Default::default());
    // Each sends more than the pipe holds before it receives anything.
    let (sent, also_sent) = tokio::join!(server.send(vec![1; 100_000]), client.send(vec![2; 100_000]));
    sent.unwrap();
    also_sent.unwrap();
    assert_eq!(server.recv().await.unwrap(), Some(vec![2; 100_000].into()));
    assert_eq!(client.recv().await.unwrap(), Some(vec![1; 100_000].into()));
}

#[tokio::test(start_paused = true)]
async fn a_message_over_the_limit_is_refused_at_its_header() {
    let (mut websocket, peer) = open(Role::Server, &Config::new().max_message(1000));
    let frame = peer.frame(OpCode::Binary, &[7; 1001]);
    peer.put(&frame[..8]);
    assert!(waits(websocket.recv()));
    assert_eq!(peer.heard(), ["close 1009 frame larger than the limit"]);
    peer.eof();
    assert!(matches!(at_once(websocket.recv()), Err(Error::Protocol(_))));
}

/// A peer that never stops talking, on a stream that never makes its reader wait.
struct Flood;

impl AsyncRead for Flood {
    fn poll_read(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        output: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        while output.remaining() >= 7 {
            output.put_slice(b"\x81\x81\0\0\0\0x");
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Flood {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[test]
fn a_flood_does_not_outrun_the_deadline_of_the_close() {
    let config = Config::new().close_timeout(Duration::from_millis(100));
    let connection = Connection::server(&config, Negotiated::default());
    let mut websocket = WebSocket::from_parts(Flood, connection, BytesMut::new());
    let (closed, closes) = mpsc::channel();
    thread::spawn(move || {
        let runtime = runtime::Builder::new_current_thread().enable_all().build().unwrap();
        closed.send(runtime.block_on(websocket.close(None)))
    });
    assert!(closes.recv_timeout(Duration::from_secs(20)).is_ok());
}
