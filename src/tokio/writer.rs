//! One message of unknown length, as a sink of bytes. RFC 6455 §5.4.

use core::{
    future::poll_fn,
    pin::Pin,
    task::{Context, Poll, ready},
};
use std::io;

use ::tokio::io::{AsyncRead, AsyncWrite};
use bytes::BytesMut;

use super::{Error, line::Line, wakers::Place};
use crate::{
    error::SendError,
    event::{Chunk, Kind},
};

/// How much a fragment holds, unless said otherwise.
const FRAGMENT: usize = 16 << 10;

/// One message, sent in fragments as it is written, in the memory of a fragment.
///
/// A fragment leaves when it is full, and with each flush. [`finish`](Self::finish), or a shutdown, ends the message; one
/// that fits one fragment is a single frame. While the message is not finished, other messages of the connection wait,
/// but pings, pongs and closes do not.
///
/// There is no way in the protocol to take a message back. When a writer is dropped unfinished after a fragment has been
/// queued, the connection is closed with 1011, so that the peer cannot take the part for the whole; before that, nothing
/// has been said and nothing happens. What is written behind a piece that was refused is refused for the same reason.
#[derive(Debug)]
pub struct Writer<'a, T> {
    line: Line<'a, T>,
    lane: Place,
    kind: Kind,
    buffer: BytesMut,
    fragment: usize,
    progress: Progress,
    /// Where the last fragment ends in the output.
    position: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Progress {
    Untouched,
    Begun,
    Finished,
    /// A piece is missing: nothing that comes behind it is said.
    Refused(SendError),
}

impl<'a, T> Writer<'a, T> {
    pub(super) fn new(line: Line<'a, T>, lane: Place, kind: Kind) -> Self {
        let buffer = BytesMut::new();
        Self { line, lane, kind, buffer, fragment: FRAGMENT, progress: Progress::Untouched, position: 0 }
    }

    /// Sets how much a fragment holds at the most, in bytes, at least one. 16 KiB.
    pub fn fragment(mut self, bytes: usize) -> Self {
        self.fragment = bytes.max(1);
        self
    }
}

impl<T> Writer<'_, T> {
    fn check(&self) -> Result<(), Error> {
        if let Progress::Refused(error) = self.progress { Err(error.into()) } else { Ok(()) }
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin> Writer<'_, T> {
    /// Ends the message; returns when it is with the operating system.
    ///
    /// # Errors
    ///
    /// [`Error::Send`] for text that is not UTF-8, and after a Close frame; or why the connection is over.
    pub async fn finish(mut self) -> Result<(), Error> {
        poll_fn(|cx| self.poll_finish(cx)).await
    }

    fn poll_finish(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.check()?;
        if self.progress != Progress::Finished {
            ready!(self.poll_fragment(true, cx))?;
        }
        self.line.poll_sent(self.position, cx)
    }

    /// Queues what is buffered as a fragment, once there is room for it.
    fn poll_fragment(&mut self, fin: bool, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        let (kind, buffer) = (self.kind, &mut self.buffer);
        let accepted = ready!(self.line.poll_accept(Some(self.lane), cx, |connection| {
            connection.send_chunk(Chunk { kind, data: buffer.split().freeze(), fin })
        }));
        if let Err(Error::Send(error)) = accepted {
            self.progress = Progress::Refused(error);
        }
        self.position = accepted?;
        self.progress = if fin { Progress::Finished } else { Progress::Begun };
        Poll::Ready(Ok(()))
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Writer<'_, T> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        self.check()?;
        if self.progress == Progress::Finished {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        if self.buffer.len() >= self.fragment {
            ready!(self.poll_fragment(false, cx))?;
        }
        let count = data.len().min(self.fragment - self.buffer.len());
        self.buffer.extend_from_slice(&data[..count]);
        Poll::Ready(Ok(count))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.check()?;
        if !self.buffer.is_empty() {
            ready!(self.poll_fragment(false, cx))?;
        }
        let position = self.position;
        self.line.poll_sent(position, cx).map_err(io::Error::from)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_finish(cx).map_err(io::Error::from)
    }
}

impl<T> Drop for Writer<'_, T> {
    fn drop(&mut self) {
        if matches!(self.progress, Progress::Begun | Progress::Refused(_)) {
            self.line.with(|driver| driver.release(self.lane));
        }
    }
}
