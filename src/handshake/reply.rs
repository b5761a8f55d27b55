//! What a server answers.

use core::{ops::Deref, str};

use bytes::Bytes;

use super::http1;

/// A whole reply of a server, ready for the wire: it is a slice of bytes.
///
/// For a framework that writes replies itself, it can be taken apart.
///
/// ```
/// use sansocket::handshake::Rejection;
///
/// let reply = Rejection::new(301).header("Location", "/chat")?.body("gone there").reply();
/// assert!(reply.starts_with(b"HTTP/1.1 301 Moved Permanently\r\n"));
/// assert_eq!((reply.status(), &reply.body()[..]), (301, &b"gone there"[..]));
/// assert_eq!(
///     reply.headers().collect::<Vec<_>>(),
///     [("Connection", "close"), ("Location", "/chat"), ("Content-Length", "10")]
/// );
/// # Ok::<(), sansocket::handshake::InvalidHeader>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    status: u16,
    wire: Bytes,
    head_len: usize,
}

impl Reply {
    /// With these lines of header fields, each whole, or in parts.
    pub(super) fn new(status: u16, lines: &[&[u8]], body: &[u8]) -> Self {
        let (wire, head_len) = http1::write_reply(status, lines, body);
        Self { status, wire: wire.into(), head_len }
    }

    /// The status.
    pub const fn status(&self) -> u16 {
        self.status
    }

    /// The header fields: name and value.
    pub fn headers(&self) -> impl Iterator<Item = (&str, &str)> {
        let head = str::from_utf8(&self.wire[..self.head_len]).expect("what we write is ASCII");
        head.split("\r\n").filter_map(|line| line.split_once(": "))
    }

    /// The body; empty if there is none.
    pub fn body(&self) -> Bytes {
        self.wire.slice(self.head_len..)
    }

    /// The bytes for the wire.
    pub fn into_bytes(self) -> Bytes {
        self.wire
    }
}

impl Deref for Reply {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.wire
    }
}
