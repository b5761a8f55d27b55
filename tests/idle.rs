//! An idle connection holds no buffer: what the heap holds for it, by counting.
#![cfg(feature = "tokio")]

mod counting;
#[path = "adapter/support/mod.rs"]
mod support;

use std::{
    collections::VecDeque,
    future::Future,
    pin::pin,
    sync::{Arc, Mutex},
    task::{Context, Poll, Waker},
};

use bytes::{Bytes, BytesMut};
use sansocket::{
    Config, Connection, Negotiated, Role,
    frame::OpCode,
    tokio::{Error, WebSocket, accept},
};
use tokio::net::{TcpListener, TcpStream};

use counting::{
    allocated, forget, held, largest, peak,
    pipe::{Pipe, Said},
};
use support::{Peer, transport};

/// What an idle connection may hold: its alarm. It is 112 bytes with tokio 1.54.
const ALARM: isize = 128;
/// What a message takes that is open, besides its payload.
const OPEN: isize = 80;
/// What the block of a thread costs on top once messages have shared it: a count of references.
const SHARED: isize = 64;

/// A connection, and what its peer says: never more at a time than fits from the beginning.
struct Ends {
    websocket: WebSocket<Pipe>,
    said: Said,
}

const PIPE: usize = 32 << 10;

fn ends(role: Role, config: &Config) -> Ends {
    let said = Arc::new(Mutex::new(VecDeque::with_capacity(PIPE)));
    let connection = match role {
        Role::Server => Connection::server(config, Negotiated::default()),
        Role::Client => Connection::client(config, Negotiated::default(), || [1, 2, 3, 4]),
    };
    Ends { websocket: WebSocket::from_parts(Pipe::new(said.clone()), connection, BytesMut::new()), said }
}

impl Ends {
    /// Polls `recv` until it has nothing to give; returns how many messages were received.
    fn park(&mut self) -> usize {
        let mut received = 0;
        let mut context = Context::from_waker(Waker::noop());
        while let Poll::Ready(message) = pin!(self.websocket.recv()).poll(&mut context) {
            message.unwrap().unwrap();
            received += 1;
        }
        received
    }

    /// Has the peer say something; returns how many messages were received.
    fn hear(&mut self, bytes: &[u8]) -> usize {
        let mut received = 0;
        for piece in bytes.chunks(PIPE) {
            self.said.lock().unwrap().extend(piece);
            while !self.said.lock().unwrap().is_empty() {
                received += self.park();
            }
        }
        received
    }
}

fn on_this_thread(test: impl AsyncFnOnce()) {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(tokio::task::unconstrained(async {
        // What a thread keeps for all its connections, a block to read into and one to write from, is there before
        // anything is counted.
        let mut ends = ends(Role::Server, &Config::new());
        ends.hear(&from_client(b"hello"));
        for _ in 0..3 {
            ends.websocket.feed(vec![7; 4000]).await.unwrap();
        }
        ends.websocket.flush().await.unwrap();
        test().await;
    }));
}

fn from_client(payload: &[u8]) -> Vec<u8> {
    Peer::new(transport().1, Role::Client).frame(OpCode::Binary, payload)
}

#[test]
fn an_idle_connection_holds_its_alarm_whatever_went_through_it() {
    on_this_thread(async || {
        for role in [Role::Server, Role::Client] {
            let peer =
                Peer::new(transport().1, if role == Role::Server { Role::Client } else { Role::Server });
            for size in [100, 5_000, 64 << 10, 1_000_000, 4 << 20] {
                let message = peer.frame(OpCode::Binary, &vec![7; size]);
                let fragments = [
                    peer.fragment(false, OpCode::Text, b"a"),
                    peer.frame(OpCode::Ping, b"x"),
                    peer.fragment(true, OpCode::Continuation, b"b"),
                ];
                let mut ends = ends(role, &Config::new());
                let before = held();
                ends.park();
                assert!(held() - before <= ALARM, "{}", held() - before);
                for _ in 0..3 {
                    assert_eq!(ends.hear(&message), 1);
                    assert!(held() - before <= ALARM + SHARED, "{role:?}, {size}: {}", held() - before);
                    assert_eq!(ends.hear(&fragments.concat()), 1);
                    assert!(held() - before <= ALARM + SHARED, "{role:?}, {size}: {}", held() - before);
                }
            }
        }
    });
}

/// All of it is in one box: to move a connection, or to have a task for it, costs a pointer.
#[test]
fn a_connection_is_its_stream_and_less_than_512_bytes() {
    // The second word is the stream's, of feature `futures`.
    assert!(size_of::<WebSocket<TcpStream>>() <= 2 * size_of::<usize>());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().unwrap();
    runtime.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let connection = Connection::server(&Config::new(), Negotiated::default());
        let before = held();
        let websocket = WebSocket::from_parts(stream, connection, BytesMut::new());
        let own = held() - before - size_of::<TcpStream>() as isize;
        assert!(own <= 488, "{own}");
        drop(websocket);
        assert!(held() <= before);
    });
}

