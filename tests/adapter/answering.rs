//! Pongs and Close frames leave by themselves, whether the application reads or writes.

use std::time::Duration;

use sansocket::{
    Config, Event, Pings, Role, SendError,
    frame::OpCode,
    tokio::{Ended, Error},
};
use tokio::time::{Instant, sleep};

use crate::support::{Peer, Transport, at_once, open, poll_times, server, waits};

type WebSocket = sansocket::tokio::WebSocket<Transport>;

#[tokio::test(start_paused = true)]
async fn a_pong_leaves_before_recv_waits() {
    for role in [Role::Server, Role::Client] {
        let (mut websocket, peer) = open(role, &Config::new());
        peer.ping("1");
        assert!(waits(websocket.recv()));
        assert_eq!(peer.heard(), ["pong 1"]);
    }
}

#[tokio::test(start_paused = true)]
async fn pings_are_answered_in_order_among_the_messages() {
    let (mut websocket, peer) = server();
    let frames = (0..10).map(|i| peer.frame(OpCode::Ping, format!("{i}").as_bytes()));
    peer.put(frames.collect::<Vec<_>>().concat());
    peer.text("between");
    peer.ping("last");
    assert_eq!(at_once(websocket.recv()).unwrap(), Some("between".into()));
    at_once(websocket.feed("answer")).unwrap();
    assert!(waits(websocket.recv()));
    let mut expected: Vec<_> = (0..10).map(|i| format!("pong {i}")).collect();
    expected.extend(["text answer".into(), "pong last".into()]);
    assert_eq!(peer.heard(), expected);
}

#[tokio::test(start_paused = true)]
async fn the_answer_to_a_close_frame_leaves_while_the_application_only_reads() {
    let (mut websocket, peer) = server();
    peer.close(1001);
    assert_eq!(at_once(websocket.recv()).unwrap(), None);
    assert_eq!(peer.heard(), ["close 1001"]);
}

