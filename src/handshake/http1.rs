//! The bytes of HTTP/1.1: collecting a head, tokenising it, writing one. RFC 9112. The only file that sees a parser.
//!
//! A head is scanned once for its end, however it is cut, and tokenised once. The parser is lenient about line ends,
//! so the scan is not: a line feed without a carriage return is refused as it arrives, and the parser has to end
//! exactly where the scan did, or somebody in front of us might see another request than we do.

use alloc::{vec, vec::Vec};
use core::{mem::MaybeUninit, ops::Range};

use bytes::{Buf, Bytes, BytesMut};
use httparse::{Error, Header, ParserConfig, Status};

use super::{
    fault::Fault,
    headers::{Field, FieldLines, Headers},
};
use crate::config::Limits;

/// A version of HTTP.
///
/// ```
/// use sansocket::handshake::HttpVersion;
///
/// assert!(HttpVersion::HTTP_10 < HttpVersion::HTTP_11);
/// assert_eq!(HttpVersion::new(1, 1), HttpVersion::HTTP_11);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HttpVersion {
    major: u8,
    minor: u8,
}

impl HttpVersion {
    /// HTTP/1.0.
    pub const HTTP_10: Self = Self::new(1, 0);
    /// HTTP/1.1, the one that can be upgraded.
    pub const HTTP_11: Self = Self::new(1, 1);

    /// The version with these numbers.
    pub const fn new(major: u8, minor: u8) -> Self {
        Self { major, minor }
    }
}

/// The head of a request, tokenised and not yet judged.
pub(super) struct RequestHead {
    /// Where these stand in the head that the header fields keep.
    pub(super) method: Range<usize>,
    pub(super) target: Range<usize>,
    pub(super) version: HttpVersion,
    pub(super) headers: Headers,
}

/// The head of a reply, tokenised and not yet judged.
pub(super) struct ReplyHead {
    pub(super) status: u16,
    pub(super) version: HttpVersion,
    pub(super) headers: Headers,
}

/// Collects heads from the front of the input. All of them together are held to the limit.
#[derive(Clone, Debug)]
pub(super) struct HeadScan {
    /// Bytes at the front of the input that hold no end.
    scanned: usize,
    limit: usize,
    max_fields: usize,
}

impl HeadScan {
    pub(super) fn new(limits: &Limits) -> Self {
        Self { scanned: 0, limit: limits.head, max_fields: limits.head_fields }
    }

    fn head(&mut self, input: &mut BytesMut) -> Result<Option<Bytes>, Fault> {
        let Some(len) = self.find_end(input)? else { return Ok(None) };
        self.scanned = 0;
        self.limit -= len;
        // A copy, so that whoever keeps the head does not keep what it was read into.
        let head = Bytes::copy_from_slice(&input[..len]);
        input.advance(len);
        Ok(Some(head))
    }

    /// The head at the front of the input as a request; `None`, and the input as it was, if it has not all arrived.
    pub(super) fn request(&mut self, input: &mut BytesMut) -> Result<Option<RequestHead>, Fault> {
        self.head(input)?.map(|head| parse_request(head, self.max_fields)).transpose()
    }

    /// The head at the front of the input as a reply; `None`, and the input as it was, if it has not all arrived.
    pub(super) fn reply(&mut self, input: &mut BytesMut) -> Result<Option<ReplyHead>, Fault> {
        self.head(input)?.map(|head| parse_reply(head, self.max_fields)).transpose()
    }

    /// The length of the head, once its end is there. Only new bytes are looked at.
    fn find_end(&mut self, input: &[u8]) -> Result<Option<usize>, Fault> {
        let seen = &input[..input.len().min(self.limit)];
        let mut end = self.scanned;
        while let Some(line) = find_line_feed(&seen[end..]) {
            end += line + 1;
            // RFC 9112 §2.2: a recipient may take a bare LF for a line end. We do not: others might not.
            if !seen[..end].ends_with(b"\r\n") {
                return Err(Fault::LineEndMalformed);
            }
            if seen[..end].ends_with(b"\r\n\r\n") {
                return Ok(Some(end));
            }
        }
        self.scanned = seen.len();
        if seen.len() == self.limit { Err(Fault::HeadTooLarge) } else { Ok(None) }
    }
}

/// Where the first line feed stands. Eight bytes are looked at in one step.
fn find_line_feed(bytes: &[u8]) -> Option<usize> {
    const LINE_FEEDS: u64 = u64::from_ne_bytes([b'\n'; 8]);
    const LOW: u64 = u64::from_ne_bytes([1; 8]);
    const HIGH: u64 = u64::from_ne_bytes([0x80; 8]);
    let (words, rest) = bytes.as_chunks();
    for (i, word) in words.iter().enumerate() {
        let differing = u64::from_le_bytes(*word) ^ LINE_FEEDS;
        // The lowest bit that this sets is in the first byte that is 0; those above it may be set by the borrow.
        let found = differing.wrapping_sub(LOW) & !differing & HIGH;
        if found != 0 {
            return Some(8 * i + found.trailing_zeros() as usize / 8);
        }
    }
    rest.iter().position(|byte| *byte == b'\n').map(|at| 8 * words.len() + at)
}

/// Room for the parser to put fields in.
type Room<'a> = [MaybeUninit<Header<'a>>];

/// As many fields as have room on the stack: the default limit.
const ON_STACK: usize = 100;

/// Lends room for as many fields as the limit allows and the head can hold: the shortest is `a:` and a line end.
fn with_room<'a, R>(max_fields: usize, head: &'a [u8], parse: impl FnOnce(&mut Room<'a>) -> R) -> R {
    let count = max_fields.min(head.len() / 4);
    if count <= ON_STACK {
        parse(&mut [const { MaybeUninit::uninit() }; ON_STACK][..count])
    } else {
        parse(&mut vec![const { MaybeUninit::uninit() }; count])
    }
}

