//! When silence means something.

use std::{
    future::{Future, poll_fn},
    pin::pin,
    time::Duration,
};

use sansocket::{
    Config, Keepalive, Role, TimedOut,
    frame::OpCode,
    tokio::{Ended, Error},
};
use tokio::{
    sync::mpsc,
    time::{Instant, advance, sleep, timeout},
};

use crate::support::{Op, Peer, Transport, at_once, open, server};

type WebSocket = sansocket::tokio::WebSocket<Transport>;

const SECOND: Duration = Duration::from_secs(1);

/// Receives until the connection is over, for an hour at most; returns after how many seconds it was.
async fn listen(websocket: &mut WebSocket) -> Option<Duration> {
    let start = Instant::now();
    let listening = async { while let Ok(Some(_)) = websocket.recv().await {} };
    timeout(3600 * SECOND, listening).await.ok().map(|()| start.elapsed())
}

/// Does something as a peer every so often, for ever.
async fn every(period: Duration, mut say: impl FnMut()) {
    loop {
        sleep(period).await;
        say();
    }
}

fn pings(peer: &Peer) -> usize {
    peer.heard().iter().filter(|word| *word == "ping ").count()
}

#[tokio::test(start_paused = true)]
async fn a_silent_peer_is_asked_after_thirty_seconds_and_given_up_after_sixty() {
    for role in [Role::Server, Role::Client] {
        let (mut websocket, peer) = open(role, &Config::new());
        let asked = async {
            sleep(Duration::from_millis(29_999)).await;
            assert!(peer.heard().is_empty());
            sleep(Duration::from_millis(2)).await;
            assert_eq!(peer.heard(), ["ping "]);
        };
        let (ended, ()) = tokio::join!(listen(&mut websocket), asked);
        assert_eq!(ended, Some(60 * SECOND));
        assert_eq!(websocket.ended(), Some(Ended::TimedOut(TimedOut::Pong)));
        assert!(matches!(websocket.recv().await, Err(Error::TimedOut(TimedOut::Pong))));
        assert_eq!(peer.heard(), ["ping "]);
        assert_eq!(peer.log().last(), Some(&Op::Shutdown));
    }
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_answers_is_kept_for_ever() {
    let (mut websocket, peer) = server();
    let answering = async {
        let mut answered = 0;
        loop {
            sleep(SECOND).await;
            if pings(&peer) > answered {
                answered += 1;
                peer.pong("");
            }
        }
    };
    tokio::select! {
        ended = listen(&mut websocket) => assert_eq!(ended, None),
        () = answering => unreachable!(),
    }
    assert!((110..=120).contains(&pings(&peer)), "{}", pings(&peer));
}

#[tokio::test(start_paused = true)]
async fn any_frame_counts_as_an_answer() {
    for opcode in [OpCode::Text, OpCode::Ping, OpCode::Pong] {
        let (mut websocket, peer) = server();
        let talking = every(59 * SECOND, || peer.put(peer.frame(opcode, b"x")));
        tokio::select! {
            ended = listen(&mut websocket) => assert_eq!(ended, None, "{opcode:?}"),
            () = talking => unreachable!(),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_talks_is_never_asked() {
    let (mut websocket, peer) = server();
    let talking = every(29 * SECOND, || peer.text("still here"));
    tokio::select! {
        ended = listen(&mut websocket) => assert_eq!(ended, None),
        () = talking => unreachable!(),
    }
    assert_eq!(pings(&peer), 0);
}

#[tokio::test(start_paused = true)]
async fn a_part_of_a_frame_counts_as_an_answer() {
    let (mut websocket, peer) = server();
    let mut frame = peer.frame(OpCode::Binary, &[7; 100_000]).into_iter();
    let talking = every(29 * SECOND, || peer.put(frame.by_ref().take(100).collect::<Vec<_>>()));
    tokio::select! {
        ended = listen(&mut websocket) => assert_eq!(ended, None),
        () = talking => unreachable!(),
    }
    assert_eq!(pings(&peer), 0);
}

#[tokio::test(start_paused = true)]
async fn without_keepalive_silence_means_nothing() {
    let (mut websocket, peer) = open(Role::Server, &Config::new().keepalive(None));
    assert_eq!(listen(&mut websocket).await, None);
    assert!(peer.heard().is_empty());
}

/// Whoever was waiting before has an alarm that rings later, or none.
#[tokio::test(start_paused = true)]
async fn the_deadline_of_the_closing_handshake_does_not_wait_for_that_of_keepalive() {
    for config in [Config::new(), Config::new().keepalive(None)] {
        let (mut websocket, _peer) = open(Role::Server, &config);
        assert!(timeout(SECOND, websocket.recv()).await.is_err());
        let start = Instant::now();
        let closing = timeout(3600 * SECOND, websocket.close(None)).await;
        assert_eq!(closing, Ok(Ended::TimedOut(TimedOut::Close)));
        assert_eq!(start.elapsed(), 5 * SECOND);
    }
}

#[tokio::test(start_paused = true)]
async fn what_waits_to_be_read_is_heard_before_the_clock_is_asked() {
    for opcode in [OpCode::Text, OpCode::Pong] {
        let (mut websocket, peer) = server();
        // It has asked, and is then left alone for two minutes.
        assert!(timeout(31 * SECOND, websocket.recv()).await.is_err());
        assert_eq!(peer.heard(), ["ping "]);
        peer.put(peer.frame(opcode, b"x"));
        advance(120 * SECOND).await;
        let start = Instant::now();
        assert_eq!(listen(&mut websocket).await, Some(60 * SECOND), "{opcode:?}");
        assert_eq!(start.elapsed(), 60 * SECOND);
        assert_eq!(peer.heard(), ["ping ", "ping "]);
    }
}

#[tokio::test(start_paused = true)]
async fn time_that_nobody_waited_for_is_not_held_against_the_peer() {
    let (mut websocket, peer) = server();
    assert!(timeout(SECOND, websocket.recv()).await.is_err());
    advance(120 * SECOND).await;
    // It is asked now, and has its full time to answer.
    assert!(timeout(29 * SECOND, websocket.recv()).await.is_err());
    assert_eq!(peer.heard(), ["ping "]);
    peer.text("here");
    assert_eq!(at_once(websocket.recv()).unwrap(), Some("here".into()));
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_takes_nothing_is_given_up_all_the_same() {
    let (mut websocket, peer) = server();
    peer.stop_reading();
    let start = Instant::now();
    let sent = websocket.send("hello").await;
    assert!(matches!(sent, Err(Error::TimedOut(TimedOut::Pong))), "{sent:?}");
    assert_eq!(start.elapsed(), 60 * SECOND);
    assert!(matches!(websocket.recv().await, Err(Error::TimedOut(TimedOut::Pong))));
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_talks_and_takes_nothing_is_given_up_too() {
    let (mut websocket, peer) = server();
    peer.stop_reading();
    let start = Instant::now();
    let talking = every(20 * SECOND, || peer.ping("1"));
    tokio::select! {
        sent = websocket.send("hello") => assert!(matches!(sent, Err(Error::TimedOut(TimedOut::Write)))),
        () = talking => unreachable!(),
    }
    assert_eq!(start.elapsed(), 60 * SECOND);
}

/// That output begins to wait is told at once, though the alarm is set for something else already.
#[tokio::test(start_paused = true)]
async fn a_peer_that_stops_reading_is_given_up_a_minute_after_it_did() {
    let (mut websocket, peer) = server();
    let talking = every(20 * SECOND, || peer.text("1"));
    let start = Instant::now();
    let echoing = async {
        let mut stopped = None;
        loop {
            match websocket.recv().await {
                Ok(message) => websocket.feed(message.unwrap()).await.unwrap(),
                Err(error) => return (stopped, error),
            }
            if stopped.is_none() && start.elapsed() > 90 * SECOND {
                peer.stop_reading();
                stopped = Some(Instant::now());
            }
        }
    };
    let (stopped, error) = tokio::select! {
        end = echoing => end,
        () = talking => unreachable!(),
    };
    assert!(matches!(error, Error::TimedOut(TimedOut::Write)), "{error:?}");
    assert_eq!(stopped.unwrap().elapsed(), 60 * SECOND);
}

/// Nothing is read while a message is held, so that the peer is silent is of our making; that it takes nothing is not.
#[tokio::test(start_paused = true)]
async fn a_peer_that_takes_nothing_is_given_up_while_a_message_is_held() {
    let (mut websocket, peer) = server();
    peer.stop_reading();
    peer.text("held");
    let start = Instant::now();
    assert!(matches!(websocket.send("hello").await, Err(Error::TimedOut(TimedOut::Write))));
    assert_eq!(start.elapsed(), 60 * SECOND);
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_takes_output_slowly_is_kept() {
    let (mut websocket, peer) = server();
    peer.stop_reading();
    peer.text("held");
    let start = Instant::now();
    let taking = every(50 * SECOND, || peer.open(1));
    tokio::select! {
        sent = websocket.send("hello") => sent.unwrap(),
        () = taking => unreachable!(),
    }
    assert!(start.elapsed() >= 300 * SECOND);
    assert_eq!(peer.heard(), ["text hello"]);
    assert_eq!(at_once(websocket.recv()).unwrap(), Some("held".into()));
}

#[tokio::test(start_paused = true)]
async fn the_times_are_those_of_the_configuration() {
    let config = Config::new().keepalive(Keepalive::new(2 * SECOND, 5 * SECOND));
    let (mut websocket, peer) = open(Role::Server, &config);
    assert_eq!(listen(&mut websocket).await, Some(7 * SECOND));
    assert_eq!(peer.heard(), ["ping "]);
}

/// The runtime sets no timer for a task that has used up its turn, and has it come back at once.
#[tokio::test(start_paused = true)]
async fn a_task_that_begins_to_wait_at_the_end_of_its_turn_keeps_its_deadlines() {
    let (mut websocket, _peer) = open(Role::Server, &Config::new());
    let (sender, mut receiver) = mpsc::unbounded_channel();
    (0..1000).for_each(|number| sender.send(number).unwrap());
    let listening = tokio::spawn(async move {
        let mut listening = pin!(websocket.recv());
        let busy = poll_fn(|cx| {
            while receiver.poll_recv(cx).is_ready() {}
            listening.as_mut().poll(cx)
        });
        busy.await.map(drop)
    });
    let ended = timeout(120 * SECOND, listening).await.expect("it is given up").unwrap();
    assert!(matches!(ended, Err(Error::TimedOut(TimedOut::Pong))), "{ended:?}");
}
