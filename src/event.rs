//! The application's words: what a connection hears and says. RFC 6455 §6.

use alloc::{string::String, vec::Vec};

use bytes::Bytes;

use crate::{frame::CloseFrame, text::Text};

/// What the peer said. `D` is a whole [`Message`] or a [`Chunk`] of one.
///
/// Pings and closes are answered by the machine already; they are shown so that they can be counted and logged. Pings
/// are left to the application where [`Pings::Shown`](crate::Pings::Shown) says so.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event<D = Message> {
    /// A message, or a chunk of one.
    Data(D),
    /// A ping; its pong is queued (§5.5.2), unless pings are only shown.
    Ping(Bytes),
    /// A pong, asked for or not (§5.5.3).
    Pong(Bytes),
    /// The peer's Close frame, the last event of all (§5.5.1). `None` if it gave no code.
    Close(Option<CloseFrame>),
}

/// Whether a message is text or binary (§5.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// UTF-8 text.
    Text,
    /// Any bytes.
    Binary,
}

/// A whole message (§5.6).
///
/// ```
/// use sansocket::{Kind, Message};
///
/// let message = Message::from("hello");
/// assert_eq!(message.kind(), Kind::Text);
/// assert_eq!(message.as_text(), Some("hello"));
/// assert_eq!(Message::from(vec![1, 2, 3]).len(), 3);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// A text message: always valid UTF-8 (§8.1).
    Text(Text),
    /// A binary message.
    Binary(Bytes),
}

impl Message {
    /// Whether this is text or binary.
    pub const fn kind(&self) -> Kind {
        match self {
            Self::Text(_) => Kind::Text,
            Self::Binary(_) => Kind::Binary,
        }
    }

    /// The text of a text message.
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Binary(_) => None,
        }
    }

    /// The payload, of either kind.
    pub const fn as_bytes(&self) -> &Bytes {
        match self {
            Self::Text(text) => text.as_bytes(),
            Self::Binary(data) => data,
        }
    }

    /// Gives the payload back, of either kind.
    pub fn into_bytes(self) -> Bytes {
        match self {
            Self::Text(text) => text.into_bytes(),
            Self::Binary(data) => data,
        }
    }

    /// The same message in memory of just its size.
    pub(crate) fn compact(self) -> Self {
        let payload = Bytes::copy_from_slice(self.as_bytes());
        match self {
            Self::Text(_) => Self::Text(Text::from_validated(payload)),
            Self::Binary(_) => Self::Binary(payload),
        }
    }

    /// The length of the payload, in bytes.
    pub const fn len(&self) -> usize {
        self.as_bytes().len()
    }

    /// Whether the payload is empty.
    pub const fn is_empty(&self) -> bool {
        self.as_bytes().is_empty()
    }
}

impl From<Text> for Message {
    fn from(text: Text) -> Self {
        Self::Text(text)
    }
}

impl From<&'static str> for Message {
    fn from(text: &'static str) -> Self {
        Self::Text(text.into())
    }
}

impl From<String> for Message {
    fn from(text: String) -> Self {
        Self::Text(text.into())
    }
}

impl From<Bytes> for Message {
    fn from(data: Bytes) -> Self {
        Self::Binary(data)
    }
}

impl From<Vec<u8>> for Message {
    fn from(data: Vec<u8>) -> Self {
        Self::Binary(data.into())
    }
}

/// What has gone one way over a connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Traffic {
    /// Frames of all kinds.
    pub frames: u64,
    /// Whole messages.
    pub messages: u64,
    /// Bytes on the wire.
    pub bytes: u64,
}

/// A piece of a message: as it arrives, or as it is to be sent.
///
/// The chunks of a text message are valid UTF-8 together; a single one may end inside a character.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chunk {
    /// The kind of the message, the same in each of its chunks.
    pub kind: Kind,
    /// The payload, possibly empty.
    pub data: Bytes,
    /// Whether this chunk ends the message.
    pub fin: bool,
}

/// The whole message as one chunk.
impl From<Message> for Chunk {
    fn from(message: Message) -> Self {
        Self { kind: message.kind(), data: message.into_bytes(), fin: true }
    }
}
