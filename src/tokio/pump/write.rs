//! What leaves, and how far it has come.

use core::{
    pin::Pin,
    task::{Context, Poll, ready},
};
use std::io::{self, IoSlice};

use ::tokio::io::AsyncWrite;
use bytes::Buf;

use super::Pump;
use crate::{
    connection::Connection,
    send::{Outgoing, Transmit},
    tokio::block,
};

/// How many chunks of output one write takes.
const MOST_CHUNKS: usize = 64;

impl<T: AsyncWrite + Unpin> Pump<T> {
    /// Writes and flushes what waits; a stream that fails is not written to again.
    #[inline]
    pub(in crate::tokio) fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.is_flushed() && self.connection.sender().is_idle() {
            return Poll::Ready(());
        }
        self.poll_write_out(cx)
    }

    fn poll_write_out(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let written = ready!(self.poll_write_all(cx));
        if let Err(error) = written {
            self.broken.get_or_insert(error.kind());
            self.abandon();
            self.shut = true;
        }
        Poll::Ready(())
    }

    fn poll_write_all(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            let transmit = self.connection.transmit();
            if !transmit.has_remaining() {
                return self.poll_flush(cx);
            }
            match poll_write_some(Pin::new(&mut self.io), cx, transmit)? {
                Poll::Ready(0) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                Poll::Ready(all) if all == transmit.remaining() => {
                    transmit.advance_all().into_iter().for_each(block::give_back_output);
                }
                Poll::Ready(written) => transmit.advance(written),
                Poll::Pending => {
                    // Who waits for what has left need not wait for the rest.
                    let _ = self.poll_flush(cx)?;
                    return Poll::Pending;
                }
            }
        }
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.flushed < self.connection.sent().bytes {
            ready!(Pin::new(&mut self.io).poll_flush(cx))?;
            self.flushed = self.connection.sent().bytes;
        }
        Poll::Ready(Ok(()))
    }

    pub(super) fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if !self.shut && self.is_flushed() {
            // A stream that cannot be shut down is closed all the same.
            let _ = ready!(Pin::new(&mut self.io).poll_shutdown(cx));
            self.shut = true;
        }
        Poll::Ready(())
    }
}

impl<T> Pump<T> {
    /// Queues a message that the machine has room for, in memory of the thread.
    #[inline]
    pub(in crate::tokio) fn push(&mut self, message: Outgoing) {
        let sender = self.connection.sender_mut();
        block::borrow_output(sender.output());
        sender.push(message);
    }

    /// Has something queued that may be refused, in memory of the thread.
    pub(in crate::tokio) fn queue<R>(&mut self, accept: impl FnOnce(&mut Connection) -> R) -> R {
        block::borrow_output(self.connection.sender_mut().output());
        let accepted = accept(&mut self.connection);
        let output = self.connection.sender_mut().output();
        if !output.has_remaining() {
            // It was refused.
            output.advance_all().into_iter().for_each(block::give_back_output);
        }
        accepted
    }

    /// Where the output ends that is queued so far and can leave; nowhere that is reached, if some of it was dropped.
    pub(in crate::tokio) fn position(&self) -> u64 {
        if self.dropped {
            return u64::MAX;
        }
        self.connection.sent().bytes + self.connection.sender().transmittable() as u64
    }

    /// Whether all that was queued up to this position has left.
    pub(in crate::tokio) fn is_sent(&self, position: u64) -> bool {
        self.flushed >= position
            || !self.is_lost() && self.connection.sender().transmittable() == 0 && self.is_flushed()
    }

    /// Whether what has not left never will.
    pub(in crate::tokio) fn is_lost(&self) -> bool {
        self.connection.sender().is_abandoned()
    }

    pub(super) fn is_flushed(&self) -> bool {
        self.flushed == self.connection.sent().bytes
    }

    /// Gives up what is queued or half-written.
    pub(super) fn abandon(&mut self) {
        self.dropped |= self.connection.unsent() > 0;
        self.connection.abandon();
        self.flushed = self.connection.sent().bytes;
    }
}

/// Writes what can be written at once.
fn poll_write_some<T: AsyncWrite>(
    io: Pin<&mut T>,
    cx: &mut Context<'_>,
    transmit: &Transmit,
) -> Poll<io::Result<usize>> {
    let first = transmit.chunk();
    if first.len() == transmit.remaining() || !io.is_write_vectored() {
        return io.poll_write(cx, first);
    }
    // A large table takes longer to set up than a small message to write.
    if transmit.chunks() <= 4 {
        poll_write_chunks::<4, T>(io, cx, transmit)
    } else {
        poll_write_chunks::<MOST_CHUNKS, T>(io, cx, transmit)
    }
}

#[inline(never)]
fn poll_write_chunks<const N: usize, T: AsyncWrite>(
    io: Pin<&mut T>,
    cx: &mut Context<'_>,
    transmit: &Transmit,
) -> Poll<io::Result<usize>> {
    let mut chunks = [IoSlice::new(&[]); N];
    let count = transmit.chunks_vectored(&mut chunks);
    io.poll_write_vectored(cx, &chunks[..count])
}
