//! The half of a connection that receives.

use core::fmt;
use std::{error, sync::Arc};

use ::tokio::io::{AsyncRead, AsyncWrite};

use super::{
    Ended, Error, Reader, Sender, WebSocket,
    drive::{Driver, Listener},
    line::Line,
    split::Split,
    wakers::{NOWHERE, RECEIVING, SENDING, Until},
};
use crate::{
    connection::Connection,
    event::{Chunk, Event, Message},
};

/// The half of a connection that receives, of [`WebSocket::split`].
///
/// While it waits it writes what the senders have queued, answers pings, keeps the connection alive, and finishes the
/// closing handshake. When it is dropped, what the peer still says is dropped too, while a sender waits for something.
#[derive(Debug)]
pub struct Receiver<T> {
    split: Arc<Split<T>>,
    #[cfg(feature = "futures")]
    pub(super) told: bool,
}

impl<T: AsyncRead + AsyncWrite + Unpin> Receiver<T> {
    pub(super) const fn new(split: Arc<Split<T>>) -> Self {
        Self {
            split,
            #[cfg(feature = "futures")]
            told: false,
        }
    }

    /// As [`WebSocket::recv`].
    ///
    /// # Errors
    ///
    /// As [`WebSocket::recv`].
    pub async fn recv(&mut self) -> Result<Option<Message>, Error> {
        self.line().wait(Until::Received, Driver::poll_message).await
    }

    /// As [`WebSocket::recv_event`].
    ///
    /// # Errors
    ///
    /// As [`WebSocket::recv`].
    pub async fn recv_event(&mut self) -> Result<Option<Event>, Error> {
        self.line().wait(Until::Received, Driver::poll_event).await
    }

    /// As [`WebSocket::recv_chunk`].
    ///
    /// # Errors
    ///
    /// As [`WebSocket::recv`].
    pub async fn recv_chunk(&mut self) -> Result<Option<Chunk>, Error> {
        self.line().wait(Until::Received, Driver::poll_chunk).await
    }

    /// As [`WebSocket::recv_reader`].
    ///
    /// # Errors
    ///
    /// As [`WebSocket::recv`].
    pub async fn recv_reader(&mut self) -> Result<Option<Reader<'_, T>>, Error> {
        Reader::begin(self.line()).await
    }

    /// Puts the halves together again.
    ///
    /// # Errors
    ///
    /// [`NotReunited`], with both halves, if the sender is of another connection or not the only one.
    pub fn reunite(self, mut sender: Sender<T>) -> Result<WebSocket<T>, NotReunited<T>> {
        if !Arc::ptr_eq(&self.split, &sender.split) || Arc::strong_count(&self.split) != 2 {
            return Err(NotReunited { receiver: self, sender });
        }
        let split = self.split.clone();
        // What the sender has begun, the connection goes on with.
        let lane = core::mem::replace(&mut sender.lane, NOWHERE);
        drop((self, sender));
        let driver = Arc::into_inner(split).map(Split::into_driver);
        let mut driver = driver.expect("no other half is left, and none can be made");
        driver.set_listener(Listener::Same);
        driver.forget_tasks();
        driver.move_lane(lane, SENDING);
        Ok(WebSocket::new(driver))
    }

    pub(super) fn line(&self) -> Line<'_, T> {
        Line::locked(&self.split, RECEIVING)
    }
}

impl<T> Receiver<T> {
    /// How the connection ended, once it has.
    pub fn ended(&self) -> Option<Ended> {
        self.split.lock().pump.ended()
    }

    /// Looks at the machine. Other tasks wait as long as this takes.
    pub fn inspect<R>(&self, look: impl FnOnce(&Connection) -> R) -> R {
        look(&self.split.lock().pump.connection)
    }
}

impl<T> Drop for Receiver<T> {
    fn drop(&mut self) {
        let left = self.split.with(|driver| {
            let left = driver.leave(RECEIVING);
            driver.set_listener(Listener::Nobody);
            left
        });
        drop(left);
    }
}

/// Halves that could not be put together.
#[derive(Debug)]
pub struct NotReunited<T> {
    /// The half that receives.
    pub receiver: Receiver<T>,
    /// The half that sends.
    pub sender: Sender<T>,
}

impl<T> fmt::Display for NotReunited<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the sender is of another connection, or not the only one")
    }
}

impl<T: fmt::Debug> error::Error for NotReunited<T> {}
