//! The stream that records: what it writes down, and that it is a stream like any other.

use std::{
    io::{self, BufWriter, ErrorKind, Write},
    sync::{Arc, Mutex},
    time::Duration,
};

use bytes::BytesMut;
use sansocket::{
    Config, Connection, Keepalive, Negotiated, Role, TimedOut,
    replay::Session,
    tokio::{Ended, WebSocket},
};
use tokio::{
    io::AsyncReadExt,
    time::{advance, sleep, timeout},
};

use crate::support::{Op, Peer, Transport, at_once, poll_once, transport};

const SECOND: Duration = Duration::from_secs(1);

/// A log that others can read, and that fails when it is full.
#[derive(Clone, Debug)]
struct Log {
    bytes: Arc<Mutex<Vec<u8>>>,
    room: usize,
}

impl Log {
    fn new(room: usize) -> Self {
        Self { bytes: Arc::default(), room }
    }

    fn text(&self) -> String {
        String::from_utf8(self.bytes.lock().unwrap().clone()).unwrap()
    }

    /// The lines behind the head.
    fn lines(&self) -> Vec<String> {
        self.text().split_once("\n\n").unwrap().1.lines().map(Into::into).collect()
    }
}

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut log = self.bytes.lock().unwrap();
        if log.len() + bytes.len() > self.room {
            return Err(ErrorKind::StorageFull.into());
        }
        log.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

type Recorded = sansocket::tokio::Recorded<Transport, Log>;

fn config() -> Config {
    Config::new().keepalive(Keepalive::new(10 * SECOND, 5 * SECOND))
}

/// A server that is recorded, its client by hand, and the log.
fn server(input: &[u8], room: usize) -> (WebSocket<Recorded>, Peer, Log) {
    let (io, wire) = transport();
    let (log, config) = (Log::new(room), config());
    let connection = Connection::server(&config, Negotiated::default());
    let websocket = WebSocket::from_parts(io, connection, BytesMut::from(input));
    (websocket.record(&config, log.clone()), Peer::new(wire, Role::Client), log)
}

