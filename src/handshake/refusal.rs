//! How a server said no: its reply, with as much of the body as is worth keeping. RFC 9112 §6, §7.1.

use core::{fmt, str};

use bytes::{Buf, Bytes, BytesMut};

use super::{
    grammar,
    headers::Headers,
    http1::{ReplyHead, parse_chunk_size, reason},
};

/// The most bytes of a body that are kept. It is for a person to read.
const MAX_BODY: usize = 4 << 10;
/// The longest line before a chunk that is waited for.
const MAX_CHUNK_LINE: usize = 256;

/// A reply other than 101: a redirect, a request for credentials, an error.
#[derive(Clone, Debug)]
pub struct Refusal {
    status: u16,
    headers: Headers,
    body: Bytes,
}

impl Refusal {
    /// The status, as 401.
    pub const fn status(&self) -> u16 {
        self.status
    }

    /// The header fields, as `Location` or `WWW-Authenticate`.
    pub const fn headers(&self) -> &Headers {
        &self.headers
    }

    /// The beginning of the body, out of its chunks: at most 4 KiB, and less if the server stopped early.
    pub const fn body(&self) -> &Bytes {
        &self.body
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "refused with status {} {}", self.status, reason(self.status))
    }
}

/// A refusal whose body is on its way.
#[derive(Clone, Debug)]
pub(super) struct PartialRefusal {
    status: u16,
    headers: Headers,
    body: BytesMut,
    framing: Framing,
}

/// Where a body ends, and how much of it is to come.
#[derive(Clone, Copy, Debug)]
enum Framing {
    Length(u64),
    Chunk(u64),
    ChunkEnd,
    ChunkSize,
    Eof,
}

impl PartialRefusal {
    pub(super) fn new(head: ReplyHead) -> Self {
        let ReplyHead { status, headers, .. } = head;
        Self { status, framing: Framing::of(status, &headers), headers, body: BytesMut::new() }
    }

    /// Takes what belongs to the body off the front of `input`, and says whether that was the last of it.
    pub(super) fn receive(&mut self, input: &mut BytesMut) -> bool {
        while self.body.len() < MAX_BODY {
            match self.framing {
                Framing::Length(0) => return true,
                _ if input.is_empty() => return false,
                Framing::Eof => drop(self.take(input, u64::MAX)),
                Framing::Length(rest) => self.framing = Framing::Length(rest - self.take(input, rest)),
                Framing::Chunk(0) => self.framing = Framing::ChunkEnd,
                Framing::Chunk(rest) => self.framing = Framing::Chunk(rest - self.take(input, rest)),
                Framing::ChunkEnd if input.len() < 2 => return false,
                Framing::ChunkEnd if !input.starts_with(b"\r\n") => return true,
                Framing::ChunkEnd => {
                    input.advance(2);
                    self.framing = Framing::ChunkSize;
                }
                Framing::ChunkSize => match parse_chunk_size(&input[..input.len().min(MAX_CHUNK_LINE)]) {
                    Ok(None) => return input.len() >= MAX_CHUNK_LINE,
                    Ok(Some((line, size))) if line <= MAX_CHUNK_LINE && size > 0 => {
                        input.advance(line);
                        self.framing = Framing::Chunk(size);
                    }
                    // RFC 9112 §7.1: trailers follow a size of 0. Nobody reads them: the connection is done.
                    _ => return true,
                },
            }
        }
        true
    }

    /// The refusal with what has come of its body.
    pub(super) fn finish(self) -> Refusal {
        Refusal { status: self.status, headers: self.headers, body: self.body.freeze() }
    }

    /// Moves at most `len` bytes to the body, as many as there are and as it may hold; returns how many.
    fn take(&mut self, input: &mut BytesMut, len: u64) -> u64 {
        let len = usize::try_from(len).unwrap_or(usize::MAX).min(input.len()).min(MAX_BODY - self.body.len());
        self.body.extend_from_slice(&input.split_to(len));
        len as u64
    }
}

impl Framing {
    /// RFC 9112 §6.3: by the first of these rules that applies.
    fn of(status: u16, headers: &Headers) -> Self {
        if matches!(status, 204 | 304) {
            return Self::Length(0);
        }
        if headers.get("transfer-encoding").is_some() {
            let codings = headers.get_all("transfer-encoding").flat_map(grammar::tokens);
            let is_chunked = codings
                .last()
                .is_some_and(|last| last.is_ok_and(|last| last.eq_ignore_ascii_case(b"chunked")));
            return if is_chunked { Self::ChunkSize } else { Self::Eof };
        }
        match headers.get("content-length") {
            // A length that is none: whatever follows, the reply ends here.
            Some(length) => Self::Length(parse_length(length).unwrap_or(0)),
            None => Self::Eof,
        }
    }
}

fn parse_length(length: &[u8]) -> Option<u64> {
    str::from_utf8(length).ok().filter(|digits| !digits.starts_with('+'))?.parse().ok()
}
