//! The adapter for tokio: the only place with sockets, tasks, a clock and the system's randomness. Feature `tokio`.
//!
//! [`accept`] and [`connect`] make a [`WebSocket`]; [`receive_offer`] and [`client`] do so in more steps or over
//! other streams; and [`WebSocket::from_parts`] takes over a stream whose opening handshake somebody else has done.
//!
//! # When bytes leave
//!
//! [`send`](WebSocket::send) returns when the message is with the operating system. [`feed`](WebSocket::feed) only
//! queues it; what is queued leaves at the latest when the task next waits in [`recv`](WebSocket::recv),
//! [`flush`](WebSocket::flush) or [`close`](WebSocket::close). So a loop of `recv` and `feed` answers requests that came
//! together in one write. Pongs and Close frames leave by the same rule, whether the application receives or sends.
//!
//! # Dropping futures
//!
//! Every future of this module can be dropped at any await. What was received is kept for the next `recv`. A message
//! is accepted whole or not at all: `send` and `feed` accept it at the first poll that finds the unsent output
//! below its limit ([`Limits::unsent`](crate::Limits::unsent)), which is the first poll of all unless the peer is
//! slow. From then on it is sent once, by whichever call comes next, even if the future is dropped.
//!
//! # Deadlines
//!
//! They run while a task waits in a call on the connection: this module has no task of its own. While a message that has
//! come is not asked for, nothing more is read, and the peer's silence says nothing: then it only has to take the output
//! that waits. The runtime needs its timer and I/O drivers enabled.

mod accept;
mod block;
mod clock;
mod connect;
mod drive;
mod ended;
mod entropy;
mod error;
mod record;
#[cfg(feature = "futures")]
mod stream;
mod wakers;

use core::future::poll_fn;

use ::tokio::io::{AsyncRead, AsyncWrite};
use bytes::{Bytes, BytesMut};

pub use self::{
    accept::{Incoming, accept, accept_with, receive_offer},
    connect::{client, client_with, connect, connect_with},
    ended::Ended,
    error::Error,
    record::Recorded,
};
use crate::{
    config::Compress,
    connection::Connection,
    event::{Chunk, Message},
    frame::CloseFrame,
};
use drive::Driver;

/// What one read of an opening handshake can bring: most heads whole.
const READ: usize = 2 << 10;

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
    driver: Driver<T>,
    #[cfg(feature = "futures")]
    told: bool,
}

