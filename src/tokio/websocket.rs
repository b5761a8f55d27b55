//! A connection in one hand: the machine on its stream, for one task.

use core::{
    future::{Future, poll_fn},
    task::{Context, Poll},
};
use std::{boxed::Box, sync::Arc};

use ::tokio::io::{AsyncRead, AsyncWrite};
use bytes::{Bytes, BytesMut};

use super::{
    Ended, Error, NotSent, Reader, Receiver, Sender, Writer,
    drive::{Driver, Listener},
    line::{Line, once},
    split::Split,
    wakers::{Place, RECEIVING, SENDING, Until},
};
use crate::{
    config::Compress,
    connection::Connection,
    error::SendError,
    event::{Chunk, Event, Kind, Message},
    frame::CloseFrame,
    send::{Outgoing, Overflow, Posted},
};

/// A WebSocket connection over a byte stream.
///
/// ```no_run
/// # async fn echo(stream: tokio::net::TcpStream) -> Result<(), sansocket::tokio::Error> {
/// let mut websocket = sansocket::tokio::accept(stream).await?;
/// while let Some(message) = websocket.recv().await? {
///     websocket.send(message).await?;
/// }
/// # Ok(())
/// # }
/// ```
///
/// Dropping it closes the stream without a Close frame, which the peer can tell from a clean end; call
/// [`close`](Self::close) for that.
#[derive(Debug)]
pub struct WebSocket<T> {
    pub(super) driver: Box<Driver<T>>,
    #[cfg(feature = "futures")]
    pub(super) told: bool,
}

impl<T: AsyncRead + AsyncWrite + Unpin> WebSocket<T> {
    /// Takes over a stream after its opening handshake, with the bytes that were read behind it.
    pub fn from_parts(io: T, connection: Connection, input: BytesMut) -> Self {
        Self::new(Driver::new(io, connection, input))
    }

    /// Receives the next message; `None` when both ends have closed.
    ///
    /// While it waits it writes what is queued, answers pings, keeps the connection alive, and finishes the closing
    /// handshake when the peer begins it. When it gives `None` or an error the stream is shut down, and every later
    /// call gives the same.
    ///
    /// # Errors
    ///
    /// [`Error::Vanished`], [`Error::Io`], [`Error::TimedOut`], and [`Error::Protocol`] once the peer has been told.
    pub fn recv(&mut self) -> impl Future<Output = Result<Option<Message>, Error>> {
        // Without a state of its own, as an `async fn` would have: it is polled twice for each message.
        poll_fn(|cx| self.poll(RECEIVING, Until::Received, cx, Driver::poll_message))
    }

    /// Receives the next message or control frame: for programs that count or log pings, pongs and closes, which are
    /// answered all the same unless the configuration says otherwise ([`Pings`](crate::Pings)).
    ///
    /// Control frames that come while the application only sends are not shown, but for pings that it has to answer.
    ///
    /// # Errors
    ///
    /// As [`recv`](Self::recv).
    pub async fn recv_event(&mut self) -> Result<Option<Event>, Error> {
        poll_fn(|cx| self.poll(RECEIVING, Until::Received, cx, Driver::poll_event)).await
    }

    /// Receives the next piece of a message, as it arrives, however large the message is; `None` when both ends have
    /// closed. A call of [`recv`](Self::recv) skips what is left of the message.
    ///
    /// # Errors
    ///
    /// As [`recv`](Self::recv).
    pub async fn recv_chunk(&mut self) -> Result<Option<Chunk>, Error> {
        poll_fn(|cx| self.poll(RECEIVING, Until::Received, cx, Driver::poll_chunk)).await
    }

