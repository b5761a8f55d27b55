//! Header fields: those of a head that was received, and those that an application adds to one that is sent.

use alloc::vec::Vec;
use core::{error::Error, fmt, ops::Range, str};

use bytes::Bytes;

use super::{
    fault::Fault,
    grammar::{self, Malformed, is_field_value, is_token, trim_whitespace},
};

/// The header fields of a head, in the order in which they came.
///
/// They are ranges of one buffer, which is the head and nothing else: it keeps no input of the connection. Names are compared without regard to case.
///
/// ```
/// use bytes::BytesMut;
/// use sansocket::{Limits, handshake::ServerHandshake};
///
/// let mut input = BytesMut::from(
///     "GET / HTTP/1.1\r\nHost: example.com\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
///      Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\
///      Cookie: a=1\r\nCookie: b=2\r\n\r\n",
/// );
/// let offer = ServerHandshake::new(&Limits::default()).receive(&mut input)?.expect("a whole head");
/// assert_eq!(offer.headers().get("host"), Some(&b"example.com"[..]));
/// assert_eq!(offer.headers().get_all("cookie").collect::<Vec<_>>(), [b"a=1", b"b=2"]);
/// # Ok::<(), sansocket::handshake::Rejection>(())
/// ```
#[derive(Clone, Default)]
pub struct Headers {
    head: Bytes,
    fields: Vec<Field>,
    /// A bit for each length that a name has: most names that are asked for are not there, and none is as long.
    lengths: u64,
}

/// Where in the head a field stands; its value is without the whitespace around it.
#[derive(Clone)]
pub(super) struct Field {
    pub(super) name: Range<usize>,
    pub(super) value: Range<usize>,
}

impl Field {
    /// Most names differ in length from the one that is sought: then nothing is read.
    fn is_named(&self, name: &[u8], head: &[u8]) -> bool {
        self.name.end - self.name.start == name.len() && head[self.name.clone()].eq_ignore_ascii_case(name)
    }
}

impl Headers {
    /// The value of the first field with this name.
    #[inline]
    pub fn get(&self, name: &str) -> Option<&[u8]> {
        self.get_all(name).next()
    }

    /// The values of all fields with this name.
    #[inline]
    pub fn get_all(&self, name: &str) -> impl Iterator<Item = &[u8]> {
        let fields = if self.lengths & length_bit(name.len()) == 0 { &[] } else { &self.fields[..] };
        let named = fields.iter().filter(move |field| field.is_named(name.as_bytes(), &self.head));
        named.map(|field| &self.head[field.value.clone()])
    }

    /// All fields: name, as sent, and value.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.fields.iter().map(|field| {
            let name = str::from_utf8(&self.head[field.name.clone()]).expect("a name is a token");
            (name, &self.head[field.value.clone()])
        })
    }

    /// The number of fields.
    pub fn len(&self) -> usize {
        self.fields.len()
    }

    /// Whether there is no field.
    pub fn is_empty(&self) -> bool {
        self.fields.is_empty()
    }

    /// The fields of this head, and the head itself.
    pub(super) fn new(head: Bytes, fields: Vec<Field>) -> Self {
        let lengths = fields.iter().fold(0, |lengths, Field { name, .. }| lengths | length_bit(name.len()));
        Self { head, fields, lengths }
    }

    /// What stands there in the head.
    pub(super) fn part(&self, range: &Range<usize>) -> &[u8] {
        &self.head[range.clone()]
    }

    /// The parts of a first line and the fields of a head that somebody else has parsed.
    pub(super) fn from_fields<N: AsRef<str>, V: AsRef<[u8]>, const M: usize>(
        first_line: [&str; M],
        fields: impl IntoIterator<Item = (N, V)>,
    ) -> Result<([Range<usize>; M], Self), Fault> {
        let mut head = Vec::new();
        let mut append = |part: &[u8]| {
            head.extend_from_slice(part);
            head.len() - part.len()..head.len()
        };
        let first_line = first_line.map(|part| append(part.as_bytes()));
        let mut place = |(name, value): (N, V)| {
            let (name, value) = (name.as_ref().as_bytes(), trim_whitespace(value.as_ref()));
            let is_field =
                is_token(name) && !value.iter().any(|byte| byte.is_ascii_control() && *byte != b'\t');
            is_field
                .then(|| Field { name: append(name), value: append(value) })
                .ok_or(Fault::FieldLineMalformed)
        };
        let fields = fields.into_iter().map(&mut place).collect::<Result<_, _>>()?;
        Ok((first_line, Self::new(head.into(), fields)))
    }

    /// The value of the only field with this name.
    pub(super) fn only(&self, name: &str, missing: Fault, repeated: Fault) -> Result<&[u8], Fault> {
        let mut values = self.get_all(name);
        let value = values.next().ok_or(missing)?;
        if values.next().is_some() { Err(repeated) } else { Ok(value) }
    }

    /// The token `upgrade` in `Connection`.
    pub(super) fn connection(&self) -> Result<(), Fault> {
        let mut values = self.get_all("connection").peekable();
        values.peek().ok_or(Fault::ConnectionMissing)?;
        // §4.2.1, §4.1: Connection includes the token "upgrade", in any case, maybe among others.
        if lists(values.flat_map(grammar::tokens), b"upgrade") {
            Ok(())
        } else {
            Err(Fault::ConnectionWithoutUpgrade)
        }
    }
}

