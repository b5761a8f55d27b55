//! The drive loop: receive, flush, shut down, read, tick. Everything public in the adapter is a shell over it.
//!
//! All progress is in the fields, so that a future over these functions can be dropped at any time. Each function
//! registers the task with all that it waits for before it gives `Pending`.

use core::{
    future::Future,
    pin::{Pin, pin},
    task::{Context, Poll, ready},
};
use std::io::{self, IoSlice};

use ::tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite},
    time::Instant,
};
use bytes::{Buf, BytesMut};

use super::{
    Ended, Error, block,
    clock::Clock,
    ticks::{Hook, Told},
    trace,
    view::View,
};
use crate::{connection::Connection, error::SendError, event::Event, send::Transmit};

/// How many reads one poll makes, or how many messages it drops.
pub(super) const TURNS: usize = 64;
/// How many pieces of output one write takes.
const PIECES: usize = 64;

/// The machine on its stream.
#[derive(Debug)]
pub(super) struct Pump<T> {
    pub(super) io: T,
    pub(super) connection: Connection,
    pub(super) input: BytesMut,
    clock: Clock,
    /// How much of the input the machine had heard when the task last waited.
    heard: u64,
    /// When that was, if the machine was not told the time then.
    heard_at: Option<Instant>,
    /// Whoever hears of each tick.
    ticks: Hook,
    /// How much of the output the stream was made to pass on.
    flushed: u64,
    /// The stream was shut down for writing, or cannot be.
    shut: bool,
    /// How the stream failed.
    broken: Option<io::ErrorKind>,
    /// Some output was dropped.
    dropped: bool,
    /// Whoever traces the connection was told how it ended.
    told: bool,
}

impl<T: AsyncRead + AsyncWrite + Unpin> Pump<T> {
    pub(super) fn new(io: T, connection: Connection, input: BytesMut) -> Self {
        let flushed = connection.sent().bytes;
        Self {
            io,
            connection,
            input,
            clock: Clock::new(),
            heard: 0,
            heard_at: None,
            ticks: Hook::default(),
            flushed,
            shut: false,
            broken: None,
            dropped: false,
            told: false,
        }
    }

    /// Takes its time from this clock from now on, and tells of each tick.
    pub(super) fn tell_ticks(&mut self, clock: Clock, listen: impl FnMut(Told) + Send + Sync + 'static) {
        self.clock = clock;
        self.ticks = Hook::new(listen);
    }

    /// The next of what is asked for, or how it ended.
    pub(super) fn poll_next<V: View>(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Option<V::Wanted>, Error>> {
        for _ in 0..TURNS {
            if let Some(wanted) = self.receive::<V>() {
                return Poll::Ready(Ok(Some(wanted)));
            }
            let _ = self.poll_write(cx);
            if !self.connection.is_running() {
                if self.connection.wants_shutdown() {
                    let _ = self.poll_shutdown(cx);
                }
                if self.is_over() {
                    block::give_back(&mut self.input);
                    return Poll::Ready(self.outcome().map(|()| None));
                }
            }
            if self.connection.wants_read() && self.poll_read(cx).is_ready() {
                continue;
            }
            block::give_back(&mut self.input);
            ready!(self.poll_tick(cx));
        }
        self.yield_now(cx);
        Poll::Pending
    }

    /// What is asked for, of what has come.
    fn receive<V: View>(&mut self) -> Option<V::Wanted> {
        while !self.input.is_empty() || self.connection.receiver().has_more() {
            // A breach is told to the peer before it is returned.
            let Ok(Some(event)) = V::RECEIVE(&mut self.connection, &mut self.input) else { return None };
            trace::received(&event);
            if matches!(event, Event::Pong(_)) {
                // The round trip ends here.
                self.mark();
            }
            if let Some(wanted) = V::pick(event) {
                return Some(wanted);
            }
        }
        None
    }

    /// Leaves room for other tasks, where a stream is always ready, and does not let it outrun the deadlines.
    pub(super) fn yield_now(&mut self, cx: &mut Context<'_>) {
        let _ = self.poll_tick(cx);
        cx.waker().wake_by_ref();
    }

    /// Writes and keeps the deadlines without reading. Ready when the connection is over.
    pub(super) fn poll_unread(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let _ = self.poll_write(cx);
        while !self.is_over() && self.poll_tick_with(cx, true).is_ready() {}
        if self.is_over() { Poll::Ready(()) } else { Poll::Pending }
    }

    /// Writes and flushes what waits; a stream that fails is not written to again.
    #[inline]
    pub(super) fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<()> {
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
        while self.connection.unsent() > 0 {
            let transmit = self.connection.transmit();
            if !transmit.has_remaining() {
                break;
            }
            match poll_write_some(Pin::new(&mut self.io), cx, transmit)? {
                Poll::Ready(0) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                Poll::Ready(all) if all == transmit.remaining() => {
                    block::give_back_output(transmit.advance_all());
                }
                Poll::Ready(written) => transmit.advance(written),
                Poll::Pending => {
                    // Who waits for what has left need not wait for the rest.
                    let _ = self.poll_flush(cx)?;
                    return Poll::Pending;
                }
            }
        }
        self.poll_flush(cx)
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.flushed < self.connection.sent().bytes {
            ready!(Pin::new(&mut self.io).poll_flush(cx))?;
            self.flushed = self.connection.sent().bytes;
        }
        Poll::Ready(Ok(()))
    }

    #[inline]
    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let missing = self.connection.receiver().missing(&self.input);
        block::borrow(&mut self.input, missing);
        match ready!(pin!(self.io.read_buf(&mut self.input)).poll(cx)) {
            Ok(1..) => {}
            Ok(0) => self.end(None),
            Err(error) => self.end(Some(error.kind())),
        }
        Poll::Ready(())
    }

    fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if !self.shut && self.is_flushed() {
            // A stream that cannot be shut down is closed all the same.
            let _ = ready!(Pin::new(&mut self.io).poll_shutdown(cx));
            self.shut = true;
        }
        Poll::Ready(())
    }

    /// Ready when a deadline has come, and with it something to do.
    fn poll_tick(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let now = Instant::now();
        let is_quiet =
            self.connection.is_running() && self.connection.sender().is_idle() && self.ticks.is_deaf();
        if !is_quiet || !self.clock.is_set(now, cx) {
            return self.poll_tick_with(cx, false);
        }
        // That bytes have come makes no deadline earlier: it is soon enough to tell when something is due.
        let heard = self.connection.received().bytes;
        if self.heard != heard {
            (self.heard, self.heard_at) = (heard, Some(now));
        }
        Poll::Pending
    }

    /// The peer's silence counts unless nothing is read.
    fn poll_tick_with(&mut self, cx: &mut Context<'_>, is_unread: bool) -> Poll<()> {
        let now = self.clock.now();
        if let Some(at) = self.heard_at.take() {
            self.connection.sender_mut().hear(self.clock.since(at), self.heard);
        }
        let unsent = self.connection.unsent();
        let hook = self.ticks.prepare(&self.connection, &self.input);
        let tick = if is_unread { Connection::tick_unread } else { Connection::tick };
        let ticked = tick(&mut self.connection, now);
        let is_quiet = self.connection.unsent() == unsent;
        if let Some((listen, seen)) = hook {
            listen(Told { now, is_unread, made_ping: ticked.is_ok() && !is_quiet, seen });
        }
        match ticked {
            Ok(deadline) if is_quiet => self.clock.poll_until(deadline, cx),
            Ok(_) => Poll::Ready(()),
            Err(_) => {
                self.dropped |= unsent > 0;
                self.abandon();
                Poll::Ready(())
            }
        }
    }
}

impl<T> Pump<T> {
    fn end(&mut self, broken: Option<io::ErrorKind>) {
        if self.broken.is_none() {
            self.broken = broken;
        }
        // What it says is told by `outcome`.
        if self.connection.receive_eof().is_err() || broken.is_some() {
            self.abandon();
        }
    }

    /// Ends it here and now, without a word to the peer.
    pub(super) fn abort(&mut self) {
        self.end(Some(io::ErrorKind::ConnectionAborted));
        self.shut = true;
    }

