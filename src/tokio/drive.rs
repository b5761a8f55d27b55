//! The drive loop: receive, flush, shut down, read, tick. Everything public in the adapter is a shell over it.
//!
//! All progress is in the fields, so that a future over these functions can be dropped at any time. Each function
//! registers the task with all that it waits for before it gives `Pending`.

use core::{
    future::Future,
    pin::{Pin, pin},
    task::{Context, Poll, ready},
    time::Duration,
};
use std::io;

use ::tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use bytes::{Buf, BytesMut};

use super::{
    Ended, Error, block,
    clock::Clock,
    wakers::{Side, Wakers},
};
use crate::{
    connection::Connection,
    error::{ProtocolError, SendError, TimedOut},
    event::{Chunk, Event, Message},
};

/// How many reads one poll makes, or how many messages it drops.
const TURNS: usize = 64;

/// One of the two views of the machine.
type Receive<D> = fn(&mut Connection, &mut BytesMut) -> Result<Option<Event<D>>, ProtocolError>;

/// Whether the peer's silence counts.
type Tick = fn(&mut Connection, Duration) -> Result<Option<Duration>, TimedOut>;

/// What was received and not yet asked for.
#[derive(Debug)]
enum Held {
    Message(Message),
    Chunk(Chunk),
}

#[derive(Debug)]
pub(super) struct Driver<T> {
    pub(super) io: T,
    pub(super) connection: Connection,
    pub(super) input: BytesMut,
    clock: Clock,
    wakers: Wakers,
    /// What came while the application was only sending.
    held: Option<Held>,
    /// The application is receiving a message in chunks.
    in_chunks: bool,
    /// The application has sent since it last asked for a message.
    only_sending: bool,
    /// The stream was written to and not flushed.
    unflushed: bool,
    /// The stream was shut down for writing, or cannot be.
    shut: bool,
    /// How the stream failed.
    broken: Option<io::ErrorKind>,
}

impl<T: AsyncRead + AsyncWrite + Unpin> Driver<T> {
    pub(super) fn new(io: T, connection: Connection, input: BytesMut) -> Self {
        Self {
            io,
            connection,
            input,
            clock: Clock::new(),
            wakers: Wakers::default(),
            held: None,
            in_chunks: false,
            only_sending: false,
            unflushed: false,
            shut: false,
            broken: None,
        }
    }

    /// The next message, or how it ended. What is left of one that was received in chunks is skipped.
    pub(super) fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Message>, Error>> {
        self.poll_on(Side::Receiving, cx, Self::poll_message)
    }

    /// The next piece of a message, or how it ended.
    pub(super) fn poll_recv_chunk(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Chunk>, Error>> {
        self.poll_on(Side::Receiving, cx, Self::poll_chunk)
    }

    /// Ready when a message can be queued.
    pub(super) fn poll_room(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.poll_on(Side::Sending, cx, |driver, cx| {
            if !driver.connection.has_room() {
                let _ = driver.poll_attend(cx);
            }
            if driver.connection.has_room() { Poll::Ready(driver.check_open()) } else { Poll::Pending }
        })
    }

    /// Ready when all that is queued is with the system.
    pub(super) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.poll_on(Side::Sending, cx, |driver, cx| {
            // An application that never asks for messages has its pings answered all the same.
            if driver.poll_write(cx).is_pending() || driver.only_sending {
                let _ = driver.poll_attend(cx);
            }
            driver.only_sending = true;
            if driver.is_flushed() { Poll::Ready(driver.check_stream()) } else { Poll::Pending }
        })
    }

    /// Ready when the closing handshake is over, one way or another. Messages that still come are dropped.
    pub(super) fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<Ended> {
        self.poll_on(Side::Sending, cx, |driver, cx| {
            for _ in 0..TURNS {
                if !matches!(ready!(driver.poll_message(cx)), Ok(Some(_))) {
                    return Poll::Ready(Ended::of(&driver.connection, driver.broken));
                }
            }
            driver.yield_now(cx);
            Poll::Pending
        })
    }

    /// How the connection ended, once it has.
    pub(super) fn ended(&self) -> Option<Ended> {
        self.is_over().then(|| Ended::of(&self.connection, self.broken))
    }

