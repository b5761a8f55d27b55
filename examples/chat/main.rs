//! A chat with rooms, and a page for it that several tabs can use together: `cargo run --release --example chat`.
//!
//! The page is at `/`, a room at `/ws/ROOM?name=NAME`, on one port. `hub.rs` has the rooms: one encoding of each message for
//! thousands of members, and what happens to slow ones. `farewell.rs` closes them all, and `protocol.rs` is what is said.
//! How a connection is taken over from hyper is explained in the `echo` example.

mod farewell;
mod hub;
mod protocol;

use std::{convert::Infallible, env, error::Error, process::ExitCode, sync::Arc, time::Duration};

use bytes::{Bytes, BytesMut};
use http_body_util::Full;
use hyper::{Request, Response, body::Incoming, server::conn::http1, service::service_fn, upgrade};
use hyper_util::rt::{TokioIo, TokioTimer};
use sansocket::{
    CloseCode, CloseFrame, Config, Connection, Message, Negotiated, Overflow,
    deflate::Params,
    handshake::{Answer, HttpVersion, Offer, OriginPolicy, Rejection, Reply},
    tokio::{Sender, WebSocket},
};
use tokio::{
    net::{TcpListener, TcpStream},
    signal::unix::{SignalKind, signal},
    sync::watch,
    task::yield_now,
    time::{Instant, sleep, timeout, timeout_at},
};

use farewell::Farewell;
use hub::Hub;
use protocol::Line;

const PAGE: &str = include_str!("chat.html");
const USAGE: &str =
    "usage: chat [--addr HOST:PORT] [--slow drop-newest|drop-oldest|close] [--max-message BYTES]
            [--rate MESSAGES_PER_SECOND] [--any-origin] [--deflate] [--batch MEMBERS] [--drain-seconds SECONDS]";

/// The longest name of a room or of a person, in bytes.
const MAX_NAME: usize = 64;
/// What of a message is not what somebody says, at most: the word `say`.
const WORD: u64 = 4;
/// How many messages may come faster.
const BURST: u32 = 20;
/// What is held for a member who does not read, in bytes: more than twice what a newcomer is told at most.
const UNSENT: usize = 256 << 10;

type Failure = Box<dyn Error + Send + Sync>;

#[derive(Clone)]
struct Server {
    page: Bytes,
    config: Arc<Config>,
    answer: Arc<Answer>,
    rate: u32,
    hub: Hub<TcpStream>,
    /// Changes when all is said. The end waits for all copies of this to be dropped.
    over: watch::Receiver<()>,
}

#[tokio::main]
async fn main() -> ExitCode {
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("chat: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<(), Failure> {
    let Options { addr, config, answer, slow, rate, batch, drain } = Options::parse(env::args().skip(1))?;
    let listener = TcpListener::bind(&addr).await?;
    let addr = listener.local_addr()?;
    println!("page       http://{addr}/");
    println!("websocket  ws://{addr}/ws/lobby?name=you");

    let hub = Hub::new(slow, protocol::write);
    let (running, over) = watch::channel(());
    let page = PAGE.replace("{max-message}", &(config.limits.message - WORD).to_string()).into();
    let (config, answer) = (Arc::new(config), Arc::new(answer));
    let server = Server { page, config, answer, rate, hub: hub.clone(), over };
    let listening = tokio::spawn(listen(listener, server));
    told_to_stop().await?;
    println!("{} to be closed; once more to stop at once", hub.counts().connections);
    let begun = Instant::now();
    tokio::select! {
        farewell = hub.shutdown(drain, batch) => report(&hub, farewell, begun.elapsed()),
        told = told_to_stop() => return told,
    }
    listening.abort();
    running.send_replace(());
    let _ = timeout(Duration::from_secs(1), running.closed()).await;
    Ok(())
}

/// Waits for Ctrl-C or SIGTERM.
async fn told_to_stop() -> Result<(), Failure> {
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        told = tokio::signal::ctrl_c() => told?,
        _ = terminate.recv() => {}
    }
    Ok(())
}

