//! The half of a connection that sends, for any number of tasks.

use std::sync::Arc;

use ::tokio::io::{AsyncRead, AsyncWrite};
use bytes::Bytes;

#[cfg(feature = "futures")]
use super::stream::Outlet;
use super::{
    Ended, Error, NotSent, Writer,
    drive::Driver,
    line::Line,
    split::Split,
    wakers::{Place, Until},
};
use crate::{
    config::Compress,
    connection::Connection,
    error::SendError,
    event::{Chunk, Kind, Message},
    frame::CloseFrame,
    send::{Outgoing, Overflow, Posted},
};

/// The half of a connection that sends, of [`WebSocket::split`](super::WebSocket::split).
///
/// Clones send over the same connection, from any task: whole messages never interleave, and what one task sends stays in
/// order. A task that waits here for room, or for its bytes to leave, keeps the connection going as a receiver does, up to
/// the first message that nobody has asked for yet.
#[derive(Debug)]
pub struct Sender<T> {
    pub(super) split: Arc<Split<T>>,
    /// Where it sends messages in chunks.
    pub(super) lane: Place,
    #[cfg(feature = "futures")]
    pub(super) sink: Outlet,
}

impl<T> Clone for Sender<T> {
    fn clone(&self) -> Self {
        Self::new(self.split.clone(), self.split.place())
    }
}

impl<T> Sender<T> {
    pub(super) fn new(split: Arc<Split<T>>, lane: Place) -> Self {
        Self {
            split,
            lane,
            #[cfg(feature = "futures")]
            sink: Outlet::default(),
        }
    }

    /// Queues a message at once, or gives it back. What is queued leaves with whichever task of the connection waits.
    ///
    /// # Errors
    ///
    /// [`NotSent`], with the message: there is no room, or another message is being sent in chunks, or the connection is
    /// closed for sending.
    pub fn try_send(&self, message: impl Into<Outgoing>) -> Result<(), NotSent> {
        let message = message.into();
        self.split.with(|driver| driver.try_send(message))
    }

    /// Queues a message at once, and where there is no room does what `overflow` says. See
    /// [`Connection::post`](crate::Connection::post).
    ///
    /// It leaves with whichever task of the connection waits. A task that posts to many connections in a loop without an await
    /// lets none of theirs run on its thread: yield after each broadcast.
    ///
    /// # Errors
    ///
    /// [`SendError::Closed`].
    pub fn post(&self, message: impl Into<Outgoing>, overflow: Overflow) -> Result<Posted, SendError> {
        let message = message.into();
        self.split.with(|driver| driver.pump.connection.post(message, overflow))
    }

    /// Queues a Close frame behind all that is queued, unless the connection is closing or over; `None` for one
    /// without a code.
    pub fn start_close(&self, frame: impl Into<Option<CloseFrame>>) {
        let frame = frame.into();
        // An error says that the connection is closing already.
        let _ = self.split.with(|driver| driver.pump.connection.close(frame));
    }

    /// Ends the connection here and now, without a word to the peer: what is queued is dropped, and every call in any
    /// task returns. The stream is closed when the last half is dropped.
    pub fn abort(&self) {
        self.split.with(|driver| driver.pump.abort());
    }

    /// How the connection ended, once it has.
    pub fn ended(&self) -> Option<Ended> {
        self.split.lock().pump.ended()
    }

    /// How many bytes wait for the wire. See [`Connection::unsent`](crate::Connection::unsent).
    pub fn unsent(&self) -> usize {
        self.inspect(Connection::unsent)
    }

    /// Looks at the machine. Other tasks wait as long as this takes.
    pub fn inspect<R>(&self, look: impl FnOnce(&Connection) -> R) -> R {
        look(&self.split.lock().pump.connection)
    }

