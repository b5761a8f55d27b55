//! The echo without the system, so that all processors are the server's: connections whose bytes come out of memory, on a
//! runtime with so many threads. Each batch is waited for, and what is sent back is verified.
//!
//! ```text
//! cores sansocket|raw CELL MESSAGES CONNECTIONS THREADS     prints CPU time and time, in nanoseconds, and how many
//!                                                           messages there were
//! ```

use std::{
    env,
    error::Error,
    io::{self, IoSlice},
    pin::Pin,
    process::ExitCode,
    sync::Arc,
    task::{Context, Poll},
    time::Instant,
};

use bytes::BytesMut;
use sansocket::{Config, Connection, Negotiated, tokio::WebSocket};
use sansocket_peers::{
    cell::{Batch, Cell},
    cpu_time,
};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf},
    runtime,
};

fn main() -> ExitCode {
    let args: Vec<String> = env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let done = match args[..] {
        ["sansocket", cell, messages, connections, threads] => {
            run(cell, messages, connections, threads, false)
        }
        ["raw", cell, messages, connections, threads] => run(cell, messages, connections, threads, true),
        _ => Err("usage: cores sansocket|raw CELL MESSAGES CONNECTIONS THREADS".into()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("cores: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(
    cell: &str,
    messages: &str,
    connections: &str,
    threads: &str,
    raw: bool,
) -> Result<(), Box<dyn Error>> {
    let cell = Cell::named(cell).ok_or("no such cell")?;
    let batches: Arc<[Batch]> = cell.batches(raw).into();
    let (count, connections) = (messages.parse::<usize>()? / cell.batch, connections.parse::<usize>()?);
    let runtime =
        runtime::Builder::new_multi_thread().worker_threads(threads.parse()?).enable_all().build()?;
    let pid = std::process::id().to_string();
    let (before, start) = (cpu_time(&pid)?, Instant::now());
    runtime.block_on(async {
        let mut tasks = Vec::new();
        for _ in 0..connections {
            let mut circle =
                Circle { batches: batches.clone(), left: count, read: 0, written: 0, waited: false };
            tasks.push(tokio::spawn(async move {
                if raw {
                    echo_raw(&mut circle).await?;
                } else {
                    echo(&mut circle).await;
                }
                if circle.left == 0 { Ok(()) } else { Err(io::Error::other("not everything was echoed")) }
            }));
        }
        for task in tasks {
            task.await??;
        }
        Ok::<_, Box<dyn Error>>(())
    })?;
    println!(
        "{} {} {}",
        cpu_time(&pid)? - before,
        start.elapsed().as_nanos(),
        connections * count * cell.batch
    );
    Ok(())
}

/// It ends without a farewell, which is an error: what was echoed is counted elsewhere.
async fn echo(circle: &mut Circle) {
    let connection = Connection::server(&Config::default(), Negotiated::default());
    let mut websocket = WebSocket::from_parts(circle, connection, BytesMut::new());
    while let Ok(Some(message)) = websocket.recv().await {
        if websocket.feed(message).await.is_err() {
            return;
        }
    }
}

async fn echo_raw(circle: &mut Circle) -> io::Result<()> {
    let mut buffer = vec![0; 8 << 10];
    loop {
        match circle.read(&mut buffer).await? {
            0 => return Ok(()),
            read => circle.write_all(&buffer[..read]).await?,
        }
    }
}

/// A stream that has the next batch when the one before has been sent back, and then not at once.
struct Circle {
    batches: Arc<[Batch]>,
    /// How many batches have still to be sent back.
    left: usize,
    /// How much of the first of them has been read, and written.
    read: usize,
    written: usize,
    waited: bool,
}

impl Circle {
    fn batch(&self) -> &Batch {
        &self.batches[self.left % self.batches.len()]
    }

    fn check(&mut self, bytes: &[u8]) -> io::Result<()> {
        let expected = self.batch().replies[self.written..].get(..bytes.len());
        if self.left == 0 || expected != Some(bytes) {
            return Err(io::Error::other("a wrong echo"));
        }
        self.written += bytes.len();
        if self.written == self.batch().replies.len() {
            self.left -= 1;
            (self.read, self.written, self.waited) = (0, 0, false);
        }
        Ok(())
    }
}

impl AsyncRead for Circle {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.left == 0 {
            return Poll::Ready(Ok(()));
        }
        let batch = self.batch();
        let bytes = &batch.frames[self.read..];
        if bytes.is_empty() || !self.waited {
            self.waited = true;
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let len = bytes.len().min(into.remaining());
        into.put_slice(&bytes[..len]);
        self.read += len;
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Circle {
    fn poll_write(mut self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Poll::Ready(self.check(bytes).map(|()| bytes.len()))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        for bytes in slices {
            self.check(bytes)?;
        }
        Poll::Ready(Ok(slices.iter().map(|bytes| bytes.len()).sum()))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