/// Sends every second, for so many seconds.
async fn only_send(websocket: &mut WebSocket, seconds: usize) -> Result<(), Error> {
    for _ in 0..seconds {
        websocket.send("tick").await?;
        sleep(Duration::from_secs(1)).await;
    }
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn an_application_that_only_sends_answers_pings_within_its_beat() {
    let (mut websocket, peer) = server();
    let pinging = async {
        sleep(Duration::from_millis(5500)).await;
        peer.ping("1");
        sleep(Duration::from_millis(1000)).await;
        assert!(peer.heard().contains(&"pong 1".into()), "{:?}", peer.heard());
    };
    let (sent, ()) = tokio::join!(only_send(&mut websocket, 10), pinging);
    sent.unwrap();
    assert_eq!(peer.heard().len(), 11);
}

#[tokio::test(start_paused = true)]
async fn an_application_that_only_sends_learns_of_a_close_frame() {
    let (mut websocket, peer) = server();
    let closing = async {
        sleep(Duration::from_millis(5500)).await;
        peer.close(1001);
    };
    let (sent, ()) = tokio::join!(only_send(&mut websocket, 10), closing);
    assert!(matches!(sent, Err(Error::Send(SendError::Closed))), "{sent:?}");
    let heard = peer.heard();
    assert_eq!(heard.last().unwrap(), "close 1001");
    assert!(heard.len() <= 8, "no message is sent for nothing: {heard:?}");
    assert_eq!(at_once(websocket.recv()).unwrap(), None);
    assert!(websocket.ended().unwrap().is_clean());
}

#[tokio::test(start_paused = true)]
async fn an_application_that_only_sends_learns_of_a_breach() {
    let (mut websocket, peer) = server();
    let breaking = async {
        sleep(Duration::from_millis(5500)).await;
        peer.put([0x83, 0x80, 0, 0, 0, 0]);
    };
    let (sent, ()) = tokio::join!(only_send(&mut websocket, 10), breaking);
    assert!(matches!(sent, Err(Error::Protocol(_))), "{sent:?}");
    assert_eq!(peer.heard().last().unwrap(), "close 1002 frame with a reserved opcode");
}

#[tokio::test(start_paused = true)]
async fn an_application_that_only_sends_learns_that_the_peer_has_vanished() {
    let (mut websocket, peer) = server();
    let vanishing = async {
        sleep(Duration::from_millis(5500)).await;
        peer.eof();
    };
    let (sent, ()) = tokio::join!(only_send(&mut websocket, 10), vanishing);
    assert!(matches!(sent, Err(Error::Vanished)), "{sent:?}");
    assert_eq!(websocket.ended(), Some(Ended::Vanished(None)));
}

#[tokio::test(start_paused = true)]
async fn an_application_that_only_sends_is_kept_alive() {
    let (mut websocket, peer) = server();
    let start = Instant::now();
    let sent = only_send(&mut websocket, 1000).await;
    assert!(matches!(sent, Err(Error::TimedOut(_))), "{sent:?}");
    assert!((60..=61).contains(&start.elapsed().as_secs()), "{:?}", start.elapsed());
    assert!(peer.heard().contains(&"ping ".into()));
}

#[tokio::test(start_paused = true)]
async fn messages_that_come_while_the_application_only_sends_are_kept() {
    let (mut websocket, peer) = server();
    let talking = async {
        for i in 0..20 {
            peer.text(&format!("{i}"));
            sleep(Duration::from_millis(700)).await;
        }
    };
    let (sent, ()) = tokio::join!(only_send(&mut websocket, 20), talking);
    sent.unwrap();
    assert_eq!(peer.heard().len(), 20);
    for i in 0..20 {
        assert_eq!(at_once(websocket.recv()).unwrap(), Some(format!("{i}").into()));
    }
    assert!(waits(websocket.recv()));
}

#[tokio::test(start_paused = true)]
async fn a_pong_leaves_though_the_message_behind_the_ping_is_held() {
    let (mut websocket, peer) = server();
    at_once(websocket.send("one")).unwrap();
    peer.put([peer.frame(OpCode::Ping, b"1"), peer.frame(OpCode::Text, b"held")].concat());
    at_once(websocket.send("two")).unwrap();
    assert_eq!(peer.heard(), ["text one", "text two", "pong 1"]);
    assert_eq!(at_once(websocket.recv()).unwrap(), Some("held".into()));
}

#[tokio::test(start_paused = true)]
async fn a_ping_is_answered_while_a_send_waits_for_the_peer() {
    let (mut websocket, peer) = server();
    peer.open(3);
    let mut send = Box::pin(websocket.send("hello"));
    assert!(waits(send.as_mut()));
    peer.ping("1");
    assert!(waits(send.as_mut()));
    assert!(peer.is_drained());
    peer.open(usize::MAX);
    at_once(send).unwrap();
    assert_eq!(peer.heard(), ["text hello", "pong 1"]);
}

#[tokio::test(start_paused = true)]
async fn a_message_that_comes_while_a_send_waits_is_kept() {
    let (mut websocket, peer) = server();
    peer.stop_reading();
    assert!(waits(websocket.send("hello")));
    keep_two(&peer, &mut websocket);
    peer.open(usize::MAX);
    assert_eq!(at_once(websocket.recv()).unwrap(), Some("one".into()));
    at_once(websocket.send("more")).unwrap();
    assert_eq!(at_once(websocket.recv()).unwrap(), Some("two".into()));
    assert_eq!(peer.heard(), ["text hello", "text more"]);
}

fn keep_two(peer: &Peer, websocket: &mut WebSocket) {
    peer.text("one");
    assert!(waits(websocket.flush()));
    peer.text("two");
    assert!(waits(websocket.flush()));
    assert!(!peer.is_drained(), "one message is held, not more");
}

/// Events are for a program that receives; one that has turned to sending only is not held up by a ping.
#[tokio::test(start_paused = true)]
async fn an_application_that_received_events_and_then_only_sends_is_kept_going() {
    let (mut websocket, peer) = server();
    peer.ping("0");
    assert!(matches!(at_once(websocket.recv_event()).unwrap(), Some(Event::Ping(_))));
    for i in 1..5 {
        peer.ping(&i.to_string());
        peer.pong("unasked");
        at_once(websocket.send("a")).unwrap();
        at_once(websocket.send("b")).unwrap();
    }
    let heard = peer.heard();
    assert_eq!(heard.iter().filter(|word| word.starts_with("pong")).count(), 5, "{heard:?}");
    peer.text("data");
    peer.ping("behind");
    at_once(websocket.send("c")).unwrap();
    assert_eq!(at_once(websocket.recv_event()).unwrap(), Some(Event::Data("data".into())));
    assert!(matches!(at_once(websocket.recv_event()).unwrap(), Some(Event::Ping(_))));
    at_once(websocket.send("d")).unwrap();
    peer.eof_on_shutdown();
    peer.close(1000);
    let _ = poll_times(websocket.send("e"), 3);
    assert!(websocket.ended().is_some_and(|ended| ended.is_clean()));
}

/// Where the application has to answer them, pings are not lost while it sends.
#[tokio::test(start_paused = true)]
async fn pings_that_the_application_answers_are_kept_while_it_sends() {
    let (mut websocket, peer) = open(Role::Server, &Config::new().pings(Pings::Shown));
    assert!(waits(websocket.recv_event()));
    peer.pong("unasked");
    peer.ping("1");
    peer.ping("2");
    at_once(websocket.send("a")).unwrap();
    at_once(websocket.send("b")).unwrap();
    for payload in ["1", "2"] {
        let Some(Event::Ping(ping)) = at_once(websocket.recv_event()).unwrap() else { panic!("a ping") };
        assert_eq!(ping, payload);
        at_once(websocket.pong(ping)).unwrap();
    }
    assert_eq!(peer.heard(), ["text a", "text b", "pong 1", "pong 2"]);
}
