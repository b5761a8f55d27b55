//! Halves that end, and halves that are put together again.

use std::{io::ErrorKind, pin::pin, time::Duration};

use sansocket::{
    CloseFrame, Compress, Config, Limits, Overflow, Posted, Role, SendError,
    frame::OpCode,
    tokio::{Ended, Error, WebSocket},
};
use tokio::time::advance;

use crate::support::{
    Bell, Peer, Transport, at_once, chunk, halves, halves_with, narrow, open, park, waits, woken,
};

const ROLES: [Role; 2] = [Role::Server, Role::Client];

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
async fn halves_of_two_connections_are_not_exchanged() {
    let ((one, receiver, peer), (two, other, other_peer)) = (halves(Role::Server), halves(Role::Server));
    let refused = receiver.reunite(two).unwrap_err();
    let (receiver, two) = (refused.receiver, refused.sender);
    works(receiver.reunite(one).unwrap(), &peer).await;
    works(other.reunite(two).unwrap(), &other_peer).await;
}

#[tokio::test(start_paused = true)]
async fn what_comes_while_a_connection_that_was_put_together_sends_is_held() {
    let (sender, receiver, peer) = narrow();
    let mut websocket = receiver.reunite(sender).unwrap();
    peer.stop_reading();
    peer.text("held");
    assert!(waits(websocket.send("stuck")));
    assert!(peer.is_drained());
    assert_eq!(at_once(websocket.recv()).unwrap(), Some("held".into()));
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
