//! The outbound pipe: messages → bytes. Never reads. RFC 6455 §6.1.
//!
//! deflate → fragment → header → mask, in that order, each byte once: masking is the copy.

mod deadline;
mod keys;
mod open;
mod pongs;
mod transmit;

use alloc::boxed::Box;
use core::time::Duration;

use bytes::{Buf, Bytes, BytesMut};

use crate::{
    config::{Compress, Compression, Config, Negotiated},
    deflate::{Deflater, Direction},
    error::{ProtocolError, SendError, TimedOut},
    event::{Chunk, Event, Kind, Message},
    frame::{CloseFrame, Header, MAX_CONTROL, OpCode, RSV1},
};
use deadline::{Deadlines, Flow, Waiting};
use keys::Keys;
use open::OpenMessage;
use pongs::Pongs;
pub use transmit::Transmit;

/// The sending half of a [`Connection`](crate::Connection).
///
/// It turns what the application says, and what the receiver is owed an answer for, into bytes that wait in
/// [`transmit`](Self::transmit). Nothing that it is told is lost: it is either queued or refused.
#[derive(Debug)]
pub struct Sender {
    keys: Keys,
    unsent_limit: usize,
    compress: Compress,
    deflater: Option<Deflater>,
    transmit: Transmit,
    /// The message that is being sent in chunks.
    message: Option<OpenMessage>,
    pongs: Pongs,
    /// Our Close frame, once it is queued.
    closed: Option<Option<CloseFrame>>,
    /// The stream can no longer be written to.
    abandoned: bool,
    /// The stream has ended.
    eof: bool,
    timed_out: Option<TimedOut>,
    deadlines: Deadlines,
}

impl Sender {
    pub(crate) fn server(config: &Config, negotiated: &Negotiated) -> Self {
        Self::new(config, Keys::Server, negotiated.deflate.map(|params| params.server()))
    }

    pub(crate) fn client(
        config: &Config,
        negotiated: &Negotiated,
        keys: impl FnMut() -> [u8; 4] + Send + Sync + 'static,
    ) -> Self {
        let deflate = negotiated.deflate.map(|params| params.client());
        Self::new(config, Keys::Client(Box::new(keys)), deflate)
    }

    fn new(config: &Config, keys: Keys, deflate: Option<Direction>) -> Self {
        let Compression { level, when } = config.compression;
        Self {
            keys,
            compress: when,
            deflater: deflate.and_then(|direction| Deflater::new(direction, level)),
            unsent_limit: config.limits.unsent,
            transmit: Transmit::default(),
            message: None,
            pongs: Pongs::new(config.limits.control),
            closed: None,
            abandoned: false,
            eof: false,
            timed_out: None,
            deadlines: Deadlines::new(config),
        }
    }

    /// Queues a whole message, as one frame, compressed as the configuration says.
    ///
    /// # Errors
    ///
    /// [`SendError::Closed`], [`SendError::Full`] and [`SendError::MessageOpen`].
    pub fn send(&mut self, message: impl Into<Message>) -> Result<(), SendError> {
        self.send_with(message, self.compress)
    }

    /// Queues a whole message, as one frame, compressed as `compress` says if the peer agreed to compression.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send).
    pub fn send_with(&mut self, message: impl Into<Message>, compress: Compress) -> Result<(), SendError> {
        self.check_room()?;
        // §5.4: the fragments of one message are not interleaved with another message.
        if self.message.is_some() {
            return Err(SendError::MessageOpen);
        }
        let message = message.into();
        let opcode = opcode(message.kind());
        let deflater = self.deflater.as_mut().filter(|_| compress.covers(message.len()));
        match deflater.and_then(|deflater| deflater.deflate(message.as_bytes())) {
            Some(payload) => self.write(true, RSV1, opcode, payload),
            None => self.write(true, 0, opcode, message.into_bytes()),
        }
        Ok(())
    }

