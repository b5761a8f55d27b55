//! A stream that holds nothing but what the peer has said, so that what is counted is the connection's.

use std::{
    collections::VecDeque,
    io,
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// What the peer has said. The pipe ends when nobody else has it.
pub type Said = Arc<Mutex<VecDeque<u8>>>;

pub struct Pipe {
    said: Said,
    /// How many bytes a write takes.
    takes: usize,
}

impl Pipe {
    pub const fn new(said: Said) -> Self {
        Self { said, takes: usize::MAX }
    }

    pub const fn that_takes(mut self, bytes: usize) -> Self {
        self.takes = bytes;
        self
    }
}

impl AsyncRead for Pipe {
    fn poll_read(self: Pin<&mut Self>, _: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let said = &mut *self.said.lock().unwrap();
        let len = said.len().min(buf.remaining());
        if len == 0 && Arc::strong_count(&self.said) > 1 {
            return Poll::Pending;
        }
        buf.put_slice(&said.make_contiguous()[..len]);
        said.drain(..len);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Pipe {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(bytes.len().min(self.takes)))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
