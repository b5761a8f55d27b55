//! What the servers have in common: one thread, a port of the system's choice, and a task for each connection.

use std::{
    env,
    error::Error,
    future::Future,
    io::{self, ErrorKind, Write},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    runtime,
};

/// The largest message that a server takes.
pub const LIMIT: usize = 16 << 20;
/// Messages from here on are compressed.
pub const THRESHOLD: usize = 64;

/// How a server compresses: `SERVER takeover|none LEVEL`.
#[derive(Clone, Copy)]
pub struct Settings {
    pub takeover: bool,
    pub level: u8,
}

impl Settings {
    /// What both ends agree on.
    pub const fn extension(self) -> &'static str {
        if self.takeover {
            "permessage-deflate"
        } else {
            "permessage-deflate; server_no_context_takeover; client_no_context_takeover"
        }
    }
}

/// Serves connections until it is killed. Prints the port.
///
/// # Panics
///
/// When the runtime cannot be built, no port can be bound, or the arguments are others.
pub fn serve<F>(echo: impl Fn(TcpStream, Settings) -> F)
where
    F: Future<Output = Result<(), Box<dyn Error + Send + Sync>>> + Send + 'static,
{
    let mut args = env::args().skip(1);
    let takeover = args.next().expect("takeover or none") == "takeover";
    let level = args.next().and_then(|level| level.parse().ok()).expect("a level");
    let runtime = runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime").block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let mut stdout = io::stdout();
        writeln!(stdout, "{}", listener.local_addr().expect("an address").port()).expect("stdout");
        stdout.flush().expect("stdout");
        loop {
            let (stream, _) = listener.accept().await.expect("a connection");
            stream.set_nodelay(true).expect("a socket");
            // How a connection ends is of no interest: the load verifies what it gets.
            tokio::spawn(echo(stream, Settings { takeover, level }));
        }
    });
}

/// Answers the request of the load, whose key is always the same, for those who take over a stream.
///
/// # Errors
///
/// Those of the stream, and the end of it.
pub async fn open(stream: &mut TcpStream, settings: Settings) -> io::Result<()> {
    let mut head = Vec::with_capacity(1024);
    while !head.ends_with(b"\r\n\r\n") {
        if stream.read_buf(&mut head).await? == 0 {
            return Err(ErrorKind::UnexpectedEof.into());
        }
    }
    let reply = format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nSec-WebSocket-Extensions: {}\r\n\r\n",
        settings.extension()
    );
    stream.write_all(reply.as_bytes()).await
}
