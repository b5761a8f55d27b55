//! Messages of any size pass through readers and writers in the memory of a read, and what does not wait any more is
//! forgotten: what the heap holds at most, by counting.
#![cfg(feature = "tokio")]

mod counting;

use std::{
    future::Future,
    io,
    pin::{Pin, pin},
    task::{Context, Poll, Waker},
};

use bytes::BytesMut;
use sansocket::{
    Config, Connection, Keepalive, Kind, Negotiated, Role,
    frame::{Header, OpCode},
    tokio::WebSocket,
};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};

use counting::{allocated, forget, held, peak};

/// More than 32 bits can say.
const HUGE: u64 = (4 << 30) + 5;
const KIB: isize = 1 << 10;

/// A peer that says one message of sevens, in frames of this size, and takes what it is told, so much at a time: as a
/// stream that stores nothing.
#[derive(Default)]
struct Endless {
    frame: u64,
    /// What is left of the message, and of the frame.
    message: u64,
    rest: u64,
    begun: bool,
    header: Vec<u8>,
    /// What was taken, and how much of each write; with 0 each other write waits.
    taken: u64,
    slow: Option<usize>,
    waits: bool,
    /// Each read brings a frame, and the next one waits.
    pauses: bool,
    paused: bool,
}

impl Endless {
    fn says(message: u64, frame: u64) -> Self {
        Self { frame, message, header: Vec::with_capacity(16), ..Self::default() }
    }

    fn takes(slow: Option<usize>) -> Self {
        Self { slow, ..Self::default() }
    }

    fn next_frame(&mut self) {
        self.rest = self.frame.min(self.message);
        let opcode = if self.begun { OpCode::Continuation } else { OpCode::Binary };
        let fin = self.rest == self.message;
        let header = Header { fin, rsv: 0, opcode, masking_key: None, payload_len: self.rest };
        header.write(&mut self.header);
        (self.begun, self.message) = (true, self.message - self.rest);
    }
}

impl AsyncRead for Endless {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        output: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.paused = self.pauses && !self.paused;
        if self.paused {
            cx.waker().wake_by_ref();
        }
        if self.paused || self.frame == 0 {
            return Poll::Pending;
        }
        let before = output.filled().len();
        while output.remaining() > Header::MAX_LEN {
            if self.rest == 0 {
                if self.begun && self.message == 0 {
                    break;
                }
                self.next_frame();
                output.put_slice(&self.header);
                self.header.clear();
            }
            let len = self.rest.min(output.remaining() as u64) as usize;
            output.initialize_unfilled_to(len).fill(7);
            output.advance(len);
            self.rest -= len as u64;
            if self.pauses {
                break;
            }
        }
        if output.filled().len() > before { Poll::Ready(Ok(())) } else { Poll::Pending }
    }
}

