//! Streams that take bytes and do not let them go, or do not let themselves be shut down: no call waits for ever.

use std::{io::ErrorKind, time::Duration};

use sansocket::{
    CloseFrame, Config, Limits, Role, TimedOut,
    tokio::{Ended, Error, accept, receive_offer},
};
use tokio::time::{Instant, timeout};

use crate::support::{open, request, server, transport, waits};

const HOUR: Duration = Duration::from_secs(3600);
const ROLES: [Role; 2] = [Role::Server, Role::Client];

/// The output of a future that does not wait for ever, and after how many seconds it came.
async fn in_time<F: Future>(future: F) -> (F::Output, u64) {
    let start = Instant::now();
    let output = timeout(HOUR, future).await.expect("it waits for ever");
    (output, start.elapsed().as_secs())
}

#[tokio::test(start_paused = true)]
async fn a_send_whose_flush_is_stuck_ends_with_keepalive() {
    let (mut websocket, peer) = server();
    peer.stick_flush(true);
    let (sent, seconds) = in_time(websocket.send("hello")).await;
    assert!(matches!(sent, Err(Error::TimedOut(TimedOut::Pong))), "{sent:?}");
    assert_eq!(seconds, 60);
}

#[tokio::test(start_paused = true)]
async fn a_flush_that_is_stuck_does_not_hide_that_the_peer_has_vanished() {
    let (mut websocket, peer) = server();
    peer.stick_flush(true);
    peer.eof();
    let (sent, _) = in_time(websocket.send("hello")).await;
    assert!(matches!(sent, Err(Error::Vanished)), "{sent:?}");
    let (received, _) = in_time(websocket.recv()).await;
    assert!(matches!(received, Err(Error::Vanished)), "{received:?}");
}

#[tokio::test(start_paused = true)]
async fn a_clean_end_is_one_even_if_the_last_flush_is_stuck() {
    for role in ROLES {
        let (mut websocket, peer) = open(role, &Config::new());
        peer.stick_flush(true);
        peer.close(1000);
        peer.eof();
        let (ended, seconds) = in_time(websocket.close(None)).await;
        assert!(ended.is_clean() && seconds <= 5, "{ended:?} after {seconds} s");
    }
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_that_is_stuck_takes_five_seconds_and_changes_nothing() {
    for role in ROLES {
        let (mut websocket, peer) = open(role, &Config::new());
        peer.stick_shutdown();
        peer.eof();
        let (received, seconds) = in_time(websocket.recv()).await;
        assert!(matches!(received, Err(Error::Vanished)) && seconds <= 5, "{received:?} after {seconds} s");

        let (mut websocket, peer) = open(role, &Config::new());
        peer.stick_shutdown();
        peer.close(1000);
        peer.eof();
        let (ended, seconds) = in_time(websocket.close(None)).await;
        assert!(ended.is_clean() && seconds <= 5, "{ended:?} after {seconds} s");

        let (mut websocket, peer) = open(role, &Config::new());
        peer.stick_shutdown();
        peer.put([0x83, if role == Role::Server { 0x80 } else { 0 }, 0, 0, 0, 0]);
        peer.eof();
        let (received, seconds) = in_time(websocket.recv()).await;
        assert!(
            matches!(received, Err(Error::Protocol(_))) && seconds <= 5,
            "{received:?} after {seconds} s"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_write_that_failed_is_the_reason_given_ever_after() {
    let (mut websocket, peer) = server();
    peer.fail_writes(ErrorKind::BrokenPipe);
    let is_broken =
        |error: &Error| matches!(error, Error::Io(error) if error.kind() == ErrorKind::BrokenPipe);
    assert!(is_broken(&websocket.send("hello").await.unwrap_err()));
    let (received, seconds) = in_time(websocket.recv()).await;
    assert!(is_broken(&received.unwrap_err()));
    assert!(seconds <= 5);
    assert_eq!(websocket.ended(), Some(Ended::Vanished(Some(ErrorKind::BrokenPipe))));
}

#[tokio::test(start_paused = true)]
async fn a_close_frame_that_cannot_leave_costs_five_seconds_whoever_waits() {
    for holds in [false, true] {
        let (mut websocket, peer) = server();
        peer.stop_reading();
        if holds {
            peer.text("held");
        }
        websocket.start_close(CloseFrame::NORMAL);
        let (flushed, seconds) = in_time(websocket.flush()).await;
        assert!(matches!(flushed, Err(Error::TimedOut(TimedOut::Close))), "{flushed:?}");
        assert_eq!(seconds, 5);
    }
}

#[tokio::test(start_paused = true)]
async fn without_room_for_anything_one_message_at_a_time_is_sent() {
    let mut limits = Limits::default();
    limits.unsent = 0;
    let (mut websocket, peer) = open(Role::Server, &Config::new().limits(limits));
    in_time(websocket.send("one")).await.0.unwrap();
    in_time(websocket.send("two")).await.0.unwrap();
    peer.stop_reading();
    assert!(waits(websocket.send("three")));
    assert!(waits(websocket.send("four")));
    peer.open(1000);
    in_time(websocket.flush()).await.0.unwrap();
    assert_eq!(peer.heard(), ["text one", "text two", "text three"]);
}

#[tokio::test(start_paused = true)]
async fn a_refusal_that_was_sent_is_one_whatever_the_client_does_then() {
    for shutdown_fails in [false, true] {
        let (io, wire) = transport();
        wire.put("GET / HTTP/1.1\r\n\r\n");
        wire.fail_reads(ErrorKind::ConnectionReset);
        if shutdown_fails {
            wire.fail_shutdown();
        }
        assert!(matches!(in_time(accept(io)).await.0, Err(Error::Rejected(_))));
    }
}

#[tokio::test(start_paused = true)]
async fn a_refusal_that_could_not_be_sent_is_none() {
    let (io, wire) = transport();
    wire.put("GET / HTTP/1.1\r\n\r\n");
    wire.open(10);
    let (refused, seconds) = in_time(accept(io)).await;
    assert!(matches!(refused, Err(Error::TimedOut(TimedOut::Handshake))), "{refused:?}");
    assert_eq!(seconds, 10);

    let (io, wire) = transport();
    wire.put("GET / HTTP/1.1\r\n\r\n");
    wire.fail_writes(ErrorKind::BrokenPipe);
    assert!(matches!(in_time(accept(io)).await.0, Err(Error::Io(_))));
}

#[tokio::test(start_paused = true)]
async fn timeouts_without_an_end_do_not_overflow() {
    let (io, wire) = transport();
    wire.put(request(""));
    let config = Config::new().handshake_timeout(Duration::MAX).close_timeout(Duration::MAX);
    let incoming = receive_offer(io, &config).await.unwrap();
    let mut websocket = incoming.accept(&Default::default()).await.unwrap();
    assert!(timeout(1000 * HOUR, websocket.close(None)).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn a_usual_head_is_read_at_once() {
    let (io, wire) = transport();
    wire.put(request(&format!("Cookie: {}\r\n", "x".repeat(1200))));
    accept(io).await.unwrap();
    assert_eq!(wire.reads(), 1);
}
