//! `Stream` and `Sink`.

use std::future::poll_fn;

use futures_util::{SinkExt, StreamExt, TryStreamExt};
use sansocket::{Config, Message, ProtocolError, Role, SendError, tokio::Error};
use tokio::{
    task::yield_now,
    time::{Duration, Instant},
};

use crate::support::{at_once, open, server, waits};

#[tokio::test(start_paused = true)]
async fn a_stream_gives_messages_until_both_have_closed() {
    let (mut websocket, peer) = server();
    peer.text("one");
    peer.text("two");
    peer.close(1000);
    let messages: Vec<Message> = at_once(websocket.by_ref().try_collect()).unwrap();
    assert_eq!(messages, ["one".into(), "two".into()]);
    for _ in 0..3 {
        assert!(at_once(websocket.next()).is_none());
    }
    assert!(websocket.ended().unwrap().is_clean());
}

#[tokio::test(start_paused = true)]
async fn an_error_is_the_last_item() {
    let (mut websocket, peer) = server();
    peer.text("one");
    peer.put([0x83, 0x80, 0, 0, 0, 0]);
    peer.eof();
    let items: Vec<_> = at_once(websocket.by_ref().collect());
    assert!(matches!(&items[..], [Ok(_), Err(Error::Protocol(ProtocolError::ReservedOpCode))]));
    for _ in 0..3 {
        assert!(at_once(websocket.next()).is_none());
    }
    let (mut websocket, peer) = server();
    peer.eof();
    let items: Vec<_> = at_once(websocket.by_ref().collect());
    assert!(matches!(&items[..], [Err(Error::Vanished)]));
}

#[tokio::test(start_paused = true)]
async fn an_echo_by_halves() {
    for role in [Role::Server, Role::Client] {
        let (websocket, peer) = open(role, &Config::new());
        for i in 0..10 {
            peer.text(&format!("{i}"));
        }
        let (sink, stream) = websocket.split();
        let closing = async {
            while peer.heard().len() < 10 {
                yield_now().await;
            }
            peer.close(1000);
            peer.eof();
        };
        let (echoed, ()) = tokio::join!(stream.forward(sink), closing);
        echoed.unwrap();
        let mut expected: Vec<_> = (0..10).map(|i| format!("text {i}")).collect();
        expected.push("close 1000".into());
        assert_eq!(peer.heard(), expected);
    }
}

#[tokio::test(start_paused = true)]
async fn a_sink_queues_and_flushes() {
    let (mut websocket, peer) = server();
    at_once(SinkExt::feed(&mut websocket, "one".into())).unwrap();
    assert!(peer.log().is_empty());
    at_once(SinkExt::send(&mut websocket, "two".into())).unwrap();
    assert_eq!((peer.writes(), peer.heard()), (1, vec!["text one".into(), "text two".into()]));
    let mut more = futures_util::stream::iter(["three", "four"].map(|text| Ok(text.into())));
    at_once(websocket.send_all(&mut more)).unwrap();
    assert_eq!((peer.writes(), peer.heard().len()), (2, 4));
}

#[tokio::test(start_paused = true)]
async fn a_sink_waits_for_room() {
    let mut limits = sansocket::Limits::default();
    limits.unsent = 10;
    let (mut websocket, peer) = open(Role::Server, &Config::new().limits(limits));
    peer.stop_reading();
    at_once(SinkExt::feed(&mut websocket, vec![7; 100].into())).unwrap();
    let mut feed = SinkExt::feed(&mut websocket, "more".into());
    assert!(waits(&mut feed));
    peer.open(100);
    at_once(feed).unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_sink_that_can_send_nothing_more_is_never_ready() {
    let (mut websocket, _peer) = server();
    websocket.start_close(None);
    let ready = at_once(poll_fn(|cx| websocket.poll_ready_unpin(cx)));
    assert!(matches!(ready, Err(Error::Send(SendError::Closed))));
}

#[tokio::test(start_paused = true)]
async fn a_sink_closes_with_1000_and_waits_for_the_peer() {
    let (mut websocket, peer) = server();
    at_once(SinkExt::feed(&mut websocket, "last words".into())).unwrap();
    {
        let mut close = SinkExt::close(&mut websocket);
        assert!(waits(&mut close));
        peer.close(1000);
        at_once(close).unwrap();
    }
    assert_eq!(peer.heard(), ["text last words", "close 1000"]);
    let late = at_once(SinkExt::send(&mut websocket, "late".into()));
    assert!(matches!(late, Err(Error::Send(SendError::Closed))));
    at_once(SinkExt::close(&mut websocket)).unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_sink_whose_peer_does_not_close_says_so_in_five_seconds() {
    let (mut websocket, _peer) = server();
    let start = Instant::now();
    let closed = SinkExt::close(&mut websocket).await;
    assert!(matches!(closed, Err(Error::TimedOut(_))));
    assert_eq!(start.elapsed(), Duration::from_secs(5));
}
