//! The bytes of HTTP/1.1: collecting a head, tokenising it, writing one. RFC 9112. The only file that sees a parser.
//!
//! A head is scanned once for its end, however it is cut, and tokenised once. The parser is lenient about line ends,
//! so the scan is not: a line feed without a carriage return is refused as it arrives, and the parser has to end
//! exactly where the scan did, or somebody in front of us might see another request than we do.

use alloc::{format, vec, vec::Vec};

use bytes::{Bytes, BytesMut};
use httparse::{EMPTY_HEADER, Error, Header, Status};

use super::{
    fault::Fault,
    headers::{FieldLines, Headers},
};
use crate::{config::Limits, text::Text};

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
    pub(super) method: Text,
    pub(super) target: Text,
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

    /// The head at the front of the input as a request; `None`, and the input as it was, if it has not all arrived.
    pub(super) fn request(&mut self, input: &mut BytesMut) -> Result<Option<RequestHead>, Fault> {
        let Some(len) = self.find_end(input)? else { return Ok(None) };
        parse_request(&self.split(input, len), self.max_fields).map(Some)
    }

    /// The head at the front of the input as a reply; `None`, and the input as it was, if it has not all arrived.
    pub(super) fn reply(&mut self, input: &mut BytesMut) -> Result<Option<ReplyHead>, Fault> {
        let Some(len) = self.find_end(input)? else { return Ok(None) };
        parse_reply(&self.split(input, len), self.max_fields).map(Some)
    }

    /// The length of the head, once its end is there. Only new bytes are looked at.
    fn find_end(&mut self, input: &[u8]) -> Result<Option<usize>, Fault> {
        let seen = &input[..input.len().min(self.limit)];
        for end in self.scanned + 1..=seen.len() {
            if seen[end - 1] != b'\n' {
                continue;
            }
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

    fn split(&mut self, input: &mut BytesMut, len: usize) -> Bytes {
        self.scanned = 0;
        self.limit -= len;
        input.split_to(len).freeze()
    }
}

fn parse_request(head: &Bytes, max_fields: usize) -> Result<RequestHead, Fault> {
    // RFC 9112 §2.2: one empty line before the request line is ignored. A second one would have ended the head.
    let mut fields = room_for_fields(head, max_fields);
    let mut request = httparse::Request::new(&mut fields);
    match (request.parse(head), request.method, request.path, request.version) {
        (Ok(Status::Complete(len)), Some(method), Some(target), Some(minor)) if len == head.len() => {
            Ok(RequestHead {
                method: text(head, method),
                target: text(head, target),
                version: HttpVersion::new(1, minor),
                headers: headers(head, request.headers),
            })
        }
        (Err(Error::Version), ..) if names_version(head) => Err(Fault::HttpVersionUnsupported),
        (verdict, ..) => Err(fault(verdict)),
    }
}

fn parse_reply(head: &Bytes, max_fields: usize) -> Result<ReplyHead, Fault> {
    let mut fields = room_for_fields(head, max_fields);
    let mut reply = httparse::Response::new(&mut fields);
    match (reply.parse(head), reply.version, reply.code) {
        // The parser skips empty lines, which no RFC allows before a status line.
        _ if !head.starts_with(b"HTTP/") => Err(Fault::StartLineMalformed),
        (Ok(Status::Complete(len)), Some(minor), Some(status)) if len == head.len() => Ok(ReplyHead {
            status,
            version: HttpVersion::new(1, minor),
            headers: headers(head, reply.headers),
        }),
        (verdict, ..) => Err(fault(verdict)),
    }
}

/// Room for as many fields as the limit allows and the head can hold: the shortest is `a:` and a line end.
fn room_for_fields<'a>(head: &[u8], max_fields: usize) -> Vec<Header<'a>> {
    vec![EMPTY_HEADER; max_fields.min(head.len() / 4)]
}

fn text(head: &Bytes, part: &str) -> Text {
    Text::from_validated(head.slice_ref(part.as_bytes()))
}

fn headers(head: &Bytes, fields: &[Header<'_>]) -> Headers {
    Headers::from_head(head, fields.iter().map(|field| (field.name, field.value)))
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

/// The head of a reply with this status.
pub(super) fn write_reply(status: u16, fields: &FieldLines) -> Vec<u8> {
    let status_line = format!("HTTP/1.1 {status} {}\r\n", reason(status));
    [status_line.as_bytes(), fields.as_bytes(), b"\r\n"].concat()
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
