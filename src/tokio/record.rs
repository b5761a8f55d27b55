//! A stream whose bytes are written down, with times, in the format of [`replay`](crate::replay).

use core::{
    fmt,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};
use std::{
    format,
    io::{self, IoSlice, Write},
    string::ToString,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
};

use ::tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use bytes::{Bytes, BytesMut};

use super::{
    WebSocket,
    clock::Clock,
    ticks::{Seen, Told},
};
use crate::{
    config::Config,
    replay::{Fact, Line, Session, Tick, Ticks},
};

/// A stream, and a log of what is read from it and written to it. [`WebSocket::record`] makes one.
///
/// A line is written to the log as it comes, by the task that drives the connection: a log that blocks blocks it. When
/// the stream is dropped the log gets its last line, and is flushed.
///
/// A log that fails does not touch the connection: from its first error on nothing more is recorded. The error is kept
/// for [`failure`](Self::failure) and [`finish`](Self::finish), and the recording lacks its last line, so that every
/// replay of it says that it was cut off.
///
/// When the connection is told the time is recorded by the [`WebSocket`] that [`record`](WebSocket::record) has made, and
/// by no other that is made of this stream: [`finish`](Self::finish) the recording before.
pub struct Recorded<T, W: Write> {
    stream: T,
    recorder: Arc<Mutex<Recorder<W>>>,
    failure: Arc<OnceLock<io::Error>>,
}

impl<T: AsyncRead + AsyncWrite + Unpin> WebSocket<T> {
    /// Writes what is read and written from now on to a log, and when the connection is told the time, as a session that
    /// can be [replayed](crate::replay::Session::replay).
    ///
    /// Call it before anything else, with the configuration that the connection was made with: what was said before is
    /// not in the log, and what was received and not yet asked for is lost, as by [`into_parts`](Self::into_parts).
    ///
    /// The log holds all that is said, passwords included.
    ///
    /// ```
    /// use bytes::BytesMut;
    /// use sansocket::{Config, Connection, Negotiated, replay::Session, tokio::WebSocket};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let config = Config::new();
    /// let (io, mut client) = tokio::io::duplex(1024);
    /// let server = Connection::server(&config, Negotiated::default());
    /// let mut server = WebSocket::from_parts(io, server, BytesMut::new()).record(&config, Vec::new());
    ///
    /// tokio::io::AsyncWriteExt::write_all(&mut client, b"\x81\x82\0\0\0\0hi").await?;
    /// assert_eq!(server.recv().await?, Some("hi".into()));
    ///
    /// let (recorded, ..) = server.into_parts();
    /// let (_, log) = recorded.finish();
    /// let session: Session = String::from_utf8(log?)?.parse()?;
    /// assert!(session.replay().to_string().ends_with(" hears text 2 \"hi\"\n"));
    /// # Ok(())
    /// # }
    /// ```
    pub fn record<W>(self, config: &Config, log: W) -> WebSocket<Recorded<T, W>>
    where
        W: Write + Send + 'static,
    {
        let (stream, connection, input) = self.into_parts();
        let head = Session::new(connection.role(), config, connection.negotiated()).ticks(Ticks::Listed);
        let (clock, failure) = (Clock::new(), Arc::default());
        let mut recorder = Recorder::new(log, clock.same(), Arc::clone(&failure));
        recorder.write(&head.to_string());
        recorder.heard_before = connection.received().bytes;
        if !input.is_empty() {
            recorder.read_bytes(&input);
        }
        let recorder = Arc::new(Mutex::new(recorder));
        let listener = Arc::clone(&recorder);
        let mut websocket = WebSocket::from_parts(Recorded { stream, recorder, failure }, connection, input);
        websocket.driver.pump.tell_ticks(clock, move |told| lock(&listener).tick(&told));
        websocket
    }
}

impl<T, W: Write> Recorded<T, W> {
    /// The stream. To read from it or write to it breaks the connection.
    pub const fn stream(&self) -> &T {
        &self.stream
    }

    /// Why the recording is not complete, if it is not.
    pub fn failure(&self) -> Option<&io::Error> {
        self.failure.get()
    }

    /// Ends the recording, and takes it apart: the stream, and the log.
    ///
    /// The log is an error if it failed at any time.
    pub fn finish(self) -> (T, io::Result<W>) {
        let Self { stream, recorder, failure } = self;
        let mut locked = lock(&recorder);
        locked.end();
        let log = locked.log.take();
        drop(locked);
        // Nobody else can tell of the failure any more.
        drop(recorder);
        let error = || Arc::into_inner(failure).and_then(OnceLock::into_inner);
        (stream, log.ok_or_else(|| error().unwrap_or_else(|| io::ErrorKind::Other.into())))
    }
}

/// The stream and the machine are in one hand, so that nobody waits here.
fn lock<W: Write>(recorder: &Mutex<Recorder<W>>) -> MutexGuard<'_, Recorder<W>> {
    recorder.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<T: fmt::Debug, W: Write> fmt::Debug for Recorded<T, W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut recorded = f.debug_struct("Recorded");
        recorded.field("stream", &self.stream).field("failure", &self.failure()).finish_non_exhaustive()
    }
}

