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
        if self.is_abandoned() || self.pings == Pings::Shown {
            return;
        }
        if !self.pongs.has_room(self.traffic().bytes) {
            return self.pongs.keep(payload.clone());
        }
        self.pongs.forget();
        self.write_pong(payload.clone());
    }

    /// Answers the ping that was kept, once there is room.
    #[cold]
    pub(super) fn answer_kept(&mut self) {
        if let Some(payload) = self.pongs.take(self.traffic().bytes) {
            self.write_pong(payload);
        }
    }

    fn write_pong(&mut self, payload: Bytes) {
        self.pongs.add(self.encoder.control_len(&payload), self.traffic().bytes, self.encoder.unsent());
        self.encoder.control(OpCode::Pong, payload);
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
