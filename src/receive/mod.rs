//! The inbound pipe: bytes → events. Never writes. RFC 6455 §6.2.
//!
//! header → admit → unmask → utf8 → assemble, in that order, each byte once.

mod admit;
mod assemble;

use bytes::{Buf, BytesMut};

use crate::{
    config::{Config, Limits, Role},
    error::ProtocolError,
    event::{Chunk, Event, Kind},
    frame::{CloseFrame, MaskingKey, OpCode, Start},
    utf8::Validator,
};
use admit::{admit_len, admit_start};
use assemble::{Assembly, take};

/// The receiving half of a [`Connection`](crate::Connection).
///
/// It judges and takes apart what the peer sends, and never answers: that is for
/// [`Sender::reply`](crate::Sender::reply), which is to be shown everything that a receiver returns.
#[derive(Debug)]
pub struct Receiver {
    role: Role,
    limits: Limits,
    frame: Option<OpenFrame>,
    message: Option<OpenMessage>,
    assembly: Assembly,
    /// The peer's Close frame, once it has come.
    closed: Option<Option<CloseFrame>>,
    failed: Option<ProtocolError>,
    eof: bool,
    heard: u64,
}

/// A frame whose header was admitted and whose payload is not all taken.
#[derive(Clone, Copy, Debug)]
struct OpenFrame {
    opcode: OpCode,
    fin: bool,
    /// Payload that has not been taken from the input.
    left: u64,
    /// How much of it stands at the front of the input unmasked and validated: `clear <= left`.
    clear: usize,
    /// Turned to the first byte that is not clear.
    key: MaskingKey,
}

/// A message whose last frame is not all taken.
#[derive(Debug)]
struct OpenMessage {
    kind: Kind,
    /// What its headers announced so far, in bytes.
    size: u64,
    fragments: u32,
    utf8: Validator,
}

/// Payload at the front of the input, ready to be taken.
#[derive(Clone, Copy, Debug)]
struct Piece {
    kind: Kind,
    len: usize,
    fin: bool,
}

/// Whether a message that is one frame is wanted in one piece.
#[derive(Clone, Copy, PartialEq, Eq)]
enum View {
    Messages,
    Chunks,
}

impl Receiver {
    pub(crate) fn new(role: Role, config: &Config) -> Self {
        Self {
            role,
            limits: config.limits,
            frame: None,
            message: None,
            assembly: Assembly::default(),
            closed: None,
            failed: None,
            eof: false,
            heard: 0,
        }
    }

    /// Takes bytes from the front of `input` up to the next event, with messages whole; `None`: feed more bytes.
    ///
    /// Of a message whose first chunks were taken with [`receive_chunk`](Self::receive_chunk), the rest is
    /// skipped.
    ///
    /// # Errors
    ///
    /// The rule that the peer broke. Every later call gives the same error.
    pub fn receive(&mut self, input: &mut BytesMut) -> Result<Option<Event>, ProtocolError> {
        while let Some(event) = self.next(input, View::Messages)? {
            match event {
                Event::Data(piece) => {
                    if let Some(message) = self.assembly.add(piece, input) {
                        return Ok(Some(Event::Data(message)));
                    }
                }
                Event::Ping(payload) => return Ok(Some(Event::Ping(payload))),
                Event::Pong(payload) => return Ok(Some(Event::Pong(payload))),
                Event::Close(frame) => return Ok(Some(Event::Close(frame))),
            }
        }
        Ok(None)
    }

    /// Takes bytes from the front of `input` up to the next event, with messages in chunks as they arrive, inside
    /// frames too; `None`: feed more bytes.
    ///
    /// # Errors
    ///
    /// The rule that the peer broke. Every later call gives the same error.
    pub fn receive_chunk(&mut self, input: &mut BytesMut) -> Result<Option<Event<Chunk>>, ProtocolError> {
        if let Some(chunk) = self.message.as_ref().and_then(|message| self.assembly.give_up(message.kind)) {
            return Ok(Some(Event::Data(chunk)));
        }
        Ok(self.next(input, View::Chunks)?.map(|event| match event {
            Event::Data(piece) => Event::Data(self.assembly.pass(piece, input)),
            Event::Ping(payload) => Event::Ping(payload),
            Event::Pong(payload) => Event::Pong(payload),
            Event::Close(frame) => Event::Close(frame),
        }))
    }

    /// Tells the receiver that the stream has ended; all that was read has been received before.
    ///
    /// # Errors
    ///
    /// [`ProtocolError::EofWithoutClose`], or the error that came before.
    pub fn receive_eof(&mut self) -> Result<(), ProtocolError> {
        self.eof = true;
        match self.failed {
            Some(error) => Err(error),
            // §7.1.5: an end without a Close frame is not a clean one.
            None if self.closed.is_none() => Err(self.fail(ProtocolError::EofWithoutClose)),
            None => Ok(()),
        }
    }

    /// The peer's Close frame: `None` before it has come, `Some(None)` if it gave no code.
    pub fn received_close(&self) -> Option<Option<&CloseFrame>> {
        self.closed.as_ref().map(Option::as_ref)
    }

    /// The rule that the peer broke, if it broke one.
    pub const fn error(&self) -> Option<ProtocolError> {
        self.failed
    }

    /// Whether the stream has ended.
    pub const fn is_eof(&self) -> bool {
        self.eof
    }

    /// How many bytes of frames have been taken in: it grows as long as the peer is alive.
    pub const fn heard(&self) -> u64 {
        self.heard
    }

