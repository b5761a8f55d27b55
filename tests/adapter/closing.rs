//! The closing handshake, and every other end.

use std::{io::ErrorKind, time::Duration};

use sansocket::{
    CloseFrame, Config, ProtocolError, Role, SendError, TimedOut,
    tokio::{Ended, Error},
};
use tokio::time::{Instant, sleep, timeout};

use crate::support::{Op, Peer, Transport, at_once, client, open, poll_once, server, waits};

type WebSocket = sansocket::tokio::WebSocket<Transport>;

const GOING_AWAY: u16 = 1001;

fn frame(code: u16) -> CloseFrame {
    CloseFrame::new(code, "").unwrap()
}

fn clean(sent: u16, received: u16) -> Ended {
    Ended::Clean { sent: Some(frame(sent)), received: Some(frame(received)) }
}

/// That it has ended like this, and says so ever after, whatever is asked.
async fn stays(websocket: &mut WebSocket, peer: &Peer, ended: &Ended) {
    let log = peer.log();
    for _ in 0..3 {
        assert_eq!(websocket.ended().as_ref(), Some(ended));
        assert_eq!(&websocket.close(frame(4000)).await, ended);
        if ended.is_clean() {
            assert_eq!(websocket.recv().await.unwrap(), None);
            websocket.send("late").await.unwrap_err();
            websocket.feed("late").await.unwrap_err();
            websocket.ping("late").await.unwrap_err();
        } else {
            is_told(ended, &websocket.recv().await.unwrap_err());
            let send = websocket.send("late").await.unwrap_err();
            let feed = websocket.feed("late").await.unwrap_err();
            let flush = websocket.flush().await.unwrap_err();
            is_told(ended, &send);
            is_told(ended, &feed);
            is_told(ended, &flush);
        }
        sleep(Duration::from_secs(100)).await;
    }
    assert_eq!(peer.log(), log, "the stream is left alone");
}

