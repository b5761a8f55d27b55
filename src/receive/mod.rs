//! The inbound pipe: bytes → events. Never writes. RFC 6455 §6.2.
//!
//! header → admit → unmask → inflate → utf8 → assemble, in that order, each byte once. What is small and all there goes
//! through in one go: `whole.rs`.

mod admit;
mod assemble;
mod inflate;
mod open;
mod whole;

use alloc::boxed::Box;

use bytes::{Buf, BytesMut};

use crate::{
    config::{Config, Negotiated, Role},
    deflate::{Inflater, Params},
    error::ProtocolError,
    event::{Chunk, Event, Kind, Message, Traffic},
    frame::{CloseFrame, OpCode, Start},
};
use admit::{Terms, admit_len, admit_start};
use assemble::{Assembly, take};
use open::{OpenFrame, OpenMessage};
use whole::Whole;

/// The receiving half of a [`Connection`](crate::Connection).
///
/// It judges and takes apart what the peer sends, and never answers: that is for
/// [`Sender::reply`](crate::Sender::reply), which is to be shown everything that a receiver returns.
#[derive(Debug)]
pub struct Receiver {
    terms: Terms,
    inflater: Option<Box<Inflater>>,
    frame: Option<OpenFrame>,
    message: Option<Box<OpenMessage>>,
    /// Nothing in ordinary life.
    end: Option<Box<End>>,
    traffic: Traffic,
}

/// How it has ended.
#[derive(Debug, Default)]
struct End {
    /// The peer's Close frame, once it has come.
    closed: Option<Option<CloseFrame>>,
    failed: Option<ProtocolError>,
    eof: bool,
}

/// Payload that is ready to be taken.
#[derive(Clone, Copy, Debug)]
struct Piece {
    kind: Kind,
    place: Place,
    len: usize,
    fin: bool,
}

/// Where a piece stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// At the front of the input.
    Input,
    /// Behind what is assembled: it was inflated there.
    Assembly,
}

/// Whether a message that is one frame is wanted in one piece.
#[derive(Clone, Copy, PartialEq, Eq)]
enum View {
    Messages,
    Chunks,
}

