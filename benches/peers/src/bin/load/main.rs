//! The load: opens connections by hand, sends frames that were prepared in advance, and verifies every byte that comes
//! back. No WebSocket library.
//!
//! ```text
//! load run PORT CELL MESSAGES          echoes
//! load held PORT CELL MESSAGES         the same after a quarter as many, waiting for a line of input before and after
//! load cpu PORT CELL MESSAGES CONNECTIONS PID
//!                                      the same on so many connections at once; prints the CPU time of PID in between,
//!                                      in nanoseconds, and how many messages there were
//! load idle PORT CONNECTIONS PID       prints the resident memory of PID, in bytes: before, after the handshakes, and
//!                                      after an echo of 64 KiB on each
//! ```
//!
//! `--raw` behind it: the server knows nothing of WebSocket.

mod cell;

use std::{env, error::Error, fs, io, process::ExitCode, time::Duration};

use cell::{Batch, Cell};
use futures_util::future::try_join_all;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

type Failure = Box<dyn Error>;

const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";
const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let args: Vec<String> = env::args().skip(1).collect();
    let raw = args.iter().any(|arg| arg == "--raw");
    let args: Vec<&str> = args.iter().map(String::as_str).filter(|arg| *arg != "--raw").collect();
    let done = match args[..] {
        ["run", port, cell, messages] => run(port, cell, messages, raw).await,
        ["held", port, cell, messages] => held(port, cell, messages, raw).await,
        ["cpu", port, cell, messages, connections, pid] => {
            cpu(port, cell, messages, connections, pid, raw).await
        }
        ["idle", port, connections, pid] => idle(port, connections, pid, raw).await,
        _ => Err("usage: load run|held|cpu|idle ..., see the source".into()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("load: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(port: &str, cell: &str, messages: &str, raw: bool) -> Result<(), Failure> {
    Session::open(port, cell, messages, raw).await?.echo().await
}

async fn held(port: &str, cell: &str, messages: &str, raw: bool) -> Result<(), Failure> {
    let mut session = Session::open(port, cell, messages, raw).await?;
    session.warm_up().await?;
    hold()?;
    session.echo().await?;
    hold()
}

fn hold() -> Result<(), Failure> {
    println!("held");
    io::stdin().read_line(&mut String::new())?;
    Ok(())
}

async fn cpu(
    port: &str,
    cell: &str,
    messages: &str,
    connections: &str,
    pid: &str,
    raw: bool,
) -> Result<(), Failure> {
    let mut sessions = Vec::new();
    for _ in 0..connections.parse()? {
        sessions.push(Session::open(port, cell, messages, raw).await?);
    }
    try_join_all(sessions.iter_mut().map(Session::warm_up)).await?;
    let before = cpu_time(pid)?;
    try_join_all(sessions.iter_mut().map(Session::echo)).await?;
    println!("{} {}", cpu_time(pid)? - before, sessions.len() * messages.parse::<usize>()?);
    Ok(())
}

/// A connection, and what goes over it.
struct Session {
    stream: TcpStream,
    batches: Vec<Batch>,
    count: usize,
    buffer: Vec<u8>,
}

impl Session {
    async fn open(port: &str, cell: &str, messages: &str, raw: bool) -> Result<Self, Failure> {
        let cell = Cell::named(cell).ok_or("no such cell")?;
        let messages: usize = messages.parse()?;
        if !messages.is_multiple_of(cell.batch) {
            return Err("not so many whole batches".into());
        }
        Ok(Self {
            stream: open(port, raw).await?,
            batches: cell.batches(raw),
            count: messages / cell.batch,
            buffer: vec![0; 256 << 10],
        })
    }

    /// So that buffers have grown when it counts.
    async fn warm_up(&mut self) -> Result<(), Failure> {
        echo(&mut self.stream, &self.batches, self.count.div_ceil(4), &mut self.buffer).await
    }

    async fn echo(&mut self) -> Result<(), Failure> {
        echo(&mut self.stream, &self.batches, self.count, &mut self.buffer).await
    }
}

async fn idle(port: &str, connections: &str, pid: &str, raw: bool) -> Result<(), Failure> {
    let batches = Cell::named("64k").ok_or("no such cell")?.batches(raw);
    let mut buffer = vec![0; 256 << 10];
    // What the first connection makes for all of them is not counted.
    echo(&mut open(port, raw).await?, &batches, 1, &mut buffer).await?;
    let before = resident(pid)?;
    let mut streams = Vec::new();
    for _ in 0..connections.parse()? {
        streams.push(open(port, raw).await?);
    }
    let opened = resident(pid)?;
    for stream in &mut streams {
        echo(stream, &batches, 1, &mut buffer).await?;
    }
    println!("{before} {opened} {}", resident(pid)?);
    Ok(())
}

async fn open(port: &str, raw: bool) -> Result<TcpStream, Failure> {
    let mut stream = TcpStream::connect(("127.0.0.1", port.parse()?)).await?;
    stream.set_nodelay(true)?;
    if raw {
        return Ok(stream);
    }
    stream.write_all(REQUEST).await?;
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        if stream.read_buf(&mut head).await? == 0 {
            return Err("the server hung up".into());
        }
    }
    let head = String::from_utf8(head)?;
    if !head.starts_with("HTTP/1.1 101 ") || !head.contains(ACCEPT) {
        return Err(format!("the server replied {head:?}").into());
    }
    Ok(stream)
}

/// Sends each batch when all of the one before has come back.
async fn echo(
    stream: &mut TcpStream,
    batches: &[Batch],
    count: usize,
    buffer: &mut [u8],
) -> Result<(), Failure> {
    for batch in batches.iter().cycle().take(count) {
        let (mut read, mut write) = stream.split();
        let received = timeout(Duration::from_secs(120), verify(&mut read, &batch.replies, buffer));
        let (sent, received) = tokio::join!(write.write_all(&batch.frames), received);
        sent?;
        received.map_err(|_| "the server does not echo")??;
    }
    Ok(())
}

async fn verify(
    stream: &mut (impl AsyncReadExt + Unpin),
    mut replies: &[u8],
    buffer: &mut [u8],
) -> Result<(), Failure> {
    let whole = replies.len();
    while !replies.is_empty() {
        let read = stream.read(buffer).await?;
        if read == 0 {
            return Err("the server hung up".into());
        }
        let Some((expected, rest)) = replies.split_at_checked(read) else {
            return Err(format!("{} bytes more than the echo of {whole}", read - replies.len()).into());
        };
        if expected != &buffer[..read] {
            let at = expected.iter().zip(&buffer[..read]).position(|(one, other)| one != other).unwrap_or(0);
            let at = whole - replies.len() + at;
            return Err(format!("a wrong echo: byte {at} of {whole} is not what it should be").into());
        }
        replies = rest;
    }
    Ok(())
}

/// User and kernel, of all threads.
fn cpu_time(pid: &str) -> io::Result<u64> {
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

fn resident(pid: &str) -> Result<u64, Failure> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).ok_or("no VmRSS")?;
    Ok(line.trim().trim_end_matches(" kB").parse::<u64>()? * 1024)
}
