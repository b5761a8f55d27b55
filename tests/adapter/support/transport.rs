//! A stream under the test's hands: what is read and when, how much is taken of a write, and what happened in which
//! order.

use std::{
    collections::VecDeque,
    io::{self, ErrorKind, IoSlice},
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard},
    task::{Context, Poll, Waker},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// What the connection did to its stream. What was pending is not recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op {
    /// How many bytes were read; 0 is the end.
    Read(usize),
    /// How many bytes were taken, out of how many slices.
    Write(usize, usize),
    Flush,
    Shutdown,
}

#[derive(Debug)]
enum Read {
    Bytes(VecDeque<u8>),
    Eof,
    Fail(ErrorKind),
}

#[derive(Debug)]
struct State {
    reads: VecDeque<Read>,
    /// The most bytes that one read brings, or one write takes.
    cut: usize,
    /// Each call is first pending, with a wake-up, and works when it is repeated.
    stalls: bool,
    stalled: [bool; 4],
    /// How many bytes the peer still takes.
    window: usize,
    vectored: bool,
    write_fails: Option<ErrorKind>,
    flush_sticks: bool,
    shutdown_sticks: bool,
    shutdown_fails: bool,
    eof_on_shutdown: bool,
    written: Vec<u8>,
    log: Vec<Op>,
    polls: usize,
    reader: Option<Waker>,
    writer: Option<Waker>,
    closed: bool,
}

/// The stream.
#[derive(Debug)]
pub struct Transport(Arc<Mutex<State>>);

/// The test's end of it.
#[derive(Clone, Debug)]
pub struct Wire(Arc<Mutex<State>>);

pub fn transport() -> (Transport, Wire) {
    let state = Arc::new(Mutex::new(State {
        reads: VecDeque::new(),
        cut: usize::MAX,
        stalls: false,
        stalled: [false; 4],
        window: usize::MAX,
        vectored: true,
        write_fails: None,
        flush_sticks: false,
        shutdown_sticks: false,
        shutdown_fails: false,
        eof_on_shutdown: false,
        written: Vec::new(),
        log: Vec::new(),
        polls: 0,
        reader: None,
        writer: None,
        closed: false,
    }));
    (Transport(state.clone()), Wire(state))
}

impl Wire {
    /// Bytes for one read, or more if they do not fit.
    pub fn put(&self, bytes: impl Into<Vec<u8>>) {
        let bytes = bytes.into();
        if !bytes.is_empty() {
            self.push(Read::Bytes(bytes.into()));
        }
    }

    pub fn eof(&self) {
        self.push(Read::Eof);
    }

    pub fn fail_reads(&self, kind: ErrorKind) {
        self.push(Read::Fail(kind));
    }

    pub fn fail_writes(&self, kind: ErrorKind) {
        self.state().write_fails = Some(kind);
        self.wake_writer();
    }

    /// At most `bytes` in one read or write.
    pub fn cut(&self, bytes: usize) {
        self.state().cut = bytes;
    }

    pub fn stall(&self) {
        self.state().stalls = true;
    }

    /// The peer takes `bytes` more.
    pub fn open(&self, bytes: usize) {
        self.state().window = bytes;
        self.wake_writer();
    }

    pub fn stop_reading(&self) {
        self.state().window = 0;
    }

    pub fn not_vectored(&self) {
        self.state().vectored = false;
    }

    pub fn stick_flush(&self, sticks: bool) {
        self.state().flush_sticks = sticks;
        self.wake_writer();
    }

    pub fn stick_shutdown(&self) {
        self.state().shutdown_sticks = true;
    }

    pub fn fail_shutdown(&self) {
        self.state().shutdown_fails = true;
    }

    /// The peer ends the stream when it sees our end of it.
    pub fn eof_on_shutdown(&self) {
        self.state().eof_on_shutdown = true;
    }

    pub fn written(&self) -> Vec<u8> {
        self.state().written.clone()
    }

    pub fn log(&self) -> Vec<Op> {
        self.state().log.clone()
    }

    pub fn clear_log(&self) {
        self.state().log.clear();
    }

    pub fn writes(&self) -> usize {
        self.count(|op| matches!(op, Op::Write(..)))
    }