    /// Waits for the next message, to read it as it arrives, however large it is; `None` when both ends have closed. What
    /// is left of a message before it is skipped.
    ///
    /// ```no_run
    /// # async fn example(
    /// #     mut websocket: sansocket::tokio::WebSocket<tokio::net::TcpStream>,
    /// #     mut file: impl tokio::io::AsyncWrite + Unpin,
    /// # ) -> std::io::Result<()> {
    /// while let Some(mut reader) = websocket.recv_reader().await? {
    ///     tokio::io::copy_buf(&mut reader, &mut file).await?;
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`recv`](Self::recv).
    pub async fn recv_reader(&mut self) -> Result<Option<Reader<'_, T>>, Error> {
        Reader::begin(self.receiving()).await
    }

    /// Sends a message; returns when it is with the operating system.
    ///
    /// An application that only sends has its pings answered all the same, and a Close frame too, up to the first
    /// message that comes: it is held until [`recv`](Self::recv) asks for it, and what is behind it waits.
    ///
    /// # Errors
    ///
    /// [`Error::Send`] after a Close frame or within a message in chunks, or why the connection is over.
    pub async fn send(&mut self, message: impl Into<Outgoing>) -> Result<(), Error> {
        let mut accept = once(message.into(), |connection, it| connection.send(it));
        let position = poll_fn(|cx| self.poll_accept(Some(SENDING), cx, &mut accept)).await?;
        poll_fn(|cx| self.poll_sent(position, cx)).await
    }

    /// Sends a message compressed as `compress` says, if the peer agreed to compression; returns when it is with the
    /// operating system.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send).
    pub async fn send_with(&mut self, message: impl Into<Message>, compress: Compress) -> Result<(), Error> {
        let with = (message.into(), compress);
        let mut accept = once(with, |connection, (it, how)| connection.send_with(it, how));
        let position = poll_fn(|cx| self.poll_accept(Some(SENDING), cx, &mut accept)).await?;
        poll_fn(|cx| self.poll_sent(position, cx)).await
    }

    /// Queues a message; waits only while the unsent output is at its limit.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send).
    pub async fn feed(&mut self, message: impl Into<Outgoing>) -> Result<(), Error> {
        let message = match self.driver.feed(message.into()) {
            Some(message) => message,
            None => return Ok(()),
        };
        let mut accept = once(message, |connection, it| connection.send(it));
        poll_fn(|cx| self.poll_accept(Some(SENDING), cx, &mut accept)).await.map(drop)
    }

    /// Sends a piece of a message as one fragment; returns when it is with the operating system.
    ///
    /// # Errors
    ///
    /// [`Error::Send`] after a Close frame, for a chunk of another kind than its message, and for text that is not
    /// UTF-8; or why the connection is over.
    pub async fn send_chunk(&mut self, chunk: Chunk) -> Result<(), Error> {
        let mut accept = once(chunk, Connection::send_chunk);
        let position = poll_fn(|cx| self.poll_accept(Some(SENDING), cx, &mut accept)).await?;
        poll_fn(|cx| self.poll_sent(position, cx)).await
    }

    /// Queues a piece of a message as one fragment; waits only while the unsent output is at its limit.
    ///
    /// # Errors
    ///
    /// As [`send_chunk`](Self::send_chunk).
    pub async fn feed_chunk(&mut self, chunk: Chunk) -> Result<(), Error> {
        let mut accept = once(chunk, Connection::send_chunk);
        poll_fn(|cx| self.poll_accept(Some(SENDING), cx, &mut accept)).await.map(drop)
    }

    /// Begins a message of unknown length, to be sent in fragments as it is written.
    ///
    /// ```no_run
    /// # async fn example(
    /// #     mut websocket: sansocket::tokio::WebSocket<tokio::net::TcpStream>,
    /// #     mut file: impl tokio::io::AsyncRead + Unpin,
    /// # ) -> std::io::Result<()> {
    /// let mut writer = websocket.writer(sansocket::Kind::Binary);
    /// tokio::io::copy(&mut file, &mut writer).await?;
    /// writer.finish().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn writer(&mut self, kind: Kind) -> Writer<'_, T> {
        Writer::new(self.sending(), SENDING, kind)
    }

    /// Writes all that is queued; returns when it is with the operating system.
    ///
    /// # Errors
    ///
    /// Why the connection is over, if it is.
    pub async fn flush(&mut self) -> Result<(), Error> {
        let position = self.driver.pump.position();
        poll_fn(|cx| self.poll_sent(position, cx)).await
    }

    /// Sends a ping; returns when it is with the operating system. How long the answer takes is the
    /// [round trip](crate::Connection::round_trip) of the [`connection`](Self::connection).
    ///
    /// # Errors
    ///
    /// [`Error::Send`] for a payload above 125 bytes, and as [`send`](Self::send).
    pub async fn ping(&mut self, payload: impl Into<Bytes>) -> Result<(), Error> {
        let mut accept = once(payload.into(), |connection, it| connection.ping(it));
        let position = poll_fn(|cx| self.poll_accept(None, cx, &mut accept)).await?;
        poll_fn(|cx| self.poll_sent(position, cx)).await
    }

    /// Sends a pong, which is for pings that are [shown](crate::Pings::Shown) and for heartbeats; returns when it is with
    /// the operating system.
    ///
    /// # Errors
    ///
    /// As [`ping`](Self::ping).
    pub async fn pong(&mut self, payload: impl Into<Bytes>) -> Result<(), Error> {
        let mut accept = once(payload.into(), |connection, it| connection.pong(it));
        let position = poll_fn(|cx| self.poll_accept(None, cx, &mut accept)).await?;
        poll_fn(|cx| self.poll_sent(position, cx)).await
    }

    /// Closes the connection, with `None` for a Close frame without a code, and returns how it ended.
    ///
    /// Messages that still come are dropped; who wants them calls [`start_close`](Self::start_close) and goes on
    /// with [`recv`](Self::recv). It takes at most [`Config::close_timeout`](crate::Config::close_timeout).
    pub async fn close(&mut self, frame: impl Into<Option<CloseFrame>>) -> Ended {
        self.start_close(frame);
        poll_fn(|cx| self.poll(SENDING, Until::Over, cx, Driver::poll_close)).await
    }

    /// Takes the connection apart into a half that sends and one that receives, for different tasks.
    ///
    /// ```no_run
    /// # async fn example(websocket: sansocket::tokio::WebSocket<tokio::net::TcpStream>) -> Result<(), sansocket::tokio::Error> {
    /// let (sender, mut receiver) = websocket.split();
    /// let ticker = sender.clone();
    /// tokio::spawn(async move { while ticker.send("tick").await.is_ok() {} });
    /// while let Some(message) = receiver.recv().await? {
    ///     sender.send(message).await?;
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// There is no task behind them and no queue between them: whichever half is waited on moves the bytes of both, and a
    /// sender that has to wait does not keep the receiver from receiving.
    pub fn split(self) -> (Sender<T>, Receiver<T>) {
        let mut driver = *self.driver;
        driver.set_listener(Listener::Other);
        driver.share();
        let split = Arc::new(Split::new(driver));
        (Sender::new(split.clone(), SENDING), Receiver::new(split))
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin> WebSocket<T> {
    fn poll_accept(
        &mut self,
        lane: Option<Place>,
        cx: &mut Context<'_>,
        accept: impl FnOnce(&mut Connection) -> Result<(), SendError>,
    ) -> Poll<Result<u64, Error>> {
        self.poll(SENDING, Until::Room(lane), cx, |driver, cx| driver.poll_accept(lane, cx, accept))
    }

    fn poll_sent(&mut self, position: u64, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.poll(SENDING, Until::Sent(position), cx, |driver, cx| driver.poll_sent(position, cx))
    }

    /// Polls for the task that has this connection to itself as long as it waits, unless others wait for a stream or a sink.
    #[inline]
    fn poll<R>(
        &mut self,
        place: Place,
        until: Until,
        cx: &mut Context<'_>,
        poll: impl FnOnce(&mut Driver<T>, &mut Context<'_>) -> Poll<R>,
    ) -> Poll<R> {
        if self.driver.is_alone() {
            return self.driver.poll_alone(cx, poll);
        }
        Line::straight(&mut self.driver, place).poll(until, cx, poll)
    }
}

impl<T> WebSocket<T> {
    pub(super) fn new(driver: Driver<T>) -> Self {
        Self {
            driver: Box::new(driver),
            #[cfg(feature = "futures")]
            told: false,
        }
    }

    /// Queues a message at once, or gives it back. What is queued leaves when the task next waits.
    ///
    /// # Errors
    ///
    /// [`NotSent`], with the message: there is no room, or a message is being sent in chunks, or the connection is
    /// closed for sending.
    pub fn try_send(&mut self, message: impl Into<Outgoing>) -> Result<(), NotSent> {
        self.driver.try_send(message.into())
    }

    /// Queues a message at once, and where there is no room does what `overflow` says. See
    /// [`Connection::post`](crate::Connection::post).
    ///
    /// # Errors
    ///
    /// [`SendError::Closed`].
    pub fn post(&mut self, message: impl Into<Outgoing>, overflow: Overflow) -> Result<Posted, SendError> {
        self.driver.pump.connection.post(message, overflow)
    }

    /// Queues a Close frame behind all that is queued, unless the connection is closing or over; `None` for one
    /// without a code.
    pub fn start_close(&mut self, frame: impl Into<Option<CloseFrame>>) {
        // An error says that the connection is closing already.
        let _ = self.driver.pump.connection.close(frame);
    }

    /// How the connection ended, once [`recv`](Self::recv) has given `None` or an error.
    pub fn ended(&self) -> Option<Ended> {
        self.driver.pump.ended()
    }

    /// The subprotocol that both ends speak.
    pub fn subprotocol(&self) -> Option<&str> {
        self.connection().negotiated().subprotocol.as_deref()
    }

    /// The machine.
    pub fn connection(&self) -> &Connection {
        &self.driver.pump.connection
    }

    /// The stream. To read from it or write to it breaks the connection.
    pub fn stream(&self) -> &T {
        &self.driver.pump.io
    }

    /// Takes it apart: the stream, the machine with what it has not yet written, and what was read behind the last
    /// event. A message that came during a send and was not yet received is lost.
    pub fn into_parts(self) -> (T, Connection, BytesMut) {
        let pump = self.driver.pump;
        (pump.io, pump.connection, pump.input)
    }

    pub(super) fn receiving(&mut self) -> Line<'_, T> {
        Line::straight(&mut self.driver, RECEIVING)
    }

    pub(super) fn sending(&mut self) -> Line<'_, T> {
        Line::straight(&mut self.driver, SENDING)
    }
}