impl AsyncWrite for Endless {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.waits = self.slow.is_some() && !self.waits;
        if self.waits {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let len = bytes.len().min(self.slow.unwrap_or(usize::MAX));
        self.taken += len as u64;
        Poll::Ready(Ok(len))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

fn open(role: Role, io: Endless) -> WebSocket<Endless> {
    let mut config = Config::new().keepalive(None::<Keepalive>);
    (config.limits.message, config.limits.frame, config.limits.fragments) = (u64::MAX, u64::MAX, u32::MAX);
    config.limits.unsent = 64 << 10;
    let connection = match role {
        Role::Client => Connection::client(&config, Negotiated::default(), || [1, 2, 3, 4]),
        Role::Server => Connection::server(&config, Negotiated::default()),
    };
    WebSocket::from_parts(io, connection, BytesMut::new())
}

/// Runs it on this thread; returns what the heap held at most, and what was asked of it, in bytes.
fn counted(test: impl AsyncFnOnce()) -> (isize, u64) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(tokio::task::unconstrained(async {
        let before = held();
        forget();
        test().await;
        (peak() - before, allocated())
    }))
}

#[test]
fn a_message_of_four_gigabytes_is_read_in_the_memory_of_a_read() {
    for frame in [HUGE, 100_000] {
        let (peak, _) = counted(async || {
            let mut websocket = open(Role::Client, Endless::says(HUGE, frame));
            let mut reader = websocket.recv_reader().await.unwrap().unwrap();
            let mut received = 0;
            loop {
                let data = reader.fill_buf().await.unwrap();
                if data.is_empty() {
                    break;
                }
                assert_eq!((data[0], data[data.len() - 1]), (7, 7));
                let len = data.len();
                received += len as u64;
                reader.consume(len);
            }
            assert_eq!(received, HUGE);
        });
        assert!(peak <= 192 * KIB, "{peak} bytes at most, with frames of {frame}");
    }
}

#[test]
fn a_message_is_read_in_small_pieces_in_the_memory_of_a_read() {
    let (peak, _) = counted(async || {
        let mut websocket = open(Role::Client, Endless::says(16 << 20, 1000));
        let mut reader = websocket.recv_reader().await.unwrap().unwrap();
        let (mut room, mut received) = ([0; 777], 0);
        while let len @ 1.. = reader.read(&mut room).await.unwrap() {
            assert!(room[..len].iter().all(|byte| *byte == 7));
            received += len;
        }
        assert_eq!(received, 16 << 20);
    });
    assert!(peak <= 192 * KIB, "{peak} bytes at most");
}

#[test]
fn a_reader_gives_back_what_was_read_into() {
    let (peak, taken) = counted(async || {
        let io = Endless { pauses: true, ..Endless::says(20_000 * 1000, 20_000) };
        let mut websocket = open(Role::Client, io);
        let mut reader = websocket.recv_reader().await.unwrap().unwrap();
        let (mut room, mut received) = ([0; 3000], 0);
        while let len @ 1.. = reader.read(&mut room).await.unwrap() {
            received += len;
        }
        assert_eq!(received, 20_000 * 1000);
    });
    assert!(peak <= 192 * KIB, "{peak} bytes at most");
    assert!(taken <= 1 << 20, "{taken} bytes in all, for a thousand fragments");
}

#[test]
fn what_is_skipped_takes_no_more_memory_than_what_is_read() {
    let (peak, _) = counted(async || {
        let mut websocket = open(Role::Client, Endless::says(1 << 30, 1 << 30));
        drop(websocket.recv_reader().await.unwrap().unwrap());
        let mut context = Context::from_waker(Waker::noop());
        for _ in 0..(1 << 30) / (64 << 16) + 2 {
            assert!(pin!(websocket.recv_reader()).poll(&mut context).is_pending());
        }
        assert_eq!(websocket.connection().received().messages, 1);
    });
    assert!(peak <= 192 * KIB, "{peak} bytes at most");
}

/// Writes a message; returns what has left.
async fn write(websocket: &mut WebSocket<Endless>, kind: Kind, message: u64) -> u64 {
    let block = vec![7; 20_000];
    let mut writer = websocket.writer(kind);
    let mut rest = message;
    while rest > 0 {
        rest -= writer.write(&block[..rest.min(20_000) as usize]).await.unwrap() as u64;
    }
    writer.finish().await.unwrap();
    assert_eq!(websocket.connection().sent().messages, 1);
    websocket.stream().taken
}

#[test]
fn a_message_of_four_gigabytes_is_written_in_the_memory_of_some_fragments() {
    let (peak, _) = counted(async || {
        let mut websocket = open(Role::Server, Endless::takes(None));
        let taken = write(&mut websocket, Kind::Binary, HUGE).await;
        assert_eq!(
            taken,
            HUGE + 4 * HUGE.div_ceil(16 << 10) - 2,
            "headers of four bytes, and a last one of two"
        );
    });
    assert!(peak <= 192 * KIB, "{peak} bytes at most");
}

#[test]
fn a_peer_that_is_slow_holds_the_writer_up_and_not_the_memory() {
    // What a client masks is copied, behind what still waits.
    for (role, kind, slow, most) in [
        (Role::Server, Kind::Binary, 1000, 256),
        (Role::Server, Kind::Text, 100_000, 256),
        (Role::Client, Kind::Binary, 3000, 512),
    ] {
        let message = 1000 * slow as u64;
        let (peak, _) = counted(async || {
            let mut websocket = open(role, Endless::takes(Some(slow)));
            assert!(write(&mut websocket, kind, message).await > message);
        });
        assert!(peak <= most * KIB, "{peak} bytes at most, {role:?}, {kind:?}, {slow}");
    }
}

#[test]
fn one_message_is_passed_on_through_halves_in_the_memory_of_both() {
    let (peak, _) = counted(async || {
        let mut from = open(Role::Client, Endless::says(256 << 20, 1 << 20));
        let (mut to, _receiver) = open(Role::Server, Endless::takes(Some(50_000))).split();
        let mut reader = from.recv_reader().await.unwrap().unwrap();
        let mut writer = to.writer(reader.kind());
        assert_eq!(tokio::io::copy_buf(&mut reader, &mut writer).await.unwrap(), 256 << 20);
        writer.finish().await.unwrap();
    });
    assert!(peak <= 384 * KIB, "{peak} bytes at most");
}

#[test]
fn ten_thousand_futures_that_were_dropped_leave_nothing_behind() {
    counted(async || {
        let (sender, mut receiver) = open(Role::Server, Endless::default()).split();
        let context = || Context::from_waker(Waker::noop());
        let mut chunks = sender.clone();
        let chunk = sansocket::Chunk { kind: Kind::Text, data: "begun".into(), fin: false };
        chunks.feed_chunk(chunk).await.unwrap();
        let mut before = 0;
        for round in 0..10_000 {
            // What it takes to remember those that wait is there.
            if round == 10 {
                before = held();
            }
            let clone = sender.clone();
            let mut recv = pin!(receiver.recv());
            let (mut closed, mut send) = (pin!(sender.closed()), pin!(sender.send("waits")));
            let (mut room, mut feed) = (pin!(clone.room()), pin!(clone.feed("waits")));
            for _ in 0..2 {
                assert!(recv.as_mut().poll(&mut context()).is_pending());
                assert!(closed.as_mut().poll(&mut context()).is_pending());
                assert!(send.as_mut().poll(&mut context()).is_pending());
                assert!(room.as_mut().poll(&mut context()).is_pending());
                assert!(feed.as_mut().poll(&mut context()).is_pending());
            }
        }
        assert!(held() <= before, "{} bytes", held() - before);
    });
}
