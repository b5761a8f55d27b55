//! The load: opens connections by hand, sends frames that were prepared in advance, and verifies every byte that comes
//! back. No WebSocket library.
//!
//! ```text
//! load run PORT CELL MESSAGES          echoes
//! load idle PORT CONNECTIONS PID       prints the resident memory of PID, in bytes: before, after the handshakes, and
//!                                      after an echo of 64 KiB on each
//! load large PORT CELL PID             prints how much more memory than before PID had at the most, in bytes, while
//!                                      it took one message, which it answers with its length if CELL is 64m
//!
//! load echo PORT CELL MESSAGES CONNECTIONS PID
//!                                      echoes so many messages on each connection; on more than 100 connections, each
//!                                      100th of them takes turns for so many messages
//! load handshakes PORT COUNT PID       opens so many connections on each of 16 lanes, closing each before the next
//! load hub PORT COUNT MEMBERS PID      members say something in turns, which all of them are to hear
//! ```
//!
//! The last three warm up, print `ready` and wait for a line of input, then print in nanoseconds how much CPU time PID
//! took and how long it was, with the number of messages or handshakes in between, and wait again.
//!
//! `--raw` behind it: the server knows nothing of WebSocket, and sends everything back as it is.

use std::{
    env,
    error::Error,
    fs, io,
    process::ExitCode,
    time::{Duration, Instant},
};