impl<T: AsyncRead + AsyncWrite + Unpin> WebSocket<T> {
    /// Takes over a stream after its opening handshake, with the bytes that were read behind it.
    pub fn from_parts(io: T, connection: Connection, input: BytesMut) -> Self {
        Self {
            driver: Driver::new(io, connection, input),
            #[cfg(feature = "futures")]
            told: false,
        }
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
    pub async fn recv(&mut self) -> Result<Option<Message>, Error> {
        poll_fn(|cx| self.driver.poll_recv(cx)).await
    }

    /// Receives the next piece of a message, as it arrives, however large the message is; `None` when both ends have
    /// closed. A call of [`recv`](Self::recv) skips what is left of the message.
    ///
    /// # Errors
    ///
    /// As [`recv`](Self::recv).
    pub async fn recv_chunk(&mut self) -> Result<Option<Chunk>, Error> {
        poll_fn(|cx| self.driver.poll_recv_chunk(cx)).await
    }

    /// Sends a message; returns when it is with the operating system.
    ///
    /// An application that only sends has its pings answered all the same, and a Close frame too, up to the first
    /// message that comes: it is held until [`recv`](Self::recv) asks for it, and what is behind it waits.
    ///
    /// # Errors
    ///
    /// [`Error::Send`] after a Close frame or within a message in chunks, or why the connection is over.
    pub async fn send(&mut self, message: impl Into<Message>) -> Result<(), Error> {
        self.feed(message).await?;
        self.flush().await
    }

    /// Queues a message; waits only while the unsent output is at its limit.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send).
    pub async fn feed(&mut self, message: impl Into<Message>) -> Result<(), Error> {
        poll_fn(|cx| self.driver.poll_room(cx)).await?;
        Ok(self.driver.connection.send(message)?)
    }

    /// Sends a message compressed as `compress` says, if the peer agreed to compression; returns when it is with the
    /// operating system.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send).
    pub async fn send_with(&mut self, message: impl Into<Message>, compress: Compress) -> Result<(), Error> {
        poll_fn(|cx| self.driver.poll_room(cx)).await?;
        self.driver.connection.send_with(message, compress)?;
        self.flush().await
    }

    /// Queues a piece of a message as one fragment; waits only while the unsent output is at its limit.
    ///
    /// # Errors
    ///
    /// As [`send_chunk`](Self::send_chunk).
    pub async fn feed_chunk(&mut self, chunk: Chunk) -> Result<(), Error> {
        poll_fn(|cx| self.driver.poll_room(cx)).await?;
        Ok(self.driver.connection.send_chunk(chunk)?)
    }

    /// Sends a piece of a message as one fragment; returns when it is with the operating system.
    ///
    /// # Errors
    ///
    /// [`Error::Send`] after a Close frame, for a chunk of another kind than its message, and for text that is not
    /// UTF-8; or why the connection is over.
    pub async fn send_chunk(&mut self, chunk: Chunk) -> Result<(), Error> {
        self.feed_chunk(chunk).await?;
        self.flush().await
    }

    /// Writes all that is queued; returns when it is with the operating system.
    ///
    /// # Errors
    ///
    /// Why the connection is over, if it is.
    pub async fn flush(&mut self) -> Result<(), Error> {
        poll_fn(|cx| self.driver.poll_flush(cx)).await
    }

    /// Sends a ping; returns when it is with the operating system.
    ///
    /// # Errors
    ///
    /// [`Error::Send`] for a payload above 125 bytes, and as [`send`](Self::send).
    pub async fn ping(&mut self, payload: impl Into<Bytes>) -> Result<(), Error> {
        poll_fn(|cx| self.driver.poll_room(cx)).await?;
        self.driver.connection.ping(payload)?;
        self.flush().await
    }

    /// Closes the connection, with `None` for a Close frame without a code, and returns how it ended.
    ///
    /// Messages that still come are dropped; who wants them calls [`start_close`](Self::start_close) and goes on
    /// with [`recv`](Self::recv). It takes at most [`Config::close_timeout`](crate::Config::close_timeout).
    pub async fn close(&mut self, frame: impl Into<Option<CloseFrame>>) -> Ended {
        self.start_close(frame);
        poll_fn(|cx| self.driver.poll_close(cx)).await
    }

    /// Queues a Close frame behind all that is queued, unless the connection is closing or over; `None` for one
    /// without a code.
    pub fn start_close(&mut self, frame: impl Into<Option<CloseFrame>>) {
        // An error says that the connection is closing already.
        let _ = self.driver.connection.close(frame);
    }

    /// How the connection ended, once [`recv`](Self::recv) has given `None` or an error.
    pub fn ended(&self) -> Option<Ended> {
        self.driver.ended()
    }
}

impl<T> WebSocket<T> {
    /// The subprotocol that both ends speak.
    pub fn subprotocol(&self) -> Option<&str> {
        self.driver.connection.negotiated().subprotocol.as_deref()
    }

    /// The machine.
    pub const fn connection(&self) -> &Connection {
        &self.driver.connection
    }

    /// The stream. To read from it or write to it breaks the connection.
    pub const fn stream(&self) -> &T {
        &self.driver.io
    }

    /// Takes it apart: the stream, the machine with what it has not yet written, and what was read behind the last
    /// event. A message that came during a send and was not yet received is lost.
    pub fn into_parts(self) -> (T, Connection, BytesMut) {
        (self.driver.io, self.driver.connection, self.driver.input)
    }
}
