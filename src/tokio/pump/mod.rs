//! The drive loop: receive, flush, shut down, read, tick. Everything public in the adapter is a shell over it.
//!
//! All progress is in the fields, so that a future over these functions can be dropped at any time. Each function
//! registers the task with all that it waits for before it gives `Pending`.

mod end;
mod read;
mod write;

use core::{
    mem,
    ops::ControlFlow,
    task::{Context, Poll, ready},
};
use std::io;

use ::tokio::{
    io::{AsyncRead, AsyncWrite},
    time::Instant,
};
use bytes::BytesMut;

use super::{
    Error,
    clock::Clock,
    ticks::{Hook, Told},
    trace,
    view::{MESSAGES, View},
};
use crate::{
    connection::Connection,
    event::{Event, Message},
};

/// How many reads one poll makes, or how many messages it drops.
pub(super) const TURNS: usize = 64;

/// The machine on its stream.
#[derive(Debug)]
pub(super) struct Pump<T> {
    pub(super) io: T,
    pub(super) connection: Connection,
    pub(super) input: BytesMut,
    /// The input has no memory.
    is_bare: bool,
    /// The last read brought little.
    reads_little: bool,
    clock: Clock,
    /// When the task last waited with something new that was read, if the machine was not told the time then.
    heard_at: Option<Instant>,
    /// Something was read since.
    is_read: bool,
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
            is_bare: false,
            reads_little: true,
            clock: Clock::new(),
            heard_at: None,
            is_read: false,
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

    /// The next of what `receive` takes of what has come, or `read` of what comes, or how it ended.
    #[inline]
    fn poll_next<R>(
        &mut self,
        cx: &mut Context<'_>,
        receive: impl Fn(&mut Self) -> Option<R>,
        read: impl Fn(&mut Self, &mut Context<'_>) -> Poll<Option<R>>,
    ) -> Poll<Result<Option<R>, Error>> {
        for _ in 0..TURNS {
            if let Some(wanted) = receive(self) {
                self.give_back_free();
                return Poll::Ready(Ok(Some(wanted)));
            }
            match ready!(self.poll_turn(cx, &read)) {
                ControlFlow::Continue(None) => {}
                ControlFlow::Continue(wanted) => return Poll::Ready(Ok(wanted)),
                ControlFlow::Break(()) => return Poll::Ready(self.outcome().map(|()| None)),
            }
        }
        self.yield_now(cx);
        Poll::Pending
    }

    /// The next of what is asked for, or how it ended.
    #[inline(never)]
    pub(super) fn poll_view<D, R>(
        &mut self,
        cx: &mut Context<'_>,
        view: &View<D, R>,
    ) -> Poll<Result<Option<R>, Error>> {
        self.poll_next(cx, |pump| pump.receive(view), |pump, cx| pump.poll_read(cx).map(|()| None))
    }

    /// The next message, or how it ended.
    #[inline]
    pub(super) fn poll_message(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Message>, Error>> {
        self.poll_next(cx, Self::receive_message, Self::poll_read_message)
    }

    /// The next message, if it has come.
    #[inline]
    fn receive_message(&mut self) -> Option<Message> {
        if !self.has_come() {
            return None;
        }
        let Some(message) = self.connection.receive_whole(&mut self.input) else {
            return self.receive(&MESSAGES);
        };
        trace::received(&Event::Data(()));
        Some(message)
    }

    /// What is asked for, if it has come.
    fn receive<D, R>(&mut self, view: &View<D, R>) -> Option<R> {
        while self.has_come() {
            // A breach is told to the peer before it is returned.
            let Ok(Some(event)) = (view.receive)(&mut self.connection, &mut self.input) else { return None };
            trace::received(&event);
            if matches!(event, Event::Pong(_)) {
                // The round trip ends here.
                self.mark();
            }
            if let Some(wanted) = (view.pick)(event) {
                return Some(wanted);
            }
        }
        None
    }

    /// Whether the machine may have something to give.
    #[inline]
    fn has_come(&self) -> bool {
        !self.input.is_empty() || self.connection.receiver().has_more()
    }

    /// Writes what waits and reads what comes. Ready when something has, or a deadline, or the end.
    // Always inlined, and so is the read: calls of the two would take 70 instructions of some 2,200 for a message.
    #[inline(always)]
    fn poll_turn<R>(
        &mut self,
        cx: &mut Context<'_>,
        read: impl Fn(&mut Self, &mut Context<'_>) -> Poll<Option<R>>,
    ) -> Poll<ControlFlow<(), Option<R>>> {
        let is_written = self.poll_write(cx).is_ready();
        let is_running = self.connection.is_running();
        if !is_running {
            if self.connection.wants_shutdown() {
                let _ = self.poll_shutdown(cx);
            }
            if self.is_over() {
                self.give_back();
                return Poll::Ready(ControlFlow::Break(()));
            }
        }
        if (is_running || self.connection.wants_read())
            && let Poll::Ready(received) = read(self, cx)
        {
            return Poll::Ready(ControlFlow::Continue(received));
        }
        self.give_back();
        if is_running && is_written && self.postpone_tick(cx) {
            return Poll::Pending;
        }
        self.poll_tick(cx, false).map(|()| ControlFlow::Continue(None))
    }

    /// Leaves room for other tasks, where a stream is always ready, and does not let it outrun the deadlines.
    pub(super) fn yield_now(&mut self, cx: &mut Context<'_>) {
        let _ = self.poll_tick(cx, false);
        cx.waker().wake_by_ref();
    }

    /// Writes and keeps the deadlines without reading. Ready when the connection is over.
    pub(super) fn poll_unread(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.give_back();
        let _ = self.poll_write(cx);
        while !self.is_over() && self.poll_tick(cx, true).is_ready() {}
        if self.is_over() { Poll::Ready(()) } else { Poll::Pending }
    }

    /// Leaves an open connection without the time where the alarm rings when it has to be told, or it need not be.
    #[inline]
    fn postpone_tick(&mut self, cx: &mut Context<'_>) -> bool {
        // A recording has all ticks.
        if !self.ticks.is_deaf() {
            return false;
        }
        if self.connection.sender().is_patient() {
            return true;
        }
        let now = Instant::now();
        if !self.clock.is_set(now, cx) {
            return false;
        }
        // That bytes have come makes no deadline earlier: it is soon enough to tell when something is due.
        if mem::take(&mut self.is_read) {
            self.heard_at = Some(now);
        }
        true
    }

    /// Ready when a deadline has come, and with it something to do. The peer's silence counts unless nothing is read.
    fn poll_tick(&mut self, cx: &mut Context<'_>, is_unread: bool) -> Poll<()> {
        let now = self.clock.now();
        if let Some(at) = self.heard_at.take().filter(|_| !self.is_read) {
            let heard = self.connection.received().bytes;
            self.connection.sender_mut().hear(self.clock.since(at), heard);
        }
        let unsent = self.connection.unsent();
        let hook = self.ticks.prepare(&self.connection, &self.input);
        if is_unread {
            self.connection.sender_mut().excuse_silence(now);
        }
        // A stream that buffers may hold back what its peer does not take. A recording does not know of it.
        let is_recorded = hook.is_some();
        let unflushed = if is_recorded { 0 } else { self.connection.sent().bytes - self.flushed };
        let ticked = self.connection.tick_unflushed(now, unflushed as usize);
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
    /// A ping is queued, or its pong has come.
    pub(super) fn mark(&mut self) {
        self.connection.sender_mut().mark(self.clock.now());
    }
}