use futures_util::future::try_join_all;
use sansocket_peers::{
    cell::{Batch, Cell},
    cpu_time,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

type Failure = Box<dyn Error>;

const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";
const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

/// How many messages are under way at once, at most.
const LANES: usize = 100;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let args: Vec<String> = env::args().skip(1).collect();
    let raw = args.iter().any(|arg| arg == "--raw");
    let args: Vec<&str> = args.iter().map(String::as_str).filter(|arg| *arg != "--raw").collect();
    let done = match args[..] {
        ["run", port, cell, messages] => run(port, cell, messages, raw).await,
        ["idle", port, connections, pid] => idle(port, connections, pid, raw).await,
        ["large", port, cell, pid] => large(port, cell, pid, raw).await,
        ["echo", port, cell, messages, connections, pid] => {
            echoes(port, cell, messages, connections, pid, raw).await
        }
        ["handshakes", port, count, pid] => handshakes(port, count, pid, raw).await,
        ["hub", port, count, members, pid] => hub(port, count, members, pid, raw).await,
        _ => Err("usage: load run|idle|large|echo|handshakes|hub ..., see the source".into()),
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
    let cell = Cell::named(cell).ok_or("no such cell")?;
    let mut lane = Lane { streams: vec![open(port, raw).await?], buffer: vec![0; 256 << 10] };
    lane.echo(&cell.batches(raw), batches(&cell, messages)?).await
}

async fn idle(port: &str, connections: &str, pid: &str, raw: bool) -> Result<(), Failure> {
    let batches = Cell::named("64k").ok_or("no such cell")?.batches(raw);
    let mut buffer = vec![0; 256 << 10];
    // What the first connection makes for all of them is not counted.
    echo(&mut open(port, raw).await?, &batches[0], &mut buffer).await?;
    let before = memory(pid, "VmRSS:")?;
    let mut streams = Vec::new();
    for _ in 0..connections.parse()? {
        streams.push(open(port, raw).await?);
    }
    let opened = memory(pid, "VmRSS:")?;
    for stream in &mut streams {
        echo(stream, &batches[0], &mut buffer).await?;
    }
    println!("{before} {opened} {}", memory(pid, "VmRSS:")?);
    Ok(())
}

async fn large(port: &str, cell: &str, pid: &str, raw: bool) -> Result<(), Failure> {
    let mut batch = Cell::named(cell).ok_or("no such cell")?.batches(raw).swap_remove(0);
    if cell == "64m" && !raw {
        batch.replies = [&[0x82, 8][..], &(64_u64 << 20).to_be_bytes()].concat();
    }
    let mut stream = open(port, raw).await?;
    let before = memory(pid, "VmRSS:")?;
    echo(&mut stream, &batch, &mut vec![0; 256 << 10]).await?;
    println!("{}", memory(pid, "VmHWM:")?.saturating_sub(before));
    Ok(())
}

async fn echoes(
    port: &str,
    cell: &str,
    messages: &str,
    connections: &str,
    pid: &str,
    raw: bool,
) -> Result<(), Failure> {
    let cell = Cell::named(cell).ok_or("no such cell")?;
    let (connections, count) = (connections.parse()?, batches(&cell, messages)?);
    let batches = &cell.batches(raw);
    let lane = async |streams| {
        Ok::<_, Failure>(Lane { streams: open_all(port, raw, streams).await?, buffer: vec![0; 256 << 10] })
    };
    let lanes = LANES.min(connections);
    let mut lanes =
        try_join_all((0..lanes).map(|number| lane((connections - number).div_ceil(lanes)))).await?;
    // So that buffers have grown when it counts.
    let warm_up = |lane| Lane::echo(lane, batches, count.div_ceil(4).max(connections.div_ceil(LANES)));
    try_join_all(lanes.iter_mut().map(warm_up)).await?;
    measure(pid, async || {
        try_join_all(lanes.iter_mut().map(|lane| lane.echo(batches, count))).await?;
        Ok(lanes.len() * count * cell.batch)
    })
    .await
}

async fn handshakes(port: &str, count: &str, pid: &str, raw: bool) -> Result<(), Failure> {
    let count = count.parse::<usize>()?;
    let lane = async |count| {
        for _ in 0..count {
            let mut stream = open(port, raw).await?;
            stream.shutdown().await?;
            // The server ends it too; some reset it, as nobody has said farewell.
            let _ = stream.read(&mut [0; 1024]).await;
        }
        Ok::<_, Failure>(())
    };
    try_join_all((0..16).map(|_| lane(count.div_ceil(4)))).await?;
    measure(pid, async || {
        try_join_all((0..16).map(|_| lane(count))).await?;
        Ok(16 * count)
    })
    .await
}

async fn hub(port: &str, count: &str, members: &str, pid: &str, raw: bool) -> Result<(), Failure> {
    let batches = Cell::named("100-ascii").ok_or("no such cell")?.batches(raw);
    let count = count.parse::<usize>()?;
    let members: usize = members.parse()?;
    let opened = (0..LANES).map(|number| open_all(port, false, (members + number) / LANES));
    let mut streams: Vec<_> = try_join_all(opened).await?.into_iter().flatten().collect();
    // Some servers count a member in after they have answered it.
    tokio::time::sleep(Duration::from_millis(200)).await;
    broadcast(&mut streams, 0, &batches[0]).await?;
    measure(pid, async || {
        for number in 1..=count {
            broadcast(&mut streams, number, &batches[number % 2]).await?;
        }
        Ok(count * streams.len())
    })
    .await
}

/// One of the members says something, and all of them hear it.
async fn broadcast(streams: &mut [TcpStream], number: usize, batch: &Batch) -> Result<(), Failure> {
    let speaker = number % streams.len();
    streams[speaker].write_all(&batch.frames).await?;
    let heard = streams.iter_mut().map(async |stream| verify(stream, &batch.replies, &mut [0; 256]).await);
    timeout(Duration::from_secs(120), try_join_all(heard))
        .await
        .map_err(|_| "the server does not tell all")??;
    Ok(())
}

/// Waits for the word, counts what the server does meanwhile, and waits until it has been looked at.
async fn measure(pid: &str, work: impl AsyncFnOnce() -> Result<usize, Failure>) -> Result<(), Failure> {
    println!("ready");
    io::stdin().read_line(&mut String::new())?;
    let (before, start) = (cpu_time(pid)?, Instant::now());
    let count = work().await?;
    println!("{} {} {count}", cpu_time(pid)? - before, start.elapsed().as_nanos());
    io::stdin().read_line(&mut String::new())?;
    Ok(())
}

fn batches(cell: &Cell, messages: &str) -> Result<usize, Failure> {
    let messages: usize = messages.parse()?;
    if !messages.is_multiple_of(cell.batch) {
        return Err("not so many whole batches".into());
    }
    Ok(messages / cell.batch)
}

/// Connections that take turns.
struct Lane {
    streams: Vec<TcpStream>,
    buffer: Vec<u8>,
}

impl Lane {
    /// Sends each batch when all of the one before has come back.
    async fn echo(&mut self, batches: &[Batch], count: usize) -> Result<(), Failure> {
        for (number, batch) in batches.iter().cycle().take(count).enumerate() {
            let turn = number % self.streams.len();
            echo(&mut self.streams[turn], batch, &mut self.buffer).await?;
        }
        Ok(())
    }
}

async fn open_all(port: &str, raw: bool, count: usize) -> Result<Vec<TcpStream>, Failure> {
    let mut streams = Vec::new();
    for _ in 0..count {
        streams.push(open(port, raw).await?);
    }
    Ok(streams)
}

async fn open(port: &str, raw: bool) -> Result<TcpStream, Failure> {
    let mut stream = TcpStream::connect(("127.0.0.1", port.parse()?)).await?;
    stream.set_nodelay(true)?;
    stream.write_all(REQUEST).await?;
    if raw {
        verify(&mut stream, REQUEST, &mut [0; 1024]).await?;
        return Ok(stream);
    }
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

async fn echo(stream: &mut TcpStream, batch: &Batch, buffer: &mut [u8]) -> Result<(), Failure> {
    let (mut read, mut write) = stream.split();
    let received = timeout(Duration::from_secs(120), verify(&mut read, &batch.replies, buffer));
    let (sent, received) = tokio::join!(write.write_all(&batch.frames), received);
    sent?;
    received.map_err(|_| "the server does not echo")??;
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

/// Of `/proc/PID/status`, in bytes.
fn memory(pid: &str, which: &str) -> Result<u64, Failure> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix(which)).ok_or("no such figure")?;
    Ok(line.trim().trim_end_matches(" kB").parse::<u64>()? * 1024)
}
