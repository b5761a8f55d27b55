//! A message that is encoded once and sent to many. RFC 6455 §6.1.

use alloc::sync::Arc;

use bytes::{BufMut, Bytes, BytesMut};

use super::encoder::opcode;
use crate::{
    deflate::{Deflater, Forms},
    event::{Kind, Message},
    frame::{Header, RSV1},
    text::Text,
};

/// A message that is encoded once and sent over any number of connections.
///
/// Its frame is made here, with the only copy of the payload; a compressed one is made when the first connection asks
/// that has agreed on this size of window and has this level, and kept for the others. Servers queue the frame as it is,
/// a payload from 256 bytes on without a copy; clients have to mask a copy of it (§5.3). Cloning is cheap.
///
/// ```
/// use bytes::Buf;
/// use sansocket::{Config, Connection, Negotiated, Prepared};
///
/// let news = Prepared::new("the news");
/// for mut connection in [(); 3].map(|()| Connection::server(&Config::new(), Negotiated::default())) {
///     connection.send(&news)?;
///     assert_eq!(connection.transmit().chunk(), b"\x81\x08the news");
/// }
/// assert_eq!(news.encodings(), 1);
/// # Ok::<(), sansocket::SendError>(())
/// ```
///
/// Over a connection with context takeover, a compressed message that was made elsewhere makes the encoder begin anew
/// behind it: what comes next refers to nothing before it, and compresses a little worse.
#[derive(Clone, Debug)]
pub struct Prepared(Arc<Encodings>);

#[derive(Debug)]
struct Encodings {
    kind: Kind,
    plain: Frame,
    /// `None` where compression does not make it smaller.
    deflated: Forms<Option<Frame>>,
}

/// A frame without a mask, and how much of it is its header.
#[derive(Clone, Debug)]
pub(super) struct Frame {
    rsv: u8,
    bytes: Bytes,
    header_len: usize,
}

impl Frame {
    fn new(kind: Kind, rsv: u8, payload: &[u8]) -> Self {
        let payload_len = payload.len() as u64;
        let header = Header { fin: true, rsv, opcode: opcode(kind), masking_key: None, payload_len };
        let mut bytes = BytesMut::with_capacity(Header::MAX_LEN + payload.len());
        header.write(&mut bytes);
        let header_len = bytes.len();
        bytes.put_slice(payload);
        Self { rsv, bytes: bytes.freeze(), header_len }
    }

    pub(super) const fn rsv(&self) -> u8 {
        self.rsv
    }

    pub(super) const fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    pub(super) fn payload(&self) -> Bytes {
        self.bytes.slice(self.header_len..)
    }
}

impl Prepared {
    /// Encodes a message.
    pub fn new(message: impl Into<Message>) -> Self {
        let message = message.into();
        let kind = message.kind();
        let plain = Frame::new(kind, 0, message.as_bytes());
        Self(Arc::new(Encodings { kind, plain, deflated: Forms::default() }))
    }

    /// The message.
    pub fn message(&self) -> Message {
        match self.kind() {
            Kind::Text => Text::from_validated(self.0.plain.payload()).into(),
            Kind::Binary => self.0.plain.payload().into(),
        }
    }

    /// Whether it is text or binary.
    pub fn kind(&self) -> Kind {
        self.0.kind
    }

    /// The length of the payload, in bytes.
    pub fn len(&self) -> usize {
        self.0.plain.bytes.len() - self.0.plain.header_len
    }

    /// Whether the payload is empty.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How often it was encoded so far: once without compression, and once for each size of window and level. A message that
    /// was posted is encoded when it is its turn to leave.
    pub fn encodings(&self) -> usize {
        1 + self.0.deflated.len()
    }

    /// The frame without compression.
    pub(super) fn plain(&self) -> &Frame {
        &self.0.plain
    }

    /// The frame for connections with an encoder like this one, if it is smaller.
    pub(super) fn deflated(&self, like: &Deflater) -> Option<Frame> {
        let payload = self.0.plain.payload();
        self.0.deflated.get(like, &payload, |deflated| Some(Frame::new(self.0.kind, RSV1, &deflated?)))
    }
}

impl From<Message> for Prepared {
    fn from(message: Message) -> Self {
        Self::new(message)
    }
}
