//! Deadlines on a runtime that has no clock: one thread rings them all, and is gone when there are none.
#![cfg(feature = "tokio")]

use std::{
    fs,
    future::Future,
    sync::{Mutex, MutexGuard, PoisonError},
    thread,
    time::{Duration, Instant},
};

use bytes::BytesMut;
use sansocket::{
    Config, Connection, Keepalive, Negotiated, TimedOut,
    tokio::{Ended, Error, WebSocket, accept_with},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex},
    runtime::Builder,
    task::JoinSet,
};

/// How late an alarm may be on a machine that has much else to do.
const LATE: Duration = Duration::from_secs(2);

/// The tests of this file take turns: they look at the process.
fn turn() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// On a runtime without any driver.
fn bare<R>(work: impl Future<Output = R>) -> R {
    Builder::new_current_thread().build().unwrap().block_on(work)
}

fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn quick(interval: Duration, timeout: Duration) -> Config {
    Config::new().keepalive(Keepalive::new(interval, timeout)).close_timeout(timeout)
}

fn server(config: &Config) -> (WebSocket<DuplexStream>, DuplexStream) {
    let (near, far) = duplex(64 << 10);
    let connection = Connection::server(config, Negotiated::default());
    (WebSocket::from_parts(near, connection, BytesMut::new()), far)
}

fn assert_took(since: Instant, at_least: Duration) {
    let took = since.elapsed();
    assert!(took >= at_least && took < at_least + LATE, "{took:?}");
}

#[test]
fn a_silent_peer_is_pinged_and_given_up() {
    let _turn = turn();
    bare(async {
        let (mut server, mut peer) = server(&quick(millis(40), millis(60)));
        let start = Instant::now();
        let end = server.recv().await;
        assert!(matches!(end, Err(Error::TimedOut(TimedOut::Pong))), "{end:?}");
        assert_took(start, millis(100));
        let mut said = [0; 2];
        peer.read_exact(&mut said).await.unwrap();
        assert_eq!(said, [0x89, 0x00]);
    });
}

#[test]
fn a_peer_that_speaks_is_not_pinged() {
    let _turn = turn();
    let (mut server, mut peer) = server(&quick(millis(400), millis(400)));
    let speaker = thread::spawn(move || {
        for _ in 0..60 {
            bare(peer.write_all(b"\x81\x80\0\0\0\0")).unwrap();
            thread::sleep(millis(20));
        }
        let last = Instant::now();
        let mut said = [0; 2];
        bare(peer.read_exact(&mut said)).unwrap();
        (said, last.elapsed(), peer)
    });
    bare(async {
        for _ in 0..60 {
            assert_eq!(server.recv().await.unwrap(), Some("".into()));
        }
        assert!(server.recv().await.is_err());
    });
    let (said, silence, _peer) = speaker.join().unwrap();
    assert_eq!(said, [0x89, 0x00]);
    // From the last message on, which is some 20 ms before it is counted here.
    assert!(silence >= millis(350) && silence < millis(400) + LATE, "{silence:?}");
}

#[test]
fn handshakes_have_their_time_too() {
    let _turn = turn();
    bare(async {
        let (near, mut far) = duplex(1024);
        far.write_all(b"GET / HTTP/1.1\r\n").await.unwrap();
        let start = Instant::now();
        let config = Config::new().handshake_timeout(millis(70));
        let end = accept_with(near, &config, |_| Ok(Default::default())).await;
        assert!(matches!(end, Err(Error::TimedOut(TimedOut::Handshake))), "{end:?}");
        assert_took(start, millis(70));

        let (mut server, _peer) = server(&quick(millis(1000), millis(50)));
        let start = Instant::now();
        assert_eq!(server.close(None).await, Ended::TimedOut(TimedOut::Close));
        assert_took(start, millis(50));
    });
}

#[test]
fn each_of_a_thousand_has_its_own_alarm() {
    let _turn = turn();
    bare(async {
        let start = Instant::now();
        let mut tasks = JoinSet::new();
        for i in 0..1000 {
            let interval = millis(20 + i % 7 * 30);
            let (mut server, peer) = server(&quick(interval, interval));
            tasks.spawn(async move {
                let end = server.recv().await;
                assert!(matches!(end, Err(Error::TimedOut(TimedOut::Pong))), "{end:?}");
                assert_took(start, 2 * interval);
                drop(peer);
            });
        }
        tasks.join_all().await;
    });
}

/// An earlier alarm that is set later is rung earlier, and a connection that is dropped is not waited for.
#[test]
fn alarms_ring_in_their_order() {
    let _turn = turn();
    bare(async {
        let (mut late, _late_peer) = server(&quick(millis(60_000), millis(60_000)));
        let (mut early, _early_peer) = server(&quick(millis(30), millis(30)));
        let start = Instant::now();
        tokio::select! {
            biased;
            end = late.recv() => panic!("{end:?}"),
            end = early.recv() => assert!(matches!(end, Err(Error::TimedOut(TimedOut::Pong))), "{end:?}"),
        }
        assert_took(start, millis(60));
    });
}

/// The task that waits last is the one that is woken.
#[test]
fn the_alarm_follows_its_connection() {
    let _turn = turn();
    bare(async {
        let (mut server, _peer) = server(&quick(millis(100), millis(100)));
        let first = tokio::spawn(async move {
            tokio::select! {
                biased;
                end = server.recv() => panic!("{end:?}"),
                () = tokio::task::yield_now() => server,
            }
        });
        let mut server = first.await.unwrap();
        let start = Instant::now();
        let second = tokio::spawn(async move { server.recv().await });
        let end = second.await.unwrap();
        assert!(matches!(end, Err(Error::TimedOut(TimedOut::Pong))), "{end:?}");
        assert!(start.elapsed() < millis(200) + LATE);
    });
}

#[test]
#[cfg(target_os = "linux")]
fn the_thread_is_there_while_it_is_needed() {
    let _turn = turn();
    let threads = || {
        let tasks = fs::read_dir("/proc/self/task").unwrap();
        let names =
            tasks.map(|task| fs::read_to_string(task.unwrap().path().join("comm")).unwrap_or_default());
        names.filter(|name| name == "sansocket\n").count()
    };
    let wait_for = |count| {
        let start = Instant::now();
        while threads() != count {
            assert!(start.elapsed() < LATE + millis(5000), "{} threads", threads());
            thread::sleep(millis(5));
        }
    };
    for _ in 0..2 {
        wait_for(0);
        bare(async {
            let all: Vec<_> = (0..3).map(|_| server(&Config::new())).collect();
            let mut tasks = JoinSet::new();
            for (mut server, peer) in all {
                tasks.spawn(async move {
                    let _ = server.recv().await;
                    drop(peer);
                });
            }
            tokio::task::yield_now().await;
            wait_for(1);
        });
    }
}
