//! Compression of messages. RFC 7692 §7.2.1.

use core::fmt;

use bytes::{BufMut, Bytes, BytesMut};
use zlib_rs::{Deflate, DeflateConfig, DeflateFlush};

use super::{Direction, TAIL, WindowBits, pool::Pool, room};

/// Compressors for whole messages without context takeover. One is in hand only while a call compresses: what lies here is
/// for what the number of such calls at one time varies by, and not for how many there are.
///
/// Messages in pieces, and with context takeover, never get one that was used: at a flush the encoder takes in what lies
/// in the window behind the last byte, and which matches it finds later depends on it. That would be of another
/// connection, and the length of the output would tell who guesses right. In one flush there is no later.
static SPARES: Pool<Key, Deflate, 4> = Pool::new();

/// What the compressed form of a message depends on, if nothing went before it: the size of the window, and the level.
type Key = (WindowBits, u8);

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
    pub(super) const fn key(&self) -> Key {
        (self.direction.window, self.level)
    }

    /// Forgets what was sent, so that nothing more refers back to it: for a message that was compressed elsewhere, which
    /// the peer's window takes in and ours does not.
    pub(crate) fn forget(&mut self) {
        self.state = None;
    }

    /// Compresses a piece of a message, all of which the peer can then inflate.
    pub(crate) fn compress(&mut self, data: &[u8]) -> Bytes {
        flush(self.open(), data, DeflateFlush::SyncFlush).freeze()
    }

    /// Compresses the last piece of a message.
    pub(crate) fn finish(&mut self, data: &[u8]) -> Bytes {
        let is_alone = !self.direction.takeover && self.state.is_none();
        let mut payload = if is_alone {
            flush_alone(self.key(), data)
        } else {
            flush(self.open(), data, DeflateFlush::SyncFlush)
        };
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

    fn open(&mut self) -> &mut Deflate {
        let key = self.key();
        self.state.get_or_insert_with(|| new(key))
    }
}

/// Compresses a message that nothing goes before.
fn flush_alone(key: Key, message: &[u8]) -> BytesMut {
    let mut state = SPARES.take(key).unwrap_or_else(|| new(key));
    // What was sent is forgotten with the flush.
    let output = flush(&mut state, message, DeflateFlush::FullFlush);
    SPARES.give(key, state);
    output
}

/// Compresses all of `data`, so that it can be inflated without what follows.
fn flush(state: &mut Deflate, mut data: &[u8], flush: DeflateFlush) -> BytesMut {
    let mut output = BytesMut::new();
    room::lend(|room| {
        loop {
            let (read, written) = (state.total_in(), state.total_out());
            let status = state.compress(data, room, flush);
            status.expect("the state is valid and the output has room");
            let produced = (state.total_out() - written) as usize;
            data = &data[(state.total_in() - read) as usize..];
            output.extend_from_slice(&room[..produced]);
            // A flush is complete when it leaves room.
            if produced < room.len() {
                return;
            }
        }
    });
    output
}

/// Raw DEFLATE. What it holds beside the window is for 4,096 literals and matches, less for a window of 4 KiB and below:
/// with zlib's default for four times as many it takes longer to begin a message, and the output is no smaller.
fn new((window, level): Key) -> Deflate {
    let bits = i32::from(window.get());
    let mem_level = (bits - 7).min(6);
    Deflate::new_with_config(DeflateConfig {
        level: level.into(),
        window_bits: -bits,
        mem_level,
        ..DeflateConfig::default()
    })
}

impl fmt::Debug for Deflater {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut deflater = f.debug_struct("Deflater");
        deflater.field("direction", &self.direction).field("level", &self.level).finish_non_exhaustive()
    }
}
