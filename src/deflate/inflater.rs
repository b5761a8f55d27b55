//! Decompression in bounded steps. RFC 7692 §7.2.2.

use core::fmt;

use bytes::BytesMut;
use zlib_rs::{Inflate, InflateFlush, Status};

use super::{Direction, InvalidDeflate, Step, TAIL, pool::Pool, room};

/// The tail, and the first byte of another block: at the end of a message inflation stops between the two.
const END: [u8; 5] = [TAIL[0], TAIL[1], TAIL[2], TAIL[3], 0x00];

/// Inflaters for messages without context takeover. What a reset one has of others it does not count as a part of its
/// window, and it refuses what refers to it.
static SPARES: Pool<(), Inflate, 4> = Pool::new();

/// Inflates the messages of one connection. It holds memory from the first compressed message on, and without context
/// takeover only while a message is open.
pub(crate) struct Inflater {
    direction: Direction,
    state: Option<Inflate>,
    /// The last step filled its output: there may be more without further input.
    is_full: bool,
}

impl Inflater {
    pub(crate) fn new(direction: Direction) -> Option<Self> {
        Some(Self { direction, state: None, is_full: false })
    }

    /// Inflates some of `input` and appends at most `room` bytes to `output`.
    pub(crate) fn step(
        &mut self,
        input: &[u8],
        output: &mut BytesMut,
        room: usize,
    ) -> Result<Step, InvalidDeflate> {
        let state = open(&mut self.state, self.direction);
        let (read, written) = (state.total_in(), state.total_out());
        let (status, produced, is_filled) = room::lend(|lent| {
            let len = room.min(lent.len());
            let lent = &mut lent[..len];
            let status = state.decompress(input, lent, InflateFlush::SyncFlush);
            let produced = (state.total_out() - written) as usize;
            output.extend_from_slice(&lent[..produced]);
            (status, produced, produced == len)
        });
        let consumed = (state.total_in() - read) as usize;
        match status {
            // §7.2.3.4: a block may be marked as the last one; what follows it is a new stream.
            Ok(Status::StreamEnd) => state.reset(false),
            Ok(_) => {}
            // What came before the error is judged first, so that the verdict does not depend on how the bytes are
            // cut: the next step gives the error again.
            Err(_) if produced > 0 => {}
            Err(_) => return Err(InvalidDeflate),
        }
        self.is_full = is_filled || status.is_err();
        Ok(Step { consumed, produced, is_full: self.is_full })
    }

    /// Ends the message, as [`step`](Self::step), once the output is not filled any more.
    pub(crate) fn finish(&mut self, output: &mut BytesMut, room: usize) -> Result<Step, InvalidDeflate> {
        if self.is_full {
            return Ok(Step { is_full: true, ..self.step(&[], output, room)? });
        }
        let state = open(&mut self.state, self.direction);
        let (read, written) = (state.total_in(), state.total_out());
        // §7.2.2: the tail that the sender has taken off is put back. §7.2.1: it ends a block; inside another one it
        // would be taken for payload, or inflation would not stop behind it.
        let status = state.decompress(&END, &mut [0; END.len()], InflateFlush::Block);
        let consumed = (state.total_in() - read) as usize;
        if status.is_err() || consumed != TAIL.len() || state.total_out() > written {
            return Err(InvalidDeflate);
        }
        // §7.1.1: without context takeover each message begins anew.
        let is_over = !self.direction.takeover || status == Ok(Status::StreamEnd);
        if let Some(state) = self.state.take_if(|_| is_over) {
            SPARES.give((), state);
        }
        Ok(Step { consumed, produced: 0, is_full: false })
    }
}

/// The state of the message that is open, or of all of them.
fn open(state: &mut Option<Inflate>, direction: Direction) -> &mut Inflate {
    let spare = || {
        let mut spare = SPARES.take(())?;
        spare.reset(false);
        Some(spare)
    };
    state.get_or_insert_with(|| {
        let spare = if direction.takeover { None } else { spare() };
        spare.unwrap_or_else(|| Inflate::new(false, direction.window.get()))
    })
}

impl fmt::Debug for Inflater {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inflater").field("direction", &self.direction).finish_non_exhaustive()
    }
}
