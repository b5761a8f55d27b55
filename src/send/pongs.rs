//! Answers to pings, of which a peer that does not read gets only so many. RFC 6455 §5.5.2, §5.5.3.

use bytes::Bytes;

#[derive(Debug)]
pub(super) struct Pongs {
    limit: usize,
    /// Bytes of pongs that wait for the wire, at the most.
    waiting: usize,
    /// Where the last one ends, counted from the first byte ever sent.
    end: u64,
    /// The latest ping that could not be answered for want of room.
    kept: Option<Bytes>,
}

impl Pongs {
    pub(super) const fn new(limit: usize) -> Self {
        Self { limit, waiting: 0, end: 0, kept: None }
    }

    /// Notes a ping; an older one that was not answered need not be any more (§5.5.3).
    pub(super) fn keep(&mut self, payload: Bytes) {
        self.kept = Some(payload);
    }

    /// The ping to answer now, with `sent` bytes on the wire and `unsent` bytes that wait for it.
    pub(super) fn take(&mut self, sent: u64, unsent: usize) -> Option<Bytes> {
        self.waiting = if sent >= self.end { 0 } else { self.waiting.min(unsent) };
        let has_room = self.waiting == 0 || self.waiting < self.limit;
        self.kept.take_if(|_| has_room)
    }

    /// Counts a pong of `len` bytes that was queued and ends at `end`.
    pub(super) const fn add(&mut self, len: usize, end: u64) {
        self.waiting += len;
        self.end = end;
    }

    pub(super) const fn kept(&self) -> Option<&Bytes> {
        self.kept.as_ref()
    }

    pub(super) fn forget(&mut self) {
        self.kept = None;
    }
}