    pub(crate) const fn role(&self) -> Role {
        self.role
    }

    fn next(&mut self, input: &mut BytesMut, view: View) -> Result<Option<Event<Piece>>, ProtocolError> {
        if let Some(error) = self.failed {
            input.clear();
            return Err(error);
        }
        // §5.5.1: nothing that follows a Close frame is looked at.
        if self.closed.is_some() {
            input.clear();
            return Ok(None);
        }
        self.step(input, view).map_err(|error| {
            input.clear();
            self.fail(error)
        })
    }

    /// The pipe: one frame, or as much of it as there is, into one event.
    fn step(&mut self, input: &mut BytesMut, view: View) -> Result<Option<Event<Piece>>, ProtocolError> {
        loop {
            if self.frame.is_none() && !self.open_frame(input)? {
                return Ok(None);
            }
            let Some(frame) = &mut self.frame else { return Ok(None) };
            let fresh = frame.unmask(input);
            self.heard += fresh.len() as u64;
            if frame.opcode.is_control() {
                return self.control(input);
            }
            self.validate(fresh)?;
            match self.piece(view) {
                // A fragment with nothing in it: on to the next frame.
                Some(Piece { len: 0, fin: false, .. }) => {}
                piece => return Ok(piece.map(Event::Data)),
            }
        }
    }

    /// Admits the next frame as soon as the bytes that speak against it are there; false if its header has not
    /// all arrived.
    fn open_frame(&mut self, input: &mut BytesMut) -> Result<bool, ProtocolError> {
        let Some((first, behind)) = input.split_first_chunk() else { return Ok(false) };
        let start = Start::parse(*first)?;
        admit_start(&start, self.role, self.message.as_ref(), &self.limits)?;
        let Some(payload_len) = start.payload_len(behind)? else { return Ok(false) };
        if !start.opcode.is_control() {
            admit_len(payload_len, self.message.as_ref(), &self.limits)?;
        }
        let Some(key) = start.masking_key(behind) else { return Ok(false) };

        input.advance(start.header_len());
        self.heard += start.header_len() as u64;
        self.open_message(start.opcode, payload_len);
        let Start { opcode, fin, .. } = start;
        self.frame = Some(OpenFrame { opcode, fin, left: payload_len, clear: 0, key });
        Ok(true)
    }

    fn open_message(&mut self, opcode: OpCode, payload_len: u64) {
        let kind = match opcode {
            OpCode::Text => Kind::Text,
            OpCode::Binary => Kind::Binary,
            OpCode::Continuation => {
                if let Some(message) = &mut self.message {
                    message.size += payload_len;
                    message.fragments += 1;
                }
                return;
            }
            OpCode::Close | OpCode::Ping | OpCode::Pong => return,
        };
        self.message = Some(OpenMessage { kind, size: payload_len, fragments: 1, utf8: Validator::new() });
    }

    /// Validates payload of a text message as it comes, so that it fails inside a frame (§8.1).
    fn validate(&mut self, fresh: &[u8]) -> Result<(), ProtocolError> {
        let (Some(frame), Some(message)) = (&self.frame, &mut self.message) else { return Ok(()) };
        if message.kind == Kind::Binary {
            return Ok(());
        }
        message.utf8.push(fresh).map_err(|_| ProtocolError::TextNotUtf8)?;
        if frame.fin && frame.is_clear() {
            message.utf8.finish().map_err(|_| ProtocolError::TextNotUtf8)?;
        }
        Ok(())
    }

    fn control(&mut self, input: &mut BytesMut) -> Result<Option<Event<Piece>>, ProtocolError> {
        let Some(frame) = self.frame.take_if(|frame| frame.is_clear()) else { return Ok(None) };
        let payload = take(input, frame.clear);
        Ok(Some(match frame.opcode {
            OpCode::Ping => Event::Ping(payload),
            OpCode::Pong => Event::Pong(payload),
            _ => {
                let close = CloseFrame::parse(&payload)?;
                self.closed = Some(close.clone());
                self.assembly = Assembly::default();
                Event::Close(close)
            }
        }))
    }

    /// What of the open data frame is ready to be taken.
    fn piece(&mut self, view: View) -> Option<Piece> {
        let (Some(frame), Some(message)) = (&mut self.frame, &self.message) else { return None };
        let is_whole_message = frame.fin && message.fragments == 1 && !self.assembly.is_skipping();
        if !frame.is_clear() && (frame.clear == 0 || view == View::Messages && is_whole_message) {
            return None;
        }
        let piece = Piece { kind: message.kind, len: frame.clear, fin: frame.fin && frame.is_clear() };
        frame.left -= frame.clear as u64;
        frame.clear = 0;
        self.frame.take_if(|frame| frame.left == 0);
        self.message.take_if(|_| piece.fin);
        Some(piece)
    }

    fn fail(&mut self, error: ProtocolError) -> ProtocolError {
        self.failed = Some(error);
        self.assembly = Assembly::default();
        error
    }
}

impl OpenFrame {
    /// Unmasks what is new of the payload (§5.3) and returns it.
    fn unmask<'a>(&mut self, input: &'a mut BytesMut) -> &'a [u8] {
        let available = usize::try_from(self.left).map_or(input.len(), |left| left.min(input.len()));
        let fresh = &mut input[self.clear..available];
        self.key.apply(fresh);
        self.clear = available;
        fresh
    }

    /// Whether all that is left of the payload is at the front of the input, unmasked.
    fn is_clear(&self) -> bool {
        self.clear as u64 == self.left
    }
}
