//! Answers to pings, of which a peer that does not read gets only so many. RFC 6455 §5.5.2, §5.5.3.

use alloc::boxed::Box;

use bytes::Bytes;

#[derive(Debug)]
pub(super) struct Pongs {
    limit: u32,
    /// Bytes of pongs that waited for the wire when the last one was queued, at the most.
    waiting: u32,
    /// Where the last one ends, counted from the first byte ever sent.
    end: u64,
    /// The latest ping that could not be answered for want of room.
    kept: Option<Box<Bytes>>,
}

impl Pongs {
    pub(super) fn new(limit: usize) -> Self {
        Self { limit: limit.try_into().unwrap_or(u32::MAX), waiting: 0, end: 0, kept: None }
    }

    /// Notes a ping; an older one that was not answered need not be any more (§5.5.3).
    pub(super) fn keep(&mut self, payload: Bytes) {
        self.kept = Some(Box::new(payload));
    }

    /// Whether a ping can be answered now, with `sent` bytes on the wire.
    pub(super) fn has_room(&self, sent: u64) -> bool {
        let waiting = self.waiting(sent);
        waiting == 0 || waiting < self.limit
    }

    /// The ping to answer now, with `sent` bytes on the wire.
    pub(super) fn take(&mut self, sent: u64) -> Option<Bytes> {
        let has_room = self.has_room(sent);
        self.kept.take_if(|_| has_room).map(|payload| *payload)
    }

    /// Counts a pong of `len` bytes that is queued behind `unsent` others, with `sent` bytes on the wire.
    pub(super) fn add(&mut self, len: usize, sent: u64, unsent: usize) {
        self.waiting = self.waiting(sent).saturating_add(len as u32);
        self.end = sent + (unsent + len) as u64;
    }

    pub(super) fn kept(&self) -> Option<&Bytes> {
        self.kept.as_deref()
    }

    pub(super) fn forget(&mut self) {
        self.kept = None;
    }

    /// Bytes of pongs that wait for the wire, at the most: none of them is behind the last one's end.
    fn waiting(&self, sent: u64) -> u32 {
        self.end.saturating_sub(sent).try_into().map_or(self.waiting, |ahead| self.waiting.min(ahead))
    }
}
