//! Messages that were posted and not yet encoded: the part of the output that can still be dropped.

use alloc::collections::VecDeque;

use super::Outgoing;

/// What a message takes besides its payload.
const ENTRY: usize = size_of::<Outgoing>();

#[derive(Debug, Default)]
pub(super) struct Queue {
    messages: VecDeque<Outgoing>,
    bytes: usize,
}

impl Queue {
    /// What is held, in bytes.
    pub(super) const fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn push(&mut self, message: Outgoing) {
        self.bytes += ENTRY + message.len();
        self.messages.push_back(message);
    }

    pub(super) fn pop(&mut self) -> Option<Outgoing> {
        let message = self.messages.pop_front()?;
        self.bytes -= ENTRY + message.len();
        if self.messages.is_empty() {
            self.clear();
        }
        Some(message)
    }

    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }
}
