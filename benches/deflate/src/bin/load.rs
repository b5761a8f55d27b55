//! The load: opens connections by hand, sends compressed messages, inflates each reply and compares it with what was sent.
//! No WebSocket library, and zlib by way of flate2.
//!
//! ```text
//! load cpu PORT takeover|none LEVEL BYTES MESSAGES CONNECTIONS PID
//!     echoes on so many connections at once, each when the one before has come back; prints the CPU time of PID in
//!     nanoseconds, the time that it took, how many messages there were, and how many bytes of frames came back
//! load idle PORT takeover|none LEVEL BYTES CONNECTIONS PID
//!     prints the resident memory of PID, in bytes: before, after the handshakes, and after one echo on each
//! ```

use std::{
    env,
    error::Error,
    fmt::Write as _,
    fs, io,
    process::ExitCode,
    time::{Duration, Instant},
};

use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};
use futures_util::future::try_join_all;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

type Failure = Box<dyn Error>;

const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";
const TAIL: [u8; 4] = [0, 0, 0xff, 0xff];

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let args: Vec<String> = env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let done = match args[..] {
        ["cpu", port, mode, level, len, messages, connections, pid] => {
            cpu(port, mode, level, len, messages, connections, pid).await
        }
        ["idle", port, mode, level, len, connections, pid] => {
            idle(port, mode, level, len, connections, pid).await
        }
        _ => Err("usage: load cpu|idle ..., see the source".into()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("load: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn cpu(
    port: &str,
    mode: &str,
    level: &str,
    len: &str,
    messages: &str,
    connections: &str,
    pid: &str,
) -> Result<(), Failure> {
    let (len, messages): (usize, usize) = (len.parse()?, messages.parse()?);
    let mut sessions = Vec::new();
    for seed in 0..connections.parse()? {
        sessions.push(Session::open(port, mode, level, seed).await?);
    }
    try_join_all(sessions.iter_mut().map(|session| session.echo(len, messages.div_ceil(4)))).await?;
    let (before, began) = (cpu_time(pid)?, Instant::now());
    let wire = try_join_all(sessions.iter_mut().map(|session| session.echo(len, messages))).await?;
    let (spent, took) = (cpu_time(pid)? - before, began.elapsed());
    println!("{spent} {} {} {}", took.as_nanos(), sessions.len() * messages, wire.iter().sum::<usize>());
    Ok(())
}

async fn idle(
    port: &str,
    mode: &str,
    level: &str,
    len: &str,
    connections: &str,
    pid: &str,
) -> Result<(), Failure> {
    let len: usize = len.parse()?;
    // What the first connection makes for all of them is not counted.
    Session::open(port, mode, level, 0).await?.echo(len, 1).await?;
    let before = resident(pid)?;
    let mut sessions = Vec::new();
    for seed in 0..connections.parse()? {
        sessions.push(Session::open(port, mode, level, seed).await?);
    }
    let opened = resident(pid)?;
    for session in &mut sessions {
        session.echo(len, 1).await?;
    }
    println!("{before} {opened} {}", resident(pid)?);
    Ok(())
}

/// A connection, and the contexts of both directions.
struct Session {
    stream: TcpStream,
    takeover: bool,
    compress: Compress,
    decompress: Decompress,
    random: Random,
    buffer: Vec<u8>,
}

impl Session {
    async fn open(port: &str, mode: &str, level: &str, seed: u64) -> Result<Self, Failure> {
        let takeover = mode == "takeover";
        let parameters =
            if takeover { "" } else { "; server_no_context_takeover; client_no_context_takeover" };
        let mut stream = TcpStream::connect(("127.0.0.1", port.parse()?)).await?;
        stream.set_nodelay(true)?;
        let request = format!(
            "GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\
             Sec-WebSocket-Extensions: permessage-deflate{parameters}\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).await?;
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            if stream.read_buf(&mut head).await? == 0 {
                return Err("the server hung up".into());
            }
        }
        let head = String::from_utf8(head)?;
        let agreed = format!("permessage-deflate{parameters}\r\n");
        if !head.starts_with("HTTP/1.1 101 ") || !head.contains(ACCEPT) || !head.contains(&agreed) {
            return Err(format!("the server replied {head:?}").into());
        }
        Ok(Self {
            stream,
            takeover,
            compress: Compress::new(Compression::new(level.parse()?), false),
            decompress: Decompress::new(false),
            random: Random(0x9e37_79b9_7f4a_7c15 ^ (seed + 1) << 32),
            buffer: Vec::new(),
        })
    }

    /// Sends each message when the one before has come back; returns the bytes of frames that came.
    async fn echo(&mut self, len: usize, messages: usize) -> Result<usize, Failure> {
        let mut wire = 0;
        for _ in 0..messages {
            let message = json(len, &mut self.random);
            let frame = self.frame(message.as_bytes())?;
            let reply = timeout(Duration::from_secs(120), async {
                self.stream.write_all(&frame).await?;
                self.reply().await
            });
            let (compressed, payload) = reply.await.map_err(|_| "the server does not echo")??;
            wire += payload.len() + header_len(payload.len());
            let echoed = if compressed { self.inflate(payload, len)? } else { payload };
            if echoed != message.as_bytes() {
                return Err(format!("a wrong echo of {len} bytes, {} of them", echoed.len()).into());
            }
        }
        Ok(wire)
    }

    /// The message as a frame, masked and compressed.
    fn frame(&mut self, message: &[u8]) -> Result<Vec<u8>, Failure> {
        let mut payload = Vec::with_capacity(message.len() + 100);
        self.compress.compress_vec(message, &mut payload, FlushCompress::Sync)?;
        if !payload.ends_with(&TAIL) {
            return Err("the flush did not fit".into());
        }
        payload.truncate(payload.len() - TAIL.len());
        if !self.takeover {
            self.compress.reset();
        }
        let mut frame = vec![0xc1];
        match payload.len() {
            len @ ..126 => frame.push(0x80 | len as u8),
            len @ ..0x1_0000 => {
                frame.push(0x80 | 126);
                frame.extend_from_slice(&(len as u16).to_be_bytes());
            }
            len => {
                frame.push(0x80 | 127);
                frame.extend_from_slice(&(len as u64).to_be_bytes());
            }
        }
        let key = (self.random.next() as u32 | 0x0101_0101).to_le_bytes();
        frame.extend_from_slice(&key);
        frame.extend(payload.iter().zip(key.iter().cycle()).map(|(byte, key)| byte ^ key));
        Ok(frame)
    }

    /// One whole frame: whether it is compressed, and its payload.
    async fn reply(&mut self) -> Result<(bool, Vec<u8>), Failure> {
        loop {
            if let Some((header, len)) = parse(&self.buffer)
                && self.buffer.len() >= header + len
            {
                let first = self.buffer[0];
                if !matches!(first, 0x81 | 0xc1) || self.buffer.len() > header + len {
                    return Err(format!("a frame that begins with {first:#x}, or more than one").into());
                }
                let payload = self.buffer.split_off(header);
                self.buffer.clear();
                return Ok((first == 0xc1, payload));
            }
            if self.stream.read_buf(&mut self.buffer).await? == 0 {
                return Err("the server hung up".into());
            }
        }
    }

    fn inflate(&mut self, mut payload: Vec<u8>, len: usize) -> Result<Vec<u8>, Failure> {
        payload.extend_from_slice(&TAIL);
        let mut inflated = Vec::with_capacity(len + 1);
        let before = self.decompress.total_in();
        let status = self.decompress.decompress_vec(&payload, &mut inflated, FlushDecompress::Sync)?;
        if status != Status::Ok || self.decompress.total_in() - before != payload.len() as u64 {
            return Err("a reply that does not inflate to what was sent".into());
        }
        if !self.takeover {
            self.decompress.reset(false);
        }
        Ok(inflated)
    }
}

const fn header_len(payload: usize) -> usize {
    match payload {
        ..126 => 2,
        ..0x1_0000 => 4,
        _ => 10,
    }
}

/// The lengths of a header without a mask and of its payload, if it is there.
fn parse(bytes: &[u8]) -> Option<(usize, usize)> {
    match *bytes.get(1)? {
        126 => Some((4, u16::from_be_bytes(bytes.get(2..4)?.try_into().ok()?).into())),
        127 => Some((10, u64::from_be_bytes(bytes.get(2..10)?.try_into().ok()?) as usize)),
        len => Some((2, len.into())),
    }
}

/// A list of records as JSON, cut to this length: no two alike.
fn json(len: usize, random: &mut Random) -> String {
    const NAMES: [&str; 12] = [
        "alpha", "bravo", "charlie", "delta", "echo", "foxtrot", "golf", "hotel", "india", "juliett", "kilo",
        "lima",
    ];
    let mut text = String::from("[");
    while text.len() < len {
        let mut below = |end: usize| (random.next() >> 11) as usize % end;
        let names = [0; 4].map(|_| NAMES[below(NAMES.len())]);
        let _ = write!(
            text,
            "{{\"id\":{},\"name\":\"{} {}\",\"price\":{}.{:02},\"active\":{},\"tags\":[\"{}\",\"{}\"]}},",
            below(1_000_000),
            names[0],
            names[1],
            below(1000),
            below(100),
            below(2) == 1,
            names[2],
            names[3],
        );
    }
    text.truncate(len);
    text
}

/// xorshift64*: the same in every run.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }
}

/// User and kernel, of all threads.
fn cpu_time(pid: &str) -> io::Result<u64> {
    let mut sum = 0;
    for task in fs::read_dir(format!("/proc/{pid}/task"))? {
        let stat = fs::read_to_string(task?.path().join("schedstat"))?;
        let time = stat.split(' ').next().and_then(|time| time.parse::<u64>().ok());
        sum += time.ok_or(io::ErrorKind::InvalidData)?;
    }
    Ok(sum)
}

fn resident(pid: &str) -> Result<u64, Failure> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).ok_or("no VmRSS")?;
    Ok(line.trim().trim_end_matches(" kB").parse::<u64>()? * 1024)
}
