//! `Stream` and `Sink`.

use std::{future::poll_fn, pin::pin};

use futures_util::{SinkExt, Stream, StreamExt, TryStreamExt};
use sansocket::{
    Config, Message, ProtocolError, Role, SendError,
    handshake::Request,
    tokio::{Error, Sender, WebSocket, accept, client},
};
use tokio::{
    task::yield_now,
    time::{Duration, Instant},
};

use crate::support::{Bell, at_once, open, poll_with, server, waits};

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

/// As through a mutex: a task that waits for the stream is not forgotten because another one has come and gone.
#[tokio::test(start_paused = true)]
async fn a_stream_is_woken_though_another_task_has_waited_since() {
    let (mut websocket, peer) = server();
    let (streaming, feeding) = (Bell::new(), Bell::new());
    assert!(poll_with(pin!(websocket.next()), &streaming).is_pending());
    peer.stop_reading();
    while poll_with(pin!(WebSocket::feed(&mut websocket, vec![7; 100_000])), &feeding).is_ready() {}
    streaming.rings();
    peer.text("hi");
    assert!(streaming.rings() > 0);
}

#[tokio::test(start_paused = true)]
async fn what_another_task_feeds_is_written_by_the_one_that_waits() {
    let (mut websocket, peer) = server();
    let bell = Bell::new();
    assert!(poll_with(pin!(websocket.next()), &bell).is_pending());
    bell.rings();
    at_once(WebSocket::feed(&mut websocket, "hi")).unwrap();
    assert!(bell.rings() > 0);
    assert!(poll_with(pin!(websocket.next()), &bell).is_pending());
    assert_eq!(peer.heard(), ["text hi"]);
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
async fn an_echo_by_the_two_ends_of_a_stream() {
    for role in [Role::Server, Role::Client] {
        let (websocket, peer) = open(role, &Config::new());
        for i in 0..10 {
            peer.text(&format!("{i}"));
        }
        let (sink, stream) = StreamExt::split(websocket);
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
async fn the_two_ends_of_a_stream_wait_in_two_tasks() {
    two_tasks(async |server, client| {
        let (mut sink, stream) = futures_util::StreamExt::split(server);
        converse(client, stream, async |message: Message| sink.send(message).await).await;
    })
    .await;
}

#[tokio::test]
async fn halves_wait_in_two_tasks() {
    two_tasks(async |server, client| {
        let (mut sender, receiver) = server.split();
        converse(client, receiver, async |message: Message| SinkExt::send(&mut sender, message).await).await;
    })
    .await;
}

type Duplex = WebSocket<tokio::io::DuplexStream>;

async fn two_tasks(test: impl AsyncFnOnce(Duplex, Duplex)) {
    let (ours, theirs) = tokio::io::duplex(64);
    let request = Request::new("ws://host/").unwrap();
    let (client, server) = tokio::join!(client(ours, request), accept(theirs));
    test(server.unwrap(), client.unwrap()).await;
}

async fn converse<S>(
    mut client: Duplex,
    mut stream: S,
    mut send: impl AsyncFnMut(Message) -> Result<(), Error>,
) where
    S: Stream<Item = Result<Message, Error>> + Unpin + Send + 'static,
{
    let reader = tokio::spawn(async move {
        let mut heard = Vec::new();
        while let Some(Ok(message)) = stream.next().await {
            heard.push(message);
        }
        heard
    });
    for round in 0..10 {
        // Longer than the stream takes at once: the sender waits, and so does the reader.
        let message = Message::from(format!("{round:0100}"));
        yield_now().await;
        let (sent, received) = tokio::join!(send(message.clone()), client.recv());
        sent.unwrap();
        assert_eq!(received.unwrap(), Some(message));
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
    let (mut sink, mut stream) = StreamExt::split(websocket.by_ref());
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

#[tokio::test(start_paused = true)]
async fn an_echo_by_halves() {
    for role in [Role::Server, Role::Client] {
        let (websocket, peer) = open(role, &Config::new());
        for i in 0..10 {
            peer.text(&format!("{i}"));
        }
        let (sender, receiver) = websocket.split();
        let closing = async {
            while peer.heard().len() < 10 {
                yield_now().await;
            }
            peer.close(1000);
            peer.eof();
        };
        let (echoed, ()) = tokio::join!(receiver.forward(sender), closing);
        echoed.unwrap();
        let mut expected: Vec<_> = (0..10).map(|i| format!("text {i}")).collect();
        expected.push("close 1000".into());
        assert_eq!(peer.heard(), expected);
    }
}

#[tokio::test(start_paused = true)]
async fn a_receiver_gives_messages_until_both_have_closed_or_an_error() {
    for role in [Role::Server, Role::Client] {
        let (websocket, peer) = open(role, &Config::new());
        let (_sender, mut receiver) = websocket.split();
        peer.text("one");
        peer.close(1000);
        peer.eof();
        let items: Vec<_> = at_once(receiver.by_ref().collect());
        assert!(matches!(&items[..], [Ok(message)] if *message == "one".into()));
        assert!(at_once(receiver.next()).is_none());

        let (websocket, peer) = open(role, &Config::new());
        let (_sender, mut receiver) = websocket.split();
        peer.eof();
        let items: Vec<_> = at_once(receiver.by_ref().collect());
        assert!(matches!(&items[..], [Err(Error::Vanished)]));
        assert!(at_once(receiver.next()).is_none());
    }
}

#[tokio::test(start_paused = true)]
async fn a_sender_is_a_sink_whose_messages_stay_in_order() {
    let (websocket, peer) = server();
    let (mut sender, _receiver) = websocket.split();
    at_once(SinkExt::feed(&mut sender, "one".into())).unwrap();
    at_once(sender.feed("two")).unwrap();
    at_once(SinkExt::feed(&mut sender, "three".into())).unwrap();
    sender.try_send("four").unwrap();
    assert!(peer.log().is_empty());
    at_once(SinkExt::send(&mut sender, "five".into())).unwrap();
    assert_eq!(peer.heard(), ["one", "two", "three", "four", "five"].map(|it| format!("text {it}")));
    assert_eq!(peer.writes(), 1);
    // What was fed leaves with whoever waits, and is there when the halves are put together.
    at_once(SinkExt::feed(&mut sender, "six".into())).unwrap();
    at_once(Sender::flush(&sender)).unwrap();
    assert_eq!(peer.heard().last().unwrap(), "text six");
    at_once(SinkExt::feed(&mut sender, "seven".into())).unwrap();
    let mut websocket = _receiver.reunite(sender).unwrap();
    at_once(websocket.send("eight")).unwrap();
    assert_eq!(peer.heard()[6..], ["text seven", "text eight"]);
}

#[tokio::test(start_paused = true)]
async fn a_sender_as_a_sink_waits_for_room_with_one_message_in_hand() {
    let mut limits = sansocket::Limits::default();
    limits.unsent = 1;
    let (websocket, peer) = open(Role::Server, &Config::new().limits(limits));
    let (mut sender, _receiver) = websocket.split();
    let other = sender.clone();
    peer.stop_reading();
    let bell = Bell::new();
    at_once(SinkExt::feed(&mut sender, "one".into())).unwrap();
    {
        let mut feeds = Box::pin(async {
            SinkExt::feed(&mut sender, "two".into()).await.unwrap();
            SinkExt::feed(&mut sender, "three".into()).await.unwrap();
        });
        assert!(poll_with(feeds.as_mut(), &bell).is_pending());
        assert!(waits(other.room()));
        peer.open(9);
        assert!(bell.rings() > 0);
        // Another one is faster: what is in hand waits.
        other.try_send("other").unwrap_err();
        assert!(waits(other.feed("other")) || peer.heard().len() == 1);
        peer.open(usize::MAX);
        at_once(feeds);
    }
    at_once(SinkExt::flush(&mut sender)).unwrap();
    let heard = peer.heard();
    let ours: Vec<_> = heard.iter().filter(|word| *word != "text other").collect();
    assert_eq!(ours, ["text one", "text two", "text three"]);
}

#[tokio::test(start_paused = true)]
async fn a_sink_of_halves_is_flushed_when_its_own_bytes_have_left() {
    let (websocket, peer) = server();
    let (mut sender, _receiver) = websocket.split();
    let other = sender.clone();
    peer.stop_reading();
    at_once(SinkExt::feed(&mut sender, "one".into())).unwrap();
    let bell = Bell::new();
    let mut flush = Box::pin(SinkExt::flush(&mut sender));
    assert!(poll_with(flush.as_mut(), &bell).is_pending());
    at_once(other.feed("two")).unwrap();
    peer.open(5);
    assert_eq!(bell.rings(), 1);
    assert!(poll_with(flush.as_mut(), &bell).is_ready(), "it does not wait for the others");
    assert_eq!(peer.heard(), ["text one"]);
}

#[tokio::test(start_paused = true)]
async fn a_sink_of_halves_that_can_send_nothing_more_is_never_ready() {
    let (websocket, peer) = server();
    let (mut sender, _receiver) = websocket.split();
    sender.clone().start_close(None);
    let ready = at_once(poll_fn(|cx| sender.poll_ready_unpin(cx)));
    assert!(matches!(ready, Err(Error::Send(SendError::Closed))));
    let sent = at_once(SinkExt::send(&mut sender, "late".into()));
    assert!(matches!(sent, Err(Error::Send(SendError::Closed))));
    assert!(waits(sender.closed()));
    assert_eq!(peer.heard(), ["close"]);
}

#[tokio::test(start_paused = true)]
async fn a_sink_of_halves_closes_with_1000_and_waits_for_the_peer() {
    let (websocket, peer) = server();
    let (mut sender, mut receiver) = websocket.split();
    at_once(SinkExt::feed(&mut sender, "last words".into())).unwrap();
    {
        let mut close = SinkExt::close(&mut sender);
        assert!(waits(&mut close));
        peer.text("still here");
        peer.close(1000);
        assert!(waits(&mut close), "the message is for the receiver");
        assert_eq!(at_once(receiver.next()).unwrap().unwrap(), "still here".into());
        at_once(close).unwrap();
    }
    assert_eq!(peer.heard(), ["text last words", "close 1000"]);
    at_once(SinkExt::close(&mut sender)).unwrap();
    assert!(at_once(receiver.next()).is_none());

    let (websocket, _peer) = server();
    let (mut sender, _receiver) = websocket.split();
    let start = Instant::now();
    assert!(matches!(SinkExt::close(&mut sender).await, Err(Error::TimedOut(_))));
    assert_eq!(start.elapsed(), Duration::from_secs(5));
}

/// Combinators keep their place when they are dropped; their task is not called for ever.
#[tokio::test(start_paused = true)]
async fn halves_that_are_put_together_call_nobody_who_waited_on_them() {
    let (websocket, peer) = server();
    let (sender, mut receiver) = websocket.split();
    let mut clone = sender.clone();
    drop(sender);
    let bell = Bell::new();
    peer.stop_reading();
    assert!(poll_with(std::pin::pin!(receiver.next()), &bell).is_pending());
    assert!(poll_with(std::pin::pin!(SinkExt::send(&mut clone, "a".into())), &bell).is_pending());
    let mut websocket = receiver.reunite(clone).unwrap();
    bell.rings();
    peer.open(usize::MAX);
    for i in 0..10 {
        peer.text(&format!("{i}"));
        assert_eq!(at_once(websocket.recv()).unwrap(), Some(format!("{i}").into()));
        at_once(websocket.send("b")).unwrap();
    }
    assert_eq!(bell.rings(), 0);
    assert_eq!(peer.heard().len(), 11);
}

#[tokio::test(start_paused = true)]
async fn halves_that_are_dropped_take_their_tasks_with_them() {
    let (websocket, peer) = server();
    let (mut sender, mut receiver) = websocket.split();
    let clone = sender.clone();
    peer.stop_reading();
    let (reading, sending, waiting) = (Bell::new(), Bell::new(), Bell::new());
    assert!(poll_with(std::pin::pin!(receiver.next()), &reading).is_pending());
    assert!(poll_with(std::pin::pin!(SinkExt::send(&mut sender, "a".into())), &sending).is_pending());
    let mut closed = std::pin::pin!(clone.closed());
    assert!(poll_with(closed.as_mut(), &waiting).is_pending());
    drop((sender, receiver));
    for bell in [&reading, &sending, &waiting] {
        bell.rings();
    }
    peer.open(1);
    peer.ping("1");
    clone.abort();
    assert_eq!((reading.rings(), sending.rings()), (0, 0));
    assert!(waiting.rings() > 0);
    assert!(poll_with(closed.as_mut(), &waiting).is_ready());
}

#[tokio::test(start_paused = true)]
async fn a_sink_keeps_what_another_sender_has_taken_the_room_of() {
    let mut limits = sansocket::Limits::default();
    limits.unsent = 1;
    for closes in [false, true] {
        let (websocket, peer) = open(Role::Server, &Config::new().limits(limits));
        let (mut sender, _receiver) = websocket.split();
        let other = sender.clone();
        peer.stop_reading();
        at_once(poll_fn(|cx| sender.poll_ready_unpin(cx))).unwrap();
        other.try_send("faster").unwrap();
        sender.start_send_unpin("kept".into()).unwrap();
        assert_eq!(sender.unsent(), 8);
        assert!(waits(poll_fn(|cx| sender.poll_ready_unpin(cx))));
        peer.open(usize::MAX);
        if closes {
            assert!(waits(SinkExt::close(&mut sender)));
            assert_eq!(peer.heard(), ["text faster", "text kept", "close 1000"]);
        } else {
            at_once(SinkExt::flush(&mut sender)).unwrap();
            assert_eq!(peer.heard(), ["text faster", "text kept"]);
        }
    }
}
