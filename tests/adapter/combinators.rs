//! `Stream` and `Sink`.

use std::future::poll_fn;

use futures_util::{SinkExt, StreamExt, TryStreamExt};
use sansocket::{
    Config, Message, ProtocolError, Role, SendError,
    handshake::Request,
    tokio::{Error, accept, client},
};
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

/// A stream keeps one waker. The task that sends must not take it away from the one that receives.
#[tokio::test]
async fn the_two_ends_of_a_split_wait_in_two_tasks() {
    let (ours, theirs) = tokio::io::duplex(64);
    let request = Request::new("ws://host/").unwrap();
    let (client, server) = tokio::join!(client(ours, request), accept(theirs));
    let (mut client, server) = (client.unwrap(), server.unwrap());

    let (sink, mut stream) = server.split();
    let reader = tokio::spawn(async move {
        let mut heard = Vec::new();
        while let Some(Ok(message)) = stream.next().await {
            heard.push(message);
        }
        heard
    });
    for round in 0..10 {
        // Longer than the stream takes at once: the sender waits, and so does the reader.
        let message = format!("{round:0100}");
        yield_now().await;
        let (sent, received) = tokio::join!(sink.send(message.clone()), client.recv());
        sent.unwrap();
        assert_eq!(received.unwrap(), Some(message.into()));
    }
    for message in ["one", "two", "three"] {
        client.send(message).await.unwrap();
    }
    assert!(client.close(None).await.is_clean());
    assert_eq!(reader.await.unwrap(), ["one".into(), "two".into(), "three".into()]);
}

/// What the sender took in for want of room is there for a receiver that was polled before it, in one task.
#[tokio::test]
async fn a_receiver_that_waits_is_woken_for_what_the_sender_has_read() {
    let (mut websocket, peer) = server();
    peer.stop_reading();
    let (mut sink, mut stream) = websocket.by_ref().split();
    let receiving = stream.next();
    let sending = async {
        yield_now().await;
        peer.text("hello");
        sink.send("stuck".into()).await
    };
    tokio::select! {
        biased;
        received = receiving => assert_eq!(received.unwrap().unwrap(), "hello".into()),
        _ = sending => unreachable!("nobody reads"),
        () = tokio::time::sleep(Duration::from_secs(5)) => panic!("nobody woke the receiver"),
    }
}