    /// Queues a piece of a message, as one fragment. Control frames may go between the fragments, other messages
    /// may not. The first piece decides whether the message is compressed.
    ///
    /// # Errors
    ///
    /// [`SendError::Closed`], [`SendError::Full`], [`SendError::KindChanged`] and [`SendError::NotUtf8`].
    pub fn send_chunk(&mut self, chunk: Chunk) -> Result<(), SendError> {
        self.check_room()?;
        let begun = self.message;
        let is_deflated = self.deflater.is_some() && self.compress.covers(chunk.data.len());
        let mut message = begun.unwrap_or(OpenMessage::new(chunk.kind, is_deflated));
        message.check(&chunk)?;
        // §5.4: the first fragment says what the message is, the others continue it; RFC 7692 §6.1: the first one
        // also says that it is compressed.
        let (rsv, opcode) = match begun {
            Some(_) => (0, OpCode::Continuation),
            None => (if message.is_deflated { RSV1 } else { 0 }, opcode(chunk.kind)),
        };
        let payload = match self.deflater.as_mut().filter(|_| message.is_deflated) {
            Some(deflater) if chunk.fin => deflater.finish(&chunk.data),
            Some(deflater) => deflater.compress(&chunk.data),
            None => chunk.data,
        };
        self.message = (!chunk.fin).then_some(message);
        self.write(chunk.fin, rsv, opcode, payload);
        Ok(())
    }

    /// Queues a ping.
    ///
    /// # Errors
    ///
    /// [`SendError::Closed`], [`SendError::Full`], and [`SendError::ControlTooLong`] above 125 bytes.
    pub fn ping(&mut self, payload: impl Into<Bytes>) -> Result<(), SendError> {
        self.control(OpCode::Ping, payload.into())
    }

    /// Queues a pong that nobody asked for, as a heartbeat (§5.5.3). Pings are answered without it.
    ///
    /// # Errors
    ///
    /// [`SendError::Closed`], [`SendError::Full`], and [`SendError::ControlTooLong`] above 125 bytes.
    pub fn pong(&mut self, payload: impl Into<Bytes>) -> Result<(), SendError> {
        self.control(OpCode::Pong, payload.into())
    }

    /// Queues a Close frame, `None` for one without a code, behind all that is queued. Nothing can be sent after it.
    ///
    /// # Errors
    ///
    /// [`SendError::Closed`] if a Close frame was sent before, or the connection is over.
    pub fn close(&mut self, frame: impl Into<Option<CloseFrame>>) -> Result<(), SendError> {
        if self.is_closed() {
            return Err(SendError::Closed);
        }
        self.write_close(frame.into());
        Ok(())
    }

    /// The hinge: answers what the receiver returned. A ping gets its pong, a Close frame is echoed, and a breach
    /// is told to the peer. Every result of a [`Receiver`](crate::Receiver) belongs here, in order.
    pub fn reply<D>(&mut self, received: &Result<Option<Event<D>>, ProtocolError>) {
        match received {
            Ok(Some(Event::Ping(payload))) => self.answer(payload),
            Ok(Some(Event::Close(frame))) => self.echo(frame.as_ref()),
            Err(error) => self.fail(*error),
            Ok(_) => {}
        }
    }

    /// The bytes that wait for the wire.
    pub fn transmit(&mut self) -> &mut Transmit {
        self.write_pong();
        &mut self.transmit
    }

    /// How many bytes wait for the wire, a pong that is kept for later included.
    pub fn unsent(&self) -> usize {
        let kept = self.pongs.kept().map_or(0, |payload| self.keys.header_len() + payload.len());
        self.transmit.remaining() + kept
    }

    /// Whether the unsent output is below its limit, so that a message can be sent.
    pub fn has_room(&self) -> bool {
        self.unsent() == 0 || self.unsent() < self.unsent_limit
    }

