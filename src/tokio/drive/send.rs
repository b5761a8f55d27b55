//! What is sent, by whoever has the lane.

use core::task::{Context, Poll, ready};

use ::tokio::io::{AsyncRead, AsyncWrite};

use super::{Driver, Listener};
use crate::{
    connection::Connection,
    error::SendError,
    frame::{CloseCode, CloseFrame},
    send::Outgoing,
    tokio::{
        Error, NotSent, trace,
        wakers::{Place, RECEIVING, Until},
    },
};

impl<T: AsyncRead + AsyncWrite + Unpin> Driver<T> {
    /// Ready when `accept` has queued something, with the position where it ends, or why nothing can be queued. Control
    /// frames have no lane: they go between the fragments of any message (§5.4).
    pub(in crate::tokio) fn poll_accept(
        &mut self,
        lane: Option<Place>,
        cx: &mut Context<'_>,
        accept: impl FnOnce(&mut Connection) -> Result<(), SendError>,
    ) -> Poll<Result<u64, Error>> {
        if !self.has_room(lane) {
            let _ = self.poll_attend(cx);
            if !self.has_room(lane) {
                return self
                    .pump
                    .check_open()
                    .map_or_else(|error| Poll::Ready(Err(error)), |()| Poll::Pending);
            }
        }
        self.pump.check_open()?;
        self.pump.queue(accept)?;
        trace::queued(self.pump.connection.unsent());
        match lane {
            Some(lane) => self.lane = lane,
            // The round trip of a ping begins here.
            None => self.pump.mark(),
        }
        Poll::Ready(Ok(self.pump.position()))
    }

    /// Ready when `accept` has queued something and that is with the system.
    pub(in crate::tokio) fn poll_send(
        &mut self,
        lane: Option<Place>,
        until: &mut Until,
        cx: &mut Context<'_>,
        accept: impl FnOnce(&mut Connection) -> Result<(), SendError>,
    ) -> Poll<Result<(), Error>> {
        let position = match *until {
            Until::Sent(position) => position,
            _ => ready!(self.poll_accept(lane, cx, accept))?,
        };
        *until = Until::Sent(position);
        self.poll_sent(position, cx)
    }

    /// Ready when all that was queued up to this position is with the system.
    pub(in crate::tokio) fn poll_sent(
        &mut self,
        position: u64,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), Error>> {
        if self.pump.poll_write(cx).is_pending() || self.is_deaf() {
            let _ = self.poll_attend(cx);
        }
        self.has_sent = true;
        if self.pump.is_sent(position) {
            return Poll::Ready(self.pump.check_stream());
        }
        if self.pump.is_lost() { Poll::Ready(Err(self.pump.loss())) } else { Poll::Pending }
    }

    /// Whether nobody may be there to receive: an application that never asks for messages has its pings answered all the
    /// same.
    fn is_deaf(&self) -> bool {
        match self.listener {
            Listener::Same => self.has_sent,
            Listener::Other => self.has_sent && !self.wakers.is_taken(RECEIVING),
            Listener::Nobody => true,
        }
    }
}

impl<T> Driver<T> {
    /// Queues a message of the only task, if that is possible at once; gives it back otherwise.
    #[inline]
    pub(in crate::tokio) fn feed(&mut self, message: Outgoing) -> Option<Outgoing> {
        if !self.is_alone() || self.pump.connection.check_send().is_err() {
            return Some(message);
        }
        self.pump.push(message);
        trace::queued(self.pump.connection.unsent());
        None
    }

    /// Queues a message at once, or gives it back.
    pub(in crate::tokio) fn try_send(&mut self, message: Outgoing) -> Result<(), NotSent> {
        if let Err(error) = self.pump.connection.check_send() {
            return Err(NotSent { message, error });
        }
        self.pump.push(message);
        Ok(())
    }

    /// The sender in this lane is gone: a message that it has left unfinished must not look finished (§5.4).
    pub(in crate::tokio) fn release(&mut self, lane: Place) {
        if self.lane == lane && self.pump.connection.is_message_open() {
            let frame = CloseFrame::new(CloseCode::INTERNAL_ERROR, "message abandoned");
            // An error says that the connection is closing already.
            let _ = self.pump.connection.close(frame.ok());
        }
    }

    /// What was begun in one lane goes on in another.
    pub(in crate::tokio) fn move_lane(&mut self, from: Place, to: Place) {
        if self.lane == from {
            self.lane = to;
        }
    }

    /// Whether something can be queued, or refused at once. A message that was begun in another lane is waited for.
    pub(super) fn has_room(&self, lane: Option<Place>) -> bool {
        match self.pump.connection.check_send() {
            Err(SendError::Full) => false,
            Err(SendError::MessageOpen) => lane.is_none_or(|lane| lane == self.lane),
            _ => true,
        }
    }
}
