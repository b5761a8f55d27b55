//! Which frame may come now. Knows nothing of payload bytes. RFC 6455 §5.1, §5.2, §5.4, §5.5, §10.4.

use super::OpenMessage;
use crate::{
    config::{Limits, Role},
    error::ProtocolError,
    frame::{OpCode, RSV1, Start},
};

/// What is asked of every frame and every message.
#[derive(Debug)]
pub(super) struct Terms {
    pub(super) role: Role,
    /// Whether messages may be compressed.
    pub(super) deflate: bool,
    /// See [`Limits`], as the others.
    pub(super) fragments: u32,
    pub(super) message: u64,
    pub(super) frame: u64,
    pub(super) ratio: Option<u32>,
}

impl Terms {
    pub(super) const fn new(role: Role, limits: &Limits, deflate: bool) -> Self {
        let &Limits { message, frame, ratio, fragments, .. } = limits;
        Self { role, deflate, fragments, message, frame, ratio }
    }
}

/// Judges a frame by its first two bytes.
pub(super) fn admit_start(
    start: &Start,
    terms: &Terms,
    message: Option<&OpenMessage>,
) -> Result<(), ProtocolError> {
    admit_mask(start, terms.role)?;
    admit_rsv(start, terms.deflate)?;
    if start.opcode.is_control() { admit_control(start) } else { admit_order(start, message, terms) }
}

/// Judges a data frame by the payload length that its header announces. `size` is what it makes of its message; of a
/// compressed one, that is known only as it inflates.
#[inline]
pub(super) fn admit_len(payload_len: u64, size: Option<u64>, terms: &Terms) -> Result<(), ProtocolError> {
    if payload_len > terms.frame {
        return Err(ProtocolError::FrameTooLarge);
    }
    if size.is_some_and(|size| size > terms.message) {
        return Err(ProtocolError::MessageTooLarge);
    }
    Ok(())
}

fn admit_rsv(start: &Start, deflate: bool) -> Result<(), ProtocolError> {
    // RFC 7692 §6.1, §7.2.3.1: RSV1 marks the first frame of a compressed message, and no other.
    let may_be_compressed = deflate && matches!(start.opcode, OpCode::Text | OpCode::Binary);
    let defined = if may_be_compressed { RSV1 } else { 0 };
    // §5.2: a reserved bit is 0 unless an extension defines it.
    if start.rsv & !defined == 0 { Ok(()) } else { Err(ProtocolError::ReservedBit) }
}

fn admit_mask(start: &Start, role: Role) -> Result<(), ProtocolError> {
    match (role, start.masked) {
        // §5.1: a server closes the connection upon a frame that is not masked.
        (Role::Server, false) => Err(ProtocolError::UnmaskedFromClient),
        // §5.1: a client closes the connection upon a frame that is masked.
        (Role::Client, true) => Err(ProtocolError::MaskedFromServer),
        _ => Ok(()),
    }
}

fn admit_control(start: &Start) -> Result<(), ProtocolError> {
    // §5.5: control frames are never fragmented.
    if !start.fin {
        return Err(ProtocolError::ControlFragmented);
    }
    // §5.5: control frames have a payload of 125 bytes or less.
    if start.exceeds_control() {
        return Err(ProtocolError::ControlTooLong);
    }
    Ok(())
}

fn admit_order(start: &Start, message: Option<&OpenMessage>, terms: &Terms) -> Result<(), ProtocolError> {
    match (start.opcode, message) {
        // §5.4: a continuation frame continues a message.
        (OpCode::Continuation, None) => Err(ProtocolError::ContinuationWithoutStart),
        (OpCode::Continuation, Some(message)) if message.fragments >= terms.fragments => {
            Err(ProtocolError::TooManyFragments)
        }
        (OpCode::Continuation, Some(_)) | (_, None) => Ok(()),
        // §5.4: the fragments of one message are not interleaved with those of another.
        (_, Some(_)) => Err(ProtocolError::MessageInsideMessage),
    }
}