#[tokio::test(start_paused = true)]
async fn a_session_is_written_line_by_line() {
    let (mut server, peer, log) = server(b"\x81\x81\0\0\0\0a", usize::MAX);
    assert_eq!(
        log.text().lines().collect::<Vec<_>>()[..3],
        ["sansocket session 1", "role server", "ticks listed"]
    );
    assert_eq!(at_once(server.recv()).unwrap(), Some("a".into()));
    assert!(timeout(SECOND, server.recv()).await.is_err());
    at_once(server.send("b")).unwrap();
    peer.close(1000);
    peer.eof();
    assert_eq!(at_once(server.recv()).unwrap(), None);
    assert_eq!(at_once(server.recv()).unwrap(), None);
    drop(server);
    assert_eq!(
        log.lines(),
        [
            "0.000000000 < 81810000000061",
            "0.000000000 tick",
            // The last tick of the run.
            "1.000000000 tick",
            "1.000000000 > 810162",
            "1.000000000 < 888237fa213d3412",
            "1.000000000 > 880203e8",
            "1.000000000 end",
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn the_end_of_the_stream_is_written_once_and_a_failure_too() {
    let (mut server_, peer, log) = server(b"", usize::MAX);
    peer.eof();
    for _ in 0..3 {
        assert!(at_once(server_.recv()).is_err());
    }
    let mut recorded = server_.into_parts().0;
    assert_eq!(recorded.read(&mut [0; 8]).await.unwrap(), 0);
    drop(recorded);
    assert_eq!(log.lines(), ["0.000000000 < eof", "0.000000000 end"]);

    let (mut server_, peer, log) = server(b"", usize::MAX);
    peer.fail_reads(ErrorKind::ConnectionReset);
    assert!(at_once(server_.recv()).is_err());
    drop(server_);
    assert_eq!(log.lines(), ["0.000000000 < failed", "0.000000000 end"]);

    for kind in [ErrorKind::BrokenPipe, ErrorKind::WriteZero] {
        let (mut server, peer, log) = server(b"", usize::MAX);
        peer.fail_writes(kind);
        assert!(at_once(server.send("a")).is_err());
        drop(server);
        assert_eq!(log.lines()[0], "0.000000000 > failed");
    }
}

#[tokio::test(start_paused = true)]
async fn only_what_the_stream_took_is_written_and_all_of_a_write_in_pieces() {
    let (mut server, peer, log) = server(b"", usize::MAX);
    peer.cut(3);
    at_once(server.send("Hello")).unwrap();
    assert_eq!(log.lines(), ["0.000000000 > 810548", "0.000000000 > 656c6c", "0.000000000 > 6f"]);
    // A header and a long payload go out in one vectored write, as they do without a recorder.
    peer.cut(usize::MAX);
    peer.clear_log();
    at_once(server.send(vec![7; 5000])).unwrap();
    assert_eq!(peer.log()[0], Op::Write(5004, 2));
    assert_eq!(log.lines()[3], format!("0.000000000 > 827e1388{}", "07".repeat(5000)));
}

/// The first and the last of a run of ticks are what a replay needs.
#[tokio::test(start_paused = true)]
async fn runs_of_ticks_are_written_where_they_begin_and_end() {
    let (mut server, peer, log) = server(b"", usize::MAX);
    for _ in 0..5 {
        assert!(timeout(SECOND, server.recv()).await.is_err());
    }
    peer.text("a");
    assert_eq!(at_once(server.recv()).unwrap(), Some("a".into()));
    assert_eq!(
        log.lines(),
        ["0.000000000 tick", "5.000000000 tick", "5.000000000 < 818137fa213d56"].map(String::from),
    );
}

#[tokio::test(start_paused = true)]
async fn what_sticks_is_told_apart() {
    // Output that does not leave, while it reads.
    let (mut both, peer, log) = server(b"", usize::MAX);
    peer.stop_reading();
    at_once(both.feed("a")).unwrap();
    assert!(timeout(SECOND, both.recv()).await.is_err());
    drop(both);
    assert_eq!(log.lines()[0], "0.000000000 tick > 3");
    // Output that does not leave, while a message is held.
    let (mut held, peer, log) = server(b"\x81\x81\0\0\0\0a", usize::MAX);
    peer.stop_reading();
    assert!(poll_once(held.send("b")).is_pending());
    advance(SECOND).await;
    assert!(poll_once(held.flush()).is_pending());
    drop(held);
    assert_eq!(log.lines()[1..3], ["0.000000000 tick unread > 3", "1.000000000 tick unread > 3"]);
    // Output that has left, and is not flushed.
    let (mut flushing, peer, log) = server(b"", usize::MAX);
    peer.stick_flush(true);
    assert!(poll_once(flushing.send("b")).is_pending());
    drop(flushing);
    assert_eq!(log.lines()[..2], ["0.000000000 > 810162", "0.000000000 tick"]);
}

/// The connection is told the time where the stream is not touched: a message is held, and nothing is to be written.
#[tokio::test(start_paused = true)]
async fn ticks_without_a_trace_in_the_stream_are_written() {
    let (mut server, peer, log) = server(b"", usize::MAX);
    peer.put(*b"\x81\x81\0\0\0\0a\x89\x81\0\0\0\0b");
    peer.stick_flush(true);
    assert!(timeout(3 * SECOND, server.send("c")).await.is_err());
    assert!(timeout(3 * SECOND, server.flush()).await.is_err());
    peer.stick_flush(false);
    assert_eq!(at_once(server.recv()).unwrap(), Some("a".into()));
    assert!(timeout(11 * SECOND, server.recv()).await.is_err());
    drop(server);
    assert_eq!(
        log.lines(),
        [
            "0.000000000 > 810163",
            "0.000000000 < 8181000000006189810000000062",
            "0.000000000 tick unread < 7",
            "6.000000000 tick unread < 7",
            "6.000000000 > 8a0162",
            "6.000000000 tick",
            "10.000000000 tick",
            "16.000000000 tick ping",
            "16.000000000 > 8900",
            "16.000000000 tick",
            "17.000000000 tick",
            "17.000000000 end",
        ]
    );
    let transcript = log.text().parse::<Session>().unwrap().replay();
    assert!(transcript.is_faithful(), "{transcript}");
    assert!(transcript.to_string().contains("16.000000000 says ping 0"), "{transcript}");
}

/// What was heard before the recording is not in it.
#[tokio::test(start_paused = true)]
async fn a_recording_that_begins_late_counts_from_there() {
    let (io, wire) = transport();
    let (log, config, peer) = (Log::new(usize::MAX), config(), Peer::new(wire, Role::Client));
    let connection = Connection::server(&config, Negotiated::default());
    let mut server = WebSocket::from_parts(io, connection, BytesMut::new());
    peer.text("before");
    assert_eq!(at_once(server.recv()).unwrap(), Some("before".into()));
    let mut server = server.record(&config, log.clone());
    peer.put(*b"\x81\x81\0\0\0\0a\x89\x81\0\0\0\0b\x81");
    peer.stop_reading();
    assert!(poll_once(server.send("c")).is_pending());
    assert_eq!(at_once(server.recv()).unwrap(), Some("a".into()));
    assert!(poll_once(server.recv()).is_pending());
    drop(server);
    assert_eq!(log.lines()[1..3], ["0.000000000 tick unread < 8 > 3", "0.000000000 tick < 1 > 6"]);
}

/// An application that was busy ran no deadline, and its replay runs none.
#[tokio::test(start_paused = true)]
async fn a_busy_application_is_replayed() {
    let (mut server, peer, log) = server(b"", usize::MAX);
    for _ in 0..3 {
        at_once(server.send("tick")).unwrap();
        sleep(60 * SECOND).await;
        peer.pong("");
    }
    assert!(timeout(SECOND, server.recv()).await.is_err());
    drop(server);
    let transcript = log.text().parse::<Session>().unwrap().replay();
    assert!(transcript.is_faithful(), "{transcript}");
    assert!(!transcript.to_string().contains("expires"), "{transcript}");
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_takes_nothing_is_given_up_in_the_replay() {
    for held in [false, true] {
        let (mut server, peer, log) = server(b"", usize::MAX);
        peer.stop_reading();
        if held {
            peer.text("held");
        }
        assert!(server.send("hello").await.is_err());
        let expected = if held { TimedOut::Write } else { TimedOut::Pong };
        assert_eq!(server.ended(), Some(Ended::TimedOut(expected)));
        drop(server);
        let transcript = log.text().parse::<Session>().unwrap().replay().to_string();
        assert!(
            transcript.contains(&format!("15.000000000 expires {expected:?}")),
            "{}{transcript}",
            log.text()
        );
    }
}

/// A stream that takes one slice at a time hides how much waits, but not when the connection was told the time.
#[tokio::test(start_paused = true)]
async fn a_stream_that_is_not_vectored_is_given_up_in_the_replay() {
    let (mut server, peer, log) = server(b"", usize::MAX);
    peer.stop_reading();
    peer.not_vectored();
    at_once(server.feed(vec![7; 5000])).unwrap();
    assert!(server.recv().await.is_err());
    let expired = match server.ended() {
        Some(Ended::TimedOut(timed_out)) => timed_out,
        ended => panic!("{ended:?}"),
    };
    drop(server);
    let transcript = log.text().parse::<Session>().unwrap().replay().to_string();
    assert!(transcript.contains(&format!("15.000000000 expires {expired:?}")), "{}{transcript}", log.text());
}

/// A log that fails ends the recording, not the connection, and says so.
#[tokio::test(start_paused = true)]
async fn a_log_that_fails_is_told_and_breaks_nothing() {
    let mut whole = String::new();
    for room in (0..400).rev() {
        let (mut server, peer, log) = server(b"", room);
        peer.text("a");
        assert_eq!(at_once(server.recv()).unwrap(), Some("a".into()));
        at_once(server.send("b")).unwrap();
        assert_eq!(peer.heard(), ["text b"]);
        if room == 399 {
            drop(server);
            whole = log.text();
            assert!(whole.ends_with(" end\n"));
            continue;
        }
        let is_failed = server.stream().failure().map(io::Error::kind);
        let (_, finished) = server.into_parts().0.finish();
        assert_eq!(finished.is_ok(), room >= whole.len(), "{room}");
        if let Err(error) = finished {
            assert_eq!(error.kind(), ErrorKind::StorageFull);
            // The last line comes when the recording is finished.
            let is_last = whole.len() - log.text().len() == "0.000000000 end\n".len();
            assert_eq!(is_failed, (!is_last).then_some(ErrorKind::StorageFull), "{room}");
            // Nothing stands behind what is missing.
            assert!(whole.starts_with(&log.text()) && !log.text().contains("end"), "{}", log.text());
        }
        if let Ok(session) = log.text().parse::<Session>() {
            let is_cut_off = session.replay().to_string().ends_with("cut off\n");
            assert_eq!(is_cut_off, room < whole.len(), "{room}");
        }
    }
}

/// A log that keeps things back is flushed before it is given back.
#[tokio::test(start_paused = true)]
async fn a_log_is_flushed_when_it_ends() {
    let (log, config) = (Log::new(usize::MAX), config());
    let connection = Connection::server(&config, Negotiated::default());
    let websocket = WebSocket::from_parts(transport().0, connection, BytesMut::new());
    let websocket = websocket.record(&config, BufWriter::new(log.clone()));
    assert_eq!(log.text(), "");
    let (_, writer) = websocket.into_parts().0.finish();
    assert!(log.text().ends_with(" end\n"));
    drop(writer);
    assert_eq!(log.lines().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_recording_can_be_finished_and_the_stream_used_again() {
    let (mut server, peer, _) = server(b"", usize::MAX);
    peer.text("a");
    assert_eq!(at_once(server.recv()).unwrap(), Some("a".into()));
    assert!(server.stream().failure().is_none());
    let (recorded, connection, input) = server.into_parts();
    let (stream, log) = recorded.finish();
    assert!(log.unwrap().text().ends_with("0.000000000 end\n"));
    let mut server = WebSocket::from_parts(stream, connection, input);
    at_once(server.send("b")).unwrap();
    assert_eq!(peer.heard(), ["text b"]);
}

/// What is left of the input is not all unheard, and what was not looked at is not all left.
#[tokio::test(start_paused = true)]
async fn what_was_not_looked_at_is_counted() {
    for (input, tick) in [
        (&b"\x81"[..], "tick < 1"),
        // A part of a frame is a sign of life.
        (b"\x81\x85\0\0\0\0he", "tick"),
        // Behind a breach nothing is looked at any more.
        (b"\x83\x80\0\0\0\0", "tick closing"),
    ] {
        let (mut server, _peer, log) = server(input, usize::MAX);
        assert!(timeout(SECOND, server.recv()).await.is_err());
        drop(server);
        assert!(log.text().contains(&format!("0.000000000 {tick}\n")), "{tick}: {}", log.text());
    }
}
