//! An echo server with a page to try it from: `cargo run --release --example echo`.
//!
//! The page is at `/`, the echo at `/ws`, on one port. It is also the reference of how to take a connection over
//! from an HTTP server, here hyper: [`upgrade`] holds a parsed request against the rules of the opening handshake,
//! and [`take_over`] makes a WebSocket of the stream under it.

use std::{
    convert::Infallible,
    env,
    error::Error,
    fs::File,
    io::{self, BufWriter},
    path::PathBuf,
    process::ExitCode,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use http_body_util::Full;
use hyper::{Request, Response, body::Incoming, server::conn::http1, service::service_fn, upgrade};
use hyper_util::rt::{TokioIo, TokioTimer};
use sansocket::{
    CloseCode, CloseFrame, Config, Connection, Negotiated,
    deflate::{Params, WindowBits},
    handshake::{Answer, HttpVersion, Offer, OriginPolicy, Rejection, Reply},
    tokio::WebSocket,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    signal::unix::{SignalKind, signal},
    sync::watch,
    time::{sleep, timeout},
};

const PAGE: &str = include_str!("echo.html");
const USAGE: &str = "usage: echo [--addr HOST:PORT] [--max-message BYTES] [--any-origin]
            [--deflate] [--no-takeover] [--window-bits 9..15] [--record DIR]";

type Failure = Box<dyn Error + Send + Sync>;

#[derive(Clone)]
struct Server {
    config: Arc<Config>,
    answer: Arc<Answer>,
    recordings: Option<Arc<Recordings>>,
    /// Changes when the server shuts down, which waits for all copies of this to be dropped.
    shutdown: watch::Receiver<()>,
}

#[tokio::main]
async fn main() -> ExitCode {
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("echo: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<(), Failure> {
    let options = Options::parse(env::args().skip(1))?;
    let listener = TcpListener::bind(&options.addr).await?;
    let addr = listener.local_addr()?;
    println!("page       http://{addr}/");
    println!("websocket  ws://{addr}/ws");

    let (running, shutdown) = watch::channel(());
    let server = Server {
        config: Arc::new(options.config),
        answer: Arc::new(options.answer),
        recordings: options.record.map(Recordings::new).transpose()?,
        shutdown,
    };
    let mut terminate = signal(SignalKind::terminate())?;
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => drop(tokio::spawn(serve(stream, server.clone()))),
                // Out of file descriptors, most likely: those who are served can go on, and leave.
                Err(_) => sleep(Duration::from_millis(100)).await,
            },
            _ = tokio::signal::ctrl_c() => break,
            _ = terminate.recv() => break,
        }
    }
    drop(server);
    running.send_replace(());
    let _ = timeout(Duration::from_secs(10), running.closed()).await;
    Ok(())
}

/// Serves HTTP on a connection until it ends or is taken over.
async fn serve(stream: TcpStream, server: Server) {
    let _ = stream.set_nodelay(true);
    let mut shutdown = server.shutdown.clone();
    let service = service_fn(move |request| {
        let response = respond(request, &server);
        async { Ok::<_, Infallible>(response) }
    });
    let mut http = http1::Builder::new();
    let http = http.timer(TokioTimer::new()).serve_connection(TokioIo::new(stream), service).with_upgrades();
    tokio::select! {
        _ = http => {}
        _ = shutdown.changed() => {}
    }
}

fn respond(request: Request<Incoming>, server: &Server) -> Response<Full<Bytes>> {
    match request.uri().path() {
        "/" => Response::builder().header("Content-Type", "text/html; charset=utf-8").body(PAGE.into()),
        "/ws" => return upgrade(request, server),
        _ => Response::builder().status(404).header("Content-Type", "text/plain").body("not found\n".into()),
    }
    .expect("a response of constants")
}

/// Answers a request that somebody else has parsed, and takes its stream over once the answer is written.
fn upgrade(mut request: Request<Incoming>, server: &Server) -> Response<Full<Bytes>> {
    match offer(&request).and_then(|offer| offer.accept(&server.answer)) {
        Ok((reply, negotiated)) => {
            let (upgrade, server) = (upgrade::on(&mut request), server.clone());
            tokio::spawn(async move {
                let websocket = take_over(upgrade, negotiated, &server.config).await?;
                match &server.recordings {
                    Some(recordings) => {
                        let websocket = websocket.record(&server.config, recordings.create()?);
                        serve_echo(websocket, server.shutdown).await
                    }
                    None => serve_echo(websocket, server.shutdown).await,
                }
            });
            response(&reply)
        }
        Err(rejection) => response(&rejection.reply()),
    }
}

