//! No library: the least that the work takes, by hand. One buffer of the thread is read into, unmasked in place while
//! it is hot, validated, and written from; a reply's header takes the place of the request's. Only data frames with
//! FIN set are understood, nothing else is answered.

use std::{
    cell::Cell,
    error::Error,
    future::poll_fn,
    io, mem,
    ops::Range,
    pin::Pin,
    task::{Context, Poll},
};

use sansocket_peers::{LIMIT, Runtime, open, serve, write};
use tokio::{
    io::{AsyncRead, ReadBuf},
    net::TcpStream,
};

/// What one read takes at most, so that it is still in the cache when it is unmasked.
const READ: usize = 128 << 10;

type Failure = Box<dyn Error + Send + Sync>;

thread_local! {
    static BUFFER: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

fn main() {
    serve(Runtime::Io, |mut stream| async move {
        open(&stream).await?;
        echo(&mut stream).await
    });
}

async fn echo(stream: &mut TcpStream) -> Result<(), Failure> {
    let mut window = Window::default();
    while poll_fn(|cx| window.poll_read(stream, cx)).await? > 0 {
        let replies = window.replies()?;
        if !replies.is_empty() {
            write(stream, &window.buffer[replies]).await?;
        }
        window.compact();
    }
    Ok(())
}

/// The buffer, which is the thread's unless a frame is half-read.
#[derive(Default)]
struct Window {
    buffer: Vec<u8>,
    /// Where the frame begins that is not yet whole, and where what was read ends.
    start: usize,
    end: usize,
    /// How much of the payload of that frame is unmasked.
    unmasked: usize,
}

impl Window {
    /// Reads into the buffer, taking it from the thread first, to which it returns while nothing comes.
    fn poll_read(&mut self, stream: &mut TcpStream, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        if self.buffer.is_empty() {
            self.buffer = BUFFER.take();
            self.grow(READ);
        }
        let end = self.buffer.len().min(self.end + READ);
        let mut bytes = ReadBuf::new(&mut self.buffer[self.end..end]);
        let polled = Pin::new(stream).poll_read(cx, &mut bytes).map_ok(|()| bytes.filled().len());
        match polled {
            Poll::Ready(Ok(read @ 1..)) => self.end += read,
            _ => self.compact(),
        }
        polled
    }

    /// Turns the whole frames into replies, which lie together.
    fn replies(&mut self) -> Result<Range<usize>, Failure> {
        let mut replies = 0..0;
        while let Some(header) = Header::parse(&self.buffer[self.start..self.end])? {
            let payload = self.start + header.len;
            let (from, to) = (payload + self.unmasked, self.end.min(payload + header.payload));
            mask(&mut self.buffer[from..to], header.mask.rotate_right(self.unmasked as u32 % 4 * 8));
            self.unmasked = to - payload;
            if self.unmasked < header.payload {
                self.grow(header.len + header.payload + READ);
                break;
            }
            if header.opcode == 1 {
                simdutf8::basic::from_utf8(&self.buffer[payload..to])?;
            }
            let reply = header.len - 4;
            let first = self.buffer[self.start];
            if replies.is_empty() {
                replies = payload - reply..payload;
            } else {
                self.buffer.copy_within(payload..to, replies.end + reply);
                replies.end += reply;
            }
            let head = &mut self.buffer[replies.end - reply..replies.end];
            head[0] = first;
            match header.payload {
                payload @ ..126 => head[1] = payload as u8,
                payload @ ..0x1_0000 => {
                    head[1] = 126;
                    head[2..].copy_from_slice(&(payload as u16).to_be_bytes());
                }
                payload => {
                    head[1] = 127;
                    head[2..].copy_from_slice(&(payload as u64).to_be_bytes());
                }
            }
            replies.end += header.payload;
            (self.start, self.unmasked) = (to, 0);
        }
        Ok(replies)
    }

    /// Moves what is half-read to the front, or gives the buffer back if there is nothing.
    fn compact(&mut self) {
        if self.start == self.end {
            BUFFER.set(mem::take(&mut self.buffer));
            (self.start, self.end) = (0, 0);
        } else if self.start > 0 {
            self.buffer.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
        }
    }

    fn grow(&mut self, len: usize) {
        if self.buffer.len() < len {
            self.buffer.resize(len, 0);
        }
    }
}

struct Header {
    opcode: u8,
    len: usize,
    payload: usize,
    mask: u32,
}

impl Header {
    fn parse(bytes: &[u8]) -> Result<Option<Self>, Failure> {
        let [first, second, rest @ ..] = bytes else { return Ok(None) };
        if !matches!(first, 0x81 | 0x82) || second & 0x80 == 0 {
            return Err("not a whole message with a mask".into());
        }
        let (extended, payload) = match (second & 0x7f, rest) {
            (126, [a, b, ..]) => (2, usize::from(u16::from_be_bytes([*a, *b]))),
            (127, [a, b, c, d, e, f, g, h, ..]) => {
                (8, usize::try_from(u64::from_be_bytes([*a, *b, *c, *d, *e, *f, *g, *h]))?)
            }
            (126 | 127, _) => return Ok(None),
            (len, _) => (0, usize::from(len)),
        };
        if payload > LIMIT {
            return Err("too long".into());
        }
        let Some(mask) = rest.get(extended..extended + 4) else { return Ok(None) };
        let mask = u32::from_le_bytes(mask.try_into()?);
        Ok(Some(Self { opcode: first & 15, len: 6 + extended, payload, mask }))
    }
}

/// Plain words, which the compiler makes vectors of: as wide as the target has without asking the processor.
fn mask(payload: &mut [u8], mask: u32) {
    let word = u64::from_le(u64::from(mask) << 32 | u64::from(mask)).to_ne_bytes();
    let (blocks, rest) = payload.as_chunks_mut::<128>();
    for block in blocks {
        for bytes in block.as_chunks_mut::<8>().0 {
            xor(bytes, word);
        }
    }
    let (words, rest) = rest.as_chunks_mut::<8>();
    for bytes in words {
        xor(bytes, word);
    }
    for (byte, mask) in rest.iter_mut().zip(word) {
        *byte ^= mask;
    }
}

fn xor(bytes: &mut [u8; 8], word: [u8; 8]) {
    *bytes = (u64::from_ne_bytes(*bytes) ^ u64::from_ne_bytes(word)).to_ne_bytes();
}
