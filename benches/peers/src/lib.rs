//! What the servers have in common: a port of the system's choice, and a task for each connection; one thread, unless
//! they are asked for more.

pub mod cell;

use std::{
    env,
    error::Error,
    fs,
    future::{Future, poll_fn},
    io::{self, ErrorKind, Write},
    pin::Pin,
    task::{Context, Poll, ready},
};

use futures_util::{Sink, Stream};
use tokio::{
    net::{TcpListener, TcpStream},
    runtime,
};

/// The largest message that a server takes, where its library lets us say so.
pub const LIMIT: usize = 16 << 20;

/// Whether the runtime keeps a clock, which costs some hundred instructions each time it waits.
pub enum Runtime {
    /// Input and output only, for libraries without deadlines.
    Io,
    /// With the clock, for libraries that have deadlines.
    All,
}

/// Serves connections until it is killed, or one only with `--once`; with `--clock` the runtime keeps one in any case, and
/// with `--threads N` it is the one for many threads, with so many of them. Prints the port.
///
/// # Panics
///
/// When the runtime cannot be built or no port can be bound.
pub fn serve<F>(runtime: Runtime, echo: impl Fn(TcpStream) -> F)
where
    F: Future<Output = Result<(), Box<dyn Error + Send + Sync>>> + Send + 'static,
{
    let mut builder = match threads() {
        None => runtime::Builder::new_current_thread(),
        Some(threads) => {
            let mut builder = runtime::Builder::new_multi_thread();
            builder.worker_threads(threads);
            builder
        }
    };
    match runtime {
        Runtime::Io if !asked("--clock") => builder.enable_io(),
        _ => builder.enable_all(),
    };
    builder.build().expect("a runtime").block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let mut stdout = io::stdout();
        writeln!(stdout, "{}", listener.local_addr().expect("an address").port()).expect("stdout");
        stdout.flush().expect("stdout");
        loop {
            let (stream, _) = listener.accept().await.expect("a connection");
            stream.set_nodelay(true).expect("a socket");
            // How a connection ends is of no interest: the client verifies what it gets.
            let task = tokio::spawn(echo(stream));
            if asked("--once") {
                let _ = task.await;
                return;
            }
        }
    });
}

/// Whether an option is among the arguments.
pub fn asked(option: &str) -> bool {
    env::args().any(|arg| arg == option)
}

fn threads() -> Option<usize> {
    env::args().skip_while(|arg| arg != "--threads").nth(1)?.parse().ok()
}

/// The CPU time of all threads of a process, user and kernel, in nanoseconds.
///
/// # Errors
///
/// When there is no such process, or the kernel keeps no such account.
pub fn cpu_time(pid: &str) -> io::Result<u64> {
    let mut sum = 0;
    for task in fs::read_dir(format!("/proc/{pid}/task"))? {
        let stat = fs::read_to_string(task?.path().join("schedstat"))?;
        sum += stat
            .split(' ')
            .next()
            .and_then(|time| time.parse::<u64>().ok())
            .ok_or(io::ErrorKind::InvalidData)?;
    }
    Ok(sum)
}

/// Echoes through a stream and sink of messages: those that are there together leave together, in one flush.
///
/// # Errors
///
/// Those of the stream and the sink.
pub async fn echo_batches<S, M, E>(mut websocket: S, is_data: impl Fn(&M) -> bool) -> Result<(), E>
where
    S: Stream<Item = Result<M, E>> + Sink<M, Error = E> + Unpin,
{
    let mut unflushed = false;
    poll_fn(|cx| poll_echo(Pin::new(&mut websocket), &mut unflushed, &is_data, cx)).await
}

fn poll_echo<S, M, E>(
    mut websocket: Pin<&mut S>,
    unflushed: &mut bool,
    is_data: impl Fn(&M) -> bool,
    cx: &mut Context<'_>,
) -> Poll<Result<(), E>>
where
    S: Stream<Item = Result<M, E>> + Sink<M, Error = E>,
{
    loop {
        if *unflushed {
            ready!(websocket.as_mut().poll_ready(cx))?;
        }
        match websocket.as_mut().poll_next(cx) {
            Poll::Ready(Some(message)) => {
                let message = message?;
                if is_data(&message) {
                    if !*unflushed {
                        ready!(websocket.as_mut().poll_ready(cx))?;
                    }
                    websocket.as_mut().start_send(message)?;
                    *unflushed = true;
                }
            }
            Poll::Ready(None) => return Poll::Ready(Ok(())),
            Poll::Pending => {
                if *unflushed {
                    ready!(websocket.as_mut().poll_flush(cx))?;
                    *unflushed = false;
                }
                return Poll::Pending;
            }
        }
    }
}

/// Answers the request of the load generator, whose key is always the same, for those who take over a stream.
///
/// # Errors
///
/// Those of the stream, and the end of it.
pub async fn open(stream: &TcpStream) -> io::Result<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        stream.readable().await?;
        let mut bytes = [0; 1024];
        match stream.try_read(&mut bytes) {
            Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
            Ok(read) => head.extend_from_slice(&bytes[..read]),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
    let reply = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                  Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";
    write(stream, reply).await
}

/// Writes all of it.
///
/// # Errors
///
/// Those of the stream.
pub async fn write(stream: &TcpStream, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match stream.try_write(bytes) {
            Ok(written) => bytes = &bytes[written..],
            Err(error) if error.kind() == ErrorKind::WouldBlock => stream.writable().await?,
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
