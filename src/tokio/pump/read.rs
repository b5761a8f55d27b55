//! What comes, and the memory for it.

use core::{
    future::Future,
    mem::MaybeUninit,
    pin::{Pin, pin},
    task::{Context, Poll, ready},
};
use std::io;

use ::tokio::io::{AsyncRead, AsyncReadExt, ReadBuf};
use bytes::BytesMut;

use super::Pump;
use crate::{
    event::{Event, Message},
    tokio::{block, trace},
};

/// What one read can bring where no more is expected: a frame of 4 KiB with its header, which is not too much for a stack.
const LITTLE: usize = (4 << 10) + 64;

impl<T: AsyncRead + Unpin> Pump<T> {
    /// Reads into a block.
    #[inline(always)]
    pub(super) fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let missing = self.connection.receiver().missing(&self.input);
        block::borrow(&mut self.input, missing);
        self.is_bare = false;
        let read = ready!(pin!(self.io.read_buf(&mut self.input)).poll(cx));
        self.reads_little = self.input.len() < LITTLE;
        self.take_in(read);
        Poll::Ready(())
    }

    /// Reads, and receives a message that comes whole in a read of little on the way, without a block.
    #[inline(always)]
    pub(super) fn poll_read_message(&mut self, cx: &mut Context<'_>) -> Poll<Option<Message>> {
        if self.is_bare && self.reads_little {
            self.poll_read_little(cx)
        } else {
            self.poll_read(cx).map(|()| None)
        }
    }

    #[inline(always)]
    fn poll_read_little(&mut self, cx: &mut Context<'_>) -> Poll<Option<Message>> {
        let mut space = [MaybeUninit::uninit(); LITTLE];
        let mut buf = ReadBuf::uninit(&mut space);
        let read = ready!(Pin::new(&mut self.io).poll_read(cx, &mut buf));
        let bytes = buf.filled();
        self.take_in(read.map(|()| bytes.len()));
        self.reads_little = bytes.len() < LITTLE;
        let (message, rest) = self.connection.receive_copy(bytes);
        if message.is_some() {
            trace::received(&Event::Data(()));
        }
        if !rest.is_empty() {
            self.input = BytesMut::from(rest);
            self.is_bare = false;
        }
        Poll::Ready(message)
    }

    #[inline(always)]
    fn take_in(&mut self, read: io::Result<usize>) {
        match read {
            Ok(1..) => self.is_read = true,
            Ok(0) => self.end(None),
            Err(error) => self.end(Some(error.kind())),
        }
    }
}

impl<T> Pump<T> {
    /// Gives the memory of the input back, if all has been received: the application may take its time with what it was
    /// given.
    #[inline]
    pub(super) fn give_back_free(&mut self) {
        if self.input.is_empty() && !self.is_bare {
            self.is_bare = block::give_back_free(&mut self.input);
        }
    }

    /// Gives the memory of the input back, but for the bytes in it.
    #[inline]
    pub(super) fn give_back(&mut self) {
        if !self.is_bare {
            block::give_back(&mut self.input);
            self.is_bare = self.input.is_empty();
        }
    }
}
