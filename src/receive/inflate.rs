//! Payload → what it was before it was compressed. RFC 7692 §7.2.2.

use bytes::{Buf, BytesMut};

use super::{Piece, Place, Receiver};
use crate::error::ProtocolError;

impl Receiver {
    /// Inflates the next piece of the open data frame into the assembly, in one bounded step (RFC 7692 §7.2.2).
    pub(super) fn inflate(&mut self, input: &mut BytesMut) -> Result<Option<Piece>, ProtocolError> {
        let (Some(frame), Some(message), Some(inflater)) =
            (&mut self.frame, &mut self.message, &mut self.inflater)
        else {
            return Ok(None);
        };
        let terms = &self.terms;
        let room = message.room(terms);
        let output = message.assembly.output();
        let begun = output.len();
        let is_last = frame.fin && frame.left == 0;
        let step = if is_last {
            inflater.finish(output, room)
        } else {
            inflater.step(&input[..frame.clear], output, room)
        };
        let step = step.map_err(|_| ProtocolError::DeflateInvalid)?;
        let (fin, wire) = (is_last && !step.is_full, if is_last { 0 } else { step.consumed });
        input.advance(wire);
        frame.take(wire);
        // The size is judged behind the text: then the verdict does not depend on how the bytes are cut.
        message.validate_inflated(begun, fin)?;
        message.add_step(step, wire, terms)?;
        // A frame is done with when nothing of it is left, neither in the input nor in the inflater.
        let is_done = frame.left == 0 && !step.is_full && (fin || !frame.fin);
        if is_done {
            message.check_ratio(terms)?;
        }
        let piece = Piece { kind: message.kind, place: Place::Assembly, len: step.produced, fin };
        let is_stalled = frame.left > 0 && frame.clear == 0 && step.produced == 0;
        self.frame.take_if(|_| is_done);
        Ok(Some(piece).filter(|_| !is_stalled))
    }
}
