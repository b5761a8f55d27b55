//! Decompression in bounded steps. RFC 7692 §7.2.2.

use core::fmt;

use bytes::BytesMut;
use zlib_rs::{Inflate, InflateFlush, Status};

use super::{Direction, InvalidDeflate, Step, TAIL};

/// Inflates the messages of one connection. It holds memory from the first compressed message on, and without context
/// takeover only while a message is open.
pub(crate) struct Inflater {
    direction: Direction,
    state: Option<Inflate>,
    /// Bytes of the tail that have been put behind the open message.
    tail: usize,
}

impl Inflater {
    pub(crate) fn new(direction: Direction) -> Option<Self> {
        Some(Self { direction, state: None, tail: 0 })
    }

    /// Inflates some of `input` and appends at most `room` bytes to `output`.
    pub(crate) fn step(
        &mut self,
        input: &[u8],
        output: &mut BytesMut,
        room: usize,
    ) -> Result<Step, InvalidDeflate> {
        let bits = self.direction.window.get();
        let state = self.state.get_or_insert_with(|| Inflate::new(false, bits));
        let (read, written, start) = (state.total_in(), state.total_out(), output.len());
        output.resize(start + room, 0);
        let status = state.decompress(input, &mut output[start..], InflateFlush::SyncFlush);
        let consumed = (state.total_in() - read) as usize;
        let produced = (state.total_out() - written) as usize;
        output.truncate(start + produced);
        // §7.2.3.4: a block may be marked as the last one; what follows it is a new stream.
        if status.map_err(|_| InvalidDeflate)? == Status::StreamEnd {
            self.state = None;
        }
        Ok(Step { consumed, produced, is_full: produced == room })
    }

    /// Ends the message, as [`step`](Self::step), until the output is not filled any more.
    pub(crate) fn finish(&mut self, output: &mut BytesMut, room: usize) -> Result<Step, InvalidDeflate> {
        // §7.2.2: the tail that the sender has taken off is put back.
        let step = self.step(&TAIL[self.tail..], output, room)?;
        self.tail += step.consumed;
        if !step.is_full {
            self.tail = 0;
            // §7.1.1: without context takeover each message begins anew.
            self.state.take_if(|_| !self.direction.takeover);
        }
        Ok(step)
    }
}

impl fmt::Debug for Inflater {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inflater").field("direction", &self.direction).finish_non_exhaustive()
    }
}
