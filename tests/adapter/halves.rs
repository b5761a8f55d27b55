//! Halves: what one of them waits for does not keep the other, and whichever is waited on keeps the connection going.

use std::{
    future::Future,
    io::ErrorKind,
    pin::{Pin, pin},
    sync::{Arc, Mutex, mpsc},
    task::{Context, Poll, Wake, Waker},
    thread,
    time::Duration,
};

use sansocket::{
    Chunk, CloseFrame, Compress, Config, Connection, Kind, Limits, Overflow, Posted, Role, SendError,
    frame::OpCode,
    tokio::{Ended, Error, WebSocket},
};
use tokio::{
    io::AsyncWriteExt,
    time::{Instant, advance, sleep, timeout},
};

use crate::support::{Bell, Peer, Transport, at_once, open, poll_once, poll_times, poll_with, waits};

type Sender = sansocket::tokio::Sender<Transport>;
type Receiver = sansocket::tokio::Receiver<Transport>;

const ROLES: [Role; 2] = [Role::Server, Role::Client];
const ABANDONED: &str = "close 1011 message abandoned";

/// The halves of a connection in this role, and its peer by hand.
fn halves_with(role: Role, config: &Config) -> (Sender, Receiver, Peer) {
    let (websocket, peer) = open(role, config);
    let (sender, receiver) = websocket.split();
    (sender, receiver, peer)
}

fn halves(role: Role) -> (Sender, Receiver, Peer) {
    halves_with(role, &Config::new())
}

/// Halves of a server that takes in no more than a message, without keepalive.
fn narrow() -> (Sender, Receiver, Peer) {
    let mut limits = Limits::default();
    limits.unsent = 1;
    halves_with(Role::Server, &Config::new().limits(limits).keepalive(None))
}

fn chunk(data: &'static str, fin: bool) -> Chunk {
    Chunk { kind: Kind::Text, data: data.into(), fin }
}

/// Polls a future that has to wait, and says how often it woke its task in the meantime.
fn park<F: Future>(future: Pin<&mut F>, bell: &Arc<Bell>) -> usize {
    assert!(poll_with(future, bell).is_pending(), "it does not wait");
    bell.rings()
}

/// The output of a future that was woken and does not have to wait any more.
fn woken<F: Future>(future: Pin<&mut F>, bell: &Arc<Bell>) -> F::Output {
    assert!(bell.rings() > 0, "it was not woken");
    match poll_with(future, bell) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("it waits"),
    }
}

#[track_caller]
fn is_closed<T: std::fmt::Debug>(sent: Result<T, Error>) {
    assert!(matches!(sent, Err(Error::Send(SendError::Closed))), "{sent:?}");
}

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

