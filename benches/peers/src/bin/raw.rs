//! No WebSocket: sends back what it reads. What remains is tokio and the system.

use std::{cell::RefCell, io::ErrorKind};

use sansocket_peers::{Runtime, serve, write};

thread_local! {
    static BUFFER: RefCell<Vec<u8>> = RefCell::new(vec![0; 256 << 10]);
}

fn main() {
    serve(Runtime::Io, |stream| async move {
        loop {
            stream.readable().await?;
            let (left, read) = BUFFER.with_borrow_mut(|buffer| match stream.try_read(buffer) {
                Ok(read) => match stream.try_write(&buffer[..read]) {
                    Ok(written) => Ok((buffer[written..read].to_vec(), read)),
                    Err(error) if error.kind() == ErrorKind::WouldBlock => {
                        Ok((buffer[..read].to_vec(), read))
                    }
                    Err(error) => Err(error),
                },
                Err(error) if error.kind() == ErrorKind::WouldBlock => Ok((Vec::new(), 1)),
                Err(error) => Err(error),
            })?;
            if read == 0 {
                return Ok(());
            }
            write(&stream, &left).await?;
        }
    });
}