/// All names of 63 bytes and more have one bit in common.
const fn length_bit(len: usize) -> u64 {
    1 << if len < 63 { len } else { 63 }
}

impl fmt::Debug for Headers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut map = f.debug_map();
        for (name, value) in self.iter() {
            map.entry(&name, &format_args!("\"{}\"", value.escape_ascii()));
        }
        map.finish()
    }
}

/// Whether a request means to become a WebSocket: `Upgrade` names websocket and `Connection` names upgrade.
///
/// For a server that speaks other HTTP on the same port. It never fails: whether the request is a *valid* one is
/// for [`Offer::from_headers`](super::Offer::from_headers) to say.
///
/// ```
/// use sansocket::handshake::is_upgrade_request;
///
/// assert!(is_upgrade_request([("connection", "keep-alive, Upgrade"), ("upgrade", "WebSocket")]));
/// assert!(!is_upgrade_request([("connection", "keep-alive"), ("upgrade", "websocket")]));
/// ```
pub fn is_upgrade_request<N: AsRef<str>, V: AsRef<[u8]>>(headers: impl IntoIterator<Item = (N, V)>) -> bool {
    let (mut upgrade, mut connection) = (false, false);
    for (name, value) in headers {
        if name.as_ref().eq_ignore_ascii_case("upgrade") {
            upgrade |= lists(grammar::protocols(value.as_ref()), b"websocket");
        } else if name.as_ref().eq_ignore_ascii_case("connection") {
            connection |= lists(grammar::tokens(value.as_ref()), b"upgrade");
        }
    }
    upgrade && connection
}

/// Whether a list names a word in any case. A list with a malformed element names nothing.
pub(super) fn lists<'a>(mut list: impl Iterator<Item = Result<&'a [u8], Malformed>>, word: &[u8]) -> bool {
    list.try_fold(false, |found, element| element.map(|element| found | element.eq_ignore_ascii_case(word)))
        .unwrap_or(false)
}

/// A header that an application may not add.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum InvalidHeader {
    /// The name is not a token: it is empty, or has a space, a colon, a line end or another delimiter.
    Name,
    /// The value is not visible ASCII with spaces or tabs inside. It could end the line, or not survive it.
    Value,
    /// The header belongs to the handshake, which writes it itself.
    Reserved,
}

impl fmt::Display for InvalidHeader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Name => "header name that is not a token",
            Self::Value => "header value that is not visible ASCII",
            Self::Reserved => "header that belongs to the handshake",
        })
    }
}

impl Error for InvalidHeader {}

/// Fields that an application adds to a head, as lines ready for the wire.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct FieldLines(Vec<u8>);

impl FieldLines {
    /// Adds a field, or refuses it as a whole: nothing is ever rewritten.
    pub(super) fn push(&mut self, name: &str, value: &str) -> Result<(), InvalidHeader> {
        if !is_token(name.as_bytes()) {
            return Err(InvalidHeader::Name);
        }
        if !is_field_value(value.as_bytes()) {
            return Err(InvalidHeader::Value);
        }
        if is_reserved(name) {
            return Err(InvalidHeader::Reserved);
        }
        self.write(name, value.as_bytes());
        Ok(())
    }

    /// Writes a field that the handshake itself makes.
    pub(super) fn write(&mut self, name: &str, value: &[u8]) {
        for part in [name.as_bytes(), b": ", value, b"\r\n"] {
            self.0.extend_from_slice(part);
        }
    }

    pub(super) fn append(&mut self, more: &Self) {
        self.0.extend_from_slice(&more.0);
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

/// Whether a header decides about the upgrade, about who is asked, or about where the message ends.
fn is_reserved(name: &str) -> bool {
    const NAMES: [&str; 6] =
        ["Host", "Upgrade", "Connection", "Content-Length", "Transfer-Encoding", "Trailer"];
    const PREFIX: &str = "Sec-WebSocket-";
    NAMES.iter().any(|reserved| reserved.eq_ignore_ascii_case(name))
        || name.get(..PREFIX.len()).is_some_and(|prefix| prefix.eq_ignore_ascii_case(PREFIX))
}
