//! The hinge: what the machine says by itself, because of what was received. RFC 6455 §5.5, §7.1.7.

use bytes::Bytes;

use super::Sender;
use crate::{
    config::Pings,
    error::ProtocolError,
    event::Event,
    frame::{CloseFrame, OpCode},
};

impl Sender {
    /// The hinge: answers what the receiver returned. A ping gets its pong, a Close frame is echoed, and a breach
    /// is told to the peer. Every result of a [`Receiver`](crate::Receiver) belongs here, in order.
    #[inline]
    pub fn reply<D>(&mut self, received: &Result<Option<Event<D>>, ProtocolError>) {
        match received {
            Ok(Some(Event::Data(_)) | None) => {}
            Ok(Some(Event::Ping(payload))) => self.answer(payload),
            Ok(Some(Event::Pong(payload))) => self.round_trip.hear(payload),
            Ok(Some(Event::Close(frame))) => self.echo(frame.as_ref()),
            Err(error) => self.fail(*error),
        }
    }

    /// §5.5.2: a ping is answered; §5.5.3: where several wait, answering the latest is enough.
    fn answer(&mut self, payload: &Bytes) {
        if self.abandoned || self.pings == Pings::Shown {
            return;
        }
        self.pongs.keep(payload.clone());
        self.write_pong();
    }

    pub(super) fn write_pong(&mut self) {
        let before = self.encoder.unsent();
        if let Some(payload) = self.pongs.take(self.traffic().bytes, before) {
            self.encoder.control(OpCode::Pong, payload);
            let after = self.encoder.unsent();
            self.pongs.add(after - before, self.traffic().bytes + after as u64);
        }
    }

    /// §5.5.1: a Close frame is answered with one, which typically echoes the code.
    fn echo(&mut self, received: Option<&CloseFrame>) {
        self.pongs.forget();
        if !self.is_closed() {
            self.write_close(received.map(CloseFrame::without_reason));
        }
    }

    /// §7.1.7: a connection that fails says why in a Close frame, unless it has sent one.
    fn fail(&mut self, error: ProtocolError) {
        self.pongs.forget();
        match CloseFrame::for_error(error) {
            Some(frame) if !self.is_closed() => self.write_close(Some(frame)),
            Some(_) => {}
            None => self.receive_eof(),
        }
    }
}
