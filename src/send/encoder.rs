//! Messages, chunks and control frames → bytes: deflate → fragment → header → mask. RFC 6455 §6.1, RFC 7692 §7.2.1.

use alloc::boxed::Box;

use bytes::{Buf, Bytes};

use super::{Outgoing, Prepared, Transmit, keys::Keys, open::OpenMessage, queue::Queue};
use crate::{
    config::Compress,
    deflate::Deflater,
    error::SendError,
    event::{Chunk, Kind, Message, Traffic},
    frame::{Header, OpCode, RSV1},
};

#[derive(Debug)]
pub(super) struct Encoder {
    keys: Keys,
    compressor: Option<Box<Compressor>>,
    transmit: Transmit,
    /// The message that is being sent in chunks.
    open: Option<OpenMessage>,
    frames: u64,
    messages: u64,
}

/// What compresses messages, and which.
#[derive(Debug)]
struct Compressor {
    deflater: Deflater,
    when: Compress,
}

impl Encoder {
    pub(super) fn new(keys: Keys, when: Compress, deflater: Option<Deflater>) -> Self {
        let compressor = deflater.map(|deflater| Box::new(Compressor { deflater, when }));
        Self { keys, compressor, transmit: Transmit::default(), open: None, frames: 0, messages: 0 }
    }

    #[inline]
    pub(super) const fn transmit(&mut self) -> &mut Transmit {
        &mut self.transmit
    }

    /// Whether a message in chunks has begun and not ended.
    pub(super) const fn is_message_open(&self) -> bool {
        self.open.is_some()
    }

    /// How many bytes wait for the wire.
    #[inline]
    pub(super) fn unsent(&self) -> usize {
        self.transmit.remaining()
    }

    /// What went out, or is about to.
    pub(super) const fn traffic(&self) -> Traffic {
        Traffic { frames: self.frames, messages: self.messages, bytes: self.transmit.sent() }
    }

    /// How long a control frame with this payload is.
    pub(super) const fn control_len(&self, payload: &Bytes) -> usize {
        self.keys.header_len() + payload.len()
    }

    /// Posted messages, while less than `limit` waits for the wire. They stay out of a message in chunks (§5.4).
    #[inline]
    pub(super) fn take(&mut self, queue: &mut Queue, limit: usize) {
        if !queue.is_empty() {
            self.take_some(queue, limit);
        }
    }

    fn take_some(&mut self, queue: &mut Queue, limit: usize) {
        while self.unsent() < limit && !self.is_message_open() {
            let Some(message) = queue.pop() else { return };
            self.outgoing(message);
        }
    }

    /// Whatever can be sent in one piece.
    #[inline]
    pub(super) fn outgoing(&mut self, message: Outgoing) {
        match message {
            Outgoing::Message(message) => self.message(message, None),
            Outgoing::Prepared(prepared) => self.prepared(&prepared),
        }
    }

    /// A whole message, as one frame; compressed as the configuration says, or as `compress` does.
    #[inline]
    pub(super) fn message(&mut self, message: Message, compress: Option<Compress>) {
        if self.compressor.is_some() {
            return self.message_deflated(message, compress);
        }
        self.write(true, 0, opcode(message.kind()), message.into_bytes());
    }

    /// The same, where the peer agreed to compression.
    fn message_deflated(&mut self, message: Message, compress: Option<Compress>) {
        let opcode = opcode(message.kind());
        let deflater = self.deflater_for(message.len(), compress);
        match deflater.and_then(|deflater| deflater.deflate(message.as_bytes())) {
            Some(payload) => self.write(true, RSV1, opcode, payload),
            None => self.write(true, 0, opcode, message.into_bytes()),
        }
    }

    /// A message whose frame was made before.
    fn prepared(&mut self, prepared: &Prepared) {
        let deflater = self.deflater_for(prepared.len(), None);
        let deflated = deflater.and_then(|deflater| {
            let frame = prepared.deflated(deflater)?;
            // RFC 7692 §7.1.1: the peer's window takes in what ours has not seen.
            deflater.forget();
            Some(frame)
        });
        let frame = deflated.as_ref().unwrap_or(prepared.plain());
        if self.keys.is_client() {
            return self.write(true, frame.rsv(), opcode(prepared.kind()), frame.payload());
        }
        self.count(true);
        self.transmit.push_frame(frame.bytes());
    }

    /// The message of which this is the next piece, if it can be that.
    pub(super) fn admit(&mut self, chunk: &Chunk) -> Result<OpenMessage, SendError> {
        let is_deflated = self.deflater_for(chunk.data.len(), None).is_some();
        let mut message = self.open.unwrap_or(OpenMessage::new(chunk.kind, is_deflated));
        message.check(chunk)?;
        Ok(message)
    }

    /// A piece of this message, as one fragment.
    pub(super) fn chunk(&mut self, chunk: Chunk, message: OpenMessage) {
        // §5.4: the first fragment says what the message is, the others continue it; RFC 7692 §6.1: the first one
        // also says that it is compressed.
        let (rsv, opcode) = match self.open {
            Some(_) => (0, OpCode::Continuation),
            None => (if message.is_deflated { RSV1 } else { 0 }, opcode(chunk.kind)),
        };
        let payload = match self.compressor.as_mut().filter(|_| message.is_deflated) {
            Some(compressor) if chunk.fin => compressor.deflater.finish(&chunk.data),
            Some(compressor) => compressor.deflater.compress(&chunk.data),
            None => chunk.data,
        };
        self.open = (!chunk.fin).then_some(message);
        self.write(chunk.fin, rsv, opcode, payload);
    }

    pub(super) fn control(&mut self, opcode: OpCode, payload: Bytes) {
        self.write(true, 0, opcode, payload);
    }

    /// Nothing more is compressed.
    pub(super) fn finish(&mut self) {
        self.compressor = None;
    }

    /// Drops what waits.
    pub(super) fn clear(&mut self) {
        self.transmit.clear();
        self.compressor = None;
    }

    #[inline]
    fn deflater_for(&mut self, len: usize, compress: Option<Compress>) -> Option<&mut Deflater> {
        let Compressor { deflater, when } = self.compressor.as_deref_mut()?;
        compress.unwrap_or(*when).covers(len).then_some(deflater)
    }

    #[inline]
    fn write(&mut self, fin: bool, rsv: u8, opcode: OpCode, payload: Bytes) {
        let masking_key = self.keys.next();
        let header = Header { fin, rsv, opcode, masking_key, payload_len: payload.len() as u64 };
        self.count(fin && !opcode.is_control());
        self.transmit.push(&header, payload);
    }

    fn count(&mut self, ends_message: bool) {
        self.frames += 1;
        self.messages += u64::from(ends_message);
    }
}

pub(super) const fn opcode(kind: Kind) -> OpCode {
    match kind {
        Kind::Text => OpCode::Text,
        Kind::Binary => OpCode::Binary,
    }
}
