//! Pieces → message. A message that is one piece is not copied into a buffer. RFC 6455 §5.4.

use bytes::{Buf, Bytes, BytesMut};

use super::Piece;
use crate::{
    event::{Chunk, Kind, Message},
    text::Text,
};

/// A payload shorter than this is copied out of the input. Sharing it would let a few bytes that the application
/// keeps pin a whole read buffer, and costs about as much.
const COPIED_BELOW: usize = 4096;

/// The pieces of a message until it is whole.
#[derive(Debug, Default)]
pub(super) struct Assembly {
    buffer: BytesMut,
    /// The application took chunks of this message: what is left of it is not a message.
    skipping: bool,
}

impl Assembly {
    /// Takes a piece from the front of the input; returns the message that it completes.
    pub(super) fn add(&mut self, piece: Piece, input: &mut BytesMut) -> Option<Message> {
        if self.skipping {
            input.advance(piece.len);
            self.skipping = !piece.fin;
            return None;
        }
        if piece.fin && self.buffer.is_empty() {
            return Some(message(piece.kind, take(input, piece.len)));
        }
        self.buffer.extend_from_slice(&input[..piece.len]);
        input.advance(piece.len);
        piece.fin.then(|| message(piece.kind, core::mem::take(&mut self.buffer).freeze()))
    }

    /// Takes a piece from the front of the input as it is.
    pub(super) fn pass(&mut self, piece: Piece, input: &mut BytesMut) -> Chunk {
        self.skipping = !piece.fin;
        Chunk { kind: piece.kind, data: take(input, piece.len), fin: piece.fin }
    }

    /// Whether what is left of the message is thrown away.
    pub(super) const fn is_skipping(&self) -> bool {
        self.skipping
    }

    /// Gives up what has been assembled, as the first chunk of its message.
    pub(super) fn give_up(&mut self, kind: Kind) -> Option<Chunk> {
        if self.buffer.is_empty() {
            return None;
        }
        self.skipping = true;
        Some(Chunk { kind, data: core::mem::take(&mut self.buffer).freeze(), fin: false })
    }
}

/// Takes `len` bytes from the front of the input.
pub(super) fn take(input: &mut BytesMut, len: usize) -> Bytes {
    if len >= COPIED_BELOW {
        return input.split_to(len).freeze();
    }
    let copy = Bytes::copy_from_slice(&input[..len]);
    input.advance(len);
    copy
}

fn message(kind: Kind, payload: Bytes) -> Message {
    match kind {
        Kind::Text => Message::Text(Text::from_validated(payload)),
        Kind::Binary => Message::Binary(payload),
    }
}