    pub fn reads(&self) -> usize {
        self.count(|op| matches!(op, Op::Read(_)))
    }

    pub fn shutdowns(&self) -> usize {
        self.count(|op| *op == Op::Shutdown)
    }

    /// How often the stream was polled, for whatever.
    pub fn polls(&self) -> usize {
        self.state().polls
    }

    /// Whether all that was put has been read.
    pub fn is_drained(&self) -> bool {
        self.state().reads.is_empty()
    }

    /// Whether the stream was dropped.
    pub fn is_closed(&self) -> bool {
        self.state().closed
    }

    fn count(&self, of: impl Fn(&Op) -> bool) -> usize {
        self.state().log.iter().filter(|op| of(op)).count()
    }

    fn push(&self, read: Read) {
        self.state().reads.push_back(read);
        self.wake_reader();
    }

    fn wake_reader(&self) {
        let waker = self.state().reader.take();
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    fn wake_writer(&self) {
        let waker = self.state().writer.take();
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }
}

impl State {
    /// Counts a call, and says whether it is one that stalls.
    fn stalls(&mut self, call: usize, cx: &Context<'_>) -> bool {
        self.polls += 1;
        self.stalled[call] = self.stalls && !self.stalled[call];
        if self.stalled[call] {
            cx.waker().wake_by_ref();
        }
        self.stalled[call]
    }
}

impl AsyncRead for Transport {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let state = &mut *self.0.lock().unwrap();
        assert!(buf.remaining() > 0, "a read into nothing looks like the end");
        if state.stalls(0, cx) {
            return Poll::Pending;
        }
        let cut = state.cut;
        match state.reads.front_mut() {
            None => {
                state.reader = Some(cx.waker().clone());
                return Poll::Pending;
            }
            Some(Read::Fail(kind)) => return Poll::Ready(Err((*kind).into())),
            Some(Read::Eof) => state.log.push(Op::Read(0)),
            Some(Read::Bytes(bytes)) => {
                let len = bytes.len().min(buf.remaining()).min(cut);
                buf.put_slice(&bytes.drain(..len).collect::<Vec<_>>());
                if bytes.is_empty() {
                    state.reads.pop_front();
                }
                state.log.push(Op::Read(len));
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Transport {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[IoSlice::new(bytes)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let state = &mut *self.0.lock().unwrap();
        if state.stalls(1, cx) {
            return Poll::Pending;
        }
        if let Some(kind) = state.write_fails {
            return if kind == ErrorKind::WriteZero {
                Poll::Ready(Ok(0))
            } else {
                Poll::Ready(Err(kind.into()))
            };
        }
        if state.window == 0 {
            state.writer = Some(cx.waker().clone());
            return Poll::Pending;
        }
        let bytes = slices.iter().flat_map(|slice| slice.iter());
        let before = state.written.len();
        state.written.extend(bytes.take(state.window.min(state.cut)));
        let len = state.written.len() - before;
        state.window -= if state.window == usize::MAX { 0 } else { len };
        state.log.push(Op::Write(len, slices.len()));
        Poll::Ready(Ok(len))
    }

    fn is_write_vectored(&self) -> bool {
        self.0.lock().unwrap().vectored
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let state = &mut *self.0.lock().unwrap();
        if state.stalls(2, cx) {
            return Poll::Pending;
        }
        if state.flush_sticks {
            state.writer = Some(cx.waker().clone());
            return Poll::Pending;
        }
        state.log.push(Op::Flush);
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let state = &mut *self.0.lock().unwrap();
        if state.stalls(3, cx) {
            return Poll::Pending;
        }
        if state.shutdown_sticks {
            state.writer = Some(cx.waker().clone());
            return Poll::Pending;
        }
        if state.shutdown_fails {
            return Poll::Ready(Err(ErrorKind::NotConnected.into()));
        }
        state.log.push(Op::Shutdown);
        if state.eof_on_shutdown {
            state.reads.push_back(Read::Eof);
            if let Some(waker) = state.reader.take() {
                waker.wake();
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl Drop for Transport {
    fn drop(&mut self) {
        self.0.lock().unwrap().closed = true;
    }
}
