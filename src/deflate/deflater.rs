//! Compression of messages. RFC 7692 §7.2.1.

use core::fmt;

use bytes::{BufMut, Bytes, BytesMut};
use zlib_rs::{Deflate, DeflateConfig, DeflateFlush};

use super::{Direction, TAIL, WindowBits};

/// The least room for output: a flush fits, and a small message.
const ROOM: usize = 64;

/// Compresses the messages of one connection. It holds memory from the first compressed message on, and without
/// context takeover only while a message is open.
pub(crate) struct Deflater {
    direction: Direction,
    level: u8,
    state: Option<Deflate>,
}

impl Deflater {
    /// `None` for a window that is too small for the encoder: nothing is then compressed.
    pub(crate) fn new(direction: Direction, level: u8) -> Option<Self> {
        let is_able = direction.window >= WindowBits::MIN_ENCODER;
        is_able.then(|| Self { direction, level: level.min(9), state: None })
    }

    /// Compresses a whole message; `None` if that does not make it smaller, and nothing has to remember it.
    pub(crate) fn deflate(&mut self, message: &[u8]) -> Option<Bytes> {
        let payload = self.finish(message);
        (self.direction.takeover || payload.len() < message.len()).then_some(payload)
    }

    /// What the compressed form of a message depends on, if nothing went before it.
    pub(super) const fn key(&self) -> (WindowBits, u8) {
        (self.direction.window, self.level)
    }

    /// Forgets what was sent, so that nothing more refers back to it: for a message that was compressed elsewhere, which
    /// the peer's window takes in and ours does not.
    pub(crate) fn forget(&mut self) {
        self.state = None;
    }

    /// Forgets what was sent, and keeps the memory for what comes.
    pub(super) fn reset(&mut self) {
        if let Some(state) = &mut self.state {
            state.reset();
        }
    }

    /// Compresses a piece of a message, all of which the peer can then inflate.
    pub(crate) fn compress(&mut self, data: &[u8]) -> Bytes {
        self.flush(data).freeze()
    }

    /// Compresses the last piece of a message.
    pub(crate) fn finish(&mut self, data: &[u8]) -> Bytes {
        let mut payload = self.flush(data);
        match payload.len().checked_sub(TAIL.len()) {
            // §7.2.1: the tail of the message is taken off.
            Some(len) => payload.truncate(len),
            // §7.2.3.6: behind another flush there is nothing to flush, and an empty block stands for nothing.
            None => payload.put_u8(0x00),
        }
        // §7.1.1: without context takeover each message begins anew.
        self.state.take_if(|_| !self.direction.takeover);
        payload.freeze()
    }

    fn flush(&mut self, mut data: &[u8]) -> BytesMut {
        let state =
            self.state.get_or_insert_with(|| Deflate::new_with_config(config(self.direction, self.level)));
        let mut output = BytesMut::new();
        loop {
            let (read, written, start) = (state.total_in(), state.total_out(), output.len());
            let room = (data.len() / 2).clamp(ROOM, 16 << 10);
            output.resize(start + room, 0);
            let status = state.compress(data, &mut output[start..], DeflateFlush::SyncFlush);
            status.expect("the state is valid and the output has room");
            let produced = (state.total_out() - written) as usize;
            data = &data[(state.total_in() - read) as usize..];
            output.truncate(start + produced);
            // A flush is complete when it leaves room.
            if produced < room {
                return output;
            }
        }
    }
}

/// Raw DEFLATE. What it holds beside the window is for 4,096 literals and matches, less for a window of 4 KiB and below:
/// with zlib's default for four times as many it takes longer to begin a message, and the output is no smaller.
fn config(direction: Direction, level: u8) -> DeflateConfig {
    let bits = i32::from(direction.window.get());
    let mem_level = (bits - 7).min(6);
    DeflateConfig { level: level.into(), window_bits: -bits, mem_level, ..DeflateConfig::default() }
}

impl fmt::Debug for Deflater {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut deflater = f.debug_struct("Deflater");
        deflater.field("direction", &self.direction).field("level", &self.level).finish_non_exhaustive()
    }
}
