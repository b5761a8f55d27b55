//! Bytes that wait for the wire. RFC 6455 §6.1.

use alloc::collections::VecDeque;
use core::mem;
#[cfg(feature = "std")]
use std::io::IoSlice;

use bytes::{Buf, BufMut, Bytes, BytesMut};

use crate::frame::{Header, MaskingKey};

/// A payload shorter than this is copied behind its header; a longer one is chained.
const COPIED_BELOW: usize = 4096;
/// A whole frame shorter than this is copied behind what waits: sharing it would take more than it saves.
const SHARED_FROM: usize = 256;
/// Behind a masked payload of this length begins a new buffer: the old one would double for a pong.
const SEALED_FROM: usize = 64 << 10;

/// Bytes that wait for the wire, in order.
///
/// Write what [`chunk`](Buf::chunk) shows (or [`chunks_vectored`](Buf::chunks_vectored), with feature `std`), then
/// [`advance`](Buf::advance) by what was written. Large payloads of a server stand here as they were given, not
/// copied. When all is written, no memory is held.
#[derive(Debug, Default)]
pub struct Transmit {
    /// Sealed segments, none of them empty, ahead of `tail`.
    segments: VecDeque<Bytes>,
    tail: BytesMut,
    /// The length of all segments.
    sealed: usize,
    /// How many bytes have left.
    sent: u64,
}

impl Transmit {
    pub(super) fn push(&mut self, header: &Header, payload: Bytes) {
        if let Some(key) = header.masking_key {
            return self.push_masked(header, key, &payload);
        }
        if payload.len() < COPIED_BELOW {
            self.tail.reserve(Header::MAX_LEN + payload.len());
            header.write(&mut self.tail);
            return self.tail.put_slice(&payload);
        }
        header.write(&mut self.tail);
        self.chain(payload);
    }

    /// A frame that others send as well.
    pub(super) fn push_frame(&mut self, frame: &Bytes) {
        if frame.len() < SHARED_FROM {
            return self.tail.extend_from_slice(frame);
        }
        self.chain(frame.clone());
    }

    pub(super) fn clear(&mut self) {
        *self = Self { sent: self.sent, ..Self::default() };
    }

    /// Whether there is memory to write into.
    #[cfg(feature = "tokio")]
    pub(crate) fn has_memory(&self) -> bool {
        self.tail.capacity() > 0
    }

    /// Memory to write into, where there is none.
    #[cfg(feature = "tokio")]
    pub(crate) fn lend(&mut self, buffer: BytesMut) {
        self.tail = buffer;
    }

    /// All has left: gives up the memory that it stood in.
    #[cfg(feature = "tokio")]
    pub(crate) fn advance_all(&mut self) -> BytesMut {
        self.sent += self.remaining() as u64;
        if self.sealed > 0 {
            (self.segments, self.sealed) = (VecDeque::new(), 0);
        }
        self.tail.clear();
        mem::take(&mut self.tail)
    }

    /// How many bytes have left.
    pub(super) const fn sent(&self) -> u64 {
        self.sent
    }

    /// The last `len` bytes that were queued, or as many of them as were copied, as a control frame always is.
    pub(crate) fn last(&self, len: usize) -> &[u8] {
        &self.tail[self.tail.len() - len.min(self.tail.len())..]
    }

    fn push_masked(&mut self, header: &Header, mut key: MaskingKey, payload: &[u8]) {
        self.tail.reserve(Header::MAX_LEN + payload.len());
        header.write(&mut self.tail);
        key.apply_onto(payload, &mut self.tail);
        if payload.len() >= SEALED_FROM {
            let sealed = mem::take(&mut self.tail).freeze();
            self.chain(sealed);
        }
    }

    fn chain(&mut self, segment: Bytes) {
        if !self.tail.is_empty() {
            let sealed = self.tail.split().freeze();
            self.sealed += sealed.len();
            self.segments.push_back(sealed);
        }
        self.sealed += segment.len();
        self.segments.push_back(segment);
    }
}

impl Buf for Transmit {
    fn remaining(&self) -> usize {
        self.sealed + self.tail.len()
    }

    fn chunk(&self) -> &[u8] {
        self.segments.front().map_or(&self.tail, |segment| segment)
    }

    #[cfg(feature = "std")]
    fn chunks_vectored<'a>(&'a self, slices: &mut [IoSlice<'a>]) -> usize {
        let tail = Some(&self.tail[..]).filter(|tail| !tail.is_empty());
        let waiting = self.segments.iter().map(|segment| &segment[..]).chain(tail);
        slices.iter_mut().zip(waiting).map(|(slice, bytes)| *slice = IoSlice::new(bytes)).count()
    }

    fn advance(&mut self, mut count: usize) {
        assert!(count <= self.remaining(), "advanced past the bytes that wait");
        self.sent += count as u64;
        while let Some(segment) = self.segments.front_mut() {
            let written = count.min(segment.len());
            segment.advance(written);
            self.sealed -= written;
            count -= written;
            if segment.has_remaining() {
                return;
            }
            self.segments.pop_front();
        }
        self.tail.advance(count);
        if !self.has_remaining() {
            self.clear();
        }
    }
}
