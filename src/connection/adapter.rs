//! What the adapter asks of the machine besides. Feature `tokio`.

use core::time::Duration;

use bytes::BytesMut;

use super::Connection;
use crate::{error::TimedOut, event::Message, receive::Receiver, send::Sender};

impl Connection {
    /// [`tick`](Self::tick), where the stream holds so many bytes of what has left back.
    pub(crate) fn tick_unflushed(
        &mut self,
        now: Duration,
        unflushed: usize,
    ) -> Result<Option<Duration>, TimedOut> {
        self.sender.tick_unflushed(now, self.receiver.heard(), unflushed)
    }

    /// The next message, if it is whole at the front of the input: [`receive`](Self::receive) with less ado.
    #[inline]
    pub(crate) fn receive_whole(&mut self, input: &mut BytesMut) -> Option<Message> {
        if self.timed_out().is_some() { None } else { self.receiver.receive_whole(input) }
    }

    /// A copy of the message, if it is whole at the front of these bytes, and the rest of them. No deadline has passed: the
    /// adapter reads nothing then.
    #[inline]
    pub(crate) fn receive_copy<'a>(&mut self, bytes: &'a [u8]) -> (Option<Message>, &'a [u8]) {
        self.receiver.receive_copy(bytes)
    }

    pub(crate) const fn receiver(&self) -> &Receiver {
        &self.receiver
    }

    pub(crate) const fn sender(&self) -> &Sender {
        &self.sender
    }

    pub(crate) const fn sender_mut(&mut self) -> &mut Sender {
        &mut self.sender
    }
}
