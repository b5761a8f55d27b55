//! Bytes that wait for the wire. RFC 6455 §6.1.

use alloc::{boxed::Box, collections::VecDeque};
#[cfg(feature = "std")]
use std::io::IoSlice;

use bytes::{Buf, BufMut, Bytes, BytesMut};

use crate::frame::{Header, MaskingKey};

/// A payload shorter than this is copied behind its header; a longer one stays where it is.
const COPIED_BELOW: usize = 4096;
/// A whole frame shorter than this is copied behind what waits: sharing it would take more than it saves.
const SHARED_FROM: usize = 256;
/// A masked payload of this length has a buffer of its own: the others' would double for a pong.
const APART_FROM: usize = 64 << 10;

/// Bytes that wait for the wire, in order.
///
/// Write what [`chunk`](Buf::chunk) shows (or [`chunks_vectored`](Buf::chunks_vectored), with feature `std`), then
/// [`advance`](Buf::advance) by what was written. Large payloads of a server stand here as they were given, not
/// copied. When all is written, no memory is held.
#[derive(Debug, Default)]
pub struct Transmit {
    backlog: Option<Box<Backlog>>,
    /// How many bytes wait.
    len: usize,
    /// How many bytes have left.
    sent: u64,
}

/// What waits: bytes that were copied, and pieces between them that were not.
#[derive(Debug, Default)]
pub(crate) struct Backlog {
    copied: BytesMut,
    /// None of them is empty. Each has the number of copied bytes that go before it.
    pieces: VecDeque<(u64, Bytes)>,
    /// How many copied bytes have left.
    gone: u64,
}

impl Transmit {
    #[inline]
    pub(super) fn push(&mut self, header: &Header, payload: Bytes) {
        let backlog = self.backlog.get_or_insert_default();
        self.len += header.len() + payload.len();
        if let Some(key) = header.masking_key {
            return backlog.push_masked(header, key, &payload);
        }
        if payload.len() < COPIED_BELOW {
            backlog.copied.reserve(Header::MAX_LEN + payload.len());
            header.write(&mut backlog.copied);
            return backlog.copied.put_slice(&payload);
        }
        header.write(&mut backlog.copied);
        backlog.chain(payload);
    }

    /// A frame that others send as well.
    pub(super) fn push_frame(&mut self, frame: &Bytes) {
        let backlog = self.backlog.get_or_insert_default();
        self.len += frame.len();
        if frame.len() < SHARED_FROM {
            return backlog.copied.extend_from_slice(frame);
        }
        backlog.chain(frame.clone());
    }

    pub(super) fn clear(&mut self) {
        (self.backlog, self.len) = (None, 0);
    }

    /// How many bytes have left.
    pub(super) const fn sent(&self) -> u64 {
        self.sent
    }

    /// The last `len` bytes that were queued, or as many of them as were copied, as a control frame always is.
    pub(crate) fn last(&self, len: usize) -> &[u8] {
        let copied = self.backlog.as_ref().map_or(&[][..], |backlog| backlog.behind_pieces());
        &copied[copied.len() - len.min(copied.len())..]
    }
}

/// What the adapter does to have memory used again.
#[cfg(feature = "tokio")]
impl Transmit {
    pub(crate) const fn has_backlog(&self) -> bool {
        self.backlog.is_some()
    }

    /// In how many chunks it waits, at the most.
    pub(crate) fn chunks(&self) -> usize {
        self.backlog.as_ref().map_or(0, |backlog| 2 * backlog.pieces.len() + 1)
    }

    /// Takes an empty backlog to write into, where there is none.
    #[inline]
    pub(crate) fn lend(&mut self, backlog: Box<Backlog>) {
        self.backlog = Some(backlog);
    }

    /// All has left: gives its memory up.
    pub(crate) fn advance_all(&mut self) -> Option<Box<Backlog>> {
        self.sent += self.len as u64;
        self.len = 0;
        self.backlog.take()
    }
}

impl Backlog {
    fn push_masked(&mut self, header: &Header, key: MaskingKey, payload: &[u8]) {
        if payload.len() < APART_FROM {
            self.copied.reserve(Header::MAX_LEN + payload.len());
            header.write(&mut self.copied);
            return mask_onto(&mut self.copied, key, payload);
        }
        header.write(&mut self.copied);
        let mut masked = BytesMut::with_capacity(payload.len());
        mask_onto(&mut masked, key, payload);
        self.chain(masked.freeze());
    }

