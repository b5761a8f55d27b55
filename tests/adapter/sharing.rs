//! Several senders, and none: messages do not interleave, and who is gone leaves the connection to the others.

use std::{pin::pin, time::Duration};

use sansocket::{
    Compress, Config, Kind, Limits, Overflow, Posted, Role, SendError,
    frame::OpCode,
    tokio::{Ended, Error},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::{Instant, sleep, timeout},
};

use crate::support::{
    Bell, at_once, chunk, halves, halves_with, is_closed, park, poll_once, poll_with, waits, woken,
};

const ROLES: [Role; 2] = [Role::Server, Role::Client];
const ABANDONED: &str = "close 1011 message abandoned";

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
async fn a_flush_within_a_message_does_not_wait_for_what_was_posted_behind_it() {
    let (mut one, _receiver, peer) = halves(Role::Server);
    let two = one.clone();
    peer.stop_reading();
    at_once(one.feed_chunk(chunk("a", false))).unwrap();
    assert_eq!(two.post("posted", Overflow::DropNewest), Ok(Posted::Queued));
    let mut flush = pin!(one.flush());
    assert!(waits(flush.as_mut()));
    assert!(waits(two.ping("more")));
    peer.open(3);
    at_once(flush).unwrap();
    assert_eq!(peer.heard(), ["text+ a"]);
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
        park(send.as_mut(), &bells[0]);
        park(closed.as_mut(), &bells[1]);
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

/// A reader that is dropped, as any task that stops waiting without a word, is not waited for once it was called.
#[tokio::test(start_paused = true)]
async fn a_receiver_that_was_called_and_does_not_come_is_not_relied_on() {
    let (sender, mut receiver, peer) = halves(Role::Server);
    peer.put(peer.fragment(false, OpCode::Binary, b"begun"));
    let mut reader = at_once(receiver.recv_reader()).unwrap().unwrap();
    let mut buf = [0; 16];
    assert_eq!(at_once(reader.read(&mut buf)).unwrap(), 5);
    assert!(waits(reader.read(&mut buf)));
    drop(reader);
    for i in 0..4 {
        peer.ping(&i.to_string());
        at_once(sender.send("tick")).unwrap();
    }
    at_once(sender.send("tick")).unwrap();
    let heard = peer.heard();
    assert_eq!(heard.iter().filter(|word| word.starts_with("pong")).count(), 4, "{heard:?}");
}