fn is_told(ended: &Ended, told: &Error) {
    match (ended, told) {
        (Ended::Vanished(None), Error::Vanished) => {}
        (Ended::Vanished(Some(kind)), Error::Io(error)) => assert_eq!(*kind, error.kind()),
        (Ended::TimedOut(ended), Error::TimedOut(told)) => assert_eq!(ended, told),
        (Ended::Violation { error, .. }, Error::Protocol(told)) => assert_eq!(error, told),
        _ => panic!("{ended:?}, but {told:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn we_close_first_as_a_server() {
    let (mut websocket, peer) = server();
    let answer = async {
        sleep(Duration::from_secs(1)).await;
        peer.close(1000);
    };
    let (ended, ()) = tokio::join!(websocket.close(frame(GOING_AWAY)), answer);
    assert_eq!(ended, clean(1001, 1000));
    assert_eq!(peer.heard(), ["close 1001"]);
    // §7.1.1: the server closes the stream, and does not wait for the client to do so.
    assert_eq!(peer.log(), [Op::Write(4, 1), Op::Flush, Op::Read(8), Op::Shutdown]);
    stays(&mut websocket, &peer, &ended).await;
}

#[tokio::test(start_paused = true)]
async fn we_close_first_as_a_client() {
    let (mut websocket, peer) = client();
    let start = Instant::now();
    let answer = async {
        sleep(Duration::from_secs(1)).await;
        peer.close(1000);
        sleep(Duration::from_secs(1)).await;
        assert_eq!(peer.shutdowns(), 0, "the client waits for the server");
        peer.eof();
    };
    let (ended, ()) = tokio::join!(websocket.close(frame(GOING_AWAY)), answer);
    assert_eq!((ended.clone(), start.elapsed().as_secs()), (clean(1001, 1000), 2));
    assert_eq!(peer.log(), [Op::Write(8, 1), Op::Flush, Op::Read(4), Op::Read(0), Op::Shutdown]);
    stays(&mut websocket, &peer, &ended).await;
}

#[tokio::test(start_paused = true)]
async fn the_peer_closes_first() {
    for role in [Role::Server, Role::Client] {
        let (mut websocket, peer) = open(role, &Config::new());
        peer.text("last words");
        peer.close(4001);
        peer.eof();
        assert_eq!(at_once(websocket.recv()).unwrap(), Some("last words".into()));
        assert_eq!(websocket.ended(), None);
        assert_eq!(at_once(websocket.recv()).unwrap(), None);
        assert_eq!(peer.heard(), ["close 4001"]);
        assert_eq!((peer.log().last(), peer.shutdowns()), (Some(&Op::Shutdown), 1));
        stays(&mut websocket, &peer, &clean(4001, 4001)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn both_close_at_once() {
    for role in [Role::Server, Role::Client] {
        let (mut websocket, peer) = open(role, &Config::new());
        peer.eof_on_shutdown();
        peer.close(4001);
        if role == Role::Client {
            peer.eof();
        }
        let ended = at_once(websocket.close(frame(4002)));
        assert_eq!(ended, clean(4002, 4001));
        assert_eq!(peer.heard(), ["close 4002"], "one Close frame");
        stays(&mut websocket, &peer, &ended).await;
    }
}

#[tokio::test(start_paused = true)]
async fn close_frames_without_a_code() {
    let (mut websocket, peer) = server();
    peer.put(peer.frame(sansocket::frame::OpCode::Close, b""));
    let ended = at_once(websocket.close(None));
    assert_eq!(ended, Ended::Clean { sent: None, received: None });
    assert_eq!(peer.heard(), ["close"]);
}

#[tokio::test(start_paused = true)]
async fn close_drops_what_still_comes_and_start_close_does_not() {
    let (mut websocket, peer) = server();
    websocket.start_close(frame(1000));
    peer.text("one");
    peer.text("two");
    peer.close(1000);
    assert_eq!(at_once(websocket.recv()).unwrap(), Some("one".into()));
    assert_eq!(at_once(websocket.close(None)), clean(1000, 1000));
    assert_eq!(peer.heard(), ["close 1000"]);
}

#[tokio::test(start_paused = true)]
async fn what_was_fed_goes_before_the_close_frame() {
    let (mut websocket, peer) = server();
    at_once(websocket.feed("first")).unwrap();
    peer.close(1000);
    at_once(websocket.close(frame(1000)));
    assert_eq!(peer.heard(), ["text first", "close 1000"]);
}

#[tokio::test(start_paused = true)]
async fn nothing_can_be_sent_after_start_close() {
    let (mut websocket, peer) = server();
    websocket.start_close(frame(1000));
    assert!(matches!(at_once(websocket.send("late")), Err(Error::Send(SendError::Closed))));
    at_once(websocket.flush()).unwrap();
    assert_eq!(peer.heard(), ["close 1000"]);
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_never_answers_costs_five_seconds() {
    for role in [Role::Server, Role::Client] {
        let (mut websocket, peer) = open(role, &Config::new());
        let start = Instant::now();
        let ended = websocket.close(frame(1000)).await;
        assert_eq!(
            (ended.clone(), start.elapsed()),
            (Ended::TimedOut(TimedOut::Close), Duration::from_secs(5))
        );
        assert_eq!((peer.log().last(), peer.shutdowns()), (Some(&Op::Shutdown), 1));
        stays(&mut websocket, &peer, &ended).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_never_reads_costs_five_seconds() {
    for role in [Role::Server, Role::Client] {
        let (mut websocket, peer) = open(role, &Config::new());
        peer.stop_reading();
        let start = Instant::now();
        assert!(waits(websocket.send("hello")));
        let ended = websocket.close(frame(1000)).await;
        assert_eq!((ended, start.elapsed()), (Ended::TimedOut(TimedOut::Close), Duration::from_secs(5)));
    }
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_talks_on_costs_five_seconds() {
    let (mut websocket, peer) = server();
    let start = Instant::now();
    let talking = async {
        loop {
            sleep(Duration::from_millis(70)).await;
            peer.text("but");
            peer.ping("1");
        }
    };
    tokio::select! {
        ended = websocket.close(frame(1000)) => assert_eq!(ended, Ended::TimedOut(TimedOut::Close)),
        () = talking => {}
    }
    assert_eq!(start.elapsed(), Duration::from_secs(5));
}

#[tokio::test(start_paused = true)]
async fn a_server_that_never_closes_the_stream_costs_five_seconds_and_is_a_clean_end() {
    let (mut websocket, peer) = client();
    peer.close(1000);
    let start = Instant::now();
    let ended = websocket.close(frame(1001)).await;
    assert_eq!((ended.clone(), start.elapsed()), (clean(1001, 1000), Duration::from_secs(5)));
    stays(&mut websocket, &peer, &ended).await;
}

#[tokio::test(start_paused = true)]
async fn the_end_of_the_stream_without_a_close_frame() {
    for role in [Role::Server, Role::Client] {
        let (mut websocket, peer) = open(role, &Config::new());
        peer.text("last words");
        peer.eof();
        assert_eq!(at_once(websocket.recv()).unwrap(), Some("last words".into()));
        assert!(matches!(at_once(websocket.recv()), Err(Error::Vanished)));
        assert_eq!((peer.heard().len(), peer.shutdowns()), (0, 1));
        stays(&mut websocket, &peer, &Ended::Vanished(None)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn the_end_of_the_stream_instead_of_an_answer() {
    let (mut websocket, peer) = server();
    peer.eof();
    let ended = at_once(websocket.close(frame(1000)));
    assert_eq!(ended, Ended::Vanished(None));
    stays(&mut websocket, &peer, &ended).await;
}

#[tokio::test(start_paused = true)]
async fn a_reset() {
    for role in [Role::Server, Role::Client] {
        let (mut websocket, peer) = open(role, &Config::new());
        peer.text("last words");
        peer.fail_reads(ErrorKind::ConnectionReset);
        assert_eq!(at_once(websocket.recv()).unwrap(), Some("last words".into()));
        let error = at_once(websocket.recv()).unwrap_err();
        assert!(matches!(error, Error::Io(error) if error.kind() == ErrorKind::ConnectionReset));
        stays(&mut websocket, &peer, &Ended::Vanished(Some(ErrorKind::ConnectionReset))).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_reset_behind_the_close_frame_is_a_clean_end() {
    let (mut websocket, peer) = client();
    peer.close(1000);
    peer.fail_reads(ErrorKind::ConnectionReset);
    let ended = at_once(websocket.close(frame(1000)));
    assert_eq!(ended, clean(1000, 1000));
    stays(&mut websocket, &peer, &ended).await;
}

#[tokio::test(start_paused = true)]
async fn a_breach_is_told_and_then_the_rest_is_read_to_the_end() {
    for role in [Role::Server, Role::Client] {
        let (mut websocket, peer) = open(role, &Config::new());
        peer.put([0x83, if role == Role::Server { 0x80 } else { 0 }, 0, 0, 0, 0]);
        let start = Instant::now();
        let talking_on = async {
            for _ in 0..30 {
                sleep(Duration::from_millis(100)).await;
                peer.text("on");
            }
            peer.eof();
        };
        let (received, ()) = tokio::join!(websocket.recv(), talking_on);
        assert!(matches!(received, Err(Error::Protocol(ProtocolError::ReservedOpCode))));
        assert_eq!(start.elapsed(), Duration::from_secs(3));
        assert_eq!(peer.heard(), ["close 1002 frame with a reserved opcode"]);
        assert!(peer.log()[1..].starts_with(&[Op::Write(peer.written().len(), 1), Op::Flush, Op::Shutdown]));
        assert_eq!((peer.shutdowns(), peer.log().last()), (1, Some(&Op::Read(0))));
        let error = ProtocolError::ReservedOpCode;
        let ended = Ended::Violation { error, told: CloseFrame::for_error(error) };
        stays(&mut websocket, &peer, &ended).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_breach_by_a_peer_that_stays_costs_five_seconds() {
    let (mut websocket, peer) = server();
    peer.put([0x83, 0x80, 0, 0, 0, 0]);
    let start = Instant::now();
    assert!(matches!(websocket.recv().await, Err(Error::Protocol(_))));
    assert_eq!(start.elapsed(), Duration::from_secs(5));
    let error = ProtocolError::ReservedOpCode;
    stays(&mut websocket, &peer, &Ended::Violation { error, told: CloseFrame::for_error(error) }).await;
}

#[tokio::test(start_paused = true)]
async fn a_breach_after_our_close_frame_is_told_nothing_more() {
    let (mut websocket, peer) = server();
    peer.put([0x83, 0x80, 0, 0, 0, 0]);
    peer.eof();
    let ended = at_once(websocket.close(frame(1000)));
    let error = ProtocolError::ReservedOpCode;
    assert_eq!(ended, Ended::Violation { error, told: Some(frame(1000)) });
    assert_eq!(peer.heard(), ["close 1000"]);
}

#[tokio::test(start_paused = true)]
async fn a_close_frame_can_still_be_read_where_nothing_can_be_written() {
    for (role, kind) in [(Role::Server, ErrorKind::BrokenPipe), (Role::Client, ErrorKind::WriteZero)] {
        let (mut websocket, peer) = open(role, &Config::new());
        peer.fail_writes(kind);
        let error = at_once(websocket.send("hello")).unwrap_err();
        assert!(matches!(error, Error::Io(error) if error.kind() == kind));
        peer.text("last words");
        peer.close(1001);
        peer.eof();
        assert_eq!(at_once(websocket.recv()).unwrap(), Some("last words".into()));
        assert_eq!(at_once(websocket.recv()).unwrap(), None);
        let ended = Ended::Clean { sent: None, received: Some(frame(1001)) };
        stays(&mut websocket, &peer, &ended).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_write_that_fails_and_nothing_to_read() {
    let (mut websocket, peer) = server();
    peer.fail_writes(ErrorKind::BrokenPipe);
    at_once(websocket.send("hello")).unwrap_err();
    peer.eof();
    let error = at_once(websocket.recv()).unwrap_err();
    assert!(matches!(error, Error::Io(error) if error.kind() == ErrorKind::BrokenPipe));
    assert_eq!(peer.shutdowns(), 0, "there is nothing to shut down");
    stays(&mut websocket, &peer, &Ended::Vanished(Some(ErrorKind::BrokenPipe))).await;
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_cannot_be_shut_down_is_closed_all_the_same() {
    let (mut websocket, peer) = server();
    peer.fail_shutdown();
    peer.close(1000);
    assert_eq!(at_once(websocket.close(frame(1000))), clean(1000, 1000));
}

#[tokio::test(start_paused = true)]
async fn the_stream_is_not_shut_down_before_it_is_flushed() {
    let (mut websocket, peer) = server();
    peer.stick_flush(true);
    peer.close(1000);
    assert!(waits(websocket.recv()));
    assert_eq!(peer.log(), [Op::Read(8), Op::Write(4, 1)]);
    peer.stick_flush(false);
    assert_eq!(at_once(websocket.recv()).unwrap(), None);
    assert_eq!(peer.log()[2..], [Op::Flush, Op::Shutdown]);
}

#[tokio::test(start_paused = true)]
async fn a_close_that_is_dropped_can_be_taken_up() {
    let (mut websocket, peer) = server();
    assert!(waits(websocket.close(frame(1000))));
    sleep(Duration::from_secs(4)).await;
    assert!(waits(websocket.close(frame(1001))));
    peer.close(1000);
    assert_eq!(at_once(websocket.close(frame(1002))), clean(1000, 1000));
    assert_eq!(peer.heard(), ["close 1000"]);
}

#[tokio::test(start_paused = true)]
async fn the_five_seconds_are_of_the_closing_not_of_the_call() {
    let (mut websocket, _peer) = server();
    let start = Instant::now();
    for _ in 0..4 {
        assert!(timeout(Duration::from_secs(1), websocket.close(None)).await.is_err());
    }
    assert_eq!(websocket.close(None).await, Ended::TimedOut(TimedOut::Close));
    assert_eq!(start.elapsed(), Duration::from_secs(5));
}

#[tokio::test(start_paused = true)]
async fn dropping_it_drops_the_stream() {
    let (websocket, peer) = server();
    drop(websocket);
    assert!(peer.is_closed());
    assert!(peer.log().is_empty());
}

#[tokio::test(start_paused = true)]
async fn what_is_sent_after_the_end_fails_for_the_same_reason() {
    let (mut websocket, peer) = server();
    peer.put([0x83, 0x80, 0, 0, 0, 0]);
    assert!(matches!(websocket.recv().await, Err(Error::Protocol(_))));
    assert!(matches!(websocket.send("late").await, Err(Error::Protocol(_))));

    let (mut websocket, peer) = client();
    peer.close(1000);
    assert!(websocket.close(None).await.is_clean());
    assert!(matches!(websocket.send("late").await, Err(Error::Send(SendError::Closed))));
    assert!(websocket.flush().await.is_ok());
}

/// What is dropped was not sent, however well the connection ends.
#[tokio::test(start_paused = true)]
async fn a_send_that_could_not_leave_fails_though_the_peer_has_closed() {
    for breaks in [false, true] {
        let (mut websocket, peer) = server();
        peer.open(1000);
        let mut send = Box::pin(websocket.send(vec![7; 5000]));
        assert!(poll_once(&mut send).is_pending());
        peer.close(1000);
        if breaks {
            peer.fail_writes(ErrorKind::BrokenPipe);
            peer.eof();
        }
        let sent = send.await;
        match (breaks, &sent) {
            (true, Err(Error::Io(error))) => assert_eq!(error.kind(), ErrorKind::BrokenPipe),
            (false, Err(Error::TimedOut(TimedOut::Close))) => {}
            _ => panic!("{breaks}: {sent:?}"),
        }
        assert!(websocket.flush().await.is_err());
        assert!(websocket.ended().is_some_and(|ended| ended.is_clean()));
        assert_eq!(websocket.recv().await.unwrap(), None);
    }
}

/// What has left before the end has left.
#[tokio::test(start_paused = true)]
async fn a_send_that_has_left_succeeds_though_the_peer_has_closed() {
    let (mut websocket, peer) = server();
    peer.eof_on_shutdown();
    peer.close(1000);
    at_once(websocket.send("last")).unwrap();
    at_once(websocket.flush()).unwrap();
    assert_eq!(at_once(websocket.recv()).unwrap(), None);
    assert_eq!(peer.heard(), ["text last", "close 1000"]);
}
