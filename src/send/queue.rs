//! Messages that were posted and not yet encoded: the part of the output that can still be dropped.

use alloc::{boxed::Box, collections::VecDeque};

use super::{Outgoing, Overflow, Posted, Sender};
use crate::error::SendError;

/// What a message takes besides its payload, at the most: a prepared one that nobody else has.
const ENTRY: usize = 256;
/// A payload shorter than this is copied: it may be a small part of what its owner has allocated.
const COPIED_BELOW: usize = 4096;

#[derive(Debug, Default)]
pub(super) struct Queue(Option<Box<Waiting>>);

/// At least one message.
#[derive(Debug, Default)]
struct Waiting {
    messages: VecDeque<Outgoing>,
    bytes: usize,
}

impl Queue {
    pub(super) const fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// What is held, in bytes.
    #[inline]
    pub(super) fn bytes(&self) -> usize {
        self.0.as_ref().map_or(0, |waiting| waiting.bytes)
    }

    pub(super) fn push(&mut self, message: Outgoing) {
        let message = compact(message);
        let waiting = self.0.get_or_insert_default();
        waiting.bytes += ENTRY + message.len();
        waiting.messages.push_back(message);
    }

    pub(super) fn pop(&mut self) -> Option<Outgoing> {
        let waiting = self.0.as_mut()?;
        let message = waiting.messages.pop_front()?;
        waiting.bytes -= ENTRY + message.len();
        self.0.take_if(|waiting| waiting.messages.is_empty());
        Some(message)
    }

    pub(super) fn clear(&mut self) {
        self.0 = None;
    }
}

fn compact(message: Outgoing) -> Outgoing {
    match message {
        Outgoing::Message(message) if message.len() < COPIED_BELOW => Outgoing::Message(message.compact()),
        message => message,
    }
}

impl Sender {
    /// Queues a whole message, and where there is no room does what `overflow` says. Messages that are posted while
    /// another one is being sent in chunks wait for its end.
    ///
    /// # Errors
    ///
    /// [`SendError::Closed`].
    pub fn post(&mut self, message: impl Into<Outgoing>, overflow: Overflow) -> Result<Posted, SendError> {
        if self.is_closed() {
            return Err(SendError::Closed);
        }
        let mut dropped = 0;
        while !self.has_room() {
            match overflow {
                Overflow::DropNewest => return Ok(Posted::Dropped),
                Overflow::DropOldest => match self.queue.pop() {
                    Some(_) => dropped += 1,
                    None => break,
                },
                Overflow::Close(frame) => {
                    self.queue.clear();
                    self.write_close(Some(frame));
                    return Ok(Posted::Closed);
                }
            }
        }
        self.queue.push(message.into());
        Ok(if dropped > 0 { Posted::Replaced(dropped) } else { Posted::Queued })
    }
}
