//! Halves: what one of them waits for does not keep the other, and whichever is waited on keeps the connection going.

use std::{pin::pin, task::Poll};

use sansocket::{
    CloseFrame, Compress, Connection, Kind, Overflow, Posted, Role, frame::OpCode, tokio::Ended,
};
use tokio::time::Instant;

use crate::support::{
    Bell, Receiver, Sender, at_once, chunk, halves, is_closed, narrow, park, poll_once, poll_with, waits,
    woken,
};

const ROLES: [Role; 2] = [Role::Server, Role::Client];

#[tokio::test(start_paused = true)]
async fn a_sender_that_waits_does_not_keep_the_receiver_from_receiving() {
    for role in ROLES {
        let (sender, mut receiver, peer) = halves(role);
        peer.stop_reading();
        let bell = Bell::new();
        let mut send = pin!(sender.send(vec![7; 5 << 20]));
        park(send.as_mut(), &bell);
        for i in 0..100 {
            peer.text(&format!("{i}"));
            assert_eq!(at_once(receiver.recv()).unwrap(), Some(format!("{i}").into()));
            assert!(poll_with(send.as_mut(), &bell).is_pending());
        }
        assert!(waits(receiver.recv()));
        bell.rings();
        peer.open(usize::MAX);
        woken(send.as_mut(), &bell).unwrap();
        assert_eq!(peer.heard(), ["binary of 5242880"]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_receiver_that_waits_does_not_keep_a_sender_from_sending() {
    for role in ROLES {
        let (sender, mut receiver, peer) = halves(role);
        let bell = Bell::new();
        let mut recv = pin!(receiver.recv());
        park(recv.as_mut(), &bell);
        for i in 0..100 {
            at_once(sender.send(format!("{i}"))).unwrap();
            at_once(sender.ping("p")).unwrap();
        }
        assert_eq!(bell.rings(), 0, "there is nothing in it for the receiver");
        assert_eq!(peer.heard().len(), 200);
        peer.text("hello");
        assert_eq!(woken(recv.as_mut(), &bell).unwrap(), Some("hello".into()));
    }
}

type Poller = fn(&Sender, &mut Receiver);

/// Each kind of task that waits on halves, to be polled again and again.
fn tasks() -> Vec<(&'static str, Poller)> {
    vec![
        ("recv", |_, receiver| assert!(!matches!(poll_once(receiver.recv()), Poll::Ready(Ok(Some(_)))))),
        ("recv_chunk", |_, receiver| drop(poll_once(receiver.recv_chunk()))),
        ("recv_event", |_, receiver| drop(poll_once(receiver.recv_event()))),
        ("recv_reader", |_, receiver| drop(poll_once(receiver.recv_reader()))),
        ("closed", |sender, _| drop(poll_once(sender.closed()))),
        ("send", |sender, _| drop(poll_once(sender.send("tick")))),
        ("send_with", |sender, _| drop(poll_once(sender.send_with("tick", Compress::Never)))),
        ("ping", |sender, _| drop(poll_once(sender.ping("tick")))),
        ("pong", |sender, _| drop(poll_once(sender.pong("tick")))),
        ("flush", |sender, _| drop(poll_once(sender.flush()))),
        ("clones", |sender, _| drop(poll_once(sender.clone().send("tick")))),
    ]
}

#[tokio::test(start_paused = true)]
async fn pings_and_closes_are_answered_whichever_half_is_used() {
    for role in ROLES {
        for (name, poll) in tasks() {
            let (sender, mut receiver, peer) = halves(role);
            poll(&sender, &mut receiver);
            for i in 0..3 {
                peer.ping(&format!("{i}"));
                // One that sends looks around from its second message on, and says the answer with its third.
                for _ in 0..3 {
                    poll(&sender, &mut receiver);
                }
                let heard = peer.heard();
                assert!(heard.contains(&format!("pong {i}")), "{role:?}, {name}: {heard:?}");
            }
            peer.close(1000);
            for _ in 0..3 {
                poll(&sender, &mut receiver);
            }
            assert_eq!(peer.heard().last().unwrap(), "close 1000", "{role:?}, {name}");
            peer.eof();
            assert!(at_once(sender.closed()).is_clean(), "{role:?}, {name}");
            assert_eq!(at_once(receiver.recv()).unwrap(), None);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_send_behind_a_message_that_was_received_looks_for_nothing_to_read() {
    let (sender, mut receiver, peer) = halves(Role::Server);
    for _ in 0..3 {
        peer.text("request");
        assert_eq!(at_once(receiver.recv()).unwrap(), Some("request".into()));
        let before = peer.polls();
        at_once(sender.send("reply")).unwrap();
        assert_eq!(peer.polls() - before, 2, "a write and a flush");
    }
    // Nor does it while the receiver waits, who reads.
    let bell = Bell::new();
    let mut recv = pin!(receiver.recv());
    park(recv.as_mut(), &bell);
    let before = peer.polls();
    for _ in 0..10 {
        at_once(sender.send("more")).unwrap();
    }
    assert_eq!(peer.polls() - before, 20);
}

#[tokio::test(start_paused = true)]
async fn a_sender_that_waits_answers_pings_up_to_the_first_message_and_behind_it_once_it_is_received() {
    let (sender, mut receiver, peer) = narrow();
    peer.stop_reading();
    let bell = Bell::new();
    let mut send = pin!(sender.send("stuck"));
    park(send.as_mut(), &bell);
    peer.put([peer.frame(OpCode::Text, b"one"), peer.frame(OpCode::Ping, b"1")].concat());
    park(send.as_mut(), &bell);
    assert_eq!(sender.unsent(), 7, "the ping is behind the message");
    assert_eq!(at_once(receiver.recv()).unwrap(), Some("one".into()));
    // The receiver is busy with it, and may be for long.
    assert_eq!(bell.rings(), 1, "now it can be answered");
    park(send.as_mut(), &bell);
    assert_eq!(sender.unsent(), 7 + 3);
    peer.open(usize::MAX);
    woken(send.as_mut(), &bell).unwrap();
    at_once(sender.flush()).unwrap();
    assert_eq!(peer.heard(), ["text stuck", "pong 1"]);
}

#[tokio::test(start_paused = true)]
async fn who_waits_for_the_end_learns_of_it_behind_a_message_that_was_received() {
    let (sender, mut receiver, peer) = narrow();
    let bell = Bell::new();
    let mut closed = pin!(sender.closed());
    park(closed.as_mut(), &bell);
    peer.put([peer.frame(OpCode::Text, b"last words"), peer.close_frame(1000)].concat());
    assert_eq!(bell.rings(), 1);
    park(closed.as_mut(), &bell);
    assert_eq!(at_once(receiver.recv()).unwrap(), Some("last words".into()));
    assert!(woken(closed.as_mut(), &bell).is_clean());
}

type Queue = fn(&mut Sender);

/// What a task may do on halves that does not wait.
fn queued() -> Vec<(&'static str, Queue, &'static str)> {
    vec![
        ("feed", |sender| at_once(sender.feed("a")).unwrap(), "text a"),
        ("try_send", |sender| sender.try_send("a").unwrap(), "text a"),
        ("post", |sender| assert_eq!(sender.post("a", Overflow::DropNewest), Ok(Posted::Queued)), "text a"),
        ("feed_chunk", |sender| at_once(sender.feed_chunk(chunk("a", false))).unwrap(), "text+ a"),
        ("start_close", |sender| sender.start_close(CloseFrame::NORMAL), "close 1000"),
        ("a send that is dropped", |sender| drop(poll_once(sender.clone().feed("a"))), "text a"),
    ]
}

#[tokio::test(start_paused = true)]
async fn what_is_queued_wakes_a_receiver_that_waits_and_leaves_by_it() {
    for role in ROLES {
        for (name, queue, heard) in queued() {
            let (mut sender, mut receiver, peer) = halves(role);
            let bell = Bell::new();
            let mut recv = pin!(receiver.recv());
            park(recv.as_mut(), &bell);
            queue(&mut sender);
            assert!(peer.log().is_empty());
            assert_eq!(bell.rings(), 1, "{name}");
            park(recv.as_mut(), &bell);
            assert_eq!(peer.heard(), [heard], "{name}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_queued_while_nobody_waits_leaves_with_whoever_waits_next() {
    for (name, queue, heard) in queued() {
        for next in 0..4 {
            let (mut sender, mut receiver, peer) = halves(Role::Server);
            queue(&mut sender);
            match next {
                0 => assert!(waits(receiver.recv())),
                1 => drop(poll_once(sender.flush())),
                2 => drop(poll_once(sender.closed())),
                _ => drop(poll_once(sender.clone().close(None))),
            }
            assert_eq!(peer.heard()[0], heard, "{name}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn many_messages_are_queued_with_one_wake_up_and_leave_in_one_write() {
    let (sender, mut receiver, peer) = halves(Role::Server);
    let bell = Bell::new();
    let mut recv = pin!(receiver.recv());
    park(recv.as_mut(), &bell);
    for _ in 0..100 {
        at_once(sender.feed("tick")).unwrap();
    }
    assert_eq!(bell.rings(), 1);
    park(recv.as_mut(), &bell);
    assert_eq!((peer.heard().len(), peer.writes()), (100, 1));
}

#[tokio::test(start_paused = true)]
async fn a_flush_and_a_send_end_with_their_own_bytes_though_another_sender_goes_on() {
    let (one, _receiver, peer) = halves(Role::Server);
    let (two, three) = (one.clone(), one.clone());
    peer.stop_reading();
    at_once(one.feed("one")).unwrap();
    let (bell, also) = (Bell::new(), Bell::new());
    let mut flush = pin!(one.flush());
    park(flush.as_mut(), &bell);
    let mut send = pin!(two.send("two"));
    park(send.as_mut(), &also);
    for _ in 0..100 {
        at_once(three.feed("three")).unwrap();
    }
    peer.open(4);
    park(flush.as_mut(), &bell);
    peer.open(1);
    woken(flush.as_mut(), &bell).unwrap();
    at_once(three.feed("three")).unwrap();
    park(send.as_mut(), &also);
    peer.open(5);
    woken(send.as_mut(), &also).unwrap();
    assert_eq!(peer.heard(), ["text one", "text two"]);
    peer.open(1000);
    at_once(three.flush()).unwrap();
    assert_eq!(peer.heard().len(), 103);
}

#[tokio::test(start_paused = true)]
async fn a_close_comes_from_any_sender_also_between_the_fragments_of_another_one() {
    for role in ROLES {
        let (mut one, mut receiver, peer) = halves(role);
        let two = one.clone();
        at_once(one.send_chunk(chunk("begun", false))).unwrap();
        let (bell, reading) = (Bell::new(), Bell::new());
        let mut recv = pin!(receiver.recv());
        park(recv.as_mut(), &reading);
        let mut close = pin!(two.close(CloseFrame::NORMAL));
        park(close.as_mut(), &bell);
        assert_eq!(peer.heard(), ["text+ begun", "close 1000"]);
        is_closed(at_once(one.send_chunk(chunk("late", true))));
        is_closed(at_once(one.send("late")));
        is_closed(at_once(one.room()));
        reading.rings();
        peer.text("last words");
        assert_eq!(woken(recv.as_mut(), &reading).unwrap(), Some("last words".into()));
        peer.close(1001);
        peer.eof();
        let Ended::Clean { sent: Some(sent), received: Some(received) } = woken(close.as_mut(), &bell) else {
            panic!("not clean");
        };
        assert_eq!((u16::from(sent.code()), u16::from(received.code())), (1000, 1001));
        drop(one);
        assert_eq!(peer.heard(), ["text+ begun", "close 1000"], "nothing is abandoned that was cut off");
    }
}

#[tokio::test(start_paused = true)]
async fn a_close_goes_behind_what_was_accepted_and_before_what_was_not() {
    let (one, mut receiver, peer) = narrow();
    let (mut two, three) = (one.clone(), one.clone());
    peer.stop_reading();
    let bells = [(); 3].map(|()| Bell::new());
    let mut accepted = pin!(one.send("accepted"));
    let mut late = pin!(two.send_chunk(chunk("late", false)));
    park(accepted.as_mut(), &bells[0]);
    park(late.as_mut(), &bells[1]);
    let mut close = pin!(three.close(None));
    park(close.as_mut(), &bells[2]);
    is_closed(woken(late.as_mut(), &bells[1]));
    assert_eq!(bells[0].rings(), 1, "the state has changed");
    park(accepted.as_mut(), &bells[0]);
    peer.open(10);
    woken(accepted.as_mut(), &bells[0]).unwrap();
    peer.open(10);
    peer.close(1000);
    assert!(woken(close.as_mut(), &bells[2]).is_clean());
    assert_eq!(peer.heard(), ["text accepted", "close"]);
    assert_eq!(at_once(receiver.recv()).unwrap(), None);
}

#[tokio::test(start_paused = true)]
async fn a_close_that_nobody_answers_takes_five_seconds_with_or_without_a_receiver() {
    for listens in [false, true] {
        for holds in [false, true] {
            let (sender, receiver, peer) = halves(Role::Server);
            let receiver = Some(receiver).filter(|_| listens);
            if holds {
                peer.text("held");
            }
            let start = Instant::now();
            let ended = sender.close(None).await;
            assert!(matches!(ended, Ended::TimedOut(_)), "{ended:?}");
            assert_eq!(start.elapsed().as_secs(), 5);
            drop(receiver);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_asked_of_halves_is_asked_of_one_connection() {
    let (sender, receiver, peer) = halves(Role::Server);
    assert_eq!((sender.unsent(), sender.ended(), receiver.ended()), (0, None, None));
    at_once(sender.feed("hello")).unwrap();
    assert_eq!((sender.unsent(), receiver.inspect(Connection::unsent)), (7, 7));
    assert_eq!(sender.inspect(|connection| connection.sent().messages), 1);
    assert!(peer.log().is_empty());
}

#[test]
fn halves_and_their_futures_move_between_threads() {
    fn is_sync<T: Send + Sync + Unpin>(value: T) -> T {
        value
    }
    fn is_send<T: Send>(_: T) {}
    fn is_clone<T: Clone>(_: &T) {}
    let (sender, receiver, _peer) = halves(Role::Server);
    is_clone(&sender);
    let (mut sender, mut receiver) = (is_sync(sender), is_sync(receiver));
    is_send(sender.send("a"));
    is_send(sender.send_with("a", Compress::Never));
    is_send(sender.feed("a"));
    is_send(sender.room());
    is_send(sender.flush());
    is_send(sender.ping("a"));
    is_send(sender.pong("a"));
    is_send(sender.close(None));
    is_send(sender.closed());
    is_send(sender.send_chunk(chunk("a", true)));
    is_send(sender.feed_chunk(chunk("a", true)));
    is_send(sender.writer(Kind::Text));
    is_send(sender.writer(Kind::Text).finish());
    is_send(receiver.recv());
    is_send(receiver.recv_event());
    is_send(receiver.recv_chunk());
    is_send(receiver.recv_reader());
    is_send(receiver.reunite(sender));
}

#[tokio::test]
async fn who_sends_without_a_receiver_answers_pings_each_time() {
    let (sender, receiver, peer) = halves(Role::Server);
    drop(receiver);
    for ping in ["1", "2"] {
        peer.ping(ping);
        at_once(sender.send("x")).unwrap();
    }
    at_once(sender.send("y")).unwrap();
    assert_eq!(peer.heard(), ["text x", "pong 1", "text x", "pong 2", "text y"]);
}