#[test]
fn a_hundred_idle_connections_hold_a_hundred_alarms() {
    let message = from_client(&vec![7; 64 << 10]);
    on_this_thread(async || {
        let mut all: Vec<_> = (0..100).map(|_| ends(Role::Server, &Config::new())).collect();
        let before = held();
        for ends in &mut all {
            assert_eq!(ends.hear(&message), 1);
        }
        let each = (held() - before) / 100;
        assert!(each <= ALARM, "{each} bytes each");
    });
}

#[test]
fn what_was_sent_is_not_held() {
    on_this_thread(async || {
        for role in [Role::Server, Role::Client] {
            let mut ends = ends(role, &Config::new());
            ends.park();
            let before = held();
            for size in [0, 100, 64 << 10, 4 << 20] {
                ends.websocket.send(vec![7; size]).await.unwrap();
                ends.websocket.feed(vec![7; size]).await.unwrap();
                ends.park();
                assert_eq!(ends.websocket.connection().unsent(), 0);
                assert!(held() - before <= SHARED, "{role:?}, {size}: {}", held() - before);
            }
        }
    });
}

#[test]
fn a_hundred_beginnings_of_frames_hold_what_was_received_and_not_what_was_announced() {
    let frame = from_client(&vec![7; 8 << 20]);
    on_this_thread(async || {
        for cut in [1, 7, 13, 14, 30, 100] {
            let mut all: Vec<_> = (0..100).map(|_| ends(Role::Server, &Config::new())).collect();
            let before = held();
            for ends in &mut all {
                ends.hear(&frame[..cut]);
            }
            let each = (held() - before) / 100;
            assert!(each <= ALARM + OPEN + cut as isize, "{cut} bytes of a frame hold {each}");
        }
    });
}

/// A thread keeps a block to write from, and not what a burst has made of it.
#[test]
fn a_burst_of_output_is_not_held() {
    on_this_thread(async || {
        let mut config = Config::new();
        config.limits.unsent = 8 << 20;
        let mut ends = ends(Role::Server, &config);
        ends.park();
        let before = held();
        for _ in 0..1000 {
            ends.websocket.feed(vec![7; 4000]).await.unwrap();
        }
        assert!(held() - before >= 4_000_000);
        ends.websocket.flush().await.unwrap();
        assert!(held() - before <= SHARED, "{}", held() - before);
    });
}

/// What was refused leaves no block behind.
#[test]
fn a_refused_ping_keeps_no_block() {
    on_this_thread(async || {
        let mut all: Vec<_> = (0..10).map(|_| ends(Role::Server, &Config::new())).collect();
        let before = held();
        for ends in &mut all {
            assert!(ends.websocket.ping(vec![0; 126]).await.is_err());
        }
        assert!(held() - before <= 10 * SHARED, "{}", held() - before);
    });
}

/// Neither while it waits for the first byte, nor when it is over.
#[test]
fn an_opening_handshake_keeps_no_block() {
    const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\
        Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    on_this_thread(async || {
        let before = held();
        let mut context = Context::from_waker(Waker::noop());
        let mut openings: Vec<_> = (0..10)
            .map(|_| {
                let said = Arc::new(Mutex::new(VecDeque::with_capacity(1024)));
                (Box::pin(accept(Pipe::new(said.clone()))), said)
            })
            .collect();
        for (opening, _) in &mut openings {
            assert!(opening.as_mut().poll(&mut context).is_pending());
        }
        let each = (held() - before) / 10;
        // 1024 are the pipe's. What a handshake leaves behind in the heap is for the next one, if it is small.
        assert!(each <= 2230, "{each} bytes wait for the first byte");
        let opened: Vec<_> = openings
            .iter_mut()
            .map(|(opening, said)| {
                said.lock().unwrap().extend(REQUEST);
                let Poll::Ready(opened) = opening.as_mut().poll(&mut context) else {
                    panic!("it is all there")
                };
                opened.unwrap()
            })
            .collect();
        let each = (held() - before) / 10;
        assert!(each <= 2500, "{each} bytes behind the handshake");
        drop(opened);
    });
}

#[test]
fn an_announced_length_makes_nobody_allocate() {
    let frame = from_client(&vec![7; 16 << 20]);
    on_this_thread(async || {
        let mut ends = ends(Role::Server, &Config::new());
        forget();
        ends.hear(&frame[..20]);
        assert!(largest() <= 64 << 10, "{}", largest());
        // It at most doubles.
        ends.hear(&frame[20..100_000]);
        assert!(largest() <= 4 * 100_000, "{}", largest());
    });
}

