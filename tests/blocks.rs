//! A thread's blocks come back from whoever waits, however they were used up.
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

use bytes::BytesMut;
use sansocket::{
    Config, Connection, Negotiated, Role,
    frame::OpCode,
    handshake::Request,
    tokio::{WebSocket, client_with, connect_with},
};

use counting::{
    forget, held, peak,
    pipe::{Pipe, Said},
};
use support::{Peer, transport};

/// What one read can bring.
const BLOCK: usize = (64 << 10) + 64;
/// What a message takes that is held or open.
const OPEN: isize = 128;

struct End {
    websocket: WebSocket<Pipe>,
    said: Said,
}

impl End {
    fn new() -> Self {
        let said = Arc::new(Mutex::new(VecDeque::with_capacity(BLOCK)));
        // Alarms would be counted.
        let connection = Connection::server(&Config::new().keepalive(None), Negotiated::default());
        let pipe = Pipe::new(Arc::clone(&said)).that_takes(BLOCK);
        Self { websocket: WebSocket::from_parts(pipe, connection, BytesMut::new()), said }
    }

    fn hears(&self, bytes: &[u8]) {
        self.said.lock().unwrap().extend(bytes);
    }

    /// Whether something was received.
    fn receive(&mut self, how: How) -> bool {
        let websocket = &mut self.websocket;
        match how {
            How::Messages => now(websocket.recv()).is_some_and(|it| it.unwrap().is_some()),
            How::Events => now(websocket.recv_event()).is_some_and(|it| it.unwrap().is_some()),
            How::Chunks => now(websocket.recv_chunk()).is_some_and(|it| it.unwrap().is_some()),
        }
    }
}

#[derive(Clone, Copy, Debug)]
enum How {
    Messages,
    Events,
    Chunks,
}

/// What a future gives when it is polled once.
fn now<R>(future: impl Future<Output = R>) -> Option<R> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(result) => Some(result),
        Poll::Pending => None,
    }
}

fn frame(opcode: OpCode, len: usize) -> Vec<u8> {
    Peer::new(transport().1, Role::Client).frame(opcode, &vec![7; len])
}

/// Two messages and what follows, just as much as a block.
fn a_block_that_ends_with(end: &[u8]) -> Vec<u8> {
    let first = frame(OpCode::Binary, (BLOCK - end.len()) / 2 - 8);
    let second = frame(OpCode::Binary, BLOCK - end.len() - first.len() - 8);
    let block = [&first, &second, end].concat();
    assert_eq!(block.len(), BLOCK);
    block
}

fn on_a_turned_clock(test: impl FnOnce()) {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(tokio::task::unconstrained(async { test() }));
}

/// What each of so many connections holds when they have received all of it by turns, as tasks do that wait for something
/// else behind each message.
fn held_by_each(heard: &[u8], how: How) -> isize {
    const COUNT: usize = 100;
    let mut all: Vec<_> = (0..COUNT).map(|_| End::new()).collect();
    all.iter_mut().for_each(|end| assert!(!end.receive(how)));
    let before = held();
    all.iter().for_each(|end| end.hears(heard));
    while all.iter_mut().filter_map(|end| end.receive(how).then_some(())).count() > 0 {}
    // One for the thread.
    (held() - before - BLOCK as isize) / COUNT as isize
}

#[test]
fn a_block_that_was_received_to_its_last_byte_is_given_back() {
    on_a_turned_clock(|| {
        let messages = frame(OpCode::Binary, 16_392).repeat(4);
        assert_eq!(messages.len(), BLOCK);
        for how in [How::Messages, How::Events, How::Chunks] {
            for heard in [&messages, &a_block_that_ends_with(&frame(OpCode::Ping, 125))] {
                let each = held_by_each(heard, how);
                assert!(each <= OPEN, "{how:?}: {each}");
            }
        }
    });
}

/// What each of so many connections holds when they have received so many times, and the application has not come back.
fn held_at_work(heard: &[u8], times: usize, how: How) -> isize {
    const COUNT: usize = 100;
    let mut all: Vec<_> = (0..COUNT).map(|_| End::new()).collect();
    all.iter_mut().for_each(|end| assert!(!end.receive(how)));
    let before = held();
    all.iter().for_each(|end| end.hears(heard));
    all.iter_mut().for_each(|end| (0..times).for_each(|_| assert!(end.receive(how))));
    // One for the thread.
    (held() - before - BLOCK as isize) / COUNT as isize
}