    fn chain(&mut self, piece: Bytes) {
        if self.pieces.capacity() == 0 {
            // Most often it stays the only one.
            self.pieces.reserve_exact(1);
        }
        self.pieces.push_back((self.gone + self.copied.len() as u64, piece));
    }

    /// What goes next in one piece.
    fn chunk(&self) -> &[u8] {
        match self.pieces.front() {
            None => &self.copied,
            Some((position, piece)) if *position == self.gone => piece,
            Some((position, _)) => &self.copied[..(position - self.gone) as usize],
        }
    }

    /// Shows what waits, in order, in as many slices as there are; returns how many it takes.
    #[cfg(feature = "std")]
    fn show<'a>(&'a self, slices: &mut [IoSlice<'a>]) -> usize {
        let (mut rest, mut copied, mut from) = (slices.iter_mut(), &self.copied[..], self.gone);
        let mut put = |chunk: &'a [u8]| {
            if !chunk.is_empty() {
                rest.next().map(|slice| *slice = IoSlice::new(chunk))?;
            }
            Some(())
        };
        for (position, piece) in &self.pieces {
            let (before, behind) = copied.split_at((position - from) as usize);
            (copied, from) = (behind, *position);
            if put(before).and_then(|()| put(piece)).is_none() {
                break;
            }
        }
        let _ = put(copied);
        let left = rest.len();
        slices.len() - left
    }

    /// Drops so many bytes of the chunk that goes next.
    fn advance(&mut self, count: usize) {
        match self.pieces.front_mut() {
            Some((position, piece)) if *position == self.gone => {
                piece.advance(count);
                if piece.is_empty() {
                    self.pieces.pop_front();
                }
            }
            _ => {
                self.copied.advance(count);
                self.gone += count as u64;
            }
        }
    }

    /// What was copied since the last piece.
    fn behind_pieces(&self) -> &[u8] {
        let from = self.pieces.back().map_or(0, |(position, _)| position - self.gone);
        &self.copied[from as usize..]
    }

    /// Makes it empty; returns the pieces, if there are any.
    #[cfg(feature = "tokio")]
    #[inline]
    pub(crate) fn take_pieces(&mut self) -> Option<impl Iterator<Item = Bytes>> {
        self.copied.clear();
        self.gone = 0;
        if self.pieces.is_empty() { None } else { Some(self.pieces.drain(..).map(|(_, piece)| piece)) }
    }

    /// How much memory it has, in bytes, with that of what has left.
    #[cfg(feature = "tokio")]
    pub(crate) fn capacity(&self) -> usize {
        self.gone as usize + self.copied.capacity() + self.pieces.capacity() * size_of::<(u64, Bytes)>()
    }
}

/// Copies and masks, in pieces that stay in the nearest cache from the one to the other.
fn mask_onto(out: &mut BytesMut, mut key: MaskingKey, payload: &[u8]) {
    const PIECE: usize = 16 << 10;
    for piece in payload.chunks(PIECE) {
        let start = out.len();
        out.extend_from_slice(piece);
        key.apply(&mut out[start..]);
    }
}

impl Buf for Transmit {
    #[inline]
    fn remaining(&self) -> usize {
        self.len
    }

    fn chunk(&self) -> &[u8] {
        self.backlog.as_ref().map_or(&[], |backlog| backlog.chunk())
    }

    #[cfg(feature = "std")]
    fn chunks_vectored<'a>(&'a self, slices: &mut [IoSlice<'a>]) -> usize {
        self.backlog.as_ref().map_or(0, |backlog| backlog.show(slices))
    }

    fn advance(&mut self, mut count: usize) {
        assert!(count <= self.len, "advanced past the bytes that wait");
        self.len -= count;
        self.sent += count as u64;
        if self.len == 0 {
            self.backlog = None;
        }
        while let Some(backlog) = self.backlog.as_mut().filter(|_| count > 0) {
            let step = count.min(backlog.chunk().len());
            backlog.advance(step);
            count -= step;
        }
    }
}