    /// Tells the sender the time, and how many bytes the receiver has [`heard`](crate::Receiver::heard); returns when
    /// it wants to be told again. See [`Connection::tick`](crate::Connection::tick).
    ///
    /// # Errors
    ///
    /// The deadline that passed. Every later call gives the same error.
    pub fn tick(&mut self, now: Duration, heard: u64) -> Result<Option<Duration>, TimedOut> {
        if let Some(timed_out) = self.timed_out {
            return Err(timed_out);
        }
        let flow = Flow { heard, sent: self.transmit.sent(), unsent: self.unsent() };
        match self.deadlines.tick(now, flow, self.waiting()) {
            Ok(true) => self.write(true, 0, OpCode::Ping, Bytes::new()),
            Ok(false) => {}
            Err(timed_out) => {
                self.timed_out = Some(timed_out);
                self.abandon();
                return Err(timed_out);
            }
        }
        Ok(self.deadlines.next())
    }

    /// Tells the sender that nothing has been read lately, so that the peer's silence is no sign. See
    /// [`Connection::tick_unread`](crate::Connection::tick_unread).
    pub fn excuse_silence(&mut self, now: Duration) {
        self.deadlines.excuse_silence(now);
    }

    /// Tells the sender that the stream has ended: once all is written there is nothing left to wait for.
    pub fn receive_eof(&mut self) {
        self.eof = true;
    }

    /// Drops all that waits and refuses what comes: for a stream that can no longer be written to.
    pub fn abandon(&mut self) {
        self.transmit.clear();
        self.deflater = None;
        self.pongs.forget();
        self.abandoned = true;
    }

    /// Our Close frame: `None` before it is queued, `Some(None)` if it has no code.
    pub fn sent_close(&self) -> Option<Option<&CloseFrame>> {
        self.closed.as_ref().map(Option::as_ref)
    }

    /// The deadline that passed, if one did.
    pub const fn timed_out(&self) -> Option<TimedOut> {
        self.timed_out
    }

    fn check_room(&self) -> Result<(), SendError> {
        if self.is_closed() {
            return Err(SendError::Closed);
        }
        if self.has_room() { Ok(()) } else { Err(SendError::Full) }
    }

    /// Whether nothing more can be said.
    pub(crate) const fn is_closed(&self) -> bool {
        self.closed.is_some() || self.abandoned || self.eof
    }

    const fn waiting(&self) -> Waiting {
        if self.is_closed() { Waiting::Closing } else { Waiting::Open }
    }

    fn control(&mut self, opcode: OpCode, payload: Bytes) -> Result<(), SendError> {
        self.check_room()?;
        // §5.5: control frames have a payload of 125 bytes or less.
        if payload.len() > MAX_CONTROL {
            return Err(SendError::ControlTooLong);
        }
        self.write(true, 0, opcode, payload);
        Ok(())
    }

    /// §5.5.2: a ping is answered; §5.5.3: where several wait, answering the latest is enough.
    fn answer(&mut self, payload: &Bytes) {
        if self.abandoned {
            return;
        }
        self.pongs.keep(payload.clone());
        self.write_pong();
    }

    fn write_pong(&mut self) {
        let before = self.transmit.remaining();
        if let Some(payload) = self.pongs.take(self.transmit.sent(), before) {
            self.write(true, 0, OpCode::Pong, payload);
            let after = self.transmit.remaining();
            self.pongs.add(after - before, self.transmit.sent() + after as u64);
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

    fn write_close(&mut self, frame: Option<CloseFrame>) {
        let mut payload = BytesMut::new();
        if let Some(frame) = &frame {
            frame.write(&mut payload);
        }
        self.closed = Some(frame);
        self.deflater = None;
        self.write(true, 0, OpCode::Close, payload.freeze());
    }

    fn write(&mut self, fin: bool, rsv: u8, opcode: OpCode, payload: Bytes) {
        let masking_key = self.keys.next();
        let header = Header { fin, rsv, opcode, masking_key, payload_len: payload.len() as u64 };
        self.transmit.push(&header, payload);
    }
}

const fn opcode(kind: Kind) -> OpCode {
    match kind {
        Kind::Text => OpCode::Text,
        Kind::Binary => OpCode::Binary,
    }
}
