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
};

use ::tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use bytes::{Bytes, BytesMut};

use super::{WebSocket, clock::Clock};
use crate::{
    config::Config,
    replay::{Fact, Line, Session, Ticks, Wait},
};

/// What happens within this time happens in one poll: the runtime's clock is no finer.
const MOMENT: Duration = Duration::from_millis(1);

/// A stream, and a log of what is read from it and written to it. [`WebSocket::record`] makes one.
///
/// A line is written to the log as it comes, by the task that drives the connection: a log that blocks blocks it. When
/// the stream is dropped the log gets its last line, and is flushed.
///
/// A log that fails does not touch the connection: from its first error on nothing more is recorded. The error is kept
/// for [`failure`](Self::failure) and [`finish`](Self::finish), and the recording lacks its last line, so that every
/// replay of it says that it was cut off.
pub struct Recorded<T, W: Write> {
    stream: T,
    recorder: Recorder<W>,
}

impl<T: AsyncRead + AsyncWrite + Unpin> WebSocket<T> {
    /// Writes what is read and written from now on to a log, as a session that can be
    /// [replayed](crate::replay::Session::replay).
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
    pub fn record<W: Write + Unpin>(self, config: &Config, log: W) -> WebSocket<Recorded<T, W>> {
        let (stream, connection, input) = self.into_parts();
        let head = Session::new(connection.role(), config, connection.negotiated()).ticks(Ticks::Waits);
        let mut recorder = Recorder::new(log, &head);
        if !input.is_empty() {
            recorder.line(Fact::Read(Bytes::copy_from_slice(&input)));
        }
        WebSocket::from_parts(Recorded { stream, recorder }, connection, input)
    }
}

impl<T, W: Write> Recorded<T, W> {
    /// The stream. To read from it or write to it breaks the connection.
    pub const fn stream(&self) -> &T {
        &self.stream
    }

    /// Why the recording is not complete, if it is not.
    pub const fn failure(&self) -> Option<&io::Error> {
        self.recorder.failure.as_ref()
    }

    /// Ends the recording, and takes it apart: the stream, and the log.
    ///
    /// The log is an error if it failed at any time.
    pub fn finish(mut self) -> (T, io::Result<W>) {
        self.recorder.end();
        let log = match self.recorder.failure.take() {
            Some(error) => Err(error),
            None => self.recorder.log.take().ok_or_else(|| io::ErrorKind::Other.into()),
        };
        (self.stream, log)
    }
}

impl<T: fmt::Debug, W: Write> fmt::Debug for Recorded<T, W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut recorded = f.debug_struct("Recorded");
        recorded.field("stream", &self.stream).field("failure", &self.failure()).finish_non_exhaustive()
    }
}

impl<T: AsyncRead + Unpin, W: Write + Unpin> AsyncRead for Recorded<T, W> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(cx, buf);
        self.recorder.read(&polled, &buf.filled()[before..]);
        polled
    }
}

impl<T: AsyncWrite + Unpin, W: Write + Unpin> AsyncWrite for Recorded<T, W> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.recorder.wrote(&polled, &[IoSlice::new(bytes)]);
        polled
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write_vectored(cx, slices);
        self.recorder.wrote(&polled, slices);
        polled
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.stream).poll_flush(cx);
        match &polled {
            Poll::Ready(Err(_)) => self.recorder.line(Fact::WriteFailed),
            // What could not even be written is the reason to wait.
            _ if self.recorder.is_output_stuck() => {}
            Poll::Ready(Ok(())) => self.recorder.unstick(),
            Poll::Pending => self.recorder.stick(Wait::Flush),
        }
        polled
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.stream).poll_shutdown(cx);
        if polled.is_pending() {
            self.recorder.stick(Wait::Flush);
        }
        polled
    }
}

/// The log, and what is known and not yet written to it.
///
/// Of a run of waits the first and the last are written: at those between the machine does nothing, or else it would have
/// something to write. Where that could not leave, each is written, but for those of one moment.
struct Recorder<W: Write> {
    /// `None` when it has failed or ended.
    log: Option<W>,
    failure: Option<io::Error>,
    clock: Clock,
    has_ended: bool,
    /// The run of waits that is written last, with the last one written, and the latest one of all.
    run: Option<(Wait, Duration)>,
    latest: Option<Duration>,
    /// What the stream was last found not to do yet, and when: the connection waits for that alone unless it goes on to
    /// read.
    stuck: Option<(Wait, Duration)>,
}

impl<W: Write> Recorder<W> {
    fn new(log: W, head: &Session) -> Self {
        let clock = Clock::new();
        let mut recorder = Self {
            log: Some(log),
            failure: None,
            clock,
            has_ended: false,
            run: None,
            latest: None,
            stuck: None,
        };
        recorder.write(&head.to_string());
        recorder
    }

    fn read(&mut self, polled: &Poll<io::Result<()>>, bytes: &[u8]) {
        let now = self.clock.now();
        if self.stuck.is_some_and(|(_, stuck)| now - stuck >= MOMENT) {
            self.unstick();
        }
        let wait = match self.stuck.take() {
            Some((Wait::Output(count), _)) => Wait::Both(count),
            _ => Wait::Input,
        };
        match polled {
            Poll::Pending => self.wait(wait, now),
            Poll::Ready(Err(_)) => self.line(Fact::ReadFailed),
            Poll::Ready(Ok(())) if !bytes.is_empty() => self.line(Fact::Read(Bytes::copy_from_slice(bytes))),
            Poll::Ready(Ok(())) if self.has_ended => {}
            Poll::Ready(Ok(())) => {
                self.has_ended = true;
                self.line(Fact::ReadEnd);
            }
        }
    }

    fn wrote(&mut self, polled: &Poll<io::Result<usize>>, slices: &[IoSlice<'_>]) {
        match polled {
            Poll::Pending => self.stick(Wait::Output(slices.iter().map(|slice| slice.len()).sum())),
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

    /// The stream takes no more output, or has not yet flushed it.
    fn stick(&mut self, wait: Wait) {
        let now = self.clock.now();
        if self.stuck.is_some_and(|(_, stuck)| now - stuck >= MOMENT) {
            self.unstick();
        }
        self.stuck = Some((wait, now));
    }

    fn is_output_stuck(&self) -> bool {
        matches!(self.stuck, Some((Wait::Output(_), _)))
    }

    fn unstick(&mut self) {
        if let Some((wait, at)) = self.stuck.take() {
            self.wait(wait, at);
        }
    }

    fn wait(&mut self, wait: Wait, at: Duration) {
        if self.run.is_some_and(|(run, since)| run == wait && (wait == Wait::Input || at - since < MOMENT)) {
            self.latest = Some(at);
            return;
        }
        self.flush_run();
        self.run = Some((wait, at));
        self.write(&format!("{}\n", Line { at, fact: Fact::Waits(wait) }));
    }

    fn flush_run(&mut self) {
        if let (Some((wait, _)), Some(at)) = (self.run.take(), self.latest.take()) {
            self.write(&format!("{}\n", Line { at, fact: Fact::Waits(wait) }));
        }
    }

    fn line(&mut self, fact: Fact) {
        self.unstick();
        self.flush_run();
        self.write(&format!("{}\n", Line { at: self.clock.now(), fact }));
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
            self.failure = Some(error);
            self.log = None;
        }
    }
}

impl<W: Write> Drop for Recorder<W> {
    fn drop(&mut self) {
        self.end();
    }
}
