//! The frame and the message that are open: how far they have come. RFC 6455 §5.3, §5.4, §8.1.

use bytes::BytesMut;

use super::{admit::Terms, assemble::Assembly};
use crate::{
    deflate::{MAX_STEP, Step},
    error::ProtocolError,
    event::{Chunk, Kind},
    frame::{MaskingKey, OpCode, RSV1, Start},
    utf8::Validator,
};

/// What a message may inflate to before its ratio counts.
const RATIO_FREE: u64 = 64 << 10;

/// A frame whose header was admitted and whose payload is not all taken.
#[derive(Clone, Copy, Debug)]
pub(super) struct OpenFrame {
    pub(super) opcode: OpCode,
    pub(super) fin: bool,
    /// Payload that has not been taken from the input.
    pub(super) left: u64,
    /// How much of it stands at the front of the input unmasked: `clear <= left`.
    pub(super) clear: usize,
    /// Turned to the first byte that is not clear.
    key: MaskingKey,
}

impl OpenFrame {
    pub(super) fn new(start: &Start, payload_len: u64, key: MaskingKey) -> Self {
        Self { opcode: start.opcode, fin: start.fin, left: payload_len, clear: 0, key }
    }

    /// Unmasks what is new of the payload (§5.3) and returns it.
    pub(super) fn unmask<'a>(&mut self, input: &'a mut BytesMut) -> &'a [u8] {
        let available = usize::try_from(self.left).map_or(input.len(), |left| left.min(input.len()));
        let fresh = &mut input[self.clear..available];
        self.key.apply(fresh);
        self.clear = available;
        fresh
    }

    /// Whether all that is left of the payload is at the front of the input, unmasked.
    pub(super) fn is_clear(&self) -> bool {
        self.clear as u64 == self.left
    }

    /// Counts payload as taken from the input.
    pub(super) fn take(&mut self, len: usize) {
        self.clear -= len;
        self.left -= len as u64;
    }
}

/// A message whose last frame is not all taken.
#[derive(Debug)]
pub(super) struct OpenMessage {
    pub(super) kind: Kind,
    pub(super) fragments: u32,
    /// The payload in bytes: what the headers announced so far, or what was inflated so far.
    size: u64,
    utf8: Validator,
    deflated: Option<Deflated>,
    /// What has come of it and is not a message yet.
    pub(super) assembly: Assembly,
}

/// How far the inflation of a message has come.
#[derive(Debug)]
struct Deflated {
    /// Bytes on the wire.
    wire: u64,
    /// The last step was filled: there may be more without further input.
    is_full: bool,
}

impl OpenMessage {
    /// The message that a frame begins, if it begins one.
    pub(super) fn begin(start: &Start) -> Option<Self> {
        let kind = kind(start.opcode)?;
        let deflated = (start.rsv & RSV1 != 0).then_some(Deflated { wire: 0, is_full: false });
        let (utf8, assembly) = (Validator::new(), Assembly::default());
        Some(Self { kind, fragments: 0, size: 0, utf8, deflated, assembly })
    }

    pub(super) const fn is_deflated(&self) -> bool {
        self.deflated.is_some()
    }

    /// The size with another frame, if that is known before it is inflated.
    pub(super) const fn size_with(&self, payload_len: u64) -> Option<u64> {
        if self.is_deflated() { None } else { Some(self.size.saturating_add(payload_len)) }
    }

    /// Counts a frame.
    pub(super) fn add_frame(&mut self, payload_len: u64) {
        self.fragments += 1;
        self.size = self.size_with(payload_len).unwrap_or(self.size);
    }

    /// Whether something can come of it without further input: what is left in the inflater, and the end of a frame
    /// that is all there. In chunks, also what has been assembled.
    pub(super) fn has_more(&self, frame: Option<&OpenFrame>) -> bool {
        let is_inflating =
            |deflated: &Deflated| frame.is_some_and(|frame| frame.left == 0 || deflated.is_full);
        !self.assembly.is_empty() || self.deflated.as_ref().is_some_and(is_inflating)
    }

    /// How much the next step of inflation may give: one byte more than the limit tells that it is exceeded.
    pub(super) fn room(&self, terms: &Terms) -> usize {
        let below_limit = (terms.message - self.size).saturating_add(1);
        // A small message needs no smaller room: what comes is copied to where it has its own size. With less, the inflater
        // takes a byte at a time.
        usize::try_from(below_limit).map_or(MAX_STEP, |below_limit| below_limit.min(MAX_STEP))
    }

    /// Counts a step of inflation, and `wire` bytes that it has used up of the payload (§10.4).
    pub(super) fn add_step(&mut self, step: Step, wire: usize, terms: &Terms) -> Result<(), ProtocolError> {
        let Some(deflated) = &mut self.deflated else { return Ok(()) };
        deflated.wire += wire as u64;
        deflated.is_full = step.is_full;
        self.size += step.produced as u64;
        if self.size > terms.message { Err(ProtocolError::MessageTooLarge) } else { Ok(()) }
    }

    /// Judges by how much the message has inflated. That depends on how it is cut except at the end of a frame.
    pub(super) fn check_ratio(&self, terms: &Terms) -> Result<(), ProtocolError> {
        let (Some(deflated), Some(ratio)) = (&self.deflated, terms.ratio) else { return Ok(()) };
        let allowed = deflated.wire.saturating_mul(ratio.into()).max(RATIO_FREE);
        if self.size > allowed { Err(ProtocolError::RatioTooHigh) } else { Ok(()) }
    }

    /// Validates payload of a text message as it comes, so that it fails inside a frame (§8.1).
    pub(super) fn validate(&mut self, fresh: &[u8], fin: bool) -> Result<(), ProtocolError> {
        match self.kind {
            Kind::Text => validate(&mut self.utf8, fresh, fin),
            Kind::Binary => Ok(()),
        }
    }

    /// Validates what was inflated behind the first `begun` bytes of the assembly.
    pub(super) fn validate_inflated(&mut self, begun: usize, fin: bool) -> Result<(), ProtocolError> {
        match self.kind {
            Kind::Text => validate(&mut self.utf8, &self.assembly.output()[begun..], fin),
            Kind::Binary => Ok(()),
        }
    }

    /// Gives up what has been assembled, as the first chunk of its message.
    pub(super) fn give_up(&mut self) -> Option<Chunk> {
        self.assembly.give_up(self.kind)
    }
}

/// The kind of the message that a frame begins, if it begins one.
#[inline]
pub(super) const fn kind(opcode: OpCode) -> Option<Kind> {
    match opcode {
        OpCode::Text => Some(Kind::Text),
        OpCode::Binary => Some(Kind::Binary),
        OpCode::Continuation | OpCode::Close | OpCode::Ping | OpCode::Pong => None,
    }
}

fn validate(utf8: &mut Validator, fresh: &[u8], fin: bool) -> Result<(), ProtocolError> {
    let pushed = utf8.push(fresh);
    let finished = if fin { utf8.finish() } else { Ok(()) };
    pushed.and(finished).map_err(|_| ProtocolError::TextNotUtf8)
}
