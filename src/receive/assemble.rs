//! Pieces → message. A message that is one piece is not copied into a buffer. RFC 6455 §5.4.

use core::mem;

use bytes::{Buf, Bytes, BytesMut};

use super::{Piece, Place};
use crate::{
    event::{Chunk, Kind, Message},
    text::Text,
};

/// A payload shorter than this is copied out of the input. Sharing it would let a few bytes that the application
/// keeps pin a whole read buffer.
pub(super) const COPIED_BELOW: usize = 16 << 10;
/// A payload from here on may have grown the input, and takes it along.
const LARGE: usize = 64 << 10;

/// The pieces of a message until it is whole.
#[derive(Debug, Default)]
pub(super) struct Assembly {
    buffer: BytesMut,
    taken: Taken,
}

/// What the application has had of the message that is open.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Taken {
    #[default]
    Nothing,
    /// Chunks, all up to here: what is left of it is not a message.
    Chunks,
    /// Chunks, and then it asked for the next message: what is left of it is nobody's.
    GivenUp,
}

impl Assembly {
    /// Where inflated payload is put.
    pub(super) const fn output(&mut self) -> &mut BytesMut {
        &mut self.buffer
    }

    pub(super) fn is_empty(&self) -> bool {
        self.buffer.is_empty()
    }

    /// Adds a piece; returns the message that it completes.
    pub(super) fn add(&mut self, piece: Piece, input: &mut BytesMut) -> Option<Message> {
        if self.is_skipping() {
            self.skip(piece, input);
            return None;
        }
        if piece.place == Place::Input {
            if piece.fin && self.buffer.is_empty() {
                return Some(message(piece.kind, take(input, piece.len)));
            }
            self.buffer.extend_from_slice(&input[..piece.len]);
            input.advance(piece.len);
        }
        piece.fin.then(|| message(piece.kind, mem::take(&mut self.buffer).freeze()))
    }

    /// Passes a piece on as it is, unless its message was given up.
    pub(super) fn pass(&mut self, piece: Piece, input: &mut BytesMut) -> Option<Chunk> {
        if self.taken == Taken::GivenUp {
            self.skip(piece, input);
            return None;
        }
        self.taken = Taken::Chunks;
        let data = match piece.place {
            Place::Input => take(input, piece.len),
            Place::Assembly => take_all(&mut self.buffer),
        };
        Some(Chunk { kind: piece.kind, data, fin: piece.fin })
    }

    /// Whether what is left of the message is no message.
    pub(super) fn is_skipping(&self) -> bool {
        self.taken != Taken::Nothing
    }

    /// Gives up what has been assembled, as the first chunk of its message.
    pub(super) fn give_up(&mut self, kind: Kind) -> Option<Chunk> {
        if self.buffer.is_empty() {
            return None;
        }
        self.taken = Taken::Chunks;
        Some(Chunk { kind, data: mem::take(&mut self.buffer).freeze(), fin: false })
    }

    fn skip(&mut self, piece: Piece, input: &mut BytesMut) {
        self.taken = Taken::GivenUp;
        match piece.place {
            Place::Input => input.advance(piece.len),
            Place::Assembly => self.buffer.clear(),
        }
    }
}

/// Takes `len` bytes from the front of the input.
pub(super) fn take(input: &mut BytesMut, len: usize) -> Bytes {
    if len < COPIED_BELOW {
        let copy = Bytes::copy_from_slice(&input[..len]);
        input.advance(len);
        return copy;
    }
    let payload = input.split_to(len).freeze();
    // What follows is shorter, and moves out of the buffer, which it would pin when the payload is long gone.
    if len >= LARGE && input.len() < len {
        *input = BytesMut::from(&input[..]);
    }
    payload
}

/// Takes an inflated chunk. A step makes room for much more than it may give.
fn take_all(buffer: &mut BytesMut) -> Bytes {
    let chunk = mem::take(buffer);
    if chunk.len() < COPIED_BELOW { Bytes::copy_from_slice(&chunk) } else { chunk.freeze() }
}

pub(super) fn message(kind: Kind, payload: Bytes) -> Message {
    match kind {
        Kind::Text => Message::Text(Text::from_validated(payload)),
        Kind::Binary => Message::Binary(payload),
    }
}