fn report(hub: &Hub<TcpStream>, farewell: Farewell, took: Duration) {
    let Farewell { clean, lost, aborted } = farewell;
    let counts = hub.counts();
    println!("{clean} closed, {lost} lost, {aborted} aborted, in {:.3} s", took.as_secs_f64());
    println!(
        "{} messages in {} encodings; {} dropped and {} closed for slow members",
        counts.messages, counts.encodings, counts.dropped, counts.closed_slow
    );
}

async fn listen(listener: TcpListener, server: Server) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => drop(tokio::spawn(serve(stream, server.clone()))),
            // Out of file descriptors, most likely: those who are served can go on, and leave.
            Err(_) => sleep(Duration::from_millis(100)).await,
        }
    }
}

/// Serves HTTP on a connection until it ends or is taken over.
async fn serve(stream: TcpStream, server: Server) {
    let _ = stream.set_nodelay(true);
    let mut over = server.over.clone();
    let service = service_fn(move |request| {
        let response = respond(request, &server);
        async { Ok::<_, Infallible>(response) }
    });
    let mut http = http1::Builder::new();
    let http = http.timer(TokioTimer::new()).serve_connection(TokioIo::new(stream), service).with_upgrades();
    tokio::select! {
        _ = http => {}
        _ = over.changed() => {}
    }
}

fn respond(request: Request<Incoming>, server: &Server) -> Response<Full<Bytes>> {
    let path = request.uri().path();
    if path == "/" {
        let response = Response::builder().header("Content-Type", "text/html; charset=utf-8");
        return response.body(server.page.clone().into()).expect("a response of constants");
    }
    let Some(room) = path.strip_prefix("/ws/") else { return plain(404, "not found\n") };
    let query = request.uri().query().unwrap_or_default();
    let name = query.split('&').find_map(|pair| pair.strip_prefix("name=")).unwrap_or("somebody");
    match (named(room), named(name)) {
        _ if server.hub.is_closing() => plain(503, "the server shuts down\n"),
        (Some(room), Some(name)) => upgrade(request, server, room, name),
        _ => plain(400, "a name has 1 to 64 bytes\n"),
    }
}

fn plain(status: u16, text: &'static str) -> Response<Full<Bytes>> {
    let response = Response::builder().status(status).header("Content-Type", "text/plain");
    response.body(text.into()).expect("a response of constants")
}

fn named(escaped: &str) -> Option<String> {
    let name = protocol::unescape(escaped)?.trim().to_owned();
    (1..=MAX_NAME).contains(&name.len()).then_some(name)
}