/// Each kind of task that waits on halves, to be polled again and again.
fn tasks() -> Vec<(&'static str, fn(&Sender, &mut Receiver))> {
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

/// What a task may do on halves that does not wait.
fn queued() -> Vec<(&'static str, fn(&mut Sender), &'static str)> {
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
async fn control_frames_go_between_the_fragments_of_another_sender() {
    for role in ROLES {
        let (mut one, mut receiver, peer) = halves(role);
        let two = one.clone();
        at_once(one.send_chunk(chunk("a", false))).unwrap();
        at_once(two.ping("1")).unwrap();
        at_once(two.pong("2")).unwrap();
        peer.ping("3");
        assert!(waits(receiver.recv()));
        at_once(one.send_chunk(chunk("b", true))).unwrap();
        assert_eq!(peer.heard(), ["text+ a", "ping 1", "pong 2", "pong 3", "continuation b"]);
    }
}

#[tokio::test(start_paused = true)]
async fn messages_of_other_senders_wait_for_the_end_of_one_in_chunks() {
    for role in ROLES {
        let (mut one, _receiver, peer) = halves(role);
        let (two, three, mut four) = (one.clone(), one.clone(), one.clone());
        let bells = [(); 4].map(|()| Bell::new());
        at_once(one.send_chunk(chunk("a", false))).unwrap();
        let mut send = pin!(two.send("two"));
        let mut feed = pin!(three.feed("three"));
        let mut chunks = Box::pin(four.send_chunk(chunk("four", false)));
        let room = three.clone();
        let mut room = pin!(room.room());
        park(send.as_mut(), &bells[0]);
        park(feed.as_mut(), &bells[1]);
        park(chunks.as_mut(), &bells[2]);
        park(room.as_mut(), &bells[3]);
        assert!(matches!(three.try_send("x"), Err(not) if not.error == SendError::MessageOpen));
        at_once(one.send_chunk(chunk("b", false))).unwrap();
        at_once(one.ping("p")).unwrap();
        assert_eq!(bells.each_ref().map(|bell| bell.rings()), [0; 4], "they cannot go on");
        at_once(one.send_chunk(chunk("c", true))).unwrap();
        woken(chunks.as_mut(), &bells[2]).unwrap();
        // Another one has been faster.
        assert_eq!(bells[0].rings(), 1);
        park(send.as_mut(), &bells[0]);
        park(feed.as_mut(), &bells[1]);
        park(room.as_mut(), &bells[3]);
        drop(chunks);
        at_once(four.feed_chunk(chunk("", true))).unwrap();
        woken(send.as_mut(), &bells[0]).unwrap();
        woken(feed.as_mut(), &bells[1]).unwrap();
        woken(room.as_mut(), &bells[3]).unwrap();
        at_once(three.flush()).unwrap();
        assert_eq!(
            peer.heard(),
            [
                "text+ a",
                "continuation+ b",
                "ping p",
                "continuation c",
                "text+ four",
                "continuation ",
                "text two",
                "text three"
            ]
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_sender_within_its_own_message_is_refused_another() {
    let (mut sender, _receiver, peer) = halves(Role::Server);
    at_once(sender.send_chunk(chunk("a", false))).unwrap();
    let refusals = [
        at_once(sender.send("x")),
        at_once(sender.feed("x")),
        at_once(sender.send_with("x", Compress::Never)),
        at_once(sender.room()),
    ];
    for refused in refusals {
        assert!(matches!(refused, Err(Error::Send(SendError::MessageOpen))), "{refused:?}");
    }
    at_once(sender.send_chunk(chunk("b", true))).unwrap();
    at_once(sender.room()).unwrap();
    sender.try_send("c").unwrap();
    at_once(sender.flush()).unwrap();
    assert_eq!(peer.heard(), ["text+ a", "continuation b", "text c"]);
}

/// Posted messages wait for the end of one in chunks: that they do must not keep it from ending.
#[tokio::test(start_paused = true)]
async fn what_was_posted_behind_an_open_message_does_not_keep_its_chunks_from_leaving() {
    for role in ROLES {
        let (mut one, mut receiver, peer) = halves(role);
        let two = one.clone();
        at_once(one.send_chunk(chunk("a", false))).unwrap();
        assert_eq!(two.post("posted", Overflow::DropNewest), Ok(Posted::Queued));
        assert!(poll_once(one.send_chunk(chunk("b", false))).is_ready(), "its chunk has left");
        let bell = Bell::new();
        {
            let mut recv = pin!(receiver.recv());
            park(recv.as_mut(), &bell);
            at_once(one.feed_chunk(chunk("c", false))).unwrap();
            assert_eq!(bell.rings(), 1, "there is something to write");
            park(recv.as_mut(), &bell);
            assert_eq!(peer.heard(), ["text+ a", "continuation+ b", "continuation+ c"]);
        }
        assert!(poll_once(one.flush()).is_ready(), "all has left that can");
        at_once(one.send_chunk(chunk("d", true))).unwrap();
        at_once(two.flush()).unwrap();
        assert_eq!(peer.heard()[3..], ["continuation d", "text posted"]);
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_posted_behind_an_open_message_does_not_take_its_room() {
    let mut limits = Limits::default();
    limits.unsent = 1000;
    let (mut one, _receiver, peer) = halves_with(Role::Server, &Config::new().limits(limits));
    let two = one.clone();
    at_once(one.send_chunk(chunk("a", false))).unwrap();
    let mut posted = 0;
    while two.post("posted", Overflow::DropNewest) == Ok(Posted::Queued) {
        posted += 1;
    }
    assert!(posted < 100, "it is bounded");
    assert!(poll_once(two.ping("p")).is_ready());
    assert!(poll_once(one.send_chunk(chunk("b", true))).is_ready());
    at_once(two.flush()).unwrap();
    assert_eq!(peer.heard().len(), 3 + posted);
}

#[tokio::test(start_paused = true)]
async fn a_pause_within_a_message_is_no_silence_of_the_peer() {
    let (mut one, mut receiver, peer) = halves(Role::Server);
    let two = one.clone();
    at_once(one.send_chunk(chunk("a", false))).unwrap();
    assert_eq!(two.post("posted", Overflow::DropNewest), Ok(Posted::Queued));
    for _ in 0..10 {
        assert!(timeout(Duration::from_secs(20), receiver.recv()).await.is_err());
        peer.pong("");
    }
    at_once(one.send_chunk(chunk("b", true))).unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_sender_that_is_dropped_within_a_message_closes_the_connection() {
    for role in ROLES {
        for by_writer in [false, true] {
            let (mut one, mut receiver, peer) = halves(role);
            let two = one.clone();
            let (reading, sending) = (Bell::new(), Bell::new());
            if by_writer {
                let mut writer = one.writer(Kind::Text);
                at_once(writer.write_all(b"begun")).unwrap();
                at_once(writer.flush()).unwrap();
                let mut recv = pin!(receiver.recv());
                park(recv.as_mut(), &reading);
                drop(writer);
                assert_eq!(reading.rings(), 1);
                park(recv.as_mut(), &reading);
            } else {
                at_once(one.send_chunk(chunk("begun", false))).unwrap();
                let mut recv = pin!(receiver.recv());
                park(recv.as_mut(), &reading);
                let mut send = pin!(two.send("waits"));
                park(send.as_mut(), &sending);
                drop(one);
                assert_eq!(reading.rings(), 1);
                park(recv.as_mut(), &reading);
                is_closed(woken(send.as_mut(), &sending));
            }
            assert_eq!(peer.heard(), ["text+ begun", ABANDONED]);
            assert_eq!(peer.shutdowns(), 0, "the end of the stream comes behind the answer");
            peer.text("still here");
            assert_eq!(at_once(receiver.recv()).unwrap(), Some("still here".into()));
            peer.close(1011);
            peer.eof();
            assert_eq!(at_once(receiver.recv()).unwrap(), None);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_sender_that_is_dropped_between_messages_leaves_the_connection_to_the_others() {
    let (mut one, mut receiver, peer) = halves(Role::Server);
    let (mut two, three) = (one.clone(), one.clone());
    drop(three);
    at_once(one.send_chunk(chunk("a", false))).unwrap();
    // Neither one that waits for the end of another's message,
    assert!(waits(two.send_chunk(chunk("b", false))));
    drop(two.clone());
    assert!(waits(two.writer(Kind::Text).finish()));
    at_once(one.send_chunk(chunk("c", true))).unwrap();
    // nor one that has ended its own.
    drop(one);
    at_once(two.send("d")).unwrap();
    assert!(waits(receiver.recv()));
    drop(two);
    assert!(waits(receiver.recv()));
    assert_eq!(peer.heard(), ["text+ a", "continuation c", "text d"]);
    peer.text("on");
    assert_eq!(at_once(receiver.recv()).unwrap(), Some("on".into()));
}

#[tokio::test(start_paused = true)]
async fn a_writer_that_said_nothing_is_dropped_without_a_word() {
    let (mut sender, _receiver, peer) = halves(Role::Server);
    let other = sender.clone();
    let mut writer = sender.writer(Kind::Text);
    at_once(writer.write_all(b"thought better of it")).unwrap();
    at_once(other.send("a")).unwrap();
    drop(writer);
    at_once(sender.send("b")).unwrap();
    assert_eq!(peer.heard(), ["text a", "text b"]);
}

#[tokio::test(start_paused = true)]
async fn without_a_receiver_messages_are_dropped_and_the_connection_goes_on() {
    for role in ROLES {
        let (sender, receiver, peer) = halves(role);
        peer.text("unheard");
        assert!(waits(sender.closed()));
        drop(receiver);
        for i in 0..200 {
            peer.text("unheard");
            peer.ping(&format!("{i}"));
        }
        let bell = Bell::new();
        let mut closed = pin!(sender.closed());
        while !peer.is_drained() {
            assert!(poll_with(closed.as_mut(), &bell).is_pending());
        }
        at_once(sender.send("heard")).unwrap();
        let heard = peer.heard();
        assert_eq!((heard.len(), heard.last().unwrap().as_str()), (201, "text heard"));
        bell.rings();
        peer.close(1000);
        assert!(bell.rings() > 0);
        peer.eof();
        let ended = at_once(closed);
        assert!(ended.is_clean());
        assert_eq!(peer.heard().last().unwrap(), "close 1000");
        is_closed(at_once(sender.send("late")));
    }
}

#[tokio::test(start_paused = true)]
async fn a_receiver_that_is_dropped_leaves_its_work_to_those_who_wait() {
    for role in ROLES {
        let (sender, mut receiver, peer) = halves(role);
        peer.stop_reading();
        let bells = [(); 3].map(|()| Bell::new());
        let (two, three) = (sender.clone(), sender.clone());
        let mut send = pin!(sender.send("stuck"));
        let mut closed = pin!(two.closed());
        park(send.as_mut(), &bells[0]);
        park(closed.as_mut(), &bells[1]);
        peer.text("held");
        park(send.as_mut(), &bells[0]);
        park(closed.as_mut(), &bells[1]);
        peer.text("behind");
        peer.ping("1");
        assert!(waits(three.flush()));
        assert!(at_once(receiver.recv_chunk()).unwrap().unwrap().fin);
        bells.iter().for_each(|bell| _ = bell.rings());
        drop(receiver);
        assert_eq!(bells.each_ref().map(|bell| bell.rings().min(1)), [1, 1, 0]);
        park(closed.as_mut(), &bells[1]);
        assert!(peer.is_drained());
        peer.open(usize::MAX);
        woken(send.as_mut(), &bells[0]).unwrap();
        park(closed.as_mut(), &bells[1]);
        assert_eq!(peer.heard(), ["text stuck", "pong 1"]);
    }
}

#[tokio::test(start_paused = true)]
async fn without_a_receiver_a_sender_keeps_the_connection_alive_and_learns_of_its_death() {
    let (sender, receiver, peer) = halves(Role::Server);
    drop(receiver);
    let start = Instant::now();
    let answering = async {
        for _ in 0..10 {
            sleep(Duration::from_secs(31)).await;
            peer.pong("");
        }
    };
    let (ended, ()) = tokio::join!(sender.closed(), answering);
    assert!(matches!(ended, Ended::TimedOut(_)), "{ended:?}");
    assert!((310 + 59..=310 + 61).contains(&start.elapsed().as_secs()), "{:?}", start.elapsed());
}

#[tokio::test(start_paused = true)]
async fn an_abort_wakes_everybody_and_is_the_reason_given_ever_after() {
    for role in ROLES {
        let mut limits = Limits::default();
        limits.unsent = 1;
        let (one, mut receiver, peer) = halves_with(role, &Config::new().limits(limits));
        let (two, three, mut four) = (one.clone(), one.clone(), one.clone());
        peer.stop_reading();
        let bells = [(); 5].map(|()| Bell::new());
        let aborted =
            |error: &Error| matches!(error, Error::Io(it) if it.kind() == ErrorKind::ConnectionAborted);
        {
            let mut sent = pin!(one.send("stuck"));
            let mut room = pin!(two.feed("waits"));
            let mut closed = pin!(three.closed());
            let mut recv = pin!(receiver.recv());
            let mut chunk = pin!(four.send_chunk(chunk("waits", false)));
            park(sent.as_mut(), &bells[0]);
            park(room.as_mut(), &bells[1]);
            park(closed.as_mut(), &bells[2]);
            park(recv.as_mut(), &bells[3]);
            park(chunk.as_mut(), &bells[4]);
            two.abort();
            assert!(aborted(&woken(sent.as_mut(), &bells[0]).unwrap_err()));
            assert!(aborted(&woken(room.as_mut(), &bells[1]).unwrap_err()));
            let ended = Ended::Vanished(Some(ErrorKind::ConnectionAborted));
            assert_eq!(woken(closed.as_mut(), &bells[2]), ended);
            assert!(aborted(&woken(recv.as_mut(), &bells[3]).unwrap_err()));
            assert!(aborted(&woken(chunk.as_mut(), &bells[4]).unwrap_err()));
        }
        let log = peer.log();
        for _ in 0..3 {
            one.abort();
            assert!(aborted(&at_once(receiver.recv()).unwrap_err()));
            assert!(aborted(&at_once(receiver.recv_event()).unwrap_err()));
            assert!(aborted(&at_once(receiver.recv_chunk()).unwrap_err()));
            assert!(aborted(&at_once(receiver.recv_reader()).map(|_| ()).unwrap_err()));
            assert!(aborted(&at_once(one.send("late")).unwrap_err()));
            assert!(aborted(&at_once(one.send_with("late", Compress::Never)).unwrap_err()));
            assert!(aborted(&at_once(one.feed("late")).unwrap_err()));
            assert!(aborted(&at_once(one.room()).unwrap_err()));
            assert!(aborted(&at_once(one.flush()).unwrap_err()));
            assert!(aborted(&at_once(one.ping("late")).unwrap_err()));
            assert!(aborted(&at_once(four.feed_chunk(chunk("late", true))).unwrap_err()));
            assert_eq!(one.post("late", Overflow::DropNewest), Err(SendError::Closed));
            assert_eq!(one.try_send("late").unwrap_err().error, SendError::Closed);
            let ended = Ended::Vanished(Some(ErrorKind::ConnectionAborted));
            assert_eq!((at_once(one.closed()), at_once(two.close(None))), (ended.clone(), ended.clone()));
            assert_eq!((one.ended(), receiver.ended()), (Some(ended.clone()), Some(ended)));
            advance(Duration::from_secs(100)).await;
        }
        assert_eq!((peer.log(), peer.heard().len()), (log, 0), "not a word to the peer");
        assert!(!peer.is_closed());
        drop((one, two, three, four, receiver));
        assert!(peer.is_closed());
    }
}

#[tokio::test(start_paused = true)]
async fn a_message_that_was_received_before_the_abort_is_still_given() {
    let (sender, mut receiver, peer) = narrow();
    peer.stop_reading();
    peer.text("held");
    assert!(waits(sender.send("stuck")));
    sender.abort();
    assert_eq!(at_once(receiver.recv()).unwrap(), Some("held".into()));
    assert!(matches!(at_once(receiver.recv()), Err(Error::Io(_))));
}

#[tokio::test(start_paused = true)]
async fn the_stream_is_closed_when_the_last_half_is_dropped() {
    for receiver_first in [false, true] {
        let (sender, receiver, peer) = halves(Role::Server);
        let clone = sender.clone();
        if receiver_first {
            drop(receiver);
            drop(sender);
            assert!(!peer.is_closed());
            drop(clone);
        } else {
            drop((sender, clone));
            assert!(!peer.is_closed());
            drop(receiver);
        }
        assert!(peer.is_closed());
        assert!(peer.log().is_empty(), "{:?}", peer.log());
    }
}

/// Everything that a connection can do, after whatever.
async fn works(mut websocket: WebSocket<Transport>, peer: &Peer) {
    let before = peer.heard().len();
    peer.ping("p");
    peer.text("question");
    assert_eq!(at_once(websocket.recv()).unwrap(), Some("question".into()));
    at_once(websocket.send("answer")).unwrap();
    at_once(websocket.send_chunk(chunk("in ", false))).unwrap();
    at_once(websocket.send_chunk(chunk("chunks", true))).unwrap();
    peer.close(1000);
    peer.eof();
    assert!(at_once(websocket.close(CloseFrame::NORMAL)).is_clean());
    let heard = ["pong p", "text answer", "text+ in ", "continuation chunks", "close 1000"];
    assert_eq!(peer.heard()[before..], heard);
}

#[tokio::test(start_paused = true)]
async fn halves_are_put_together_again() {
    for role in ROLES {
        let (sender, receiver, peer) = halves(role);
        works(receiver.reunite(sender).unwrap(), &peer).await;
        // By a clone, after the sender it was cloned from,
        let (sender, receiver, peer) = halves(role);
        let clone = sender.clone();
        drop(sender);
        works(receiver.reunite(clone).unwrap(), &peer).await;
        // and again and again.
        let (mut websocket, peer) = open(role, &Config::new());
        for i in 0..3 {
            let (sender, mut receiver) = websocket.split();
            peer.text("a");
            assert_eq!(at_once(receiver.recv()).unwrap(), Some("a".into()));
            at_once(sender.clone().send("b")).unwrap();
            websocket = receiver.reunite(sender).unwrap();
            assert_eq!(peer.heard().len(), i + 1);
        }
        works(websocket, &peer).await;
    }
}

#[tokio::test(start_paused = true)]
async fn what_halves_hold_is_there_when_they_are_put_together() {
    // A message that came while the sender waited,
    let (sender, receiver, peer) = narrow();
    peer.stop_reading();
    peer.text("held");
    peer.text("behind");
    assert!(waits(sender.send("accepted")));
    let mut websocket = receiver.reunite(sender).unwrap();
    peer.open(usize::MAX);
    assert_eq!(at_once(websocket.recv()).unwrap(), Some("held".into()));
    assert_eq!(at_once(websocket.recv()).unwrap(), Some("behind".into()));
    assert!(waits(websocket.recv()));
    // one that is being received in chunks,
    peer.put(peer.fragment(false, OpCode::Text, b"be"));
    assert_eq!(at_once(websocket.recv_chunk()).unwrap(), Some(chunk("be", false)));
    let (mut sender, mut receiver) = websocket.split();
    peer.put(peer.fragment(false, OpCode::Continuation, b"g"));
    assert_eq!(at_once(receiver.recv_chunk()).unwrap(), Some(chunk("g", false)));
    // one that is being sent in chunks, by whichever sender,
    at_once(sender.send_chunk(chunk("1", false))).unwrap();
    let mut websocket = receiver.reunite(sender).unwrap();
    peer.put(peer.fragment(true, OpCode::Continuation, b"un"));
    assert_eq!(at_once(websocket.recv_chunk()).unwrap(), Some(chunk("un", true)));
    at_once(websocket.send_chunk(chunk("2", false))).unwrap();
    let (mut sender, receiver) = websocket.split();
    at_once(sender.send_chunk(chunk("3", true))).unwrap();
    let mut clone = sender.clone();
    at_once(clone.send_chunk(chunk("4", false))).unwrap();
    drop(sender);
    let mut websocket = receiver.reunite(clone).unwrap();
    assert!(matches!(at_once(websocket.send("5")), Err(Error::Send(SendError::MessageOpen))));
    at_once(websocket.send_chunk(chunk("6", true))).unwrap();
    // and what is queued.
    let (sender, receiver) = websocket.split();
    assert_eq!(sender.post("7", Overflow::DropNewest), Ok(Posted::Queued));
    let mut websocket = receiver.reunite(sender).unwrap();
    at_once(websocket.flush()).unwrap();
    let said = ["text accepted", "text+ 1", "continuation+ 2", "continuation 3", "text+ 4", "continuation 6"];
    assert_eq!(peer.heard(), [&said[..], &["text 7"]].concat());
    works(websocket, &peer).await;
}

#[tokio::test(start_paused = true)]
async fn halves_that_do_not_belong_together_are_given_back() {
    let (mut one, receiver, peer) = halves(Role::Server);
    at_once(one.send_chunk(chunk("a", false))).unwrap();
    let clone = one.clone();
    let refused = receiver.reunite(one).unwrap_err();
    assert_eq!(refused.to_string(), "the sender is of another connection, or not the only one");
    let (mut one, receiver) = (refused.sender, refused.receiver);
    let (other, _other_receiver, other_peer) = halves(Role::Server);
    let refused = receiver.reunite(other).unwrap_err();
    let (other, mut receiver) = (refused.sender, refused.receiver);
    // Nothing has happened to any of them.
    at_once(one.send_chunk(chunk("b", true))).unwrap();
    at_once(clone.send("c")).unwrap();
    at_once(other.send("d")).unwrap();
    peer.text("e");
    assert_eq!(at_once(receiver.recv()).unwrap(), Some("e".into()));
    assert_eq!(peer.heard(), ["text+ a", "continuation b", "text c"]);
    assert_eq!(other_peer.heard(), ["text d"]);
    drop(one);
    works(receiver.reunite(clone).unwrap(), &peer).await;
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_is_over_is_so_when_it_is_put_together() {
    let (sender, mut receiver, peer) = halves(Role::Server);
    peer.eof();
    assert!(matches!(at_once(receiver.recv()), Err(Error::Vanished)));
    let mut websocket = receiver.reunite(sender).unwrap();
    assert_eq!(websocket.ended(), Some(Ended::Vanished(None)));
    assert!(matches!(at_once(websocket.send("late")), Err(Error::Vanished)));
}

#[tokio::test(start_paused = true)]
async fn messages_that_came_together_wake_no_sender() {
    let (sender, mut receiver, peer) = halves(Role::Server);
    peer.stop_reading();
    let bells = [(); 8].map(|()| Bell::new());
    let senders = [(); 8].map(|()| sender.clone());
    let mut sends: Vec<_> = senders.iter().map(|sender| Box::pin(sender.send("stuck"))).collect();
    for (send, bell) in sends.iter_mut().zip(&bells) {
        park(send.as_mut(), bell);
    }
    peer.put(peer.frame(OpCode::Text, b"hello").repeat(100));
    bells.iter().for_each(|bell| _ = bell.rings());
    for _ in 0..100 {
        assert_eq!(at_once(receiver.recv()).unwrap(), Some("hello".into()));
    }
    assert!(waits(receiver.recv()));
    assert_eq!(bells.each_ref().map(|bell| bell.rings()), [0; 8]);
}

#[tokio::test(start_paused = true)]
async fn a_task_is_woken_by_what_it_waits_for_and_by_nothing_else() {
    let (one, mut receiver, peer) = narrow();
    let (two, three) = (one.clone(), one.clone());
    let bells = [(); 3].map(|()| Bell::new());
    let rings = || bells.each_ref().map(|bell| bell.rings());
    let mut recv = pin!(receiver.recv());
    let mut closed = pin!(three.closed());
    park(recv.as_mut(), &bells[0]);
    park(closed.as_mut(), &bells[1]);
    for _ in 0..10 {
        at_once(one.send("a")).unwrap();
        at_once(two.ping("a")).unwrap();
        at_once(two.flush()).unwrap();
        at_once(two.room()).unwrap();
        drop(one.clone());
        assert!(matches!(one.try_send("b"), Ok(())));
        assert_eq!(rings(), [1, 1, 0], "one of them has to write it");
        park(recv.as_mut(), &bells[0]);
        assert_eq!(rings(), [0; 3]);
        park(closed.as_mut(), &bells[1]);
    }
    // Room is for those who wait for it, and there is some once what was there has left.
    peer.stop_reading();
    at_once(one.feed("c")).unwrap();
    let mut feed = pin!(two.feed("d"));
    park(feed.as_mut(), &bells[2]);
    park(recv.as_mut(), &bells[0]);
    park(closed.as_mut(), &bells[1]);
    assert_eq!(rings(), [0; 3]);
    peer.open(3);
    assert_eq!(rings(), [1; 3], "the stream has called");
    park(recv.as_mut(), &bells[0]);
    assert_eq!(rings(), [0, 0, 1], "there is room");
    assert!(poll_with(feed.as_mut(), &bells[2]).is_ready());
    assert_eq!(rings(), [1, 1, 0]);
    park(recv.as_mut(), &bells[0]);
    assert_eq!(rings(), [0; 3]);
}

#[tokio::test(start_paused = true)]
async fn nobody_is_left_with_the_waker_of_a_task_that_has_gone() {
    let (one, mut receiver, peer) = narrow();
    let two = one.clone();
    let bells = [(); 3].map(|()| Bell::new());
    // The stream knows the last one that has polled it.
    let mut closed = pin!(one.closed());
    park(closed.as_mut(), &bells[0]);
    for polls in 1..4 {
        let mut recv = Box::pin(receiver.recv());
        for _ in 0..polls {
            park(recv.as_mut(), &bells[1]);
        }
        drop(recv);
        bells[0].rings();
        peer.ping("p");
        assert!(bells[0].rings() > 0);
        assert_eq!(bells[1].rings(), 0, "nor is it called any more");
        park(closed.as_mut(), &bells[0]);
    }
    peer.stop_reading();
    at_once(two.feed("a")).unwrap();
    let mut send = Box::pin(two.send("b"));
    park(closed.as_mut(), &bells[0]);
    park(send.as_mut(), &bells[2]);
    drop(send);
    bells[0].rings();
    peer.open(usize::MAX);
    assert!(bells[0].rings() > 0);
    park(closed.as_mut(), &bells[0]);
    assert_eq!(peer.heard().last().unwrap(), "text a");
    assert_eq!(bells[2].rings(), 0);
}

#[tokio::test(start_paused = true)]
async fn deadlines_wake_whoever_is_left() {
    let (one, mut receiver, peer) = halves(Role::Server);
    let bells = [Bell::new(), Bell::new()];
    let mut closed = pin!(one.closed());
    park(closed.as_mut(), &bells[0]);
    let mut recv = Box::pin(receiver.recv());
    park(recv.as_mut(), &bells[1]);
    drop(recv);
    advance(Duration::from_millis(30_010)).await;
    assert_eq!(bells.each_ref().map(|bell| bell.rings()), [1, 0]);
    park(closed.as_mut(), &bells[0]);
    assert_eq!(peer.heard(), ["ping "]);
}

/// A waker that does at once what its task would do when it is polled.
struct AtOnce<F>(Mutex<F>);

impl<F: FnMut() + Send + 'static> Wake for AtOnce<F> {
    fn wake(self: Arc<Self>) {
        // A task that is at it is not polled again.
        if let Ok(mut task) = self.0.try_lock() {
            task();
        }
    }
}

fn at_once_by(task: impl FnMut() + Send + 'static) -> Waker {
    Waker::from(Arc::new(AtOnce(Mutex::new(task))))
}

/// That it ends, on a thread of its own.
fn ends(test: impl FnOnce() + Send + 'static) {
    let (done, is_done) = mpsc::channel();
    thread::spawn(move || {
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(async { test() });
        done.send(())
    });
    is_done.recv_timeout(Duration::from_secs(10)).expect("it waits for itself");
}

/// Wakers that poll or drop the other half where they stand, called by each way that there is to wake a task.
#[test]
fn nothing_is_locked_when_a_task_is_woken() {
    ends(|| {
        for stalls in [false, true] {
            for drops in [false, true] {
                let (sender, mut receiver, peer) = narrow();
                if stalls {
                    peer.stall();
                }
                let one = sender.clone();
                let mut other = Some(sender.clone());
                let waker = at_once_by(move || {
                    if let Some(sender) = &other {
                        let _ = poll_once(sender.send("woken"));
                        let _ = poll_once(sender.closed());
                        sender.try_send("also").ok();
                    }
                    other.take_if(|_| drops);
                });
                let mut context = Context::from_waker(&waker);
                let context = &mut context;
                let mut closed = pin!(sender.closed());
                for _ in 0..3 {
                    let mut recv = pin!(receiver.recv());
                    assert!(closed.as_mut().poll(context).is_pending());
                    assert!(recv.as_mut().poll(context).is_pending());
                    drop(poll_times(one.send("a"), 5));
                    one.try_send("b").ok();
                    peer.ping("1");
                    drop(poll_times(one.flush(), 5));
                    drop(one.clone());
                }
                // A flood makes a task call itself.
                peer.put(peer.frame(OpCode::Ping, b"1").repeat(1000));
                peer.cut(1);
                for _ in 0..10 {
                    let mut recv = pin!(receiver.recv());
                    assert!(recv.as_mut().poll(context).is_pending());
                }
                drop(receiver);
                one.abort();
            }
        }
    });
}

#[tokio::test(start_paused = true)]
async fn what_is_asked_of_halves_is_asked_of_one_connection() {
    let (sender, receiver, peer) = halves(Role::Server);
    assert_eq!((sender.unsent(), sender.ended(), receiver.ended()), (0, None, None));
    at_once(sender.feed("hello")).unwrap();
    assert_eq!((sender.unsent(), receiver.inspect(Connection::unsent)), (7, 7));
    assert_eq!(sender.clone().inspect(|connection| connection.sent().messages), 1);
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