#[test]
fn a_read_takes_the_block_of_the_thread() {
    for (size, rounds, most) in [(100, 100, 1024), (4000, 100, 8 << 10)] {
        let message = from_client(&vec![7; size]);
        on_this_thread(async || {
            let mut all: Vec<_> = (0..10).map(|_| ends(Role::Server, &Config::new())).collect();
            forget();
            for round in 0..rounds {
                assert_eq!(all[round % 10].hear(&message), 1);
            }
            let each = allocated() as usize / rounds;
            assert!(each <= most, "{each} bytes for a message of {size}");
        });
    }
}

#[test]
fn a_write_takes_the_block_of_the_thread() {
    on_this_thread(async || {
        let message = Bytes::from_static(&[7; 1000]);
        let mut all: Vec<_> = (0..10).map(|_| ends(Role::Server, &Config::new())).collect();
        forget();
        for round in 0..100 {
            all[round % 10].websocket.feed(message.clone()).await.unwrap();
            all[round % 10].websocket.flush().await.unwrap();
        }
        assert!(allocated() <= 10 * 1024, "{}", allocated());
    });
}

#[test]
fn a_block_that_was_echoed_is_read_into_again() {
    let message = from_client(&vec![7; 64 << 10]);
    on_this_thread(async || {
        let mut ends = ends(Role::Server, &Config::new());
        let mut echo = async || {
            // At once, as a socket has it.
            ends.said.lock().unwrap().extend(&message);
            let message = ends.websocket.recv().await.unwrap().unwrap();
            ends.websocket.send(message).await.unwrap();
        };
        for _ in 0..3 {
            echo().await;
        }
        forget();
        for _ in 0..10 {
            echo().await;
        }
        assert!(allocated() <= 10 * 1024, "{}", allocated());
    });
}

#[test]
fn a_large_message_takes_twice_its_size_in_all() {
    let message = from_client(&vec![7; 4 << 20]);
    on_this_thread(async || {
        let mut ends = ends(Role::Server, &Config::new());
        forget();
        assert_eq!(ends.hear(&message), 1);
        assert!(allocated() <= 2 * (4 << 20), "{}", allocated());
    });
}

#[test]
fn a_large_message_takes_its_own_size_at_the_peak() {
    for size in [65_536, 300_000, 1 << 20, 3_333_333, 5 << 20, 16 << 20] {
        let message = from_client(&vec![7; size]);
        on_this_thread(async || {
            let mut ends = ends(Role::Server, &Config::new());
            ends.park();
            for _ in 0..2 {
                let before = held();
                forget();
                assert_eq!(ends.hear(&message), 1);
                let peak = peak() - before;
                assert!(peak <= size as isize + (64 << 10), "{peak} bytes for a message of {size}");
            }
        });
    }
}

#[test]
fn a_message_that_is_kept_pins_little_more_than_itself() {
    let messages = from_client(&[7; 100]).repeat(200);
    on_this_thread(async || {
        let mut ends = ends(Role::Server, &Config::new());
        ends.hear(&messages);
        let mut kept = Vec::with_capacity(100);
        let before = held();
        for _ in 0..100 {
            ends.said.lock().unwrap().extend(&messages);
            kept.push(ends.websocket.recv().await.unwrap().unwrap());
            ends.park();
        }
        let each = (held() - before) / 100;
        assert!(each <= 200, "{each} bytes for a message of 100");
    });
}

/// Nor does the thread keep it in the place of its own block.
#[test]
fn the_buffer_that_a_connection_began_with_goes_with_it() {
    let message = from_client(b"hello");
    on_this_thread(async || {
        let before = held();
        let mut input = BytesMut::with_capacity(1 << 20);
        input.extend_from_slice(&message);
        let said = Arc::new(Mutex::new(VecDeque::from(message.clone())));
        let connection = Connection::server(&Config::new(), Negotiated::default());
        let mut websocket = WebSocket::from_parts(Pipe::new(said.clone()), connection, input);
        for _ in 0..2 {
            assert_eq!(websocket.recv().await.unwrap().unwrap().len(), 5);
        }
        drop((websocket, said));
        assert!(held() - before <= SHARED, "{}", held() - before);
    });
}

#[test]
fn a_connection_that_is_over_holds_nothing() {
    let frame = from_client(&vec![7; 1 << 20]);
    on_this_thread(async || {
        let mut ends = ends(Role::Server, &Config::new());
        let before = held();
        ends.hear(&frame[..500_000]);
        ends.said = Arc::default();
        assert!(matches!(ends.websocket.recv().await, Err(Error::Vanished)));
        // The stream is still there, with what it holds.
        assert!(held() - before <= ALARM + 128, "{}", held() - before);
    });
}