/// Answers a request that somebody else has parsed, and takes its stream over once the answer is written.
fn upgrade(
    mut request: Request<Incoming>,
    server: &Server,
    room: String,
    name: String,
) -> Response<Full<Bytes>> {
    match offer(&request).and_then(|offer| offer.accept(&server.answer)) {
        Ok((reply, negotiated)) => {
            let (upgrade, server) = (upgrade::on(&mut request), server.clone());
            tokio::spawn(async move {
                let websocket = take_over(upgrade, negotiated, &server.config).await?;
                chat(websocket, &server, &room, &name).await;
                Ok::<_, Failure>(())
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

/// Hears a member until the connection is over, however that comes about.
async fn chat(websocket: WebSocket<TcpStream>, server: &Server, room: &str, name: &str) {
    let (sender, mut receiver) = websocket.split();
    let member = server.hub.join(room, name, &sender);
    if member.is_none() {
        close(&sender, CloseCode::GOING_AWAY, "the server shuts down");
    }
    let mut pace = Pace::new(server.rate);
    while let Ok(Some(message)) = receiver.recv().await {
        if sender.inspect(|connection| connection.sent_close().is_some()) {
            // What comes behind our Close frame is said to nobody, and is in the way of the answer.
            continue;
        }
        let line = match &message {
            Message::Text(text) => protocol::parse(text),
            Message::Binary(_) => None,
        };
        match (line, &member) {
            (Some(Line::Say(text)), Some(member)) => member.say(text),
            (Some(Line::Ping(number)), _) => {
                // For who has no room for it, it would come too late.
                let _ = sender.post(protocol::pong(number), Overflow::DropNewest);
            }
            (Some(Line::Say(_)), None) => {}
            (None, _) => close(&sender, CloseCode::POLICY_VIOLATION, "neither `say TEXT` nor `ping NUMBER`"),
        }
        pace.keep(&sender).await;
    }
}

/// How fast a member is heard. One who says more is not read for a while, which TCP makes him feel: otherwise, he alone
/// could say more than all the others can read, and they would pass for slow.
struct Pace {
    interval: Duration,
    /// When a member who keeps the pace would have said what this one has.
    due: Instant,
}

impl Pace {
    fn new(rate: u32) -> Self {
        let interval = Duration::from_secs(1).checked_div(rate).unwrap_or_default();
        Self { interval, due: Instant::now() }
    }

    async fn keep(&mut self, sender: &Sender<TcpStream>) {
        let (now, burst) = (Instant::now(), self.interval * BURST);
        self.due = self.due.max(now) + self.interval;
        if self.due > now + burst {
            // What others say is written meanwhile.
            let _ = timeout_at(self.due - burst, sender.closed()).await;
        } else {
            // Whoever was posted to has a turn.
            yield_now().await;
        }
    }
}

fn close(sender: &Sender<TcpStream>, code: CloseCode, reason: &'static str) {
    sender.start_close(CloseFrame::new(code, reason).expect("a short reason"));
}

struct Options {
    addr: String,
    config: Config,
    answer: Answer,
    slow: Overflow,
    rate: u32,
    batch: usize,
    drain: Duration,
}

impl Options {
    fn parse(mut args: impl Iterator<Item = String>) -> Result<Self, Failure> {
        let mut options = Self {
            addr: "127.0.0.1:9001".into(),
            config: Config::new(),
            answer: Answer::new(),
            slow: slow("close")?,
            rate: 20,
            batch: 256,
            drain: Duration::from_secs(10),
        };
        let mut max_message: u32 = 4 << 10;
        while let Some(arg) = args.next() {
            let mut value = || args.next().ok_or(format!("{arg} needs a value\n{USAGE}"));
            match arg.as_str() {
                "--addr" => options.addr = value()?,
                "--slow" => options.slow = slow(&value()?)?,
                "--max-message" => max_message = value()?.parse()?,
                "--rate" => options.rate = value()?.parse()?,
                "--any-origin" => options.answer = options.answer.origin(OriginPolicy::any()),
                "--deflate" => options.answer = options.answer.deflate(terms()),
                "--batch" => options.batch = value()?.parse()?,
                "--drain-seconds" => options.drain = Duration::try_from_secs_f64(value()?.parse()?)?,
                _ => return Err(USAGE.into()),
            }
        }
        options.config = config(max_message);
        Ok(options)
    }
}

/// Contexts are of no use to a server that encodes once for all, and each takes memory.
fn terms() -> Params {
    Params::new().server_no_context_takeover().client_no_context_takeover()
}

fn config(max_message: u32) -> Config {
    let mut config = Config::new().max_message(u64::from(max_message) + WORD);
    config.limits.unsent = UNSENT.max(4 * max_message as usize);
    config
}

fn slow(policy: &str) -> Result<Overflow, Failure> {
    match policy {
        "drop-newest" => Ok(Overflow::DropNewest),
        "drop-oldest" => Ok(Overflow::DropOldest),
        "close" => Ok(Overflow::Close(CloseFrame::new(CloseCode::TRY_AGAIN_LATER, "too slow")?)),
        _ => Err(USAGE.into()),
    }
}