/// The application may take its time with what it was given.
#[test]
fn who_works_on_a_message_holds_no_block() {
    on_a_turned_clock(|| {
        for how in [How::Messages, How::Events, How::Chunks] {
            for (len, count) in
                [(0, 1), (100, 3), (3000, 1), (3000, 3), (15_000, 1), (15_000, 3), (65_000, 1)]
            {
                let each = held_at_work(&frame(OpCode::Binary, len).repeat(count), count, how);
                assert!(each <= OPEN, "{how:?}, {len}: {each}");
            }
        }
        let last = frame(OpCode::Ping, 125);
        let each = held_at_work(&a_block_that_ends_with(&last), 3, How::Events);
        assert!(each <= OPEN, "to the last byte of a block: {each}");
    });
}

#[test]
fn what_little_there_is_behind_a_message_is_all_that_is_held() {
    on_a_turned_clock(|| {
        let first = frame(OpCode::Binary, 20);
        for rest in [vec![0x82], frame(OpCode::Ping, 100), first.repeat(64)] {
            let each = held_at_work(&[&first, &rest[..]].concat(), 1, How::Messages);
            assert!(each <= rest.len() as isize, "{each} for {}", rest.len());
        }
        let each = held_at_work(&first.repeat(64), 64, How::Messages);
        assert!(each <= OPEN, "{each}");
    });
}

#[test]
fn a_small_part_of_a_frame_does_not_keep_the_block() {
    on_a_turned_clock(|| {
        for (len, missing, behind) in [(18, 2, 0), (20, 4, 0), (3000, 5, 10), (10_000, 1, 1)] {
            let whole = frame(OpCode::Binary, len);
            let part = &whole[..whole.len() - missing];
            let mut heard = a_block_that_ends_with(&[part, &vec![0; missing + behind]].concat());
            heard.truncate(BLOCK - missing - behind);
            for how in [How::Messages, How::Events] {
                let each = held_by_each(&heard, how);
                assert!(each <= len as isize + OPEN, "{how:?}, {len}: {each}");
            }
        }
    });
}

#[test]
fn the_last_bytes_of_a_frame_that_fits_a_block_need_no_other() {
    on_a_turned_clock(|| {
        let frame = frame(OpCode::Binary, 62_000);
        for last in [1, 2000] {
            let (most, rest) = frame.split_at(frame.len() - last);
            let mut end = End::new();
            forget();
            let before = held();
            end.hears(most);
            assert!(!end.receive(How::Messages));
            end.hears(rest);
            assert!(end.receive(How::Messages));
            assert!(peak() - before <= BLOCK as isize + OPEN, "{}", peak() - before);
        }
    });
}

#[test]
fn who_only_sends_gives_the_block_back_with_a_message_unreceived() {
    on_a_turned_clock(|| {
        let mut all: Vec<_> = (0..100).map(|_| End::new()).collect();
        for end in &mut all {
            assert!(!end.receive(How::Messages));
            for _ in 0..3 {
                assert!(now(end.websocket.send("x")).is_some());
            }
        }
        let before = held();
        let empty = frame(OpCode::Text, 0);
        all.iter().for_each(|end| end.hears(&empty));
        for _ in 0..5 {
            all.iter_mut().for_each(|end| assert!(now(end.websocket.send("x")).is_some()));
        }
        let each = (held() - before) / 100;
        assert!(each <= OPEN, "{each}");
    });
}

#[test]
fn a_connection_that_is_over_has_given_its_block_back() {
    on_a_turned_clock(|| {
        let heard = a_block_that_ends_with(&frame(OpCode::Close, 0));
        let mut all: Vec<_> = (0..100).map(|_| End::new()).collect();
        all.iter_mut().for_each(|end| assert!(!end.receive(How::Messages)));
        let before = held();
        for end in &mut all {
            end.hears(&heard);
            assert!(end.receive(How::Messages) && end.receive(How::Messages) && !end.receive(How::Messages));
        }
        let each = (held() - before) / 100;
        assert!(each <= OPEN, "{each}");
    });
}

#[test]
fn a_burst_of_output_that_leaves_in_parts_is_not_held() {
    on_a_turned_clock(|| {
        let mut end = End::new();
        let before = held();
        for _ in 0..250 {
            assert!(now(end.websocket.feed(vec![7; 4000])).is_some());
        }
        assert!(now(end.websocket.flush()).is_some());
        assert!(!end.receive(How::Messages));
        // A block to read into, and one to write from.
        assert!(held() - before <= 3 * BLOCK as isize, "{}", held() - before);
    });
}

/// What a handshake needs is in a box, which is gone with it.
#[test]
fn a_task_that_opens_a_connection_is_no_larger_for_it() {
    let request = || Request::new("ws://127.0.0.1/").unwrap();
    let config = Config::new();
    assert!(size_of_val(&connect_with(request(), &config)) <= 400);
    let pipe = Pipe::new(Said::default());
    assert!(size_of_val(&client_with(pipe, request(), &config)) <= 400);
}