impl<T: AsyncRead + Unpin, W: Write> AsyncRead for Recorded<T, W> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(cx, buf);
        lock(&self.recorder).read(&polled, &buf.filled()[before..]);
        polled
    }
}

impl<T: AsyncWrite + Unpin, W: Write> AsyncWrite for Recorded<T, W> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write(cx, bytes);
        lock(&self.recorder).wrote(&polled, &[IoSlice::new(bytes)]);
        polled
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write_vectored(cx, slices);
        lock(&self.recorder).wrote(&polled, slices);
        polled
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.stream).poll_flush(cx);
        if matches!(polled, Poll::Ready(Err(_))) {
            lock(&self.recorder).line(Fact::WriteFailed);
        }
        polled
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// The log, and what is known and not yet written to it.
///
/// Of a run of equal ticks with nothing between them the first and the last are written, and that is exact. All that a tick
/// looks at, besides the time, is what was heard, what has left, what waits, and whether it is closing, and none of it
/// changes within a run: each change takes a line of its own, or makes another tick. The first tick of the run sees
/// what is new and sets the deadlines by it. One between would change something only if it made a ping, which is no part of
/// a run, or ended the connection, which no tick comes behind; or, where nothing is read, by moving the beginning of the
/// silence, which the last one moves again.
struct Recorder<W: Write> {
    /// `None` when it has failed or ended.
    log: Option<W>,
    failure: Arc<OnceLock<io::Error>>,
    /// The same time as the connection has.
    clock: Clock,
    has_ended: bool,
    /// How many bytes were read, and how many the connection had heard before.
    read: u64,
    heard_before: u64,
    /// The run of ticks that is written last, and the latest of them if it is not written.
    run: Option<Tick>,
    latest: Option<Duration>,
}

impl<W: Write> Recorder<W> {
    const fn new(log: W, clock: Clock, failure: Arc<OnceLock<io::Error>>) -> Self {
        let (read, heard_before) = (0, 0);
        Self { log: Some(log), failure, clock, has_ended: false, read, heard_before, run: None, latest: None }
    }

    fn read(&mut self, polled: &Poll<io::Result<()>>, bytes: &[u8]) {
        match polled {
            Poll::Pending => {}
            Poll::Ready(Err(_)) => self.line(Fact::ReadFailed),
            Poll::Ready(Ok(())) if !bytes.is_empty() => self.read_bytes(bytes),
            Poll::Ready(Ok(())) if self.has_ended => {}
            Poll::Ready(Ok(())) => {
                self.has_ended = true;
                self.line(Fact::ReadEnd);
            }
        }
    }

    fn read_bytes(&mut self, bytes: &[u8]) {
        self.read += bytes.len() as u64;
        self.line(Fact::Read(Bytes::copy_from_slice(bytes)));
    }

    fn wrote(&mut self, polled: &Poll<io::Result<usize>>, slices: &[IoSlice<'_>]) {
        match polled {
            Poll::Pending => {}
            Poll::Ready(Ok(0) | Err(_)) => self.line(Fact::WriteFailed),
            Poll::Ready(Ok(len)) => {
                let mut bytes = BytesMut::with_capacity(*len);
                for slice in slices {
                    bytes.extend_from_slice(&slice[..slice.len().min(len - bytes.len())]);
                }
                self.line(Fact::Wrote(bytes.freeze()));
            }
        }
    }

    fn tick(&mut self, told: &Told) {
        let tick = Tick {
            unread: told.is_unread,
            unheard: self.unheard(&told.seen),
            unsent: told.seen.unsent,
            closing: told.seen.is_closing,
            ping: told.made_ping,
        };
        if self.run == Some(tick) {
            self.latest = Some(told.now);
            return;
        }
        self.flush_run();
        self.run = Some(tick).filter(|tick| !tick.ping);
        self.write_line(told.now, Fact::Tick(tick));
    }

    /// What was read and not looked at. Of what is left of the input some may be a part of a frame that was, and of what was
    /// not looked at some is gone, if it came behind the last frame.
    fn unheard(&self, seen: &Seen) -> usize {
        let heard = seen.heard - self.heard_before;
        seen.left.min(self.read.saturating_sub(heard) as usize)
    }

    fn flush_run(&mut self) {
        if let (Some(tick), Some(at)) = (self.run.take(), self.latest.take()) {
            self.write_line(at, Fact::Tick(tick));
        }
    }

    fn line(&mut self, fact: Fact) {
        self.flush_run();
        self.write_line(self.clock.now(), fact);
    }

    fn write_line(&mut self, at: Duration, fact: Fact) {
        self.write(&format!("{}\n", Line { at, fact }));
    }

    fn write(&mut self, text: &str) {
        self.attempt(|log| log.write_all(text.as_bytes()));
    }

    fn end(&mut self) {
        if self.log.is_some() {
            self.line(Fact::End);
            self.attempt(W::flush);
        }
    }

    /// Writes to the log; its first error is its last.
    fn attempt(&mut self, write: impl FnOnce(&mut W) -> io::Result<()>) {
        if let Some(Err(error)) = self.log.as_mut().map(write) {
            let _ = self.failure.set(error);
            self.log = None;
        }
    }
}

impl<W: Write> Drop for Recorder<W> {
    fn drop(&mut self) {
        self.end();
    }
}