fn parse_request(head: Bytes, max_fields: usize) -> Result<RequestHead, Fault> {
    // RFC 9112 §2.2: one empty line before the request line is ignored. A second one would have ended the head.
    let (method, target, minor, fields) = with_room(max_fields, &head, |room| {
        let mut request = httparse::Request::new(&mut []);
        let verdict = request.parse_with_uninit_headers(&head, room);
        match (verdict, request.method, request.path, request.version) {
            (Ok(Status::Complete(len)), Some(method), Some(target), Some(minor)) if len == head.len() => {
                let place = |part: &str| place(&head, part.as_bytes());
                Ok((place(method), place(target), minor, fields(&head, request.headers)))
            }
            (Err(Error::Version), ..) if names_version(&head) => Err(Fault::HttpVersionUnsupported),
            (verdict, ..) => Err(fault(verdict)),
        }
    })?;
    let headers = Headers::new(head, fields);
    Ok(RequestHead { method, target, version: HttpVersion::new(1, minor), headers })
}

fn parse_reply(head: Bytes, max_fields: usize) -> Result<ReplyHead, Fault> {
    // The parser skips empty lines, which no RFC allows before a status line.
    if !head.starts_with(b"HTTP/") {
        return Err(Fault::StartLineMalformed);
    }
    let (status, minor, fields) = with_room(max_fields, &head, |room| {
        let mut reply = httparse::Response::new(&mut []);
        let verdict = ParserConfig::default().parse_response_with_uninit_headers(&mut reply, &head, room);
        match (verdict, reply.version, reply.code) {
            (Ok(Status::Complete(len)), Some(minor), Some(status)) if len == head.len() => {
                Ok((status, minor, fields(&head, reply.headers)))
            }
            (verdict, ..) => Err(fault(verdict)),
        }
    })?;
    Ok(ReplyHead { status, version: HttpVersion::new(1, minor), headers: Headers::new(head, fields) })
}

/// Where a part of the head stands in it.
fn place(head: &[u8], part: &[u8]) -> Range<usize> {
    let start = part.as_ptr().addr() - head.as_ptr().addr();
    start..start + part.len()
}

fn fields(head: &[u8], fields: &[Header<'_>]) -> Vec<Field> {
    let field = |field: &Header<'_>| Field {
        name: place(head, field.name.as_bytes()),
        value: place(head, field.value),
    };
    fields.iter().map(field).collect()
}

fn fault(verdict: httparse::Result<usize>) -> Fault {
    match verdict {
        Err(Error::HeaderName | Error::HeaderValue) => Fault::FieldLineMalformed,
        Err(Error::TooManyHeaders) => Fault::TooManyFields,
        _ => Fault::StartLineMalformed,
    }
}

/// Whether the first line is one of another version, as that of the HTTP/2 preface is.
fn names_version(head: &[u8]) -> bool {
    let line = head.trim_ascii_start().split(|byte| *byte == b'\r').next().unwrap_or_default();
    let mut words = line.split(|byte| *byte == b' ');
    // RFC 9112 §2.3: HTTP-name "/" DIGIT "." DIGIT
    matches!(words.nth(2), Some([b'H', b'T', b'T', b'P', b'/', major, b'.', minor])
        if major.is_ascii_digit() && minor.is_ascii_digit())
        && words.next().is_none()
}

/// A chunk-size line that is not one.
pub(super) struct InvalidChunkSize;

/// The length of a chunk-size line and the size that it gives; `None` if it has not all arrived.
pub(super) fn parse_chunk_size(input: &[u8]) -> Result<Option<(usize, u64)>, InvalidChunkSize> {
    match httparse::parse_chunk_size(input) {
        Ok(Status::Complete(line)) => Ok(Some(line)),
        Ok(Status::Partial) => Ok(None),
        Err(_) => Err(InvalidChunkSize),
    }
}

/// The head of a request for `target`.
pub(super) fn write_request(target: &str, fields: &FieldLines) -> Bytes {
    [b"GET ", target.as_bytes(), b" HTTP/1.1\r\n", fields.as_bytes(), b"\r\n"].concat().into()
}

/// A reply with this status, and the length of its head. Written once, into room of its size.
pub(super) fn write_reply(status: u16, lines: &[&[u8]], body: &[u8]) -> (Vec<u8>, usize) {
    let digits = [status / 100, status / 10 % 10, status % 10].map(|digit| b'0' + digit as u8);
    let status_line: [&[u8]; 5] = [b"HTTP/1.1 ", &digits, b" ", reason(status).as_bytes(), b"\r\n"];
    let head = || status_line.iter().chain(lines).copied().chain([&b"\r\n"[..]]);
    let head_len = head().map(<[u8]>::len).sum();
    let mut reply = Vec::with_capacity(head_len + body.len());
    head().chain([body]).for_each(|part| reply.extend_from_slice(part));
    (reply, head_len)
}

/// The reason phrase of a status; empty for one without a well-known phrase, which RFC 9112 §4 allows.
pub(super) const fn reason(status: u16) -> &'static str {
    match status {
        101 => "Switching Protocols",
        200 => "OK",
        204 => "No Content",
        301 => "Moved Permanently",
        302 => "Found",
        303 => "See Other",
        307 => "Temporary Redirect",
        308 => "Permanent Redirect",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        409 => "Conflict",
        410 => "Gone",
        413 => "Content Too Large",
        421 => "Misdirected Request",
        422 => "Unprocessable Content",
        426 => "Upgrade Required",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        505 => "HTTP Version Not Supported",
        _ => "",
    }
}