fn offer(request: &Request<Incoming>) -> Result<Offer, Rejection> {
    let version = match request.version() {
        hyper::Version::HTTP_11 => HttpVersion::HTTP_11,
        _ => HttpVersion::new(1, 0),
    };
    Offer::from_headers(request.method().as_str(), &request.uri().to_string(), version, request.headers())
}

fn response(reply: &Reply) -> Response<Full<Bytes>> {
    let mut response = Response::builder().status(reply.status());
    for (name, value) in reply.headers() {
        response = response.header(name, value);
    }
    response.body(reply.body().into()).expect("a reply is a valid response")
}

/// Makes a WebSocket of the stream under an HTTP connection, with what the client has sent behind its request.
async fn take_over(
    upgrade: upgrade::OnUpgrade,
    negotiated: Negotiated,
    config: &Config,
) -> Result<WebSocket<TcpStream>, Failure> {
    let parts = upgrade.await?.downcast::<TokioIo<TcpStream>>().map_err(|_| "not a TCP stream")?;
    let connection = Connection::server(config, negotiated);
    Ok(WebSocket::from_parts(parts.io.into_inner(), connection, BytesMut::from(parts.read_buf)))
}

/// Echoes until the client closes, or until the server shuts down.
async fn serve_echo(
    mut websocket: WebSocket<impl AsyncRead + AsyncWrite + Unpin>,
    mut shutdown: watch::Receiver<()>,
) -> Result<(), Failure> {
    tokio::select! {
        ended = echo(&mut websocket) => Ok(ended?),
        _ = shutdown.changed() => {
            websocket.close(CloseFrame::new(CloseCode::GOING_AWAY, "the server shuts down")?).await;
            Ok(())
        }
    }
}

/// Sends every message back. Echoes of messages that came together leave together, when `recv` next waits.
async fn echo(
    websocket: &mut WebSocket<impl AsyncRead + AsyncWrite + Unpin>,
) -> Result<(), sansocket::tokio::Error> {
    while let Some(message) = websocket.recv().await? {
        websocket.feed(message).await?;
    }
    Ok(())
}

/// Where connections are recorded: a file for each, by number.
struct Recordings {
    folder: PathBuf,
    count: AtomicUsize,
}

impl Recordings {
    /// The next file. One that is there already is left alone.
    /// Makes the folder if it is not there.
    fn new(folder: PathBuf) -> io::Result<Arc<Self>> {
        std::fs::create_dir_all(&folder)?;
        Ok(Arc::new(Self { folder, count: AtomicUsize::new(0) }))
    }

    fn create(&self) -> io::Result<BufWriter<File>> {
        loop {
            let number = self.count.fetch_add(1, Ordering::Relaxed) + 1;
            match File::create_new(self.folder.join(format!("{number}.session"))) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                created => return created.map(BufWriter::new),
            }
        }
    }
}

struct Options {
    addr: String,
    config: Config,
    answer: Answer,
    record: Option<PathBuf>,
}

impl Options {
    fn parse(mut args: impl Iterator<Item = String>) -> Result<Self, Failure> {
        let mut options = Self {
            addr: "127.0.0.1:9001".into(),
            config: Config::new(),
            answer: Answer::new(),
            record: None,
        };
        let mut deflate = None;
        while let Some(arg) = args.next() {
            let mut value = || args.next().ok_or(format!("{arg} needs a value\n{USAGE}"));
            let terms: Params = deflate.unwrap_or_default();
            match arg.as_str() {
                "--addr" => options.addr = value()?,
                "--max-message" => options.config = options.config.max_message(value()?.parse()?),
                "--any-origin" => options.answer = options.answer.origin(OriginPolicy::any()),
                "--record" => options.record = Some(value()?.into()),
                "--deflate" => deflate = Some(terms),
                "--no-takeover" => {
                    deflate = Some(terms.server_no_context_takeover().client_no_context_takeover());
                }
                "--window-bits" => {
                    let bits = value()?
                        .parse()
                        .ok()
                        .filter(|bits| *bits >= 9)
                        .and_then(WindowBits::new)
                        .ok_or(USAGE)?;
                    deflate = Some(terms.server_max_window_bits(bits).client_max_window_bits(bits));
                }
                _ => return Err(USAGE.into()),
            }
        }
        if let Some(terms) = deflate {
            options.answer = options.answer.deflate(terms);
        }
        Ok(options)
    }
}