impl Receiver {
    pub(crate) fn new(role: Role, config: &Config, negotiated: &Negotiated) -> Self {
        let peer = |params: Params| match role {
            Role::Client => params.server(),
            Role::Server => params.client(),
        };
        let inflater = negotiated.deflate.map(peer).and_then(Inflater::new);
        Self {
            terms: Terms::new(role, &config.limits, inflater.is_some()),
            inflater: inflater.map(Box::new),
            frame: None,
            message: None,
            end: None,
            traffic: Traffic::default(),
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
    #[inline]
    pub fn receive(&mut self, input: &mut BytesMut) -> Result<Option<Event>, ProtocolError> {
        if let Some(message) = self.receive_whole(input) {
            return Ok(Some(Event::Data(message)));
        }
        self.messages(input)
    }

    /// Takes bytes from the front of `input` up to the next event, with messages in chunks as they arrive, inside
    /// frames too; `None`: feed more bytes. Of a message that a call of [`receive`](Self::receive) has begun to skip,
    /// the rest is skipped here as well.
    ///
    /// # Errors
    ///
    /// The rule that the peer broke. Every later call gives the same error.
    #[inline]
    pub fn receive_chunk(&mut self, input: &mut BytesMut) -> Result<Option<Event<Chunk>>, ProtocolError> {
        if let Some(whole) = self.whole(input) {
            return Ok(Some(Event::Data(whole.into())));
        }
        self.chunks(input)
    }

    /// Tells the receiver that the stream has ended; all that was read has been received before.
    ///
    /// # Errors
    ///
    /// [`ProtocolError::EofWithoutClose`], or the error that came before.
    pub fn receive_eof(&mut self) -> Result<(), ProtocolError> {
        self.end.get_or_insert_default().eof = true;
        match self.error() {
            Some(error) => Err(error),
            // §7.1.5: an end without a Close frame is not a clean one.
            None if self.received_close().is_none() => Err(self.fail(ProtocolError::EofWithoutClose)),
            None => Ok(()),
        }
    }

    /// The peer's Close frame: `None` before it has come, `Some(None)` if it gave no code.
    pub fn received_close(&self) -> Option<Option<&CloseFrame>> {
        self.end.as_ref()?.closed.as_ref().map(Option::as_ref)
    }

    /// The rule that the peer broke, if it broke one.
    pub fn error(&self) -> Option<ProtocolError> {
        self.end.as_ref()?.failed
    }

    /// Whether the stream has ended.
    pub fn is_eof(&self) -> bool {
        self.end.as_ref().is_some_and(|end| end.eof)
    }

    /// How many bytes of frames have been taken in: it grows as long as the peer is alive.
    pub const fn heard(&self) -> u64 {
        self.traffic.bytes
    }

    /// What was received: frames count when their header has come, messages when they are whole.
    pub const fn traffic(&self) -> Traffic {
        self.traffic
    }

    /// Whether nothing has ended it yet.
    #[inline]
    pub(crate) const fn is_running(&self) -> bool {
        self.end.is_none()
    }

    /// Whether something can come of an empty input: the error again, what is left in the inflater, or, in chunks, what
    /// has been assembled.
    #[inline]
    pub(crate) fn has_more(&self) -> bool {
        let is_left = |message: &OpenMessage| message.has_more(self.frame.as_ref());
        self.error().is_some() || self.message.as_deref().is_some_and(is_left)
    }

    /// How many bytes of the open frame are neither taken nor in the input.
    #[cfg(feature = "tokio")]
    pub(crate) fn missing(&self, input: &BytesMut) -> u64 {
        self.frame.as_ref().map_or(0, |frame| frame.left.saturating_sub(input.len() as u64))
    }

    pub(crate) const fn role(&self) -> Role {
        self.terms.role
    }

    /// The next message, if nothing has to be remembered for it.
    #[inline]
    pub(crate) fn receive_whole(&mut self, input: &mut BytesMut) -> Option<Message> {
        self.whole(input).map(Message::from)
    }

    /// A copy of the message at the front of these bytes, if nothing has to be remembered for it, and the rest of them.
    #[cfg(feature = "tokio")]
    #[inline]
    pub(crate) fn receive_copy<'a>(&mut self, bytes: &'a [u8]) -> (Option<Message>, &'a [u8]) {
        if self.is_between()
            && let Some(whole) = Whole::copy(bytes, &self.terms)
        {
            self.count(&whole);
            let rest = &bytes[whole.frame_len..];
            return (Some(whole.into()), rest);
        }
        (None, bytes)
    }

    /// The next message of either view, if nothing has to be remembered for it.
    // Always inlined, and so are its steps: calls would take 150 instructions of some 2,200 for a message.
    #[inline(always)]
    fn whole(&mut self, input: &mut BytesMut) -> Option<Whole> {
        if !self.is_between() {
            return None;
        }
        let whole = Whole::take(input, &self.terms)?;
        self.count(&whole);
        Some(whole)
    }

    /// Whether a message may begin.
    #[inline(always)]
    fn is_between(&self) -> bool {
        self.frame.is_none() && self.message.is_none() && self.end.is_none()
    }

    #[inline(always)]
    fn count(&mut self, whole: &Whole) {
        self.traffic.frames += 1;
        self.traffic.messages += 1;
        self.traffic.bytes += whole.frame_len as u64;
    }

    /// The next event, with messages whole.
    #[inline(never)]
    fn messages(&mut self, input: &mut BytesMut) -> Result<Option<Event>, ProtocolError> {
        self.events(input, View::Messages, Assembly::add)
    }

    /// The next event, with messages in chunks.
    #[inline(never)]
    fn chunks(&mut self, input: &mut BytesMut) -> Result<Option<Event<Chunk>>, ProtocolError> {
        if let Some(chunk) = self.message.as_mut().and_then(|message| message.give_up()) {
            return Ok(Some(Event::Data(chunk)));
        }
        self.events(input, View::Chunks, Assembly::pass)
    }

    /// The next event, with its payload as the view takes it from the pieces.
    fn events<D>(
        &mut self,
        input: &mut BytesMut,
        view: View,
        take: fn(&mut Assembly, Piece, &mut BytesMut) -> Option<D>,
    ) -> Result<Option<Event<D>>, ProtocolError> {
        if input.is_empty() && !self.has_more() {
            return Ok(None);
        }
        while let Some(event) = self.next(input, view)? {
            match event {
                Event::Data(piece) => {
                    let message = self.message.as_mut();
                    let data = message.and_then(|message| take(&mut message.assembly, piece, input));
                    self.message.take_if(|_| piece.fin);
                    if let Some(data) = data {
                        return Ok(Some(Event::Data(data)));
                    }
                }
                Event::Ping(payload) => return Ok(Some(Event::Ping(payload))),
                Event::Pong(payload) => return Ok(Some(Event::Pong(payload))),
                Event::Close(frame) => return Ok(Some(Event::Close(frame))),
            }
        }
        Ok(None)
    }

    fn next(&mut self, input: &mut BytesMut, view: View) -> Result<Option<Event<Piece>>, ProtocolError> {
        // §5.5.1: nothing that follows a Close frame is looked at.
        if let Some(end) = self.end.as_ref().filter(|end| end.failed.is_some() || end.closed.is_some()) {
            input.clear();
            return end.failed.map_or(Ok(None), Err);
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
            self.traffic.bytes += fresh.len() as u64;
            if frame.opcode.is_control() {
                return self.control(input);
            }
            let piece = match &mut self.message {
                Some(message) if message.is_deflated() => self.inflate(input)?,
                Some(message) => {
                    message.validate(fresh, frame.fin && frame.is_clear())?;
                    self.piece(view)
                }
                None => None,
            };
            match piece {
                // A fragment with nothing in it: on to what follows.
                Some(Piece { len: 0, fin: false, .. }) => {}
                piece => {
                    self.traffic.messages += u64::from(piece.is_some_and(|piece| piece.fin));
                    return Ok(piece.map(Event::Data));
                }
            }
        }
    }

    /// Admits the next frame as soon as the bytes that speak against it are there; false if its header has not
    /// all arrived.
    fn open_frame(&mut self, input: &mut BytesMut) -> Result<bool, ProtocolError> {
        let Some((first, behind)) = input.split_first_chunk() else { return Ok(false) };
        let start = Start::parse(*first)?;
        admit_start(&start, &self.terms, self.message.as_deref())?;
        let Some(payload_len) = start.payload_len(behind)? else { return Ok(false) };
        let begun = OpenMessage::begin(&start);
        if let Some(message) =
            begun.as_ref().or(self.message.as_deref()).filter(|_| !start.opcode.is_control())
        {
            admit_len(payload_len, message.size_with(payload_len), &self.terms)?;
        }
        let Some(key) = start.masking_key(behind) else { return Ok(false) };

        input.advance(start.header_len());
        self.traffic.bytes += start.header_len() as u64;
        self.traffic.frames += 1;
        self.frame = Some(OpenFrame::new(&start, payload_len, key));
        self.message = begun.map(Box::new).or(self.message.take());
        if let Some(message) = self.message.as_mut().filter(|_| !start.opcode.is_control()) {
            message.add_frame(payload_len);
        }
        Ok(true)
    }

    fn control(&mut self, input: &mut BytesMut) -> Result<Option<Event<Piece>>, ProtocolError> {
        let Some(frame) = self.frame.take_if(|frame| frame.is_clear()) else { return Ok(None) };
        let payload = take(input, frame.clear);
        Ok(Some(match frame.opcode {
            OpCode::Ping => Event::Ping(payload),
            OpCode::Pong => Event::Pong(payload),
            _ => {
                let close = CloseFrame::parse(&payload)?;
                self.end.get_or_insert_default().closed = Some(close.clone());
                self.release();
                Event::Close(close)
            }
        }))
    }

    /// What of the open data frame is ready to be taken from the input.
    fn piece(&mut self, view: View) -> Option<Piece> {
        let (Some(frame), Some(message)) = (&mut self.frame, &self.message) else { return None };
        let is_whole_message = frame.fin && message.fragments == 1 && !message.assembly.is_skipping();
        if !frame.is_clear() && (frame.clear == 0 || view == View::Messages && is_whole_message) {
            return None;
        }
        let (len, fin) = (frame.clear, frame.fin && frame.is_clear());
        let piece = Piece { kind: message.kind, place: Place::Input, len, fin };
        frame.take(len);
        self.frame.take_if(|frame| frame.left == 0);
        Some(piece)
    }

    fn fail(&mut self, error: ProtocolError) -> ProtocolError {
        self.end.get_or_insert_default().failed = Some(error);
        self.release();
        error
    }

    /// Gives back what only a conversation that goes on needs.
    fn release(&mut self) {
        (self.frame, self.message, self.inflater) = (None, None, None);
    }
}
