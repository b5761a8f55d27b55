//! Memory to read into and to write from, which belongs to whoever is at work, not to whoever is waiting.
//!
//! Each thread keeps one spare block for either. A connection borrows the one to read, and gives it back when all that
//! was read has been received, or when it has to wait: what is then left of its input, a part of a frame, it keeps in a
//! buffer of just that size, or, from 16 KiB on, in the block. A message from 16 KiB on is a part of its block, which the
//! connection then has until it waits. The other one it has from the first message that it queues until all output has
//! left.

use std::{boxed::Box, cell::Cell, mem, thread_local};

use bytes::{Bytes, BytesMut};

use crate::send::{Backlog, Transmit};

/// The size of a block: what one read can bring, a frame of 64 KiB with its header.
const BLOCK: usize = (64 << 10) + 64;
/// Below this much room, a read is not worth its cost.
const ROOM: usize = 8 << 10;
/// From here on a frame grows faster: each step may have to copy what has come.
const FAST_FROM: usize = 1 << 20;
/// A larger rest of input stays where it is: moving it would cost more than it frees.
const MOVED: usize = BLOCK / 4;

thread_local! {
    static SPARE: Cell<BytesMut> = Cell::default();
    static SPARE_OUTPUT: Cell<Option<Box<Backlog>>> = const { Cell::new(None) };
}

/// Lends memory for output that is about to be queued.
#[inline]
pub(super) fn borrow_output(transmit: &mut Transmit) {
    if !transmit.has_backlog() {
        transmit.lend(SPARE_OUTPUT.take().unwrap_or_default());
    }
}

/// Gives it back, unless large output has made it grow; and the blocks that were echoed.
pub(super) fn give_back_output(mut backlog: Box<Backlog>) {
    let capacity = backlog.capacity();
    if let Some(pieces) = backlog.take_pieces() {
        recycle(pieces);
    }
    if capacity <= BLOCK {
        SPARE_OUTPUT.set(Some(backlog));
    }
}

#[inline(never)]
fn recycle(pieces: impl Iterator<Item = Bytes>) {
    for piece in pieces.filter(|piece| piece.len() > MOVED) {
        if let Ok(block) = piece.try_into_mut() {
            keep(block);
        }
    }
}

/// Makes room behind `input`, for whose last frame so many bytes are missing.
#[inline]
pub(super) fn borrow(input: &mut BytesMut, missing: u64) {
    if input.capacity() == 0 {
        *input = SPARE.take();
    }
    if input.capacity() - input.len() < ROOM {
        make_room(input, missing);
    }
}

fn make_room(input: &mut BytesMut, missing: u64) {
    if input.len() > MOVED {
        return grow(input, usize::try_from(missing).unwrap_or(usize::MAX));
    }
    let mut block = SPARE.take();
    block.reserve(BLOCK);
    block.extend_from_slice(input);
    *input = block;
}

/// Makes room for more of a large frame, in steps that end with just the frame: a buffer grows to twice its size at the least,
/// so each step is more than that.
fn grow(input: &mut BytesMut, missing: usize) {
    if (1..=input.capacity() - input.len()).contains(&missing) {
        return;
    }
    let least = (input.len() + ROOM).max(2 * input.capacity());
    let most = least.saturating_mul(if input.len() < FAST_FROM { 4 } else { 16 });
    let mut size = (input.len() + ROOM).saturating_add(missing);
    while size >= most {
        size /= 4;
    }
    input.reserve(size - input.len());
}

/// Gives a block with nothing in it back, unless a large message is a part of it that the application still has; returns
/// whether `input` has no memory then.
#[inline(never)]
pub(super) fn give_back_free(input: &mut BytesMut) -> bool {
    if input.capacity() == BLOCK || reclaim(input) {
        SPARE.set(mem::take(input));
    } else if input.capacity() < ROOM {
        // The last of a block, if it is not a rest, is the message's.
        *input = BytesMut::new();
    }
    input.capacity() == 0
}

/// Gives the block back, but for the bytes in it.
#[inline]
pub(super) fn give_back(input: &mut BytesMut) {
    if input.is_empty() && input.capacity() == BLOCK {
        SPARE.with(|spare| spare.swap(Cell::from_mut(input)));
        if input.capacity() == 0 {
            return;
        }
    }
    give_back_rest(input);
}

/// What seems to have no memory may be at the end of a block, and have it all.
#[inline(never)]
fn give_back_rest(input: &mut BytesMut) {
    if input.len() <= MOVED {
        let rest = if input.is_empty() { BytesMut::new() } else { BytesMut::from(&input[..]) };
        keep(mem::replace(input, rest));
    }
}

fn keep(mut block: BytesMut) {
    block.clear();
    // Not what a handshake or a rest began with, not what a large message has grown to, and not what a message that the
    // application keeps is a part of.
    if block.capacity() == BLOCK || reclaim(&mut block) {
        SPARE.set(block);
    }
}

#[inline(never)]
fn reclaim(block: &mut BytesMut) -> bool {
    block.try_reclaim(BLOCK) && block.capacity() == BLOCK
}
