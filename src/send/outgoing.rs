//! What can be sent whole, and what happens to it when there is no room. RFC 6455 §6.1.

use super::Prepared;
use crate::{event::Message, frame::CloseFrame};

/// What can be sent in one piece: a [`Message`], or a [`Prepared`] one.
///
/// Whatever is a message is one of these.
#[derive(Clone, Debug)]
pub enum Outgoing {
    /// A message for this connection.
    Message(Message),
    /// A message for many connections.
    Prepared(Prepared),
}

impl Outgoing {
    /// The message.
    pub fn message(&self) -> Message {
        match self {
            Self::Message(message) => message.clone(),
            Self::Prepared(prepared) => prepared.message(),
        }
    }

    /// The length of the payload, in bytes.
    pub fn len(&self) -> usize {
        match self {
            Self::Message(message) => message.len(),
            Self::Prepared(prepared) => prepared.len(),
        }
    }

    /// Whether the payload is empty.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl<M: Into<Message>> From<M> for Outgoing {
    fn from(message: M) -> Self {
        Self::Message(message.into())
    }
}

impl From<Prepared> for Outgoing {
    fn from(prepared: Prepared) -> Self {
        Self::Prepared(prepared)
    }
}

impl From<&Prepared> for Outgoing {
    fn from(prepared: &Prepared) -> Self {
        Self::Prepared(prepared.clone())
    }
}

/// What is done with a message that is posted to a peer too slow to make room for it.
///
/// The fourth choice is to wait: that is what a sender does which does not post.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Overflow {
    /// The message is dropped: what was said first counts.
    DropNewest,
    /// The oldest posted messages are dropped until there is room, and the message is taken even if that is not enough:
    /// what was said last counts.
    DropOldest,
    /// The connection is closed, and what was posted and has not begun to leave is dropped. 1008 and 1013 are customary.
    Close(CloseFrame),
}

/// What became of a message that was posted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Posted {
    /// It is queued.
    Queued,
    /// It is queued, and this many older ones were dropped for it.
    Replaced(usize),
    /// There was no room, and it was dropped.
    Dropped,
    /// There was no room, and the connection is being closed.
    Closed,
}