    /// Polls for the task on one side, and wakes the one on the other if there is news for it.
    fn poll_on<R>(
        &mut self,
        side: Side,
        cx: &mut Context<'_>,
        poll: impl FnOnce(&mut Self, &mut Context<'_>) -> Poll<R>,
    ) -> Poll<R> {
        let polled = match self.wakers.enter(side, cx.waker()) {
            Some(both) => poll(self, &mut Context::from_waker(&both)),
            None => poll(self, cx),
        };
        let state = self.connection.state();
        if polled.is_pending() {
            self.wakers.wait(side, cx.waker(), state);
        }
        let is_news = match side.other() {
            Side::Receiving => self.held.is_some(),
            Side::Sending => self.is_flushed() || self.connection.has_room(),
        };
        if self.wakers.seen(side.other()).is_some_and(|seen| is_news || seen != state || self.is_over()) {
            self.wakers.wake(side.other());
        }
        polled
    }

    fn poll_message(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Message>, Error>> {
        self.only_sending = false;
        self.in_chunks = false;
        match self.held.take() {
            Some(Held::Message(message)) => Poll::Ready(Ok(Some(message))),
            Some(Held::Chunk(_)) | None => self.poll_drive(cx, Connection::receive),
        }
    }

    fn poll_chunk(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Chunk>, Error>> {
        self.only_sending = false;
        let received = match self.held.take() {
            Some(Held::Chunk(chunk)) => Ok(Some(chunk)),
            Some(Held::Message(message)) => Ok(Some(message.into())),
            None => ready!(self.poll_drive(cx, Connection::receive_chunk)),
        };
        self.in_chunks = matches!(&received, Ok(Some(chunk)) if !chunk.fin);
        Poll::Ready(received)
    }

    fn poll_drive<D>(&mut self, cx: &mut Context<'_>, receive: Receive<D>) -> Poll<Result<Option<D>, Error>> {
        for _ in 0..TURNS {
            // A breach is told to the peer before it is returned.
            while let Ok(Some(event)) = receive(&mut self.connection, &mut self.input) {
                if let Event::Data(data) = event {
                    return Poll::Ready(Ok(Some(data)));
                }
            }
            let _ = self.poll_write(cx);
            if self.connection.wants_shutdown() {
                let _ = self.poll_shutdown(cx);
            }
            if self.is_over() {
                block::give_back(&mut self.input);
                return Poll::Ready(self.outcome().map(|()| None));
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

    /// Leaves room for other tasks, where a stream is always ready, and does not let it outrun the deadlines.
    fn yield_now(&mut self, cx: &mut Context<'_>) {
        let _ = self.poll_tick(cx);
        cx.waker().wake_by_ref();
    }

    /// All that `recv` does, up to the next message, which is held until the application asks for it. Ready when the
    /// connection is over.
    fn poll_attend(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.held.is_none() {
            let received = if self.in_chunks {
                self.poll_drive(cx, Connection::receive_chunk).map_ok(|chunk| chunk.map(Held::Chunk))
            } else {
                self.poll_drive(cx, Connection::receive).map_ok(|message| message.map(Held::Message))
            };
            match ready!(received) {
                Ok(Some(held)) => self.held = Some(held),
                Ok(None) | Err(_) => return Poll::Ready(()),
            }
        }
        let _ = self.poll_write(cx);
        while !self.is_over() && self.poll_tick_with(cx, Connection::tick_unread).is_ready() {}
        if self.is_over() { Poll::Ready(()) } else { Poll::Pending }
    }

    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        block::borrow(&mut self.input);
        match ready!(pin!(self.io.read_buf(&mut self.input)).poll(cx)) {
            Ok(1..) => {}
            Ok(0) => self.end(None),
            Err(error) => self.end(Some(error.kind())),
        }
        Poll::Ready(())
    }

    /// Writes and flushes what waits; a stream that fails is not written to again.
    fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let written = ready!(self.poll_write_all(cx));
        if let Err(error) = written {
            self.broken.get_or_insert(error.kind());
            self.abandon();
            self.shut = true;
        }
        Poll::Ready(())
    }

    fn poll_write_all(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.connection.transmit().has_remaining() {
            let written = ready!(pin!(self.io.write_buf(self.connection.transmit())).poll(cx))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.unflushed = true;
        }
        if self.unflushed {
            ready!(Pin::new(&mut self.io).poll_flush(cx))?;
            self.unflushed = false;
        }
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if !self.shut && !self.unflushed {
            // A stream that cannot be shut down is closed all the same.
            let _ = ready!(Pin::new(&mut self.io).poll_shutdown(cx));
            self.shut = true;
        }
        Poll::Ready(())
    }

    /// Ready when a deadline has come, and with it something to do.
    fn poll_tick(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.poll_tick_with(cx, Connection::tick)
    }

    fn poll_tick_with(&mut self, cx: &mut Context<'_>, tick: Tick) -> Poll<()> {
        let unsent = self.connection.unsent();
        match tick(&mut self.connection, self.clock.now()) {
            Ok(deadline) if self.connection.unsent() == unsent => self.clock.poll_until(deadline, cx),
            Ok(_) => Poll::Ready(()),
            Err(_) => {
                self.abandon();
                Poll::Ready(())
            }
        }
    }

    fn end(&mut self, broken: Option<io::ErrorKind>) {
        if self.broken.is_none() {
            self.broken = broken;
        }
        // What it says is told by `outcome`.
        if self.connection.receive_eof().is_err() || broken.is_some() {
            self.abandon();
        }
    }

    /// Gives up what is queued or half-written.
    fn abandon(&mut self) {
        self.connection.abandon();
        self.unflushed = false;
    }

    fn is_flushed(&self) -> bool {
        self.connection.unsent() == 0 && !self.unflushed
    }

    fn is_over(&self) -> bool {
        self.connection.timed_out().is_some() || self.shut && !self.connection.wants_read()
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
    fn check_open(&self) -> Result<(), Error> {
        self.check_stream()?;
        if self.connection.sent_close().is_some() { Err(SendError::Closed.into()) } else { Ok(()) }
    }

    /// Why what was queued could not be written, if so.
    fn check_stream(&self) -> Result<(), Error> {
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
