//! One message as a stream of bytes.

use core::{
    pin::Pin,
    task::{Context, Poll, ready},
};
use std::io;

use ::tokio::io::{AsyncBufRead, AsyncRead, AsyncWrite, ReadBuf};
use bytes::{Buf, Bytes};

use super::{Error, drive::Driver, line::Line, wakers::Until};
use crate::event::{Chunk, Kind};

/// The payload of one message as it arrives, however large the message is, in the memory of a read.
///
/// It ends where the message ends. A connection that ends within the message is an error, and so is text that is not
/// UTF-8; text may be cut within a character. What is left when it is dropped is skipped by the next call
/// of `recv`, `recv_event` or `recv_reader`; `recv_chunk` goes on with it.
#[derive(Debug)]
pub struct Reader<'a, T> {
    line: Line<'a, T>,
    kind: Kind,
    data: Bytes,
    is_whole: bool,
}

impl<'a, T: AsyncRead + AsyncWrite + Unpin> Reader<'a, T> {
    /// Waits for the next message.
    pub(super) async fn begin(mut line: Line<'a, T>) -> Result<Option<Self>, Error> {
        let poll = |cx: &mut Context<'_>| line.poll(Until::Received, cx, Driver::poll_first_chunk);
        let first = core::future::poll_fn(poll).await?;
        Ok(first.map(|Chunk { kind, data, fin }| Self { line, kind, data, is_whole: fin }))
    }

    /// Whether the message is text or binary.
    pub const fn kind(&self) -> Kind {
        self.kind
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin> AsyncBufRead for Reader<'_, T> {
    fn poll_fill_buf(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<&[u8]>> {
        let this = self.get_mut();
        while this.data.is_empty() && !this.is_whole {
            match ready!(this.line.poll(Until::Received, cx, Driver::poll_chunk))? {
                Some(chunk) => (this.data, this.is_whole) = (chunk.data, chunk.fin),
                // The peer has closed within the message.
                None => return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into())),
            }
        }
        Poll::Ready(Ok(&this.data))
    }

    fn consume(mut self: Pin<&mut Self>, count: usize) {
        self.data.advance(count);
        if self.data.is_empty() {
            // The block that it is a part of can be read into again.
            self.data = Bytes::new();
        }
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin> AsyncRead for Reader<'_, T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if buf.remaining() == 0 {
            return Poll::Ready(Ok(()));
        }
        let data = ready!(self.as_mut().poll_fill_buf(cx))?;
        let count = data.len().min(buf.remaining());
        buf.put_slice(&data[..count]);
        self.consume(count);
        Poll::Ready(Ok(()))
    }
}
