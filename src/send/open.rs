//! The message that is being sent in chunks. RFC 6455 §5.4.

use crate::{
    error::SendError,
    event::{Chunk, Kind},
    utf8::Validator,
};

#[derive(Clone, Copy, Debug)]
pub(super) struct OpenMessage {
    kind: Kind,
    pub(super) is_deflated: bool,
    utf8: Validator,
}

impl OpenMessage {
    pub(super) const fn new(kind: Kind, is_deflated: bool) -> Self {
        Self { kind, is_deflated, utf8: Validator::new() }
    }

    /// Judges the next chunk.
    pub(super) fn check(&mut self, chunk: &Chunk) -> Result<(), SendError> {
        if chunk.kind != self.kind {
            return Err(SendError::KindChanged);
        }
        if chunk.kind == Kind::Binary {
            return Ok(());
        }
        // §8.1: what is sent as text is UTF-8.
        let pushed = self.utf8.push(&chunk.data);
        let finished = if chunk.fin { self.utf8.finish() } else { Ok(()) };
        pushed.and(finished).map_err(|_| SendError::NotUtf8)
    }
}