    /// Gives up what is queued or half-written.
    fn abandon(&mut self) {
        self.dropped |= self.connection.unsent() > 0;
        self.connection.abandon();
        self.flushed = self.connection.sent().bytes;
    }

    /// A ping is queued, or its pong has come.
    pub(super) fn mark(&mut self) {
        self.connection.sender_mut().mark(self.clock.now());
    }

    /// The machine, for something that is to be queued.
    pub(super) fn outlet(&mut self) -> &mut Connection {
        block::borrow_output(self.connection.sender_mut().output());
        &mut self.connection
    }

    /// Where the output ends that is queued so far and can leave; nowhere that is reached, if some of it was dropped.
    pub(super) fn position(&self) -> u64 {
        if self.dropped {
            return u64::MAX;
        }
        self.connection.sent().bytes + self.connection.sender().transmittable() as u64
    }

    /// Whether all that was queued up to this position has left.
    pub(super) fn is_sent(&self, position: u64) -> bool {
        self.flushed >= position
            || !self.is_lost() && self.connection.sender().transmittable() == 0 && self.is_flushed()
    }

    /// Whether what has not left never will.
    pub(super) fn is_lost(&self) -> bool {
        self.connection.sender().is_abandoned()
    }

    /// Why it never will.
    pub(super) fn loss(&self) -> Error {
        match (self.broken, self.connection.timed_out(), self.connection.error()) {
            (Some(kind), ..) => Error::Io(kind.into()),
            (_, Some(timed_out), _) => timed_out.into(),
            (.., Some(error)) => error.into(),
            (None, None, None) => SendError::Closed.into(),
        }
    }

    fn is_flushed(&self) -> bool {
        self.flushed == self.connection.sent().bytes
    }

    pub(super) fn is_over(&self) -> bool {
        self.connection.timed_out().is_some() || self.shut && !self.connection.wants_read()
    }

    /// Tells how the connection ended, once.
    #[inline]
    pub(super) fn tell(&mut self) {
        if !trace::IS_HEARD || self.told || self.connection.is_running() {
            return;
        }
        if let Some(ended) = self.ended() {
            self.told = true;
            trace::ended(&ended, &self.connection);
        }
    }

    /// How the connection ended, once it has.
    pub(super) fn ended(&self) -> Option<Ended> {
        self.is_over().then(|| Ended::of(&self.connection, self.broken))
    }

    /// Whether it ended well. It is final either way.
    pub(super) fn outcome(&self) -> Result<(), Error> {
        match Ended::of(&self.connection, self.broken) {
            Ended::Clean { .. } => Ok(()),
            Ended::Vanished(None) => Err(Error::Vanished),
            Ended::Vanished(Some(kind)) => Err(Error::Io(kind.into())),
            Ended::TimedOut(timed_out) => Err(Error::TimedOut(timed_out)),
            Ended::Violation { error, .. } => Err(Error::Protocol(error)),
        }
    }

    /// Why nothing more can be sent, if so.
    #[inline]
    pub(super) fn check_open(&self) -> Result<(), Error> {
        if self.connection.is_running() { Ok(()) } else { self.check_end() }
    }

    fn check_end(&self) -> Result<(), Error> {
        self.check_stream()?;
        if self.connection.sent_close().is_some() { Err(SendError::Closed.into()) } else { Ok(()) }
    }

    /// Why what was queued could not be written, if so.
    pub(super) fn check_stream(&self) -> Result<(), Error> {
        if self.is_over() {
            return self.outcome();
        }
        match (self.broken, self.connection.error()) {
            (Some(kind), _) => Err(Error::Io(kind.into())),
            (None, Some(error)) => Err(error.into()),
            (None, None) => Ok(()),
        }
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
    poll_write_pieces(io, cx, transmit)
}

/// Kept apart: the table is large, and most writes need none.
#[inline(never)]
fn poll_write_pieces<T: AsyncWrite>(
    io: Pin<&mut T>,
    cx: &mut Context<'_>,
    transmit: &Transmit,
) -> Poll<io::Result<usize>> {
    let mut pieces = [IoSlice::new(&[]); PIECES];
    let count = transmit.chunks_vectored(&mut pieces);
    io.poll_write_vectored(cx, &pieces[..count])
}
