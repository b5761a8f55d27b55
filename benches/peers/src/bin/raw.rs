//! No WebSocket: sends back what it reads. What remains is tokio and the system.

use std::{cell::Cell, future::poll_fn, pin::Pin};

use sansocket_peers::{Runtime, serve, write};
use tokio::io::{AsyncRead, ReadBuf};

thread_local! {
    static BUFFER: Cell<Vec<u8>> = Cell::new(vec![0; 128 << 10]);
}

fn main() {
    serve(Runtime::Io, |mut stream| async move {
        loop {
            // Whoever waits holds no buffer.
            let (buffer, read) = poll_fn(|cx| {
                let mut buffer = BUFFER.take();
                let mut bytes = ReadBuf::new(&mut buffer);
                let polled =
                    Pin::new(&mut stream).poll_read(cx, &mut bytes).map_ok(|()| bytes.filled().len());
                if polled.is_pending() {
                    BUFFER.set(buffer);
                    return polled.map_ok(|read| (Vec::new(), read));
                }
                polled.map_ok(|read| (buffer, read))
            })
            .await?;
            if read == 0 {
                BUFFER.set(buffer);
                return Ok(());
            }
            write(&stream, &buffer[..read]).await?;
            BUFFER.set(buffer);
        }
    });
}