    /// The way of one call, with a place of its own.
    fn line(&self) -> Line<'_, T> {
        Line::locked(&self.split, self.split.place())
    }

    /// The way of this sender, for calls of which there is one at a time.
    pub(super) fn own_line(&self) -> Line<'_, T> {
        Line::locked(&self.split, self.lane)
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin> Sender<T> {
    /// As [`WebSocket::send`](super::WebSocket::send).
    ///
    /// # Errors
    ///
    /// As [`WebSocket::send`](super::WebSocket::send).
    pub async fn send(&self, message: impl Into<Outgoing>) -> Result<(), Error> {
        self.line().send(Some(self.lane), message.into(), |connection, it| connection.send(it)).await
    }

    /// As [`WebSocket::send_with`](super::WebSocket::send_with).
    ///
    /// # Errors
    ///
    /// As [`WebSocket::send`](super::WebSocket::send).
    pub async fn send_with(&self, message: impl Into<Message>, compress: Compress) -> Result<(), Error> {
        let with = (message.into(), compress);
        self.line().send(Some(self.lane), with, |connection, (it, how)| connection.send_with(it, how)).await
    }

    /// As [`WebSocket::feed`](super::WebSocket::feed).
    ///
    /// # Errors
    ///
    /// As [`WebSocket::send`](super::WebSocket::send).
    pub async fn feed(&self, message: impl Into<Outgoing>) -> Result<(), Error> {
        self.line().feed(Some(self.lane), message.into(), |connection, it| connection.send(it)).await
    }

    /// As [`WebSocket::send_chunk`](super::WebSocket::send_chunk). Until its message is finished, the messages of other
    /// senders wait; a sender that is dropped before closes the connection with 1011.
    ///
    /// # Errors
    ///
    /// As [`WebSocket::send_chunk`](super::WebSocket::send_chunk).
    pub async fn send_chunk(&mut self, chunk: Chunk) -> Result<(), Error> {
        self.own_line().send(Some(self.lane), chunk, Connection::send_chunk).await
    }

    /// As [`WebSocket::feed_chunk`](super::WebSocket::feed_chunk), and as [`send_chunk`](Self::send_chunk).
    ///
    /// # Errors
    ///
    /// As [`WebSocket::send_chunk`](super::WebSocket::send_chunk).
    pub async fn feed_chunk(&mut self, chunk: Chunk) -> Result<(), Error> {
        self.own_line().feed(Some(self.lane), chunk, Connection::send_chunk).await
    }

    /// As [`WebSocket::writer`](super::WebSocket::writer).
    pub fn writer(&mut self, kind: Kind) -> Writer<'_, T> {
        Writer::new(self.own_line(), self.lane, kind)
    }

    /// Waits until a message can be queued: [`try_send`](Self::try_send) then succeeds, unless another sender is faster.
    ///
    /// # Errors
    ///
    /// As [`WebSocket::send`](super::WebSocket::send).
    pub async fn room(&self) -> Result<(), Error> {
        self.line().feed(Some(self.lane), (), |connection, ()| connection.check_send()).await
    }

    /// As [`WebSocket::flush`](super::WebSocket::flush): all that any sender has queued before this call, but for what was
    /// posted behind a message in chunks that has not ended.
    ///
    /// # Errors
    ///
    /// Why the connection is over, if it is.
    pub async fn flush(&self) -> Result<(), Error> {
        self.line().flush().await
    }

    /// As [`WebSocket::ping`](super::WebSocket::ping).
    ///
    /// # Errors
    ///
    /// As [`WebSocket::ping`](super::WebSocket::ping).
    pub async fn ping(&self, payload: impl Into<Bytes>) -> Result<(), Error> {
        self.line().send(None, payload.into(), |connection, it| connection.ping(it)).await
    }

    /// As [`WebSocket::pong`](super::WebSocket::pong).
    ///
    /// # Errors
    ///
    /// As [`WebSocket::ping`](super::WebSocket::ping).
    pub async fn pong(&self, payload: impl Into<Bytes>) -> Result<(), Error> {
        self.line().send(None, payload.into(), |connection, it| connection.pong(it)).await
    }

    /// Closes the connection, with `None` for a Close frame without a code, and returns how it ended.
    ///
    /// Messages that still come are for the receiver, which has to take them, or to be dropped: the peer's Close frame is
    /// behind them. It takes at most [`Config::close_timeout`](crate::Config::close_timeout).
    pub async fn close(&self, frame: impl Into<Option<CloseFrame>>) -> Ended {
        self.start_close(frame);
        self.closed().await
    }

    /// Waits until the connection is over, and returns how it ended. Without a receiver, this is what keeps a connection
    /// going that only sends: what the peer says is dropped, and its pings and its Close frame are answered.
    pub async fn closed(&self) -> Ended {
        self.line().wait(Until::Over, Driver::poll_over).await
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        let left = self.split.with(|driver| {
            let left = driver.leave(self.lane);
            driver.release(self.lane);
            left
        });
        drop(left);
    }
}
